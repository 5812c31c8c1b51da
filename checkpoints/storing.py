"""Saving and reading checkpoints in both forms, and describing them without their weights."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from slaeval.checkpoints.archive import Archive, RefusedError, Stored
from slaeval.checkpoints.content import DTYPES, Checkpoint, check, check_meta, check_name, plain
from slaeval.checkpoints.forms import form_inside
from slaeval.checkpoints.hub import fetch
from slaeval.checkpoints.safetensors_file import described, parsed, read_tensors
from slaeval.errors import InputError, UsageError
from slaeval.extras import require
from slaeval.files import replacing

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FORMAT", "VERSION", "describe", "form_of", "read_checkpoint", "save_checkpoint"]

FORMAT = "slaeval-checkpoint"
VERSION = 1

#: The one metadata key: a map of several is written in no fixed order.
_KEY = "slaeval"


def form_of(path: str | os.PathLike[str]) -> Literal["pt", "safetensors"]:
    """Return the form that a file to be written is to have, by the end of its name.

    Raises
    ------
    UsageError
        It ends in neither ``.pt`` nor ``.safetensors``.
    """
    end = os.path.splitext(os.fspath(path))[1].lower()
    if end not in (".pt", ".safetensors"):
        raise UsageError(f"{os.fspath(path)}: a checkpoint ends in .pt or .safetensors")
    return "pt" if end == ".pt" else "safetensors"


def save_checkpoint(
    path: str | os.PathLike[str], checkpoint: Checkpoint, slim: bool = False
) -> None:
    """Write a checkpoint, whole or not at all: the same content gives the same bytes.

    Parameters
    ----------
    path : path-like
        Ends in ``.pt`` or ``.safetensors``.
    checkpoint : Checkpoint
        What is written. Tensors may be views of each other, anywhere, and need gradients: copies
        are written.
    slim : bool
        Leave the tower out.

    Raises
    ------
    UsageError
        The name ends in something else.
    InputError
        The checkpoint is not sound, such as a tensor that contains nan.
    SlaevalError
        It cannot be written; what stood there is untouched.
    """
    require("run", "saving a checkpoint")
    form = form_of(path)
    if slim:
        checkpoint = checkpoint.without_tower()
    checkpoint = replace(
        checkpoint,
        **{
            f.name: plain(getattr(checkpoint, f.name), f.name)
            for f in fields(checkpoint)
            if f.name not in ("tensors", "vocabulary")
        },
        tensors=dict(sorted(checkpoint.tensors.items())),
    )
    check(checkpoint)
    checkpoint = replace(checkpoint, tensors=_alone(checkpoint.tensors))
    head = {"format": FORMAT, "version": VERSION}
    # Through JSON, as a pickle also tells which of two equal texts are one object.
    meta = json.loads(json.dumps({**checkpoint.meta(), "hash": checkpoint.hash}, allow_nan=False))
    with replacing(path) as temporary:
        if form == "pt":
            import torch

            with _failing_as_oserror(temporary) as stream:
                torch.save({**head, "meta": meta, "tensors": checkpoint.tensors}, stream)
        else:
            from safetensors.torch import save

            # Its save_file leaves a temporary file of its own behind where the disk is full.
            text = json.dumps({**head, "meta": meta}, allow_nan=False)
            with open(temporary, "xb") as file:
                file.write(save(checkpoint.tensors, metadata={_KEY: text}))


class _Remembering:
    """A stream for torch, which buries the error of a write and takes every write for whole."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        try:
            # The system may write less, always so from 2 GiB on.
            while left:
                left = left[self._stream.write(left) :]
            return memoryview(data).nbytes
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._stream.flush()


@contextlib.contextmanager
def _failing_as_oserror(path: str) -> Iterator[Any]:
    # Without a buffer, so that a full disk fails in write and not at the end.
    with open(path, "xb", buffering=0) as raw:
        stream = _Remembering(raw)
        try:
            yield stream
        except Exception:
            if stream.error is not None:
                raise stream.error from None
            raise


def _alone(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors on the CPU, contiguous, each the only one in its storage."""
    seen: set[int] = set()
    out = {}
    for name, tensor in tensors.items():
        value = tensor.detach().to("cpu").contiguous()
        storage = value.untyped_storage()
        if storage.nbytes() != value.numel() * value.element_size() or storage.data_ptr() in seen:
            value = value.clone()
        seen.add(value.untyped_storage().data_ptr())
        out[name] = value
    return out


def read_checkpoint(path: str | os.PathLike[str], *, head: bool = False) -> Checkpoint:
    """Read a checkpoint of either form; nothing in the file is run.

    Parameters
    ----------
    path : path-like
        The file, or its ``hf://`` address (:mod:`slaeval.checkpoints.hub`); what form it has is
        seen from its content.
    head : bool
        Also accept a head alone, which can start a training and nothing else.

    Raises
    ------
    InputError
        The file is missing, truncated, damaged, of other code, of a newer version, asks for
        anything executable (naming it), or its parts do not fit each other (naming the tensor
        or entry).
    """
    require("run", "reading a checkpoint")
    path = fetch(path).path
    if form_inside(path, "a checkpoint") == "pt":
        with _opened(path) as archive:
            meta, described = _checked_pt(archive)
            tensors = {name: archive.tensor(name, stored) for name, stored in described.items()}
    else:
        meta, _ = _checked_safetensors(path)
        tensors = read_tensors(path)
    found = meta.pop("hash")
    meta["vocabulary"] = tuple(meta["vocabulary"])
    checkpoint = Checkpoint(**meta, tensors=tensors)
    check(checkpoint, path)
    if checkpoint.hash != found:
        raise InputError("its content does not agree with its hash: damaged or changed", path)
    if checkpoint.kind == "head" and not head:
        raise InputError(
            "a head alone, converted from other code: there is no model in it to run; train one "
            f"from it: slaeval train --warm-start {path}",
            path,
        )
    return checkpoint


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return all that a checkpoint says of itself, without reading its weights or torch.

    Parameters
    ----------
    path : path-like
        The file, or its ``hf://`` address.

    Returns
    -------
    dict
        ``path``, ``form``, ``bytes``, ``format``, ``version``, ``slim``, the entries of meta,
        ``parameters`` (how many numbers in each part) and ``tensors`` (dtype and shape of
        each).

    Raises
    ------
    InputError
        As :func:`read_checkpoint`, but for what is wrong with the weights themselves.
    """
    path, address = fetch(path)
    if form_inside(path, "a checkpoint") == "pt":
        with _opened(path) as archive:
            meta, stored = _checked_pt(archive)
        form, tensors = "pt", {name: (one.dtype, one.shape) for name, one in stored.items()}
    else:
        form = "safetensors"
        meta, tensors = _checked_safetensors(path)
    parameters = dict.fromkeys(("adapter", "head", "tower"), 0)
    for name, (_, shape) in tensors.items():
        count = 1
        for size in shape:
            count *= size
        parameters[name.partition(".")[0]] += count
    return {
        "path": address,
        "form": form,
        "bytes": os.stat(path).st_size,
        "format": FORMAT,
        "version": VERSION,
        "slim": not any(name.startswith("tower.") for name in tensors),
        **meta,
        "parameters": parameters,
        "tensors": {
            name: {"dtype": dtype, "shape": list(shape)} for name, (dtype, shape) in tensors.items()
        },
    }


def _opened(path: str) -> Archive:
    try:
        return Archive(path)
    except RefusedError as error:
        from slaeval.checkpoints.foreign import is_foreign

        if is_foreign(path):
            raise InputError(_ADVICE, path) from None
        raise error


_ADVICE = (
    "a checkpoint of VAC, CorrNet, SEN, AdaptSign or code made from them, not of slaeval: its "
    "head can be taken over with 'slaeval ckpt convert … --vocabulary gloss_dict.npy'"
)


def _checked_pt(archive: Archive) -> tuple[dict[str, Any], dict[str, Stored]]:
    """Return meta and the described tensors of a file of torch.save, once they are sound."""
    content, path = archive.content, archive.path
    if not isinstance(content, dict) or "format" not in content:
        from slaeval.checkpoints.foreign import is_foreign

        if is_foreign(path):
            raise InputError(_ADVICE, path)
        if isinstance(content, dict) and any(isinstance(v, Stored) for v in content.values()):
            raise InputError(
                "weights alone (a state dict), without vocabulary or model: not a checkpoint of "
                "slaeval",
                path,
            )
        raise InputError("a file of torch.save, but not a checkpoint of slaeval", path)
    meta = _meta(content, path)
    tensors = content.get("tensors")
    if set(content) != {"format", "version", "meta", "tensors"} or not isinstance(tensors, dict):
        raise InputError("expected format, version, meta and tensors: damaged", path)
    seen = set()
    for name, stored in tensors.items():
        check_name(name, meta["kind"], path)
        if not isinstance(stored, Stored):
            raise InputError(f"{name} is of type {type(stored).__name__}; expected a tensor", path)
        _check_dtype(name, stored.dtype, path)
        if not stored.alone or stored.key in seen:
            raise InputError(f"the tensor {name} shares its bytes: not written by slaeval", path)
        seen.add(stored.key)
    return meta, dict(tensors)


def _meta(content: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return meta of what either form holds, once format, version and entries are seen."""
    if content.get("format") != FORMAT:
        raise InputError(f"the format is {content.get('format')!r:.60}; expected {FORMAT!r}", path)
    version = content.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"the version of the format is {version!r:.40}: damaged", path)
    if version > VERSION:
        raise InputError(
            f"version {version} of the format; this slaeval reads up to {VERSION}: install a "
            "newer one",
            path,
        )
    meta = content.get("meta")
    if not isinstance(meta, dict):
        raise InputError("a checkpoint without meta: damaged", path)
    try:
        meta = plain(meta, "meta")
    except InputError as error:
        raise InputError(str(error), path) from None
    if not isinstance(meta.get("hash"), str):
        raise InputError("a checkpoint without its hash: damaged", path)
    check_meta({name: value for name, value in meta.items() if name != "hash"}, path)
    return dict(meta)


def _check_dtype(name: str, dtype: str, path: str) -> None:
    if dtype not in DTYPES:
        raise InputError(
            f"the tensor {name} is of type {dtype}; expected {', '.join(DTYPES)}", path
        )


def _checked_safetensors(
    path: str,
) -> tuple[dict[str, Any], dict[str, tuple[str, tuple[int, ...]]]]:
    """Return meta and each tensor's type and shape of a safetensors file, once they are sound."""
    metadata, tensors = described(path)
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str):
        from slaeval.checkpoints.foreign import is_foreign

        if is_foreign(path):
            raise InputError(_ADVICE, path)
        raise InputError(
            "weights alone, without vocabulary or model: not a checkpoint of slaeval", path
        )
    meta = _meta(parsed(metadata[_KEY].encode("utf-8", "surrogatepass"), path), path)
    for name, (dtype, shape) in tensors.items():
        check_name(name, meta["kind"], path)
        _check_dtype(name, dtype, path)
        if 0 in shape:
            raise InputError(f"the tensor {name} is empty: damaged", path)
    return meta, tensors
