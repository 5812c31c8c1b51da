"""Files of safetensors: a JSON header and the tensors it describes."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from slaeval.checkpoints.archive import MOST_DIMENSIONS
from slaeval.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["described", "parsed", "read_tensors"]

#: Longest header accepted, in bytes.
_LONGEST_HEADER = 16 << 20
#: For each type of numbers, its name in torch and size in bytes.
_DTYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}


def described(path: str) -> tuple[Any, dict[str, tuple[str, tuple[int, ...]]]]:
    """Return the metadata of a file, and type and shape of every tensor, from its header.

    Raises
    ------
    InputError
        It is not such a file, is truncated, or describes a tensor wrongly.
    """
    header = _header(path)
    metadata = header.pop("__metadata__", None)
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, entry in header.items():
        try:
            dtype, size = _DTYPES.get(entry["dtype"], (str(entry["dtype"]), None))
            shape, (start, end) = tuple(entry["shape"]), entry["data_offsets"]
            if not all(type(n) is int and 0 <= n < 1 << 63 for n in (*shape, start, end)):
                raise ValueError
            if len(shape) > MOST_DIMENSIONS:
                raise ValueError
        except (TypeError, KeyError, ValueError):
            raise InputError(f"the tensor {name:.80} is described wrongly: damaged", path) from None
        for extent in shape:
            size = None if size is None else size * extent
        if size is not None and end - start != size:
            raise InputError(f"the tensor {name:.80} does not fill its bytes: damaged", path)
        tensors[name] = (dtype, shape)
    return metadata, tensors


def _header(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            size = os.fstat(stream.fileno()).st_size
            if length > min(size - 8, _LONGEST_HEADER):
                raise InputError("not a safetensors file, or a damaged or truncated one", path)
            data = stream.read(length)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path) from None
    header = parsed(data, path)
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
            f"{size} bytes, but its header describes {8 + length + max(ends, default=0)}: "
            "truncated or damaged; copy or download it again",
            path,
        )
    return header


def parsed(data: bytes, path: str) -> dict[str, Any]:
    """Parse JSON text into an object.

    Raises
    ------
    InputError
        It is not a JSON object.
    """
    try:
        content = json.loads(data)
        json.dumps(content, ensure_ascii=False).encode()  # an unpaired surrogate is not text
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InputError("its header is not JSON: not a file of safetensors, or damaged", path)
    return content


def read_tensors(path: str, names: Collection[str] | None = None) -> dict[str, Tensor]:
    """Read the tensors in `names`, by default all.

    Raises
    ------
    InputError
        The file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stream:
            wanted = stream.keys() if names is None else names
            # Copies: a memory map would crash the process if the file is truncated meanwhile.
            return {name: stream.get_tensor(name).clone() for name in wanted}
    except (SafetensorError, OSError) as error:
        raise InputError(f"damaged: {error}"[:300], path) from None
