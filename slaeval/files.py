"""Reading text safely and writing files whole.

Every reader of the project comes through :func:`read_text`, so that a missing file, a
directory, a wrong encoding, a binary file or one that is an endless line gives the same clear
error everywhere, and gzip and standard input (``-``) can be read everywhere; every writer
through :func:`write_whole`, so that no output is left half-written.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ParamSpec, TypeVar

from slaeval.errors import InputError, SlaevalError

__all__ = [
    "LONGEST_LINE",
    "STDIN",
    "check_text",
    "gunzipped",
    "kept_unless_changed",
    "read_bytes",
    "read_start",
    "read_text",
    "replacing",
    "write_whole",
]

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")

#: The path that stands for standard input.
STDIN = "-"

#: Longest line accepted, in bytes. 200,000 glosses take about 2 MB.
LONGEST_LINE = 64 * 1024 * 1024

#: How many times its size a gzip file may unpack to, and how many bytes any may. Real ones reach 7.
_RATIO, _ROOM = 32, 32 << 20

#: Nanoseconds in which two writes may get the same time, with much to spare.
_LATELY = 2_000_000_000

#: How files begin that are not text, and what they are.
_KINDS = (
    (rb"\x80[\x02-\x05]|\((lp|dp)\d+\n|ccopy_reg\n|cnumpy", "a pickle"),
    (rb"\x93NUMPY", "a .npy file of numpy"),
    (rb"PK\x03\x04(?s:.*xl/workbook)", "an Excel workbook"),
    (rb"PK\x03\x04(?s:.*data\.pkl)", "a file of torch.save"),
    (rb"PK\x03\x04(?s:.*\.npy)", "an .npz file of numpy"),
    (rb"PK(\x03\x04|\x05\x06)", "a zip archive"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (rb"PAR1", "a Parquet file"),
    (rb"ARROW1|FEA1", "an Arrow file"),
    (rb"\x89HDF", "an HDF5 file"),
    (rb"SQLite format 3", "an SQLite database"),
    (rb"version https://git-lfs", "a Git LFS pointer (fetch the file itself: git lfs pull)"),
    (rb"BZh\d|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!", "a packed file (unpack it first)"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|%PDF|....ftyp|\x1aE\xdf\xa3", "a picture, a film or a PDF"),
)

#: A control character that no text in any encoding of one byte a character has.
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")


def read_bytes(path: str | os.PathLike[str], what: str, *, lines: bool = False) -> bytes:
    """Read a whole file.

    Parameters
    ----------
    path : path-like
        File to read; ``-`` for standard input.
    what : str
        What the file is meant to be, for the error message: ``"a hypothesis file"``.
    lines : bool
        Refuse a file that has a line of more than :data:`LONGEST_LINE` bytes, before it
        is all in memory.

    Raises
    ------
    InputError
        The file is missing, is a directory, cannot be read or has an endless line.
    """
    if path == STDIN:
        return _standard_input()
    try:
        with open(path, "rb") as stream:
            if not lines:
                return stream.read()
            chunks = [stream.read(LONGEST_LINE)]
            while len(chunks[-1]) == LONGEST_LINE:
                if b"\n" not in chunks[-1]:
                    number = sum(chunk.count(b"\n") for chunk in chunks) + 1
                    raise InputError(
                        f"this line is longer than {LONGEST_LINE >> 20} MiB: not {what}",
                        path,
                        number,
                    )
                chunks.append(stream.read(LONGEST_LINE))
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
    except FileNotFoundError:
        raise InputError(f"no such file; expected {what}", path) from None
    except IsADirectoryError:
        raise InputError(f"this is a folder; expected {what}", path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path) from None


@functools.cache
def _standard_input() -> bytes:
    """Read standard input once, for whoever asks again."""
    return sys.stdin.buffer.read()


def gunzipped(data: bytes, path: str | os.PathLike[str]) -> bytes:
    """Unpack a gzip file, all its members; anything else comes back unchanged.

    Raises
    ------
    InputError
        It is damaged, truncated, or unpacks to far more than its size.
    """
    if data[:2] != b"\x1f\x8b":
        return data
    most = max(_ROOM, _RATIO * len(data))
    members = [b""]
    while data:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            members.append(unpacker.decompress(data, most - sum(map(len, members)) + 1))
        except zlib.error as error:
            raise InputError(f"not a whole gzip file: {error}", path) from None
        if sum(map(len, members)) > most:
            raise InputError(
                f"unpacks to more than {most >> 20} MiB, {_RATIO} times its size or more: "
                "refused; if you know what it is, unpack it first (gunzip)",
                path,
            )
        if not unpacker.eof:
            raise InputError("this gzip file is truncated", path)
        data = unpacker.unused_data.lstrip(b"\0")
    return b"".join(members)


def read_start(path: str | os.PathLike[str], what: str, size: int = 8) -> bytes:
    """Read the first bytes of a file, to tell its kind; errors as :func:`read_bytes`."""
    if path != STDIN and os.path.isfile(path):
        try:
            with open(path, "rb") as stream:
                return stream.read(size)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", path) from None
    return read_bytes(path, what)[:size]


def check_text(text: str, path: str | os.PathLike[str] | None, line: int | None = None) -> None:
    """See that `text` can be written down: JSON can escape half of a character.

    Raises
    ------
    InputError
        It contains an unpaired surrogate.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"unpaired surrogate, which is invalid Unicode: {text!a:.80}", path, line
        ) from None


def read_text(path: str | os.PathLike[str], what: str) -> str:
    """Read a UTF-8 text file whole, plain or gzip.

    A byte-order mark is taken away; lines that end with CRLF, or with CR alone as old
    spreadsheets write them, come back with newlines.

    Raises
    ------
    InputError
        As :func:`read_bytes` and :func:`gunzipped`; also for an empty file, for one that is
        no text, saying what it is, and for a byte that is not UTF-8, naming the byte, its line
        and the encoding it may be in.
    """
    data = gunzipped(read_bytes(path, what, lines=True), path)
    if not data or data.isspace():
        raise InputError(f"the file is empty; expected {what}", path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("the file is UTF-16; save it as UTF-8", path, 1)
    for start, kind in _KINDS:
        if re.match(start, data):
            raise InputError(
                f"this is {kind}, not {what}; glosses of anything else can be written as a "
                "table: id,glosses",
                path,
            )
    try:
        text = data.decode("utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8")
    except UnicodeDecodeError as error:
        if _BINARY.search(data, 0, 1 << 16):
            raise InputError(f"this is a binary file, not {what}", path) from None
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise InputError(
            f"byte 0x{data[error.start]:02x} at column {column} is not UTF-8; the file may be "
            "ISO-8859-1: convert it first (iconv -f latin1 -t utf-8)",
            path,
            line,
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"a NUL byte: this is a binary file, not {what}", path, line)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def kept_unless_changed(read: Callable[_Given, _Found]) -> Callable[_Given, _Found]:
    """Decorate what reads the file of its first argument: it is not read again while it stays.

    What was read is kept until a file in that folder changes, for as long as the process lives;
    it must not be changed. A folder with a file so new that a change at once might not show in
    its time is read again.
    """
    kept: dict[Any, tuple[object, _Found]] = {}

    @functools.wraps(read)
    def reading(*given: _Given.args, **named: _Given.kwargs) -> _Found:
        place = (*given, *named.items())
        state = _state(os.path.dirname(str(given[0])))
        if state is None:
            kept.pop(place, None)
            return read(*given, **named)
        if place not in kept or kept[place][0] != state:
            kept[place] = state, read(*given, **named)
        return kept[place][1]

    return reading


def _state(folder: str) -> list[tuple[str, int, int]] | None:
    """Return names, times and sizes of the files in a folder; None where they are too new."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
    except OSError:
        return None
    if any(time.time_ns() - state.st_mtime_ns < _LATELY for _, state in found):
        return None
    return sorted((name, state.st_mtime_ns, state.st_size) for name, state in found)


def write_whole(path: str | os.PathLike[str], content: str | bytes | Iterable[str]) -> None:
    """Write `content` to a temporary file beside `path`, then rename it into place.

    A full disk, a kill or an error on the way leaves what was at `path` untouched.

    Raises
    ------
    SlaevalError
        The folder is missing or not writable, or the disk is full.
    """
    path = os.fspath(path)
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        # A pipe or a device (/dev/stdout) cannot be renamed over.
        with open(path, "wb") as stream:
            for piece in _pieces(content):
                stream.write(piece)
        return
    with replacing(path) as temporary, open(temporary, "xb") as stream:
        for piece in _pieces(content):
            stream.write(piece)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """Give the name of a temporary file beside `path` that takes its place at the end.

    The file is made by the body, synced to the disk and renamed when the body is through; when
    it fails, the temporary file is removed and what was at `path` is untouched.

    Raises
    ------
    SlaevalError
        `path` is a folder, its folder is missing or not writable, or the disk is full: any
        OSError of the body.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        raise SlaevalError(f"{path}: cannot write: this is a folder")
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise SlaevalError(f"{path}: cannot write: no folder {folder}")
    import secrets  # costs 4 ms, and a score alone writes nothing

    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    try:
        yield temporary
        with open(temporary, "r+b") as stream:
            os.fsync(stream.fileno())
        if os.path.exists(path):
            os.chmod(temporary, os.stat(path).st_mode & 0o7777)
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise SlaevalError(f"{path}: cannot write: {error.strerror or error}") from None
        raise


def _pieces(content: str | bytes | Iterable[str]) -> Iterable[bytes]:
    if isinstance(content, bytes):
        yield content
    elif isinstance(content, str):
        yield content.encode("utf-8")
    else:
        for piece in content:
            yield piece.encode("utf-8")
