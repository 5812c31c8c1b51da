"""What can go wrong in an optimiser step, said so that a user knows what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from slaeval.errors import SlaevalError
from slaeval.recognition.batches import Batch
from slaeval.recognition.predictor import out_of_memory

__all__ = ["check_finite", "explained"]


@contextlib.contextmanager
def explained(batch: Batch, device: torch.device, step: int) -> Iterator[None]:
    """Turn running out of memory in here into an error that names the batch.

    Raises
    ------
    SlaevalError
        The device has run out of memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise SlaevalError(
            f"{device} ran out of memory in step {step + 1}, on {len(batch.ids)} clips with "
            f"{int(batch.lengths.sum())} frames ({', '.join(batch.ids)}): lower --batch-size or "
            "--set max_frames=…, or use --set gradient_checkpointing=true"
        ) from None


def check_finite(
    what: str, value: Tensor, terms: Mapping[str, Tensor], ids: Sequence[str], when: str
) -> None:
    """Stop the run where a value is infinite or not a number.

    Parameters
    ----------
    what : str
        Name of the value.
    value : Tensor
        One number.
    terms : mapping
        What it was made from, each [B], to find the clips at fault.
    ids : sequence of str
        The B clips.
    when : str
        Epoch and step.

    Raises
    ------
    SlaevalError
        It is not finite; names the clips, and the terms if they are known.
    """
    if torch.isfinite(value):
        return
    wrong = {name: ~torch.isfinite(term.detach().cpu()) for name, term in terms.items()}
    names = [name for name, rows in wrong.items() if rows.any()]
    where = f" in {', '.join(names)}" if names else ""
    at_fault = [id for row, id in enumerate(ids) if any(rows[row] for rows in wrong.values())]
    raise SlaevalError(
        f"the {what} is not a number{where}, in {when}, on the clips {', '.join(at_fault or ids)}. "
        "The last saved state is intact. Lower the learning rate (--lr) or set --set clip_norm=…, "
        "or use --precision fp32; if it is always the same clip, check its frames and labels"
    )
