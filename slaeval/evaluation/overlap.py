"""BLEU and chrF over glosses, by sacrebleu."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from slaeval.scoring.score import Score

__all__ = ["with_bleu"]


def with_bleu(score: Score) -> Score:
    """Return the score with corpus BLEU and chrF over its glosses, as the protocol left them.

    Glosses are already words, so BLEU does not tokenise. sacrebleu's signatures are kept with
    the numbers.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    hypotheses = [" ".join(segment.hypothesis) for segment in score.segments]
    references = [[" ".join(segment.reference) for segment in score.segments]]
    found: dict[str, Any] = {}
    for name, metric in (
        ("bleu", BLEU(tokenize="none", force=True)),
        ("chrf", CHRF()),
    ):
        value = metric.corpus_score(hypotheses, references)
        found[name] = value.score
        found[f"{name}_signature"] = str(metric.get_signature())
    return replace(score, bleu=found)
