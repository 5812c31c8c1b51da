"""One evaluation serves every command: what it holds, and how often it computes anything."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from click.testing import CliRunner

import slaeval
from slaeval import files, loaders
from slaeval.cli.main import cli
from slaeval.errors import InputError, UsageError
from slaeval.evaluation.base import system_names
from slaeval.evaluation.references import load_references
from slaeval.evaluation.request import Request
from slaeval.evaluation.run_folder import Alignment, Run, write_run
from slaeval.evaluation.score import Evaluation
from slaeval.formats.hypotheses import read_hypotheses
from slaeval.report import collect, render
from slaeval.scoring.protocols import protocols
from slaeval.scoring.scorer import score_segments


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Phoenix 2014 T sample: two readings of each score."""
    folder = tmp_path_factory.mktemp("c")
    loaders.write_sample("phoenix2014t", folder)
    return folder


@pytest.fixture(scope="module")
def run(corpus: Path) -> Path:
    """A run whose hypotheses are those of the sample; one segment was skipped."""
    references = load_references("phoenix2014t", "test", root=corpus)
    words = read_hypotheses(str(corpus / "hyp.ctm")).words
    skipped = references.references[0].id
    words[skipped] = []
    rows = [
        Alignment(
            one.id,
            8 * len(words.get(one.id, ())),
            words.get(one.id, []),
            [(8 * n, 8 * n + 8) for n in range(len(words.get(one.id, ())))],
            [0.5] * len(words.get(one.id, ())),
            one.signer,
            one.words,
        )
        for one in references.references
    ]
    settings = {"dataset": "phoenix2014t", "setup": "multisigner", "split": "test"}
    settings |= {"root": str(corpus), "skipped": {skipped: "broken"}}
    folder = corpus.parent / "run"
    folder.mkdir(exist_ok=True)
    write_run(str(folder), rows, references, "official", settings)
    return folder


def counted(what: Callable[[], object]) -> tuple[int, Counter[str]]:
    """Return how often anything was scored, and how often each file was read."""
    scored = 0
    read: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _: object) -> None:
        nonlocal scored
        if event == "call" and frame.f_code is score_segments.__code__:
            scored += 1
        if event == "call" and frame.f_code is files.read_bytes.__code__:
            read[os.path.basename(frame.f_locals["path"])] += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        what()
    finally:
        sys.setprofile(before)
    return scored, read


def test_each_score_is_computed_once(corpus: Path, tmp_path: Path) -> None:
    source = (corpus / "hyp.ctm", "--dataset", "phoenix2014t", "--root", corpus)

    def command(*arguments: object) -> tuple[int, Counter[str]]:
        def invoke() -> None:
            done = CliRunner().invoke(cli, [*map(str, arguments)], catch_exceptions=False)
            assert done.exit_code == 0, done.output

        return counted(invoke)

    annotation = [f"PHOENIX-2014-T.{split}.corpus.csv" for split in ("train", "dev", "test")]
    for path in corpus.rglob("*.csv"):
        os.utime(path, (0, 0))  # files of a moment ago are read again each time
    scored, read = command("score", *source)
    assert scored == 3  # official, its floor, the script of the release
    # The references; and the vocabulary, as a word of the sample is in none of these.
    assert [read[name] for name in annotation] == [1, 1, 1]
    assert read["hyp.ctm"] == 1
    every = 2 * len(protocols())  # every protocol and its floor
    for arguments in (
        ("score", *source, "--html", tmp_path / "a.html", "--csv", tmp_path / "a.csv"),
        ("report", *source, "--out", tmp_path / "b.html"),
        ("audit", *source),
    ):
        scored, read = command(*arguments)
        assert scored == every, arguments
        assert not any(read[name] for name in annotation)
        assert read["hyp.ctm"] == 1
    scored, read = command(
        *("report", *source, "--against", corpus / "hyp_b.ctm", "--out", tmp_path / "c.html")
    )
    assert scored == every + 1
    assert not any(read[name] for name in annotation)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_run_that_was_just_written_is_not_read_again(run: Path) -> None:
    made = Run.open(run)
    scored, read = counted(lambda: [made.score, made.score, render(collect(made.evaluation))])
    assert scored == 2 * len(protocols())
    assert "hyp.ctm" not in read
    assert "alignment.jsonl" not in read


def test_a_run_is_scored_as_its_hypothesis_file(corpus: Path, run: Path) -> None:
    request = Request("phoenix2014t", root=corpus)
    own, named, file = (
        Evaluation.open(run),
        Evaluation.open(run, request),
        Evaluation.open(run / "hyp.ctm", request),
    )
    for rules in protocols():
        assert own.reading(rules) == named.reading(rules) == file.reading(rules)
        assert own.floor(rules) == file.floor(rules)
    score = own.score()
    assert score == Run.open(run).score
    [skipped] = set(score.warnings) - set(file.score().warnings)
    assert "1 segment" in skipped
    assert "broken" in skipped


@pytest.mark.parametrize("command", ["score", "audit"])
def test_a_run_goes_where_a_file_goes(slaeval, run: Path, command: str) -> None:
    done = slaeval(command, run, "--json")
    assert done.returncode == 0, done.stderr
    assert slaeval(command, "--pred", run, "--json").stdout == done.stdout
    assert "skipped" in done.stderr
    refused = slaeval(command, run, "--split", "dev")
    assert refused.returncode == 2
    assert "--split needs --dataset" in refused.stderr


def test_systems_share_their_references(corpus: Path, run: Path) -> None:
    file, other = Evaluation.open_all([corpus / "hyp.ctm", run])
    assert file.references is other.references
    assert file.score().signature == other.score().signature
    assert system_names([file, other]) == ["hyp.ctm", "run"]
    assert system_names([file, file]) == [f"{file.source} (1)", f"{file.source} (2)"]
    again = Evaluation.open_all([run, corpus.parent / "run"])
    assert system_names(again) == [f"{run} (1)", f"{run} (2)"]


def test_values_of_python() -> None:
    evaluation = Evaluation.of({"a": "X Y"}, {"a": ["X", "Z"]}, Request(protocol="none"))
    assert evaluation.score().errors == 1
    assert evaluation.score("official").protocol == "rwth-2014"
    assert evaluation.score() is evaluation.score("none")
    assert evaluation.score() == slaeval.score({"a": "X Y"}, {"a": "X Z"}, "none")


def test_errors_come_when_something_is_needed(tmp_path: Path) -> None:
    evaluation = Evaluation.open(tmp_path / "gone.ctm", Request(ref=tmp_path / "gone.stm"))
    with pytest.raises(InputError, match=r"gone\.stm"):
        evaluation.score()
    with pytest.raises(UsageError, match="--dataset"):
        Evaluation.open(tmp_path / "gone.ctm").score()
    with pytest.raises(InputError, match="no run here"):
        Evaluation.open(tmp_path)
