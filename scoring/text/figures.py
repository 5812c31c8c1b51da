"""BLEU-1 to -4 and chrF from sacrebleu, and the intervals of all figures.

What sacrebleu counts in a sentence (matching n-grams, all n-grams, lengths) is additive over
sentences. It is counted once; the figures of the corpus, of each sentence and of each bootstrap
resample come from sums of these rows, passed back to sacrebleu. Its ``corpus_score`` with
``n_bootstrap`` does the same for one figure at a time.

The resamples are sacrebleu's own draws (seed 12345 unless ``SACREBLEU_SEED`` says otherwise),
shared by all figures, and the interval is its 2.5 and 97.5 percentiles.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from slaeval.scoring.text.protocols import Form

if TYPE_CHECKING:
    import numpy as np
    from sacrebleu.metrics.base import Metric
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    from slaeval.scoring.text.score import TextScore

__all__ = [
    "ORDERS",
    "RESAMPLES",
    "Figure",
    "bleu_metric",
    "bleu_of",
    "chrf_metric",
    "chrf_of",
    "interval",
    "paired_tests",
    "resampling",
    "statistics",
]

#: Orders of BLEU that papers report.
ORDERS = (1, 2, 3, 4)

#: Bootstrap resamples, as many as sacrebleu draws.
RESAMPLES = 1000


class Figure(NamedTuple):
    """One figure of a system.

    Attributes
    ----------
    name : str
        Display name: ``"BLEU-4"``.
    value : float
        In percent, unrounded.
    interval : tuple of float or None
        95 % bootstrap interval in percent; None with fewer than two segments.
    signature : str
        Everything needed to reproduce the number.
    """

    name: str
    value: float
    interval: tuple[float, float] | None
    signature: str


def bleu_metric(form: Form) -> BLEU:
    """Return sacrebleu's BLEU with the settings of a protocol."""
    from sacrebleu.metrics.bleu import BLEU

    # force: these corpora are tokenised, so sacrebleu's warning about it is moot.
    return BLEU(tokenize=form.tokenizer, smooth_method=form.smoothing, force=True)


def chrf_metric() -> CHRF:
    """Return sacrebleu's chrF2, whose defaults are unchanged since version 1."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def statistics(
    metric: BLEU | CHRF, hypotheses: Sequence[str], references: Sequence[str]
) -> np.ndarray[Any, Any]:
    """Return what sacrebleu counts, one row per sentence."""
    import numpy as np

    rows = metric._extract_corpus_statistics(hypotheses, [references])
    return np.asarray(rows, dtype=np.int64)


def bleu_of(row: Sequence[int], form: Form, order: int = 4, *, sentence: bool = False) -> float:
    """Return BLEU of the summed counts of some sentences.

    Parameters
    ----------
    row : sequence of int
        Hypothesis and reference length, matches and n-grams of the orders 1 to 4.
    form : Form
        Gives the smoothing.
    order : int
        Largest n-gram.
    sentence : bool
        Score as one sentence: smoothed, with no order above its length, as
        ``sacrebleu --sentence-level`` does.
    """
    from sacrebleu.metrics.bleu import BLEU

    hypothesis, reference, *counts = map(int, row)
    return float(
        BLEU.compute_bleu(
            counts[:order],
            counts[4 : 4 + order],
            hypothesis,
            reference,
            smooth_method="exp" if sentence else form.smoothing,
            effective_order=sentence,
            max_ngram_order=order,
        ).score
    )


def chrf_of(row: Sequence[int], metric: CHRF) -> float:
    """Return chrF of the summed counts of some sentences."""
    return float(metric._compute_score_from_stats([int(count) for count in row]).score)


def resampling(segments: int, resamples: int) -> np.ndarray[Any, Any]:
    """Return how often each segment is drawn in each resample, (resamples, segments)."""
    import numpy as np

    seed = os.environ.get("SACREBLEU_SEED", "12345")
    rng = np.random.default_rng(int(seed) if seed.isdecimal() else None)
    drawn = rng.choice(segments, size=(resamples, segments), replace=True)
    drawn += segments * np.arange(resamples)[:, None]
    times = np.bincount(drawn.ravel(), minlength=resamples * segments)
    return times.reshape(resamples, segments).astype(np.float64)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % percentile interval of resampled figures, as sacrebleu takes it."""
    ordered = sorted(values)
    beyond = len(ordered) // 40
    return float(ordered[beyond]), float(ordered[-beyond - 1])


def paired_tests(
    scores: Sequence[TextScore], names: Sequence[str], test: Literal["bs", "ar"], samples: int
) -> tuple[dict[str, dict[str, float]], str]:
    """Run sacrebleu's paired tests of every system against the first.

    Parameters
    ----------
    scores : sequence of TextScore
        Over the same references under the same protocol.
    names : sequence of str
        Names of the systems.
    test : {"bs", "ar"}
        Paired bootstrap or approximate randomisation.
    samples : int
        Resamples or trials; 0 for sacrebleu's own number.

    Returns
    -------
    tuple
        For each system the p-values of ``"bleu4"`` and ``"chrf"``; sacrebleu's signatures.
    """
    from sacrebleu.significance import PairedTest

    form = scores[0].form
    cases: tuple[tuple[str, Metric, Callable[[str], str]], ...] = (
        ("bleu4", bleu_metric(form), form.for_bleu),
        ("chrf", chrf_metric(), str),
    )
    found: dict[str, dict[str, float]] = {name: {} for name in names[1:]}
    signatures = []
    for key, metric, written in cases:
        lines = [[written(segment.hypothesis) for segment in score.segments] for score in scores]
        references = [[written(segment.reference) for segment in scores[0].segments]]
        systems: list[tuple[str, Sequence[str]]] = [
            (str(number), sentences) for number, sentences in enumerate(lines)
        ]
        tested, results = PairedTest(
            systems, {key: metric}, references, test_type=test, n_samples=samples
        )()
        column = next(name for name in results if name != "System")
        for name, result in zip(names[1:], results[column][1:], strict=True):
            found[name][key] = float(cast(Any, result).p_value)
        signatures.append(f"{column} {tested[column]}")
    return found, ", ".join(signatures)
