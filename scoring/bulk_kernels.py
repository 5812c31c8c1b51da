"""Compiled loops for files of many segments: read, align, pair up.

Imported only where the input is large enough to pay for numba. Every function here has a plain
twin elsewhere that gives the same answer on small input; the tests hold them together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

__all__ = ["align_many", "compiled", "gather", "scan_ctm", "scan_stm", "steps_of"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

_BLANK, _NEWLINE, _DOT, _SEMICOLON = 32, 10, 46, 59
_BRACE, _CLOSING, _LABEL = 123, 125, 60
_END = np.frombuffer(b"0.0 1.79769e+308", dtype=np.uint8)


def compiled(function: _Function) -> _Function:
    """Compile a function, keeping the machine code on disk where a folder can be written."""
    try:
        return numba.njit(function, cache=True, nogil=True)  # type: ignore[no-any-return]
    except RuntimeError:  # numba found no place for its cache
        return numba.njit(function, nogil=True)  # type: ignore[no-any-return]


@compiled
def _intern(data, start, stop, table, offsets, sizes, count):  # type: ignore[no-untyped-def]
    """Return the number of the word data[start:stop], a new one where it is new."""
    value = np.uint64(14695981039346656037)
    for index in range(start, stop):
        value = (value ^ np.uint64(data[index])) * np.uint64(1099511628211)
    mask = np.uint64(table.size - 1)
    slot = (value ^ (value >> np.uint64(29))) & mask
    while True:
        known = table[slot]
        if known < 0:
            table[slot] = count
            offsets[count] = start
            sizes[count] = stop - start
            return count
        if sizes[known] == stop - start:
            same = True
            first = offsets[known]
            for index in range(stop - start):
                if data[first + index] != data[start + index]:
                    same = False
                    break
            if same:
                return known
        slot = (slot + np.uint64(1)) & mask


@compiled
def _number(data, start, stop):  # type: ignore[no-untyped-def]
    """Say whether data[start:stop] is digits with one point at most, below ten."""
    digits, before, dots = 0, 0, 0
    for index in range(start, stop):
        if data[index] == _DOT:
            dots += 1
        elif 48 <= data[index] <= 57:
            digits += 1
            if dots == 0:
                before += 1
        else:
            return False
    return digits > 0 and dots <= 1 and before == 1


@compiled
def scan_ctm(data, start, stop, table, offsets, sizes, count, ids, first, names):  # type: ignore[no-untyped-def]
    """Read a tidy CTM in one pass.

    Tidy as in :mod:`slaeval.scoring.ctm`, and more narrowly: times below ten seconds.

    Parameters
    ----------
    data : uint8 array
        The file, in [start, stop), ending with a newline.
    table, offsets, sizes, count
        The words seen so far: a hash table of a power of two slots, their places, how many.
    ids : int32 array
        Takes the number of each line's word.
    first, names : int64 arrays, (segments,) and (segments, 2)
        Take each segment's first line, and where its name stands.

    Returns
    -------
    tuple of int
        Lines (-1 where the file is not tidy), segments, words.
    """
    line, segments, position = 0, 0, start
    name_start, name_stop = 0, 0
    time_start, time_stop = 0, 0
    bounds = np.empty(6, np.int64)
    while position < stop:
        column = 0
        bounds[0] = position
        begin = position
        while True:
            byte = data[position]
            if byte <= _BLANK:
                if position == begin:
                    return -1, 0, 0
                if byte == _BLANK:
                    column += 1
                    if column > 4:
                        return -1, 0, 0
                    position += 1
                    begin = position
                    bounds[column] = position
                    continue
                if byte != _NEWLINE or column != 4:
                    return -1, 0, 0
                break
            position += 1
        bounds[5] = position + 1
        if data[bounds[0]] == _SEMICOLON:
            return -1, 0, 0
        for index in range(bounds[1], bounds[2]):
            if data[index] >= 128:
                return -1, 0, 0
        if not _number(data, bounds[2], bounds[3] - 1) or not _number(
            data, bounds[3], bounds[4] - 1
        ):
            return -1, 0, 0
        size = bounds[1] - 1 - bounds[0]
        same = segments > 0 and size == name_stop - name_start
        if same:
            for index in range(size - 1, -1, -1):
                if data[name_start + index] != data[bounds[0] + index]:
                    same = False
                    break
        if same:
            # Start times must grow as text, so that sorting cannot move a line.
            grows = False
            left, right = time_stop - time_start, bounds[3] - 1 - bounds[2]
            for index in range(min(left, right)):
                one, other = data[time_start + index], data[bounds[2] + index]
                if one != other:
                    grows = one < other
                    left = right = 0
                    break
            if left < right:
                grows = True
            if not grows:
                return -1, 0, 0
        else:
            name_start, name_stop = bounds[0], bounds[1] - 1
            first[segments] = line
            names[segments, 0] = name_start
            names[segments, 1] = name_stop
            segments += 1
        time_start, time_stop = bounds[2], bounds[3] - 1
        number = _intern(data, bounds[4], bounds[5] - 1, table, offsets, sizes, count)
        if number == count:
            count += 1
        ids[line] = number
        line += 1
        position += 1
    return line, segments, count


@compiled
def scan_stm(data, start, stop, table, offsets, sizes, count, ids, first, names, signers, texts):  # type: ignore[no-untyped-def]
    """Read a tidy STM in one pass.

    Tidy: single blanks, whole segments (``0.0 1.79769e+308``), neither comments nor labels
    nor alternatives. Parameters as for :func:`scan_ctm`; `signers` takes the number of each
    signer's name, `texts` where its words begin and end.

    Returns
    -------
    tuple of int
        Segments (-1 where the file is not tidy), words in all, distinct words.
    """
    position, segments, total = start, 0, 0
    while position < stop:
        if data[position] == _SEMICOLON:
            return -1, 0, 0
        column = 0
        begin = position
        while True:
            byte = data[position]
            if byte <= _BLANK:
                if byte != _BLANK and byte != _NEWLINE:
                    return -1, 0, 0
                if position == begin:
                    # A blank at the end of a segment without words is common.
                    if not (byte == _NEWLINE and column == 5):
                        return -1, 0, 0
                elif column == 0:
                    names[segments, 0] = begin
                    names[segments, 1] = position
                    first[segments] = total
                elif column == 2:
                    number = _intern(data, begin, position, table, offsets, sizes, count)
                    if number == count:
                        count += 1
                    signers[segments] = number
                elif column == 3:
                    if position + 13 > stop:
                        return -1, 0, 0
                    for index in range(_END.size):
                        if data[begin + index] != _END[index]:
                            return -1, 0, 0
                elif column == 4:
                    if position - begin != 12:
                        return -1, 0, 0
                    texts[segments, 0] = min(position + 1, stop)
                elif column >= 5:
                    if data[begin] == _LABEL and column == 5:
                        return -1, 0, 0
                    number = _intern(data, begin, position, table, offsets, sizes, count)
                    if number == count:
                        count += 1
                    ids[total] = number
                    total += 1
                if byte == _NEWLINE:
                    if column < 4:
                        return -1, 0, 0
                    break
                column += 1
                position += 1
                begin = position
                continue
            if byte in (_BRACE, _CLOSING):
                return -1, 0, 0
            position += 1
        texts[segments, 1] = position
        if texts[segments, 0] > position:
            texts[segments, 0] = position
        segments += 1
        position += 1
    return segments, total, count


@compiled
def gather(ids, first, where, nothing):  # type: ignore[no-untyped-def]
    """Put the words of hypotheses into the order of the references.

    Parameters
    ----------
    ids, first : arrays
        Words of all hypotheses, -1 for a deleted one, and where each begins (one more).
    where : int64 array, (references,)
        Which hypothesis belongs to a reference, -1 for none.
    nothing : int
        The word of an empty hypothesis, -1 for none.

    Returns
    -------
    tuple of arrays
        Words, and where each reference's begin (one more).
    """
    out = np.empty(ids.size + where.size, np.int32)
    begin = np.empty(where.size + 1, np.int64)
    total = 0
    for reference in range(where.size):
        begin[reference] = total
        source = where[reference]
        if source >= 0:
            for index in range(first[source], first[source + 1]):
                if ids[index] >= 0:
                    out[total] = ids[index]
                    total += 1
        if total == begin[reference] and nothing >= 0:
            out[total] = nothing
            total += 1
    begin[where.size] = total
    return out[:total], begin


@compiled
def align_many(left, left_first, right, right_first, insertion_first):  # type: ignore[no-untyped-def]
    """Align many short pairs of numbered words as sclite does.

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
    widest, longest = 0, 0
    for pair in range(pairs):
        widest = max(widest, right_first[pair + 1] - right_first[pair])
        longest = max(longest, left_first[pair + 1] - left_first[pair])
    row = np.empty(widest + 1, np.int32)
    moves = np.empty((longest + 1, widest + 1), np.uint8)
    path = np.empty(widest + longest, np.uint8)
    total = 0
    for pair in range(pairs):
        begin[pair] = total
        a, n = left_first[pair], left_first[pair + 1] - left_first[pair]
        b, m = right_first[pair], right_first[pair + 1] - right_first[pair]
        size = 0
        while n > 0 and m > 0 and left[a + n - 1] == right[b + m - 1]:
            path[size] = 67
            size += 1
            n -= 1
            m -= 1
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
                    move = 67 if equal else 83
                    if insertion_first:
                        if beside < best:
                            best = beside
                            move = 73
                        if above < best:
                            best = above
                            move = 68
                    else:
                        if above < best:
                            best = above
                            move = 68
                        if beside < best:
                            best = beside
                            move = 73
                    diagonal = row[j]
                    row[j] = best
                    moves[i, j] = move
        while n > 0 or m > 0:
            if n == 0:
                move = 73
            elif m == 0:
                move = 68
            else:
                move = moves[n, m]
            path[size] = move
            size += 1
            if move != 73:
                n -= 1
            if move != 68:
                m -= 1
        for index in range(size):
            move = path[size - 1 - index]
            ops[total + index] = move
            if move == 67:
                counts[pair, 0] += 1
            elif move == 83:
                counts[pair, 1] += 1
            elif move == 68:
                counts[pair, 2] += 1
            else:
                counts[pair, 3] += 1
        total += size
    begin[pairs] = total
    return ops[:total], begin, counts


@compiled
def steps_of(ops, begin, left, left_first, right, right_first, wanted):  # type: ignore[no-untyped-def]
    """Return the (reference, hypothesis) word numbers of every step of one kind, -1 for none."""
    total = 0
    for op in ops:
        total += op == wanted
    out = np.empty((total, 2), np.int64)
    row = 0
    for pair in range(begin.size - 1):
        i, j = left_first[pair], right_first[pair]
        for index in range(begin[pair], begin[pair + 1]):
            op = ops[index]
            if op == wanted:
                out[row, 0] = left[i] if op != 73 else -1
                out[row, 1] = right[j] if op != 68 else -1
                row += 1
            if op != 73:
                i += 1
            if op != 68:
                j += 1
    return out
