"""Reading pickles and ``.npy`` files of the community without running what is in them.

Glosses are passed on as pickles (slt, TwoStreamNetwork) and as pickled ``.npy`` files (VAC). A
pickle can run any code when it is loaded; :mod:`slaeval.formats.unpickling` runs none. Arrays are
kept as the bytes they are, since numpy's functions trust what a pickle tells them about memory;
the tensors of slt files (features, not annotation) are replaced by :class:`Omitted`; a file that
asks for anything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from slaeval.errors import InputError
from slaeval.files import gunzipped, read_bytes
from slaeval.formats.unpickling import Name, StandIn, UnpicklingError, unpickled

__all__ = ["Omitted", "load_npy", "load_pickle"]

#: Longest header of a ``.npy`` file accepted, as numpy has it.
_LONGEST_HEADER = 10_000


class Omitted(StandIn):
    """Stands for a value that is not annotation and was not rebuilt, such as a tensor."""

    def __repr__(self) -> str:
        return "<omitted>"


class _Dtype(StandIn):
    """A numpy type: its short code alone; a structured one is refused."""

    def __init__(self, code: Any, *ignored: Any) -> None:
        if not isinstance(code, str) or not _SIMPLE_TYPE.fullmatch(code):
            raise UnpicklingError(f"an array of {code!r:.40}: not plain numbers")
        self.code = code
        self.order = "<"

    def set_state(self, state: Any) -> None:
        # (version, byte order, subtype, names, fields, …): only the byte order may be said.
        order, *structure = state[1:5]
        if any(part is not None for part in structure) or order not in ("<", ">", "|", "="):
            raise UnpicklingError("a structured array: not plain numbers")
        self.order = order

    @property
    def name(self) -> str:
        return self.order.replace("=", "<") + self.code


class _Array(StandIn):
    """An array as it lies in a pickle, made a numpy array only where one is asked for."""

    def __init__(self, *ignored: Any) -> None:
        self.set_state((1, (), _Dtype("f8"), False, b""))

    def set_state(self, state: Any) -> None:
        _, self.shape, self.kind, self.fortran, self.content = state
        if not isinstance(self.kind, _Dtype) or not isinstance(self.shape, tuple):
            raise UnpicklingError("a damaged array")
        if not isinstance(self.content, list if self.holds_objects else (bytes, str)):
            raise UnpicklingError("an array without its content")

    @property
    def holds_objects(self) -> bool:
        return bool(self.kind.code[0] == "O")

    def parts(self) -> Collection[Any]:
        return (self.shape, self.content)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        import numpy as np

        if self.holds_objects:
            raise ValueError("an array of objects")
        content = self.content.encode("latin1") if isinstance(self.content, str) else self.content
        array = np.frombuffer(content, self.kind.name).copy()
        array = array.reshape(self.shape, order="F" if self.fortran else "C")
        return array if dtype is None else array.astype(dtype)


def _from_buffer(data: bytes, kind: Any, shape: Any, order: Any, *ignored: Any) -> _Array:
    """``numpy._frombuffer(data, dtype, shape, order)``, as protocol 5 calls it."""
    array = _Array()
    array.set_state((1, shape, kind, order == "F", data))
    return array


def _scalar(kind: Any, data: Any = b"") -> Any:
    """``numpy…scalar(dtype, data)``: one number."""
    return _from_buffer(data, kind, (1,), "C").__array__()[0].item()


_SIMPLE_TYPE = re.compile(r"[biuf][1248]|f16|c8|c16|[US]\d{1,6}|O8?")
_NUMPY = {
    "_reconstruct": Name(_Array),
    "ndarray": Name(_Array),
    "dtype": Name(_Dtype),
    "scalar": Name(_scalar),
    "_frombuffer": Name(_from_buffer),
}
_NUMPY_MODULES = {
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
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


def load_pickle(path: str) -> Any:
    """Load a pickle, plain or gzip, of plain data only.

    Raises
    ------
    InputError
        The file cannot be read, is no pickle, is truncated, unpacks to far more than its size, or
        asks for anything but plain data.
    """
    data = read_bytes(path, "a pickle")
    return _content(gunzipped(data, path), path)


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
    end = start + int.from_bytes(data[8 : 8 + size], "little")
    header = data[start : min(end, start + _LONGEST_HEADER)].decode("latin-1")
    kind = re.search(r"'descr': *('[^']*'|\[)", header)
    if kind is None or end > len(data):
        raise InputError("the header of this .npy file is damaged", path)
    if "O" not in kind[1]:
        raise InputError(f"expected an array of objects, found {kind[1]:.40}", path)
    array = _content(data[end:], path)
    if not isinstance(array, _Array) or not array.holds_objects:
        raise InputError("this .npy file says it holds objects, but holds none", path)
    return array.content[0] if array.shape == () and array.content else array.content


def _content(data: bytes, path: str) -> Any:
    def find(module: str, name: str) -> Name:
        if (module, name) in _OMITTED:
            return _OMIT
        if module in _NUMPY_MODULES and name in _NUMPY:
            return _NUMPY[name]
        raise InputError(
            f"this pickle asks for {module}.{name}: not plain data; it was refused and nothing "
            "in it has run",
            path,
        )

    try:
        return unpickled(data, find)
    except UnpicklingError as error:
        raise InputError(
            f"not a whole pickle of plain data: {error}; nothing in it has run", path
        ) from None


_OMIT = Name(lambda *ignored: Omitted())
