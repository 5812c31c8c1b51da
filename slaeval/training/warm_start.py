"""Starting from another checkpoint: the tensors that fit, classes matched by gloss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from slaeval.errors import UsageError

if TYPE_CHECKING:
    from slaeval.checkpoints import Checkpoint
    from slaeval.models.recogniser import Recogniser

__all__ = ["warm_start"]


#: Settings under which the same weights mean something else.
_MEANING = (
    *("lora_alpha", "shift_fraction"),
    *("adapter_position", "adapter_activation", "adapter_class_token"),
)


def warm_start(
    model: Recogniser, source: Checkpoint, vocabulary: Sequence[str], *, tower: str
) -> str:
    """Copy weights of a checkpoint into a model that is to be trained.

    A tensor is copied where name and shape agree. Classifiers are copied gloss by gloss, so that
    another vocabulary, or the same in another order, keeps the glosses that both have.

    Parameters
    ----------
    model : Recogniser
        Changed in place.
    source : Checkpoint
        The checkpoint to start from.
    vocabulary : sequence of str
        Glosses of the model's classes 1, 2, …
    tower : str
        Hash of the model's tower.

    Returns
    -------
    str
        A message that says what was taken over and what was not.

    Raises
    ------
    UsageError
        Nothing agrees.
    """
    places = {gloss: number for number, gloss in enumerate(source.vocabulary, 1)}
    columns = [(0, 0)] + [
        (number, places[gloss]) for number, gloss in enumerate(vocabulary, 1) if gloss in places
    ]
    weights, left = {}, []
    for name, initial in model.trained_state().items():
        found = _matching(name, initial, source.tensors.get(name), columns)
        weights[name] = initial if found is None else found
        if found is None:
            left.append(name)
    if len(left) == len(weights):
        raise UsageError(
            "nothing of that checkpoint fits this model: another variant, backbone or head"
        )
    model.load_trained(weights)
    text = (
        f"started from a checkpoint of {source.corpus.get('name') or 'an unknown corpus'}: "
        f"{len(weights) - len(left)} of {len(weights)} tensors, {len(columns) - 1} of "
        f"{len(vocabulary)} glosses"
    )
    if left:
        more = f" and {len(left) - 4} more" if len(left) > 4 else ""
        text += f"; left as initialised: {', '.join(left[:4])}{more}"
    if any(name.startswith("adapter.") for name in weights.keys() - set(left)):
        text += "".join(f"; Note: {note}" for note in _changed_meaning(model, source, tower))
    return text


def _matching(
    name: str, initial: Tensor, found: Tensor | None, columns: Sequence[tuple[int, int]]
) -> Tensor | None:
    """Return what a tensor starts from; None where the checkpoint has nothing that fits.

    Of a classifier [inputs, classes], `columns` says which to take from which.
    """
    if found is None:
        return None
    if not name.endswith("classifier.weight"):
        return found if found.shape == initial.shape else None
    if found.shape[0] != initial.shape[0]:
        return None
    new = initial.clone()
    to, source = (list(places) for places in zip(*columns, strict=True))
    new[:, to] = found[:, source].to(new)
    return new


def _changed_meaning(model: Recogniser, source: Checkpoint, tower: str) -> Iterator[str]:
    """Yield why the same adapter does something else in this model."""
    if source.backbone.get("hash") != tower:
        yield f"it was trained on another tower, {source.backbone.get('name')}"
    here = model.config.to_dict()
    for name in _MEANING:
        if (there := source.model.get(name, here[name])) != here[name]:
            yield f"{name} was {there}, here it is {here[name]}"
