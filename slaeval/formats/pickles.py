"""Reading pickles and ``.npy`` files of the community without running what is in them.

Glosses are passed on as pickles (slt, TwoStreamNetwork) and as pickled ``.npy`` files (VAC). A
pickle can run any code when it is loaded. Here only plain containers, strings and numbers come
to life; arrays are kept as the bytes they are by stand-ins of our own, since numpy's functions
trust what a pickle tells them about memory; the tensors of slt files (features, not
annotation) are replaced by :class:`Omitted`; a file that asks for anything else is refused
before anything of it runs.
"""

from __future__ import annotations

import ast
import io
import pickle
import re
import zlib
from collections import OrderedDict
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


class _StandIn:
    """Base of what is called in place of a library's function while a pickle is read.

    A class whose call gives the plain value; a pickle that tries to set its attributes fails.
    """

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a name in this pickle is used as an object")


class _Bytes(_StandIn):
    """``bytes``, which old pickles call without arguments, or on numbers."""

    def __new__(cls, values: Any = b"") -> Any:
        if not isinstance(values, (bytes, list, tuple)):
            raise pickle.UnpicklingError("bytes of something else than bytes")
        return bytes(values)


class _Encoded(_StandIn):
    """``_codecs.encode``: bytes that pickles of protocol 2 hold as text."""

    def __new__(cls, text: str, encoding: str = "latin1") -> Any:
        if encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
            raise pickle.UnpicklingError(f"unknown encoding {encoding!r}")
        return text.encode(encoding)


class _Dtype(_StandIn):
    """A numpy type: its short code alone; a structured one is refused."""

    def __init__(self, code: Any, *ignored: Any) -> None:
        if not isinstance(code, str) or not _SIMPLE_TYPE.fullmatch(code):
            raise pickle.UnpicklingError(f"an array of {code!r:.40}: not plain numbers")
        self.code = code
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        # (version, byte order, subtype, names, fields, …): only the byte order may be said.
        order, *structure = state[1:5]
        if any(part is not None for part in structure) or order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("a structured array: not plain numbers")
        self.order = order

    @property
    def name(self) -> str:
        return self.code if self.code[0] == "O" else self.order.replace("=", "<") + self.code


class _Array(_StandIn):
    """An array as it lies in a pickle, made a numpy array only where one is asked for."""

    def __init__(self, *ignored: Any) -> None:
        self.shape: tuple[int, ...] = ()
        self.kind = _Dtype("f8")
        self.content: Any = b""
        self.fortran = False

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        self._fill(shape, kind, fortran, content)

    def _fill(self, shape: Any, kind: Any, fortran: Any, content: Any) -> None:
        if not isinstance(kind, _Dtype) or not isinstance(shape, tuple):
            raise pickle.UnpicklingError("a damaged array")
        if kind.code[0] == "O" and not isinstance(content, list):
            raise pickle.UnpicklingError("a damaged array of objects")
        self.shape, self.kind, self.fortran, self.content = shape, kind, bool(fortran), content

    def plain(self) -> Any:
        """Return objects as they are: the one object, or a list of them."""
        if self.kind.code[0] != "O":
            raise pickle.UnpicklingError("an array of numbers")
        return self.content[0] if self.shape == () and self.content else self.content

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        import numpy as np

        if self.kind.code[0] == "O":
            array = np.empty(len(self.content), object)
            array[:] = self.content
        else:
            if isinstance(self.content, str):
                self.content = self.content.encode("latin1")
            array = np.frombuffer(self.content, self.kind.name).copy()
        array = array.reshape(self.shape, order="F" if self.fortran else "C")
        return array if dtype is None else array.astype(dtype)


class _FromBuffer(_StandIn):
    """``numpy._frombuffer(data, dtype, shape, order)``, as protocol 5 calls it."""

    def __new__(cls, data: Any, kind: Any, shape: Any, order: Any, *ignored: Any) -> Any:
        array = _Array()
        array._fill(shape, kind, order == "F", bytes(data))
        return array


class _Scalar(_StandIn):
    """``numpy…scalar(dtype, data)``: one number."""

    def __new__(cls, kind: Any, data: Any = b"") -> Any:
        array = _Array()
        array._fill((1,), kind, False, data)
        return array.__array__()[0].item()


_SIMPLE_TYPE = re.compile(r"[biuf][1248]|f16|c8|c16|[US]\d{1,6}|O8?")
_NUMPY: dict[str, Any] = {
    "_reconstruct": _Array,
    "ndarray": _Array,
    "dtype": _Dtype,
    "scalar": _Scalar,
    "_frombuffer": _FromBuffer,
}
_NUMPY_MODULES = {
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
}
_PLAIN: dict[str, Any] = {
    "set": set,
    "frozenset": frozenset,
    "complex": complex,
    "bytes": _Bytes,
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
}


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows a handful of names and refuses all others."""

    def __init__(self, stream: io.BytesIO, path: str) -> None:
        super().__init__(stream, encoding="utf-8")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _OMITTED:
            return Omitted
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("_codecs", "encode"):
            return _Encoded
        if module in ("builtins", "__builtin__") and name in _PLAIN:
            return _PLAIN[name]
        if module in _NUMPY_MODULES and name in _NUMPY:
            return _NUMPY[name]
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
    if not isinstance(array, _Array) or array.kind.code[0] != "O":
        raise InputError("this .npy file says it holds objects, but holds none", path)
    return array.plain()


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
