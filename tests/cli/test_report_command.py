"""``slaeval report``: what it writes, says and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import slaeval as package
from slaeval.evaluation.references import load_references
from slaeval.evaluation.run_folder import Alignment, write_run

ReferenceSet = tuple[Path, Path]


@pytest.fixture
def slaeval(slaeval_here):  # type: ignore[no-untyped-def]
    """Call the command in this process; other files start it as one of its own."""
    return slaeval_here


@pytest.fixture
def run(slaeval, tmp_path: Path) -> Path:
    """A run on the Phoenix 2014 T sample ``c``, without its first gloss in every segment."""
    slaeval("corpus", "sample", "phoenix2014t", "c")
    corpus = package.load_corpus("phoenix2014t", tmp_path / "c", "test")
    rows = [
        Alignment(
            sample.id,
            100,
            list(sample.glosses[1:]),
            [(10 * n, 10 * n + 10) for n in range(1, len(sample.glosses))],
            [0.9] * (len(sample.glosses) - 1),
            sample.signer or "",
            list(sample.glosses),
        )
        for sample in corpus
    ]
    task = load_references("phoenix2014t", "test", root=tmp_path / "c")
    settings = {"dataset": "phoenix2014t", "setup": corpus.setup, "split": "test"}
    settings |= {"root": corpus.root, "skipped": {}}
    (tmp_path / "run").mkdir()
    write_run(str(tmp_path / "run"), rows, task, "official", settings)
    return tmp_path / "run"


def test_a_file_gives_one_page(slaeval, task: ReferenceSet, tmp_path: Path) -> None:
    done = slaeval("report", task[0], "--ref", task[1])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("report.html: WER 54.55 % (rwth-2014), 4 segments, ")
    assert "warning:" in done.stderr
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "<title>WER 54.55 % (rwth-2014) · hyp.ctm · own references</title>" in text
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_score_writes_the_same_page(slaeval, task: ReferenceSet, tmp_path: Path) -> None:
    arguments = ("--ref", task[1], "--protocol", "none")
    slaeval("report", task[0], *arguments, "--out", "one.html")
    done = slaeval("score", "--pred", task[0], *arguments, "--html", "other.html")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "other.html").read_bytes()
    slaeval("score", "--pred", task[0], *arguments, "--html", "b.html", "--bootstrap", "500")
    assert "bootstrap, 500 resamples" in (tmp_path / "b.html").read_text("utf-8")


def test_a_run_needs_no_other_word(slaeval, run: Path) -> None:
    done = slaeval("report", "run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("run/report.html: WER ")
    text = (run / "report.html").read_text("utf-8")
    assert "phoenix2014t test" in text
    assert "Counted in phoenix2014t train" in text
    # The sample has no pictures: said, not an error.
    assert "No pictures" in done.stderr
    assert json.loads((run / "score.json").read_text())["signature"] in text


def test_two_systems(slaeval, run: Path, tmp_path: Path) -> None:
    done = slaeval("report", "c/hyp.ctm", "--dataset", "phoenix2014t", "--root", "c")
    assert 'id="comparison"' not in (tmp_path / "report.html").read_text("utf-8")
    done = slaeval("report", "run", "--against", "c/hyp.ctm", "--out", "ab.html")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "ab.html").read_text("utf-8")
    out = slaeval(
        *("compare", "run/hyp.ctm", "c/hyp.ctm", "--dataset", "phoenix2014t"),
        *("--root", "c", "--json"),
    )
    [pair] = json.loads(out.stdout)["pairs"]
    assert f"{pair['segments_won']} segments won" in text
    assert f"{pair['segments_lost']} segments lost" in text
    assert pair["verdict"].partition(":")[2].strip() in text
    both = slaeval("report", "run", "--against", "run/hyp.ctm", "--out", "same.html")
    assert both.returncode == 0
    assert "have the same WER" in (tmp_path / "same.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("gone.ctm", "--ref", "ref.stm"), 1, "no such file; expected a hypothesis file"),
        (("hyp.ctm",), 2, "--dataset NAME"),
        (("hyp.ctm", "--ref", "gone.stm"), 1, "gone.stm: no such file"),
        (("hyp.ctm", "--ref", "ref.stm", "--against", "gone"), 1, "gone: no such file"),
        (("hyp.ctm", "--ref", "ref.stm", "--train", "gone"), 1, "gone: no such file"),
        (("hyp.ctm", "--ref", "ref.stm", "--protocol", "nil"), 2, "unknown protocol 'nil'"),
        (("hyp.ctm", "--ref", "ref.stm", "--out", "hyp.ctm"), 2, "overwritten"),
        (("hyp.ctm", "--ref", "ref.stm", "--out", "ref.stm"), 2, "overwritten"),
        (("hyp.ctm", "--ref", "ref.stm", "--out", "."), 2, "is a folder"),
        (("hyp.ctm", "--ref", "ref.stm", "--out", "no/x.html"), 1, "cannot write"),
        (("hyp.ctm", "--dataset", "phoenix", "--root", "gone"), 1, "no such folder"),
        ((".", "--dataset", "phoenix2014t"), 1, "no run here"),
        (("hyp.ctm", "--ref", "ref.stm", "--pictures", "-1"), 2, "--pictures"),
    ],
)
def test_what_cannot_be_done(
    slaeval,
    task: ReferenceSet,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    expected: str,
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    done = slaeval("report", *arguments)
    assert done.returncode == code
    assert expected in done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_runs_that_cannot_be_read(slaeval, run: Path, tmp_path: Path) -> None:
    for name in ("hyp.ctm", "score.json", "run.json"):
        done = slaeval("report", "run", "--out", f"run/{name}")
        assert done.returncode == 2
        assert "overwritten" in done.stderr
    done = slaeval("report", "run", "--split", "dev")
    assert done.returncode == 2
    assert "--split needs --dataset" in done.stderr
    text = (run / "alignment.jsonl").read_text("utf-8")
    first, _, others = text.partition("\n")
    row = json.loads(first)
    for damage in (
        {"references": []},
        {"spans": row["spans"][1:]},
        {"spans": [[0, 1000]] * len(row["spans"])},
        {"confidences": [float("nan")] * len(row["spans"])},
        {"glosses": [1] * len(row["spans"])},
    ):
        (run / "alignment.jsonl").write_text(json.dumps({**row, **damage}) + "\n" + others)
        damaged = slaeval("report", "run")
        assert damaged.returncode == 1
        assert "'slaeval run' again with --restart" in damaged.stderr
    lines = text.splitlines(keepends=True)
    (run / "alignment.jsonl").write_text("".join(lines[:5]), "utf-8")
    cut = slaeval("report", "run")
    assert cut.returncode == 1
    assert "5 are here" in cut.stderr
    (run / "run.json").rename(run / "journal-0.jsonl")
    unfinished = slaeval("report", "run")
    assert unfinished.returncode == 1
    assert "not finished" in unfinished.stderr


def test_a_run_that_recognised_nothing_has_a_page(slaeval, run: Path) -> None:
    rows = [
        {**json.loads(line), "glosses": [], "spans": [], "confidences": []}
        for line in (run / "alignment.jsonl").read_text("utf-8").splitlines()
    ]
    (run / "alignment.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run / "hyp.ctm").write_text("")
    done = slaeval("report", "run")
    assert done.returncode == 0, done.stderr
    assert "WER 100.00 % (rwth-2014)" in done.stdout
    both = slaeval("compare", "run", "c/hyp.ctm", "--json")
    assert json.loads(both.stdout)["systems"][0]["wer"] == 100
    # But it is of this split: it says nothing about another one.
    dev = slaeval("report", "run", "--dataset", "phoenix2014t", "--root", "c", "--split", "dev")
    assert dev.returncode == 1
    assert "none of its 48 segments" in dev.stderr


def test_the_annotation_of_a_run_is_not_written_over(slaeval, run: Path, tmp_path: Path) -> None:
    [annotation] = (tmp_path / "c").rglob("*.test.corpus.csv")
    before = annotation.read_bytes()
    for arguments in (
        ("report", "run", "--out", annotation),
        ("compare", "run", "c/hyp.ctm", "--csv", annotation),
    ):
        done = slaeval(*arguments)
        assert done.returncode == 2
        assert "phoenix2014t's annotation" in done.stderr
    assert annotation.read_bytes() == before


def test_withheld_references_are_named(slaeval, run: Path, tmp_path: Path) -> None:
    rows = [
        {**json.loads(line), "reference": None}
        for line in (run / "alignment.jsonl").read_text("utf-8").splitlines()
    ]
    (run / "alignment.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = json.loads((run / "run.json").read_text("utf-8"))
    (run / "run.json").write_text(json.dumps({**settings, "signature": None}))
    done = slaeval("report", "run")
    assert done.returncode == 1
    assert "withheld" in done.stderr
    given = slaeval("report", "run", "--dataset", "phoenix2014t", "--root", "c")
    assert given.returncode == 0, given.stderr
