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
from slaeval.checkpoints.hub import fetch, is_address
from slaeval.checkpoints.safetensors_file import described, parsed, read_tensors
from slaeval.errors import InputError, UsageError
from slaeval.extras import require
from slaeval.files import replacing

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FORMAT", "VERSION", "describe", "form_of", "read_checkpoint", "save_checkpoint"]

FORMAT = "slaeval-checkpoint"
VERSION = 1

#: The only metadata key: several would be written in no fixed order.
_KEY = "slaeval"


def form_of(path: str | os.PathLike[str]) -> Literal["pt", "safetensors"]:
    """Return the form in which to write a file, from its extension.

    Raises
    ------
    UsageError
        The extension is neither ``.pt`` nor ``.safetensors``, or it is an address on the Hub.
    """
    if is_address(path):
        raise UsageError(
            f"{os.fspath(path)}: a checkpoint is written to a file; 'slaeval ckpt push' uploads it"
        )
    end = os.path.splitext(os.fspath(path))[1].lower()
    if end not in (".pt", ".safetensors"):
        raise UsageError(f"{os.fspath(path)}: a checkpoint ends in .pt or .safetensors")
    return "pt" if end == ".pt" else "safetensors"


def save_checkpoint(
    path: str | os.PathLike[str], checkpoint: Checkpoint, slim: bool = False
) -> None:
    """Write a checkpoint, completely or not at all; the same content gives the same bytes.

    Parameters
    ----------
    path : path-like
        Ends in ``.pt`` or ``.safetensors``.
    checkpoint : Checkpoint
        What to write. Tensors may be views of each other, on any device, and require gradients:
        copies are written.
    slim : bool
        Leave the tower out.

    Raises
    ------
    UsageError
        The name has another extension.
    InputError
        The checkpoint is not sound, such as a tensor that contains nan.
    SlaevalError
        It cannot be written; an existing file is untouched.
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
    # Through JSON, since a pickle also records which equal texts are the same object.
    meta = json.loads(json.dumps({**checkpoint.meta(), "hash": checkpoint.hash}, allow_nan=False))
    with replacing(path) as temporary:
        if form == "pt":
            import torch

            with _failing_as_oserror(temporary) as stream:
                torch.save({**head, "meta": meta, "tensors": checkpoint.tensors}, stream)
        else:
            from safetensors.torch import save

            # Its save_file leaves a temporary file behind if the disk is full.
            text = json.dumps({**head, "meta": meta}, allow_nan=False)
            with open(temporary, "xb") as file:
                file.write(save(checkpoint.tensors, metadata={_KEY: text}))


class _Remembering:
    """A stream for torch, which hides write errors and assumes that every write is complete."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        try:
            # The system may write less, and always does from 2 GiB on.
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
    # Unbuffered, so that a full disk fails in write and not at the end.
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
    """Read a checkpoint in either form; nothing in the file is executed.

    Parameters
    ----------
    path : path-like
        The file, or its ``hf://`` address (:mod:`slaeval.checkpoints.hub`); its form is detected
        from the content.
    head : bool
        Also accept a head, which can only be used to start training.

    Raises
    ------
    InputError
        The file is missing, truncated, damaged, from other code, of a newer version, refers to
        anything executable (naming it), or its parts are inconsistent (naming the tensor or
        entry).
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
    """Return everything a checkpoint says about itself, without its weights or torch.

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
        As for :func:`read_checkpoint`, except for errors in the weights themselves.
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
    "head can be converted with 'slaeval ckpt convert … --vocabulary gloss_dict.npy'"
)


def _checked_pt(archive: Archive) -> tuple[dict[str, Any], dict[str, Stored]]:
    """Validate a file of torch.save and return its meta and the described tensors."""
    content, path = archive.content, archive.path
    if not isinstance(content, dict) or "format" not in content:
        from slaeval.checkpoints.foreign import is_foreign

        if is_foreign(path):
            raise InputError(_ADVICE, path)
        if isinstance(content, dict) and any(isinstance(v, Stored) for v in content.values()):
            raise InputError(
                "only weights (a state dict), without vocabulary or model: not a checkpoint of "
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
    """Return meta from either form, after checking format, version and entries."""
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
    """Validate a safetensors file and return its meta and each tensor's type and shape."""
    metadata, tensors = described(path)
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str):
        from slaeval.checkpoints.foreign import is_foreign

        if is_foreign(path):
            raise InputError(_ADVICE, path)
        raise InputError(
            "only weights, without vocabulary or model: not a checkpoint of slaeval", path
        )
    meta = _meta(parsed(metadata[_KEY].encode("utf-8", "surrogatepass"), path), path)
    for name, (dtype, shape) in tensors.items():
        check_name(name, meta["kind"], path)
        _check_dtype(name, dtype, path)
        if 0 in shape:
            raise InputError(f"the tensor {name} is empty: damaged", path)
    return meta, tensors
