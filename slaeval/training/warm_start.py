"""Starting from another checkpoint: whatever agrees, classes by their glosses."""

from __future__ import annotations

from collections.abc import Sequence
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

    Tensors are taken where name and shape agree; classifiers gloss by gloss, so that another
    vocabulary, or the same in another order, keeps what is known.

    Parameters
    ----------
    model : Recogniser
        Changed in place.
    source : Checkpoint
        Where from.
    vocabulary : sequence of str
        Glosses of the model's classes 1, 2, …
    tower : str
        Hash of the model's tower.

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
    taken: dict[str, dict[str, Tensor]] = {"adapter": {}, "head": {}}
    left: list[str] = []
    for part, mine in (("adapter", model.adapter_state()), ("head", model.head_state())):
        theirs = source.part(part)  # type: ignore[arg-type]
        for name, tensor in mine.items():
            given = theirs.get(name)
            if given is not None and name.endswith("classifier.weight"):
                new = _by_gloss(tensor, given, rows)
            else:
                new = given if given is not None and given.shape == tensor.shape else None
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
        f"started from a checkpoint of {source.corpus.get('name') or 'an unknown corpus'}: "
        f"{total - len(left)} of {total} tensors, {len(rows) - 1} of {len(vocabulary)} glosses"
    )
    if left:
        more = f" and {len(left) - 4} more" if len(left) > 4 else ""
        text += f"; left as initialised: {', '.join(left[:4])}{more}"
    if taken["adapter"] and not set(left) >= {f"adapter.{name}" for name in taken["adapter"]}:
        if source.backbone.get("hash") != tower:
            text += f"; beware: it was trained on another tower, {source.backbone.get('name')}"
        here = model.config.to_dict()
        for name in _MEANING:
            if (there := source.model.get(name, here[name])) != here[name]:
                text += f"; beware: {name} was {there}, here it is {here[name]}"
    return text


def _by_gloss(mine: Tensor, theirs: Tensor, rows: Sequence[tuple[int, int]]) -> Tensor | None:
    """Return a classifier [inputs, classes] with the columns of known glosses taken over."""
    if mine.shape[0] != theirs.shape[0]:
        return None
    new = mine.clone()
    to, source = (list(places) for places in zip(*rows, strict=True))
    new[:, to] = theirs[:, source].to(new)
    return new
