"""The columns of a large text, read with numpy: the fast half of the CTM and the STM reader.

A recogniser's answer to a whole training split has millions of columns, but few different words.
Here every word becomes a number, and one string of Python for all its appearances.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Columns", "Distinct"]

Array = np.ndarray[Any, Any]

#: Longest column, in bytes: each eight of them are a pass over the text.
_LONGEST = 256

#: Slots of the table that words are looked up in, and how often those that met another word
#: there are looked up again.
_SLOTS = 18
_ROUNDS = 32

#: Keeps the first n bytes of eight.
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)


class Distinct(NamedTuple):
    """Some columns, by their content.

    Attributes
    ----------
    number : array of int
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

    def __init__(self, text: str, data: bytes, before: Array, after: Array, last: Array) -> None:
        self._text, self._data = text, data
        self.before, self.after, self.last = before, after, last

    @classmethod
    def of(cls, text: str) -> Columns | None:
        """Find the columns; None where another character than blank and newline may part them."""
        end = "" if text.endswith("\n") else "\n"
        data = (text + end).encode() + b"\n" * (_LONGEST + 8)
        every = np.frombuffer(data, np.uint8)[: -_LONGEST - 8]
        edges = np.concatenate([[-1], np.flatnonzero(every <= ord(" "))])
        kinds = every[edges[1:]]
        last = kinds == ord("\n")
        if not (last | (kinds == ord(" "))).all() or np.diff(edges).max() > _LONGEST:
            return None
        return cls(text, data, edges[:-1], edges[1:], last)

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
        return Columns(self._text, self._data, before, after, last)

    def texts(self) -> list[str]:
        """Return the text of each column, where most differ."""
        places = zip((self.before + 1).tolist(), self.after.tolist(), strict=True)
        if self._text.isascii():
            return [self._text[a:b] for a, b in places]
        return [self._data[a:b].decode() for a, b in places]

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
            return Distinct(same_as, self[:1].texts())
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
        return Distinct((np.cumsum(found) - 1)[same_as], self[found].texts())

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
