"""Alignment of word sequences as sclite does it.

Costs: correct 0, substitution 4, insertion 3, deletion 3. The path is read from the end of
both sequences backwards; of the moves that reach a cell at minimal cost the diagonal (correct
or substitution) comes first, then the insertion, then the deletion (``ties="insertion"``).
With these ties the path, not only its cost, is sclite's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

__all__ = ["Engine", "Ties", "align"]

Ties = Literal["insertion", "deletion"]
Engine = Literal["auto", "python", "numba"]

_FOLD = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})


def align(
    references: Sequence[Sequence[str]],
    hypotheses: Sequence[Sequence[str]],
    *,
    fold: bool = True,
    ties: Ties = "insertion",
    engine: Engine = "auto",
) -> list[str]:
    """Align pairs of word sequences; returns a path over C, S, D, I a pair."""
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


class _Folded(dict[str, str]):
    """Words without ASCII letter case, each folded once."""

    def __missing__(self, word: str) -> str:
        self[word] = after = word.translate(_FOLD)
        return after


# Several protocols align mostly the same pairs.
@lru_cache(maxsize=8192)
def _path(reference: Sequence[str], hypothesis: Sequence[str], insertion_first: bool) -> str:
    n, m = len(reference), len(hypothesis)
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
        here, above = rows[i], rows[i - 1]
        cost = here[j]
        if reference[i - 1] == hypothesis[j - 1]:
            steps.append("C")
            i -= 1
            j -= 1
        elif above[j - 1] + 4 == cost:
            steps.append("S")
            i -= 1
            j -= 1
        elif (here[j - 1] + 3 == cost) if insertion_first else (above[j] + 3 != cost):
            steps.append("I")
            j -= 1
        else:
            steps.append("D")
            i -= 1
    steps.append("I" * j + "D" * i)
    return "".join(reversed(steps)) + tail
