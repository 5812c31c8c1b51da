"""From one feature per frame to gloss logits: temporal convolution, BiLSTM, classifier.

The head of VAC (Min et al. 2021, https://github.com/ycmin95/VAC_CSLR) and AdaptSign: Conv1d 5,
batch normalisation, ReLU, max-pool 2, the same again, a BiLSTM and a linear layer with
normalised weights that classifies both the sequence and the convolution. A separate second one
classifies the tower's features frame by frame (the paper's auxiliary CTC).

Lengths are VAC's: six copies of the first frame at the start and copies of the last one at the
end, up to ``4·ceil(T/4) + 12``, so that exactly ``ceil(T/4)`` steps come out. VAC pads frames,
which costs the tower 12 pictures per video; here the features are padded.

One deliberate difference from VAC: batch statistics are taken over the steps of each video, never
over padding, and across all processes; so a batch of four is the same as two processes with two
each, and a video gives the same logits alone and in any batch.

The head computes in the type of its weights, float32, even under autocast.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from slaeval.decoding.steps import FRAMES_PER_STEP
from slaeval.models.float32 import without_tf32

__all__ = ["Head", "Logits", "NormalisedLinear", "RaggedBatchNorm"]


#: Share of a batch in the running statistics; torch's default.
_MOMENTUM = 0.1


class Logits(NamedTuple):
    """The head's output; see :class:`slaeval.models.recogniser.Output`."""

    sequence: Tensor
    convolution: Tensor
    tower: Tensor
    lengths: Tensor


class NormalisedLinear(nn.Module):
    """A linear layer without bias whose column of weights for each class has length 1.

    Parameters
    ----------
    inputs, outputs : int
        Width before and after. The weight is [inputs, outputs], as VAC stores it.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        nn.init.xavier_uniform_(self.weight, gain=nn.init.calculate_gain("relu"))

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., outputs] from [..., inputs]."""
        return x @ functional.normalize(self.weight, dim=0)


class _SumOverProcesses(torch.autograd.Function):
    """Sum a tensor over all processes; the gradient is summed the same way."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        torch.distributed.all_reduce(total)
        return total


def _sum_over_processes(value: Tensor) -> Tensor:
    alone = not torch.distributed.is_available() or not torch.distributed.is_initialized()
    if alone or torch.distributed.get_world_size() == 1:
        return value
    return _SumOverProcesses.apply(value)  # type: ignore[no-any-return]


class RaggedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation over the real steps of all videos of all processes."""

    def forward(self, x: Tensor, real: Tensor) -> Tensor:  # type: ignore[override]
        """Normalise each channel.

        Parameters
        ----------
        x : Tensor
            [B, C, L].
        real : Tensor
            bool [B, L]: which steps belong to a video. Others are normalised too, but do not
            enter the statistics.
        """
        if not self.training:
            return super().forward(x)
        mask = real[:, None]
        values = x.masked_fill(~mask, 0)
        sums = torch.cat([values.sum((0, 2)), mask.sum().to(x.dtype).view(1)])
        sums = _sum_over_processes(sums)
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = (x - mean[:, None]).masked_fill(~mask, 0)
        variance = _sum_over_processes(centred.square().sum((0, 2))) / count
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            unbiased = variance * (count / (count - 1).clamp(min=1))
            self.running_mean.lerp_(mean, _MOMENTUM)
            self.running_var.lerp_(unbiased, _MOMENTUM)
            self.num_batches_tracked.add_(1)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (x - mean[:, None]) * scale[:, None] + self.bias[:, None]


class TemporalConvolution(nn.Module):
    """Conv1d 5, normalisation, ReLU, max-pool 2, twice: a quarter of the frames.

    Parameters
    ----------
    inputs, hidden : int
        Width of a feature, and of a step.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(inputs, hidden, 5)
        self.norm1 = RaggedBatchNorm(hidden)
        self.conv2 = nn.Conv1d(hidden, hidden, 5)
        self.norm2 = RaggedBatchNorm(hidden)

    def forward(
        self, features: Tensor, lengths: Tensor, padded: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the steps of each video and their number.

        Parameters
        ----------
        features : Tensor
            [ΣT, inputs], video after video; [Σ(4·ceil(T/4) + 12), inputs] if `padded`.
        lengths : Tensor
            int64 [B] on the CPU, frames.

        Returns
        -------
        steps : Tensor
            [B, T'max, hidden].
        lengths : Tensor
            int64 [B] on the CPU, ``ceil(T/4)``.
        """
        steps = (lengths + FRAMES_PER_STEP - 1) // FRAMES_PER_STEP
        whole = FRAMES_PER_STEP * steps + 12
        size = int(whole.max())
        index = padded_index(whole, size) if padded else padded_index(lengths, size, 6)
        x = features[index.to(features.device)].transpose(1, 2)
        x = self._stage(x, self.conv1, self.norm1, 4 * steps + 8)
        x = self._stage(x, self.conv2, self.norm2, 2 * steps)
        return x.transpose(1, 2), steps

    @staticmethod
    def _stage(x: Tensor, conv: nn.Conv1d, norm: RaggedBatchNorm, lengths: Tensor) -> Tensor:
        x = conv(x)
        real = torch.arange(x.shape[2]) < lengths[:, None]
        return functional.max_pool1d(torch.relu(norm(x, real.to(x.device))), 2)


def padded_index(lengths: Tensor, size: int, before: int = 0) -> Tensor:
    """Return the index of the ragged row that fills each place of a rectangle.

    Parameters
    ----------
    lengths : Tensor
        int64 [B], rows of each video.
    size : int
        Width of the rectangle.
    before : int
        Copies of the first row at the start.

    Returns
    -------
    Tensor
        int64 [B, size]; after its end a video continues with copies of its last row.
    """
    starts = lengths.cumsum(0) - lengths
    within = (torch.arange(size) - before).clamp(min=0)
    return starts[:, None] + torch.minimum(within[None], lengths[:, None] - 1)


class Head(nn.Module):
    """Temporal convolution, BiLSTM and the two classifiers.

    Parameters
    ----------
    inputs : int
        Width of the tower's features.
    hidden : int
        Width of the convolution, and of both directions of the BiLSTM together.
    layers : int
        Layers of the BiLSTM.
    dropout : float
        Dropout between its layers.
    classes : int
        Number of glosses, plus the blank.
    """

    def __init__(self, inputs: int, hidden: int, layers: int, dropout: float, classes: int) -> None:
        super().__init__()
        self.temporal_convolution = TemporalConvolution(inputs, hidden)
        self.recurrent = nn.LSTM(
            hidden,
            hidden // 2,
            layers,
            batch_first=True,
            bidirectional=True,
            # torch warns about dropout if there is only one layer.
            dropout=dropout if layers > 1 else 0.0,
        )
        self.classifier = NormalisedLinear(hidden, classes)
        self.tower_classifier = NormalisedLinear(inputs, classes)

    def forward(self, features: Tensor, lengths: Tensor, padded: bool = False) -> Logits:
        """Classify.

        Parameters
        ----------
        features : Tensor
            [ΣT, inputs] of any floating type; [Σ(4·ceil(T/4) + 12), inputs] if `padded`.
        lengths : Tensor
            int64 [B] on the CPU, frames.
        padded : bool
            The tower has already padded each video.
        """
        with torch.autocast(features.device.type, enabled=False), without_tf32(features.device):
            features = features.to(self.classifier.weight.dtype)
            steps, step_lengths = self.temporal_convolution(features, lengths, padded)
            frames = padded_index(lengths, int(lengths.max()))
            if padded:
                ends = (4 * step_lengths + 12).cumsum(0)
                frames += (ends - 4 * step_lengths - 12 + 6 - lengths.cumsum(0) + lengths)[:, None]
            frames = frames.to(features.device)
            return Logits(
                self.classifier(self._recur(steps, step_lengths)),
                self.classifier(steps),
                self.tower_classifier(features)[frames],
                step_lengths,
            )

    def _recur(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Run the BiLSTM over each video up to its end."""
        packed = pack_padded_sequence(steps, lengths, batch_first=True, enforce_sorted=False)
        out, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)
        return out
