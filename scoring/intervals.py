"""How certain a WER is: intervals over segments.

Segments, not words, are the unit, because errors within a sentence are correlated. The WER is
a ratio of two sums over segments, R = Σe / Σw.

*Linearised* (Cochran, *Sampling Techniques*, 1977, §6): the variance of R is
n/(n-1) · Σ(e_i − R·w_i)² / (Σw)², and the interval R ± z·√variance. It takes one pass.

*Bootstrap* (Bisani and Ney, ICASSP 2004): n segments are drawn with replacement, many times;
percentiles of their WERs bound the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["bootstrap", "linearised"]

#: Two-sided 95 % quantile of the normal distribution.
_Z95 = 1.959963984540054

#: Random numbers the bootstrap holds at a time: as many as fit the cache.
_CHUNK = 250_000

#: Up to this many segments, two are drawn at a time.
_PAIRED = 1024


def linearised(
    errors: Sequence[int], words: Sequence[int], level: float = 0.95
) -> tuple[float, float] | None:
    """Return the interval of the WER by the linearised ratio estimator.

    Parameters
    ----------
    errors, words : sequence of int
        Errors and reference words per segment.
    level : float
        Confidence level.

    Returns
    -------
    tuple of float or None
        Low and high in percent, low not below 0; None with fewer than two segments, without
        reference words, or without errors: where nothing varies, an interval of zero width
        would look like certainty.
    """
    n, total = len(errors), sum(words)
    if n < 2 or not total or not any(errors):
        return None
    ratio = sum(errors) / total
    squares = sum((e - ratio * w) ** 2 for e, w in zip(errors, words, strict=True))
    z = _Z95
    if level != 0.95:
        from statistics import NormalDist

        z = NormalDist().inv_cdf(0.5 + level / 2)
    half = z * sqrt(n / (n - 1) * squares) / total
    return 100 * max(0.0, ratio - half), 100 * (ratio + half)


def bootstrap(
    errors: Sequence[int],
    words: Sequence[int],
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of the WER.

    Parameters
    ----------
    errors, words : sequence of int
        Errors and reference words per segment.
    resamples : int
        How many times to draw.
    seed : int
        The same seed gives the same interval.
    level : float
        Confidence level.

    Returns
    -------
    tuple of float or None
        Low and high in percent; None as for :func:`linearised`.
    """
    if len(errors) < 2 or not sum(words) or not any(errors):
        return None
    import numpy as np

    rates = resampled(np.asarray([errors, words], dtype=np.int64), resamples, seed)
    wers = 100 * rates[0] / np.maximum(rates[1], 1)
    low, high = np.quantile(wers, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def resampled(columns: np.ndarray[Any, Any], resamples: int, seed: int) -> np.ndarray[Any, Any]:
    """Return sums over draws with replacement.

    Parameters
    ----------
    columns : int64 array (k, n)
        Non-negative numbers.
    resamples : int
        How many times to draw n of the n places.
    seed : int
        The draws depend on it and on n alone, not on the values in the columns.

    Returns
    -------
    int64 array (k, resamples)
        Sums of the columns.
    """
    import numpy as np

    count, n = columns.shape
    # As many columns as fit are packed into one number, which is drawn and added up once.
    bits = max(1, int(n * columns.max(initial=1)).bit_length())
    together = max(1, 62 // bits)
    out = np.empty((count, resamples), np.int64)
    for first in range(0, count, together):
        shifts = bits * np.arange(len(columns[first : first + together]))[:, None]
        packed = (columns[first : first + together] << shifts).sum(axis=0)
        sums = _drawn(packed, resamples, seed)
        out[first : first + together] = (sums >> shifts) & ((1 << bits) - 1)
    return out


def _drawn(values: np.ndarray[Any, Any], resamples: int, seed: int) -> np.ndarray[Any, Any]:
    """Return sums of n values drawn with replacement, n being their number."""
    import numpy as np

    rng = np.random.default_rng(seed)
    n = values.size
    # Drawing one of n² pairs gives two places among n: half the draws.
    by_pairs = n <= _PAIRED
    table, draws = ((values[:, None] + values).ravel(), n // 2) if by_pairs else (values, n)
    out = np.empty(resamples, np.int64)
    step = max(1, _CHUNK // n)
    for start in range(0, resamples, step):
        stop = min(resamples, start + step)
        out[start:stop] = table.take(rng.integers(0, table.size, (stop - start, draws))).sum(axis=1)
    if by_pairs and n % 2:
        out += values.take(rng.integers(0, n, resamples))
    return out
