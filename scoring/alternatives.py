"""References that offer alternatives, ``{ WIND / STURM }``, aligned as sclite does.

Such a reference is a small network of words; the hypothesis is aligned with the path through it
that costs least. Costs are those of plain words, correct 0, substitution 4, insertion and
deletion 3. What decides between paths of the same cost:

- On the way back from the end a diagonal step is taken first, then an insertion, then a
  deletion, as for plain words.
- Of the words that can precede a word, the one written first is taken.
- ``@``, the alternative without words, is itself a word of the network whose deletion costs
  0.001: it is neither counted nor reported, yet of two otherwise equal paths the one with fewer
  of them wins. sclite adds in single precision, and which path is cheaper depends on rounding
  where it has several ``@``; so here too every sum is rounded to single precision.

How sclite reads braces
-----------------------
Braces nest. ``/`` separates alternatives anywhere within braces, even inside a word:
``{ A/B }`` offers two words. *An alternative without anything in it does not exist*:
``{ A / }`` demands ``A``; it takes ``{ A / @ }`` to make it optional. Outside braces ``/`` is an
ordinary word, and ``@`` still no word. sclite crashes at ``{ }``; here it offers nothing.

Source: NIST SCTK, ``src/sclite`` (``net_dp.c``, ``net_adt.c``, ``word.c``), compared by running
it; see ``tests/scoring/test_against_sclite.py``.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from slaeval.errors import InputError
from slaeval.scoring.alignment import folded

__all__ = [
    "align_alternatives",
    "as_sclite_reads",
    "reference_as_sclite_reads",
    "unusual",
]

#: The word that means no word.
_NOTHING = "@"

_SUBSTITUTION = 4.0
_INSERTION = 3.0
_DELETION = 3.0
_DELETION_OF_NOTHING = 0.001

#: Cells from which it pays to load numpy.
_WORTH_NUMPY = 100_000

#: sclite copies each column of a CTM line into a buffer of so many bytes.
_LONGEST_WORD = 500
#: The tag that sclite keeps apart from a word begins with a semicolon that is not escaped.
_TAG = re.compile(r"(?<!\\);.*", re.DOTALL)


class _Arc(NamedTuple):
    """A word of the reference network and the arcs that can come before it."""

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

    Raises
    ------
    InputError
        An opening brace without its closing one.

    Examples
    --------
    >>> align_alternatives("{ WIND / STURM } STARK".split(), ["sturm", "STARK"])
    (['STURM', 'STARK'], 'CC')
    >>> align_alternatives("{ WIND / @ } STARK".split(), ["STARK"])
    (['STARK'], 'C')
    """
    arcs, ends = _network(words)
    compared = [folded(word) for word in hypothesis] if fold else list(hypothesis)
    # Equal last words are always aligned; with @ rounding may decide otherwise.
    tail: list[str] = []
    if all(arc.word != _NOTHING for arc in arcs):
        while (
            compared
            and len(ends) == 1
            and ends[0]
            and _written(arcs, ends[0], fold) == compared[-1]
        ):
            tail.append(arcs[ends[0]].word)
            ends = arcs[ends[0]].before
            compared.pop()
    here, moves = _fill(arcs, ends, compared, fold)

    column = len(compared)
    reference: list[str] = tail
    ops: list[str] = ["C"] * len(tail)
    while here or column:
        op, origin = moves[here].back(here, column)
        if op in "CSD":
            reference.append(arcs[here].word)
        if op in "CSI":
            column -= 1
        if op != _NOTHING:
            ops.append(op)
        here = origin
    return reference[::-1], "".join(reversed(ops))


def _written(arcs: list[_Arc], arc: int, fold: bool) -> str:
    """Return the word of an arc as it is compared."""
    return folded(arcs[arc].word) if fold else arcs[arc].word


def _network(words: Sequence[str]) -> tuple[list[_Arc], list[int]]:
    """Return the arcs, each after all that can come before it, and those that can be last.

    Arc 0 is the start and has no word.
    """
    arcs = [_Arc("", [])]
    ends = [0]
    # One a brace still open: where its alternatives start, where those read so far end.
    choices: list[tuple[list[int], list[int]]] = []
    for token in _tokens(words):
        if token == "{":
            choices.append((ends, []))
        elif token in ("/", "}") and choices:
            start, stops = choices[-1]
            if ends is not start:
                stops += ends
            ends = start
            if token == "}":
                choices.pop()
                ends = stops or start
        else:
            arcs.append(_Arc(token, ends))
            ends = [len(arcs) - 1]
    if choices:
        raise InputError(f"'{{' without '}}' after it in the reference {' '.join(words)!r}")
    return arcs, ends


def _tokens(words: Iterable[str]) -> Iterator[str]:
    """Yield the words; within braces ``/`` inside a word is split off."""
    depth = 0
    for word in words:
        if word == "{":
            depth += 1
        elif word == "}":
            depth = max(depth - 1, 0)
        if depth and "/" in word:
            yield from filter(None, re.split("(/)", word))
        else:
            yield word


class _Moves(NamedTuple):
    """How the cells of an arc were reached, one per column.

    Attributes
    ----------
    ops : bytes
        Letters, ``@`` for the deletion of none.
    before : list of int
        The arcs that can come before this one.
    choice : sequence of int or None
        Which of them is the cheapest in each column; None where there is one.
    """

    ops: bytes
    before: list[int]
    choice: Sequence[int] | None

    def back(self, arc: int, column: int) -> tuple[str, int]:
        """Return the move that reached a cell, and the arc it came from."""
        op = chr(self.ops[column])
        if op == "I":
            return op, arc
        if self.choice is None:
            return op, self.before[0]
        return op, self.before[self.choice[column - 1 if op in "CS" else column]]


def _fill(
    arcs: list[_Arc], ends: list[int], compared: list[str], fold: bool
) -> tuple[int, list[_Moves]]:
    """Compute all cells (arc, hypothesis words recognised); return the cheapest end, and the moves.

    The costs of an arc are kept until the last arc that needs them.
    """
    first: Any = array("f", [_INSERTION * column for column in range(len(compared) + 1)])
    recognised: Any = compared
    row_of: Callable[..., tuple[Any, bytes, Sequence[int] | None]] = _row
    exact = all(arc.word != _NOTHING for arc in arcs)
    if exact and len(arcs) * len(compared) >= _WORTH_NUMPY:
        import numpy as np

        row_of, first, recognised = (
            _row_at_once,
            np.array(first, np.int32),
            np.array(compared, object),
        )
    needed = {arc: index for index, (_, before) in enumerate(arcs) for arc in before}
    needed.update(dict.fromkeys(ends, len(arcs)))
    costs: dict[int, Any] = {0: first}
    moves = [_Moves(b"I" * len(first), [], None)]
    for index, (_, before) in enumerate(arcs[1:], 1):
        rows = [costs[arc] for arc in before]
        costs[index], ops, choice = row_of(rows, _written(arcs, index, fold), recognised)
        moves.append(_Moves(ops, before, choice))
        for arc in before:
            if needed[arc] == index:
                del costs[arc]
        if index not in needed:
            del costs[index]  # behind the end that is left
    return min(ends, key=lambda end: costs[end][-1]), moves


def _row(
    rows: list[array[float]], word: str, compared: list[str]
) -> tuple[array[float], bytes, Sequence[int] | None]:
    """Compute the costs of an arc, the moves, and the arc before it that was taken.

    Costs are arrays of type ``f``, which rounds every sum to single precision.
    """
    nothing = word == _NOTHING
    deletion, deleted = (_DELETION_OF_NOTHING, _NOTHING) if nothing else (_DELETION, "D")
    above, choice = rows[0], None
    if len(rows) > 1:
        # min() keeps the first of equals: the alternative written first.
        places = range(len(rows))
        choice = array("l", [min(places, key=at.__getitem__) for at in zip(*rows, strict=True)])
        above = array("f", [rows[place][column] for column, place in enumerate(choice)])
    row = array("f", [above[0] + deletion])
    ops = [deleted]
    for column, recognised in enumerate(compared, 1):
        correct = word == recognised and not nothing
        diagonal, insert, delete = array(
            "f",
            (
                above[column - 1] + (0.0 if correct else _SUBSTITUTION),
                row[-1] + _INSERTION,
                above[column] + deletion,
            ),
        )
        if diagonal <= insert and diagonal <= delete:
            row.append(diagonal)
            ops.append("C" if correct else "S")
        elif insert <= delete:
            row.append(insert)
            ops.append("I")
        else:
            row.append(delete)
            ops.append(deleted)
    return row, "".join(ops).encode(), choice


def _row_at_once(rows: list[Any], word: str, compared: Any) -> tuple[Any, bytes, Any]:
    """As :func:`_row`, for whole numbers, which are exact in either precision."""
    import numpy as np

    above, choice = rows[0], None
    if len(rows) > 1:
        choice = np.argmin(rows, axis=0).astype(np.int32)
        above = np.min(rows, axis=0)
    correct = compared == word
    diagonal = above[:-1] + np.where(correct, 0, 4).astype(np.int32)
    best = above + np.int32(_DELETION)
    delete = best[1:].copy()
    best[1:] = np.minimum(diagonal, delete)
    # What insertions cost on the way is taken off, so that the cheapest start is the smallest.
    on_the_way = np.arange(best.size, dtype=np.int32) * np.int32(_INSERTION)
    row = np.minimum.accumulate(best - on_the_way) + on_the_way
    insert = row[:-1] + np.int32(_INSERTION)
    across = (diagonal <= insert) & (diagonal <= delete)
    ops = np.where(
        across,
        np.where(correct, ord("C"), ord("S")),
        np.where(insert <= delete, ord("I"), ord("D")),
    )
    return row, b"D" + ops.astype(np.uint8).tobytes(), choice


def as_sclite_reads(word: str) -> str:
    r"""Return what sclite compares of a word, in references and in CTM files alike.

    A ``;`` begins a tag that is not compared, unless a backslash stands before it; backslashes
    vanish; then one ``*`` at the end does. What is left may be ``""``, a word like any other,
    or ``@``, which is none.

    Examples
    --------
    >>> as_sclite_reads("REGEN;x"), as_sclite_reads("REGEN*"), as_sclite_reads("A**")
    ('REGEN', 'REGEN', 'A*')
    >>> as_sclite_reads(r"A\B"), as_sclite_reads(r"A\;B"), as_sclite_reads("*")
    ('AB', 'A;B', '*')
    """
    if ";" in word:
        word = _TAG.sub("", word)
    word = word.replace("\\", "")
    return word[:-1] if word.endswith("*") and len(word) > 1 else word


def reference_as_sclite_reads(words: Iterable[str]) -> list[str]:
    """Return the words of a reference without sclite's marks; ``/`` is split off in braces."""
    return [as_sclite_reads(word) for word in _tokens(words)]


def unusual(word: str) -> str | None:
    """Say what sclite does to a hypothesis word that is scored otherwise here.

    Returns
    -------
    str or None
        The end of a sentence that begins with "sclite", None for nearly every word.

    Examples
    --------
    >>> unusual("<ALT_BEGIN>")
    'takes it for a mark of alternatives in a CTM'
    >>> unusual("REGEN*"), unusual("(AEH)"), unusual("%HES"), unusual("[EMPTY]")
    (None, None, None, None)
    """
    # No character takes more than four bytes.
    if len(word) > _LONGEST_WORD // 4 and len(word.encode()) > _LONGEST_WORD:
        return f"cuts it after {_LONGEST_WORD} bytes in a hypothesis"
    if folded(word).startswith("<alt"):
        return "takes it for a mark of alternatives in a CTM"
    return None
