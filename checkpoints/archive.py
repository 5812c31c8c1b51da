"""Files of ``torch.save``, read without executing anything in them.

Such a file is a zip archive of a pickle and the raw bytes of every storage. The pickle is read
by :mod:`slaeval.formats.unpickling`, which executes nothing; calls of the names that a file of
weights needs are only recorded, any other name is refused. So the whole structure is known, and
checked, before the first weight is read.

torch's own ``weights_only`` loading is not used: it is safe only from torch 2.6 on
(CVE-2025-32434), it does not verify checksums, and it does not name the damaged tensor.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from slaeval.errors import InputError
from slaeval.files import read_start
from slaeval.formats.unpickling import Name, StandIn, UnpicklingError, unpickled

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MOST_DIMENSIONS", "Archive", "RefusedError", "Stored"]

#: Largest pickle, in bytes. Without the weights, it has about 100 bytes per tensor or gloss.
_LARGEST_PICKLE = 16 << 20

#: Most dimensions of a torch tensor.
MOST_DIMENSIONS = 64

#: For each kind of storage, the type of its numbers and their size in bytes.
_STORAGES = {
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "DoubleStorage": ("float64", 8),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
}


class RefusedError(InputError):
    """The file refers to something that is not plain data; `name` says what."""

    def __init__(self, name: str, path: str, advice: str = "") -> None:
        self.name = name
        super().__init__(
            f"this file asks for {name}: not weights; it was refused and nothing in it has run"
            + advice,
            path,
        )


@dataclass(frozen=True)
class Stored:
    """A tensor as its file describes it.

    Attributes
    ----------
    dtype : str
        Type of its numbers: ``"float32"``.
    key : str
        Name of its storage in the file.
    numbers : int
        Count of numbers in that storage.
    offset : int
        Where in the storage it begins, in numbers.
    shape, stride : tuple of int
        As in torch.
    """

    dtype: str
    key: str
    numbers: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def count(self) -> int:
        """Count of its numbers."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def alone(self) -> bool:
        """Whether it is contiguous and fills its storage."""
        step = 1
        for size, stride in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if size != 1 and stride != step:
                return False
            step *= size
        return self.offset == 0 and self.count == self.numbers


@dataclass(frozen=True)
class _Reference:
    """A storage as the pickle refers to it."""

    dtype: str
    key: str
    numbers: int


class _Storage(Name):
    """A kind of storage, named in a reference to one."""

    def __init__(self, dtype: str, size: int) -> None:
        super().__init__()
        self.dtype = dtype
        self.size = size


def _tensor(reference: Any, offset: Any, shape: Any, stride: Any, *ignored: Any) -> Stored:
    """``torch._utils._rebuild_tensor_v2(storage, offset, size, stride, …)``."""
    if not isinstance(reference, _Reference):
        raise UnpicklingError("a tensor without a storage")
    shaped = isinstance(shape, tuple) and isinstance(stride, tuple)
    if not shaped or len(shape) != len(stride) or len(shape) > MOST_DIMENSIONS:
        raise UnpicklingError("a tensor with an invalid shape")
    if not all(type(n) is int and n >= 0 for n in (offset, *shape, *stride)):
        raise UnpicklingError("a tensor with an invalid shape")
    return Stored(reference.dtype, reference.key, reference.numbers, offset, shape, stride)


#: The names to which a file of weights refers.
_KNOWN = {
    ("torch._utils", "_rebuild_tensor_v2"): Name(_tensor),
    ("torch._utils", "_rebuild_parameter"): Name(lambda tensor, *ignored: tensor),
    **{("torch", name): _Storage(*kind) for name, kind in _STORAGES.items()},
}
_IGNORE = Name(lambda *ignored: StandIn())


class Archive:
    """A file of ``torch.save``, open for reading; a context manager.

    Parameters
    ----------
    path : str
        The file.
    ignored : collection of (module, name)
        Further names it may refer to; objects made with them are left out.

    Attributes
    ----------
    content : object
        The saved object, with :class:`Stored` for every tensor.

    Raises
    ------
    RefusedError
        It refers to anything executable.
    InputError
        It is not such a file, or damaged.
    """

    def __init__(self, path: str, ignored: Collection[tuple[str, str]] = ()) -> None:
        self.path = path
        start = read_start(path, "a file of torch.save", 4)
        if start != b"PK\x03\x04":
            raise InputError("not a zip archive: not a file of torch.save", path)
        try:
            self._zip = zipfile.ZipFile(path)
        except Exception as error:
            raise _damaged(error, path) from None
        try:
            self._records = self._checked()
            self.content = self._unpickled(ignored)
        except BaseException:
            self._zip.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        """Return the members by their names without the folder, after validating them."""
        members = self._zip.infolist()
        folders = {member.filename.partition("/")[0] for member in members}
        records = {member.filename.partition("/")[2]: member for member in members}
        if len(folders) != 1 or len(records) != len(members) or "data.pkl" not in records:
            raise InputError("a zip archive, but not one of torch.save", self.path)
        if "constants.pkl" in records or any(name.startswith("code/") for name in records):
            raise RefusedError("TorchScript", self.path)
        for member in members:
            # torch stores without compression, so nothing can unpack to more than the file's size.
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                raise InputError(
                    f"{member.filename} is compressed or encrypted: not written by torch.save",
                    self.path,
                )
        size = self._zip.fp.seek(0, io.SEEK_END) if self._zip.fp else 0
        if sum(member.file_size for member in members) > size:
            raise InputError("its parts claim to be larger than the file: damaged", self.path)
        if records["data.pkl"].file_size > _LARGEST_PICKLE:
            raise InputError("its pickle is too large for a file of weights", self.path)
        return records

    def _read(self, name: str) -> bytes:
        try:
            return self._zip.read(self._records[name])
        except Exception as error:
            raise _damaged(error, self.path) from None

    def _unpickled(self, ignored: Collection[tuple[str, str]]) -> Any:
        if "byteorder" in self._records and self._read("byteorder") != sys.byteorder.encode():
            raise InputError("written on a machine of the other byte order", self.path)
        data = self._read("data.pkl")

        def find(module: str, name: str) -> Name:
            if (module, name) in ignored:
                return _IGNORE
            if (module, name) in _KNOWN:
                return _KNOWN[module, name]
            raise RefusedError(f"{module}.{name}", self.path)

        try:
            return unpickled(data, find, self._reference)
        except UnpicklingError as error:
            raise InputError(
                f"its pickle is damaged or not plain weights ({error}); nothing in it has run",
                self.path,
            ) from None

    def _reference(self, to: Any) -> _Reference:
        """Return the storage that the pickle refers to, after checking that it exists."""
        tag, kind, key, _, numbers = to
        if tag != "storage" or not isinstance(kind, _Storage) or type(numbers) is not int:
            raise UnpicklingError("a reference to something other than a storage")
        record = self._records.get(f"data/{key}")
        size = 0 if record is None else record.file_size
        if size != numbers * kind.size:
            raise InputError(
                f"a storage of {numbers} numbers of {kind.dtype} has only {size} bytes: damaged",
                self.path,
            )
        return _Reference(kind.dtype, key, numbers)

    def tensor(self, name: str, stored: Stored) -> Tensor:
        """Read a tensor and verify its checksum; contiguous, in newly allocated memory.

        Raises
        ------
        InputError
            Its bytes are damaged or missing, or it reaches beyond its storage.
        """
        import numpy as np
        import torch

        if f"data/{stored.key}" not in self._records:
            raise InputError(f"the bytes of the tensor {name} are missing: damaged", self.path)
        if not stored.count:
            raise InputError(f"the tensor {name} is empty: damaged", self.path)
        last = stored.offset + sum(
            (size - 1) * stride for size, stride in zip(stored.shape, stored.stride, strict=True)
        )
        if last >= stored.numbers or stored.count > stored.numbers:
            raise InputError(f"the tensor {name} reaches beyond its bytes: damaged", self.path)
        # In chunks, so that the file is not in memory twice.
        numbers = torch.empty(stored.numbers, dtype=getattr(torch, stored.dtype))
        view = numbers.view(torch.uint8).numpy()
        place = 0
        try:
            with self._zip.open(self._records[f"data/{stored.key}"]) as stream:
                while piece := stream.read(1 << 20):
                    view[place : place + len(piece)] = np.frombuffer(piece, np.uint8)
                    place += len(piece)
        except Exception as error:
            raise InputError(f"the tensor {name} is damaged: {error}"[:300], self.path) from None
        if place != len(view):
            raise InputError(f"the bytes of the tensor {name} are truncated", self.path)
        if stored.alone:
            return numbers.reshape(stored.shape)
        return numbers.as_strided(stored.shape, stored.stride, stored.offset).clone().contiguous()


def _damaged(error: Exception, path: str) -> InputError:
    return InputError(
        f"this file is damaged or truncated ({type(error).__name__}: {error}"[:200]
        + "); copy or download it again",
        path,
    )
