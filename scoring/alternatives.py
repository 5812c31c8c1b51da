"""References that offer alternatives, ``{ WIND / STURM }``, aligned as sclite does.

Such a reference is a small network of words; the hypothesis is aligned with the cheapest path
through it. Costs are those of plain words: correct 0, substitution 4, insertion and deletion 3.
Paths of equal cost are ranked as follows:

- In the traceback a diagonal step is preferred, then an insertion, then a deletion, as for
  plain words.
- Of the words that can precede a word, the one written first is taken.
- ``@``, the alternative without words, is itself a word of the network whose deletion costs
  0.001: it is neither counted nor reported, but of two otherwise equal paths the one with fewer
  of them wins. sclite adds in single precision, so with several ``@`` rounding decides which
  path is cheaper; every sum is therefore rounded to single precision here too.

How sclite reads braces
-----------------------
Braces nest. ``/`` separates alternatives anywhere within braces, even inside a word:
``{ A/B }`` offers two words. *Empty alternatives are ignored*: ``{ A / }`` requires ``A``;
``{ A / @ }`` makes it optional. Outside braces ``/`` is an ordinary word, while ``@`` still
means no word. sclite crashes on ``{ }``; here it offers nothing.

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

#: Number of cells from which loading numpy pays off.
_WORTH_NUMPY = 100_000

#: Size in bytes of the buffer into which sclite copies each column of a CTM line.
_LONGEST_WORD = 500
#: An unescaped semicolon begins the tag that sclite splits off a word.
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
        An opening brace without a closing one.

    Examples
    --------
    >>> align_alternatives("{ WIND / STURM } STARK".split(), ["sturm", "STARK"])
    (['STURM', 'STARK'], 'CC')
    >>> align_alternatives("{ WIND / @ } STARK".split(), ["STARK"])
    (['STARK'], 'C')
    """
    arcs, ends = _network(words)
    compared = [folded(word) for word in hypothesis] if fold else list(hypothesis)
    # Equal last words are always aligned; with @, rounding may decide otherwise.
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
    """Return the arcs in topological order, and those that can be last.

    Arc 0 is the start and has no word.
    """
    arcs = [_Arc("", [])]
    ends = [0]
    # One entry per open brace: where its alternatives start, where those read so far end.
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
    """Yield the words, splitting off a ``/`` inside a word within braces."""
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
        Letters; ``@`` for the deletion of an ``@``.
    before : list of int
        The arcs that can come before this one.
    choice : sequence of int or None
        Which of them is cheapest in each column; None where there is only one.
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
    """Compute all cells (arc, hypothesis words consumed); return the cheapest end and the moves.

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
            del costs[index]  # past the end that remains after trimming
    return min(ends, key=lambda end: costs[end][-1]), moves


def _row(
    rows: list[array[float]], word: str, compared: list[str]
) -> tuple[array[float], bytes, Sequence[int] | None]:
    """Compute the costs of an arc, the moves, and the preceding arc that was taken.

    Costs are arrays of type ``f``, so every sum is rounded to single precision.
    """
    nothing = word == _NOTHING
    deletion, deleted = (_DELETION_OF_NOTHING, _NOTHING) if nothing else (_DELETION, "D")
    above, choice = rows[0], None
    if len(rows) > 1:
        # min() keeps the first of equal costs: the alternative written first.
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
    """As :func:`_row`, for integers, which are exact in either precision."""
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
    # Subtract the cost of the insertions so far, so that the cheapest start is the smallest.
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
    r"""Return the part of a word that sclite compares, in references and CTM files alike.

    A ``;`` not preceded by a backslash begins a tag that is not compared; then backslashes are
    removed, then one ``*`` at the end. What is left may be ``""``, which is a word like any
    other, or ``@``, which is not a word.

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
    """Return the words of a reference without sclite's marks, ``/`` split off in braces."""
    return [as_sclite_reads(word) for word in _tokens(words)]


def unusual(word: str) -> str | None:
    """Say what sclite does to a hypothesis word that is scored differently here.

    Returns
    -------
    str or None
        The rest of a sentence that begins with "sclite"; None for nearly every word.

    Examples
    --------
    >>> unusual("<ALT_BEGIN>")
    'takes it for an alternatives marker in a CTM'
    >>> unusual("REGEN*"), unusual("(AEH)"), unusual("%HES"), unusual("[EMPTY]")
    (None, None, None, None)
    """
    # No character takes more than four bytes.
    if len(word) > _LONGEST_WORD // 4 and len(word.encode()) > _LONGEST_WORD:
        return f"cuts it after {_LONGEST_WORD} bytes in a hypothesis"
    if folded(word).startswith("<alt"):
        return "takes it for an alternatives marker in a CTM"
    return None
