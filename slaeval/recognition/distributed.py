"""Several processes that ``torchrun`` started: who takes what, and what all must agree on.

Processes send each other objects and wait for each other; a trainer also sums gradients. The
first process decides where only one may; what every process works out for itself (which clips
there are, which settings) is compared at the start, because two that differ would wait for each
other for ever, or do different things in silence.
"""

from __future__ import annotations

import datetime
import hashlib
import heapq
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from slaeval.errors import SlaevalError, UsageError

__all__ = ["World", "joined", "launched", "share_out"]

#: How long a process waits for the slowest one: hours may lie between the first clip that one
#: has read and the last of another.
_PATIENCE = datetime.timedelta(days=7)

#: The same between two steps on cards.
_PATIENCE_OF_STEPS = datetime.timedelta(hours=2)


def launched() -> tuple[int, int]:
    """Return which process this is, and of how many that ``torchrun`` started; (0, 1) alone."""
    # Some clusters set WORLD_SIZE alone, for a job that is one process.
    if not all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR")):
        return 0, 1
    count = int(os.environ["WORLD_SIZE"])
    return (int(os.environ["RANK"]) if count > 1 else 0), count


def share_out(lengths: Sequence[int], ranks: int) -> list[list[int]]:
    """Divide clips among processes, none lost and none twice.

    Longest first, each to the process with the fewest frames so far (Graham, "Bounds on
    multiprocessing timing anomalies", 1969: at most 4/3 of the best possible).

    Parameters
    ----------
    lengths : sequence of int
        Frames of each clip.
    ranks : int
        How many processes.

    Returns
    -------
    list of list of int
        Indices of each process's clips, ascending.
    """
    heap = [(0, rank) for rank in range(ranks)]
    shares: list[list[int]] = [[] for _ in range(ranks)]
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        frames, rank = heap[0]
        shares[rank].append(index)
        heapq.heapreplace(heap, (frames + lengths[index], rank))
    return [sorted(share) for share in shares]


@dataclass(frozen=True)
class World:
    """One process among all that work on one job; alone without ``torchrun``.

    Attributes
    ----------
    rank, size : int
        Which process this is, of how many.
    objects : optional
        The group of torch.distributed that sends objects; the default group without it.
    on_this_machine : int
        How many of them share this machine and its memory.
    """

    rank: int = 0
    size: int = 1
    objects: Any = None
    on_this_machine: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks for all."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until every process is here."""
        self.gather(None)

    def gather(self, value: Any) -> list[Any]:
        """Return what every process gave, in the order of ranks."""
        if self.size == 1:
            return [value]
        given: list[Any] = [None] * self.size
        dist.all_gather_object(given, value, group=self.objects)
        return given

    def agree(self, value: Any) -> Any:
        """Return what the first process holds as `value`."""
        if self.size == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0, group=self.objects)
        return held[0]

    def largest(self, *values: int) -> list[int]:
        """Return the largest of what the processes gave, number by number."""
        if self.size == 1:
            return list(values)
        numbers = torch.tensor(values)
        dist.all_reduce(numbers, dist.ReduceOp.MAX, group=self.objects)
        return numbers.tolist()

    def check_same(self, settings: Mapping[str, Any]) -> None:
        """Make sure that every process works on the same.

        Parameters
        ----------
        settings : mapping
            Name to a value as JSON can hold it; the same names in every process.

        Raises
        ------
        SlaevalError
            Two processes differ; raised in all of them at once.
        """
        if self.size == 1:
            return
        given = self.gather({name: _described(value) for name, value in settings.items()})
        for rank, other in enumerate(given):
            for name, (digest, text) in given[0].items():
                if other[name][0] != digest:
                    raise SlaevalError(
                        f"process {rank} differs from process 0 in {name}: {other[name][1]} "
                        f"instead of {text}. All processes must see the same files: look for a "
                        "disk that was slow or not mounted there, and start again"
                    )


def _described(value: Any) -> tuple[str, str]:
    """Return a digest of a value, and a few words for people."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    if len(text) > 200:
        text = f"{len(value)} entries, {digest[:8]}"
    return digest, text


@contextmanager
def joined(device: torch.device, *, sums_gradients: bool = False) -> Iterator[World]:
    """Join the processes that ``torchrun`` started; one alone without it.

    Parameters
    ----------
    device : torch.device
        Where this process computes.
    sums_gradients : bool
        Tensors of `device` will be sent too, as a trainer does.

    Raises
    ------
    UsageError
        There are several processes that sum gradients on a device that cannot send them.
    SlaevalError
        Another process failed, and this one was waiting for it.
    """
    rank, size = launched()
    if size == 1:
        yield World()
        return
    if not dist.is_available():
        raise SlaevalError("this torch has no torch.distributed: run without torchrun")
    if sums_gradients and device.type not in ("cuda", "cpu"):
        raise UsageError(f"several processes cannot share {device}: start one, or --device cpu")
    cards = sums_gradients and device.type == "cuda"
    started = not dist.is_initialized()
    if started:
        patience = _PATIENCE_OF_STEPS if cards else _PATIENCE
        dist.init_process_group("nccl" if cards else "gloo", timeout=patience)
    failed = True
    try:
        # NCCL, and perhaps the group of whoever calls this, sends tensors on cards only.
        apart = cards or not started
        objects = dist.new_group(backend="gloo", timeout=_PATIENCE) if apart else None
        local = int(os.environ.get("LOCAL_WORLD_SIZE", size))
        yield World(rank, size, objects, local)
        failed = False
    except RuntimeError as error:
        if not _lost_another(error):
            raise
        raise SlaevalError("another rank failed; see its error") from error
    finally:
        # After a failure NCCL would wait here for processes that wait for this one: it leaves,
        # and torchrun ends them.
        if started and not (failed and cards):
            dist.destroy_process_group()


def _lost_another(error: RuntimeError) -> bool:
    """Tell whether a message between processes did not come through."""
    if isinstance(error, dist.DistError):
        return True
    text = str(error).lower()  # gloo has no class of its own
    return "gloo" in text or "connection closed by peer" in text or "connection reset" in text
