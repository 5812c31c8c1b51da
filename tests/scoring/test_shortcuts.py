"""Shortcuts give what the long way gives."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from slaeval.formats.hypotheses import Hypotheses
from slaeval.scoring.protocols import protocols

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
