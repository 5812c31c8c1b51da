"""How much memory a training step takes, known before the first one.

What a step keeps for its backward pass grows with the frames in it, and the longest clips may
come hours into a run. So the bytes a frame costs are counted on a short forward pass and held
against what the device has.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

__all__ = ["available_bytes", "saved_bytes"]


def saved_bytes(forward: Callable[[], torch.Tensor]) -> int:
    """Return the bytes a forward pass keeps for its backward pass, weights left out.

    Parameters
    ----------
    forward : callable
        Runs the model and returns the loss.
    """
    seen: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        # A tensor that needs gradients and was not computed is a weight: it is there anyway.
        storage = tensor.untyped_storage()
        if not tensor.is_leaf or not tensor.requires_grad:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    return sum(seen.values())


def available_bytes(device: torch.device) -> int | None:
    """Return the free memory of a device in bytes; None where the system does not say."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "cpu" and hasattr(os, "sysconf"):
        try:
            with open("/proc/meminfo", encoding="ascii") as stream:
                for line in stream:
                    if line.startswith("MemAvailable:"):
                        return int(line.split()[1]) * 1024
        except OSError:
            return None  # not Linux: nothing to hold the need against
    return None
