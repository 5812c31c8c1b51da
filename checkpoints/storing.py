"""Saving and reading checkpoints in both forms, and describing them without their weights."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from slaeval.checkpoints.archive import MOST_DIMENSIONS, Archive, RefusedError, Stored
from slaeval.checkpoints.content import DTYPES, Checkpoint, check, check_meta, check_name, plain
from slaeval.errors import InputError, UsageError
from slaeval.extras import require
from slaeval.files import read_start, replacing

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FORMAT", "VERSION", "describe", "form_of", "read_checkpoint", "save_checkpoint"]

FORMAT = "slaeval-checkpoint"
VERSION = 1

#: Longest header of a safetensors file accepted, in bytes.
_LONGEST_HEADER = 16 << 20
#: The one metadata key: a map of several is written in no fixed order.
_KEY = "slaeval"
_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64"}
_SIZES = {"float32": 4, "float16": 2, "bfloat16": 2, "int64": 8}


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
        The checkpoint is not sound, such as a tensor that holds nan.
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
        The file; what form it has is seen from its content.
    head : bool
        Also accept a head alone, which can start a training and nothing else.

    Raises
    ------
    InputError
        The file is missing, cut off, damaged, of other code, of a newer version, asks for
        anything executable (naming it), or its parts do not fit each other (naming the tensor
        or entry).
    """
    require("run", "reading a checkpoint")
    path = os.fspath(path)
    if _is_zip(path):
        with _opened(path) as archive:
            meta, described = _checked_pt(archive)
            tensors = {name: archive.tensor(name, stored) for name, stored in described.items()}
    else:
        meta, _ = _checked_safetensors(path)
        tensors = _safetensors(path)
    found = meta.pop("hash")
    meta["vocabulary"] = tuple(meta["vocabulary"])
    checkpoint = Checkpoint(**meta, tensors=tensors)
    check(checkpoint, path)
    if checkpoint.hash != found:
        raise InputError("its content does not agree with its hash: damaged or changed", path)
    if checkpoint.kind == "head" and not head:
        raise InputError(
            "a head alone, converted from other code: there is no model in it to run; train one "
            f"from it: slaeval train --init {path}",
            path,
        )
    return checkpoint


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return all that a checkpoint says of itself, without reading its weights or torch.

    Parameters
    ----------
    path : path-like
        The file.

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
    path = os.fspath(path)
    if _is_zip(path):
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
        "path": path,
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


def _is_zip(path: str) -> bool:
    """Tell the two forms apart, and say what a third one is."""
    start = read_start(path, "a checkpoint", 16)
    if start[:4] == b"PK\x03\x04":
        return True
    # The first bytes of safetensors are a length, which may look like the start of a pickle.
    if start[8:9] != b"{" and (start[:2] == b"\x80\x02" or start[:1] in (b"(", b"c")):
        raise InputError(
            "a pickle outside a zip archive, as torch wrote before 1.6: not a checkpoint of "
            "slaeval; nothing in it has run",
            path,
        )
    if not start:
        raise InputError("the file is empty; expected a checkpoint", path)
    if len(start) < 9 or start[8:9] != b"{":
        raise InputError(
            "not a checkpoint: neither a file of torch.save nor of safetensors; a file of 100 "
            "bytes or so may be a pointer of Git LFS",
            path,
        )
    return False


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
    header = _header(path)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str):
        raise InputError(
            "weights alone, without vocabulary or model: not a checkpoint of slaeval", path
        )
    content = _parsed(metadata[_KEY].encode("utf-8", "surrogatepass"), path)
    meta = _meta(content, path)
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, entry in header.items():
        check_name(name, meta["kind"], path)
        try:
            dtype = _DTYPES.get(entry["dtype"], str(entry["dtype"]))
            shape, (start, end) = tuple(entry["shape"]), entry["data_offsets"]
            if not all(type(n) is int and 0 <= n < 1 << 63 for n in (*shape, start, end)):
                raise ValueError
            if len(shape) > MOST_DIMENSIONS or start == end:
                raise ValueError
        except (TypeError, KeyError, ValueError):
            raise InputError(f"the tensor {name} is described wrongly: damaged", path) from None
        _check_dtype(name, dtype, path)
        size = _SIZES[dtype]
        for extent in shape:
            size *= extent
        if end - start != size:
            raise InputError(f"the tensor {name} does not fill its bytes: damaged", path)
        tensors[name] = (dtype, shape)
    return meta, tensors


def _header(path: str) -> dict[str, Any]:
    """Return the header of a safetensors file: tensors and metadata by name."""
    try:
        with open(path, "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            size = os.fstat(stream.fileno()).st_size
            if length > min(size - 8, _LONGEST_HEADER):
                raise InputError("not a file of safetensors, or cut off", path)
            data = stream.read(length)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path) from None
    header = _parsed(data, path)
    ends = [
        entry["data_offsets"][1]
        for entry in header.values()
        if isinstance(entry, dict)
        and isinstance(entry.get("data_offsets"), list)
        and len(entry["data_offsets"]) == 2
        and isinstance(entry["data_offsets"][1], int)
    ]
    if 8 + length + max(ends, default=0) != size:
        raise InputError(
            f"{size} bytes, but its header describes {8 + length + max(ends, default=0)}: cut off "
            "or damaged; copy or download it again",
            path,
        )
    return header


def _parsed(data: bytes, path: str) -> dict[str, Any]:
    try:
        content = json.loads(data)
        json.dumps(content, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InputError("its header is no JSON: not a checkpoint, or damaged", path)
    return content


def _safetensors(path: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stream:
            # Copies: what is mapped would end the process where the file is cut meanwhile.
            return {name: stream.get_tensor(name).clone() for name in stream.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"damaged: {error}"[:300], path) from None
