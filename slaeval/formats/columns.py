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
    """Where the columns of a text are.

    Attributes
    ----------
    begin, length : array of int
        Of each column, in bytes. Two blanks in a row have a column of length 0 between them.
    last : array of bool
        The column ends its line.
    """

    def __init__(self, data: bytes, begin: Array, length: Array, last: Array) -> None:
        self._data = data
        self.begin, self.length, self.last = begin, length, last
        size = len(data) - 7
        # The eight bytes from any place on, as one number.
        self._eight: Array = np.ndarray(size, np.dtype("<u8"), data, strides=(1,))

    @classmethod
    def of(cls, text: str) -> Columns | None:
        """Find the columns; None where another character than blank and newline may part them."""
        end = "" if text.endswith("\n") else "\n"
        data = (text + end).encode() + b"\n" * (_LONGEST + 8)
        every = np.frombuffer(data, np.uint8)[: -_LONGEST - 8]
        blanks = np.flatnonzero(every <= ord(" "))
        last = every[blanks] == ord("\n")
        if not (last | (every[blanks] == ord(" "))).all():
            return None
        begin = np.concatenate([[0], blanks[:-1] + 1])
        length = blanks - begin
        return cls(data, begin, length, last) if length.max() <= _LONGEST else None

    def texts(self, which: Array) -> list[str]:
        """Return the text of each of these columns, most of which differ."""
        data, begin = self._data, self.begin[which]
        end = begin + self.length[which]
        return [data[a:b].decode() for a, b in zip(begin.tolist(), end.tolist(), strict=True)]

    def first_byte(self, which: Array) -> Array:
        """Return the first byte of each of these columns."""
        first: Array = self._eight[self.begin[which]] & _MASKS[1]
        return first

    def changes(self, which: Array) -> Array:
        """Say of each of these columns but the first whether it differs from the one before."""
        length = self.length[which]
        differs: Array = length[1:] != length[:-1]
        for key in self._keys(which):
            differs |= key[1:] != key[:-1]
        return differs

    def distinct(self, which: Array) -> Distinct | None:
        """Give each of these columns the number of its text; None where that would take long."""
        if not which.size:
            return Distinct(which, [])
        keys = every = self._keys(which)
        same_as = np.zeros(which.size, np.int64)
        owner = np.zeros(1 << _SLOTS, np.int64)
        left = np.arange(which.size)
        for turn in range(_ROUNDS):
            slot = _slots(keys, turn)
            owner[slot] = left  # the last one that writes
            there = owner[slot]
            met = np.zeros(left.size, bool)
            for key, whole in zip(keys, every, strict=True):
                met |= key != whole[there]
            same_as[left[~met]] = there[~met]
            left, keys = left[met], [key[met] for key in keys]
            if not left.size:
                break
        else:
            return None
        found = np.zeros(which.size, bool)
        found[same_as] = True
        return Distinct((np.cumsum(found) - 1)[same_as], self.texts(which[found]))

    def _keys(self, which: Array) -> list[Array]:
        """Return the bytes of these columns, each eight as a number."""
        begin, length = self.begin[which], self.length[which]
        shortest, longest = length.min(initial=_LONGEST), length.max(initial=0)
        keys = []
        for done in range(0, int(longest), 8):
            key = self._eight[begin + done]
            if done + 8 > shortest:
                key &= np.take(_MASKS, length - done, mode="clip")
            keys.append(key)
        return keys


def _slots(keys: list[Array], turn: int) -> Array:
    """Return the slot of each column, another one each turn."""
    mixed = np.full(keys[0].size, turn, np.uint64)
    for key in keys:
        mixed = (mixed ^ key) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return (mixed * np.uint64(0xBF58476D1CE4E5B9)) >> np.uint64(64 - _SLOTS)
