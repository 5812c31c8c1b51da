"""Where a model computes, and in which precision."""

from __future__ import annotations

import contextlib
from typing import Any

import torch

from slaeval.errors import UsageError

__all__ = ["PRECISIONS", "autocast", "choose_device", "choose_precision"]

#: Name of a precision: type in which the tower computes. The head always computes in float32.
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name; ``"auto"`` takes CUDA, then MPS, then the CPU.

    Raises
    ------
    UsageError
        No such device on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"unknown device {name!r}: use auto, cuda, cuda:N, mps or cpu") from None
    if device.type not in ("cuda", "mps", "cpu"):
        raise UsageError(f"unknown device {name!r}: use auto, cuda, cuda:N, mps or cpu")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device that torch can use here: --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"{name}: there are {torch.cuda.device_count()} CUDA devices, numbered from 0"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("there is no MPS device that torch can use here: --device cpu")
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """Return the precision of a name; ``"auto"`` is bf16 where a GPU has it, else fp32.

    Raises
    ------
    UsageError
        Unknown, or not to be had on the device.
    """
    if name == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    if name not in PRECISIONS:
        raise UsageError(f"unknown precision {name!r}: use auto, {', '.join(PRECISIONS)}")
    if name == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise UsageError("this GPU has no bf16: use --precision fp16 or fp32")
    if name == "fp16" and device.type == "cpu":
        raise UsageError("fp16 is for GPUs: use --precision bf16 or fp32 on the CPU")
    return name


def autocast(device: torch.device, precision: str) -> Any:
    """Return the context in which a model computes in a precision."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, PRECISIONS[precision])
