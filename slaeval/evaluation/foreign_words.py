"""Words of a hypothesis that are not glosses, and what they may be instead.

A recogniser occasionally outputs a gloss that is not in the references of one split. Token ids, a
decoder's special tokens, a printed list or another Unicode form are a different matter: every
such word counts as an error, and the score says nothing about the recogniser.
:func:`foreign_words` looks at the words after the protocol's cleanup, and names what explains
those it finds.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from slaeval.scoring.protocols import EMPTY, protocol
from slaeval.scoring.score import Score

__all__ = ["foreign_words"]

#: From this share of the words on (in percent), unexplained words are reported too.
_MANY = 20.0

_NUMBER = re.compile(r"-?\d+")
_MARK = re.compile(r"<[^<>]+>|\[[A-Za-z_]+\]|blank|BLANK|pad|PAD|eos|EOS|bos|BOS")
_HOLE = re.compile(r"nan|NaN|None|null|NULL|<NA>")
_PIECE = re.compile(r"▁.*|##.+|.+@@", re.DOTALL)
_PRINTED = "[](){}'\"`,.;:“”‘’«»"


class _Reading(NamedTuple):
    """A possible explanation of a word that is not a gloss.

    Attributes
    ----------
    what : str
        Description.
    glosses : callable
        The glosses a word would stand for: empty if its form says enough, None if it does not
        have this form.
    forms : callable
        The form of a gloss to compare with them.
    """

    what: str
    glosses: Callable[[str], Collection[str] | None]
    forms: Callable[[str], Collection[str]] = lambda gloss: (gloss,)


def _looks_like(pattern: re.Pattern[str]) -> Callable[[str], Collection[str] | None]:
    return lambda word: () if pattern.fullmatch(word) else None


def _form(word: str) -> str:
    return unicodedata.normalize("NFKC", word)


def _visible(word: str) -> str:
    return "".join(letter for letter in word if unicodedata.category(letter) != "Cf")


def _unprinted(word: str) -> Collection[str] | None:
    bare = word.strip(_PRINTED)
    return None if bare == word else ((bare,) if bare else ())


def _parts(word: str) -> Collection[str] | None:
    parts = (part.strip(_PRINTED) for part in re.split(r"[\s,;|/]+", word))
    found = [part for part in parts if part]
    return found if len(found) > 1 else None


def _misread(word: str) -> Collection[str] | None:
    for encoding in ("cp1252", "latin-1"):
        try:
            return (word.encode(encoding).decode(),)
        except UnicodeError:
            continue
    return None


_READINGS = (
    _Reading("numbers, such as token ids: write the glosses they stand for", _looks_like(_NUMBER)),
    _Reading("empty cells of a table: leave an empty hypothesis empty", _looks_like(_HOLE)),
    _Reading("special tokens of a decoder: leave them out", _looks_like(_MARK)),
    _Reading("word pieces: join them into glosses", _looks_like(_PIECE)),
    _Reading(
        "glosses in quotes, brackets or commas, as in a printed list: write only the words",
        _unprinted,
    ),
    _Reading(
        "glosses in another Unicode form (such as NFD and NFC): use the same on both sides",
        lambda word: (_form(word),),
        lambda gloss: (_form(gloss),),
    ),
    _Reading(
        "glosses in another letter case, which matters under this protocol",
        lambda word: (_form(word).casefold(),),
        lambda gloss: (_form(gloss).casefold(),),
    ),
    _Reading(
        "glosses with invisible characters in them",
        lambda word: (_visible(word).strip(),),
        lambda gloss: (_visible(gloss).strip(),),
    ),
    _Reading(
        "glosses with something other than an ASCII blank between them (such as ',' or U+3000)",
        _parts,
    ),
    _Reading(
        "parts of a reference that has something other than an ASCII blank between its words, or "
        "is a printed list",
        lambda word: (word,),
        lambda gloss: (*(_parts(gloss) or ()), *(_unprinted(gloss) or ())),
    ),
    _Reading("UTF-8 that was read as Latin-1: decode the text again", _misread),
)


def foreign_words(score: Score, more: Callable[[], Iterable[str]]) -> list[str]:
    """Say what share of the recognised words is in no reference, and what they may be.

    Parameters
    ----------
    score : Score
        The words as the protocol compared them.
    more : callable
        Returns more words that are glosses, such as the vocabulary of the corpus; called only
        if a word is in no reference.

    Returns
    -------
    list of str
        One sentence, or none: if every word is a gloss, or if only a small, unexplained share
        is not.
    """
    rules = protocol(score.protocol)
    known, distinct = score.vocabularies()
    if rules.swapped or distinct <= {*known, EMPTY}:
        return []
    recognised = score.recognised()
    key = (lambda word: word.encode().lower()) if rules.fold else str
    foreign = _beyond(recognised, known, key)
    if not foreign:
        return []
    known = {*known, *more()}
    foreign = _beyond(foreign, known, key)
    total = sum(recognised.values()) - recognised[EMPTY]
    found = sum(foreign.values())
    explained = _explained(foreign, known)
    if not found or (not explained and 100 * found < _MANY * total):
        return []
    examples = ", ".join(_shown(word) for word, _ in foreign.most_common(3))
    sentence = (
        f"{100 * found / total:.1f} % of the words recognised ({found} of {total}) occur in no "
        f"reference: {examples}{', …' if len(foreign) > 3 else ''}"
    )
    for what, words in explained.items():
        times, [(first, _)] = sum(words.values()), words.most_common(1)
        sentence += f"; {times} ({_shown(first)}) look{'s' * (times == 1)} like {what}"
    return [sentence]


def _shown(word: str) -> str:
    """Quote a word, with escapes if two different words would look the same."""
    return repr(word) if unicodedata.normalize("NFC", _visible(word)) == word else ascii(word)


def _beyond(
    counts: Counter[str], known: Collection[str], key: Callable[[str], str | bytes]
) -> Counter[str]:
    there = set(map(key, known))
    return Counter(
        {word: n for word, n in counts.items() if word != EMPTY and key(word) not in there}
    )


def _explained(foreign: Counter[str], known: Collection[str]) -> dict[str, Counter[str]]:
    """Return the first reading that fits each word."""
    explained: dict[str, Counter[str]] = {}
    left = dict(foreign)
    for reading, forms in _applicable(known):
        for word in list(left):
            meant = reading.glosses(word)
            if meant is not None and forms.issuperset(meant):
                explained.setdefault(reading.what, Counter())[word] = left.pop(word)
    return explained


def _applicable(known: Collection[str]) -> Iterator[tuple[_Reading, set[str]]]:
    for reading in _READINGS:
        # In a corpus with numbers as glosses, one may be missing from a split.
        if reading.glosses("0") != () or not any(map(_NUMBER.fullmatch, known)):
            yield reading, {form for gloss in known for form in reading.forms(gloss)}
