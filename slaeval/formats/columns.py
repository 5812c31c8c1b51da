"""The columns of a large text, read with numpy: the fast half of the CTM and the STM reader.

A recogniser's answer to a whole training split has millions of columns, but few different words.
Here every word becomes a number, and one string of Python for all its appearances. The text is
read in blocks that stay in the processor's cache with all that is computed of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Columns", "Distinct", "blocks"]

Array = np.ndarray[Any, Any]

#: Longest column, in bytes: each eight of them are a pass over the text.
_LONGEST = 256

#: Bytes of a block, about: from its end back to where a segment begins.
_BLOCK = 1 << 21

#: Slots of the table that words are looked up in (a power of two), and how often those that met
#: another word there are looked up again.
_SLOTS = 15
_ROUNDS = 64

#: Keeps the first n bytes of eight.
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)


class Distinct(NamedTuple):
    """Some columns, by their content.

    Attributes
    ----------
    number : int32 array
        Of each column, its place in `texts`.
    texts : list of str
        The different columns.
    """

    number: Array
    texts: list[str]

    def column(self) -> list[str]:
        """Return the text of each column; the same text is the same object."""
        every: list[str] = np.array(self.texts, object)[self.number].tolist()
        return every


def blocks(text: str) -> Iterator[bytes]:
    """Cut a text between lines that begin with different words."""
    begin, end = 0, _BLOCK
    while end < len(text):
        cut = _cut(text, begin, end)
        if cut == begin:  # within one segment
            end += end - begin
            continue
        yield text[begin:cut].encode()
        begin, end = cut, cut + _BLOCK
    yield (text[begin:] if text.endswith("\n") else text[begin:] + "\n").encode()


def _cut(text: str, begin: int, end: int) -> int:
    """Return the last place up to `end` where a line begins with another word than that before."""
    place = text.rfind("\n", begin, end) + 1
    while place > begin:
        before = max(begin, text.rfind("\n", begin, place - 1) + 1)
        word = text[before:place].partition(" ")[0]
        if not text.startswith(word + " ", place):
            return place
        place = before
    return begin


class Columns:
    """Columns of a text, each by its place in it.

    Attributes
    ----------
    before, after : array of int
        The bytes before and behind each column. Two blanks in a row have an empty column between
        them.
    last : array of bool
        The column ends its line.
    """

    def __init__(self, data: bytes, before: Array, after: Array, last: Array) -> None:
        self._data = data
        self.before, self.after, self.last = before, after, last

    @classmethod
    def of(cls, block: bytes) -> Columns | None:
        """Find the columns; None where another character than blank and newline may part them."""
        data = block + b"\n" * (_LONGEST + 8)
        every = np.frombuffer(data, np.uint8)[: len(block)]
        edges = np.concatenate([[-1], np.flatnonzero(every <= ord(" "))])
        kinds = every[edges[1:]]
        last = kinds == ord("\n")
        if not (last | (kinds == ord(" "))).all() or np.diff(edges).max() > _LONGEST:
            return None
        return cls(data, edges[:-1], edges[1:], last)

    @property
    def length(self) -> Array:
        """Bytes of each column."""
        length: Array = self.after - self.before - 1
        return length

    def __len__(self) -> int:
        return len(self.last)

    def __getitem__(self, which: Array | slice) -> Columns:
        """Return some of the columns."""
        before, after, last = self.before[which], self.after[which], self.last[which]
        return Columns(self._data, before, after, last)

    def texts(self) -> list[str]:
        """Return the text of each column, where most differ."""
        begins, ends = (self.before + 1).tolist(), self.after.tolist()
        each = [self._data[a:b] for a, b in zip(begins, ends, strict=True)]
        return b"\n".join(each).decode().split("\n") if each else []

    def starts_with(self, letter: str) -> Array:
        """Say of each column whether it begins with this ASCII letter."""
        starts: Array = np.frombuffer(self._data, np.uint8)[self.before + 1] == ord(letter)
        return starts

    def changes(self) -> Array:
        """Say of each column but the first whether it differs from the one before."""
        length = self.length
        differs: Array = length[1:] != length[:-1]
        for key in self._keys():
            differs |= key[1:] != key[:-1]
        return differs

    def distinct(self) -> Distinct | None:
        """Give each column the number of its text; None where that would take long."""
        keys = every = self._keys()
        same_as = np.zeros(len(self), np.int64)
        if all((key == key[0]).all() for key in keys):
            return Distinct(same_as.astype(np.int32), self[:1].texts())
        owner = np.zeros(1 << _SLOTS, np.int64)
        left = np.arange(len(self))
        for turn in range(_ROUNDS):
            slot = _slots(keys, turn)
            owner[slot] = left  # the last one that writes
            there = owner[slot]
            met = np.zeros(left.size, bool)
            for key, whole in zip(keys, every, strict=True):
                met |= key != whole[there]
            same_as[left] = there  # of those that met another word, until the next turn
            left, keys = left[met], [key[met] for key in keys]
            if not left.size:
                break
        else:
            return None
        found = np.zeros(len(self), bool)
        found[same_as] = True
        return Distinct((np.cumsum(found, dtype=np.int32) - 1)[same_as], self[found].texts())

    def _keys(self) -> list[Array]:
        """Return the bytes of all columns, each eight as a number."""
        # The eight bytes from any place on; the text ends with room for the longest column.
        eight: Array = np.ndarray(len(self._data) - 7, "<u8", self._data, strides=(1,))
        begin, length = self.before + 1, self.length
        shortest, longest = length.min(initial=_LONGEST), length.max(initial=0)
        keys = []
        for done in range(0, int(longest), 8):
            key = eight[begin + done]
            if done + 8 > shortest:
                key &= np.take(_MASKS, length - done, mode="clip")
            keys.append(key)
        return keys


def _slots(keys: list[Array], turn: int) -> Array:
    """Return the slot of each column, another one each turn."""
    mixed = np.full(keys[0].size, turn, np.uint64)
    for key in keys:
        mixed ^= key
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed >>= np.uint64(64 - _SLOTS)
    return mixed
