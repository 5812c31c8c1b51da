"""How sure a WER is: intervals over segments.

Segments, not words, are the unit: errors within a sentence hang together. The WER is a ratio
of two sums over segments, R = Σe / Σw.

*Linearised* (Cochran, *Sampling Techniques*, 1977, §6): the variance of R is
n/(n-1) · Σ(e_i − R·w_i)² / (Σw)², and the interval R ± z·√variance. It costs one pass.

*Bootstrap* (Bisani and Ney, ICASSP 2004): n segments are drawn with replacement, many times,
and the interval is that of the percentiles of their WER.
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

#: Random numbers held at a time by the bootstrap.
_CHUNK = 4_000_000


def linearised(
    errors: Sequence[int], words: Sequence[int], level: float = 0.95
) -> tuple[float, float] | None:
    """Return the interval of the WER by the linearised ratio estimator.

    Parameters
    ----------
    errors, words : sequence of int
        Errors and reference words a segment.
    level : float
        Confidence level.

    Returns
    -------
    tuple of float or None
        Low and high in percent, low not below 0; None with fewer than two segments, without
        reference words, or without an error: where nothing varies, the estimate of zero width
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
        Errors and reference words a segment.
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

    rates = resampled(np.asarray([errors, words], dtype=np.float64), resamples, seed)
    wers = 100 * rates[0] / np.maximum(rates[1], 1)
    low, high = np.quantile(wers, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def resampled(columns: np.ndarray[Any, Any], resamples: int, seed: int) -> np.ndarray[Any, Any]:
    """Return sums of `columns` (k, n) over n draws with replacement, (k, resamples)."""
    import numpy as np

    rng = np.random.default_rng(seed)
    n = columns.shape[1]
    out = np.empty((columns.shape[0], resamples))
    step = max(1, _CHUNK // n)
    for start in range(0, resamples, step):
        stop = min(resamples, start + step)
        drawn = rng.integers(0, n, (stop - start, n), dtype=np.int32)
        for row, column in zip(out, columns, strict=True):
            row[start:stop] = column.take(drawn).sum(axis=1)
    return out
