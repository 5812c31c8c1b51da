"""Crafted pickles cost no more than their size, whatever they are wrapped in."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from crafted_pickles import ATTACKS

from slaeval.errors import InputError
from slaeval.formats.pickles import load_npy, load_pickle

pytest.importorskip("resource", reason="memory cannot be limited here")


def _npy(payload: bytes) -> bytes:
    header = "{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + payload


def _pickle(payload: bytes) -> bytes:
    return payload if payload[:1] == b"\x80" else b"\x80\x04" + payload


def _write(path: Path, content: Callable[[bytes], bytes], payload: bytes) -> None:
    path.write_bytes(content(payload))


def _write_pt(path: Path, payload: bytes) -> None:
    with zipfile.ZipFile(path, "w") as stream:
        stream.writestr("archive/data.pkl", payload)


WRAPPED: dict[str, Callable[[Path, bytes], None]] = {
    "plain": lambda path, payload: _write(path, _pickle, payload),
    "gzip": lambda path, payload: _write(path, gzip.compress, payload),
    "npy": lambda path, payload: _write(path, _npy, payload),
    "pt": _write_pt,
}

_READ_ALL = """
import resource, sys
from slaeval.checkpoints import describe
from slaeval.checkpoints.foreign import is_foreign
from slaeval.errors import InputError
from slaeval.loaders import read_references_file
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
for path in sys.argv[1:]:
    print(path, end=" ", flush=True)
    try:
        if path.endswith(".pt"):
            assert not is_foreign(path)
            describe(path)
        else:
            read_references_file(path)
    except InputError as error:
        print("refused", len(str(error)), flush=True)
    else:
        print("read", flush=True)
"""


@pytest.mark.parametrize("wrap", WRAPPED)
def test_every_attack_ends_in_one_short_error(tmp_path: Path, wrap: str) -> None:
    """A crash, a hang or too much memory ends the list at the attack that did it."""
    paths = []
    for number, payload in enumerate(ATTACKS.values()):
        paths.append(tmp_path / f"{number}.{wrap}")
        WRAPPED[wrap](paths[-1], payload)
    done = subprocess.run(
        [sys.executable, "-c", _READ_ALL, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    answers = [line.split()[1:] for line in done.stdout.splitlines()]
    told = dict(zip(ATTACKS, answers, strict=False))
    assert len(answers) == len(ATTACKS), (list(told)[-1], done.stderr)
    for name, answer in told.items():
        assert answer[0] == "refused", name
        assert int(answer[1]) < 500 + len(str(tmp_path)), name


@pytest.mark.parametrize("descr", ["'|O'", "[('a', '|O')]", "(" * 9_000, "-" * 9_000 + "1"])
def test_headers_of_npy(tmp_path: Path, descr: str) -> None:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (), }}".encode()
    for version, size, stated in (
        (1, "<H", len(header)),
        (2, "<I", len(header)),
        (1, "<H", 65_535),
        (2, "<I", (1 << 32) - 1),
        (2, "<I", 10_000_000),
    ):
        path = tmp_path / "x.npy"
        start = b"\x93NUMPY" + bytes([version, 0]) + struct.pack(size, stated)
        path.write_bytes(start + header.ljust(stated if stated < 20_000_000 else 0) + b"]q\0h\0a.")
        with pytest.raises(InputError):
            load_npy(str(path))


@pytest.mark.parametrize("unit", [b"\0", b"}", b"(", b"]", b"N0", b"\x8f", b")\x85"])
def test_gzip_bombs(tmp_path: Path, unit: bytes) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(unit * ((64 << 20) // len(unit)), 1))
    with pytest.raises(InputError, match=r"32 times its size or more: refused.*gunzip"):
        load_pickle(str(path))
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(InputError):
        load_pickle(str(path))
