"""Reading pickles and ``.npy`` files of the community without running what is in them.

Glosses are passed on as pickles (slt, TwoStreamNetwork) and as pickled ``.npy`` files (VAC). A
pickle can run any code when it is loaded. Here only plain containers, strings, numbers and
numpy arrays come to life; the tensors of slt files (features, not annotation) are replaced by
:class:`Omitted`; a file that asks for anything else is refused before anything of it runs.
"""

from __future__ import annotations

import ast
import io
import pickle
import zlib
from typing import Any

from slaeval.errors import InputError
from slaeval.files import read_bytes

__all__ = ["LARGEST", "Omitted", "load_npy", "load_pickle"]

#: Largest size, in bytes, a compressed file may unpack to.
LARGEST = 4 << 30


class Omitted:
    """Stands for a value that is not annotation and was not rebuilt, such as a tensor."""

    def __init__(self, *ignored: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __repr__(self) -> str:
        return "<omitted>"


#: What may be named in a pickle: plain values, and what numpy arrays are rebuilt from.
_NUMPY = {
    "_reconstruct",
    "ndarray",
    "dtype",
    "scalar",
    "_frombuffer",
}
_NUMPY_MODULES = {
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
}
_PLAIN = {
    ("collections", "OrderedDict"),
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "complex"),
    ("builtins", "bytearray"),
    ("builtins", "slice"),
    ("builtins", "range"),
    ("__builtin__", "set"),
    ("__builtin__", "frozenset"),
    ("__builtin__", "complex"),
    ("__builtin__", "bytearray"),
}
#: Parts of tensors: named in slt files, never rebuilt.
_OMITTED = {
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch.storage", "_load_from_bytes"),
    ("torch.storage", "TypedStorage"),
    ("torch.storage", "UntypedStorage"),
    ("torch", "Size"),
    ("torch", "Tensor"),
    ("torch", "FloatStorage"),
    ("torch", "LongStorage"),
    ("torch", "HalfStorage"),
    ("torch", "float32"),
    ("torch", "float16"),
    ("_codecs", "encode"),
}


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows a handful of names and refuses all others."""

    def __init__(self, stream: io.BufferedIOBase | io.BytesIO, path: str) -> None:
        super().__init__(stream, encoding="utf-8")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _OMITTED:
            return _encoded if name == "encode" else Omitted
        if (module, name) in _PLAIN:
            return super().find_class(module.replace("__builtin__", "builtins"), name)
        if module in _NUMPY_MODULES and name in _NUMPY:
            return _numpy(name)
        raise InputError(
            f"this pickle asks for {module}.{name}: not plain data; it was refused and nothing "
            "in it has run",
            self._path,
        )

    def persistent_load(self, pid: Any) -> Any:
        raise InputError(
            "this pickle refers to storage outside itself: not plain data; nothing in it has run",
            self._path,
        )


def _encoded(text: str, encoding: str = "latin-1") -> bytes:
    """Rebuild the bytes that Python 2 style pickles hold as text."""
    return text.encode(encoding)


def _numpy(name: str) -> Any:
    """Return one of the few numpy functions that arrays are rebuilt from."""
    import numpy as np

    if name == "ndarray":
        return np.ndarray
    if name == "dtype":
        return np.dtype
    # Private, and moved between numpy 1 and 2.
    core = getattr(np, "_core", None) or np.core
    if name == "_frombuffer":
        return core.numeric._frombuffer
    return getattr(core.multiarray, name)


def load_pickle(path: str) -> Any:
    """Load a pickle, plain or gzip, of plain data only.

    Raises
    ------
    InputError
        The file cannot be read, is no pickle, is cut off, unpacks to more than
        :data:`LARGEST`, or asks for anything but plain data.
    """
    data = read_bytes(path, "a pickle")
    if data[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(wbits=31)
        try:
            data = unpacker.decompress(data, LARGEST)
        except zlib.error as error:
            raise InputError(f"not a whole gzip file: {error}", path) from None
        if unpacker.unconsumed_tail:
            raise InputError(f"unpacks to more than {LARGEST >> 30} GiB: refused", path)
        if not unpacker.eof:
            raise InputError("this gzip file is cut off", path)
    return _unpickled(io.BytesIO(data), path)


def load_npy(path: str) -> Any:
    """Load a ``.npy`` file that holds one pickled object, as VAC writes them.

    Raises
    ------
    InputError
        As :func:`load_pickle`; also where the file is no ``.npy`` of objects.
    """
    data = read_bytes(path, "a .npy file")
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        raise InputError("not a .npy file", path)
    size, start = (2, 10) if data[6] == 1 else (4, 12)
    length = int.from_bytes(data[8 : 8 + size], "little")
    try:
        header = ast.literal_eval(data[start : start + length].decode("latin-1").strip())
        kind = header["descr"]
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        raise InputError("the header of this .npy file is damaged", path) from None
    if "O" not in str(kind):
        raise InputError(f"expected an array of objects, found {kind!r}", path)
    array = _unpickled(io.BytesIO(data[start + length :]), path)
    return array.item() if getattr(array, "shape", None) == () else array


def _unpickled(stream: io.BytesIO, path: str) -> Any:
    try:
        return _Unpickler(stream, path).load()
    except InputError:
        raise
    except MemoryError:
        raise InputError("this pickle asks for more memory than there is", path) from None
    except Exception as error:
        # Damaged pickles fail in as many ways as there are opcodes.
        raise InputError(f"not a whole pickle of plain data: {error!r}"[:300], path) from None
