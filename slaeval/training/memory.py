"""Predicts the memory of a training step before the first one runs.

What a step holds grows with the frames in it, and the longest clips may come hours into a run. So
two small steps are run, and after each of their operations the bytes of all live tensors are
counted. Every operation's count grows in a straight line with the frames; the largest of these
lines at the longest step's frames is its peak. Nothing larger is ever tried.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from slaeval.errors import SlaevalError
from slaeval.recognition.devices import autocast
from slaeval.recognition.predictor import out_of_memory

if TYPE_CHECKING:
    from slaeval.models.recogniser import Recogniser
    from slaeval.training.examples import Clip
    from slaeval.training.recipe import Recipe

__all__ = ["available_bytes", "check_memory", "peak_of"]

#: Where less than this many times the need is free, freed memory goes back to the system at once.
_PLENTY = 8

#: Numbers of two settings in glibc's malloc.h, and the size from which a block is mapped by itself.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _LARGE_BLOCK = -1, -3, 1 << 20

#: Frames of the two small steps.
_PROBES = (2, 4)


def check_memory(
    model: Recogniser,
    clips: Sequence[Clip],
    *,
    recipe: Recipe,
    device: torch.device,
    precision: str,
    processes: int,
) -> None:
    """Make sure that the largest possible step fits into memory.

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
    precision : {"fp32", "bf16", "fp16"}
        What the model computes in.
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
    frames = sum(recipe.most_frames(clip.footage.num_frames) for clip in longest)
    share = free / (processes if device.type == "cpu" else 1)
    model.eval()
    try:
        need = peak_of(model, frames, recipe.crop, device, precision, share)
        if recipe.ema:  # a second copy of what is trained
            need += sum(parameter.nbytes for parameter in model.trainable_parameters().values())
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        need = float("inf")
    finally:
        model.zero_grad(set_to_none=True)
    if device.type == "cpu" and need * _PLENTY > share:
        give_back_freed_memory()
    if need > share:
        first = longest[0].footage
        much = f"about {need / 2**30:.1f} GiB" if need < float("inf") else "more than there is"
        raise SlaevalError(
            f"the longest step, {frames} frames in {len(longest)} clips with {first.id} "
            f"({first.num_frames} frames) the longest, takes {much}, and {share / 2**30:.1f} GiB "
            "are free: lower --batch-size or --set max_frames=…, or use "
            "--set gradient_checkpointing=true"
        )


def peak_of(
    model: Recogniser,
    frames: int,
    crop: int,
    device: torch.device,
    precision: str,
    limit: float = float("inf"),
) -> float:
    """Predict the bytes that a training step takes beyond the model's own.

    Parameters
    ----------
    model : Recogniser
        On `device`.
    frames : int
        Of the step.
    crop : int
        Side of the pictures.
    device : torch.device
        Where the model computes.
    precision : {"fp32", "bf16", "fp16"}
        What it computes in.
    limit : float
        Bytes that the small steps must not reach.

    Returns
    -------
    float
        The peak of a step with Adam's two numbers for each weight; infinite where the small
        steps alone would reach `limit`.
    """
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    kept_by_adam = 2 * sum(parameter.nbytes for parameter in learned)
    counts: list[list[int]] = []
    for count in _PROBES:
        if counts and kept_by_adam + 2 * max(counts[-1]) > limit:
            return float("inf")
        pixels = torch.zeros((count, 3, crop, crop), device=device)
        with _Counting() as counting, autocast(device, precision):
            output = model(pixels, torch.tensor([count]))
            total = output.sequence.sum() + output.convolution.sum() + output.tower.sum()
            total.backward()
        counts.append(counting.counts)
        del output, total
        model.zero_grad(set_to_none=True)
    small, large = counts
    fewer, more = _PROBES
    if len(small) == len(large):
        lines = zip(small, large, strict=True)
        peak = max(a + (b - a) * (frames - fewer) / (more - fewer) for a, b in lines)
    else:  # another path through a library: the peaks alone are compared
        peak = max(small) + (max(large) - max(small)) * (frames - fewer) / (more - fewer)
    return kept_by_adam + peak


def give_back_freed_memory() -> None:
    """Make glibc return large freed blocks to the system; elsewhere do nothing.

    By itself it keeps them, and a training step's tensors leave holes between each other:
    ViT-B/16 was seen to take 3.3 GiB for tensors of 0.7. Mapping them anew costs a tenth of the
    time.
    """
    with contextlib.suppress(OSError, AttributeError):  # no glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)
        mallopt(_TRIM_THRESHOLD, _LARGE_BLOCK)


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of live tensors after each operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: list[int] = []
        self._live = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        old = {_storage(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and _storage(leaf) not in old | self._known:
                self._add(leaf)
        self.counts.append(self._live)
        return out

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        self._known.add(key)
        self._live += size
        weakref.finalize(storage, self._remove, key, size)

    def _remove(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._live -= size


def _storage(tensor: Tensor) -> int:
    key: int = tensor.untyped_storage()._cdata
    return key


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
