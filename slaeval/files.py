"""Reading text safely and writing files whole.

Every reader of the project comes through :func:`read_text`, so that a missing file, a
directory, a wrong encoding or a file that is one endless line gives the same clear error
everywhere; every writer through :func:`write_whole`, so that no output is left half written.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from slaeval.errors import InputError, SlaevalError

__all__ = ["LONGEST_LINE", "read_bytes", "read_start", "read_text", "replacing", "write_whole"]

#: Longest line accepted, in bytes. 200,000 glosses take about 2 MB.
LONGEST_LINE = 64 * 1024 * 1024


def read_bytes(path: str | os.PathLike[str], what: str, *, lines: bool = False) -> bytes:
    """Read a whole file.

    Parameters
    ----------
    path : path-like
        File to read.
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


def read_start(path: str | os.PathLike[str], what: str, size: int = 8) -> bytes:
    """Read the first bytes of a file, to tell its kind; errors as :func:`read_bytes`."""
    if os.path.isfile(path):
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
    """Read a UTF-8 text file whole.

    A byte-order mark is taken away; lines that end with CRLF, or with CR alone as old
    spreadsheets write them, come back with newlines.

    Raises
    ------
    InputError
        As :func:`read_bytes`; also for an empty file, and for a byte that is not UTF-8,
        naming the byte, its line and the encoding it may be in.
    """
    data = read_bytes(path, what, lines=True)
    if not data.strip():
        raise InputError(f"the file is empty; expected {what}", path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("the file is UTF-16; save it as UTF-8", path, 1)
    try:
        text = data.decode("utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise InputError(
            f"byte 0x{data[error.start]:02x} at column {column} is not UTF-8; the file may be "
            "ISO-8859-1 or gzip: convert it first (iconv -f latin1 -t utf-8)",
            path,
            line,
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"a NUL byte: this is a binary file, not {what}", path, line)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def write_whole(path: str | os.PathLike[str], content: str | bytes | Iterable[str]) -> None:
    """Write `content` to a temporary file beside `path`, then rename it into place.

    A full disk, a kill or an error on the way leaves what stood at `path` untouched.

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
    it fails, the temporary file is removed and what stood at `path` is untouched.

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
