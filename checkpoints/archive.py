"""Files of ``torch.save``, read without running anything in them.

Such a file is a zip archive of a pickle and the raw bytes of every storage. A pickle calls what
it names. This unpickler knows the names a file of weights needs; each is an object of ours that
notes down what it was called with. Any other name is refused before it is looked up, whatever
way the pickle says it. So the whole structure is known, and checked, before the first
weight is read.

torch's own ``weights_only`` loading is not used: it came to the same end only from torch 2.6 on
(CVE-2025-32434), it does not look at checksums, and it names no tensor when a file is damaged.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import sys
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from slaeval.errors import InputError
from slaeval.files import read_start

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Archive", "RefusedError", "Stored"]

#: Largest pickle, in bytes. The weights are not in it: it has about 100 bytes a tensor or gloss.
_LARGEST_PICKLE = 64 << 20
#: What is in it, written out: a pickle may name one part many times. Values count as 16 characters.
_MOST_CHARACTERS = 64 << 20
_DEEPEST = 64

#: Kind of storage: type of its numbers and their size in bytes.
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
    """The file asks for something that is not plain data; `name` says what."""

    def __init__(self, name: str, path: str, advice: str = "") -> None:
        self.name = name
        super().__init__(
            f"this file asks for {name}: not weights; it was refused and nothing in it has run"
            + advice,
            path,
        )


class _Fixed:
    """What a pickle cannot change once it is made, not even by the setter of a frozen class."""

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a description of a tensor is changed")


@dataclass(frozen=True)
class Stored(_Fixed):
    """A tensor as its file describes it.

    Attributes
    ----------
    dtype : str
        Type of its numbers: ``"float32"``.
    key : str
        Name of its storage in the file.
    numbers : int
        Numbers in that storage.
    offset : int
        Where in the storage it begins, in numbers.
    shape, stride : tuple of int
        As torch has them.
    """

    dtype: str
    key: str
    numbers: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many numbers it has."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def alone(self) -> bool:
        """Whether it is contiguous and all of its storage."""
        step = 1
        for size, stride in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if size != 1 and stride != step:
                return False
            step *= size
        return self.offset == 0 and self.count == self.numbers


class _Dict(dict[Any, Any]):
    """An ordered dictionary; what a pickle hangs on it (``_metadata``) is let go."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class _Call:
    """Stands for a name of a pickle: knows what a call of it means, and nothing else."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a name in this pickle is used as an object")

    def __call__(self, *arguments: Any) -> Any:
        raise pickle.UnpicklingError(f"{self._name} is called")


class _Storage(_Call):
    """A kind of storage, named in a reference to one."""

    __slots__ = ()

    @property
    def kind(self) -> tuple[str, int]:
        return _STORAGES[self._name]


class _OrderedDict(_Call):
    __slots__ = ()

    def __call__(self, *arguments: Any) -> Any:
        return _Dict(*arguments)


class _Tensor(_Call):
    """``torch._utils._rebuild_tensor_v2(storage, offset, size, stride, …)``."""

    __slots__ = ()

    def __call__(self, *arguments: Any) -> Any:
        reference, offset, shape, stride = arguments[:4]
        if not isinstance(reference, _Reference):
            raise pickle.UnpicklingError("a tensor without a storage")
        shape, stride = tuple(shape), tuple(stride)
        numbers = (offset, *shape, *stride)
        if len(shape) != len(stride) or not all(type(n) is int and n >= 0 for n in numbers):
            raise pickle.UnpicklingError("a tensor of no shape")
        return Stored(reference.dtype, reference.key, reference.numbers, offset, shape, stride)


class _Parameter(_Call):
    """``torch._utils._rebuild_parameter(tensor, …)``: the tensor."""

    __slots__ = ()

    def __call__(self, *arguments: Any) -> Any:
        return arguments[0]


class _Ignored(_Call):
    """A name that plain data may bring along and that is never needed."""

    __slots__ = ()

    def __call__(self, *arguments: Any) -> Any:
        return _Omitted()


class _Omitted:
    """Stands for a value that was not rebuilt."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


@dataclass(frozen=True)
class _Reference(_Fixed):
    """A storage as the pickle refers to it."""

    dtype: str
    key: str
    numbers: int


class _Unpickler(pickle.Unpickler):
    """An unpickler that looks nothing up."""

    def __init__(
        self,
        data: bytes,
        path: str,
        ignored: Collection[tuple[str, str]],
        sizes: Mapping[str, int],
    ) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self._path = path
        self._ignored = ignored
        self._sizes = sizes

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return _Storage(name)
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor(name)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _Parameter(name)
        if (module, name) == ("collections", "OrderedDict"):
            return _OrderedDict(name)
        if (module, name) in self._ignored:
            return _Ignored(name)
        raise RefusedError(f"{module}.{name}", self._path)

    def persistent_load(self, pid: Any) -> Any:
        tag, kind, key, _, numbers = pid
        if tag != "storage" or not isinstance(kind, _Storage) or type(numbers) is not int:
            raise pickle.UnpicklingError("a reference to something else than a storage")
        dtype, size = kind.kind
        if self._sizes.get(key) != numbers * size:
            raise InputError(
                f"a storage of {numbers} numbers of {dtype} lies in {self._sizes.get(key, 0)} "
                "bytes: damaged",
                self._path,
            )
        return _Reference(dtype, key, numbers)


class Archive:
    """A file of ``torch.save``, open for reading; a context manager.

    Parameters
    ----------
    path : str
        The file.
    ignored : collection of (module, name)
        Further names it may ask for; what is made with them is left out.

    Attributes
    ----------
    content : object
        What was saved, with :class:`Stored` for every tensor.

    Raises
    ------
    RefusedError
        It asks for anything executable.
    InputError
        It is no such file, or damaged.
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

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        """Return the members by their names without the folder, once they are seen to be sound."""
        members = self._zip.infolist()
        folders = {member.filename.partition("/")[0] for member in members}
        records = {member.filename.partition("/")[2]: member for member in members}
        if len(folders) != 1 or len(records) != len(members) or "data.pkl" not in records:
            raise InputError("a zip archive, but not one of torch.save", self.path)
        if "constants.pkl" in records or any(name.startswith("code/") for name in records):
            raise RefusedError("TorchScript", self.path)
        for member in members:
            # torch stores as it is. So nothing can unpack to more than the file has.
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
        sizes = {
            name.removeprefix("data/"): member.file_size
            for name, member in self._records.items()
            if name.startswith("data/")
        }
        try:
            for opcode, argument, _ in pickletools.genops(data):
                # The memo is an array: a number of ten digits would take gigabytes.
                if opcode.name in ("PUT", "LONG_BINPUT") and (argument or 0) > len(data):
                    raise pickle.UnpicklingError("a memo larger than the pickle")
            content = _Unpickler(data, self.path, ignored, sizes).load()
            _check_extent(content)
            return content
        except InputError:
            raise
        except MemoryError:
            raise InputError("its pickle asks for more memory than there is", self.path) from None
        except Exception as error:
            # Damaged pickles fail in as many ways as there are opcodes.
            raise _damaged(error, self.path) from None

    def tensor(self, name: str, stored: Stored) -> Tensor:
        """Read a tensor, its checksum compared; contiguous, in memory of its own.

        Raises
        ------
        InputError
            Its bytes are damaged or not there, or it reaches beyond its storage.
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
        # Piece by piece, so that the file is not in memory twice.
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
            raise InputError(f"the bytes of the tensor {name} are cut off", self.path)
        if stored.alone:
            return numbers.reshape(stored.shape)
        return numbers.as_strided(stored.shape, stored.stride, stored.offset).clone().contiguous()


def _check_extent(content: Any) -> None:
    """See that all of `content`, written out, is small and shallow: else a message could hang."""
    left = _MOST_CHARACTERS
    waiting: list[tuple[Any, int]] = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        parts: Collection[Any] = ()
        if isinstance(value, str):
            value.encode()  # half of a surrogate pair cannot be printed
            left -= len(value)
        elif isinstance(value, (bytes, bytearray)):
            left -= len(value)
        elif isinstance(value, int):
            if value.bit_length() > 64:
                raise pickle.UnpicklingError("a number of more than 64 bits")
        elif isinstance(value, dict):
            parts = [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple, set, frozenset)):
            parts = value
        left -= 16 * len(parts)
        if left < 0 or depth > _DEEPEST:
            raise pickle.UnpicklingError("nested too deeply or too large for a file of weights")
        waiting += [(part, depth + 1) for part in parts]


def _damaged(error: Exception, path: str) -> InputError:
    return InputError(
        f"this file is damaged or cut off ({type(error).__name__}: {error}"[:200]
        + "); copy or download it again",
        path,
    )
