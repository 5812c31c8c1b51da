"""Compiled loops for files of many segments: read, put in order, pair up.

Imported only where the input is large enough to pay for numba. Every function here has a plain
twin elsewhere that gives the same answer on small input; the tests hold them together.
"""

from __future__ import annotations

import numpy as np

from slaeval.scoring.kernels import compiled

__all__ = ["gather", "scan_ctm", "scan_stm", "steps_of"]

_BLANK, _NEWLINE, _DOT, _ONE, _SEMICOLON = 32, 10, 46, 49, 59
_BRACE, _CLOSING, _LABEL = 123, 125, 60
_END = np.frombuffer(b"0.0 1.79769e+308", dtype=np.uint8)


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

    Tidy as in :mod:`slaeval.formats.ctm`, and more narrowly: channel 1, times below ten seconds.

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
        if bounds[2] - bounds[1] != 2 or data[bounds[1]] != _ONE:
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

    Tidy: single blanks, channel 1, whole segments (``0.0 1.79769e+308``), neither comments
    nor labels nor alternatives. Parameters as for :func:`scan_ctm`; `signers` takes the number
    of each signer's name, `texts` where its words begin and end.

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
                elif column == 1:
                    if position - begin != 1 or data[begin] != _ONE:
                        return -1, 0, 0
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
