"""The configuration of a recogniser, as data.

Each value names its source: *paper* is CLIP-SLA (Alyami & Luqman, CVPR 2025 Workshops,
arXiv 2504.01666), *AdaptSign* its documented predecessor (https://github.com/hulianyuyy/AdaptSign),
whose head is VAC's (https://github.com/ycmin95/VAC_CSLR). The paper does not specify rank,
targets, bottleneck, kernel and shift, and its repository has no code: those values are *slaeval
presets*, our own choice, and not a claim about what the authors ran.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from slaeval.errors import InputError, UsageError, nearest

__all__ = [
    "ADAPTERS",
    "LINEAR_LAYERS",
    "TINY",
    "TRAINABLE_VARIANTS",
    "VARIANTS",
    "ModelConfig",
    "Variant",
    "preset",
]

Variant = Literal["sla-lora", "sla-adapter", "frozen", "adaptsign"]

#: Everything that can be evaluated.
VARIANTS: tuple[str, ...] = get_args(Variant)

#: What can be trained: the two variants of the paper, and as a control the unchanged tower under
#: a trained head. AdaptSign's published checkpoints are for evaluation only.
TRAINABLE_VARIANTS = tuple(name for name in VARIANTS if name != "adaptsign")

#: Linear layers of a block that can have LoRA, with their places in it.
LINEAR_LAYERS: Mapping[str, str] = {
    "q_proj": "attn.q_proj",
    "k_proj": "attn.k_proj",
    "v_proj": "attn.v_proj",
    "out_proj": "attn.out_proj",
    "c_fc": "mlp.c_fc",
    "c_proj": "mlp.c_proj",
}

#: The tower of the sample corpora: 32 pixels, patch 8, width 96, 3 blocks, random weights.
TINY = "slaeval-tiny"

#: Adapters by name: the slaeval preset, and ST-Adapter (Pan et al. 2022, arXiv 2206.13559; sizes
#: as in https://github.com/linziyi96/st-adapter), half as wide as the tower, in time only.
ADAPTERS: Mapping[str, Mapping[str, Any]] = {
    "slaeval": {
        "adapter_ratio": 0.25,
        "adapter_kernel": (3, 3, 3),
        "adapter_position": "mlp",
        "adapter_activation": "gelu",
        "adapter_class_token": True,
    },
    "st-adapter": {
        "adapter_ratio": 0.5,
        "adapter_kernel": (3, 1, 1),
        "adapter_position": "attention",
        "adapter_activation": "none",
        "adapter_class_token": False,
    },
}

#: Values missing from checkpoints of earlier versions; the defaults match those versions.
_ADDED = ("adapter_position", "adapter_activation", "adapter_class_token")

#: Far above any real training: a larger value means a damaged file or a mistyped command.
_WIDEST, _MOST_LAYERS, _HIGHEST_RANK, _LARGEST_KERNEL = 65_536, 64, 4_096, 99


@dataclass(frozen=True)
class ModelConfig:
    """Everything that determines the shape of a recogniser.

    Attributes
    ----------
    variant : {"sla-lora", "sla-adapter", "frozen", "adaptsign"}
        LoRA with temporal shift, adapters with 3-D convolution (both paper), neither, or
        AdaptSign's encoder (:mod:`slaeval.models.adaptsign`).
    backbone : str
        open_clip's name of the tower (paper: ViT-B-16), or ``"slaeval-tiny"``.
    pretrained : str or None
        open_clip tag or file of the tower's weights; None for random ones.
    classes : int
        Number of glosses, plus the blank at 0.
    lora_rank : int
        Rank of every LoRA pair (slaeval preset: 8).
    lora_alpha : float
        The product B·A is scaled by alpha/rank (slaeval preset: 16).
    lora_dropout : float
        Dropout before A (slaeval preset: 0).
    lora_targets : tuple of str
        Which linear layers of each block, of :data:`LINEAR_LAYERS` (slaeval preset: all six,
        which matters more than the rank according to Dettmers et al. 2023, arXiv 2305.14314).
    shift_fraction : float
        Share of the channels shifted in each direction before attention (slaeval preset: 1/8, as in
        Lin et al. 2019, arXiv 1811.08383).
    adapter_ratio : float
        Width of the bottleneck over the width of the tower (slaeval preset: 1/4).
    adapter_kernel : tuple of int
        Depthwise convolution over frames, rows, columns of patches; odd (slaeval preset: 3,3,3).
    adapter_position : {"mlp", "attention"}
        Parallel to the MLP, on the same normalised input (slaeval preset), or before attention,
        on the block's input (ST-Adapter).
    adapter_activation : {"gelu", "none"}
        Between convolution and up-projection (slaeval preset: GELU; ST-Adapter: none).
    adapter_class_token : bool
        Whether the class token passes through it, without the convolution (slaeval preset: yes;
        ST-Adapter: no).
    hidden : int
        Width of the head; even (AdaptSign: 1024).
    lstm_layers : int
        Layers of the BiLSTM (AdaptSign: 2).
    dropout : float
        Dropout between those layers (AdaptSign: 0.3).

    Raises
    ------
    InputError
        A value is out of its range.
    """

    variant: Variant
    backbone: str
    pretrained: str | None
    classes: int
    lora_rank: int = 8
    lora_alpha: float = 16.0
    lora_dropout: float = 0.0
    lora_targets: tuple[str, ...] = tuple(LINEAR_LAYERS)
    shift_fraction: float = 0.125
    adapter_ratio: float = 0.25
    adapter_kernel: tuple[int, int, int] = (3, 3, 3)
    adapter_position: str = "mlp"
    adapter_activation: str = "gelu"
    adapter_class_token: bool = True
    hidden: int = 1024
    lstm_layers: int = 2
    dropout: float = 0.3

    def __post_init__(self) -> None:
        object.__setattr__(self, "lora_targets", _listed(self, "lora_targets"))
        object.__setattr__(self, "adapter_kernel", _listed(self, "adapter_kernel"))
        _check(self.variant in VARIANTS, self, "variant", "one of " + ", ".join(VARIANTS))
        _check(_is_text(self.backbone), self, "backbone", "the name of a tower")
        _check(
            self.pretrained is None or _is_text(self.pretrained),
            self,
            "pretrained",
            "a tag, a file or nothing",
        )
        _check(_whole(self.classes, 2), self, "classes", "at least one gloss and the blank")
        _check(
            _whole(self.lora_rank, 1) and self.lora_rank <= _HIGHEST_RANK,
            self,
            "lora_rank",
            f"1 to {_HIGHEST_RANK:,}",
        )
        _check(_real(self.lora_alpha) and self.lora_alpha > 0, self, "lora_alpha", "above 0")
        _check(_within(self.lora_dropout, 0, 1), self, "lora_dropout", "from 0 to below 1")
        _check(
            bool(self.lora_targets)
            and all(_is_text(name) and name in LINEAR_LAYERS for name in self.lora_targets)
            and len(set(self.lora_targets)) == len(self.lora_targets),
            self,
            "lora_targets",
            "some of " + ", ".join(LINEAR_LAYERS) + ", each once",
        )
        _check(
            _real(self.shift_fraction) and 0 <= self.shift_fraction <= 0.5,
            self,
            "shift_fraction",
            "from 0 to 0.5: each way takes this share",
        )
        _check(
            _real(self.adapter_ratio) and 0 < self.adapter_ratio <= 4,
            self,
            "adapter_ratio",
            "above 0, at most 4",
        )
        _check(
            len(self.adapter_kernel) == 3
            and all(
                _whole(size, 1) and size % 2 == 1 and size <= _LARGEST_KERNEL
                for size in self.adapter_kernel
            ),
            self,
            "adapter_kernel",
            f"three odd whole numbers up to {_LARGEST_KERNEL}: frames, rows, columns",
        )
        for name, known in (("position", ("mlp", "attention")), ("activation", ("gelu", "none"))):
            value = getattr(self, f"adapter_{name}")
            _check(value in known, self, f"adapter_{name}", " or ".join(known))
        _check(
            isinstance(self.adapter_class_token, bool),
            self,
            "adapter_class_token",
            "true or false",
        )
        _check(
            _whole(self.hidden, 2) and self.hidden % 2 == 0 and self.hidden <= _WIDEST,
            self,
            "hidden",
            f"even, as half goes each way, and at most {_WIDEST:,}",
        )
        _check(
            _whole(self.lstm_layers, 1) and self.lstm_layers <= _MOST_LAYERS,
            self,
            "lstm_layers",
            f"1 to {_MOST_LAYERS}",
        )
        _check(_within(self.dropout, 0, 1), self, "dropout", "from 0 to below 1")

    def to_dict(self) -> dict[str, Any]:
        """Return the values, ready for JSON."""
        values = asdict(self)
        values["lora_targets"] = list(self.lora_targets)
        values["adapter_kernel"] = list(self.adapter_kernel)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Return the configuration from the result of :meth:`to_dict`.

        Raises
        ------
        InputError
            A key is unknown or missing, or a value is out of its range.
        """
        if not isinstance(values, Mapping):
            raise InputError(
                f"the model configuration is not a mapping but {type(values).__name__}"
            )
        known = [field.name for field in fields(cls)]
        unknown = [str(key) for key in values if key not in known]
        if unknown:
            raise InputError(
                f"the model configuration has the unknown key {unknown[0]!r}"
                f"{nearest(unknown[0], known)}; a newer slaeval may have written it"
            )
        missing = [key for key in known if key not in values and key not in _ADDED]
        if missing:
            raise InputError(f"the model configuration lacks {', '.join(missing)}")
        return cls(**values)


def preset(variant: str, backbone: str, classes: int, pretrained: str | None = None) -> ModelConfig:
    """Return the slaeval preset of a variant on a tower.

    Real towers take the defaults of :class:`ModelConfig`. The tiny tower is random and small, so
    more has to be learned with less: a higher rank, a wider bottleneck and a head a quarter as
    wide.

    Raises
    ------
    UsageError
        There is no such variant.
    """
    if variant not in VARIANTS:
        raise UsageError(
            f"unknown variant {variant!r}{nearest(variant, VARIANTS)}; "
            f"there are {', '.join(VARIANTS)}"
        )
    values: dict[str, Any] = {}
    if backbone == TINY:
        values = {
            "lora_rank": 16,
            "lora_alpha": 32.0,
            "adapter_ratio": 1.0,
            "hidden": 256,
            "dropout": 0.1,
        }
    return ModelConfig(
        variant=variant,  # type: ignore[arg-type]
        backbone=backbone,
        pretrained=pretrained,
        classes=classes,
        **values,
    )


def _check(holds: bool, config: ModelConfig, name: str, expected: str) -> None:
    if not holds:
        raise InputError(
            f"the model configuration has {name} = {getattr(config, name)!r}; expected {expected}"
        )


def _listed(config: ModelConfig, name: str) -> tuple[Any, ...]:
    value = getattr(config, name)
    _check(isinstance(value, list | tuple), config, name, "a list")
    return tuple(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _within(value: object, low: float, high: float) -> bool:
    return _real(value) and low <= value < high  # type: ignore[operator]
