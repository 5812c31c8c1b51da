"""The names of ``slaeval`` itself: all are there, and stay what they are."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import slaeval
from slaeval import loaders
from slaeval.errors import InputError, UsageError
from slaeval.evaluation.audit import audit_evaluation
from slaeval.evaluation.references import load_references, match_ids
from slaeval.evaluation.score import Evaluation
from slaeval.formats.hypotheses import read_hypotheses


@pytest.mark.parametrize("name", slaeval.__all__)
def test_each_name_is_there_and_no_module_can_take_its_place(name: str) -> None:
    assert getattr(slaeval, name) is not None
    # Importing slaeval.audit would put the module where the function was.
    assert importlib.util.find_spec(f"slaeval.{name}") is None


def test_looking_at_scores_needs_no_torch() -> None:
    code = (
        "import sys, slaeval; slaeval.audit, slaeval.protocols(), slaeval.published('phoenix2014'),"
        "slaeval.write_sample, slaeval.find_video_clips, slaeval.read_frames, slaeval.score;"
        "print({'torch', 'matplotlib', 'decord', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_audit_takes_what_score_takes(tmp_path: Path) -> None:
    loaders.write_sample("phoenix2014t", tmp_path / "corpus")
    path = tmp_path / "corpus" / "hyp.ctm"
    task = load_references("phoenix2014t", root=tmp_path / "corpus")
    hypotheses = match_ids(read_hypotheses(path), task)
    expected = audit_evaluation(Evaluation(task, hypotheses))

    corpus = slaeval.load_corpus("phoenix2014t", tmp_path / "corpus", "test")
    found = slaeval.audit(corpus, path)
    assert found.to_dict() == expected.to_dict()
    assert found.rows[0].score.wer == slaeval.score(corpus, path).wer
    plain = slaeval.audit({"a": "X loc-Y Z"}, {"a": ["X", "Y", "Z"]}, ["none"])
    assert [(row.protocol.name, row.score.errors) for row in plain.rows] == [
        ("rwth-2014", 1),
        ("none", 1),
    ]


def test_audit_refuses_what_score_refuses() -> None:
    with pytest.raises(InputError, match="no"):
        slaeval.audit({"a": "X"}, {"b": "X"})
    with pytest.raises(UsageError, match="rwth"):
        slaeval.audit({"a": "X"}, {"a": "X"}, ["rwth-2015"])
    with pytest.raises(UsageError, match="mapping"):
        slaeval.audit({"a": "X"}, 3)  # type: ignore[arg-type]


def test_what_a_session_shows_is_short(tmp_path: Path) -> None:
    loaders.write_sample("phoenix2014t", tmp_path)
    corpus = slaeval.load_corpus("phoenix2014t", tmp_path, "test")
    evaluation = Evaluation.of(corpus, tmp_path / "hyp.ctm")
    audit = audit_evaluation(evaluation)
    comparison = slaeval.compare(evaluation.score(), evaluation.score())
    for shown in (
        *(corpus, evaluation, evaluation.references, evaluation.hypotheses, evaluation.score()),
        *(audit, audit.rows[1], comparison, comparison.pairs[0]),
    ):
        assert len(repr(shown)) < 400, type(shown)
    assert "48 samples" in repr(corpus)
    assert "rwth-2014 21.46 %" in repr(audit)
    assert audit._repr_html_().count("<tr>") >= len(audit.rows)


@pytest.mark.parametrize(
    "name", ["", ".analysis", ".loaders", ".recognition", ".report", ".training"]
)
def test_names_that_are_loaded_late_are_listed(name: str) -> None:
    module = importlib.import_module(f"slaeval{name}")
    assert set(module.__all__) <= set(dir(module))


def test_the_old_name_of_counts_says_the_new_one() -> None:
    from slaeval.scoring import score

    with pytest.warns(DeprecationWarning, match="now Counts"):
        assert score.Group is score.Counts
