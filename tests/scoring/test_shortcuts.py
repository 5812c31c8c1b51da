"""Shortcuts give what the long way gives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slaeval.errors import InputError
from slaeval.evaluation.checks import observations
from slaeval.evaluation.foreign_words import foreign_words
from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.sentences import Sentences, named
from slaeval.scoring.protocols import protocols
from slaeval.scoring.scorer import floor, ignored_ids, score_segments
from slaeval.scoring.segments import Reference, References

PIECES = (
    "loc- cl- qu- poss- lh- S0NNE HABEN2 __EMOTION__ __PU__ __LEFTHAND__ __EPENTHESIS__ __ON__ "
    "WIE AUSSEHEN ZEIGEN RAUM -PLUSPLUS REGEN A B SCH NN X + - 1 01 4 Ä ß 他 _ NORD T ' ."
).split()
WORD = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join)
SENTENCE = st.lists(WORD, max_size=6)


@settings(max_examples=400)
@given(st.lists(SENTENCE, min_size=1, max_size=4), st.sampled_from(protocols()))
def test_sentences_that_are_not_looked_at_would_not_change(sentences, rules) -> None:
    if rules.reference.level != "none":
        assert rules.reference.references(sentences) == [
            rules.reference.sentence(words) for words in sentences
        ]


@settings(max_examples=400)
@given(st.lists(SENTENCE, min_size=1, max_size=4), st.sampled_from(protocols()))
def test_words_cleaned_once_are_lines_cleaned_one_by_one(sentences, rules) -> None:
    if rules.hypothesis.level != "line":
        return
    words = {f"s{number}": words for number, words in enumerate(sentences)}
    lines = [
        f"{name} 1 {place / 100:.2f} 0.01 {word}"
        for name, mine in words.items()
        for place, word in enumerate(mine)
    ]
    by_line = rules.hypothesis.hypotheses(Hypotheses(words, lines=lines))
    by_word = rules.hypothesis.hypotheses(Hypotheses(words))
    for name in words:
        assert by_word[name] == (by_line.get(name) or ([rules.hypothesis.empty]))


#: What sclite and the checks read in another way than it is written.
MARKED = st.sampled_from(
    r"@ [EMPTY] a;b A\*B *A <x poss-REGEN regen IGNORE_TIME_SEGMENT_IN_SCORING 1.0 +1".split()
)
SAID = st.lists(st.one_of(WORD, WORD, MARKED), max_size=6)
REFERENCE = st.one_of(
    SAID,
    st.tuples(SAID, SAID, SAID).map(lambda three: [*three[0], "{", *three[1], "/", *three[2], "}"]),
)


TASKS = given(
    st.dictionaries(st.sampled_from("abcdef"), REFERENCE, min_size=1),
    st.dictionaries(st.sampled_from("fedcbax"), SAID, min_size=1),
    st.sampled_from(protocols()),
    st.booleans(),
)


@settings(max_examples=150)
@TASKS
def test_words_that_are_numbers_score_as_words(references, said, rules, clipped) -> None:
    same_as_words(references, said, rules, clipped)


@pytest.mark.slow
@settings(max_examples=1500)
@TASKS
def test_many_words_that_are_numbers_score_as_words(references, said, rules, clipped) -> None:
    same_as_words(references, said, rules, clipped)


def same_as_words(references, said, rules, clipped) -> None:
    pytest.importorskip("numpy")
    lists = [Reference(id, id, words) for id, words in references.items()]
    ids = list(references)
    numbers = References(ids, ids, Sentences.of(list(references.values())))
    spoken = Hypotheses(named(list(said), Sentences.of(list(said.values()))))
    try:
        plain = score_segments(lists, Hypotheses(said), rules, clipped=clipped)
    except InputError:  # a brace was the letter that is lost
        with pytest.raises(InputError):
            score_segments(numbers, spoken, rules, clipped=clipped)
        return
    quick = score_segments(numbers, spoken, rules, clipped=clipped)
    assert quick.segments == plain.segments
    assert quick.to_dict() == plain.to_dict()
    assert quick.errors_and_words() == plain.errors_and_words()
    for errors in ("confusions", "deleted", "inserted", "vocabularies", "recognised"):
        assert getattr(quick, errors)() == getattr(plain, errors)()
    for grouping in ("signer", "length", "sentence"):
        assert quick.by(grouping) == plain.by(grouping)
    assert floor(numbers, rules).to_dict() == floor(lists, rules).to_dict()
    assert foreign_words(quick, set) == foreign_words(plain, set)
    ignored = ignored_ids(lists)
    assert ignored_ids(numbers) == ignored
    assert observations(numbers, spoken, ignored) == observations(lists, Hypotheses(said), ignored)


def test_a_word_that_sclite_reads_as_nothing_stays_a_word() -> None:
    said = Hypotheses({"a": [";", "A"]})
    [segment] = score_segments([Reference("a", "", [";"])], said, "sclite").segments
    assert segment.ops == "CI"
