"""References that offer alternatives, ``{ WIND / STURM }``, aligned as sclite does.

Such a reference is a small network of words; the hypothesis is aligned with the path through it
that costs least. Costs are those of plain words, correct 0, substitution 4, insertion and
deletion 3. What decides between paths of the same cost:

- On the way back from the end a diagonal step is taken first, then an insertion, then a
  deletion, as for plain words.
- Of words that can stand before a word, the one written first is taken.
- ``@``, the alternative without words, is itself a word of the network whose deletion costs
  0.001: it is neither counted nor reported, yet of two paths alike the one with fewer of them
  wins. sclite adds these costs in single precision, so here too every sum is rounded to it.

How sclite reads braces
-----------------------
Braces nest. ``/`` separates alternatives wherever it stands within braces, inside a word too:
``{ A/B }`` offers two words. *An alternative without anything in it does not exist*:
``{ A / }`` demands ``A``, it takes ``{ A / @ }`` to make it optional. Outside braces ``/`` is an
ordinary word. sclite stops with a segmentation fault at ``{ }``; here it offers nothing.

Source: NIST SCTK, ``src/sclite`` (``net_dp.c``, ``net_adt.c``, ``word.c``), read and compared
by running; see ``tests/scoring/test_against_sclite.py``.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["align_alternatives", "unusual"]

_NOTHING = "@"
_SUBSTITUTION = 4.0
_INSERTION = 3.0
_DELETION = 3.0
_DELETION_OF_NOTHING = 0.001

_UPPER_TO_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class _Arc(NamedTuple):
    """One word of the reference network, and the arcs that can come before it."""

    word: str
    before: list[int]


def align_alternatives(
    words: Sequence[str], hypothesis: Sequence[str], fold: bool = True
) -> tuple[list[str], str]:
    """Align a hypothesis with a reference that offers alternatives.

    Parameters
    ----------
    words : sequence of str
        The reference with its braces: ``["{", "WIND", "/", "STURM", "}", "STARK"]``.
    hypothesis : sequence of str
        Plain words; braces, ``/`` and ``@`` are ordinary words here.
    fold : bool
        Compare without regard to the case of ASCII letters.

    Returns
    -------
    reference : list of str
        The reference words on the best path, as written.
    ops : str
        The path over ``C``, ``S``, ``D`` and ``I``; see
        :class:`~slaeval.scoring.segments.AlignedSegment`.

    Examples
    --------
    >>> align_alternatives("{ WIND / STURM } STARK".split(), ["sturm", "STARK"])
    (['STURM', 'STARK'], 'CC')
    """
    arcs = [_Arc("", [])]  # the start of the network
    ends = _extend(arcs, [0], _Tokens(words))
    spoken = [_folded(word) if fold else word for word in hypothesis]

    costs, moves = _fill(arcs, spoken, fold)
    here = min(ends, key=lambda end: costs[end][-1])
    column = len(spoken)
    reference: list[str] = []
    ops: list[str] = []
    while here or column:
        op, arrived_from = moves[here][column]
        if op == "I":
            column -= 1
        elif arcs[here].word != _NOTHING:
            reference.append(arcs[here].word)
        if op in "CS":
            column -= 1
        if op != "@":
            ops.append(op)
        here = arrived_from
    return reference[::-1], "".join(reversed(ops))


def _fill(
    arcs: list[_Arc], spoken: list[str], fold: bool
) -> tuple[list[array[float]], list[list[tuple[str, int]]]]:
    """Return the cost of each cell (arc, hypothesis words said) and the move that reached it.

    A move is a letter, ``@`` for a deletion that counts nothing, and the arc it came from.
    Rows are arrays of type ``f`` so that every sum is rounded to single precision.
    """
    costs = [array("f", [_INSERTION * column for column in range(len(spoken) + 1)])]
    moves = [[("I", 0)] * (len(spoken) + 1)]
    for index, (word, before) in enumerate(arcs[1:], 1):
        nothing = word == _NOTHING
        deleted = "@" if nothing else "D"
        deletion = _DELETION_OF_NOTHING if nothing else _DELETION
        compared = _folded(word) if fold else word
        # min() keeps the first of equals: the alternative written first.
        nearest = min(before, key=lambda arc: costs[arc][0])
        row = array("f", [costs[nearest][0] + deletion])
        move = [(deleted, nearest)]
        for column, said in enumerate(spoken, 1):
            above = nearest
            diagonal = min(before, key=lambda arc: costs[arc][column - 1])
            nearest = min(before, key=lambda arc: costs[arc][column])
            equal = not nothing and compared == said
            substitute, insert, delete = array(
                "f",
                (
                    costs[diagonal][column - 1] + (0.0 if equal else _SUBSTITUTION),
                    row[-1] + _INSERTION,
                    costs[nearest][column] + deletion,
                ),
            )
            if substitute <= insert and substitute <= delete:
                row.append(substitute)
                move.append(("C" if equal else "S", diagonal))
            elif insert <= delete:
                row.append(insert)
                move.append(("I", index))
            else:
                row.append(delete)
                move.append((deleted, nearest))
        costs.append(row)
        moves.append(move)
    return costs, moves


class _Tokens:
    """The words of a reference one by one; ``{``, ``}`` and, within braces, ``/`` alone."""

    def __init__(self, words: Sequence[str]) -> None:
        self._rest = self._split(words)

    @staticmethod
    def _split(words: Sequence[str]) -> Iterator[str]:
        depth = 0
        for word in words:
            depth += (word == "{") - (word == "}" and depth > 0)
            if depth and "/" in word and len(word) > 1:
                yield from filter(None, re.split("(/)", word))
            else:
                yield word

    def __iter__(self) -> Iterator[str]:
        return self._rest


def _extend(arcs: list[_Arc], ends: list[int], tokens: _Tokens) -> list[int]:
    """Append the words of a sequence to the network; return the arcs it can end with."""
    for token in tokens:
        if token == "{":
            ends = _extend_by_alternatives(arcs, ends, tokens)
        else:
            arcs.append(_Arc(token, ends))
            ends = [len(arcs) - 1]
    return ends


def _extend_by_alternatives(arcs: list[_Arc], start: list[int], tokens: _Tokens) -> list[int]:
    """Append the alternatives up to the closing brace, each from `start` on."""
    ends: list[int] = []
    current = start
    empty = True
    for token in tokens:
        if token in ("/", "}"):
            if not empty:
                ends += current
            current, empty = start, True
            if token == "}":
                break
        elif token == "{":
            current = _extend_by_alternatives(arcs, current, tokens)
            empty = False
        else:
            arcs.append(_Arc(token, current))
            current, empty = [len(arcs) - 1], False
    return ends or start


def _folded(word: str) -> str:
    return word.lower() if word.isascii() else word.translate(_UPPER_TO_LOWER)
