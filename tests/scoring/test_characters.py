"""The character error rate and alignments for reading."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import slaeval
from slaeval.errors import UsageError
from slaeval.scoring.characters import distance

LETTERS = st.text("abü ", max_size=70)


def by_definition(one: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for place, character in enumerate(one, 1):
        before, row[0] = row[0], place
        for column, letter in enumerate(other, 1):
            before, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, before + (character != letter)),
            )
    return row[-1]


@given(LETTERS, LETTERS)
def test_distance(one: str, other: str) -> None:
    assert distance(one, other) == by_definition(one, other)


def test_cer_is_that_of_jiwer() -> None:
    # jiwer 4.0 said 0.56.
    score = slaeval.score(
        ["WIND STARK KOMMEN KALT", "A B"], ["WIND KOMMEN ABEND WARM", "A B"], "none"
    )
    assert score.cer == pytest.approx(56)
    jiwer = pytest.importorskip("jiwer")
    references = [" ".join(segment.reference) for segment in score.segments]
    hypotheses = [" ".join(segment.hypothesis) for segment in score.segments]
    assert score.cer == pytest.approx(100 * jiwer.cer(references, hypotheses))


def test_cer_folds_as_the_protocol() -> None:
    assert slaeval.score(["REGEN"], ["regen"]).cer == 0
    assert slaeval.score(["REGEN"], ["regen"], "none").cer == 100
    assert math.isnan(slaeval.score([""], ["regen"], "none").cer)


def test_lists_side_by_side() -> None:
    score = slaeval.score([["HEUTE", "NORD"], "REGEN"], ("HEUTE", ["REGEN", "IX"]))
    assert [(segment.id, segment.ops) for segment in score.segments] == [("1", "CD"), ("2", "CI")]
    with pytest.raises(UsageError, match="2 references, but 1 hypotheses"):
        slaeval.score(["A", "B"], ["A"])
    with pytest.raises(UsageError, match="the references are a list, the hypotheses are not"):
        slaeval.score(["A", "B"], {"1": "A"})
    with pytest.raises(UsageError, match="the hypotheses are a list, the references are not"):
        slaeval.score({"1": "A"}, ["A"])


SCORE = slaeval.score(
    {
        "x": "HEUTE REGEN",
        "t-3": "WIND STARK KOMMEN KALT",
        "zh": "他 今天 年龄 4 رغبه",
    },
    {"x": "heute REGEN", "t-3": "WIND KOMMEN ABEND WARM", "zh": "他 年龄 五 رغبه"},
    signers={"t-3": "Ben"},
)


def test_alignments_skip_what_is_correct() -> None:
    assert SCORE.alignments() == (
        "2  t-3  (Ben)  3 of 4\n"
        "   REF:  WIND  STARK  KOMMEN  *****  KALT\n"
        "   HYP:  WIND  *****  KOMMEN  ABEND  WARM\n"
        "               D              I      S\n"
        "\n"
        "3  zh  2 of 5\n"
        "   REF:  他  今天  年龄  4   ⁨رغبه⁩\n"
        "   HYP:  他  ****  年龄  五  ⁨رغبه⁩\n"
        "             D           S\n"
    )
    assert SCORE.alignments(correct=True).startswith(
        "1  x  0 of 2\n   REF:  HEUTE  REGEN\n   HYP:  heute  REGEN\n\n\n2  t-3"
    )


def test_long_alignments_go_on_in_new_lines() -> None:
    assert SCORE.alignments(columns=24).splitlines()[:7] == [
        "2  t-3  (Ben)  3 of 4",
        "   REF:  WIND  STARK",
        "   HYP:  WIND  *****",
        "               D",
        "   REF:  KOMMEN  *****",
        "   HYP:  KOMMEN  ABEND",
        "                 I",
    ]
