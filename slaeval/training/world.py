"""Several processes that train one model, started by ``torchrun``.

Gradients are summed over the processes after the backward pass. The loss of every clip is
divided by the size of the whole batch, so that n processes with b clips each do what one process
does with n·b.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from slaeval.errors import SlaevalError, UsageError
from slaeval.recognition.distributed import launched

__all__ = ["World", "joined", "sum_gradients"]

#: How long a process waits for the slowest one: reading all frames before the first step and
#: evaluating take longer than torch's ten minutes.
_PATIENCE = datetime.timedelta(hours=2)


class World(NamedTuple):
    """One process among all.

    Attributes
    ----------
    rank, size : int
        Which process of how many.
    device : torch.device
        Where it computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def gather(self, mine: Any) -> list[Any]:
        """Return what every process gave, in the order of ranks."""
        if self.size == 1:
            return [mine]
        given: list[Any] = [None] * self.size
        dist.all_gather_object(given, mine)
        return given

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """Join the processes that ``torchrun`` started; one alone without it.

    Raises
    ------
    UsageError
        There are several, on a device that has no way to send to another one.
    SlaevalError
        Another process failed, and this one was waiting for it.
    """
    rank, size = launched()
    if size == 1:
        yield World(0, 1, device)
        return
    if device.type not in ("cuda", "cpu"):
        raise UsageError(f"several processes cannot share {device}: start one, or --device cpu")
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE)
    failed = True
    try:
        yield World(rank, size, device)
        failed = False
    except RuntimeError as error:
        if not _lost_another(error):
            raise
        raise SlaevalError("another rank failed; see its error") from error
    finally:
        # After a failure NCCL would wait here for processes that wait for this one: it leaves,
        # and torchrun ends them.
        if not (failed and backend == "nccl"):
            dist.destroy_process_group()


def _lost_another(error: RuntimeError) -> bool:
    """Tell whether a message between processes did not come through."""
    if isinstance(error, dist.DistError):
        return True
    text = str(error).lower()  # gloo has no class of its own
    return "gloo" in text or "connection closed by peer" in text or "connection reset" in text


def sum_gradients(parameters: Iterable[torch.nn.Parameter], world: World) -> None:
    """Add up the gradients of all processes, in one message."""
    if world.size == 1:
        return
    gradients = [
        torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for parameter in parameters
    ]
    flat = torch._utils._flatten_dense_tensors(gradients)  # type: ignore[no-untyped-call]
    dist.all_reduce(flat)
    together = torch._utils._unflatten_dense_tensors(flat, gradients)  # type: ignore[no-untyped-call]
    for parameter, gradient in zip(parameters, together, strict=True):
        parameter.grad = gradient
