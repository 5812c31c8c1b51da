"""ROUGE-L against the definition written down plainly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slaeval.scoring.text.rouge import BETA_12, DISTINCT_WORDS, PRECISION_RECALL, lcs_length

words = st.lists(st.sampled_from("abcd"), max_size=12)


def plain_lcs(first: list[str], second: list[str]) -> int:
    if not first or not second:
        return 0
    if first[-1] == second[-1]:
        return 1 + plain_lcs(first[:-1], second[:-1])
    return max(plain_lcs(first[:-1], second), plain_lcs(first, second[:-1]))


@given(st.lists(st.sampled_from("abc"), max_size=7), st.lists(st.sampled_from("abc"), max_size=7))
def test_lcs_length(first: list[str], second: list[str]) -> None:
    assert lcs_length(first, second) == plain_lcs(first, second)


@given(words, words)
def test_all_forms_stay_between_nothing_and_one(first: list[str], second: list[str]) -> None:
    for rouge in (BETA_12, PRECISION_RECALL, DISTINCT_WORDS):
        value = rouge.sentence(" ".join(first), " ".join(second))
        assert 0 <= value <= 1
        if first:
            same = rouge.sentence(" ".join(first), " ".join(first))
            assert same == pytest.approx(1, abs=1e-7)


def test_worked_example() -> None:
    # The longest common subsequence is "a b d": P = 3/4, R = 3/5.
    reference, hypothesis = "a b c d e", "a b d x"
    assert BETA_12.sentence(reference, hypothesis) == pytest.approx(
        (1 + 1.44) * 0.75 * 0.6 / (0.6 + 1.44 * 0.75)
    )
    beta = 0.75 / 0.6
    assert PRECISION_RECALL.sentence(reference, hypothesis) == pytest.approx(
        (1 + beta**2) * 0.75 * 0.6 / (0.6 + beta**2 * 0.75)
    )
    assert DISTINCT_WORDS.sentence(reference, hypothesis) == pytest.approx(
        2 * 0.75 * 0.6 / (0.75 + 0.6)
    )


def test_distinct_words_count_once_and_stops_cut_sentences() -> None:
    assert DISTINCT_WORDS.sentence("a b", "a a a b") == pytest.approx(1)
    assert DISTINCT_WORDS.sentence("a b . c", "c . a b") == pytest.approx(1)


def test_nothing_said() -> None:
    for rouge in (BETA_12, PRECISION_RECALL, DISTINCT_WORDS):
        assert rouge.sentence("a b", "") == 0
