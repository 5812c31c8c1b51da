"""Several processes, one corpus: who takes what, and when all are done.

Processes are started by ``torchrun``. They share the folder of the run, where each writes its
own journal; beyond that they only wait for each other and agree on what is already done.
"""

from __future__ import annotations

import datetime
import heapq
import os
from collections.abc import Sequence
from typing import Any

import torch.distributed

from slaeval.errors import SlaevalError

__all__ = ["Ranks", "launched", "share_out"]

#: How long a process waits for the slowest one.
_PATIENCE = datetime.timedelta(days=7)


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


class Ranks:
    """The place of this process among those that ``torchrun`` started; alone without it.

    Used as a context: at the end, what it started of torch.distributed is taken down.

    Attributes
    ----------
    rank, count : int
        Which process this is, of how many.
    """

    def __init__(self) -> None:
        self.rank, self.count = launched()
        self._group: Any = None
        self._started = False

    def __enter__(self) -> Ranks:
        if self.count > 1:
            if not torch.distributed.is_available():
                raise SlaevalError("this torch has no torch.distributed: run without torchrun")
            if not torch.distributed.is_initialized():
                torch.distributed.init_process_group("gloo", timeout=_PATIENCE)
                self._started = True
            else:
                # The group may be NCCL's, which speaks of tensors on cards only.
                self._group = torch.distributed.new_group(backend="gloo", timeout=_PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        if self._started:
            torch.distributed.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this process speaks for all."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until every process has come here."""
        self.agree(None)

    def agree(self, value: Any) -> Any:
        """Return what the first process holds as `value`.

        Raises
        ------
        SlaevalError
            Another process failed.
        """
        if self.count == 1:
            return value
        held = [value]
        try:
            torch.distributed.broadcast_object_list(held, src=0, group=self._group)
            torch.distributed.barrier(group=self._group)
        except RuntimeError as error:
            raise SlaevalError("another rank failed; see its error") from error
        return held[0]
