"""The content of a checkpoint, and the checks that apply whatever file it comes from."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from slaeval.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DTYPES", "Checkpoint", "check", "check_meta", "new_checkpoint", "plain", "tower_hash"]

#: Types of numbers allowed in a checkpoint. Running statistics count batches in int64.
DTYPES = ("float32", "float16", "bfloat16", "int64")

_PARTS = ("adapter", "head", "tower")
#: Most values in meta: far above any vocabulary, far below what would do harm.
_MOST_VALUES = 2_000_000
_DEEPEST = 32


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained recogniser with everything needed to use it.

    Attributes
    ----------
    model : dict
        Configuration of the model (``ModelConfig.to_dict()``); at least ``classes``.
    vocabulary : tuple of str
        Class i + 1 is ``vocabulary[i]``; class 0 is the blank.
    preprocessing, decoding : dict
        How frames are preprocessed, and probabilities decoded.
    corpus : dict
        ``name``, ``setup``, ``labels`` and ``fps`` (frames per second) of what it was trained on.
    protocol : str
        The protocol of its metrics.
    recipe, metrics : dict
        How it was trained, and what was measured when it was saved.
    backbone : dict
        ``name``, ``pretrained`` and ``hash`` of the tower; empty if there is only a head.
    tensors : dict of str to Tensor
        Weights under ``adapter.*``, ``head.*`` and, unless slim, ``tower.*``; on the CPU.
    versions : dict
        Versions of the software that saved it.
    kind : {"recogniser", "head"}
        A head, converted from other code, can only be used to start training.
    """

    model: dict[str, Any]
    vocabulary: tuple[str, ...]
    preprocessing: dict[str, Any]
    decoding: dict[str, Any]
    corpus: dict[str, Any]
    protocol: str
    recipe: dict[str, Any]
    metrics: dict[str, Any]
    backbone: dict[str, Any]
    tensors: dict[str, Tensor]
    versions: dict[str, Any] = field(default_factory=dict)
    kind: Literal["recogniser", "head"] = "recogniser"

    @property
    def slim(self) -> bool:
        """Whether the tower is only named, not included."""
        return not any(name.startswith("tower.") for name in self.tensors)

    @property
    def hash(self) -> str:
        """SHA-256 over meta and the weights of adapter and head.

        The same for ``.pt`` and ``.safetensors``, slim or not: the tower enters by its hash.
        """
        digest = hashlib.sha256(_canonical(self.meta()))
        _add(digest, {n: t for n, t in self.tensors.items() if not n.startswith("tower.")})
        return digest.hexdigest()

    def part(self, name: Literal["adapter", "head", "tower"]) -> dict[str, Tensor]:
        """Return the tensors of one part, under their names in it."""
        prefix = f"{name}."
        return {
            key.removeprefix(prefix): value
            for key, value in self.tensors.items()
            if key.startswith(prefix)
        }

    def meta(self) -> dict[str, Any]:
        """Return everything but the tensors, as in a file."""
        found = {
            "kind": self.kind,
            **{f.name: getattr(self, f.name) for f in fields(self) if f.name not in _APART},
        }
        return {**found, "vocabulary": list(self.vocabulary)}

    def without_tower(self) -> Checkpoint:
        """Return the slim form."""
        return replace(
            self,
            tensors={n: t for n, t in self.tensors.items() if not n.startswith("tower.")},
        )

    def __repr__(self) -> str:
        return (
            f"<Checkpoint {self.model.get('variant', self.kind)} on "
            f"{self.backbone.get('name', 'no backbone')}, {len(self.vocabulary)} glosses of "
            f"{self.corpus.get('name')}, {len(self.tensors)} tensors>"
        )


_APART = ("tensors", "kind")
_KINDS = ("recogniser", "head")


def new_checkpoint(
    *,
    model: Mapping[str, Any],
    vocabulary: Iterable[str],
    preprocessing: Mapping[str, Any],
    decoding: Mapping[str, Any],
    corpus: Mapping[str, Any],
    protocol: str,
    recipe: Mapping[str, Any],
    metrics: Mapping[str, Any],
    backbone: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    kind: Literal["recogniser", "head"] = "recogniser",
) -> Checkpoint:
    """Make a checkpoint with this installation's versions; parameters as for :class:`Checkpoint`.

    Raises
    ------
    InputError
        Something in it is not plain data, or contradicts the rest.
    """
    checkpoint = Checkpoint(
        **{
            name: plain(dict(value), name)
            for name, value in {
                "model": model,
                "preprocessing": preprocessing,
                "decoding": decoding,
                "corpus": corpus,
                "recipe": recipe,
                "metrics": metrics,
                "backbone": backbone,
            }.items()
        },
        protocol=protocol,
        vocabulary=tuple(vocabulary),
        tensors=dict(tensors),
        versions=_versions(),
        kind=kind,
    )
    check(checkpoint)
    return checkpoint


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    from slaeval._version import __version__

    found = {"slaeval": __version__}
    for name, distribution in (
        ("torch", "torch"),
        ("open_clip", "open_clip_torch"),
        ("peft", "peft"),
        ("numpy", "numpy"),
    ):
        try:
            found[name] = version(distribution)
        except PackageNotFoundError:
            continue
    return found


def plain(value: Any, where: str) -> Any:
    """Return `value` as after a round trip through JSON: dicts, lists, strings, numbers, None.

    Raises
    ------
    InputError
        It contains something else, and the message says where; or it is endless.
    """
    left = [_MOST_VALUES]
    return _plain(value, where, left, 0)


def _plain(value: Any, where: str, left: list[int], depth: int) -> Any:
    left[0] -= 1
    if depth > _DEEPEST or left[0] < 0:
        raise InputError(f"{where} is nested too deeply or too large: not the meta of a checkpoint")
    if value is None or isinstance(value, (bool, str)):
        return value if value is None or isinstance(value, bool) else str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{where} is {value}, which JSON cannot represent")
        return float(value)
    if isinstance(value, (list, tuple)):
        return [
            _plain(item, f"{where}[{index}]", left, depth + 1) for index, item in enumerate(value)
        ]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InputError(f"{where} has the key {key!r:.40}; expected text")
        return {
            str(key): _plain(item, f"{where}.{key}", left, depth + 1) for key, item in value.items()
        }
    raise InputError(f"{where} is of type {type(value).__name__}: not plain data")


def check_meta(meta: Mapping[str, Any], path: str | None = None) -> None:
    """Check that meta has what a checkpoint needs, and that its parts are consistent.

    Raises
    ------
    InputError
        An entry is missing, unknown, of a wrong type or inconsistent; the message names it.
    """
    expected = {f.name for f in fields(Checkpoint)} - {"tensors"}
    for name in sorted(expected - meta.keys()):
        raise InputError(f"a checkpoint without {name}: damaged, or not written by slaeval", path)
    for name in sorted(meta.keys() - expected):
        raise InputError(f"a checkpoint with an unknown entry {name!r:.60}", path)
    if meta["kind"] not in _KINDS:
        raise InputError(f"a checkpoint of unknown kind {meta['kind']!r:.60}", path)
    for name in sorted(expected - {"kind", "vocabulary", "protocol"}):
        if not isinstance(meta[name], dict):
            raise InputError(f"{name} is {meta[name]!r:.40}; expected named values", path)
    if not isinstance(meta["protocol"], str):
        raise InputError(f"protocol is {meta['protocol']!r:.40}; expected its name", path)
    check_vocabulary(meta["vocabulary"], path)
    _check_class_count(meta, path)
    _check_backbone(meta, path)


def check_vocabulary(vocabulary: object, path: str | None = None) -> None:
    """Check that a vocabulary is a list of distinct glosses.

    Raises
    ------
    InputError
        An entry is wrong; the message names the first.
    """
    if not isinstance(vocabulary, list) or not all(isinstance(g, str) for g in vocabulary):
        raise InputError("vocabulary is not a list of glosses", path)
    places: dict[str, int] = {}
    for number, gloss in enumerate(vocabulary, 1):
        if not gloss or gloss.split() != [gloss]:
            raise InputError(
                f"class {number} of the vocabulary is {gloss!r:.60}: not a gloss", path
            )
        if gloss in places:
            raise InputError(
                f"the vocabulary has {gloss!r} twice, as classes {places[gloss]} and {number}", path
            )
        places[gloss] = number


def _check_class_count(meta: Mapping[str, Any], path: str | None) -> None:
    vocabulary = meta["vocabulary"]
    classes = meta["model"].get("classes")
    if not isinstance(classes, int) or isinstance(classes, bool):
        raise InputError(f"model.classes is {classes!r:.40}; expected a whole number", path)
    if classes != len(vocabulary) + 1:
        raise InputError(
            f"the model has {classes} classes, the vocabulary {len(vocabulary)} glosses; expected "
            "one class more than glosses, for the blank",
            path,
        )


def _check_backbone(meta: Mapping[str, Any], path: str | None) -> None:
    backbone = meta["backbone"]
    if meta["kind"] == "head":
        if backbone:
            raise InputError("a head alone that names a backbone", path)
        return
    name, pretrained, hash_ = (backbone.get(key) for key in ("name", "pretrained", "hash"))
    if not isinstance(name, str) or not isinstance(pretrained, (str, type(None))):
        raise InputError("backbone lacks its name, or the name of its weights is not text", path)
    if not isinstance(hash_, str) or not re.fullmatch("[0-9a-f]{64}", hash_):
        raise InputError(f"backbone.hash is {hash_!r:.80}; expected 64 hexadecimal digits", path)
    if meta["model"].get("backbone", name) != name:
        raise InputError(
            f"the model is built on {meta['model']['backbone']!r:.60}, but the backbone is "
            f"{name!r:.60}",
            path,
        )


def check(checkpoint: Checkpoint, path: str | None = None) -> None:
    """Check that a checkpoint is sound: meta, every tensor, the tower against its hash.

    Raises
    ------
    InputError
        It is not; the message names the tensor or entry at fault.
    """
    import torch

    check_meta(checkpoint.meta(), path)
    for name, tensor in checkpoint.tensors.items():
        check_name(name, checkpoint.kind, path)
        if not isinstance(tensor, torch.Tensor) or type(tensor) not in (
            torch.Tensor,
            torch.nn.Parameter,
        ):
            raise InputError(f"{name} is of type {type(tensor).__name__}; expected a tensor", path)
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            raise InputError(
                f"the tensor {name} is not plain: sparse, quantised or without data", path
            )
        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype not in DTYPES:
            raise InputError(
                f"the tensor {name} is of type {dtype}; expected {', '.join(DTYPES)}", path
            )
        if not tensor.numel():
            raise InputError(f"the tensor {name} is empty", path)
        if tensor.is_floating_point():
            # Thirty times as fast as isfinite; nan propagates.
            for value in map(float, torch.aminmax(tensor.detach())):
                if not math.isfinite(value):
                    raise InputError(f"the tensor {name} contains {value}: training diverged", path)
    _check_classes(checkpoint, path)
    if not checkpoint.slim:
        found = tower_hash(checkpoint.part("tower"))
        if found != checkpoint.backbone["hash"]:
            raise InputError(
                f"the tower inside has the hash {found[:12]}…, but the checkpoint belongs to "
                f"{checkpoint.backbone['name']} with {checkpoint.backbone['hash'][:12]}…",
                path,
            )


def check_name(name: object, kind: str, path: str | None) -> None:
    """Check that a tensor's name says which part it belongs to."""
    part = name.split(".")[0] if isinstance(name, str) else None
    if part not in _PARTS or not cast(str, name).removeprefix(f"{part}."):
        raise InputError(
            f"a tensor named {name!r:.60}; expected adapter.…, head.… or tower.…", path
        )
    if kind == "head" and part != "head":
        raise InputError(f"a head alone that contains {name}", path)


def _check_classes(checkpoint: Checkpoint, path: str | None) -> None:
    """Check that the head has the right number of classes."""
    if not any(name.startswith("head.") for name in checkpoint.tensors):
        raise InputError("a checkpoint without the weights of a head", path)
    classes = checkpoint.model["classes"]
    for name, tensor in checkpoint.tensors.items():
        # [inputs, classes], as a normalised classifier is usually stored.
        classifies = name.startswith("head.") and name.endswith("classifier.weight")
        if classifies and (tensor.ndim != 2 or tensor.shape[1] != classes):
            raise InputError(
                f"the tensor {name} is {list(tensor.shape)}, but the model has {classes} classes",
                path,
            )


def tower_hash(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a tower's weights, 64 hexadecimal digits.

    Over names, shapes and the values as little-endian float32, in the order of the names; so it
    does not depend on type, device or order.

    Parameters
    ----------
    tensors : mapping
        Tensors by open_clip's names, without ``tower.``.
    """
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{name} {list(value.shape)}\n".encode())
        digest.update(value.numpy().astype("<f4", copy=False).data)
    return digest.hexdigest()


def _canonical(meta: Mapping[str, Any]) -> bytes:
    return json.dumps(meta, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _add(digest: Any, tensors: Mapping[str, Tensor]) -> None:
    """Add names, types, shapes and bytes of tensors to a hash."""
    import torch

    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
