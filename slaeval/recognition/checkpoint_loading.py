"""From a checkpoint to a model that recognises."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from slaeval.checkpoints import Checkpoint, read_checkpoint, tower_hash
from slaeval.checkpoints.hub import fetch, is_address
from slaeval.decoding import Decoding
from slaeval.decoding.steps import FRAMES_PER_STEP
from slaeval.errors import InputError, SlaevalError, UsageError, renamed_parameter
from slaeval.models.config import ModelConfig
from slaeval.models.recogniser import Recogniser, build_recogniser, check_states
from slaeval.models.tower import Tower, open_tower, to_open_clip
from slaeval.recognition.batches import Preprocessing
from slaeval.recognition.devices import choose_device, choose_precision
from slaeval.recognition.model import LoadedModel, check_fps
from slaeval.recognition.predictor import ModelOutput

__all__ = ["LoadedCheckpoint", "load_checkpoint"]


@dataclass(frozen=True, repr=False)
class LoadedCheckpoint(LoadedModel):
    """A checkpoint, ready to recognise: a :class:`~slaeval.recognition.model.LoadedModel`.

    Attributes
    ----------
    model : Recogniser
        In evaluation mode on `device`, LoRA merged into the tower.
    corpus : dict
        Name, setup, kind of labels and frames per second of what it was trained on.
    path, hash : str
        The file, and the SHA-256 of what is in it: the same for both forms, slim or not.
    protocol : str
        What its metrics were scored under.
    metrics : dict
        As measured when it was saved.
    """

    model: Recogniser
    protocol: str
    metrics: Mapping[str, Any]

    @property
    def frames_per_step(self) -> int:
        """How many frames one step of the head stands for."""
        return FRAMES_PER_STEP

    @property
    def name(self) -> str:
        """The file's name without its end; on the Hub, the repository's name."""
        if is_address(self.path):
            return os.path.basename(self.path.partition("@")[0])
        return os.path.splitext(os.path.basename(self.path))[0]

    @property
    def where(self) -> str:
        """The file, wherever a command is run; on the Hub, its address with the commit."""
        return self.path if is_address(self.path) else os.path.abspath(self.path)

    def forward(self, frames: Tensor, lengths: Tensor) -> ModelOutput:
        """Return log probabilities and steps."""
        return self.model.log_probs(frames, lengths)

    def compile(self) -> None:
        """Compile the tower with ``torch.compile``."""
        self.model.tower.compile(dynamic=True)

    def precision(self, name: str) -> str:
        """Return what to compute in; ``"auto"`` asks what the device is good at."""
        return choose_precision(name, self.device)

    def __repr__(self) -> str:
        config = self.model.config
        return (
            f"<LoadedCheckpoint {self.path}: {config.variant} on {config.backbone}, "
            f"{len(self.vocabulary)} glosses of {self.corpus.get('name')}, {self.device}>"
        )


@renamed_parameter("backbone", "backbone_weights")
def load_checkpoint(
    path: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    backbone_weights: str | os.PathLike[str] | None = None,
) -> LoadedCheckpoint:
    """Load a checkpoint, ready to recognise.

    Parameters
    ----------
    path : path-like
        ``.pt`` or ``.safetensors``, as ``slaeval train`` writes it, or an ``hf://`` address.
    device : str or torch.device
        ``"auto"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"cpu"``.
    backbone_weights : path-like, optional
        The tower's weights, for a slim checkpoint whose backbone open_clip does not find on
        this machine.

    Raises
    ------
    InputError
        The file is missing, damaged, no checkpoint, newer than this slaeval, or its parts do
        not fit each other; or the backbone is another one than it was trained on.
    UsageError
        An unknown device, or `backbone_weights` given for a checkpoint that holds its own.
    SlaevalError
        The backbone of a slim checkpoint is not on this machine, or there is no such device.
    """
    file, path = fetch(path)
    checkpoint = read_checkpoint(file)
    where = choose_device(str(device))
    try:
        config = ModelConfig.from_dict(checkpoint.model)
        preprocessing = Preprocessing.from_dict(checkpoint.preprocessing)
        decoding = Decoding.from_dict(checkpoint.decoding)
        check_fps(checkpoint.corpus.get("fps"))
    except InputError as error:
        raise InputError(str(error), path) from None
    tower = _tower(checkpoint, config, backbone_weights, path)
    if preprocessing.crop % tower.shape.patch:
        raise InputError(
            f"the crop of {preprocessing.crop} is not a multiple of the {tower.shape.patch} pixels "
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
        where,
        path,
        checkpoint.hash,
        checkpoint.protocol,
        checkpoint.metrics,
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
            raise UsageError(f"{path} contains its own backbone; leave out {os.fspath(weights)}")
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
