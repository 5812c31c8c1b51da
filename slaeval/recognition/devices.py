"""Where a model computes, and in which precision."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from slaeval.errors import SlaevalError, UsageError
from slaeval.models.float32 import setting, without_tf32

__all__ = [
    "DEVICES",
    "PRECISIONS",
    "autocast",
    "choose_device",
    "choose_precision",
    "choose_workers",
    "numerics",
]

DEVICES = ("auto", "cuda", "mps", "cpu")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")

#: More processes than this read faster than one card computes.
_MOST_WORKERS = 16

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name; under ``torchrun`` each process has its own card.

    Parameters
    ----------
    name : str
        ``"auto"`` (CUDA, then MPS, then the CPU), ``"cuda"``, ``"cuda:1"``, ``"mps"``, ``"cpu"``.

    Raises
    ------
    UsageError
        No such name.
    SlaevalError
        This machine, or this build of torch, has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            name = "cuda"
        else:
            name = "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in DEVICES[1:] or (number and not (kind == "cuda" and number.isdecimal())):
        raise UsageError(f"unknown device {name!r}; known: {', '.join(DEVICES)}, cuda:N")
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise SlaevalError(
                "no CUDA device: this machine has none, or torch was installed without CUDA "
                f"(torch {torch.__version__}); use --device cpu"
            )
        chosen = int(number or os.environ.get("LOCAL_RANK", "0"))
        if chosen >= torch.cuda.device_count():
            raise SlaevalError(
                f"no device cuda:{chosen}: there are {torch.cuda.device_count()}; start at most "
                "as many processes as there are cards"
            )
        torch.cuda.set_device(chosen)
        return torch.device("cuda", chosen)
    if kind == "mps" and not torch.backends.mps.is_available():
        raise SlaevalError("no MPS device: it needs a Mac with Apple silicon; use --device cpu")
    return torch.device(kind)


def choose_precision(name: str, device: torch.device) -> str:
    """Return ``"fp32"``, ``"bf16"`` or ``"fp16"``; ``"auto"`` asks what the device is good at.

    Raises
    ------
    UsageError
        No such name, or not on this device.
    """
    if name not in PRECISIONS:
        raise UsageError(f"unknown precision {name!r}; known: {', '.join(PRECISIONS)}")
    if name == "auto":
        if device.type != "cuda":
            return "fp32"
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if name == "fp16" and device.type == "cpu":
        raise UsageError("--precision fp16 needs a GPU; on the CPU take fp32 or bf16")
    return name


def choose_workers(device: torch.device) -> int:
    """Return how many processes read: a card waits for all cores, a core for hardly any."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    cores //= int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(_MOST_WORKERS, cores) if device.type != "cpu" else min(1, max(0, cores - 1))


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context that computes products in a precision; ``"fp32"`` changes nothing."""
    lower = _TYPES.get(precision)
    return torch.autocast(device.type, lower, enabled=lower is not None)


@contextlib.contextmanager
def numerics(device: torch.device, precision: str, *, exact: bool = False) -> Iterator[None]:
    """Compute without gradients in a precision; ``"fp32"`` means float32 throughout, not TF32.

    Parameters
    ----------
    device : torch.device
        Where.
    precision : {"fp32", "bf16", "fp16"}
        What autocast turns products into.
    exact : bool
        Take kernels that give the same bits each time.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        if device.type == "cuda":
            stack.enter_context(setting(torch.backends.cudnn, "benchmark", False))
            stack.enter_context(setting(torch.backends.cudnn, "deterministic", exact))
            if precision not in _TYPES:
                stack.enter_context(without_tf32(device))
        if precision in _TYPES:
            stack.enter_context(autocast(device, precision))
        yield
