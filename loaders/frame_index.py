"""The index of a frame cache: what a split is, and where each clip is in its file.

The first line is a header, each further line a clip, all in JSON. While a split is being made,
lines are appended, each after its frames; the hash in the header is written last.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from slaeval.errors import InputError, UsageError
from slaeval.files import read_bytes

__all__ = [
    "PART",
    "Coding",
    "Entry",
    "Header",
    "check_own",
    "damaged",
    "deleted",
    "frames_file",
    "index_file",
    "read_index",
]

Pixels = NDArray[np.uint8]
Format = Literal["jpeg", "webp", "png"]

#: Incremented when the layout changes, or when ``read_frames`` gives other pixels.
_FORMAT, _VERSION = "slaeval-frame-cache", 1

#: No header is longer, in bytes.
_LONGEST_HEADER = 1 << 16

#: Suffix of the folder of an unfinished split.
PART = ".part"


@dataclass(frozen=True)
class Coding:
    """How frames are stored.

    Attributes
    ----------
    format : {"jpeg", "webp", "png"}
        JPEG keeps the full resolution of colours (4:4:4); PNG is lossless.
    quality : int or None
        1 to 100, None for PNG.
    """

    format: Format = "jpeg"
    quality: int | None = None

    def __post_init__(self) -> None:
        if self.format not in get_args(Format):
            raise UsageError(f"frames can be stored as jpeg, webp or png, not {self.format!r}")
        if self.format == "png":
            if self.quality is not None:
                raise UsageError("png is lossless: it has no quality")
        elif self.quality is None:
            object.__setattr__(self, "quality", 95)
        elif not 1 <= self.quality <= 100:
            raise UsageError(f"the quality must be 1 to 100, not {self.quality}")

    @property
    def lossless(self) -> bool:
        """Whether decoding restores frames exactly."""
        return self.format == "png"

    def __str__(self) -> str:
        return "png" if self.quality is None else f"{self.format} {self.quality}"

    def encode(self, pixels: Pixels) -> bytes:
        """Return a frame [H, W, 3] as the bytes of a picture."""
        from PIL import Image

        options: dict[str, Any] = {"quality": self.quality}
        if self.format == "jpeg":
            options["subsampling"] = 0
        elif self.format == "webp":
            options["method"] = 2  # of 0 to 6; more takes three times as long to save 5 %
        else:
            options = {"compress_level": 1}
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, self.format, **options)
        return stream.getvalue()

    def decode(self, data: bytes) -> Pixels:
        """Return the frame encoded in the bytes of a picture."""
        from PIL import Image

        with Image.open(io.BytesIO(data), formats=(self.format,)) as picture:
            return np.asarray(picture)


@dataclass(frozen=True)
class Header:
    """What a split of a frame cache is.

    Attributes
    ----------
    corpus, setup, split : str
        Where the frames belong.
    side : int
        Height and width of a frame.
    coding : Coding
        How they are stored.
    frames, bytes : int
        Their number, and the size of their file; 0 while it is being made.
    hash : str
        SHA-256 of the file.
    """

    corpus: str
    setup: str
    split: str
    side: int
    coding: Coding
    frames: int = 0
    bytes: int = 0
    hash: str = ""

    def __str__(self) -> str:
        made = f", {self.hash[:12]}" if self.hash else ""
        return f"{self.coding}, {self.side} pixels{made}"

    @property
    def place(self) -> tuple[str, str, int, Coding]:
        """What all splits in one cache have in common."""
        return self.corpus, self.setup, self.side, self.coding

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return vars(self) | {"coding": self.coding.format, "quality": self.coding.quality}

    def line(self) -> str:
        """Return the first line of an index."""
        return json.dumps({"format": _FORMAT, "version": _VERSION} | self.to_dict()) + "\n"

    @classmethod
    def read(cls, line: str, path: str) -> Header:
        """Read the first line of an index.

        Raises
        ------
        InputError
            It is something else, or has another version.
        """
        values = _fields(line, path)
        version = values.pop("version")
        if version != _VERSION:
            raise InputError(
                f"a frame cache of another version of slaeval ({version!r:.20}, this one reads "
                f"{_VERSION}); make it again with --restart",
                path,
                1,
            )
        try:
            header = cls(coding=Coding(values.pop("coding"), values.pop("quality")), **values)
        except (TypeError, KeyError, UsageError):
            raise damaged(path, 1) from None
        kinds = {type(getattr(header, name)) for name in ("side", "frames", "bytes")}
        if kinds != {int} or not isinstance(header.hash, str):
            raise damaged(path, 1)
        return header

    def remake(self, folder: str) -> str:
        """Return the command that replaces an unusable split in this folder."""
        quality = "" if self.coding.quality is None else f" --quality {self.coding.quality}"
        return (
            f"make it again: slaeval corpus cache {self.corpus} --setup {self.setup} --split "
            f"{self.split} --size {self.side} --format {self.coding.format}{quality} --out "
            f"{shlex.quote(os.path.dirname(folder))} --restart"
        )


class Entry(NamedTuple):
    """One clip in an index.

    Attributes
    ----------
    id : str
        The sample.
    sizes, checks : list of int
        Size of each frame in bytes, and its CRC-32.
    source, content : str
        Digests of the files it was made from: :func:`source_digest`, :func:`content_digest`.
    reason : str
        Why its frames could not be read; empty if they could.
    """

    id: str
    sizes: list[int]
    checks: list[int]
    source: str
    content: str
    reason: str = ""

    def line(self) -> str:
        """Return its line of an index."""
        return json.dumps(self._asdict(), ensure_ascii=False, separators=(",", ":")) + "\n"


def _fields(line: str, path: str) -> dict[str, Any]:
    """Return what the first line of an index of any version says, without its format."""
    try:
        values: dict[str, Any] = json.loads(line)
        if values.pop("format") == _FORMAT and "version" in values:
            return values
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise InputError("not the index of a frame cache", path, 1)


def frames_file(folder: str) -> str:
    """Return the path of the frames in the folder of a split."""
    return os.path.join(folder, "frames.bin")


def index_file(folder: str) -> str:
    """Return the path of the index in the folder of a split."""
    return os.path.join(folder, "index.jsonl")


#: The files of a split, and what a killed process leaves of an index being written.
_OWN = re.compile(r"frames\.bin|index\.jsonl(\.[0-9a-f]{8}\.tmp)?")


def check_own(folder: str) -> None:
    """Check that a folder is a split of a frame cache, is empty or does not exist.

    Raises
    ------
    UsageError
        It is something else, which must not be written to, renamed or deleted.
    """
    if why := _foreign(folder):
        raise UsageError(
            f"{folder} is not part of a frame cache ({why}), and is left as it is: name another "
            "folder with --out"
        )


def _foreign(folder: str) -> str:
    if not os.path.lexists(folder):
        return ""
    if os.path.islink(folder) or not os.path.isdir(folder):
        return "it is not a folder"
    names = sorted(os.listdir(folder))
    for name in names:
        if not _OWN.fullmatch(name):
            return f"it holds {name!r}"
    if names:
        path = index_file(folder)
        try:
            with open(path, "rb") as stream:
                _fields(stream.readline(_LONGEST_HEADER).decode("utf-8", "replace"), path)
        except (OSError, InputError):
            return "it has no index of one"
    return ""


def deleted(folder: str) -> None:
    """Delete a split, file by file, the index last: what a kill leaves is still known as one.

    Raises
    ------
    UsageError
        It is something else; see :func:`check_own`.
    OSError
        A file cannot be deleted.
    """
    check_own(folder)
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder), key=lambda name: (name == "index.jsonl", name)):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)


def read_index(path: str, *, torn: bool = False) -> tuple[Header, list[Entry]]:
    """Read an index.

    Parameters
    ----------
    path : str
        The file.
    torn : bool
        Whether its last line may be truncated, as while it is being made.

    Raises
    ------
    InputError
        It is missing, damaged, or has another version.
    """
    lines = read_bytes(path, "the index of a frame cache").decode("utf-8", "replace").split("\n")
    rest = lines.pop()
    header = Header.read(lines[0] if lines else rest, path)
    if not lines or (rest and not torn):
        raise damaged(path, len(lines) + 1)
    entries = []
    for number, line in enumerate(lines[1:], 2):
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError):
            raise damaged(path, number) from None
        if not (_are_counts(entry.sizes) and _are_counts(entry.checks)) or (
            len(entry.sizes) != len(entry.checks)
        ):
            raise damaged(path, number)
        entries.append(entry)
    return header, entries


def _are_counts(values: object) -> bool:
    return isinstance(values, list) and all(type(n) is int and 0 <= n < 1 << 32 for n in values)


def damaged(path: str, line: int | None = None) -> InputError:
    """Return the error about a damaged file of a cache."""
    return InputError("this frame cache is damaged; make it again with --restart", path, line)
