"""What training does to a clip: another speed, another cut, a mirror.

As in the field (VAC, CorrNet, AdaptSign): a clip is resampled in time to 80–120 % of its
length, one random square is cut out of all its frames, and half of the clips are mirrored. What
a clip gets depends on the seed, the epoch and the clip alone, so that neither the number of
processes nor a resumed run changes it.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Augmentation", "random_view", "view_of"]

Array = np.ndarray[Any, Any]


class Augmentation(NamedTuple):
    """One way to look at a clip.

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
    max_frames: int,
    min_frames: int = 1,
) -> Augmentation:
    """Draw how a clip is seen in an epoch.

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
    max_frames, min_frames : int
        Bounds of the new length: what memory allows, and what the labels need.

    Returns
    -------
    View
    """
    digest = hashlib.sha256(f"{seed} {epoch} {id}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    wanted = round(num_frames * random.uniform(1 - rescale, 1 + rescale))
    length = max(min(wanted, max_frames), min(min_frames, max_frames), 1)
    top, left = random.integers(0, resize - crop + 1, 2)
    mirrored = random.random() < flip
    return Augmentation(_indices(num_frames, length), int(top), int(left), crop, bool(mirrored))


def _indices(num_frames: int, length: int) -> Array:
    """Spread `length` frames evenly over a clip."""
    return np.minimum((np.arange(length) + 0.5) * num_frames / length, num_frames - 1).astype(int)


def view_of(frames: Array, view: Augmentation) -> Array:
    """Cut and mirror frames that were already chosen; uint8 (T, H, W, 3) in and out."""
    cut = frames[:, view.top : view.top + view.side, view.left : view.left + view.side]
    return np.ascontiguousarray(cut[:, :, ::-1] if view.mirrored else cut)
