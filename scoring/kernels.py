"""Compiled alignment: many short pairs, counts alone, and one pair of any length.

Words come as numbers. Costs and ties are those of :mod:`slaeval.scoring.alignment`. Imported
only where the input is large enough to pay for numba; the machine code is kept on disk where a
folder can be written.

How counts need no back-trace: a cell's cost and the substitutions of its preferred path travel
in one number, ``cost << 7 | preference << 5 | substitutions``. The smallest number is the
cheapest move and, at equal cost, the preferred one; its preference bits are cleared before it
is passed on. At the end D + I = (cost - 4·S) / 3 and I - D is the difference in length.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

__all__ = ["align_long", "align_many", "compiled", "count_many"]

Array = np.ndarray[Any, Any]

_CORRECT, _SUBSTITUTION, _DELETION, _INSERTION = 67, 83, 68, 73

#: Pairs aligned side by side, one a lane of the vector unit.
_LANES = 64
#: Longest sequences whose packed numbers fit 16 bits: 3·(n + m) < 256 and S < 32.
_SHORT = 31
#: Cells up to which one pair is aligned with a table of moves, one byte a cell.
_TABLE = 8_000_000

#: Cells of short pairs from which threads are used. Below, one thread needs less than 10 ms, and
#: that two of them wait for each other can cost 5 ms by itself.
_WORTH_THREADS = 20_000_000

# Held by whoever uses numba's threads: its workqueue layer ends a process that enters it twice.
_threads = threading.Lock()


class _Process:
    """What this process may do; a forked one counts without threads.

    GNU OpenMP ends a process whose parent had used its threads before the fork, and the lock
    above may be held by a thread that the fork did not copy.
    """

    forked = False


def _after_fork() -> None:
    _Process.forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def compiled(function: Callable[..., Any], parallel: bool = False) -> Any:
    """Compile a function, keeping the machine code on disk where a folder can be written."""
    try:
        return numba.njit(function, cache=True, nogil=True, parallel=parallel)
    except RuntimeError:  # numba found no place for its cache
        return numba.njit(function, nogil=True, parallel=parallel)


def _parallel(function: Callable[..., Any]) -> Any:
    return compiled(function, parallel=True)


@compiled
def align_many(left, left_first, right, right_first, insertion_first):  # type: ignore[no-untyped-def]
    """Align many pairs of numbered words as sclite does.

    Parameters
    ----------
    left, left_first : int32 and int64 arrays
        Words of all references, and where each begins (one more).
    right, right_first : arrays
        The same of the hypotheses.
    insertion_first : bool
        Whether an insertion goes before a deletion at equal cost.

    Returns
    -------
    tuple of arrays
        The paths as bytes over C, S, D, I, pair after pair; where each begins (one more);
        (pairs, 4) counts of C, S, D, I.
    """
    pairs = left_first.size - 1
    ops = np.empty(left.size + right.size, np.uint8)
    begin = np.empty(pairs + 1, np.int64)
    counts = np.zeros((pairs, 4), np.int32)
    widest, longest, largest = 0, 0, 0
    for pair in range(pairs):
        n = left_first[pair + 1] - left_first[pair]
        m = right_first[pair + 1] - right_first[pair]
        widest, longest = max(widest, m), max(longest, n)
        largest = max(largest, n * m)
    row = np.empty(widest + 1, np.int32)
    moves = np.empty(largest, np.uint8)
    path = np.empty(widest + longest, np.uint8)
    total = 0
    for pair in range(pairs):
        begin[pair] = total
        a, n = left_first[pair], left_first[pair + 1] - left_first[pair]
        b, m = right_first[pair], right_first[pair + 1] - right_first[pair]
        size = 0
        # Equal last words are always aligned: nothing else is as cheap and preferred.
        while n > 0 and m > 0 and left[a + n - 1] == right[b + m - 1]:
            path[size] = _CORRECT
            size += 1
            n -= 1
            m -= 1
        columns = m
        if n > 0 and m > 0:
            for j in range(m + 1):
                row[j] = 3 * j
            for i in range(1, n + 1):
                diagonal = row[0]
                row[0] = 3 * i
                word = left[a + i - 1]
                for j in range(1, m + 1):
                    above = row[j] + 3
                    beside = row[j - 1] + 3
                    equal = right[b + j - 1] == word
                    best = diagonal if equal else diagonal + 4
                    move = _CORRECT if equal else _SUBSTITUTION
                    if insertion_first:
                        if beside < best:
                            best = beside
                            move = _INSERTION
                        if above < best:
                            best = above
                            move = _DELETION
                    else:
                        if above < best:
                            best = above
                            move = _DELETION
                        if beside < best:
                            best = beside
                            move = _INSERTION
                    diagonal = row[j]
                    row[j] = best
                    moves[(i - 1) * columns + j - 1] = move
        while n > 0 or m > 0:
            if n == 0:
                move = _INSERTION
            elif m == 0:
                move = _DELETION
            else:
                move = moves[(n - 1) * columns + m - 1]
            path[size] = move
            size += 1
            if move != _INSERTION:
                n -= 1
            if move != _DELETION:
                m -= 1
        for index in range(size):
            move = path[size - 1 - index]
            ops[total + index] = move
            if move == _CORRECT:
                counts[pair, 0] += 1
            elif move == _SUBSTITUTION:
                counts[pair, 1] += 1
            elif move == _DELETION:
                counts[pair, 2] += 1
            else:
                counts[pair, 3] += 1
        total += size
    begin[pairs] = total
    return ops[:total], begin, counts


@compiled
def _plan(left_first, right_first):  # type: ignore[no-untyped-def]
    """Sort pairs by their two lengths and cut them into groups of equal ones.

    Returns
    -------
    tuple of arrays
        Short pairs in order; where each group begins (one more); the other pairs.
    """
    pairs = left_first.size - 1
    side = _SHORT + 1
    sizes = np.zeros(side * side + 1, np.int64)
    keys = np.empty(pairs, np.int32)
    others = 0
    for pair in range(pairs):
        n = left_first[pair + 1] - left_first[pair]
        m = right_first[pair + 1] - right_first[pair]
        if n <= _SHORT and m <= _SHORT:
            keys[pair] = n * side + m
            sizes[keys[pair] + 1] += 1
        else:
            keys[pair] = -1
            others += 1
    groups = 0
    for key in range(side * side):
        groups += (sizes[key + 1] + _LANES - 1) // _LANES
        sizes[key + 1] += sizes[key]
    begin = np.empty(groups + 1, np.int64)
    group = 0
    for key in range(side * side):
        for start in range(sizes[key], sizes[key + 1], _LANES):
            begin[group] = start
            group += 1
    begin[groups] = pairs - others
    order = np.empty(pairs - others, np.int32)
    rest = np.empty(others, np.int32)
    others = 0
    for pair in range(pairs):
        key = keys[pair]
        if key < 0:
            rest[others] = pair
            others += 1
        else:
            order[sizes[key]] = pair
            sizes[key] += 1
    return order, begin, rest


@compiled
def _count_group(left, left_first, right, right_first, members, prefer, out):  # type: ignore[no-untyped-def]
    """Count a group of pairs of the same two lengths, a lane a pair."""
    n = left_first[members[0] + 1] - left_first[members[0]]
    m = right_first[members[0] + 1] - right_first[members[0]]
    size = members.size
    rows = np.empty((n + 1, _LANES), left.dtype)
    columns = np.empty((m + 1, _LANES), right.dtype)
    keys = np.empty((m + 1, _LANES), np.int16)
    diagonal = np.empty(_LANES, np.int16)
    for lane in range(_LANES):
        pair = members[min(lane, size - 1)]
        a, b = left_first[pair], right_first[pair]
        for i in range(n):
            rows[i, lane] = left[a + i]
        for j in range(m):
            columns[j, lane] = right[b + j]
    step = np.int16(3 << 7)
    wrong = np.int16((4 << 7) | 1)
    beside = np.int16((3 << 7) | (prefer << 5))
    above = np.int16((3 << 7) | ((3 - prefer) << 5))
    clear = np.int16(~(3 << 5))
    for j in range(m + 1):
        for lane in range(_LANES):
            keys[j, lane] = step * j
    for i in range(n):
        for lane in range(_LANES):
            diagonal[lane] = keys[0, lane]
            keys[0, lane] = np.int16(keys[0, lane] + step)
        for j in range(1, m + 1):
            for lane in range(_LANES):
                before = keys[j, lane]
                equal = rows[i, lane] == columns[j - 1, lane]
                best = diagonal[lane] if equal else np.int16(diagonal[lane] + wrong)
                inserted = np.int16(keys[j - 1, lane] + beside)
                deleted = np.int16(before + above)
                best = inserted if inserted < best else best
                best = deleted if deleted < best else best
                diagonal[lane] = before
                keys[j, lane] = np.int16(best & clear)
    for lane in range(size):
        key = keys[m, lane]
        substitutions = key & 31
        gaps = ((key >> 7) - 4 * substitutions) // 3
        out[members[lane], 0] = substitutions
        out[members[lane], 1] = (gaps - (m - n)) // 2
        out[members[lane], 2] = (gaps + (m - n)) // 2


@compiled
def _count_one(left, right, prefer):  # type: ignore[no-untyped-def]
    """Count one pair of any length with two rows; returns S, D, I."""
    n, m = left.size, right.size
    keys = np.empty(m + 1, np.int64)
    step = 3 << 24
    for j in range(m + 1):
        keys[j] = step * j
    for i in range(n):
        diagonal = keys[0]
        keys[0] += step
        word = left[i]
        for j in range(1, m + 1):
            before = keys[j]
            best = diagonal if word == right[j - 1] else diagonal + ((4 << 24) | 1)
            best = min(best, keys[j - 1] + (step | (prefer << 22)))
            best = min(best, before + (step | ((3 - prefer) << 22)))
            diagonal = before
            keys[j] = best & ~(3 << 22)
    substitutions = keys[m] & ((1 << 22) - 1)
    gaps = ((keys[m] >> 24) - 4 * substitutions) // 3
    return substitutions, (gaps - (m - n)) // 2, (gaps + (m - n)) // 2


@compiled
def _count_rest(left, left_first, right, right_first, rest, prefer, out):  # type: ignore[no-untyped-def]
    for pair in rest:
        found = _count_one(
            left[left_first[pair] : left_first[pair + 1]],
            right[right_first[pair] : right_first[pair + 1]],
            prefer,
        )
        out[pair, 0] = found[0]
        out[pair, 1] = found[1]
        out[pair, 2] = found[2]


@compiled
def _count_serial(left, left_first, right, right_first, order, begin, prefer, out):  # type: ignore[no-untyped-def]
    for group in range(begin.size - 1):
        members = order[begin[group] : begin[group + 1]]
        _count_group(left, left_first, right, right_first, members, prefer, out)


@_parallel
def _count_parallel(left, left_first, right, right_first, order, begin, prefer, out):  # type: ignore[no-untyped-def]
    for group in numba.prange(begin.size - 1):
        members = order[begin[group] : begin[group + 1]]
        _count_group(left, left_first, right, right_first, members, prefer, out)


def count_many(
    left: Array,
    left_first: Array,
    right: Array,
    right_first: Array,
    insertion_first: bool = True,
    parallel: bool = True,
) -> Array:
    """Count substitutions, deletions and insertions of many pairs.

    Parameters
    ----------
    left, left_first, right, right_first, insertion_first
        As for :func:`align_many`; words are numbers from 0.
    parallel : bool
        Use all threads of numba where that pays, unless another thread has them or the
        process was forked; the answer is the same.

    Returns
    -------
    array (pairs, 3)
        S, D, I of each pair.
    """
    if left.size and right.size and max(left.max(), right.max()) < 1 << 16:
        # Narrow numbers, so that a vector holds more of them.
        left, right = left.astype(np.uint16), right.astype(np.uint16)
    out = np.zeros((left_first.size - 1, 3), np.int32)
    order, begin, rest = _plan(left_first, right_first)
    prefer = 1 if insertion_first else 2
    task = (left, left_first, right, right_first, order, begin, prefer, out)
    if (
        parallel
        and order.size
        and left.size * right.size // order.size >= _WORTH_THREADS  # about as many cells
        and not _Process.forked
        and _threads.acquire(blocking=False)
    ):
        try:
            _count_parallel(*task)
        finally:
            _threads.release()
    else:
        _count_serial(*task)
    _count_rest(left, left_first, right, right_first, rest, prefer, out)
    return out


@compiled
def _step(left, right, two, one, out, moves, insertion_first):  # type: ignore[no-untyped-def]
    """Compute the cells of an anti-diagonal from the two before it."""
    four, three, zero = np.int32(4), np.int32(3), np.int32(0)
    diagonal, across, down = np.int32(0), np.int32(1), np.int32(2)
    if insertion_first:
        for k in range(out.size):
            best = np.int32(two[k] + (zero if left[k] == right[k] else four))
            beside = np.int32(one[k + 1] + three)
            above = np.int32(one[k] + three)
            move = across if beside < best else diagonal
            best = beside if beside < best else best
            move = down if above < best else move
            best = above if above < best else best
            out[k] = best
            moves[k] = move
    else:
        for k in range(out.size):
            best = np.int32(two[k] + (zero if left[k] == right[k] else four))
            beside = np.int32(one[k + 1] + three)
            above = np.int32(one[k] + three)
            move = down if above < best else diagonal
            best = above if above < best else best
            move = across if beside < best else move
            best = beside if beside < best else best
            out[k] = best
            moves[k] = move


@compiled
def _carry(moves, two, one, out):  # type: ignore[no-untyped-def]
    """Pass on what the chosen predecessors carry."""
    for k in range(out.size):
        a, b, c = two[k], one[k + 1], one[k]
        move = moves[k]
        out[k] = a if move == 0 else (b if move == 1 else c)


@compiled
def _crossing(left, backwards, middle, insertion_first):  # type: ignore[no-untyped-def]
    """Return the column in which the path leaves row `middle`.

    Anti-diagonal after anti-diagonal, so that neighbouring cells do not wait for each other;
    every cell carries the column in which its preferred path left the middle row.

    Parameters
    ----------
    left : int32 array, (n,)
        The reference.
    backwards : int32 array, (m,)
        The hypothesis, last word first.
    middle : int
        Row between 1 and n - 1.
    insertion_first : bool
        Whether an insertion goes before a deletion at equal cost.
    """
    n, m = left.size, backwards.size
    cost_two, cost_one = np.zeros(n + 1, np.int32), np.zeros(n + 1, np.int32)
    from_two, from_one = np.zeros(n + 1, np.int32), np.zeros(n + 1, np.int32)
    cost, source = np.zeros(n + 1, np.int32), np.zeros(n + 1, np.int32)
    moves = np.empty(n + 1, np.int32)
    for diagonal in range(1, n + m + 1):
        low, high = max(0, diagonal - m), min(n, diagonal)
        if low == 0:
            cost[0] = 3 * diagonal
            source[0] = 0
        if high == diagonal:
            cost[diagonal] = 3 * diagonal
            source[diagonal] = 0
        first, last = max(low, 1), min(high, diagonal - 1)
        if last >= first:
            shift = m - diagonal
            _step(
                left[first - 1 : last],
                backwards[shift + first : shift + last + 1],
                cost_two[first - 1 : last],
                cost_one[first - 1 : last + 1],
                cost[first : last + 1],
                moves,
                insertion_first,
            )
            _carry(
                moves,
                from_two[first - 1 : last],
                from_one[first - 1 : last + 1],
                source[first : last + 1],
            )
        if low <= middle <= high:
            source[middle] = diagonal - middle
        cost_two, cost_one, cost = cost_one, cost, cost_two
        from_two, from_one, source = from_one, source, from_two
    return from_one[n]


def align_long(
    left: Array, right: Array, insertion_first: bool = True, table: int = _TABLE
) -> bytes:
    """Align one pair of any length in memory that grows with the length alone.

    The preferred path is found by halves (Hirschberg, CACM 1975): the column in which it
    leaves the middle row cuts the pair into two smaller ones, whose own preferred paths are
    its two parts, since from the crossing on every choice is the same.

    Parameters
    ----------
    left, right : int32 arrays
        Words of the reference and of the hypothesis.
    insertion_first : bool
        Whether an insertion goes before a deletion at equal cost.
    table : int
        Cells up to which a part is aligned with a table of moves.

    Returns
    -------
    bytes
        The path over ``C S D I``.
    """
    parts: list[bytes] = []
    open_parts = [(0, left.size, 0, right.size)]
    while open_parts:
        a, b, c, d = open_parts.pop()
        if b - a < 2 or (b - a) * (d - c) <= table:
            ends = [np.array([0, stop - start]) for start, stop in ((a, b), (c, d))]
            ops, _, _ = align_many(left[a:b], ends[0], right[c:d], ends[1], insertion_first)
            parts.append(ops.tobytes())
            continue
        middle = (b - a) // 2
        column = int(
            _crossing(left[a:b], np.ascontiguousarray(right[c:d][::-1]), middle, insertion_first)
        )
        open_parts.append((a + middle, b, c + column, d))
        open_parts.append((a, a + middle, c, c + column))
    return b"".join(parts)
