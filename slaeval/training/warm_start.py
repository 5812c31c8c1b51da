"""Starting from another checkpoint: whatever agrees, classes by their glosses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from slaeval.errors import UsageError

if TYPE_CHECKING:
    from slaeval.checkpoints import Checkpoint
    from slaeval.models import Recogniser

__all__ = ["warm_start"]


def warm_start(model: Recogniser, source: Checkpoint, vocabulary: Sequence[str]) -> str:
    """Copy weights of a checkpoint into a model that is to be trained.

    Tensors are taken where name and shape agree. A classifier's rows are taken gloss by gloss,
    so that another vocabulary, or the same in another order, keeps what is known.

    Parameters
    ----------
    model : Recogniser
        Changed in place.
    source : Checkpoint
        Where from.
    vocabulary : sequence of str
        Glosses of the model's classes 1, 2, …

    Returns
    -------
    str
        What was taken and what was not, for people.

    Raises
    ------
    UsageError
        Nothing agrees.
    """
    places = {gloss: number for number, gloss in enumerate(source.vocabulary, 1)}
    rows = [(0, 0)] + [
        (number, places[gloss]) for number, gloss in enumerate(vocabulary, 1) if gloss in places
    ]
    classes = (len(vocabulary) + 1, len(source.vocabulary) + 1)
    taken: dict[str, dict[str, Tensor]] = {}
    left: list[str] = []
    for part, mine in (("adapter", model.adapter_state()), ("head", model.head_state())):
        taken[part] = {}
        for name, tensor in mine.items():
            new = _merged(tensor, source.tensors.get(f"{part}.{name}"), rows, classes)
            if new is None:
                left.append(f"{part}.{name}")
            taken[part][name] = tensor if new is None else new
    total = sum(map(len, taken.values()))
    if len(left) == total:
        raise UsageError(
            "nothing of that checkpoint fits this model: another variant, backbone or head"
        )
    model.load_states(taken["adapter"], taken["head"])
    text = (
        f"started from a checkpoint of {source.corpus.get('name', 'unknown')}: "
        f"{total - len(left)} of {total} tensors, {len(rows) - 1} of {len(vocabulary)} glosses"
    )
    return text + (f"; left as initialised: {', '.join(left[:4])}" if left else "")


def _merged(
    mine: Tensor,
    theirs: Tensor | None,
    rows: Sequence[tuple[int, int]],
    classes: Mapping[int, int] | tuple[int, int],
) -> Tensor | None:
    """Return what a tensor becomes; None where nothing can be taken."""
    if theirs is None or mine.ndim != theirs.ndim:
        return None
    axes = [axis for axis, size in enumerate(mine.shape) if size == classes[0]]
    for axis in axes:
        wanted = list(mine.shape)
        wanted[axis] = classes[1]
        if list(theirs.shape) == wanted and "classifier" in _CLASSIFIER:
            new = mine.clone()
            to, source = zip(*rows, strict=True)
            index: list[slice | list[int]] = [slice(None)] * mine.ndim
            index[axis] = list(to)
            other: list[slice | list[int]] = [slice(None)] * mine.ndim
            other[axis] = list(source)
            new[tuple(index)] = theirs[tuple(other)].to(mine)
            return new
    return theirs.to(mine) if theirs.shape == mine.shape else None


_CLASSIFIER = ("classifier",)
