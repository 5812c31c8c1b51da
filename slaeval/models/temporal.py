"""Operations that mix the frames of a video inside the tower.

The videos of a batch are concatenated along the first dimension, ``[ΣT, …]``, without padding:
a padded frame would leak one frame further in every block. Each operation here stops at the
ends of the videos and sees zeros beyond them, for all videos at once.

* :func:`shift`: the temporal shift module of Lin et al. 2019 (TSM, arXiv 1811.08383).
* :func:`depthwise_convolution`: a 3-D convolution over frames and patches, channel by channel.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from slaeval.errors import InputError

__all__ = ["Bounds", "depthwise_convolution", "neighbour", "shift"]


class Bounds(NamedTuple):
    """The position of each frame in its video.

    Attributes
    ----------
    before, after : Tensor
        int64 [ΣT], on the device of the frames: how many frames of the same video come
        before and after this one.
    """

    before: Tensor
    after: Tensor

    @classmethod
    def of(cls, lengths: Tensor, device: torch.device | str = "cpu") -> Bounds:
        """Return the positions of videos of these lengths.

        Parameters
        ----------
        lengths : Tensor
            int64 [B] on the CPU, frames of each video, at least 1.
        device : torch.device or str
            Where the frames are.

        Raises
        ------
        InputError
            There is no video, or one without frames.
        """
        if lengths.ndim != 1 or lengths.dtype != torch.int64 or not len(lengths):
            raise InputError(
                f"lengths must be int64 [B] with B from 1, not {lengths.dtype} "
                f"{list(lengths.shape)}"
            )
        if int(lengths.min()) < 1:
            raise InputError(f"video {int(lengths.argmin())} of the batch has no frames")
        ends = lengths.cumsum(0)
        frames = torch.arange(int(ends[-1]))
        before = frames - torch.repeat_interleave(ends - lengths, lengths)
        after = torch.repeat_interleave(ends, lengths) - 1 - frames
        return cls(before.to(device), after.to(device))

    def lengths(self) -> Tensor:
        """Return the frames of each video, int64 [B] on the CPU."""
        return self.before[self.after == 0].cpu() + 1


def neighbour(x: Tensor, offset: int, bounds: Bounds) -> Tensor:
    """Return for each frame the one `offset` frames later, zeros beyond its video.

    Parameters
    ----------
    x : Tensor
        [ΣT, …].
    offset : int
        Frames; negative for earlier ones.
    bounds : Bounds
        Where the videos end.

    Returns
    -------
    Tensor
        The shape of `x`.
    """
    if offset == 0:
        return x
    outside = bounds.after < offset if offset > 0 else bounds.before < -offset
    # Fill instead of multiplying by zero: NaN in one video must not reach the next.
    moved = torch.roll(x, -offset, 0)
    return moved.masked_fill(outside.view(-1, *[1] * (x.ndim - 1)), 0)


def shift(x: Tensor, fraction: float, bounds: Bounds) -> Tensor:
    """Move a share of the channels one frame back and as many one frame forward.

    Parameters
    ----------
    x : Tensor
        [ΣT, …, C].
    fraction : float
        Share of C that moves in each direction, 0 to 0.5; rounded down to whole channels.
    bounds : Bounds
        Where the videos end.

    Returns
    -------
    Tensor
        The shape of `x`. The first channels come from the next frame, the following ones from
        the previous frame, the rest stay.
    """
    moved = int(x.shape[-1] * fraction)
    if moved == 0:
        return x
    return torch.cat(
        [
            neighbour(x[..., :moved], 1, bounds),
            neighbour(x[..., moved : 2 * moved], -1, bounds),
            x[..., 2 * moved :],
        ],
        dim=-1,
    )


def depthwise_convolution(x: Tensor, weight: Tensor, bias: Tensor | None, bounds: Bounds) -> Tensor:
    """Convolve each channel over frames, rows and columns; same size, zero padding.

    Parameters
    ----------
    x : Tensor
        [ΣT, C, h, w].
    weight : Tensor
        [C, 1, frames, rows, columns], all odd.
    bias : Tensor or None
        [C].
    bounds : Bounds
        Where the videos end.

    Returns
    -------
    Tensor
        The shape of `x`.
    """
    channels, _, depth, rows, columns = weight.shape
    padding = (rows // 2, columns // 2)
    middle = depth // 2
    out = functional.conv2d(x, weight[:, :, middle], bias, padding=padding, groups=channels)
    for tap in range(depth):
        if tap != middle:
            frames = neighbour(x, tap - middle, bounds)
            out = out + functional.conv2d(
                frames, weight[:, :, tap], padding=padding, groups=channels
            )
    return out
