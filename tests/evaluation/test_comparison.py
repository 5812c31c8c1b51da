"""``slaeval compare`` and ``slaeval.compare``."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

import slaeval as package
from slaeval.errors import UsageError
from slaeval.evaluation.references import load_references


@pytest.fixture
def slaeval(slaeval_here):  # type: ignore[no-untyped-def]
    """Call the command in this process; other files start it as one of its own."""
    return slaeval_here


def _scores(*systems: dict[str, str], protocol: str = "none"):  # type: ignore[no-untyped-def]
    references = {f"s{n}": "A B C D E F" for n in range(12)}
    return [package.score(references, system, protocol) for system in systems]


PERFECT = {f"s{n}": "A B C D E F" for n in range(12)}
WORSE = {f"s{n}": "A B X D E F" if n % 2 else "A B C D E F" for n in range(12)}
WORST = {f"s{n}": "A X X" for n in range(12)}


def test_a_clear_difference_is_significant() -> None:
    result = package.compare(*_scores(PERFECT, WORST))
    [pair] = result.pairs
    assert pair.difference > 0  # the other minus the first
    assert (pair.won, pair.lost, pair.tied) == (12, 0, 0)
    assert pair.permutation_p == pytest.approx(2 / 2**12)
    assert "A is" in pair.verdict
    low, high = pair.interval
    assert 0 < low <= pair.difference <= high
    assert len(pair.segments) == 12
    assert list(result.to_pandas().columns) == ["id", "signer", "reference_words", "A", "B"]


def test_equal_systems() -> None:
    [pair] = package.compare(*_scores(WORSE, WORSE)).pairs
    assert pair.permutation_p == 1
    assert pair.matched_pairs_p == 1
    assert "same WER" in pair.verdict


def test_references_without_words() -> None:
    [pair] = package.compare(
        *(package.score({"a": ""}, {"a": said}, "none") for said in ("X", "X Y"))
    ).pairs
    assert pair.verdict == "A and B have no WER: there are no reference words"


def test_several_systems_are_adjusted() -> None:
    result = package.compare(*_scores(PERFECT, WORSE, WORST), names=["p", "q", "r"])
    alone = package.compare(*_scores(PERFECT, WORSE)).pairs[0]
    together = next(pair for pair in result.pairs if {pair.first, pair.second} == {"p", "q"})
    assert len(result.pairs) == 3
    assert together.permutation_p >= alone.permutation_p
    json.dumps(result.to_dict())


def test_what_cannot_be_compared() -> None:
    [one] = _scores(PERFECT)
    [other] = _scores(PERFECT, protocol="official")
    with pytest.raises(UsageError, match="not comparable"):
        package.compare(one, other)
    with pytest.raises(UsageError, match="different references"):
        package.compare(one, package.score({"s0": "A"}, {"s0": "A"}, "none"))
    with pytest.raises(UsageError, match="two systems"):
        package.compare(one)
    with pytest.raises(UsageError, match="must be unique"):
        package.compare(one, one, names=["a", "a"])


def test_command(slaeval, task, tmp_path) -> None:
    better = tmp_path / "better.ctm"
    better.write_text(task[0].read_text().replace("SCHNEE", "REGEN"))
    done = slaeval("compare", better, task[0], "--ref", task[1], "--csv", "out.csv")
    assert done.returncode == 0, done.stderr
    assert "better.ctm is 9.09 points better than hyp.ctm" in done.stdout
    assert "not significant" in done.stdout
    assert (tmp_path / "out.csv").read_text().startswith("id,signer,reference_words,better.ctm")
    out = json.loads(slaeval("compare", better, task[0], "--ref", task[1], "--json").stdout)
    assert out["pairs"][0]["segments_won"] == 1
    assert out["pairs"][0]["by_signer"]["Ben"] == [60.0, 60.0]
    alone = slaeval("compare", better, "--ref", task[1])
    assert alone.returncode == 2
    assert "--against published" in alone.stderr
    needs = slaeval("compare", better, "--ref", task[1], "--against", "published")
    assert needs.returncode == 2
    assert "--dataset" in needs.stderr


def test_many_systems_are_ranked_against_the_leader(slaeval, task, tmp_path) -> None:
    said = task[0].read_text()
    files = []
    for number in range(1, 5):
        files.append(tmp_path / f"s{number}.ctm")
        files[-1].write_text("".join(said.splitlines(keepends=True)[: 2 * number]))
    files.insert(2, task[0])  # the best is not the first file
    given = ("compare", *files, "--ref", task[1], "--bootstrap", "200")
    done = slaeval(*given)
    assert done.returncode == 0, done.stderr
    every = json.loads(slaeval(*given, "--json", "--all-pairs").stdout)["pairs"]
    assert len({frozenset((pair["first"], pair["second"])) for pair in every}) == len(every) == 10
    pairs = json.loads(slaeval(*given, "--json").stdout)["pairs"]
    assert [pair["first"] for pair in pairs] == ["hyp.ctm"] * 4
    for pair in pairs:
        # The same test, adjusted over fewer pairs.
        [same] = [
            one
            for one in every
            if one["first"] == "hyp.ctm" == pair["first"] and one["second"] == pair["second"]
        ]
        assert same["mapsswe"] == pair["mapsswe"]
        assert same["permutation_p"] >= pair["permutation_p"]
    rows = [line.split("  ") for line in done.stdout.splitlines()[1:6]]
    wers = [float(re.findall(r"\d+\.\d\d", "  ".join(row))[0]) for row in rows]
    assert wers == sorted(wers)
    assert sum("> hyp.ctm" in line for line in done.stdout.splitlines()) == 1
    for pair in pairs:
        if pair["first"] == "hyp.ctm":
            [row] = [line for line in done.stdout.splitlines() if f" {pair['second']} " in line]
            assert f" {pair['difference']:+.2f} " in row
            assert f"{pair['permutation_p']:.4f}" in row
    for form in ("markdown", "latex"):
        told = slaeval(*given, "--format", form).stdout
        assert len(re.findall("points (?:better|worse)|the same WER", told)) == 4


def _run(folder: Path, split: str, left_out: int) -> None:
    """Write a run on the sample ``c`` beside it that lacks the first glosses of every segment."""
    from slaeval.evaluation.run_folder import Alignment, write_run

    root = folder.parent / "c"
    corpus = package.load_corpus("phoenix2014t", root, split)
    rows = [
        Alignment(
            sample.id,
            80,
            list(sample.glosses[left_out:]),
            [(10 * n, 10 * n + 10) for n in range(len(sample.glosses) - left_out)],
            [0.9] * (len(sample.glosses) - left_out),
            sample.signer or "",
            list(sample.glosses),
        )
        for sample in corpus
    ]
    settings = {"dataset": "phoenix2014t", "label": "phoenix2014t", "setup": corpus.setup}
    settings |= {"split": split, "root": corpus.root, "skipped": {}}
    folder.mkdir()
    task = load_references("phoenix2014t", split, root=root)
    write_run(str(folder), rows, task, "official", settings)


def test_runs_bring_their_references(slaeval, tmp_path) -> None:
    slaeval("corpus", "sample", "phoenix2014t", "c")
    for name, split, left_out in (
        ("lora.v1", "test", 1),
        ("adapter", "test", 2),
        ("lora_dev", "dev", 0),
        ("adapter_dev", "dev", 1),
    ):
        _run(tmp_path / name, split, left_out)
    done = slaeval("compare", "lora.v1", "adapter", "--json")
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    files = ("lora.v1/hyp.ctm", "adapter/hyp.ctm", "--dataset", "phoenix2014t", "--root", "c")
    same = json.loads(slaeval("compare", *files, "--json").stdout)
    assert [row["name"] for row in out["systems"]] == ["lora.v1", "adapter"]
    assert [row["signature"] for row in out["systems"]] == [
        row["signature"] for row in same["systems"]
    ]
    assert out["pairs"][0]["difference"] == same["pairs"][0]["difference"] > 0
    # A file is held against the references of the run beside it, wherever it stands.
    mixed = slaeval("compare", "c/hyp.ctm", "adapter", "--json")
    assert json.loads(mixed.stdout)["systems"][0]["wer"] == pytest.approx(21.46, abs=0.005)
    dev = ("--dev", "lora_dev", "--dev", "adapter_dev", "--format", "latex")
    shown = slaeval("compare", "lora.v1", "adapter", *dev)
    assert shown.returncode == 0, shown.stderr
    wers = {row["name"]: f"{row['wer']:.1f}" for row in out["systems"]}
    wer = re.escape(wers["lora.v1"])
    row = rf"^lora\.v1 & rwth-2014 & 0\.0/0\.0 & \d\.\d & \d+\.\d/0\.0 & {wer} "
    assert re.search(row, shown.stdout, re.M), shown.stdout
    for sources, message in (
        (("lora.v1", "adapter", "--dev", "lora_dev"), "one for each system"),
        (("lora.v1", "adapter", "--dev", "lora.v1", "--dev", "adapter"), "dev split of the same"),
        (("lora_dev", "adapter_dev", "--dev", "lora_dev", "--dev", "adapter_dev"), "dev split of"),
        (("lora.v1", "c/hyp.ctm", "--dev", "lora_dev", "--dev", "adapter_dev"), "use --dataset"),
        (("lora.v1", "adapter", "--split", "dev"), "--split needs --dataset"),
        (("lora.v1", "adapter", "--csv", "adapter/hyp.ctm"), "overwritten"),
    ):
        form = () if "--csv" in sources or "--split" in sources else ("--format", "latex")
        refused = slaeval("compare", *sources, *form)
        assert refused.returncode == 2, refused.stderr
        assert message in refused.stderr


def test_other_formats_of_hypotheses(slaeval, task, tmp_path) -> None:
    rows: dict[str, list[str]] = {}
    for line in task[0].read_text().splitlines():
        rows.setdefault(line.split()[0], []).append(line.split()[4])
    (tmp_path / "odd").write_text("".join(f"{id}\t{' '.join(w)}\n" for id, w in rows.items()))
    done = slaeval("compare", task[0], "odd", "--ref", task[1], "--pred-format", "tsv")
    assert done.returncode == 1  # for all files
    (tmp_path / "odd2").write_text((tmp_path / "odd").read_text())
    done = slaeval("compare", "odd", "odd2", "--ref", task[1], "--pred-format", "tsv")
    assert done.returncode == 0, done.stderr
    assert "odd and odd2 have the same WER" in done.stdout


def test_against_published(slaeval, tmp_path) -> None:
    slaeval("corpus", "sample", "phoenix2014t", "corpus")
    done = slaeval(
        *("compare", "corpus/hyp.ctm", "--dataset", "phoenix2014t", "--root", "corpus"),
        *("--against", "published"),
    )
    assert done.returncode == 0, done.stderr
    assert "CLIP-SLA SLA-LoRA" in done.stdout
    assert "> hyp.ctm" in done.stdout
    assert "no paired test" in done.stdout


def test_the_difference_has_one_direction_everywhere(slaeval, tmp_path: Path) -> None:
    """The other minus the first, as in an audit; and every form says so."""
    (tmp_path / "r.tsv").write_text("".join(f"{n}\t{words}\n" for n, words in PERFECT.items()))
    for name, system in (
        ("good", PERFECT),
        ("bad", WORSE),
        ("p", WORST),
        ("q", WORST),
        ("r", WORST),
    ):
        (tmp_path / name).write_text("".join(f"{n}\t{words}\n" for n, words in system.items()))
    for first, other, sign in (("good", "bad", 1), ("bad", "good", -1)):
        given = ("compare", first, other, "--ref", "r.tsv")
        [pair] = json.loads(slaeval(*given, "--json").stdout)["pairs"]
        wers = [float(score.wer) for score in _scores(PERFECT, WORSE, protocol="official")]
        assert pair["difference"] == pytest.approx(sign * (wers[1] - wers[0]))
        assert pair["difference_is"] == "second - first"
        low, high = pair["difference_ci"]
        assert low <= pair["difference"] <= high
        shown = f"{pair['difference']:+.2f}"
        table = slaeval(*given).stdout
        assert f"difference ({other} minus {first}) {shown} points" in table
        assert f"minus {first}" in slaeval("compare", first, other, "p", "--ref", "r.tsv").stdout
        markdown = slaeval(*given, "--format", "markdown").stdout
        assert "minus the first" in markdown
        assert shown in markdown
        [_, row] = csv.DictReader(slaeval(*given, "--format", "csv").stdout.splitlines())
        assert float(row["difference"]) == pytest.approx(pair["difference"])
        ranking = slaeval("compare", first, other, "p", "q", "r", "--ref", "r.tsv").stdout
        # Of many systems the best is the first.
        assert f"{wers[1] - wers[0]:+.2f}" in ranking
        assert "Differences are each WER minus that of good" in " ".join(ranking.split())
