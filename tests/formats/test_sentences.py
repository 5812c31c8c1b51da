"""Sentences of numbers answer as lists of words do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slaeval.formats import sentences as module
from slaeval.formats.sentences import (
    NamedSentences,
    Sentences,
    collected,
    holding,
    lengths,
    mapped,
    merged,
    named,
    picked,
    repeating,
    replaced,
    sentences_of,
    vocabulary,
)

pytest.importorskip("numpy")

WORDS = st.sampled_from("A B C AB Ä 天气 1 01 1.0".split())
SENTENCE = st.lists(WORDS, max_size=5)
SENTENCES = st.lists(SENTENCE, max_size=8)


def _plain(sentences: object) -> list[list[str]]:
    return [list(words) for words in sentences]  # type: ignore[attr-defined]


@given(SENTENCES)
def test_a_sequence_of_lists(lists: list[list[str]]) -> None:
    numbers = Sentences.of(lists)
    assert numbers == lists
    assert len(numbers) == len(lists)
    assert [numbers[row] for row in range(-len(lists), len(lists))] == lists * 2
    assert numbers[1:4] == lists[1:4]
    assert lengths(numbers) == lengths(lists) == list(map(len, lists))
    assert vocabulary(numbers) == vocabulary(lists)
    assert repeating(numbers) == repeating(lists)
    with pytest.raises(IndexError):
        numbers[len(lists)]


@given(SENTENCES, st.sets(WORDS))
def test_which_hold_a_word(lists: list[list[str]], words: set[str]) -> None:
    expected = [row for row, mine in enumerate(lists) if words & {*mine}]
    assert holding(Sentences.of(lists), words) == holding(lists, words) == expected


@given(SENTENCES, st.dictionaries(WORDS, st.sampled_from([None, "", "A", "B", "NEW"])))
def test_other_words_for_some(lists: list[list[str]], new: dict[str, str | None]) -> None:
    expected = [[new.get(w, w) for w in mine if new.get(w, w) is not None] for mine in lists]
    for sentences in (lists, Sentences.of(lists)):
        after = mapped(sentences, new)
        assert _plain(after) == expected
        assert vocabulary(after) == {word for mine in expected for word in mine}
        assert repeating(after) == repeating(expected)


@given(SENTENCES, st.sampled_from([None, len, str.isdecimal]))
def test_neighbours_are_merged(lists: list[list[str]], key) -> None:  # type: ignore[no-untyped-def]
    of = key or str
    expected = [
        [word for place, word in enumerate(mine) if not place or of(word) != of(mine[place - 1])]
        for mine in lists
    ]
    assert _plain(merged(lists, key)) == _plain(merged(Sentences.of(lists), key)) == expected


@given(st.data(), SENTENCES)
def test_others_in_some_places(data: st.DataObject, lists: list[list[str]]) -> None:
    rows = st.sampled_from(range(len(lists))) if lists else st.nothing()
    new = data.draw(st.dictionaries(rows, st.lists(st.sampled_from(["A", "NEW"]), max_size=3)))
    expected = [new.get(row, mine) for row, mine in enumerate(lists)]
    assert _plain(replaced(lists, new)) == _plain(replaced(Sentences.of(lists), new)) == expected


@given(
    st.dictionaries(st.sampled_from("abcde"), SENTENCE), st.permutations("abcdef"), st.booleans()
)
def test_picked_by_id(words: dict[str, list[str]], ids: list[str], filled: bool) -> None:
    nothing = ["EMPTY"] * filled
    numbers = named(words, Sentences.of(list(words.values())))
    assert numbers == words
    assert numbers.keys() == words.keys()
    assert "f" not in numbers
    assert _plain(sentences_of(numbers)) == sentences_of(words)
    for wanted in (list(ids), list(words)):
        expected = [words.get(id) or nothing for id in wanted]
        assert _plain(picked(numbers, wanted, nothing)) == expected
        assert picked(words, wanted, nothing) == expected


@given(st.lists(SENTENCES, min_size=1, max_size=4))
def test_one_behind_the_other(pieces: list[list[list[str]]]) -> None:
    chained = Sentences.chained([Sentences.of(lists) for lists in pieces])
    assert chained == [words for lists in pieces for words in lists]
    assert len(set(chained.texts)) == len(chained.texts)


def test_many_words_become_numbers_and_few_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY", 3)
    lists = [["A", "B"], []]
    few = collected(lists)
    assert few == lists
    assert few[0] is not lists[0]
    assert isinstance(collected([["A", "B"], ["A"]]), Sentences)
    with pytest.raises(TypeError):
        collected([["A", "B", []]])  # type: ignore[list-item]
    assert isinstance(named(["a", "b"], Sentences.of(lists)), NamedSentences)
