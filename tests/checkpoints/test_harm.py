"""Files that would run something, that are damaged, or that lie about their size."""

from __future__ import annotations

import copyreg
import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_checkpoint import make_checkpoint

from slaeval.checkpoints import describe, read_checkpoint, save_checkpoint
from slaeval.checkpoints.foreign import read_head
from slaeval.errors import InputError

READERS: list[Callable[[Any], Any]] = [
    read_checkpoint,
    describe,
    lambda path: read_head(path, ["A"]),
]


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def archive(path: Path, data: bytes, extra: dict[str, bytes] | None = None, **how: Any) -> Path:
    """Write a zip archive as torch does around a pickle."""
    with zipfile.ZipFile(path, "w", **how) as stream:
        stream.writestr("archive/data.pkl", data)
        stream.writestr("archive/byteorder", "little")
        for name, content in (extra or {}).items():
            stream.writestr(f"archive/{name}", content)
    return path


def touching(marker: Path) -> dict[str, tuple[bytes, str]]:
    """Return pickles that write `marker` when they are loaded, with what they ask for."""
    command = f"touch {marker}"
    text = f"open({str(marker)!r}, 'w').close()"
    import os

    plain = pickle.dumps(Calls(os.system, command), 2)
    array = np.zeros(2, object)
    array[0] = Calls(eval, text)
    # The name is taken from pieces of a dictionary, put in the memo and fetched again.
    memo = (
        b"\x80\x04}\x94(\x8c\x01a\x94\x8c\x05posix\x94\x8c\x01b\x94\x8c\x06system\x94u0"
        b"h\x02h\x04\x93\x8c" + bytes([len(command)]) + command.encode() + b"\x85R."
    )
    state = OrderedDict()
    state["conv1d.fc.weight"] = Calls(exec, text)
    return {
        "system": (plain, "posix.system"),
        "eval": (pickle.dumps({"format": Calls(eval, text)}, 2), "builtins.eval|__builtin__.eval"),
        "memo": (memo, "posix.system"),
        "inst": (b"(S'" + command.encode() + b"'\niposix\nsystem\n.", "posix.system"),
        "obj": (b"(cposix\nsystem\nS'" + command.encode() + b"'\no.", "posix.system"),
        "array": (pickle.dumps({"rng_state": array}, 2), "numpy|eval"),
        "getattr": (
            pickle.dumps({"a": Calls(getattr, Calls(__import__, "os"), "system")}, 4),
            "builtins.getattr",
        ),
        "nested": (
            pickle.dumps(Calls(torch.storage._load_from_bytes, plain), 2),
            "torch.storage._load_from_bytes",
        ),
        "hub": (pickle.dumps(Calls(torch.load, str(marker)), 2), "torch.serialization.load"),
        "state": (
            pickle.dumps({"epoch": 1, "model_state_dict": state}, 2),
            "builtins.exec|__builtin__.exec",
        ),
        "dotted": (
            b"\x80\x04\x8c\x0bcollections\x8c\x1dOrderedDict.__class__.__mro__\x93.",
            "collections.OrderedDict.__class__",
        ),
    }


@pytest.mark.parametrize("name", sorted(touching(Path("x"))))
def test_what_would_run_is_named_and_does_not_run(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    data, wanted = touching(marker)[name]
    path = archive(tmp_path / "a.pt", data)
    for read in READERS:
        with pytest.raises(InputError, match=f"({wanted}).*nothing in it has run|damaged"):
            read(path)
    with pytest.raises(InputError, match=wanted):
        read_checkpoint(path)
    assert not marker.exists()


def test_what_would_run_would_run(tmp_path: Path) -> None:
    """The pickles above are not harmless by mistake."""
    marker = tmp_path / "marker"
    for name in ("system", "eval", "memo", "inst", "obj", "array", "state"):
        pickle.loads(touching(marker)[name][0])
        marker.unlink()


def test_names_are_no_objects(tmp_path: Path) -> None:
    """A name that is allowed cannot be changed, called or hung something on."""
    build = b"}(X\x01\x00\x00\x00aK\x01ub"
    for data in (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n" + build + b".",
        b"\x80\x02ctorch\nFloatStorage\n" + build + b".",
        b"\x80\x02ctorch\nFloatStorage\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x01K\x01K\x01tR.",
        b"\x80\x02ctorch._utils\n_rebuild_parameter\n)R.",
        b"\x80\x02ccollections\nOrderedDict\n)\x81.",
        b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R.",
        b"\x80\x02U\x01aQ.",
        b"\x80\x02(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuM\xe8\x03tQ.",
    ):
        with pytest.raises(InputError):
            read_checkpoint(archive(tmp_path / "a.pt", data))


def test_registered_extensions_are_refused(tmp_path: Path) -> None:
    copyreg.add_extension("posix", "getpid", 240)
    try:
        with pytest.raises(InputError, match=r"EXT1 .*nothing in it has run"):
            read_checkpoint(archive(tmp_path / "a.pt", b"\x80\x02\x82\xf0)R."))
    finally:
        copyreg.remove_extension("posix", "getpid", 240)


def test_torchscript_is_refused(tmp_path: Path) -> None:
    data = pickle.dumps({}, 2)
    path = archive(tmp_path / "a.pt", data, {"constants.pkl": data, "code/__torch__.py": b""})
    with pytest.raises(InputError, match="asks for TorchScript"):
        read_checkpoint(path)


def test_old_pickles_are_refused_unread(tmp_path: Path) -> None:
    path, marker = tmp_path / "a.pt", tmp_path / "marker"
    for data, _ in touching(marker).values():
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"nothing in it has run|not a checkpoint"):
            read_checkpoint(path)
    assert not marker.exists()


def test_bombs_are_refused_before_they_grow(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    # Much in little.
    packed = {"data/0": bytes(50_000_000)}
    archive(path, pickle.dumps({}, 2), packed, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="compressed or encrypted"):
        read_checkpoint(path)
    # A memo of gigabytes.
    for data in (b"\x80\x02}r\xff\xff\xff\x7f.", b"}p4000000000\n."):
        with pytest.raises(InputError, match="a memo larger than the pickle"):
            read_checkpoint(archive(path, data))
    # A text of gigabytes.
    for data in (b"\x80\x02X\xff\xff\xff\x7fabc.", b"\x80\x05\x96" + b"\xff" * 7 + b"\x0fabc."):
        with pytest.raises(InputError, match="damaged"):
            read_checkpoint(archive(path, data))
    # Lists of lists of lists, each of two.
    content: Any = []
    for _ in range(40):
        content = [content, content]
    for shape in (content, {"a": content}):
        whole = {"format": "slaeval-checkpoint", "version": 1, "meta": {"recipe": shape}}
        with pytest.raises(InputError, match="too deeply or too large"):
            read_checkpoint(archive(path, pickle.dumps({**whole, "tensors": {}}, 2)))
    endless: list[Any] = []
    endless.append(endless)
    whole = {"format": "slaeval-checkpoint", "version": 1, "meta": {"recipe": endless}}
    with pytest.raises(InputError, match="too deeply or too large"):
        read_checkpoint(archive(path, pickle.dumps(whole, 2)))


@pytest.mark.parametrize("entry", ["format", "version", "tensors", "meta"])
def test_what_is_told_of_a_bomb_is_no_bomb(tmp_path: Path, entry: str) -> None:
    """A message shows a value; a value may name itself twice, and that twice, and so on."""
    content: Any = ()
    for _ in range(28):
        content = (content, content)
    if entry in ("tensors", "meta"):
        content = {content: 1}
    path = archive(tmp_path / "a.pt", pickle.dumps({**_sound(), "tensors": {}, entry: content}, 2))
    for read in READERS:
        with pytest.raises(InputError, match=r"too deeply or too large|a tuple as a key"):
            read(path)


@pytest.mark.parametrize("value", [10**6000, "\ud800"], ids=["number", "text"])
def test_values_that_cannot_be_shown_are_refused(tmp_path: Path, value: Any) -> None:
    sound = _sound()
    metrics = {**sound["meta"], "metrics": {"a": value}}
    for changes in ({"version": value}, {"meta": metrics}, {"tensors": {value: 1}}):
        data = pickle.dumps({**sound, "tensors": {}, **changes}, 2)
        for read in READERS:
            with pytest.raises(InputError, match="damaged"):
                read(archive(tmp_path / "a.pt", data))


def test_half_characters_are_no_text_in_json_either(tmp_path: Path) -> None:
    whole = _saved("safetensors")
    assert whole.count(b"HEUTE") == 1
    path = tmp_path / "a.safetensors"
    # Twice escaped: meta is a text of JSON in JSON.
    header = whole[8 : 8 + int.from_bytes(whole[:8], "little")]
    longer = header.replace(b"HEUTE", b"\\\\ud800")
    path.write_bytes(len(longer).to_bytes(8, "little") + longer + whole[8 + len(header) :])
    for read in READERS[:2]:
        with pytest.raises(InputError, match="not JSON"):
            read(path)


def test_a_described_tensor_stays_as_described(tmp_path: Path) -> None:
    """BUILD would go past the checks, and past the setter of a frozen dataclass."""
    sound = pickle.dumps({**_sound(), "tensors": {"head.classifier.weight": "HERE"}}, 2)
    start = b"ctorch._utils\n_rebuild_tensor_v2\n("
    reference = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x10tQ"
    rest = b"K\x00K\x04K\x04\x86K\x04K\x01\x86\x89ccollections\nOrderedDict\n)RtR"
    place = sound.index(b"X\x04\x00\x00\x00HERE")
    end = place + 9 + 2 * (sound[place + 9 : place + 10] == b"q")

    def told(tensor: bytes) -> Path:
        data = sound[:place] + tensor + sound[end:]
        return archive(tmp_path / "a.pt", data, {"data/0": bytes(64)})

    assert describe(told(start + reference + rest))["parameters"]["head"] == 16
    for values in (
        ["float32", "0", 10**12, 0, (10**6, 10**6), (10**6, 1)],
        ["float32", ["0"], 16, 0, (4, 4), (4, 1)],
        ["float32", "0", 16, 0, 4, 4],
    ):
        build = pickle.dumps(values, 2)[2:-1] + b"b"
        for tensor in (start + reference + rest + build, start + reference + build + rest):
            for read in READERS[:2]:
                with pytest.raises(InputError, match="changes an object once it is made"):
                    read(told(tensor))


def test_a_tensor_cannot_reach_beyond_its_bytes(tmp_path: Path) -> None:
    """Its shape is what the pickle says, its bytes are what the file has."""

    def told(numbers: int, offset: int, shape: bytes, stride: bytes) -> Path:
        whole = pickle.dumps({**_sound(), "tensors": {"head.classifier.weight": "HERE"}}, 2)
        reference = (
            b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuJ"
            + struct.pack("<i", numbers)
            + b"tQJ"
            + struct.pack("<i", offset)
            + shape
            + stride
            + b"\x89ccollections\nOrderedDict\n)RtR"
        )
        place = whole.index(b"X\x04\x00\x00\x00HERE")
        end = place + 9
        if whole[end : end + 1] == b"q":
            end += 2
        data = whole[:place] + reference + whole[end:]
        return archive(tmp_path / "a.pt", data, {"data/0": bytes(64)})

    six_by_four = b"K\x04K\x04\x86", b"K\x04K\x01\x86"
    read_error = {
        "other size": told(17, 0, *six_by_four),
    }
    with pytest.raises(InputError, match="17 numbers of float32 has only 64 bytes"):
        read_checkpoint(read_error["other size"])
    for offset, shape, stride in [
        (1, *six_by_four),
        (0, b"K\x04M\x10\x27\x86", b"K\x00K\x00\x86"),
        (0, b"K\x04K\x04\x86", b"K\x04M\x10\x27\x86"),
        (0, b"K\x04K\x04\x86", b"K\x01K\x04\x86"),
        (0, b"K\x04K\x04\x86", b"K\x04\x85"),
        (0, b"J\xff\xff\xff\xffK\x04\x86", b"K\x04K\x01\x86"),
        (0, b"G" + bytes(8) + b"K\x04\x86", b"K\x04K\x01\x86"),
        (-1, *six_by_four),
    ]:
        with pytest.raises(InputError, match=r"damaged|shares its bytes"):
            read_checkpoint(told(16, offset, shape, stride))


def _sound() -> dict[str, Any]:
    stream = io.BytesIO(_saved("pt"))
    content = torch.load(stream, weights_only=True)
    return {key: content[key] for key in ("format", "version", "meta")}


def test_compressed_members_and_second_names(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as stream:
        stream.writestr("a/data.pkl", pickle.dumps({}, 2))
        stream.writestr("b/data.pkl", pickle.dumps({}, 2))
    with pytest.raises(InputError, match=r"not one of torch\.save"):
        read_checkpoint(path)
    with zipfile.ZipFile(path, "w") as stream:
        stream.writestr("word/document.xml", "x")
    with pytest.raises(InputError, match=r"not one of torch\.save"):
        read_checkpoint(path)
    with zipfile.ZipFile(path, "w") as stream:
        stream.writestr("a/data.pkl", pickle.dumps({}, 2))
        stream.writestr("a/byteorder", "big")
    with pytest.raises(InputError, match="other byte order"):
        read_checkpoint(path)


@cache
def _saved(form: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{form}"
        save_checkpoint(path, make_checkpoint())
        return path.read_bytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("harm") / "damaged"


@pytest.mark.parametrize("form", ["pt", "safetensors"])
@given(data=st.data())
@settings(max_examples=80)
def test_truncated_anywhere(place: Path, form: str, data: st.DataObject) -> None:
    whole = _saved(form)
    place.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    for read in READERS:
        with pytest.raises(InputError, match=str(place)):
            read(place)


@pytest.mark.parametrize("form", ["pt", "safetensors"])
@given(data=st.data())
@settings(max_examples=200)
def test_changed_bytes_are_refused_or_change_nothing(
    place: Path, form: str, data: st.DataObject
) -> None:
    whole = bytearray(_saved(form))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    place.write_bytes(whole)
    found = _or_error(read_checkpoint, place)
    if found is not None:
        # Padding, dates and the like are nobody's content.
        assert found.hash == make_checkpoint().hash
        assert torch.equal(
            found.tensors["tower.conv1.weight"], make_checkpoint().tensors["tower.conv1.weight"]
        )
    for read in READERS[1:]:
        _or_error(read, place)


def _or_error(read: Callable[[Any], Any], path: Path) -> Any:
    """Return what was read, or None after an error of ours that names the file."""
    try:
        return read(path)
    except InputError as error:
        message = str(error)
    assert message.startswith(str(path))
    return None


@pytest.mark.parametrize("form", ["pt", "safetensors"])
@given(data=st.data())
@settings(max_examples=60)
def test_bytes_after_the_end(place: Path, form: str, data: st.DataObject) -> None:
    place.write_bytes(_saved(form) + data.draw(st.binary(min_size=1, max_size=200)))
    found = _or_error(read_checkpoint, place)
    assert found is None or found.hash == make_checkpoint().hash


@given(content=st.binary(max_size=400))
@settings(max_examples=80)
def test_any_bytes(place: Path, content: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"\x10\0\0\0\0\0\0\0{"):
        place.write_bytes(start + content)
        for read in READERS:
            with pytest.raises(InputError):
                read(place)


@given(content=st.binary(max_size=200))
@settings(max_examples=80)
def test_any_pickle(place: Path, content: bytes) -> None:
    for start in (b"\x80\x02", b"\x80\x02}q\0(X\x06\0\0\0format"):
        archive(place, start + content)
        for read in READERS:
            with pytest.raises(InputError):
                read(place)
