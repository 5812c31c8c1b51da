"""Tests of whether the difference between two systems is more than chance.

Both systems recognised the same segments, so every test here is paired.

*MAPSSWE*, the matched-pairs sentence-segment word error test (Gillick and Cox, ICASSP 1989), as
NIST's ``sc_stats`` computes it: two alignments over the same references are walked together;
a segment ends where both systems have two consecutive words right; d is the difference in
errors within a segment, segments without an error in either system are left out, and
Z = mean(d) / (sd(d)/√n) is compared with the normal distribution.

*Permutation*: if the systems were equal, each segment's difference could equally have the
opposite sign. The distribution of the sum over all 2ⁿ signs is computed exactly, from its
characteristic function Π cos(|dᵢ|·ω).

*Paired bootstrap*: an interval of the difference in WER over segments drawn with replacement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import erfc, sqrt
from typing import NamedTuple

__all__ = ["SMALLEST", "MatchedPairs", "holm", "mapsswe", "paired_bootstrap", "permutation"]

#: Probabilities below this one are not told apart.
SMALLEST = 1e-12


class MatchedPairs(NamedTuple):
    """Result of the matched-pairs test.

    Attributes
    ----------
    segments : int
        Stretches with an error in at least one system.
    mean, sd : float
        Of the difference in errors per stretch, first system minus second.
    z : float
        Statistic; negative where the first system is better. 0 where nothing varies.
    p : float
        Two-sided p-value.
    """

    segments: int
    mean: float
    sd: float
    z: float
    p: float


def mapsswe(paths_a: Sequence[str], paths_b: Sequence[str], min_good: int = 2) -> MatchedPairs:
    """Run the matched-pairs sentence-segment word error test.

    Parameters
    ----------
    paths_a, paths_b : sequence of str
        Alignment paths over ``C S D I`` of two systems to the same references.
    min_good : int
        Consecutive words right in both systems that end a stretch; ``sc_stats`` uses 2.

    Returns
    -------
    MatchedPairs
        With p = 1 where there is no stretch, or no variation, to test.

    Raises
    ------
    ValueError
        Two paths of one sentence have different numbers of reference words.
    """
    differences = [
        one - other
        for path_a, path_b in zip(paths_a, paths_b, strict=True)
        for one, other in _stretches(path_a, path_b, min_good)
    ]
    n = len(differences)
    if n < 2:
        return MatchedPairs(n, float(sum(differences)), 0.0, 0.0, 1.0)
    mean = sum(differences) / n
    squares = sum((d - mean) ** 2 for d in differences)
    if not squares:
        return MatchedPairs(n, mean, 0.0, 0.0, 1.0)
    sd = sqrt(squares / (n - 1))
    z = mean / (sd / sqrt(n))
    return MatchedPairs(n, mean, sd, z, erfc(abs(z) / sqrt(2)))


def _stretches(path_a: str, path_b: str, min_good: int) -> Iterator[tuple[int, int]]:
    """Yield the errors of both systems in each stretch of a sentence that has any."""
    words_a, after_a = _by_word(path_a)
    words_b, after_b = _by_word(path_b)
    if len(words_a) != len(words_b):
        raise ValueError("paths over different references cannot be compared")
    one = other = good = 0
    open_ = False
    for a, b in zip(words_a, words_b, strict=True):
        if a > 1 or b > 1:
            one, other, good, open_ = one + a // 2, other + b // 2, 0, True
        if a % 2 or b % 2:
            one, other, good, open_ = one + a % 2, other + b % 2, 0, True
            continue
        good += 1
        if open_ and good == min_good:
            yield one, other
            one = other = 0
            open_ = False
    if after_a or after_b:
        one, other, open_ = one + after_a, other + after_b, True
    if open_:
        yield one, other


@lru_cache(maxsize=100_000)
def _by_word(path: str) -> tuple[list[int], int]:
    """Return the errors of a path at each reference word, and those after the last.

    At a word: twice the insertions before it, plus one if the word itself is wrong. Cached,
    since each system is compared with every other one, and short paths recur.
    """
    words = []
    inserted = 0
    for op in path:
        if op == "I":
            inserted += 1
        else:
            words.append(2 * inserted + (op != "C"))
            inserted = 0
    return words, inserted


def permutation(errors_a: Sequence[int], errors_b: Sequence[int]) -> float:
    """Return the two-sided p-value of the exact paired permutation test.

    Parameters
    ----------
    errors_a, errors_b : sequence of int
        Errors per segment of two systems on the same references.

    Returns
    -------
    float
        Share of the 2ⁿ sign patterns whose difference in errors is at least as large as the
        observed one; 1 where the systems never differ. Sums below :data:`SMALLEST` are noise of
        the Fourier transform, so :data:`SMALLEST` is returned as an upper bound.
    """
    differences = [a - b for a, b in zip(errors_a, errors_b, strict=True) if a != b]
    found = abs(sum(differences))
    if not found:
        return 1.0
    import numpy as np

    sizes = Counter(map(abs, differences))
    reach = sum(size * times for size, times in sizes.items())
    points = 1 << (2 * reach + 1).bit_length()
    angles = 2 * np.pi * np.arange(points) / points
    spectrum = np.ones(points)
    for size, times in sizes.items():
        spectrum *= np.cos(size * angles) ** times
    chances = np.fft.ifft(spectrum).real.clip(0)
    beyond = float(chances[found : points - found + 1].sum())
    return min(1.0, max(beyond, SMALLEST))


def paired_bootstrap(
    errors: Sequence[Sequence[int]],
    words: Sequence[int],
    pairs: Sequence[tuple[int, int]] = ((0, 1),),
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> list[tuple[float, float] | None]:
    """Return the percentile bootstrap interval of the difference in WER of each pair.

    Parameters
    ----------
    errors : sequence of sequences of int
        For each system, the errors per segment.
    words : sequence of int
        Reference words per segment.
    pairs : sequence of tuple of int
        Which systems to compare. All share the same draws, so the interval of a pair does not
        depend on the other pairs, and many pairs cost little more than one.
    resamples, seed : int
        How many times to draw, and the seed of the draws.
    level : float
        Confidence level.

    Returns
    -------
    list of tuple of float or None
        For each pair low and high in percentage points, first system minus second; None with
        fewer than two segments or without reference words.
    """
    if len(words) < 2 or not sum(words):
        return [None] * len(pairs)
    import numpy as np

    from slaeval.scoring.intervals import resampled

    *drawn, size = resampled(np.asarray([*errors, words], dtype=np.int64), resamples, seed)
    size = np.maximum(size, 1)
    intervals: list[tuple[float, float] | None] = []
    for first, second in pairs:
        points = 100 * (drawn[first] - drawn[second]) / size
        low, high = np.quantile(points, [0.5 - level / 2, 0.5 + level / 2])
        intervals.append((float(low), float(high)))
    return intervals


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of several comparisons (Holm, 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(order) - rank)))
        adjusted[index] = highest
    return adjusted
