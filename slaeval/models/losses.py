"""The training losses of the recogniser, one value per video.

Four terms, after VAC (Min et al. 2021) with the paper's auxiliary CTC on the tower's features:

* ``sequence``, ``convolution``, ``tower``: CTC, the negative log probability of the glosses,
  blank 0, without averaging (VAC's ``reduction="none"``);
* ``distillation``: divergence of the convolution's classes from the sequence's, which get no
  gradient; both softened by a temperature, without the blank; the Kullback-Leibler divergence
  times the temperature squared, mean over the video's steps.

VAC averages the distillation over padding too and silently skips infinite CTC. Here padding is
excluded, and the caller must first find videos with more labels than steps, using
:func:`slaeval.decoding.steps.steps_needed`: their loss is infinite.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from slaeval.models.recogniser import Output

__all__ = ["LossWeights", "losses"]


class LossWeights(NamedTuple):
    """The weight of each term.

    Attributes
    ----------
    sequence, convolution, distillation : float
        AdaptSign: 1, 1, 25.
    tower : float
        The paper has the term but not its weight; 1 is a slaeval preset.
    temperature : float
        Temperature of the distillation; AdaptSign: 8.
    """

    sequence: float = 1.0
    convolution: float = 1.0
    distillation: float = 25.0
    tower: float = 1.0
    temperature: float = 8.0


def losses(
    output: Output,
    labels: Tensor,
    label_lengths: Tensor,
    weights: LossWeights = LossWeights(),  # noqa: B008 (immutable)
) -> dict[str, Tensor]:
    """Return the value of each term for each video.

    Parameters
    ----------
    output : Output
        The recogniser's output for B videos.
    labels : Tensor
        int64 [ΣL], class numbers from 1, video after video.
    label_lengths : Tensor
        int64 [B].
    weights : LossWeights
        How the terms are summed.

    Returns
    -------
    dict of str to Tensor
        ``"sequence"``, ``"convolution"``, ``"distillation"``, ``"tower"``, unweighted, and
        ``"total"``, their weighted sum; each [B]. Infinite where CTC is not feasible.
    """
    found = {
        "sequence": _ctc(output.sequence, output.lengths, labels, label_lengths),
        "convolution": _ctc(output.convolution, output.lengths, labels, label_lengths),
        "distillation": _distillation(output, weights.temperature),
        "tower": _ctc(output.tower, output.frame_lengths, labels, label_lengths),
    }
    found["total"] = (
        weights.sequence * found["sequence"]
        + weights.convolution * found["convolution"]
        + weights.distillation * found["distillation"]
        + weights.tower * found["tower"]
    )
    return found


def _ctc(logits: Tensor, lengths: Tensor, labels: Tensor, label_lengths: Tensor) -> Tensor:
    """Return the negative log probability of each video's labels, [B]."""
    log_probs = functional.log_softmax(logits, dim=-1).transpose(0, 1)
    where = log_probs.device
    if where.type == "mps":  # torch has no CTC there
        log_probs = log_probs.cpu()
    value = functional.ctc_loss(
        log_probs,
        labels.to(log_probs.device),
        lengths,
        label_lengths.cpu(),
        blank=0,
        reduction="none",
    )
    return value.to(where)


def _distillation(output: Output, temperature: float) -> Tensor:
    """Return the mean divergence of each video's steps, [B]."""
    teacher = functional.log_softmax(output.sequence.detach()[..., 1:] / temperature, dim=-1)
    pupil = functional.log_softmax(output.convolution[..., 1:] / temperature, dim=-1)
    divergence = functional.kl_div(pupil, teacher, reduction="none", log_target=True).sum(-1)
    steps = torch.arange(divergence.shape[1])
    real = (steps < output.lengths[:, None]).to(divergence.device)
    total = divergence.masked_fill(~real, 0).sum(1) * temperature**2
    return total / output.lengths.to(divergence.device)
