"""SLA-LoRA: low-rank changes of the linear layers, by peft, and a temporal shift.

The tower's attention is made of plain linear layers (:mod:`slaeval.models.tower`), so peft's
LoRA is applied as intended: ``W + (alpha/rank)·B·A``, once. ``B`` starts at zero, so that an
untrained LoRA changes nothing. The shift has no weights and is active from the start. It acts on
the normalised input of attention, on all tokens of a frame, and leaves the residual stream
unchanged ("residual shift" in Lin et al. 2019): a slaeval preset, as the paper does not specify it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from slaeval.models.tower import Tower

__all__ = ["install_lora", "lora_layers", "merge", "unmerge"]


def install_lora(
    tower: Tower,
    rank: int,
    alpha: float,
    dropout: float,
    targets: tuple[str, ...],
    shift_fraction: float,
) -> None:
    """Put LoRA on the named linear layers of each block, and the shift before attention.

    Parameters
    ----------
    tower : Tower
        Changed in place.
    rank, alpha, dropout : int, float, float
        As in peft.
    targets : tuple of str
        Names of linear layers: ``"q_proj"``, ``"c_fc"``, …
    shift_fraction : float
        Share of the channels that moves in each direction.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # peft takes any number
        lora_dropout=dropout,
        # Only in blocks: an attention pool has layers of the same names.
        target_modules=rf"blocks\..*\.({'|'.join(targets)})",
        bias="none",
    )
    inject_adapter_in_model(config, tower)
    for _, layer in lora_layers(tower):
        # Under autocast peft would keep a second copy of every input, in float32.
        layer.cast_input_dtype_enabled = False
    for block in tower.each_block():
        block.shift_fraction = shift_fraction


def lora_layers(tower: Tower) -> Iterator[tuple[str, Any]]:
    """Yield name and module of each linear layer with LoRA."""
    for name, module in tower.named_modules():
        if hasattr(module, "lora_A"):
            yield name, module


def merge(tower: Tower) -> dict[str, Tensor]:
    """Merge every LoRA into its weight; return the original weights for :func:`unmerge`."""
    plain = {}
    for name, layer in lora_layers(tower):
        plain[name] = layer.base_layer.weight.detach().clone()
        layer.merge()
    return plain


def unmerge(tower: Tower, plain: dict[str, Tensor]) -> None:
    """Undo :func:`merge` exactly, which subtracting the product would not."""
    with torch.no_grad():
        for name, layer in lora_layers(tower):
            layer.unmerge()
            layer.base_layer.weight.copy_(plain[name])
