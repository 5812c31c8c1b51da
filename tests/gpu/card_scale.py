"""How large the checks of a card are, what they share, and the figures they gather."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import torch

from slaeval.models.config import TINY, preset
from slaeval.models.recogniser import Recogniser, build_recogniser

#: Whether the CPU stands in for a card.
REHEARSAL = os.environ.get("SLAEVAL_GPU_REHEARSAL") == "1"


class Scale(NamedTuple):
    """How large everything is.

    Attributes
    ----------
    backbone : str
        The tower, with random weights: speed does not depend on them.
    resize, crop : int
        Pixels.
    clips, frames : int
        Of the speed of a run: as many as the test split of Phoenix 2014 T, as long on average.
    long : int
        Frames of each of the two clips of a training step.
    """

    backbone: str
    resize: int
    crop: int
    clips: int
    frames: int
    long: int


SCALE = Scale(TINY, 36, 32, 12, 10, 20) if REHEARSAL else Scale("ViT-B-16", 256, 224, 642, 116, 200)

#: Rows of the table: what, figure, goal.
FIGURES: list[tuple[str, str, str]] = []


def new_model(variant: str, classes: int = 1296) -> Recogniser:
    """Build a recogniser on the tower of this scale, all its adapters away from rest."""
    model = build_recogniser(preset(variant, SCALE.backbone, classes))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in model.adapter_state().items():
            if ".lora_B." in name or ".up.weight" in name:
                value.normal_(0, 0.02, generator=generator)
    return model


def pixels(frames: int, seed: int = 0) -> torch.Tensor:
    """Return normalised frames [T, 3, S, S] on the CPU."""
    random = np.random.default_rng(seed)
    shape = (frames, 3, SCALE.crop, SCALE.crop)
    return torch.from_numpy(random.standard_normal(shape).astype(np.float32))


def wait(device: torch.device) -> None:
    """Wait until a device has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
