"""Pickles of strangers: plain data comes to life, nothing else does, nothing is run."""

from __future__ import annotations

import contextlib
import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slaeval.errors import InputError
from slaeval.formats.pickles import Omitted, load_npy, load_pickle
from slaeval.loaders import read_references_file


class Call:
    """Something that pickles as a call."""

    def __init__(self, function, *arguments: object, state: object = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


def npy(payload: bytes, descr: str = "|O", shape: str = "()") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 16) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + payload


def named(module: str, name: str) -> bytes:
    """Return a pickle that asks for one global."""
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"."


def read(path: Path, content: bytes) -> object:
    path.write_bytes(content)
    return load_npy(str(path)) if content[:6] == b"\x93NUMPY" else load_pickle(str(path))


WRAPPED = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "npy": npy,
}


@pytest.mark.parametrize("wrap", WRAPPED)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_call_is_refused_and_not_run(tmp_path: Path, wrap: str, protocol: int) -> None:
    marker = tmp_path / "marker"
    data = pickle.dumps([{"name": Call(os.system, f"touch {marker}")}], protocol)
    with pytest.raises(InputError, match=r"(posix|nt|os)\.system") as caught:
        read(tmp_path / "file", WRAPPED[wrap](data))
    assert "file" in str(caught.value)
    assert not marker.exists()
    with pytest.raises(InputError):
        read_references_file(tmp_path / "file")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("__builtin__", "exec"),
        ("subprocess", "Popen"),
        ("collections", "OrderedDict.fromkeys.__globals__"),
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy", "core.multiarray.fromfile"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy.lib.npyio", "load"),
        ("torch", "load"),
        ("torch.storage", "os.system"),
        ("functools", "partial"),
        ("operator", "attrgetter"),
        ("copyreg", "_reconstructor"),
        ("pickle", "loads"),
        ("slaeval.files", "write_whole"),
        ("slaeval.formats.pickles", "load_pickle"),
    ],
)
def test_only_plain_data_may_be_asked_for(tmp_path: Path, module: str, name: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path / "file", named(module, name))
    assert f"{module}.{name}" in str(caught.value)


def test_the_extension_registry_is_no_way_round(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read(tmp_path / "file", b"\x80\x02\x82\x01.")


def test_storage_outside_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="outside itself"):
        read(tmp_path / "file", b"\x80\x02X\x01\x00\x00\x00aQ.")


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "ä", b"x"], 7: ("t", {1, 2}), "f": frozenset("ab")},
        [],
        "word",
    ],
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_survives(tmp_path: Path, value: object, protocol: int) -> None:
    assert read(tmp_path / "file", pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numeric_arrays_survive(tmp_path: Path, protocol: int) -> None:
    for array in (
        np.arange(6, dtype="f4").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([], dtype="i8"),
    ):
        back = read(tmp_path / "file", pickle.dumps({"x": array}, protocol))
        assert np.array_equal(np.asarray(back["x"]), array)


def test_object_arrays_as_numpy_writes_them(tmp_path: Path) -> None:
    content = {"prefix": "p", 0: {"fileid": "a"}}
    np.save(tmp_path / "x.npy", np.array(content, dtype=object), allow_pickle=True)
    assert load_npy(str(tmp_path / "x.npy")) == content
    np.save(tmp_path / "y.npy", np.array([{"a": 1}, {"b": 2}], dtype=object))
    assert list(load_npy(str(tmp_path / "y.npy"))) == [{"a": 1}, {"b": 2}]


def test_tensors_are_left_out_without_torch(corpora: Path) -> None:
    path = str(corpora / "phoenix2014t" / "slt" / "phoenix-2014t.dev")
    assert isinstance(load_pickle(path)[0]["sign"], Omitted)
    code = (
        "import sys; from slaeval.formats.pickles import load_pickle; "
        f"load_pickle({path!r}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


# -- numpy's own machinery in the hands of a stranger -----------------------------------------

_HIDDEN_POINTER = (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0)
_FAR_FIELD = (3, "|", None, ("a",), {"a": (np.dtype("i8"), 10**9)}, 8, 1, 0)


def in_a_process(path: Path, action: str) -> subprocess.CompletedProcess[str]:
    """Read in another process: what is tested here can take the whole process down."""
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "from slaeval.errors import InputError\n"
        "from slaeval.formats.pickles import load_npy, load_pickle\n"
        f"try: {action}\n"
        "except InputError as error: print('refused', error)\n"
        "else: print('read')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("state", [_HIDDEN_POINTER, _FAR_FIELD], ids=["pointer", "far field"])
def test_a_forged_dtype_reaches_no_foreign_memory(tmp_path: Path, state: tuple) -> None:
    forged = Call(np.dtype, "V8", False, True, state=state)
    data = pickle.dumps(Call(np.ndarray, (), forged, b"\x41" * 8), 2)
    (tmp_path / "file").write_bytes(npy(data))
    done = in_a_process(tmp_path / "file", "load_npy(sys.argv[1])")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused")


def build(module: str, name: str, attribute: str, value: object) -> bytes:
    """Return a pickle that sets an attribute of what it asks for."""

    def bare(item: object) -> bytes:
        return pickle.dumps(item, 2)[2:-1]

    return named(module, name)[:-1] + b"N}" + bare(attribute) + bare(value) + b"s\x86b."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
        ("_codecs", "encode"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("collections", "OrderedDict"),
    ],
)
def test_what_is_named_cannot_be_changed(tmp_path: Path, module: str, name: str) -> None:
    (tmp_path / "file").write_bytes(build(module, name, "__doc__", "changed"))
    code = "load_pickle(sys.argv[1])"
    done = in_a_process(tmp_path / "file", code)
    assert done.stdout.startswith("refused"), done.stdout + done.stderr


def test_a_few_bytes_do_not_fill_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(
        b"\x80\x02cbuiltins\nset\ncbuiltins\nrange\nJ\xff\xff\xff\x7f\x85R\x85R."
    )
    done = in_a_process(tmp_path / "file", "load_pickle(sys.argv[1])")
    assert "builtins.range" in done.stdout


# -- damaged files -----------------------------------------------------------------------------


@pytest.fixture
def bounded_memory():
    """A flipped bit can ask for any amount of memory: let it be refused, not granted."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 400), flip=st.integers(0, 400), bits=st.integers(0, 255))
def test_damaged_pickles_give_data_or_one_error(
    tmp_path: Path, bounded_memory: None, cut: int, flip: int, bits: int
) -> None:
    samples = [{"name": f"s-{i}", "gloss": "A B", "signer": "x"} for i in range(9)]
    data = bytearray(pickle.dumps(samples, 3))
    data[flip % len(data)] ^= bits
    data = data[: len(data) - cut % len(data)]
    path = tmp_path / "file"
    for wrap in WRAPPED.values():
        path.write_bytes(wrap(bytes(data)))
        # Any other exception is a defect: the flip may leave good data, or an InputError.
        with contextlib.suppress(InputError):
            read_references_file(path)


@pytest.mark.parametrize("size", [0, 1, 7, 11, 40, 100, -1])
def test_cut_off_npy(tmp_path: Path, size: int) -> None:
    whole = npy(pickle.dumps({0: {"fileid": "a", "label": "A", "signer": "s"}}))
    with pytest.raises(InputError):
        read(tmp_path / "file", whole[:size] if size >= 0 else whole[:-1])


@pytest.mark.parametrize(
    "content",
    [
        npy(b"", "<f8"),
        b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').system('true')".ljust(32),
        b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16,
        b"\x93NUMPY\x09\x09\xff\xff\xff\xff" + b" " * 30,
    ],
)
def test_damaged_npy_headers(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError):
        read(tmp_path / "file", content)


def test_cut_off_gzip(tmp_path: Path) -> None:
    whole = gzip.compress(pickle.dumps([{"name": "a", "gloss": "A", "signer": "s"}] * 50))
    with pytest.raises(InputError, match="truncated"):
        read(tmp_path / "file", whole[:-12])
    with pytest.raises(InputError, match="gzip"):
        read(tmp_path / "file", whole[:12] + b"\xff" * 20)


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="refused"):
        read(tmp_path / "file", gzip.compress(b"\0" * (40 << 20)))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for load in (load_npy, load_pickle):
        with pytest.raises(InputError, match="no such file"):
            load(str(tmp_path / "none"))
        with pytest.raises(InputError, match="folder"):
            load(str(tmp_path))
