"""Sentences: lists of words, and beside them many sentences whose words are numbers.

What is small stays lists of Python. From :data:`MANY` words on, each different word gets a number,
once, where it is read; readers, protocols, alignment and counts hand these numbers on, and a list
of words is made when it is asked for. The functions of this module take either kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, KeysView, Mapping, Sequence
from itertools import chain, compress, groupby, pairwise
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "MANY",
    "NamedSentences",
    "Sentences",
    "collected",
    "holding",
    "lengths",
    "mapped",
    "merged",
    "named",
    "numbered",
    "picked",
    "repeating",
    "replaced",
    "sentences_of",
    "vocabulary",
]

#: Words from which it pays to load numpy for them.
MANY = 50_000


class Sentences(Sequence[list[str]]):
    """Sentences whose words are numbers; each is a new list of words when it is asked for.

    Parameters
    ----------
    texts : list of str
        The different words.
    number : int32 array
        Of every word of all sentences, its place in `texts`.
    first : int64 array
        Where each sentence begins in `number`, and where the last one ends.
    """

    __slots__ = ("_vocabulary", "first", "number", "texts")

    def __init__(self, texts: list[str], number: Array, first: Array) -> None:
        self.texts = texts
        self.number = number
        self.first = first
        self._vocabulary: frozenset[str] | None = None

    @classmethod
    def of(cls, sentences: Collection[Sequence[str]]) -> Sentences:
        """Give numbers to the words of lists.

        Raises
        ------
        TypeError
            A word cannot be hashed, so is no text.
        """
        import numpy as np

        numbers = _Numbers()
        first = np.zeros(len(sentences) + 1, np.int64)
        np.cumsum(list(map(len, sentences)), out=first[1:])
        every = map(numbers.__getitem__, chain.from_iterable(sentences))
        number = np.fromiter(every, np.int32, int(first[-1]))
        return cls(list(numbers), number, first)

    @classmethod
    def chained(cls, pieces: Sequence[Sentences]) -> Sentences:
        """Put sentences one behind the other, under common numbers."""
        import numpy as np

        numbers = _Numbers()
        tables = [np.array(list(map(numbers.__getitem__, each.texts)), np.int32) for each in pieces]
        every = [table[each.number] for table, each in zip(tables, pieces, strict=True)]
        first = np.cumsum(np.concatenate([[0], *(np.diff(each.first) for each in pieces)]))
        return cls(list(numbers), np.concatenate(every), first)

    def __len__(self) -> int:
        return len(self.first) - 1

    @overload
    def __getitem__(self, row: int) -> list[str]: ...
    @overload
    def __getitem__(self, row: slice) -> list[list[str]]: ...
    def __getitem__(self, row: int | slice) -> list[str] | list[list[str]]:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        row = range(len(self))[row]
        here = self.number[self.first[row] : self.first[row + 1]].tolist()
        return list(map(self.texts.__getitem__, here))

    def __iter__(self) -> Iterator[list[str]]:
        every = self.words()
        return (every[a:b] for a, b in pairwise(self.first.tolist()))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Sentences, list)):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __repr__(self) -> str:
        return f"<{len(self)} sentences>"

    def words(self) -> list[str]:
        """Return the words of all sentences."""
        import numpy as np

        every: list[str] = np.array(self.texts, object)[self.number].tolist()
        return every

    def vocabulary(self) -> frozenset[str]:
        """Return the words that occur."""
        import numpy as np

        if self._vocabulary is None:
            used = np.bincount(self.number, minlength=len(self.texts)) > 0
            self._vocabulary = frozenset(compress(self.texts, used.tolist()))
        return self._vocabulary

    def repeats(self, keys: Array) -> Array:
        """Say of each word whether its key is that of the word before it in its sentence."""
        import numpy as np

        again = np.zeros(len(keys), bool)
        again[1:] = keys[1:] == keys[:-1]
        starts = self.first[:-1]
        again[starts[starts < len(again)]] = False
        return again

    def kept(self, stays: Array) -> Sentences:
        """Return the sentences with some of their words; `stays` has one entry per word."""
        import numpy as np

        before = np.concatenate([[0], np.cumsum(stays)])
        return Sentences(self.texts, self.number[stays], before[self.first])

    def rows(self, marked: Array) -> list[int]:
        """Return the sentences in which some word is marked; `marked` has one entry per word."""
        import numpy as np

        at = np.flatnonzero(marked)
        found = np.searchsorted(self.first, at, "right") - 1
        rows: list[int] = np.unique(found).tolist()
        return rows


class _Numbers(dict[str, int]):
    """Words, each with the number of its first appearance."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


def numbered(sentences: Sequence[Sequence[str]]) -> Sentences:
    """Return sentences with numbers for words."""
    return sentences if isinstance(sentences, Sentences) else Sentences.of(sentences)


def collected(sentences: Collection[Sequence[str]]) -> Sequence[list[str]]:
    """Return a copy of sentences, with numbers for words where they are many.

    Raises
    ------
    TypeError
        A word cannot be hashed, so is no text.
    """
    if sum(map(len, sentences)) < MANY:
        return list(map(list, sentences))
    return Sentences.of(sentences)


def vocabulary(*sides: Sequence[Sequence[str]]) -> set[str]:
    """Return the different words."""
    found: set[str] = set()
    for sentences in sides:
        if isinstance(sentences, Sentences):
            found |= sentences.vocabulary()
        else:
            found.update(*sentences)
    return found


def lengths(sentences: Sequence[Sequence[str]]) -> list[int]:
    """Return the number of words of each sentence."""
    if isinstance(sentences, Sentences):
        every: list[int] = (sentences.first[1:] - sentences.first[:-1]).tolist()
        return every
    return list(map(len, sentences))


def holding(sentences: Sequence[Sequence[str]], words: Collection[str]) -> list[int]:
    """Return the places of the sentences that hold one of these words."""
    if not words:
        return []
    wanted = frozenset(words)
    if isinstance(sentences, Sentences):
        import numpy as np

        one_of = np.array([text in wanted for text in sentences.texts], bool)
        return sentences.rows(one_of[sentences.number]) if one_of.any() else []
    return [row for row, words in enumerate(sentences) if not wanted.isdisjoint(words)]


def repeating(sentences: Sequence[Sequence[str]]) -> list[int]:
    """Return the places of the sentences in which two words side by side are the same."""
    if isinstance(sentences, Sentences):
        return sentences.rows(sentences.repeats(sentences.number))
    return [row for row, words in enumerate(sentences) if any(map(str.__eq__, words, words[1:]))]


def mapped(sentences: Sequence[list[str]], new: Mapping[str, str | None]) -> Sequence[list[str]]:
    """Return sentences with other words for some; None leaves the word out."""
    if not new:
        return sentences
    if isinstance(sentences, Sentences):
        import numpy as np

        numbers = _Numbers()
        texts = [new.get(text, text) for text in sentences.texts]
        table = np.array([-1 if text is None else numbers[text] for text in texts], np.int32)
        number = table[sentences.number]
        return Sentences(list(numbers), number, sentences.first).kept(number >= 0)
    return [
        words
        if new.keys().isdisjoint(words)
        else [after for word in words if (after := new.get(word, word)) is not None]
        for words in sentences
    ]


def merged(
    sentences: Sequence[list[str]], key: Callable[[str], object] | None = None
) -> Sequence[list[str]]:
    """Return sentences with the first alone of words side by side whose key is the same."""
    if isinstance(sentences, Sentences):
        import numpy as np

        keys = sentences.number
        if key is not None:
            numbers: dict[object, int] = {}
            table = [numbers.setdefault(key(text), len(numbers)) for text in sentences.texts]
            keys = np.array(table, np.int32)[keys]
        again = sentences.repeats(keys)
        return sentences.kept(~again) if again.any() else sentences
    return [[next(same) for _, same in groupby(words, key)] for words in sentences]


def replaced(
    sentences: Sequence[list[str]], new: Mapping[int, Sequence[str]]
) -> Sequence[list[str]]:
    """Return sentences with others in some places."""
    if not new:
        return sentences
    if isinstance(sentences, Sentences):
        import numpy as np

        numbers = _Numbers(zip(sentences.texts, range(len(sentences.texts)), strict=True))
        rows = sorted(new)
        every = chain.from_iterable(map(new.__getitem__, rows))
        inserted = np.fromiter(map(numbers.__getitem__, every), np.int32)
        count = np.diff(sentences.first)
        stays = np.ones(len(count), bool)
        stays[rows] = False
        old = sentences.number[np.repeat(stays, count)]
        count[rows] = [len(new[row]) for row in rows]
        where = np.repeat(stays, count)
        number = np.empty(len(where), np.int32)
        number[where], number[~where] = old, inserted
        return Sentences(list(numbers), number, np.concatenate([[0], np.cumsum(count)]))
    changed = list(sentences)
    for row, words in new.items():
        changed[row] = list(words)
    return changed


class NamedSentences(Mapping[str, list[str]]):
    """A mapping from ids to words that are numbers.

    Parameters
    ----------
    rows : dict
        Id to the place of its sentence, in order from 0.
    sentences : Sentences
        Words.
    """

    __slots__ = ("rows", "sentences")

    def __init__(self, rows: dict[str, int], sentences: Sentences) -> None:
        self.rows = rows
        self.sentences = sentences

    def __getitem__(self, id: str) -> list[str]:
        return self.sentences[self.rows[id]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, id: object) -> bool:
        return id in self.rows

    def keys(self) -> KeysView[str]:
        """Return the ids."""
        return self.rows.keys()

    def __repr__(self) -> str:
        return f"<{len(self)} sentences with ids>"


def named(ids: Collection[str], sentences: Sequence[list[str]]) -> Mapping[str, list[str]]:
    """Map ids, each of which appears once, to sentences."""
    if isinstance(sentences, Sentences):
        if isinstance(ids, NamedSentences):
            return NamedSentences(ids.rows, sentences)
        return NamedSentences(dict(zip(ids, range(len(ids)), strict=True)), sentences)
    return dict(zip(ids, sentences, strict=True))


def sentences_of(mapping: Mapping[str, list[str]]) -> Sequence[list[str]]:
    """Return the sentences of a mapping, in its order."""
    return mapping.sentences if isinstance(mapping, NamedSentences) else list(mapping.values())


def picked(
    mapping: Mapping[str, list[str]], ids: Sequence[str], nothing: list[str]
) -> Sequence[list[str]]:
    """Return the sentences of these ids, `nothing` where there is none or no word in it."""
    if not isinstance(mapping, NamedSentences):
        return [mapping.get(id) or nothing for id in ids]
    import numpy as np

    sentences = mapping.sentences
    if list(mapping) != ids:
        rows = np.array([mapping.rows.get(id, -1) for id in ids], np.int64)
        count = np.where(rows < 0, 0, np.diff(sentences.first, append=0)[rows])
        first = np.concatenate([[0], np.cumsum(count)])
        begin = np.repeat(sentences.first[rows] - first[:-1], count)
        number = sentences.number[begin + np.arange(first[-1])]
        sentences = Sentences(sentences.texts, number, first)
    empty = np.flatnonzero(np.diff(sentences.first) == 0).tolist() if nothing else []
    return replaced(sentences, dict.fromkeys(empty, nothing))
