"""From a checkpoint to a model that recognises."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from slaeval.checkpoints import Checkpoint, read_checkpoint, tower_hash
from slaeval.decoding import Decoding
from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.models.config import ModelConfig
from slaeval.models.recogniser import Recogniser, build_recogniser, check_states
from slaeval.models.tower import Tower, open_tower, to_open_clip
from slaeval.recognition.batches import Preprocessing, collate
from slaeval.recognition.devices import choose_device, choose_precision
from slaeval.recognition.predictor import Predictor, Recognised, frame_budget_for

if TYPE_CHECKING:
    from slaeval.loaders.video import VideoClip

__all__ = ["LoadedCheckpoint", "load_checkpoint"]


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A model with all that is needed to recognise with it.

    Attributes
    ----------
    model : Recogniser
        In evaluation mode on `device`, LoRA merged into the tower.
    vocabulary : tuple of str
        Gloss of class i + 1; class 0 is the blank.
    preprocessing : Preprocessing
        What is done to frames.
    decoding : Decoding
        How glosses are found.
    corpus : dict
        Name, setup, kind of labels and frames a second of what it was trained on.
    protocol : str
        What its metrics were scored under.
    metrics : dict
        As measured when it was saved.
    device : torch.device
        Where the model is.
    path, hash : str
        The file, and the SHA-256 of what is in it: the same for both forms, slim or not.
    """

    model: Recogniser
    vocabulary: tuple[str, ...]
    preprocessing: Preprocessing
    decoding: Decoding
    corpus: Mapping[str, Any]
    protocol: str
    metrics: Mapping[str, Any]
    device: torch.device
    path: str
    hash: str

    @property
    def fps(self) -> float | None:
        """Frames a second of what it was trained on.

        As the file says; of a file that does not, what its corpus has, or None.
        """
        stored: float | None = self.corpus.get("fps")
        return stored or _fps_of(self.corpus.get("name"))

    @property
    def fps_note(self) -> str:
        """What to say where the file does not tell its rate; ``""`` where it does."""
        if self.corpus.get("fps"):
            return ""
        if self.fps is None:
            return (
                "the checkpoint does not say how many frames a second it was trained on: frames "
                "are used as they come"
            )
        return (
            "the checkpoint does not say how many frames a second it was trained on: taken to be "
            f"{self.fps:.4g}, as {self.corpus['name']} has"
        )

    def at_its_rate(self, clip: VideoClip) -> VideoClip:
        """Return a clip as if it had been filmed at the rate the model was trained on."""
        return clip if self.fps is None else clip.at_rate(self.fps)

    def recognise(
        self,
        source: str | os.PathLike[str] | NDArray[np.uint8] | VideoClip,
        *,
        fps: float | None = None,
        decoding: Decoding | None = None,
        precision: str = "auto",
    ) -> Recognised:
        """Recognise one video.

        What was filmed at another rate than the model was trained on is seen at that rate:
        frames are taken by time, and ``notes`` of the result say so.

        Parameters
        ----------
        source : path-like, uint8 array [T, H, W, 3] or VideoClip
            A video file, a folder of frames, or the frames as RGB.
        fps : float, optional
            Frames a second of an array or a folder of frames, which do not say it; the model's
            own without it. A video file says it.
        decoding : Decoding, optional
            How; as the checkpoint says without it.
        precision : {"auto", "fp32", "bf16", "fp16"}
            What to compute in.

        Raises
        ------
        InputError
            The video cannot be read, or the array is no video.
        SlaevalError
            It is too long for the memory.
        """
        from slaeval.loaders.video import VideoClip, open_footage, rate_note, read_frames

        side = self.preprocessing.resize
        if isinstance(source, np.ndarray):
            whole = VideoClip("video", "", (), len(_checked(source)), fps=fps)
        else:
            whole = source if isinstance(source, VideoClip) else open_footage(source, fps=fps)
        clip = self.at_its_rate(whole)
        if isinstance(source, np.ndarray):
            frames = _resized(source if clip.taken is None else source[list(clip.taken)], side)
        else:
            frames = read_frames(clip, (side, side))
        one_pass = Predictor(
            self.model,
            self.preprocessing,
            decoding or self.decoding,
            self.vocabulary,
            self.device,
            choose_precision(precision, self.device),
            frame_budget_for(self.device),
        )
        found = one_pass.batch(collate([(clip.id, frames)]))[0]
        notes = (self.fps_note, rate_note([clip], self.fps) if self.fps else "")
        if clip is not whole:
            found = found.in_film(clip)
        return replace(found, notes=tuple(filter(None, notes)))

    def __repr__(self) -> str:
        config = self.model.config
        return (
            f"<LoadedCheckpoint {self.path}: {config.variant} on {config.backbone}, "
            f"{len(self.vocabulary)} glosses of {self.corpus.get('name')}, {self.device}>"
        )


def _fps_of(name: str | None) -> float | None:
    """Return the frame rate of a corpus; None of one of another package that is not here."""
    from slaeval.loaders.registry import layout

    try:
        return None if name is None else layout(name).fps
    except UsageError:
        return None


def _checked(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
        raise InputError(
            f"a video is a uint8 array [T, H, W, 3] of RGB frames, not {frames.dtype} "
            f"{list(frames.shape)}"
        )
    return frames


def _resized(frames: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if frames.shape[1:3] == (side, side):
        return frames
    from PIL import Image

    pictures = (Image.fromarray(frame) for frame in frames)
    size = (side, side)
    return np.stack([np.asarray(one.resize(size, Image.Resampling.BILINEAR)) for one in pictures])


def _check_fps(fps: object) -> None:
    if fps is not None and not (type(fps) in (int, float) and 1 <= fps <= 1000):  # type: ignore[operator]
        raise InputError(f"corpus.fps must be 1 to 1000 frames a second, not {fps!r:.40}")


def load_checkpoint(
    path: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    backbone: str | os.PathLike[str] | None = None,
) -> LoadedCheckpoint:
    """Load a checkpoint, ready to recognise.

    Parameters
    ----------
    path : path-like
        ``.pt`` or ``.safetensors``, as ``slaeval train`` writes it.
    device : str or torch.device
        ``"auto"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"cpu"``.
    backbone : path-like, optional
        The tower's weights, for a slim checkpoint whose backbone open_clip does not find on
        this machine.

    Raises
    ------
    InputError
        The file is missing, damaged, no checkpoint, newer than this slaeval, or its parts do
        not fit each other; or the backbone is another one than it was trained on.
    UsageError
        An unknown device, or `backbone` given for a checkpoint that holds its own.
    SlaevalError
        The backbone of a slim checkpoint is not on this machine, or there is no such device.
    """
    path = os.fspath(path)
    checkpoint = read_checkpoint(path)
    where = choose_device(str(device))
    try:
        config = ModelConfig.from_dict(checkpoint.model)
        preprocessing = Preprocessing.from_dict(checkpoint.preprocessing)
        decoding = Decoding.from_dict(checkpoint.decoding)
        _check_fps(checkpoint.corpus.get("fps"))
    except InputError as error:
        raise InputError(str(error), path) from None
    tower = _tower(checkpoint, config, backbone, path)
    if preprocessing.crop % tower.shape.patch:
        raise InputError(
            f"the crop of {preprocessing.crop} is no multiple of the {tower.shape.patch} pixels "
            f"of a patch of {config.backbone}",
            path,
        )
    adapter, head = checkpoint.part("adapter"), checkpoint.part("head")
    try:
        check_states(config, tower, adapter, head)
    except InputError as error:
        raise InputError(str(error), path) from None
    model = build_recogniser(config, tower)
    model.load_states(adapter, head)
    model.merge()
    model.eval().requires_grad_(False).to(where)
    return LoadedCheckpoint(
        model,
        checkpoint.vocabulary,
        preprocessing,
        decoding,
        checkpoint.corpus,
        checkpoint.protocol,
        checkpoint.metrics,
        where,
        path,
        checkpoint.hash,
    )


def _tower(
    checkpoint: Checkpoint,
    config: ModelConfig,
    weights: str | os.PathLike[str] | None,
    path: str,
) -> Tower:
    """Open the tower: from the checkpoint, or the one that a slim checkpoint was trained on."""
    if not checkpoint.slim:
        if weights is not None:
            raise UsageError(f"{path} holds its own backbone; leave out {os.fspath(weights)}")
        try:
            return open_tower(config.backbone, config.pretrained, state=checkpoint.part("tower"))
        except InputError as error:
            raise InputError(str(error), path) from None
    pretrained = config.pretrained if weights is None else os.fspath(weights)
    seed = checkpoint.recipe.get("seed", 0)  # of a random tower
    try:
        tower = open_tower(config.backbone, pretrained, seed if type(seed) is int else 0)
    except SlaevalError as error:
        if weights is not None:
            raise
        raise SlaevalError(
            f"{path}: a slim checkpoint, and its backbone was not found: {error}; give the file "
            "with --backbone-weights"
        ) from None
    found = tower_hash(to_open_clip(tower.state_dict()))
    wanted = checkpoint.backbone["hash"]
    if found != wanted:
        raise InputError(
            f"trained on the backbone {config.backbone} with the hash "
            f"{wanted[:12]}…, but {pretrained or 'the random one'} has "
            f"{found[:12]}…: give the right weights with --backbone-weights",
            path,
        )
    return tower
