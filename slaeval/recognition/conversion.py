"""AdaptSign's published checkpoints, converted whole: picture encoder and head.

Their files are VAC's layout (:mod:`slaeval.checkpoints.foreign`) with the encoder under
``conv2d.visual``: CLIP's tower under OpenAI's names, and what AdaptSign adds to it
(:mod:`slaeval.models.adaptsign`):

=========================================================  ===================================
theirs                                                     ours
=========================================================  ===================================
``transformer.resblocks.N.S_Adapter.mlp.c_in``, ``c_out``  ``blocks.N.adapter.attention.down``, ``up``
``transformer.resblocks.N.MLP_Adapter.mlp``                ``blocks.N.adapter.mlp``
``transformer.resblocks.N.prefix_embedding_k``, ``_v``     ``blocks.N.adapter.prefix_keys``, ``_values``
``transformer.query``                                      ``adapter.query``
``transformer.aggblocks.N``                                ``adapter.blocks.N``
``transformer.taggblocks.ln_1``                            ``adapter.ln_temporal``
``transformer.temporal_ada_weight``                        ``adapter.temporal_weight``
``ln_post_cls``, ``ada_weight``                            ``adapter.ln_query``, ``adapter.mixture``
=========================================================  ===================================

No published file was at hand: the layout is read from the public source (commit 58ce6be), and the
tests hold features and logits of a file in that layout against recorded answers of that source.
"""  # noqa: E501

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from slaeval.checkpoints import new_checkpoint, tower_hash
from slaeval.checkpoints.foreign import ConvertedHead, encoder_names, encoder_weights, read_head
from slaeval.checkpoints.weights import plain_name
from slaeval.decoding import CTCDECODE
from slaeval.errors import InputError
from slaeval.loaders.registry import layout
from slaeval.models.config import ModelConfig
from slaeval.models.recogniser import check_states
from slaeval.models.tower import Shape, Tower, from_open_clip, open_tower, tower_names, tower_shape
from slaeval.recognition.batches import Preprocessing

__all__ = ["is_adaptsign", "read_adaptsign"]

_BLOCK = r"transformer\.resblocks\.(\d+)"

_RENAMED = tuple(
    (re.compile(f"^{theirs}"), ours)
    for theirs, ours in (
        (rf"{_BLOCK}\.S_Adapter\.mlp\.c_in\.", r"blocks.\1.adapter.attention.down."),
        (rf"{_BLOCK}\.S_Adapter\.mlp\.c_out\.", r"blocks.\1.adapter.attention.up."),
        (rf"{_BLOCK}\.MLP_Adapter\.mlp\.c_in\.", r"blocks.\1.adapter.mlp.down."),
        (rf"{_BLOCK}\.MLP_Adapter\.mlp\.c_out\.", r"blocks.\1.adapter.mlp.up."),
        (rf"{_BLOCK}\.prefix_embedding_k$", r"blocks.\1.adapter.prefix_keys"),
        (rf"{_BLOCK}\.prefix_embedding_v$", r"blocks.\1.adapter.prefix_values"),
        (r"transformer\.query$", "adapter.query"),
        (r"transformer\.aggblocks\.", "adapter.blocks."),
        (r"transformer\.taggblocks\.ln_1\.", "adapter.ln_temporal."),
        (r"transformer\.temporal_ada_weight$", "adapter.temporal_weight"),
        (r"ln_post_cls\.", "adapter.ln_query."),
        (r"ada_weight$", "adapter.mixture"),
    )
)

#: Dimensions of size one that their sequence-first code carries along.
_SQUEEZED = ("prefix_keys", "prefix_values", "adapter.query")


def is_adaptsign(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file holds AdaptSign's picture encoder; it need not be sound otherwise."""
    try:
        names = encoder_names(path)
    except InputError:
        return False
    return any("S_Adapter" in name for name in names)


def read_adaptsign(
    path: str | os.PathLike[str], vocabulary: Sequence[str], dataset: str
) -> ConvertedHead:
    """Convert a file of AdaptSign into a checkpoint that ``slaeval run`` evaluates.

    Parameters
    ----------
    path : path-like
        The file; nothing in it is run.
    vocabulary : sequence of str
        Its glosses in the order of their classes, from class 1.
    dataset : str
        The corpus it was trained on.

    Returns
    -------
    ConvertedHead
        With a checkpoint of kind ``"recogniser"``: frames of 256 pixels, the middle 224 of them,
        as ``x/127.5 − 1``; beam search of width 10 over the 40 likeliest classes, as theirs.

    Raises
    ------
    InputError
        The file is damaged, asks for anything executable, a part is missing or of another
        shape, or it was made for another number of glosses.
    """
    path = os.fspath(path)
    converted = read_head(path, vocabulary)
    head = converted.checkpoint.part("head")
    weights = encoder_weights(path)
    tower, adapter = _sorted_weights(weights)
    try:
        shape = _shape_of(tower)
        config = ModelConfig(
            variant="adaptsign",
            backbone=_backbone(shape),
            pretrained="openai",
            classes=len(vocabulary) + 1,
            adapter_ratio=_ratio(adapter, shape),
            hidden=len(head["temporal_convolution.conv1.weight"]),
        )
        # Theirs has no classifier of the encoder's features, which only training would ask for.
        head["tower_classifier.weight"] = torch.zeros(shape.output, config.classes)
        opened = open_tower(config.backbone, config.pretrained, state=tower)
        check_states(config, opened, adapter, head)
        checkpoint = new_checkpoint(
            model=config.to_dict(),
            vocabulary=vocabulary,
            preprocessing=_preprocessing(opened).to_dict(),
            decoding=CTCDECODE.to_dict(),
            corpus={
                "name": dataset,
                "setup": None,
                "labels": "raw",
                "fps": layout(dataset).fps,
            },
            protocol="official",
            recipe=converted.checkpoint.recipe,
            metrics={},
            backbone={
                "name": config.backbone,
                "pretrained": config.pretrained,
                "hash": tower_hash(tower),
            },
            tensors={
                f"{part}.{name}": value
                for part, state in (("adapter", adapter), ("head", head), ("tower", tower))
                for name, value in state.items()
            },
        )
    except (InputError, KeyError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"not a whole checkpoint of AdaptSign: {reason}", path) from None
    encoder = {f"conv2d.visual.{name}": _ours(name) for name in weights}
    return replace(
        converted,
        checkpoint=checkpoint,
        taken=converted.taken | encoder,
        left={name: why for name, why in converted.left.items() if plain_name(name) not in encoder},
    )


def _ours(name: str) -> str:
    """Return our name of one of their weights: of the adapter, or open_clip's of the tower."""
    for pattern, ours in _RENAMED:
        renamed, count = pattern.subn(ours, name)
        if count:
            return renamed
    return name


def _sorted_weights(
    weights: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the tower's weights under open_clip's names, and the adapter's under ours."""
    tower: dict[str, Tensor] = {}
    adapter: dict[str, Tensor] = {}
    for name, value in weights.items():
        ours = _ours(name)
        if "adapter" not in ours.split("."):
            tower[name] = value.float()
        else:
            squeezed = value.squeeze() if ours.endswith(_SQUEEZED) else value
            adapter[ours] = squeezed.float()
    return tower, from_open_clip(adapter)


def _shape_of(tower: Mapping[str, Tensor]) -> Shape:
    """Return the sizes of an OpenAI tower, whose heads are 64 wide."""
    width, _, patch, _ = tower["conv1.weight"].shape
    side = round((len(tower["positional_embedding"]) - 1) ** 0.5)
    return Shape(
        image=side * patch,
        patch=patch,
        width=width,
        layers=sum(name.endswith(".attn.in_proj_weight") for name in tower),
        heads=width // 64,
        hidden=len(tower["transformer.resblocks.0.mlp.c_fc.weight"]),
        output=tower["proj"].shape[1],
        quick_gelu=True,
    )


def _backbone(shape: Shape) -> str:
    """Return open_clip's shortest name of a tower of these sizes."""
    names = [name for name in tower_names() if tower_shape(name) == shape]
    if not names:
        raise InputError(
            f"open_clip has no tower of {shape.layers} blocks of width {shape.width} on "
            f"{shape.image} pixels in patches of {shape.patch}"
        )
    return min(names, key=lambda name: (len(name), name))


def _ratio(adapter: Mapping[str, Tensor], shape: Shape) -> float:
    return len(adapter["blocks.0.adapter.mlp.down.bias"]) / shape.width


def _preprocessing(tower: Tower) -> Preprocessing:
    """Return what their feeder does: pictures of 256 pixels, the middle as large as the tower's."""
    crop = tower.shape.image
    return Preprocessing(round(crop * 256 / 224), crop, "half")
