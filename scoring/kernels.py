"""Compiled alignment of pairs of any number and length.

Words come as numbers. Costs, ties and the recurrence are those of
:mod:`slaeval.scoring.alignment`, here over numbers of 64 bits. Imported only where the input is
large enough to pay for numba. Indices are unsigned where it matters: a signed one is checked
for being negative at each access.

A pair of which up to 64 reference words are left when equal ends are cut takes one number a
column. A longer one takes several, and memory that grows with its length alone: of its columns
every so-manyth is kept, and those behind it are computed once more when the way back gets there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from slaeval.compiled import compiled
from slaeval.scoring.alignment import step

__all__ = ["align_many", "count_many"]

Array = np.ndarray[Any, Any]

_CORRECT, _SUBSTITUTION, _DELETION, _INSERTION = map(ord, "CSDI")

#: Reference words that fit one number per column.
_NARROW = 64

_step = compiled(step)


def align_many(
    left: Array, left_first: Array, right: Array, right_first: Array, insertion_first: bool
) -> tuple[Array, Array]:
    """Align many pairs of numbered words as sclite does.

    Parameters
    ----------
    left, left_first : int32 and int64 arrays
        Words of all references, numbers from 0, and where each begins (one more).
    right, right_first : arrays
        The same of the hypotheses.
    insertion_first : bool
        Whether an insertion goes before a deletion at equal cost.

    Returns
    -------
    tuple of arrays
        Bytes, and where in them the path of each pair, over C, S, D and I, begins. It ends
        where the words of both sides would, were they written there.
    """
    ops = np.zeros(left.size + right.size, np.uint8)
    begin = np.empty(left_first.size - 1, np.int64)
    chains = _chains(left, left_first, right)
    _align(left, left_first, right, right_first, insertion_first, chains, ops, begin, None)
    return ops, begin


def count_many(
    left: Array, left_first: Array, right: Array, right_first: Array, insertion_first: bool
) -> Array:
    """Count the errors of many pairs; parameters as for :func:`align_many`.

    Returns
    -------
    array (pairs, 3)
        Substitutions, deletions and insertions of each pair.
    """
    counts = np.empty((left_first.size - 1, 3), np.int64)
    chains = _chains(left, left_first, right)
    _align(left, left_first, right, right_first, insertion_first, chains, None, None, counts)
    return counts


def _chains(left: Array, left_first: Array, right: Array) -> tuple[Array, Array, Array]:
    """Return room for :func:`_chain`: for every word -1 and 0, and for the longest reference."""
    longest = np.diff(left_first).max(initial=0)
    words = max(left.max(initial=0), right.max(initial=0)) + 1 if longest > _NARROW else 0
    return np.full(words, -1, np.int64), np.empty(longest, np.int64), np.zeros(words, np.int64)


@compiled
def _align(left, left_first, right, right_first, insertion_first, chains, ops, begin, counts):  # type: ignore[no-untyped-def]
    """Align all pairs; write paths that end where the next pair begins, or counts."""
    none, one = np.uint64(0), np.uint64(1)
    most = np.uint64(0)
    for pair in range(right_first.size - 1):
        most = max(most, np.uint64(right_first[pair + 1] - right_first[pair]))
    planes = np.empty((2, most), np.uint64)
    for pair in range(np.uint64(left_first.size - 1)):
        a, b = np.uint64(left_first[pair]), np.uint64(right_first[pair])
        i, j = np.uint64(left_first[pair + one]) - a, np.uint64(right_first[pair + one]) - b
        place = a + i + b + j
        # Equal last words are always aligned: nothing else is as cheap and preferred.
        while i > none and j > none and left[a + i - one] == right[b + j - one]:
            i, j = i - one, j - one
            if ops is not None:
                place -= one
                ops[place] = _CORRECT
        # Equal first words do not change the rest of the table.
        same = none
        while same < i and same < j and left[a + same] == right[b + same]:
            same += one
        n, m = i - same, j - same
        wrong = deleted = inserted = none
        if n == one and m == one:
            wrong = one
            i, j = same, same
            if ops is not None:
                place -= one
                ops[place] = _SUBSTITUTION
        elif n > none and m > none:
            if n <= np.uint64(_NARROW):
                _narrow(left, a + same, n, right, b + same, m, insertion_first, planes)
                i, j, place, wrong, deleted, inserted = _back(
                    left,
                    a + same,
                    n,
                    right,
                    b + same,
                    m,
                    none,
                    one,
                    insertion_first,
                    planes,
                    ops,
                    place,
                )
            else:
                i, j, place, wrong, deleted, inserted = _long(
                    left, a + same, n, right, b + same, m, insertion_first, chains, ops, place
                )
            i, j = i + same, j + same
        if counts is not None:
            # What is left of one side holds what is left of the other.
            counts[pair, 0] = wrong
            counts[pair, 1] = deleted + i - min(i, j)
            counts[pair, 2] = inserted + j - min(i, j)
        if ops is not None:
            begin[pair] = _rest(left, a, i, right, b, j, ops, place)


@compiled
def _rest(left, a, i, right, b, j, ops, place):  # type: ignore[no-untyped-def]
    """Write the steps before `place` where one side begins with the other; return their first."""
    one = np.uint64(1)
    while i > np.uint64(0) or j > np.uint64(0):
        place -= one
        if i == j or (min(i, j) > np.uint64(0) and left[a + i - one] == right[b + j - one]):
            ops[place] = _CORRECT
            i, j = i - one, j - one
        elif j > i:
            ops[place] = _INSERTION
            j -= one
        else:
            ops[place] = _DELETION
            i -= one
    return place


@compiled
def _narrow(left, a, n, right, b, m, insertion_first, planes):  # type: ignore[no-untyped-def]
    """Compute all columns of a pair of up to 64 reference words, one number per column."""
    none = np.uint64(0)
    n1 = n2 = n3 = ~none
    for j in range(m):
        word = right[b + j]
        equal = none
        for i in range(n):
            equal |= np.uint64(left[a + i] == word) << i
        diagonal, insertion, n1, n2, n3, _, _, _ = _step(equal, n1, n2, n3, none, none, none)
        planes[0, j] = diagonal
        planes[1, j] = insertion if insertion_first else n1


@compiled
def _back(left, a, i, right, b, j, low, words, insertion_first, planes, ops, place):  # type: ignore[no-untyped-def]
    """Walk back from the cell (i, j) to row 0 or column `low`.

    Parameters
    ----------
    left, a, right, b
        Words of both sides, and where those of this pair begin.
    i, j, low : unsigned int
        Cells.
    words : unsigned int
        Numbers a column.
    planes : uint64 array (2, columns * words)
        From column `low` on: where the diagonal is optimal, and where the preferred gap is.
    ops, place
        Where to write the steps, from the last one before `place` on; None for nowhere.

    Returns
    -------
    tuple of unsigned int
        The cell that was reached, the place, substitutions, deletions, insertions.
    """
    none, one, six, mask = np.uint64(0), np.uint64(1), np.uint64(6), np.uint64(63)
    wrong = deleted = inserted = none
    while i > none and j > low:
        row, column = i - one, j - one
        at = (column - low) * words + (row >> six)
        shift = row & mask
        if (planes[0, at] >> shift) & one:
            different = left[a + row] != right[b + column]
            wrong += np.uint64(different)
            move = _SUBSTITUTION if different else _CORRECT
            i, j = row, column
        elif (((planes[1, at] >> shift) & one) != none) == insertion_first:
            inserted += one
            move = _INSERTION
            j = column
        else:
            deleted += one
            move = _DELETION
            i = row
        if ops is not None:
            place -= one
            ops[place] = move
    return i, j, place, wrong, deleted, inserted


@compiled
def _chain(left, a, n, chains):  # type: ignore[no-untyped-def]
    """Chain the places of each reference word, and give a row of bits to those that stand often.

    ``last[word]`` is the last place of a word, ``before`` leads from each to the one before. A
    word that stands oftener than a column has numbers keeps its bits ready in
    ``rows[row[word]]``; fewer than 64 words do. The others, of row 0, set theirs there while they
    are looked at.
    """
    last, before, row = chains
    words = (n + np.uint64(63)) >> np.uint64(6)
    for i in range(n):
        word = left[a + i]
        before[i] = last[word]
        last[word] = i
        row[word] += 1
    often = 0
    for i in range(n):
        word = left[a + i]
        if last[word] == i:
            if row[word] > words:
                often += 1
                row[word] = often
            else:
                row[word] = 0
    rows = np.zeros((often + 1, words), np.uint64)
    for i in range(n):
        if row[left[a + i]] > 0:
            rows[row[left[a + i]], i >> np.uint64(6)] |= np.uint64(1) << (i & np.uint64(63))
    return rows


@compiled
def _columns(right, b, first, stop, words, chains, rows, now, insertion_first, planes):  # type: ignore[no-untyped-def]
    """Compute the columns `first` to `stop`, from `now` in place; keep their bits in `planes`.

    Only the lowest 64 times `words` rows are computed.
    """
    last, before, row = chains
    for j in range(first, stop):
        word = right[b + j]
        equal = rows[row[word]]
        at = last[word] if row[word] == 0 else -1
        while at >= 0:
            equal[at >> 6] |= np.uint64(1) << np.uint64(at & 63)
            at = before[at]
        _column(equal, words, now, insertion_first, planes, (j - first) * words)
        at = last[word] if row[word] == 0 else -1
        while at >= 0:
            equal[at >> 6] = 0
            at = before[at]


@compiled
def _column(equal, words, now, insertion_first, planes, begin):  # type: ignore[no-untyped-def]
    """Compute one column of several numbers."""
    top = np.uint64(63)
    c1 = c2 = c3 = np.uint64(0)
    for k in range(words):
        diagonal, insertion, n1, n2, n3, o1, o2, o3 = _step(
            equal[k], now[0, k], now[1, k], now[2, k], c1, c2, c3
        )
        c1, c2, c3 = o1 >> top, o2 >> top, o3 >> top
        now[0, k], now[1, k], now[2, k] = n1, n2, n3
        if planes is not None:
            planes[0, begin + k] = diagonal
            planes[1, begin + k] = insertion if insertion_first else n1


@compiled
def _long(left, a, n, right, b, m, insertion_first, chains, ops, place):  # type: ignore[no-untyped-def]
    """Align a pair of any length; returns what :func:`_back` does."""
    none, one = np.uint64(0), np.uint64(1)
    rows = _chain(left, a, n, chains)
    words = (n + np.uint64(63)) >> np.uint64(6)
    # So that as much room goes to the columns kept as to those computed once more.
    block = np.uint64(max(16, int((1.5 * m) ** 0.5)))
    blocks = (m + block - one) // block
    kept = np.empty((blocks, 3, words), np.uint64)
    now = np.full((3, words), ~none)
    for k in range(blocks):
        kept[k] = now
        stop = min(m, (k + one) * block)
        _columns(right, b, k * block, stop, words, chains, rows, now, insertion_first, None)
    planes = np.empty((2, block * words), np.uint64)
    i, j = n, m
    wrong = deleted = inserted = none
    while i > none and j > none:
        low = (j - one) // block * block
        now[:] = kept[low // block]
        words = (i + np.uint64(63)) >> np.uint64(6)
        _columns(right, b, low, j, words, chains, rows, now, insertion_first, planes)
        i, j, place, more_wrong, more_deleted, more_inserted = _back(
            left, a, i, right, b, j, low, words, insertion_first, planes, ops, place
        )
        wrong, deleted, inserted = (
            wrong + more_wrong,
            deleted + more_deleted,
            inserted + more_inserted,
        )
    last, _, row = chains
    for k in range(n):
        last[left[a + k]] = -1
        row[left[a + k]] = 0
    return i, j, place, wrong, deleted, inserted
