"""Alignment of word sequences as sclite does it.

Costs: correct 0, substitution 4, insertion 3, deletion 3. The path is traced back from the end
of both sequences; of the moves that reach a cell at minimal cost, the diagonal (correct or
substitution) is preferred, then the insertion, then the deletion (``ties="insertion"``). With
these ties the path, not only its cost, is sclite's. Case folding is ASCII-only, as in sclite's
8-bit mode: ``regen`` matches ``REGEN``, ``süden`` does not match ``SÜDEN``.

The recurrence
--------------
Instead of minimising the cost, maximise V = (3 (i + j) - cost) / 2 at the cell after i
reference and j hypothesis words: a match adds 3, a mismatch 1, a gap nothing. Neighbouring
cells of V differ by 0 to 3, so a column of the table takes three bits per reference word, one in
each of three integers. :func:`step` computes a column from the previous one in about thirty
operations on these integers, for all reference words at once; the carries of two sums
propagate down runs of equal cells (Myers's idea, JACM 1999). Two bits per cell are kept for
the traceback: whether the diagonal is optimal, and whether the preferred gap is.

:func:`step` runs over plain Python integers as wide as the reference, with no start-up cost; over
numpy arrays, one number per pair (:mod:`slaeval.scoring.lanes`); and compiled, over 64-bit
integers (:mod:`slaeval.scoring.kernels`), which is fastest and takes a quarter of a second to
load. :func:`_driver` chooses; the answer is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from slaeval.formats.sentences import MANY, Sentences, lengths, numbered, vocabulary

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["FOLD", "Counts", "Engine", "Ties", "align", "count", "folded", "path", "step"]

Ties = Literal["insertion", "deletion"]
Engine = Literal["auto", "python", "numpy", "numba"]

#: ASCII letters to lower case, for ``str.translate``: exactly what sclite folds.
FOLD = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})

#: Columns that plain Python computes in the time that loading the compiled code takes.
_WORTH_COMPILING = 600_000

#: Columns that numpy computes while Python computes one.
_LANES = 6


def folded(word: str) -> str:
    """Return a word without ASCII letter case."""
    return word.lower() if word.isascii() else word.translate(FOLD)


class Counts(NamedTuple):
    """Errors of many pairs, one entry per pair.

    Attributes
    ----------
    substitutions, deletions, insertions : list of int
        Counts.
    reference_words : list of int
        Length of each reference: the denominator of an error rate.
    """

    substitutions: list[int]
    deletions: list[int]
    insertions: list[int]
    reference_words: list[int]


def align(
    references: Sequence[Sequence[str]],
    hypotheses: Sequence[Sequence[str]],
    *,
    fold: bool = True,
    ties: Ties = "insertion",
    engine: Engine = "auto",
) -> list[str]:
    """Align pairs of word sequences.

    Parameters
    ----------
    references, hypotheses : sequence of sequences of str
        Words; as many references as hypotheses.
    fold : bool
        Compare without regard to ASCII letter case.
    ties : {"insertion", "deletion"}
        Which of the two is preferred at equal cost.
    engine : {"auto", "python", "numpy", "numba"}
        How to compute; the answer is the same.

    Returns
    -------
    list of str
        A path over ``C S D I`` for each pair.

    Raises
    ------
    ValueError
        References and hypotheses differ in number, or `ties` or `engine` is unknown.
    """
    chosen = _driver(references, hypotheses, ties, engine)
    if chosen != "python":
        if chosen == "numba":
            from slaeval.scoring.kernels import align_many as aligned
        else:
            from slaeval.scoring.lanes import align_lanes as aligned
        pairs = _compared(references, hypotheses, fold)
        ops, begin = aligned(*pairs, ties == "insertion")
        text, end = str(ops.data, "ascii"), pairs[1][1:] + pairs[3][1:]
        return [text[a:b] for a, b in zip(begin.tolist(), end.tolist(), strict=True)]
    first = ties == "insertion"
    if fold:
        references, hypotheses = _without_case(references, hypotheses)
    return [
        "C" * len(reference) if reference == hypothesis else path(reference, hypothesis, first)
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]


def count(
    references: Sequence[Sequence[str]],
    hypotheses: Sequence[Sequence[str]],
    *,
    fold: bool = True,
    ties: Ties = "insertion",
    engine: Engine = "auto",
) -> Counts:
    """Count the errors of pairs of word sequences; parameters as for :func:`align`."""
    reference_words = lengths(references)
    chosen = _driver(references, hypotheses, ties, engine)
    if chosen == "numba":
        from slaeval.scoring.kernels import count_many

        found = count_many(*_compared(references, hypotheses, fold), ties == "insertion")
        wrong, deleted, inserted = found.T.tolist()
        return Counts(wrong, deleted, inserted, reference_words)
    paths = align(references, hypotheses, fold=fold, ties=ties, engine=chosen)
    wrong, deleted, inserted = ([path.count(op) for path in paths] for op in "SDI")
    return Counts(wrong, deleted, inserted, reference_words)


class _Spent:
    """Columns that this process has computed in plain Python, or their equivalent in time."""

    columns = 0


def _driver(
    references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]], ties: str, engine: str
) -> Engine:
    """Validate the arguments common to all drivers, and choose one.

    Plain integers for little work, numpy for many pairs, compiled loops once the others have
    taken, or would take now, as long as it takes to load them. So a process never spends much
    more than twice the minimum time, however its work is divided into calls.
    """
    if ties not in get_args(Ties):
        raise ValueError(f"ties must be one of {get_args(Ties)}, not {ties!r}")
    if engine not in get_args(Engine):
        raise ValueError(f"engine must be one of {get_args(Engine)}, not {engine!r}")
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, {len(hypotheses)} hypotheses")
    if engine != "auto":
        return engine  # type: ignore[return-value]
    each = lengths(hypotheses)
    columns = sum(each)
    # From about 1,000 rows per column on, the width of the integers begins to matter.
    long = sum(map(mul, each, lengths(references))) // 1000
    many = columns >= MANY
    _Spent.columns += (columns // _LANES if many else columns) + long
    if _Spent.columns >= _WORTH_COMPILING:
        return "numba"
    return "numpy" if many else "python"


def _without_case(
    *sides: Sequence[Sequence[str]],
) -> tuple[Sequence[Sequence[str]], Sequence[Sequence[str]]]:
    """Return both sides with words that differ only in ASCII letter case made equal."""
    after = {word: folded(word) for word in vocabulary(*sides)}
    if len(set(after.values())) < len(after):
        sides = tuple([list(map(after.__getitem__, words)) for words in side] for side in sides)
    one, other = sides
    return one, other


def _compared(
    references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]], fold: bool
) -> tuple[Array, Array, Array, Array]:
    """Return a number per word, equal for equal words, and where each sentence begins."""
    import numpy as np

    left, right = numbered(references), numbered(hypotheses)
    same: dict[str, int] = {}

    def numbers(side: Sentences) -> Array:
        texts = map(folded, side.texts) if fold else side.texts
        table = [same.setdefault(text, len(same)) for text in texts]
        every: Array = np.array(table, np.int32)[side.number]
        return every

    return numbers(left), left.first, numbers(right), right.first


def step(equal: Any, n1: Any, n2: Any, n3: Any, c1: Any, c2: Any, c3: Any) -> tuple[Any, ...]:
    """Compute a column of the table; see the module docstring.

    Parameters
    ----------
    equal : int or unsigned array
        One bit per reference word: it equals the hypothesis word of this column.
    n1, n2, n3 : int
        From the previous column: the bits of ``nk`` are set where V grows by less than k from one
        row to the next. All are set before the first column.
    c1, c2, c3 : int
        1 where V grows by k or more into this column in the row above the first bit; 0 at the
        upper edge of the table.

    Returns
    -------
    tuple of int
        Bits of the cells to which the diagonal is optimal, and of those to which the insertion
        is; ``n1, n2, n3`` of this column, where ``n1`` also marks where the deletion is optimal;
        three numbers whose highest bits are ``c1, c2, c3`` of the words below.
    """
    run = equal & n1
    a3 = (n1 + run + c3) ^ n1 ^ run
    either = a3 | equal
    run = n2 & either
    start = run | n1
    a2 = (start + run + c2) ^ start ^ run
    h1 = n1 | ((a2 | equal) & n2) | (either & n3)
    a1 = h1 + h1 + c1
    m2 = n2 & ~equal
    m3 = n3 & ~equal
    return (
        equal | (m2 & ~a2),
        ~h1,
        a1 & (m2 | a2) & (m3 | a3),
        (m2 | a1) & (m3 | a2),
        m3 | a1,
        h1,
        start & (run | a2),
        n1 & either,
    )


def path(reference: Sequence[Any], hypothesis: Sequence[Any], insertion_first: bool) -> str:
    """Align one pair over plain integers; words may be any hashable objects."""
    n, m = len(reference), len(hypothesis)
    # Equal last words are always aligned: no cheaper or preferred move exists.
    while n and m and reference[n - 1] == hypothesis[m - 1]:
        n -= 1
        m -= 1
    steps = ["C" * (len(reference) - n)]
    # Equal first words do not change the rest of the table.
    same, shorter = 0, min(n, m)
    while same < shorter and reference[same] == hypothesis[same]:
        same += 1
    i, j = n - same, m - same
    if i == j == 1:
        steps.append("S")
        i = j = 0
    elif i and j:
        i, j = _walk(reference[same:n], hypothesis[same:m], insertion_first, steps)
    i, j = i + same, j + same
    # What is left of one side begins with what is left of the other.
    while i != j and i and j:
        if reference[i - 1] == hypothesis[j - 1]:
            steps.append("C")
            i -= 1
            j -= 1
        elif j > i:
            steps.append("I")
            j -= 1
        else:
            steps.append("D")
            i -= 1
    steps.append("C" * i if i == j else "I" * j + "D" * i)
    return "".join(reversed(steps))


def _walk(
    reference: Sequence[Any], hypothesis: Sequence[Any], insertion_first: bool, steps: list[str]
) -> tuple[int, int]:
    """Compute all columns, trace back from the end to an edge, and return where it was met."""
    where: dict[Any, int] = {}
    bit = 1
    for word in reference:
        where[word] = where.get(word, 0) | bit
        bit <<= 1
    full = n1 = n2 = n3 = bit - 1
    diagonals, gaps = [], []
    for word in hypothesis:
        diagonal, insertion, n1, n2, n3, _, _, _ = step(where.get(word, 0), n1, n2, n3, 0, 0, 0)
        n1, n2, n3 = n1 & full, n2 & full, n3 & full
        diagonals.append(diagonal)
        gaps.append(insertion if insertion_first else n1)
    preferred, other = "ID" if insertion_first else "DI"
    i, j = len(reference), len(hypothesis)
    while i and j:
        if diagonals[j - 1] >> (i - 1) & 1:
            i -= 1
            j -= 1
            steps.append("C" if reference[i] == hypothesis[j] else "S")
            continue
        gap = preferred if gaps[j - 1] >> (i - 1) & 1 else other
        steps.append(gap)
        if gap == "I":
            j -= 1
        else:
            i -= 1
    return i, j
