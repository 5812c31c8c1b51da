"""How much memory a training step takes, known before the first one.

What a step keeps for its backward pass grows with the frames in it, and the longest clips may
come hours into a run. So the bytes a frame costs are counted on a short forward pass and held
against what the device has.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from slaeval.errors import SlaevalError

if TYPE_CHECKING:
    from slaeval.models.recogniser import Recogniser
    from slaeval.training.examples import Clip
    from slaeval.training.recipe import Recipe

__all__ = ["available_bytes", "check_memory", "saved_bytes"]


def check_memory(
    model: Recogniser,
    clips: Sequence[Clip],
    *,
    recipe: Recipe,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[Any]],
    processes: int,
) -> None:
    """Hold the largest possible step against the memory that is there.

    Parameters
    ----------
    model : Recogniser
        On `device`; its mode becomes evaluation, so that batch statistics stay as they are.
    clips : sequence of Clip
        All that is trained on.
    recipe : Recipe
        How many clips a step holds, and how long they may become.
    device : torch.device
        Whose memory.
    autocast : callable
        Returns the context the model computes in.
    processes : int
        That share the memory of a CPU.

    Raises
    ------
    SlaevalError
        It does not suffice; names the longest clip and what to lower.
    """
    free = available_bytes(device)
    if free is None:
        return
    longest = sorted(clips, key=lambda clip: clip.footage.num_frames, reverse=True)
    longest = longest[: recipe.batch_size]
    frames = sum(
        min(recipe.max_frames, round(clip.footage.num_frames * (1 + recipe.rescale)))
        for clip in longest
    )

    def kept(checkpointing: bool) -> float:
        """Return the bytes a frame keeps."""
        model.gradient_checkpointing = checkpointing
        sizes = []
        for count in (8, 16):
            pixels = torch.zeros((count, 3, recipe.crop, recipe.crop), device=device)

            def forward(pixels: Tensor = pixels, count: int = count) -> Tensor:
                with autocast():
                    output: Tensor = model(pixels, torch.tensor([count])).sequence
                    return output.sum()

            sizes.append(saved_bytes(forward))
        return (sizes[1] - sizes[0]) / 8

    model.eval()
    each = kept(recipe.gradient_checkpointing)
    if recipe.gradient_checkpointing:  # one block at a time is kept whole
        each += kept(False) / len(model.tower.blocks)
    model.gradient_checkpointing = recipe.gradient_checkpointing
    need = each * frames
    share = free / (processes if device.type == "cpu" else 1)
    if need > share:
        first = longest[0].footage
        raise SlaevalError(
            f"the longest step, {frames} frames in {len(longest)} clips with {first.id} "
            f"({first.num_frames} frames) the longest, keeps about {need / 2**30:.1f} GiB for its "
            f"backward pass, and {share / 2**30:.1f} GiB are free: lower --batch-size or "
            "--set max_frames=…, or use --set gradient_checkpointing=true"
        )


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
    if device.type != "cpu":
        return None
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            found = next(line for line in stream if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None  # not Linux: nothing to hold the need against
    return min(int(found.split()[1]) * 1024, _left_to_the_container())


def _left_to_the_container() -> int:
    """Return what a container's limit (cgroup 2) leaves, in bytes."""
    read = []
    for name in ("memory.max", "memory.current"):
        try:
            with open(f"/sys/fs/cgroup/{name}", encoding="ascii") as stream:
                read.append(int(stream.read()))
        except (OSError, ValueError):
            return sys.maxsize  # no such limit
    return max(0, read[0] - read[1])
