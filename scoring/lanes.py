"""Alignment of many short pairs side by side with numpy, one lane per pair.

A middle way between plain integers, which take some microseconds per pair, and compiled loops,
which take a quarter of a second to load. Costs, ties and the recurrence are those of
:mod:`slaeval.scoring.alignment`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from slaeval.scoring.alignment import path, step

__all__ = ["align_lanes"]

Array = np.ndarray[Any, Any]

_CORRECT, _SUBSTITUTION, _DELETION, _INSERTION = map(ord, "CSDI")

#: Longest hypothesis that gets a lane; for longer ones the numpy loop would run for few pairs.
_LONGEST = 256


def align_lanes(
    left: Array, left_first: Array, right: Array, right_first: Array, insertion_first: bool
) -> tuple[Array, Array]:
    """Align many pairs; as :func:`slaeval.scoring.kernels.align_many`."""
    ops = np.zeros(left.size + right.size, np.uint8)
    i, j = np.diff(left_first), np.diff(right_first)
    place = left_first[1:] + right_first[1:]
    # Equal last words are always aligned: no cheaper or preferred move exists.
    lane = np.flatnonzero((i > 0) & (j > 0))
    while lane.size:
        last = left[left_first[lane] + i[lane] - 1] == right[right_first[lane] + j[lane] - 1]
        lane = lane[last]
        i[lane] -= 1
        j[lane] -= 1
        place[lane] -= 1
        ops[place[lane]] = _CORRECT
        lane = lane[(i[lane] > 0) & (j[lane] > 0)]
    both = (i > 0) & (j > 0)
    fits = both & (i <= 64) & (j <= _LONGEST)
    for pair in np.flatnonzero(both & ~fits).tolist():
        a, b = left_first[pair], right_first[pair]
        one, other = left[a : a + i[pair]].tolist(), right[b : b + j[pair]].tolist()
        steps = path(one, other, insertion_first).encode()
        ops[place[pair] - len(steps) : place[pair]] = np.frombuffer(steps, np.uint8)
        place[pair] -= len(steps)
        i[pair] = j[pair] = 0
    # Longest hypothesis first, so that the lanes still busy in a column are the first ones.
    lanes = np.flatnonzero(fits)
    lanes = lanes[np.argsort(-j[lanes], kind="stable")]
    if lanes.size:
        task = _Lanes(left, left_first[lanes], i[lanes], right, right_first[lanes], j[lanes])
        i[lanes], j[lanes], place[lanes] = task.align(insertion_first, ops, place[lanes])
    for left_over, move in ((i, _DELETION), (j, _INSERTION)):
        place -= left_over
        begin = np.repeat(place - (np.cumsum(left_over) - left_over), left_over)
        ops[begin + np.arange(begin.size)] = move
    return ops, place


class _Lanes:
    """Pairs of up to 64 reference words, longest hypothesis first.

    Parameters
    ----------
    left, a, n : arrays
        Words, and where those of each pair begin and how many they are.
    right, b, m : arrays
        The same for the hypotheses.
    """

    def __init__(self, left: Array, a: Array, n: Array, right: Array, b: Array, m: Array) -> None:
        self.left, self.a, self.n = left, a, n
        self.right, self.b, self.m = right, b, m

    def align(self, insertion_first: bool, ops: Array, place: Array) -> tuple[Array, Array, Array]:
        """Trace all paths back to an edge of the table; return where it was met."""
        columns, diagonals, gaps = self._columns(insertion_first)
        one = diagonals.dtype.type(1)
        lane = np.arange(self.n.size)
        i, j = self.n.copy(), self.m.copy()
        row, column = i - 1, j - 1
        while lane.size:
            at = columns[column] + lane
            shift = row.astype(diagonals.dtype)
            across = ((diagonals[at] >> shift) & one).astype(bool)
            preferred = ((gaps[at] >> shift) & one).astype(bool)
            inserted = ~across & (preferred == insertion_first)
            deleted = ~across & ~inserted
            same = self.left[self.a[lane] + row] == self.right[self.b[lane] + column]
            place[lane] -= 1
            ops[place[lane]] = np.where(
                across,
                np.where(same, _CORRECT, _SUBSTITUTION),
                np.where(inserted, _INSERTION, _DELETION),
            )
            row = row - ~inserted
            column = column - ~deleted
            i[lane], j[lane] = row + 1, column + 1
            inside = (row >= 0) & (column >= 0)
            lane, row, column = lane[inside], row[inside], column[inside]
        return i, j, place

    def _columns(self, insertion_first: bool) -> tuple[Array, Array, Array]:
        """Compute all columns; return where each begins, and the bits of their lanes."""
        width = 32 if self.n.max() <= 32 else 64
        bits = np.dtype(f"<u{width // 8}")
        place = np.arange(width)
        rows = np.full((self.n.size, width), -1, self.left.dtype)
        there = place < self.n[:, None]
        rows[there] = self.left[(self.a[:, None] + place)[there]]
        n1, n2, n3 = (
            np.full(self.n.size, -1, bits.str.replace("u", "i")).view(bits) for _ in "123"
        )
        diagonals, gaps = [], []
        busy = np.searchsorted(-self.m, -np.arange(self.m[0]))
        for column, count in enumerate(busy.tolist()):
            word = self.right[self.b[:count] + column]
            same = np.packbits(rows[:count] == word[:, None], axis=1, bitorder="little")
            diagonal, insertion, *now, _, _, _ = step(
                same.view(bits)[:, 0], n1[:count], n2[:count], n3[:count], 0, 0, 0
            )
            n1[:count], n2[:count], n3[:count] = now
            diagonals.append(diagonal)
            gaps.append(insertion if insertion_first else now[0])
        begin = np.cumsum(busy) - busy
        return begin, np.concatenate(diagonals), np.concatenate(gaps)
