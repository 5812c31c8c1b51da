"""Augmentation of clips: speed, crop and mirroring.

As in the field (VAC, CorrNet, AdaptSign): a clip is resampled in time to 80–120 % of its
length, one random square is cut out of all its frames, and half of the clips are mirrored. The
field draws the frames of the new length at random; evenly spread ones can be had too. What
a clip gets depends on the seed, the epoch and the clip alone, so that neither the number of
processes nor a resumed run changes it.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Augmentation", "longest_view", "random_view", "view_of"]

#: What VAC, CorrNet and AdaptSign draw at least, and make the number of frames a multiple of.
_FEWEST_DRAWN, _MULTIPLE = 32, 4

Array = np.ndarray[Any, Any]


class Augmentation(NamedTuple):
    """The augmentation of a clip in one epoch.

    Attributes
    ----------
    indices : ndarray of int, shape (T',)
        Frames in order; some twice or left out.
    top, left : int
        Upper left corner of the cut, in pixels of the resized frame.
    side : int
        Side of the cut.
    mirrored : bool
        Left and right are exchanged.
    """

    indices: Array
    top: int
    left: int
    side: int
    mirrored: bool


def random_view(
    id: str,
    num_frames: int,
    epoch: int,
    *,
    seed: int,
    resize: int,
    crop: int,
    flip: float,
    rescale: float,
    sampling: str,
    max_frames: int,
    min_frames: int = 1,
) -> Augmentation:
    """Draw the augmentation of a clip in an epoch.

    Parameters
    ----------
    id : str
        Of the clip; with `seed` and `epoch` it fixes the draw.
    num_frames : int
        Frames the clip has.
    epoch, seed : int
        See above.
    resize, crop : int
        Side of the resized frame and of the cut, in pixels.
    flip, rescale : float
        Chance of a mirror; largest relative change of the length.
    sampling : {"random", "even"}
        The field's way: that many different frames in order, or frames drawn with repeats where
        the clip has fewer; at least 32, and a multiple of four even above `max_frames`. Or
        frames spread evenly.
    max_frames, min_frames : int
        Bounds of the new length: what memory allows, and what the labels need.

    Returns
    -------
    Augmentation
    """
    digest = hashlib.sha256(f"{seed} {epoch} {id}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    wanted = num_frames * random.uniform(1 - rescale, 1 + rescale)
    if sampling == "random":
        length = _drawn(max(int(wanted), min_frames), max_frames)
    else:
        length = max(min(round(wanted), max_frames), min(min_frames, max_frames), 1)
    top, left = random.integers(0, resize - crop + 1, 2)
    mirrored = random.random() < flip
    if sampling == "random":
        indices = np.sort(random.choice(num_frames, length, replace=length > num_frames))
    else:
        indices = _spread(num_frames, length)
    return Augmentation(indices, int(top), int(left), crop, bool(mirrored))


def longest_view(num_frames: int, rescale: float, sampling: str, max_frames: int) -> int:
    """Return the most frames a clip can have after augmentation."""
    longest = num_frames * (1 + rescale)
    return (
        _drawn(int(longest), max_frames)
        if sampling == "random"
        else min(max_frames, round(longest))
    )


def _drawn(wanted: int, max_frames: int) -> int:
    """Return the number of frames the field's sampling draws for a wanted number."""
    length = min(max(wanted, _FEWEST_DRAWN), max_frames)
    return -(-length // _MULTIPLE) * _MULTIPLE


def _spread(num_frames: int, length: int) -> Array:
    """Spread `length` frames evenly over a clip."""
    return np.minimum((np.arange(length) + 0.5) * num_frames / length, num_frames - 1).astype(int)


def view_of(frames: Array, view: Augmentation) -> Array:
    """Crop and mirror chosen frames; uint8 (T, H, W, 3) in and out."""
    cut = frames[:, view.top : view.top + view.side, view.left : view.left + view.side]
    return np.ascontiguousarray(cut[:, :, ::-1] if view.mirrored else cut)
