"""Compiled alignment of pairs of any number and length.

Words are given as numbers. Costs, ties and the recurrence are those of
:mod:`slaeval.scoring.alignment`, here over 64-bit integers. Imported only where the input is
large enough to pay for numba. Indices are unsigned where it matters: a signed one is checked
for being negative at each access.

A pair with up to 64 reference words left after equal ends are trimmed takes one number per
column. A longer one takes several, and memory that grows only with its length: columns are kept
at regular intervals, and those in between are recomputed when the traceback reaches them.

A pair that is longer still is aligned twice. The first pass, in a narrow band along the diagonal,
bounds the cost of the best path and so the number of its gaps. A path that leaves the diagonal
needs a gap for each step away and back, so the second pass computes only the band that no best
path can leave. At its edges a cell takes the value of its neighbour inside, as by a gap: every
value computed is the cost of some path, and inside the band that of the best one.
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

#: Numbers per column from which a pair is first aligned in a band, and its rows to either side.
_LONG = 64
_ROWS = 1024

_step = compiled(step)


def align_many(
    left: Array, left_first: Array, right: Array, right_first: Array, insertion_first: bool
) -> tuple[Array, Array]:
    """Align many pairs of numbered words as sclite does.

    Parameters
    ----------
    left, left_first : int32 and int64 arrays
        Words of all references, numbered from 0, and where each reference begins, with one
        entry more for the end.
    right, right_first : arrays
        The same for the hypotheses.
    insertion_first : bool
        Whether an insertion is preferred to a deletion at equal cost.

    Returns
    -------
    tuple of arrays
        Bytes, and where in them the path of each pair, over C, S, D and I, begins. Each pair
        has room for the words of both sides, and its path ends where that room ends.
    """
    ops = np.zeros(left.size + right.size, np.uint8)
    begin = np.empty(left_first.size - 1, np.int64)
    room = _room(left, left_first, right)
    _align(left, left_first, right, right_first, insertion_first, room, ops, begin, None)
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
    room = _room(left, left_first, right)
    _align(left, left_first, right, right_first, insertion_first, room, None, None, counts)
    return counts


def _room(left: Array, left_first: Array, right: Array) -> tuple[Array, Array, Array, Array]:
    """Allocate arrays for :func:`_index`: for every word, and for the longest reference."""
    longest = np.diff(left_first).max(initial=0)
    words = max(left.max(initial=0), right.max(initial=0)) + 1 if longest > _NARROW else 0
    counts, begins, rows = np.zeros((3, words), np.uint64)
    return counts, begins, rows, np.empty(longest, np.uint64)


@compiled
def _align(left, left_first, right, right_first, insertion_first, room, ops, begin, counts):  # type: ignore[no-untyped-def]
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
        # Equal last words are always aligned: no cheaper or preferred move exists.
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
                    none,
                    one,
                    insertion_first,
                    planes,
                    ops,
                    place,
                )
            else:
                i, j, place, wrong, deleted, inserted = _long(
                    left, a + same, n, right, b + same, m, insertion_first, room, ops, place
                )
            i, j = i + same, j + same
        if counts is not None:
            # What is left of one side begins with what is left of the other.
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
def _back(left, a, i, right, b, j, low, base, words, insertion_first, planes, ops, place):  # type: ignore[no-untyped-def]
    """Trace back from the cell (i, j) to row 0 or column `low`.

    Parameters
    ----------
    left, a, right, b
        Words of both sides, and where those of this pair begin.
    i, j, low : unsigned int
        Cells.
    base, words : unsigned int
        Which numbers of a column are in `planes`: the first, and how many.
    planes : uint64 array (2, columns * words)
        From column `low` on: where the diagonal is optimal, and where the preferred gap is.
    ops, place
        Where to write the steps, the last one just before `place`; None to write none.

    Returns
    -------
    tuple of unsigned int
        The cell reached, the place, substitutions, deletions, insertions.
    """
    none, one, six, mask = np.uint64(0), np.uint64(1), np.uint64(6), np.uint64(63)
    wrong = deleted = inserted = none
    while i > none and j > low:
        row, column = i - one, j - one
        at = (column - low) * words + (row >> six) - base
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
def _index(left, a, n, room):  # type: ignore[no-untyped-def]
    """List the places of each reference word, and give frequent words a row of bits.

    ``places`` holds ``counts[word]`` places of a word from ``begins[word]`` on. A word that occurs
    more often than a column has numbers keeps its bits in ``bits[rows[word]]``; fewer than 64
    words do. The others share row 0 and set their bits there while they are in use.
    """
    counts, begins, rows, places = room
    none, one, six, mask = np.uint64(0), np.uint64(1), np.uint64(6), np.uint64(63)
    words = (n + mask) >> six
    for i in range(n):
        counts[left[a + i]] += one
    end = often = none
    for i in range(n):
        word = left[a + i]
        if begins[word] == none:
            end += counts[word]
            begins[word] = end  # moves down by one for each place written
            if counts[word] > words:
                often += one
                rows[word] = often
    bits = np.zeros((often + one, words), np.uint64)
    for k in range(n):
        i = n - one - k
        word = left[a + i]
        begins[word] -= one
        places[begins[word]] = i
        if rows[word] > none:
            bits[rows[word], i >> six] |= one << (i & mask)
    return bits


@compiled
def _forget(left, a, n, room):  # type: ignore[no-untyped-def]
    """Clear what :func:`_index` wrote."""
    counts, begins, rows, _ = room
    for i in range(n):
        counts[left[a + i]] = begins[left[a + i]] = rows[left[a + i]] = 0


@compiled
def _first_place(places, first, last, begin):  # type: ignore[no-untyped-def]
    """Return the first of some ascending places that is not before a number of the column."""
    if begin == np.uint64(0):
        return first
    while first < last:
        middle = (first + last) >> np.uint64(1)
        if places[middle] >> np.uint64(6) < begin:
            first = middle + np.uint64(1)
        else:
            last = middle
    return first


@compiled
def _band(band, n, rise, run, below, above):  # type: ignore[no-untyped-def]
    """Write which numbers of each column are computed: ``band[0]`` up to but not ``band[1]``.

    The rows are those from `below` rows before to `above` rows after the line that rises `rise`
    rows in `run` columns.
    """
    none, one, six = np.uint64(0), np.uint64(1), np.uint64(6)
    for j in range(np.uint64(band.shape[1])):
        row = j * rise // run
        band[0, j] = (row - below) >> six if row > below else none
        band[1, j] = (min(n - one, row + above) >> six) + one


@compiled
def _columns(  # type: ignore[no-untyped-def]
    right, b, first, stop, top, band, room, bits, now, insertion_first, planes, base, kept
):
    """Compute the columns `first` to `stop` within a band, updating `now` in place.

    Parameters
    ----------
    right, b
        Words of the hypotheses, and where those of this pair begin.
    first, stop, top : unsigned int
        Columns, and the number within a column to stop before.
    band : uint64 array (2, columns)
        See :func:`_band`.
    room, bits
        See :func:`_index`.
    now : uint64 array (3, numbers)
        The previous column; on return the last one.
    insertion_first, planes, base, kept
        The bits of the `kept` numbers from `base` on go to `planes`; None to keep none.

    Returns
    -------
    unsigned int
        By how much V grew in the last row computed.
    """
    counts, begins, rows, places = room
    none, one, six, mask = np.uint64(0), np.uint64(1), np.uint64(6), np.uint64(63)
    grown = none
    for j in range(first, stop):
        word = right[b + j]
        begin, end = band[0, j], min(band[1, j], top)
        equal = bits[rows[word]]
        last = here = behind = begins[word]
        if rows[word] == none:
            last += counts[word]
            here = behind = _first_place(places, here, last, begin)
        while behind < last and places[behind] >> six < end:
            equal[places[behind] >> six] |= one << (places[behind] & mask)
            behind += one
        place = (j - first) * kept - base
        grown += _column(equal, begin, end, now, insertion_first, planes, place)
        for at in range(here, behind):
            equal[places[at] >> six] = none
    return grown


@compiled
def _column(equal, begin, end, now, insertion_first, planes, place):  # type: ignore[no-untyped-def]
    """Compute some numbers of one column; return by how much V grew in the last row."""
    top = np.uint64(63)
    c1 = c2 = c3 = np.uint64(0)
    for k in range(begin, end):
        diagonal, insertion, n1, n2, n3, o1, o2, o3 = _step(
            equal[k], now[0, k], now[1, k], now[2, k], c1, c2, c3
        )
        c1, c2, c3 = o1 >> top, o2 >> top, o3 >> top
        now[0, k], now[1, k], now[2, k] = n1, n2, n3
        if planes is not None:
            planes[0, place + k] = diagonal
            planes[1, place + k] = insertion if insertion_first else n1
    return c1 + c2 + c3


@compiled
def _cost_at_most(n, right, b, m, band, room, bits, now, insertion_first):  # type: ignore[no-untyped-def]
    """Return the cost of the best path in a narrow band; overwrites `now`."""
    none, one, three = np.uint64(0), np.uint64(1), np.uint64(3)
    words = np.uint64(now.shape[1])
    _band(band, n, n, m, np.uint64(_ROWS), np.uint64(_ROWS))
    value = _columns(
        right, b, none, m, words, band, room, bits, now, insertion_first, None, none, none
    )
    for row in range(n, words << np.uint64(6)):  # beyond the last word
        shift = row & np.uint64(63)
        for k in range(3):
            value -= one - ((now[k, words - one] >> shift) & one)
    return three * (n + m) - value - value


@compiled
def _long(left, a, n, right, b, m, insertion_first, room, ops, place):  # type: ignore[no-untyped-def]
    """Align a pair of any length; return what :func:`_back` does."""
    none, one = np.uint64(0), np.uint64(1)
    bits = _index(left, a, n, room)
    words = (n + np.uint64(63)) >> np.uint64(6)
    now = np.full((3, words), ~none)
    band = np.empty((2, m), np.uint64)
    below, above = m, n
    if words > np.uint64(_LONG):
        cost = _cost_at_most(n, right, b, m, band, room, bits, now, insertion_first)
        now[:] = ~none
        # A path d rows off the diagonal has d gaps before that point, and the rest after it.
        more, fewer = max(n, m) - m, max(n, m) - n
        spare = (cost // np.uint64(3) - more - fewer) >> one
        below, above = fewer + spare, more + spare
    _band(band, n, one, one, below, above)
    # Give as much memory to the columns kept as to those recomputed.
    block = np.uint64(max(16, int((1.5 * m) ** 0.5)))
    blocks = (m + block - one) // block
    widest = none
    for k in range(blocks):
        widest = max(widest, band[1, min(m, (k + one) * block) - one] - band[0, k * block])
    kept = np.empty((blocks, 3, widest), np.uint64)
    for k in range(blocks):
        first, stop = k * block, min(m, (k + one) * block)
        base, end = band[0, first], band[1, stop - one]
        kept[k, :, : end - base] = now[:, base:end]
        _columns(
            right, b, first, stop, words, band, room, bits, now, insertion_first, None, none, none
        )
    planes = np.empty((2, block * widest), np.uint64)
    i, j = n, m
    wrong = deleted = inserted = none
    while i > none and j > none:
        low = (j - one) // block * block
        base, end = band[0, low], band[1, min(m, low + block) - one]
        now[:, base:end] = kept[low // block, :, : end - base]
        top = (i + np.uint64(63)) >> np.uint64(6)
        words = min(end, top) - base
        _columns(right, b, low, j, top, band, room, bits, now, insertion_first, planes, base, words)
        i, j, place, more_wrong, more_deleted, more_inserted = _back(
            left, a, i, right, b, j, low, base, words, insertion_first, planes, ops, place
        )
        wrong, deleted, inserted = (
            wrong + more_wrong,
            deleted + more_deleted,
            inserted + more_inserted,
        )
    _forget(left, a, n, room)
    return i, j, place, wrong, deleted, inserted
