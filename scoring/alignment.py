"""Alignment of word sequences as sclite does it.

Costs: correct 0, substitution 4, insertion 3, deletion 3. The path is read from the end of
both sequences backwards; of the moves that reach a cell at minimal cost the diagonal (correct
or substitution) comes first, then the insertion, then the deletion (``ties="insertion"``).
With these ties the path, not only its cost, is sclite's. Case folding is ASCII, as in sclite's
8-bit mode: ``regen`` is ``REGEN``, ``süden`` is not ``SÜDEN``.

Two engines give the same answer: plain Python, which starts at once, and numba, which takes
half a second to load and then aligns millions of pairs a second. ``engine="auto"`` takes numba
from :data:`WORTH_COMPILING` cells on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    import numpy as np

    Column = list[int] | np.ndarray[Any, Any]

__all__ = ["FOLD", "WORTH_COMPILING", "Counts", "Engine", "Ties", "align", "count"]

Ties = Literal["insertion", "deletion"]
Engine = Literal["auto", "python", "numba"]

#: Cells (reference words times hypothesis words, summed) from which numba is faster, its
#: loading included: plain Python takes 0.12 s a million, loading the compiled code 0.3 s.
WORTH_COMPILING = 3_000_000

#: A pair of more cells is aligned in memory linear in its length.
_LARGE_PAIR = 8_000_000

#: ASCII letters to lower case, for ``str.translate``: what sclite folds, and no more.
FOLD = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})


class Counts(NamedTuple):
    """Errors of many pairs, one entry a pair.

    Attributes
    ----------
    substitutions, deletions, insertions : list of int or array
        Counts; arrays from the numba engine, lists from the Python one.
    reference_words : list of int or array
        Length of each reference: what an error rate divides by.
    """

    substitutions: Column
    deletions: Column
    insertions: Column
    reference_words: Column


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
        Words, as many of one as of the other.
    fold : bool
        Compare without regard to ASCII letter case.
    ties : {"insertion", "deletion"}
        Which of the two goes first at equal cost.
    engine : {"auto", "python", "numba"}
        How to compute; the answer is the same.

    Returns
    -------
    list of str
        A path over ``C S D I`` for each pair.

    Raises
    ------
    ValueError
        Not as many references as hypotheses, or an unknown order of ties or engine.
    """
    _validate(ties, engine)
    if engine == "numba" or (engine == "auto" and _many_cells(references, hypotheses)):
        return _align_compiled(references, hypotheses, fold, ties)
    folded = _Folded()
    first = ties == "insertion"
    paths = []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        if reference == hypothesis:
            paths.append("C" * len(reference))
        elif fold:
            paths.append(
                _path(
                    tuple(map(folded.__getitem__, reference)),
                    tuple(map(folded.__getitem__, hypothesis)),
                    first,
                )
            )
        else:
            paths.append(_path(tuple(reference), tuple(hypothesis), first))
    return paths


def count(
    references: Sequence[Sequence[str]],
    hypotheses: Sequence[Sequence[str]],
    *,
    fold: bool = True,
    ties: Ties = "insertion",
    engine: Engine = "auto",
) -> Counts:
    """Count the errors of pairs of word sequences; parameters as for :func:`align`."""
    _validate(ties, engine)
    if engine == "numba" or (engine == "auto" and _many_cells(references, hypotheses)):
        from slaeval.scoring.kernels import count_many

        left, left_first, right, right_first = _numbered(references, hypotheses, fold)
        first = ties == "insertion"
        found = count_many(left, left_first, right, right_first, first)
        words = left_first[1:] - left_first[:-1]
        return Counts(found[:, 0], found[:, 1], found[:, 2], words)
    paths = align(references, hypotheses, fold=fold, ties=ties, engine="python")
    substitutions, deletions, insertions = ([path.count(op) for path in paths] for op in "SDI")
    return Counts(substitutions, deletions, insertions, list(map(len, references)))


def _validate(ties: str, engine: str) -> None:
    if ties not in get_args(Ties):
        raise ValueError(f"ties is one of {get_args(Ties)}, not {ties!r}")
    if engine not in get_args(Engine):
        raise ValueError(f"engine is one of {get_args(Engine)}, not {engine!r}")


def _many_cells(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]) -> bool:
    cells = sum(
        len(reference) * len(hypothesis)
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    )
    if cells < WORTH_COMPILING:
        return False
    # Equal pairs cost nothing; ask only where the sum alone does not decide.
    return (
        sum(
            len(reference) * len(hypothesis)
            for reference, hypothesis in zip(references, hypotheses, strict=True)
            if reference != hypothesis
        )
        >= WORTH_COMPILING
    )


def _numbered(
    references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]], fold: bool
) -> tuple[np.ndarray[Any, Any], ...]:
    """Return words as numbers and where each sentence begins, of either side."""
    import numpy as np

    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, {len(hypotheses)} hypotheses")
    numbers = _Numbers()

    def packed(
        sentences: Sequence[Sequence[str]],
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        first = np.zeros(len(sentences) + 1, np.int64)
        np.cumsum(list(map(len, sentences)), out=first[1:])
        words = map(numbers.__getitem__, chain.from_iterable(sentences))
        return np.fromiter(words, np.int32, int(first[-1])), first

    left, left_first = packed(references)
    right, right_first = packed(hypotheses)
    if fold:
        same: dict[str, int] = {}
        canonical = np.array(
            [same.setdefault(word.translate(FOLD), number) for word, number in numbers.items()],
            np.int32,
        )
        if len(same) < len(numbers):
            left, right = canonical[left], canonical[right]
    return left, left_first, right, right_first


class _Numbers(dict[str, int]):
    """Words, each with the number of its first appearance."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


def _align_compiled(
    references: Sequence[Sequence[str]],
    hypotheses: Sequence[Sequence[str]],
    fold: bool,
    ties: Ties,
) -> list[str]:
    import numpy as np

    from slaeval.scoring.kernels import align_long, align_many

    left, left_first, right, right_first = _numbered(references, hypotheses, fold)
    first = ties == "insertion"
    cells = np.diff(left_first) * np.diff(right_first)
    large = np.flatnonzero(cells > _LARGE_PAIR)
    if not large.size:
        return _paths(*align_many(left, left_first, right, right_first, first)[:2])
    paths: list[str] = []
    done = 0
    for pair in [*large.tolist(), len(references)]:
        between = slice(done, pair + 1)
        a, b = left_first[between], right_first[between]
        ops, begin, _ = align_many(
            left[a[0] : a[-1]], a - a[0], right[b[0] : b[-1]], b - b[0], first
        )
        paths += _paths(ops, begin)
        if pair < len(references):
            one = left[left_first[pair] : left_first[pair + 1]]
            other = right[right_first[pair] : right_first[pair + 1]]
            paths.append(align_long(one, other, first).decode())
        done = pair + 1
    return paths


def _paths(ops: np.ndarray[Any, Any], begin: np.ndarray[Any, Any]) -> list[str]:
    text = ops.tobytes().decode()
    bounds = begin.tolist()
    return [text[a:b] for a, b in pairwise(bounds)]


class _Folded(dict[str, str]):
    """Words without ASCII letter case, each folded once."""

    def __missing__(self, word: str) -> str:
        self[word] = after = word.translate(FOLD)
        return after


# Several protocols align mostly the same pairs.
@lru_cache(maxsize=8192)
def _path(reference: tuple[str, ...], hypothesis: tuple[str, ...], insertion_first: bool) -> str:
    n, m = len(reference), len(hypothesis)
    # Equal last words are always aligned: nothing else is as cheap and preferred.
    while n and m and reference[n - 1] == hypothesis[m - 1]:
        n -= 1
        m -= 1
    tail = "C" * (len(reference) - n)
    if not n or not m:
        return "I" * m + "D" * n + tail
    row = list(range(0, 3 * m + 3, 3))
    rows = [row]
    words = hypothesis[:m]
    for i in range(n):
        word = reference[i]
        left = 3 * i + 3
        new = [left]
        diagonal = row[0]
        for j, other in enumerate(words, 1):
            above = row[j]
            best = diagonal if other == word else diagonal + 4
            diagonal = above
            if above + 3 < best:
                best = above + 3
            if left + 3 < best:
                best = left + 3
            left = best
            new.append(best)
        rows.append(new)
        row = new
    steps = []
    i, j = n, m
    while i and j:
        cost = rows[i][j]
        if reference[i - 1] == hypothesis[j - 1]:
            steps.append("C")
            i -= 1
            j -= 1
        elif rows[i - 1][j - 1] + 4 == cost:
            steps.append("S")
            i -= 1
            j -= 1
        elif (rows[i][j - 1] + 3 == cost) if insertion_first else (rows[i - 1][j] + 3 != cost):
            steps.append("I")
            j -= 1
        else:
            steps.append("D")
            i -= 1
    steps.append("I" * j + "D" * i)
    return "".join(reversed(steps)) + tail
