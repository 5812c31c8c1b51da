"""Scores as values: counts add up, nothing depends on order, numbers carry their meaning."""

from __future__ import annotations

import math
import random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slaeval
from slaeval.errors import InputError, UsageError
from slaeval.scoring.protocols import protocols

GLOSSES = st.lists(
    st.sampled_from(["A", "B", "REGEN", "loc-NORD", "NORD", "NORDRAUM", "__ON__", "4", "他"]),
    max_size=8,
)
TASK = st.dictionaries(
    st.sampled_from([f"s{n}" for n in range(6)]), st.tuples(GLOSSES, GLOSSES), min_size=1
)


@given(TASK, st.sampled_from(protocols()))
def test_counts_add_up(task, protocol) -> None:
    references = {name: words for name, (words, _) in task.items()}
    hypotheses = {name: words for name, (_, words) in task.items()}
    score = slaeval.score(references, hypotheses, protocol)
    for segment in score.segments:
        assert segment.correct + segment.substitutions + segment.deletions == len(segment.reference)
        assert segment.correct + segment.substitutions + segment.insertions == len(
            segment.hypothesis
        )
    for grouping in ("signer", "length", "sentence"):
        groups = score.by(grouping)
        for column in ("segments", "segment_errors", "correct", "errors", "reference_words"):
            assert sum(getattr(group, column) for group in groups) == getattr(score.total, column)
    assert sum(row.count for row in score.confusions()) == score.substitutions
    assert sum(row.count for row in score.deleted()) == score.deletions
    assert sum(row.count for row in score.inserted()) == score.insertions
    frame = score.to_pandas()
    assert frame["substitutions"].sum() == score.substitutions
    assert list(frame.columns) == [
        "id",
        "signer",
        "reference",
        "hypothesis",
        "ops",
        "correct",
        "substitutions",
        "deletions",
        "insertions",
        "reference_words",
        "hypothesis_words",
        "wer",
    ]


@given(TASK)
def test_order_of_segments_changes_nothing(task) -> None:
    names = list(task)
    random.Random(0).shuffle(names)
    references = {name: task[name][0] for name in task}
    hypotheses = {name: task[name][1] for name in task}
    one = slaeval.score(references, hypotheses)
    other = slaeval.score(
        {name: references[name] for name in names}, {name: hypotheses[name] for name in names}
    )
    assert one.total == other.total
    assert one.signature == other.signature
    assert one.wer_ci == pytest.approx(other.wer_ci) if one.wer_ci else other.wer_ci is None


@given(st.dictionaries(st.sampled_from("abcdef"), GLOSSES, min_size=1))
def test_a_text_against_itself_has_no_error(words) -> None:
    score = slaeval.score(words, words, "none")
    assert score.errors == 0
    assert score.wer == 0 or math.isnan(score.wer)


def test_what_a_source_may_be(tmp_path) -> None:
    lists = {"a": ["A", "B"], "b": ["C"]}
    strings = {"a": "A B", "b": "C"}
    frame = pd.DataFrame({"id": ["a", "b"], "glosses": ["A B", ["C"]]})
    stm = tmp_path / "r.stm"
    stm.write_text("a 1 x 0.0 1.0 A B\nb 1 y 0.0 1.0 C\n")
    answers = {
        str(slaeval.score(source, {"a": "A", "b": ["C", "C"]})).split("(")[0]
        for source in (lists, strings, frame, str(stm), stm)
    }
    assert len(answers) == 1
    signed = slaeval.score(lists, lists, signers={"a": "Anna"})
    assert [group.name for group in signed.by_signer] == ["Anna", "unknown"]


def test_an_empty_list_is_an_empty_hypothesis() -> None:
    official = slaeval.score({"a": "A B C"}, {"a": []})
    assert (official.substitutions, official.deletions) == (1, 2)  # [EMPTY] is a word
    plain = slaeval.score({"a": "A B C"}, {"a": []}, "none")
    assert (plain.substitutions, plain.deletions) == (0, 3)


def test_sources_that_cannot_be_meant() -> None:
    with pytest.raises(UsageError, match="must be a mapping"):
        slaeval.score(4, {"a": "A"})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="without blanks"):
        slaeval.score({"a": ["A B"]}, {"a": "A"})
    with pytest.raises(InputError, match="the file has 'b', the references 'a'"):
        slaeval.score({"a": "A"}, {"b": "A"})
    with pytest.raises(InputError, match=r"references: expected a column 'glosses' .* found 'id'"):
        slaeval.score(pd.DataFrame({"id": ["a"]}), {"a": "A"})
    with pytest.raises(InputError, match="duplicate segment"):
        slaeval.score(pd.DataFrame({"id": ["a", "a"], "glosses": ["A", "B"]}), {"a": "A"})


def test_signature_changes_with_what_it_names() -> None:
    base = slaeval.score({"a": "A"}, {"a": "A"})
    assert slaeval.score({"a": "A"}, {"a": "B"}).signature == base.signature
    for other in (
        slaeval.score({"a": "B"}, {"a": "A"}),
        slaeval.score({"a": "A"}, {"a": "A"}, "none"),
        slaeval.score({"a": "A"}, {"a": "A"}, dataset="phoenix2014", split="dev"),
    ):
        assert other.signature != base.signature


def test_on_phoenix2014t_both_readings_are_given() -> None:
    score = slaeval.score(
        {"a": "poss-EUCH REGEN REGEN"}, {"a": "poss-EUCH REGEN"}, dataset="phoenix2014t"
    )
    [release] = score.other_readings
    assert (score.errors, score.reference_words) == (2, 3)
    assert (release.errors, release.reference_words) == (0, 2)
    assert score.to_dict()["other_readings"]["rwth-2014t"]["wer"] == 0
    assert score.floor is not None
    assert score.floor.errors == 1


def test_html_escapes_what_it_shows() -> None:
    score = slaeval.score({"a": "A"}, {"a": "A"}, signers={"a": "<b>"})
    assert "&lt;b&gt;" in score._repr_html_()


def test_alternatives_of_a_reference() -> None:
    words = {"a": "{ WIND / STURM } STARK"}
    for said in ("WIND STARK", "STURM STARK"):
        assert slaeval.score(words, {"a": said}).errors == 0
    assert slaeval.score(words, {"a": "REGEN STARK"}).substitutions == 1


def test_ignored_segments_are_not_counted() -> None:
    score = slaeval.score({"a": "A", "b": "IGNORE_TIME_SEGMENT_IN_SCORING"}, {"a": "A", "b": "X"})
    assert score.total.segments == 1


def test_what_sclite_leaves_out_in_any_spelling() -> None:
    for mark in ("ignore_time_segment_in_scoring", "xIgnoreTimeSegmentInScoringx"):
        score = slaeval.score({"a": "A", "b": f"A {mark}"}, {"a": "A", "b": "X"})
        assert [segment.id for segment in score.segments] == ["a"]


def test_at_in_a_reference_is_no_word() -> None:
    score = slaeval.score({"a": "A @ B"}, {"a": "A B"}, "sclite")
    assert (score.correct, score.errors, score.reference_words) == (2, 0, 2)


def test_words_sclite_reads_otherwise_are_named() -> None:
    long = "Ü" * 300
    score = slaeval.score({"a": "A B"}, {"a": ["<ALT", long, "A*"]})
    text = " ".join(score.warnings)
    for word in ("<ALT", "A*", long):
        assert repr(word) in text
