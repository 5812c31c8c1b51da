"""``slaeval compare`` and ``slaeval.compare``."""

from __future__ import annotations

import json
import re

import pytest

import slaeval as package
from slaeval.errors import UsageError
from slaeval.literature import published


def _scores(*systems: dict[str, str], protocol: str = "none"):  # type: ignore[no-untyped-def]
    references = {f"s{n}": "A B C D E F" for n in range(12)}
    return [package.score(references, system, protocol) for system in systems]


PERFECT = {f"s{n}": "A B C D E F" for n in range(12)}
WORSE = {f"s{n}": "A B X D E F" if n % 2 else "A B C D E F" for n in range(12)}
WORST = {f"s{n}": "A X X" for n in range(12)}


def test_a_clear_difference_is_significant() -> None:
    result = package.compare(*_scores(PERFECT, WORST))
    [pair] = result.pairs
    assert pair.difference < 0
    assert (pair.won, pair.lost, pair.tied) == (12, 0, 0)
    assert pair.permutation_p == pytest.approx(2 / 2**12)
    assert "A is" in pair.verdict
    low, high = pair.interval
    assert low <= pair.difference <= high < 0
    assert len(pair.segments) == 12
    assert list(result.to_pandas().columns) == ["id", "signer", "reference_words", "A", "B"]


def test_equal_systems() -> None:
    [pair] = package.compare(*_scores(WORSE, WORSE)).pairs
    assert pair.permutation_p == 1
    assert pair.matched_pairs_p == 1
    assert "same WER" in pair.verdict


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
    with pytest.raises(UsageError, match="name of its own"):
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


def test_many_systems_are_ranked_against_the_first(slaeval, task, tmp_path) -> None:
    said = task[0].read_text()
    files = [task[0]]
    for number in range(1, 5):
        files.append(tmp_path / f"s{number}.ctm")
        files[-1].write_text("".join(said.splitlines(keepends=True)[: 2 * number]))
    given = ("compare", *files, "--ref", task[1], "--bootstrap", "200")
    done = slaeval(*given)
    assert done.returncode == 0, done.stderr
    pairs = json.loads(slaeval(*given, "--json").stdout)["pairs"]
    assert len(pairs) == 10
    rows = [line.split("  ") for line in done.stdout.splitlines()[1:6]]
    wers = [float(re.findall(r"\d+\.\d\d", "  ".join(row))[0]) for row in rows]
    assert wers == sorted(wers)
    assert sum("> hyp.ctm" in line for line in done.stdout.splitlines()) == 1
    for pair in pairs:
        if pair["first"] == "hyp.ctm":
            [row] = [line for line in done.stdout.splitlines() if f" {pair['second']} " in line]
            assert f" {-pair['difference']:+.2f} " in row
            assert f"{pair['permutation_p']:.4f}" in row
    for form in ("markdown", "latex"):
        told = slaeval(*given, "--format", form).stdout
        assert len(re.findall("points (?:better|worse)|the same WER", told)) == 4


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


def test_published_rows_have_sources() -> None:
    for corpus, system, wer in (
        ("phoenix2014", "CLIP-SLA SLA-Adapter", 18.8),
        ("phoenix2014t", "CLIP-SLA SLA-LoRA", 19.4),
        ("csl-daily", "CLIP-SLA SLA-LoRA", 25.8),
    ):
        rows = {row.system: row for row in published(corpus)}
        assert rows[system].wer == wer
        assert all(row.paper and row.source for row in rows.values())
    assert published("phoenix2014", "dev")[0].wer == 18.5
