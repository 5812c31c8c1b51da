"""Alignment written down as its definition says: slow, plain, independent of the package."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

__all__ = ["cost_of", "reference_path"]


def _same(one: str, other: str, fold: bool) -> bool:
    if fold:
        one, other = (
            "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in word)
            for word in (one, other)
        )
    return one == other


def reference_path(
    reference: Sequence[str], hypothesis: Sequence[str], fold: bool, insertion_first: bool
) -> str:
    """Read the path from the end: the first move, in order of preference, at minimal cost."""

    @cache
    def cost(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return 3 * (i + j)
        equal = _same(reference[i - 1], hypothesis[j - 1], fold)
        return min(cost(i - 1, j - 1) + (0 if equal else 4), cost(i, j - 1) + 3, cost(i - 1, j) + 3)

    path = ""
    i, j = len(reference), len(hypothesis)
    while i or j:
        moves = []
        if i and j:
            equal = _same(reference[i - 1], hypothesis[j - 1], fold)
            moves.append(("C" if equal else "S", i - 1, j - 1, 0 if equal else 4))
        gaps = []
        if j:
            gaps.append(("I", i, j - 1, 3))
        if i:
            gaps.append(("D", i - 1, j, 3))
        moves += gaps if insertion_first else gaps[::-1]
        op, i, j = next((op, a, b) for op, a, b, price in moves if cost(a, b) + price == cost(i, j))
        path = op + path
    return path


def cost_of(path: str) -> int:
    """Return what a path costs."""
    return 4 * path.count("S") + 3 * path.count("I") + 3 * path.count("D")
