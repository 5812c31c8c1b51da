"""The recipe: every value that determines the result of training, with its source.

CLIP-SLA (Alyami and Luqman, CVPR 2025 Workshops) states the backbone, the two adapters, the
head and the kinds of loss; rank, widths, optimiser, schedule, augmentation and loss weights are
not to be found. Its documented predecessor AdaptSign (same backbone, same head) fills most of
the gaps; what neither says is a *slaeval preset*. :data:`SOURCES` says which is which, and
``slaeval train --show-recipe`` prints it.

A recipe is data: a frozen dataclass that goes into the checkpoint as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from slaeval.errors import InputError, UsageError, nearest
from slaeval.models.config import ADAPTERS, TINY, TRAINABLE_VARIANTS, ModelConfig
from slaeval.models.normalisation import NORMALISATIONS, normalisation_of
from slaeval.models.tower import tower_shape
from slaeval.recognition.batches import Preprocessing
from slaeval.training.augmentation import longest_view

__all__ = ["DEVIATIONS", "MODEL_SOURCES", "SOURCES", "Recipe", "model_changes", "recipe_for"]

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")

_PAPER, _ADAPTSIGN, _OURS = "CLIP-SLA paper", "AdaptSign", "slaeval preset"


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint is trained.

    Attributes
    ----------
    variant : {"sla-lora", "sla-adapter", "frozen"}
        What is trained inside the tower; ``"frozen"`` is the control without an adapter.
    backbone, pretrained : str and str or None
        open_clip name of the tower and the tag or file of its weights.
    labels : {"raw", "cleaned"}
        Train on the annotation as written, as the community does, or as references hold it.
    resize, crop : int
        Frames are resized to this square side; this side is cut out: at random in training,
        from the centre in evaluation.
    normalisation : {"auto", "clip", "half", "imagenet"}
        What pixels are normalised by: ``"auto"`` is what the backbone's weights were trained
        with, ``"half"`` x / 127.5 - 1.
    flip : float
        Chance that a clip is mirrored.
    rescale : float
        Clips are resampled to (1 ± this) of their length.
    sampling : {"random", "even"}
        How the frames of the new length are chosen: drawn at random as in the field (at least
        32, rounded up to a multiple of four), or spread evenly.
    max_frames : int
        Longer clips are resampled to so many frames.
    epochs, batch_size, accumulate : int
        `batch_size` clips a process and batch; an optimiser step takes the mean over
        `accumulate` batches.
    optimiser : {"adam", "adamw"}
        Adam with L2 decay as in the field, or with decoupled decay.
    learning_rate, weight_decay : float
        Of the optimiser; no decay on biases and norms with ``"adamw"``.
    lr_scaling : {"none", "sqrt", "linear"}
        Multiply the rate by (a power of) the clips a step has over `lr_batch`. A step has
        `batch_size` × `accumulate` × processes.
    lr_batch : int
        Clips a step that `learning_rate` is meant for.
    schedule : {"multistep", "one-cycle"}
        Multiply by `gamma` at `milestones` (epochs), or one warm-up and cosine cycle.
    milestones : tuple of int
        Epochs.
    gamma : float
        Factor at each milestone.
    clip_norm : float
        Gradients are scaled down to this norm; 0 for never.
    ema : float
        Evaluate and save an exponential moving average of the weights with this decay, taken in
        after every optimiser step; 0 for the weights themselves.
    average : int
        Evaluate and save the mean of the weights at the end of the last so many epochs.
    patience : int
        Stop after so many epochs in a row without a better dev WER; 0 for never.
    sequence, convolution, distillation, tower : float
        Weights of CTC on the sequence, CTC on the convolution output, distillation between
        them, and CTC on the tower's features.
    temperature : float
        Of the distillation.
    precision : {"auto", "fp32", "bf16", "fp16"}
        Mixed precision of the tower; the head is always in fp32. ``"auto"``: bf16 on CUDA
        cards that have it, fp16 on the others, fp32 elsewhere.
    gradient_checkpointing : bool
        Recompute the tower's blocks in the backward pass instead of keeping them.
    seed : int
        Random seed.
    """

    variant: str = "sla-lora"
    backbone: str = "ViT-B-16-quickgelu"
    pretrained: str | None = "openai"
    labels: str = "raw"
    resize: int = 256
    crop: int = 224
    normalisation: str = "auto"
    flip: float = 0.5
    rescale: float = 0.2
    sampling: str = "random"
    max_frames: int = 230
    epochs: int = 40
    batch_size: int = 2
    accumulate: int = 1
    optimiser: str = "adam"
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    lr_scaling: str = "none"
    lr_batch: int = 2
    schedule: str = "multistep"
    milestones: tuple[int, ...] = (20, 30)
    gamma: float = 0.2
    clip_norm: float = 0.0
    ema: float = 0.0
    average: int = 1
    patience: int = 0
    sequence: float = 1.0
    convolution: float = 1.0
    distillation: float = 25.0
    tower: float = 1.0
    temperature: float = 8.0
    precision: str = "auto"
    gradient_checkpointing: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        choices = {
            "variant": TRAINABLE_VARIANTS,
            "labels": ("raw", "cleaned"),
            "normalisation": ("auto", *NORMALISATIONS),
            "sampling": ("random", "even"),
            "optimiser": ("adam", "adamw"),
            "lr_scaling": ("none", "sqrt", "linear"),
            "schedule": ("multistep", "one-cycle"),
            "precision": ("auto", "fp32", "bf16", "fp16"),
        }
        for name, known in choices.items():
            value = getattr(self, name)
            if value not in known:
                raise UsageError(
                    f"{name} cannot be {value!r}{nearest(str(value), known)}; known: "
                    + ", ".join(known)
                )
        for name in (
            *("resize", "crop", "max_frames", "epochs", "batch_size", "accumulate"),
            *("lr_batch", "average"),
        ):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, found {getattr(self, name)}")
        if self.crop > self.resize:
            raise UsageError(f"crop {self.crop} is larger than resize {self.resize}")
        if not 0 <= self.flip <= 1 or not 0 <= self.rescale < 1:
            raise UsageError("flip must lie in [0, 1] and rescale in [0, 1)")
        for name in ("learning_rate", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} must be above 0 and finite, found {getattr(self, name)}")
        for name in (
            *("weight_decay", "gamma", "clip_norm", "patience", "sequence", "convolution"),
            *("distillation", "tower"),
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(
                    f"{name} must be finite and not negative, found {getattr(self, name)}"
                )
        if not 0 <= self.ema < 1:
            raise UsageError(
                f"ema must be at least 0 and below 1, such as 0.999, found {self.ema}: it is the "
                "share of the average that a step keeps"
            )
        if self.average > self.epochs:
            raise UsageError(
                f"average {self.average} is more than the {self.epochs} epochs of the run"
            )
        if self.ema and self.average > 1:
            raise UsageError("ema and average are two ways to average the weights: set one")
        if not -(2**63) <= self.seed < 2**63:
            raise UsageError(f"seed must fit into 64 bits, found {self.seed}")

    def preprocessing(self) -> Preprocessing:
        """Return what is done to frames.

        Raises
        ------
        UsageError
            The weights want a normalisation that has no name.
        """
        chosen = self.normalisation
        if chosen == "auto":
            chosen = normalisation_of(self.backbone, self.pretrained)
        return Preprocessing(self.resize, self.crop, chosen)

    def most_frames(self, frames: int) -> int:
        """Return how many frames a clip may have in training, at most."""
        return longest_view(frames, self.rescale, self.sampling, self.max_frames)

    def rate_for(self, clips: int) -> float:
        """Return the learning rate of a step over so many clips."""
        power = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}[self.lr_scaling]
        return float(self.learning_rate * (clips / self.lr_batch) ** power)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values for JSON."""
        out = asdict(self)
        out["milestones"] = list(self.milestones)
        return out

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe of :meth:`to_dict`.

        Raises
        ------
        InputError
            A key that no recipe has.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InputError(f"a recipe has no {unknown[0]!r}{nearest(unknown[0], known)}")
        return cls(**{**values, "milestones": tuple(values.get("milestones", cls.milestones))})

    def changed(self, settings: Mapping[str, str]) -> Recipe:
        """Return the recipe with some values replaced, given as text (``--set KEY=VALUE``).

        Raises
        ------
        UsageError
            Unknown key, or a value of another type.
        """
        new: dict[str, Any] = {}
        for key, text in settings.items():
            name = key.replace("-", "_")
            kinds = {field.name: str(field.type) for field in fields(self)}
            if name not in kinds:
                raise UsageError(
                    f"a recipe has no {key!r}{nearest(name, kinds)}; see --show-recipe"
                )
            new[name] = _read(key, text, kinds[name])
        return replace(self, **new)


def _read(key: str, text: str, kind: str) -> Any:
    try:
        return _parsed(text, kind)
    except ValueError:
        raise UsageError(f"{key} takes a value of type {kind}, found {text!r}") from None


def _parsed(text: str, kind: str) -> Any:
    if kind == "bool":
        if text.casefold() not in (*_TRUE, *_FALSE):
            raise ValueError(text)
        return text.casefold() in _TRUE
    if kind == "int":
        return int(text)
    if kind == "float":
        return float(text)
    if kind.startswith("tuple"):
        parts = text.replace(",", " ").split()
        return tuple(parts) if "str" in kind else tuple(int(part) for part in parts)
    return None if text.casefold() == "none" and "None" in kind else text


#: The source of each value, for the recipe of a real tower.
SOURCES = {
    "variant": _PAPER,
    "backbone": f"{_PAPER} (ViT-B/16)",
    "pretrained": _PAPER,
    "labels": "community practice",
    "resize": _ADAPTSIGN,
    "crop": _ADAPTSIGN,
    "normalisation": f"{_OURS} (AdaptSign: half)",
    "flip": _ADAPTSIGN,
    "rescale": _ADAPTSIGN,
    "sampling": _ADAPTSIGN,
    "max_frames": _ADAPTSIGN,
    "epochs": _ADAPTSIGN,
    "batch_size": _ADAPTSIGN,
    "accumulate": _OURS,
    "optimiser": _ADAPTSIGN,
    "learning_rate": _ADAPTSIGN,
    "weight_decay": _ADAPTSIGN,
    "lr_scaling": _ADAPTSIGN,
    "lr_batch": _ADAPTSIGN,
    "schedule": _ADAPTSIGN,
    "milestones": _ADAPTSIGN,
    "gamma": _ADAPTSIGN,
    "clip_norm": _ADAPTSIGN,
    "ema": _ADAPTSIGN,
    "average": _ADAPTSIGN,
    "patience": _ADAPTSIGN,
    "sequence": f"{_PAPER} (term), {_ADAPTSIGN} (weight)",
    "convolution": f"{_PAPER} (term), {_ADAPTSIGN} (weight)",
    "distillation": f"{_PAPER} (term), {_ADAPTSIGN} (weight)",
    "tower": f"{_PAPER} (term), {_OURS} (weight)",
    "temperature": _ADAPTSIGN,
    "precision": f"{_OURS} (AdaptSign: fp16)",
    "gradient_checkpointing": _OURS,
    "seed": _OURS,
}

#: Differences from AdaptSign's code under every recipe: what, there, here, why.
DEVIATIONS = (
    (
        "batches",
        "clips in random order",
        "clips of similar length together",
        "less padding in the head",
    ),
    (
        "batch normalisation",
        "over padding too",
        "over the clips' own steps, all processes together",
        "the same result whatever shares a batch, on one card or several",
    ),
    (
        "distillation",
        "mean over padding too",
        "mean over the clip's own steps",
        "a clip's loss does not depend on the longest of its batch; alone it is the same",
    ),
    (
        "ends of a clip",
        "12 copies of its first and last picture",
        "as many copies of their features",
        "a tenth less work; no copies for shift and convolution inside the backbone to mix in",
    ),
    (
        "resizing",
        "Lanczos 4 of OpenCV, into files beforehand",
        "bilinear with antialiasing of Pillow, as frames are read",
        "no second copy of a corpus on disk",
    ),
    (
        "pixels",
        "x / 127.5 - 1",
        "the mean and deviation the weights were trained with",
        "what the frozen backbone expects; --set normalisation=half is AdaptSign's",
    ),
    (
        "infinite or undefined loss",
        "the clip is passed over, gradients that are no number become 0",
        "clips too short for their labels are named before the first step; the run stops",
        "nothing is left out in silence",
    ),
    (
        "precision",
        "fp16, head too",
        "bf16 where the card has it; head and losses in fp32",
        "no scaling of the loss; CTC over hundreds of steps needs the digits",
    ),
)

# A tower of 32 pixels, random and frozen, for the sample corpora on two cores. A picture of
# 32 pixels has none to spare for a cut, and its few signers of either hand need no mirror.
_TINY = {
    "backbone": TINY,
    "pretrained": None,
    "resize": 32,
    "crop": 32,
    "flip": 0.0,
    "rescale": 0.1,
    "sampling": "even",
    "epochs": 28,
    "batch_size": 6,
    "optimiser": "adamw",
    "learning_rate": 3e-3,
    "lr_batch": 6,
    "weight_decay": 0.01,
    "schedule": "one-cycle",
    "milestones": (),
    "clip_norm": 1.0,
    "precision": "fp32",
    "gradient_checkpointing": False,
}

#: The same for :class:`slaeval.models.config.ModelConfig`.
MODEL_SOURCES = {
    "lora_rank": _OURS,
    "lora_alpha": _OURS,
    "lora_dropout": _OURS,
    "lora_targets": _OURS,
    "shift_fraction": f"{_PAPER} (shift), {_OURS} (share, as TSM)",
    "adapter_ratio": _OURS,
    "adapter_kernel": f"{_PAPER} (3-D convolution), {_OURS} (size)",
    "adapter_position": _OURS,
    "adapter_activation": _OURS,
    "adapter_class_token": _OURS,
    "hidden": _ADAPTSIGN,
    "lstm_layers": _ADAPTSIGN,
    "dropout": _ADAPTSIGN,
}


def model_changes(settings: Mapping[str, str]) -> dict[str, Any]:
    """Read fields of the model configuration from text (``--set KEY=VALUE``).

    ``adapter=st-adapter`` stands for the values of that name in
    :data:`slaeval.models.config.ADAPTERS`; values of their own change them.

    Raises
    ------
    UsageError
        Unknown key, or a value of another type.
    """
    kinds = {field.name: str(field.type) for field in fields(ModelConfig)}
    new: dict[str, Any] = {}
    if "adapter" in settings:
        named = settings["adapter"]
        if named not in ADAPTERS:
            raise UsageError(
                f"unknown adapter {named!r}{nearest(named, ADAPTERS)}; known: {', '.join(ADAPTERS)}"
            )
        new |= ADAPTERS[named]
    for key, text in settings.items():
        name = key.replace("-", "_")
        if name == "adapter":
            continue
        if name not in MODEL_SOURCES:
            known = (*SOURCES, *MODEL_SOURCES, "adapter")
            raise UsageError(f"unknown value {key!r}{nearest(name, known)}; see --show-recipe")
        new[name] = _read(key, text, kinds[name])
    return new


def recipe_for(variant: str = "sla-lora", backbone: str = "ViT-B-16-quickgelu") -> Recipe:
    """Return the default recipe of a variant on a backbone.

    It is the same for all four corpora: neither the paper nor its predecessor names one that
    differs by corpus. A backbone for other pictures than 224 pixels gets those it was made for.

    Raises
    ------
    UsageError
        There is no such variant or backbone.
    """
    if backbone == TINY:
        recipe = Recipe(variant=variant, **_TINY)  # type: ignore[arg-type]
        if variant == "sla-adapter":  # its attention stays as it was drawn: it needs longer
            return replace(recipe, learning_rate=4e-3, epochs=36)
        return recipe
    pretrained = "openai" if backbone.endswith("-quickgelu") else None
    crop = tower_shape(backbone).image
    return Recipe(
        variant=variant,
        backbone=backbone,
        pretrained=pretrained,
        resize=round(crop * Recipe.resize / Recipe.crop),
        crop=crop,
    )
