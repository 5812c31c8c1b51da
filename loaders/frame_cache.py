"""Resized frames of a corpus in one file, made once and read by every process of every run.

A release has its pictures in a million files, or in videos that are decoded again in every epoch.
A frame cache holds them at the size that the model needs::

    phoenix2014t-multisigner-256-jpeg95/   one corpus and setup, one size, one coding
        train/                             a split, complete
            frames.bin                     the coded frames of all clips, one after another
            index.jsonl                    a header, then one line per clip
        dev.part/                          a split being written

Processes share the system's page cache of ``frames.bin``; none holds a copy. Each frame has a
CRC-32, each file a SHA-256. A cache belongs to the files it was made from: their names, sizes and
modification times are compared whenever it is used, and their content if only the times differ,
as they do after a copy.

``jpeg`` and ``webp`` change pixels slightly, ``png`` does not; results name the coding used.
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slaeval.console import warn
from slaeval.errors import InputError, counted
from slaeval.loaders.frame_index import (
    PART,
    Coding,
    Entry,
    Header,
    damaged,
    frames_file,
    index_file,
    read_index,
)
from slaeval.loaders.records import Corpus
from slaeval.loaders.video import VideoClip, read_frames

__all__ = [
    "AUTO",
    "CachedSplit",
    "FrameCache",
    "StoredFrames",
    "cache_folder",
    "content_digest",
    "encoded",
    "open_frame_cache",
    "source_digest",
    "verified",
]

Pixels = NDArray[np.uint8]
#: In place of a folder: the cache in the default location.
AUTO = "auto"

#: Bytes read at once, and how many files are examined at a time.
_PIECE, _AT_ONCE = 1 << 20, 8


@dataclass(frozen=True)
class StoredFrames:
    """What a reader needs to know about the frames of one clip in a cache.

    Attributes
    ----------
    header : Header
        The split's header.
    path : str
        The file they are in.
    starts : int64 array [frames + 1]
        Where each frame begins in it, and where the last one ends.
    checks : uint32 array [frames]
        CRC-32 of each.
    """

    header: Header
    path: str
    starts: NDArray[np.int64]
    checks: NDArray[np.uint32]

    def read(self, id: str, size: tuple[int, int] | None, numbers: Sequence[int]) -> Pixels:
        """Read frames; parameters and result as :func:`slaeval.loaders.video.read_frames`.

        Raises
        ------
        InputError
            The requested size is not the cache's, or the file is missing, truncated or damaged.
        """
        side = self.header.side
        if size != (side, side):
            raise InputError(
                f"sample {id!r}: the frame cache has frames of {side} by {side} pixels, not "
                + ("of the full size" if size is None else f"{size[0]} by {size[1]}"),
                self.path,
            )
        out = np.empty((len(numbers), side, side, 3), np.uint8)
        try:
            # Opened for each clip: there is no handle to pass to workers, and a file that shrinks
            # is an error to report, where a memory map would crash the process.
            with open(self.path, "rb", buffering=0) as stream:
                for place, number in enumerate(numbers):
                    out[place] = self._frame(stream, id, number)
        except OSError as error:
            raise InputError(
                f"sample {id!r}: the frame cache cannot be read: {error.strerror or error}",
                self.path,
            ) from None
        return out

    def _frame(self, stream: io.FileIO, id: str, number: int) -> Pixels:
        start, end = int(self.starts[number]), int(self.starts[number + 1])
        stream.seek(start)
        data = stream.read(end - start)
        if zlib.crc32(data) != self.checks[number]:
            what = "is truncated" if len(data) < end - start else "is damaged"
            raise InputError(
                f"the frame cache {what} at byte {start}, frame {number} of sample {id!r}: "
                + self.header.remake(os.path.dirname(self.path)),
                self.path,
            )
        try:
            pixels = self.header.coding.decode(data)
        except (SyntaxError, ValueError):
            raise damaged(self.path) from None
        if pixels.shape != (self.header.side, self.header.side, 3):
            raise damaged(self.path)
        return pixels


# -- sources ----------------------------------------------------------------------------------


def source_digest(clip: VideoClip) -> str:
    """Return a digest of the names, sizes and modification times of a clip's files.

    ``""`` if one is missing; reading it will report that.
    """
    digest = hashlib.sha256()
    for name, path in _files(clip):
        try:
            found = os.stat(path)
        except OSError:
            return ""
        digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()


def content_digest(clip: VideoClip) -> str:
    """Return a digest of the names and bytes of a clip's files.

    Raises
    ------
    InputError
        One cannot be read.
    """
    digest = hashlib.sha256()
    for name, path in _files(clip):
        digest.update(f"{name}\0".encode(errors="replace"))
        try:
            with open(path, "rb") as stream:
                while piece := stream.read(_PIECE):
                    digest.update(piece)
        except OSError as error:
            raise InputError(
                f"sample {clip.id!r}: cannot be read: {error.strerror or error}", path
            ) from None
    return digest.hexdigest()


def _files(clip: VideoClip) -> Iterator[tuple[str, str]]:
    if not clip.files:
        yield os.path.basename(clip.path), clip.path
    for name in clip.files:
        yield name, os.path.join(clip.path, name)


def encoded(clip: VideoClip, side: int, coding: Coding) -> tuple[Entry, bytes]:
    """Read a clip from its files and encode it.

    Returns
    -------
    tuple of Entry and bytes
        Its line of the index, and its frames one after another.

    Raises
    ------
    InputError
        It cannot be read.
    """
    source = source_digest(clip)
    frames = [coding.encode(frame) for frame in read_frames(clip, (side, side))]
    entry = Entry(
        clip.id,
        [len(data) for data in frames],
        [zlib.crc32(data) for data in frames],
        source,
        content_digest(clip),
    )
    return entry, b"".join(frames)


# -- reading ----------------------------------------------------------------------------------


class CachedSplit(NamedTuple):
    """A split of a frame cache.

    Attributes
    ----------
    folder : str
        Where it is.
    header : Header
        What it is.
    entries : dict
        Id to its line of the index, in the order of the corpus.
    """

    folder: str
    header: Header
    entries: dict[str, Entry]

    @classmethod
    def open(cls, folder: str) -> CachedSplit:
        """Open a split; see :func:`open_frame_cache` for errors."""
        header, entries = read_index(index_file(folder))
        path = frames_file(folder)
        try:
            there = os.path.getsize(path)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", path) from None
        stated = sum(sum(entry.sizes) for entry in entries)
        if not there == header.bytes == stated:
            raise InputError(
                f"the frame cache is truncated: {there:,} bytes of {header.bytes:,} are there; "
                + header.remake(folder),
                path,
            )
        return cls(folder, header, {entry.id: entry for entry in entries})

    def check_source(self, clips: Sequence[VideoClip]) -> list[str]:
        """Check that the cache was made from these clips; return those with other times.

        Raises
        ------
        InputError
            It was made from others, or its index is damaged.
        """

        def look(clip: VideoClip) -> tuple[str, bool]:
            entry = self.entries.get(clip.id)
            if entry is None:
                return "is not in the frame cache", False
            moved = entry.source != source_digest(clip)
            if moved and (entry.reason or entry.content != content_digest(clip)):
                return "has changed since the frame cache was made", False
            if not entry.reason and len(entry.sizes) != clip.frames_there:
                raise damaged(index_file(self.folder))
            return "", moved

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(look, clips))
        wrong = [(clip.id, what) for clip, (what, _) in zip(clips, found, strict=True) if what]
        if wrong:
            id, what = wrong[0]
            others = f" (and {counted(len(wrong) - 1, 'other')})" if wrong[1:] else ""
            raise InputError(
                f"sample {id!r} {what}{others}; read the corpus itself, without "
                f"--frame-cache, or {self.header.remake(self.folder)}",
                self.folder,
            )
        return [clip.id for clip, (_, moved) in zip(clips, found, strict=True) if moved]

    def unreadable(
        self, clips: Iterable[VideoClip], on_error: Literal["stop", "skip"]
    ) -> dict[str, str]:
        """Return id to reason, for those of its clips that could not be read when it was made.

        Raises
        ------
        InputError
            With ``"stop"``: there are some.
        """
        reasons = {clip.id: self.entries[clip.id].reason for clip in clips}
        found = {id: reason for id, reason in reasons.items() if reason}
        if found and on_error == "stop":
            others = f", and {counted(len(found) - 1, 'other')}" if len(found) > 1 else ""
            raise InputError(
                f"{next(iter(found.values()))} (as the frame cache was made){others}; leave such "
                f"samples out with --on-error skip, or {self.header.remake(self.folder)}"
            )
        return found

    def stored(self) -> Iterator[tuple[str, StoredFrames]]:
        """Yield the id and the frames of each clip."""
        at = 0
        path = frames_file(self.folder)
        for entry in self.entries.values():
            starts = at + np.cumsum([0, *entry.sizes], dtype=np.int64)
            at = int(starts[-1])
            checks = np.array(entry.checks, np.uint32)
            yield entry.id, StoredFrames(self.header, path, starts, checks)


class FrameCache:
    """An existing frame cache; see :func:`open_frame_cache`.

    Attributes
    ----------
    folder : str
        Where it is.
    side : int or None
        Required side of the frames; None for any.
    """

    def __init__(self, folder: str, side: int | None = None) -> None:
        self.folder = folder
        self.side = side
        self._splits: dict[str, CachedSplit] = {}

    def split(self, corpus: str, setup: str, name: str) -> CachedSplit:
        """Open a split; see :func:`open_frame_cache` for errors."""
        if name not in self._splits:
            folder = os.path.join(self.folder, name)
            if not os.path.isdir(folder):
                raise _absent(self.folder, corpus, setup, name, self.side)
            found = CachedSplit.open(folder)
            header = found.header
            if (header.corpus, header.setup, header.split) != (corpus, setup, name):
                raise InputError(
                    f"frames of {header.corpus} ({header.setup}) {header.split}, not of {corpus} "
                    f"({setup}) {name}: name another --frame-cache",
                    folder,
                )
            if header.side != (self.side or header.side):
                raise InputError(
                    f"frames of {header.side} pixels; {self.side} are needed here: make another "
                    f"with 'slaeval corpus cache {corpus} --size {self.side}'",
                    folder,
                )
            self._splits[name] = found
        return self._splits[name]

    def attached(
        self, corpus: Corpus, clips: Iterable[VideoClip], on_missing: Literal["stop", "skip"]
    ) -> tuple[list[VideoClip], dict[str, str]]:
        """Return clips of a corpus with their frames in the cache, and the reasons of the others.

        Raises
        ------
        InputError
            A split is missing, damaged, or was made from other files. With ``"stop"``: a clip
            could not be read when it was made.
        """
        skipped: dict[str, str] = {}
        splits = {sample.id: sample.split for sample in corpus}
        found: dict[str, VideoClip] = {}
        of_split: dict[str, list[VideoClip]] = {}
        for clip in clips:
            of_split.setdefault(splits[clip.id], []).append(clip)
        for name, members in of_split.items():
            split = self.split(corpus.name, corpus.setup, name)
            if moved := split.check_source(members):
                warn(
                    f"the modification times of the files of {counted(len(moved), 'sample')} of "
                    f"{name} have changed since the frame cache was made, so the files were read "
                    f"to compare them; to record the new times, run 'slaeval corpus cache "
                    f"{corpus.name}' once with the options it was made with"
                )
            skipped |= split.unreadable(members, on_missing)
            stored = dict(split.stored())
            found |= {clip.id: replace(clip, stored=stored[clip.id]) for clip in members}
        return [found[clip.id] for clip in clips if clip.id not in skipped], skipped

    @property
    def headers(self) -> dict[str, Header]:
        """The splits that have been opened."""
        return {name: split.header for name, split in self._splits.items()}

    def record(self) -> dict[str, Any]:
        """Return what a run records about the source of its frames, ready for JSON."""
        return {
            name: {
                "coding": str(header.coding),
                "lossless": header.coding.lossless,
                "size": header.side,
                "hash": header.hash,
            }
            for name, header in sorted(self.headers.items())
        }

    def notes(self) -> list[str]:
        """Return what a reader of a figure should know: that the frames were lossily coded."""
        return [
            f"frames of {name} are from a lossy cache ({header})"
            for name, header in sorted(self.headers.items())
            if not header.coding.lossless
        ]

    def __str__(self) -> str:
        return "; ".join(f"{name}: {header}" for name, header in sorted(self.headers.items()))


def cache_folder(corpus: str, setup: str, side: int, coding: Coding) -> str:
    """Return the default location of a frame cache.

    Below the folder in the environment variable ``SLAEVAL_CACHE_DIR``, or the user's cache folder.
    """
    name = f"{corpus}-{setup}-{side}-{str(coding).replace(' ', '')}"
    return os.path.join(_usual_place(), name)


def _usual_place() -> str:
    folder = os.environ.get("SLAEVAL_CACHE_DIR")
    if not folder:
        import platformdirs

        folder = platformdirs.user_cache_dir("slaeval")
    return os.path.join(folder, "frames")


def open_frame_cache(
    folder: str | os.PathLike[str], corpus: str, setup: str, side: int
) -> FrameCache:
    """Open a frame cache, for :func:`slaeval.loaders.video.find_video_clips`.

    Parameters
    ----------
    folder : path-like
        Where it is; ``"auto"`` for the one in the default location.
    corpus, setup : str
        Canonical names.
    side : int
        Required side of the frames.

    Raises
    ------
    InputError
        There is none, or several in the default location.
    """
    folder = os.fspath(folder)
    if folder != AUTO:
        if not os.path.isdir(folder):
            raise InputError("no such folder; expected a frame cache", folder)
        return FrameCache(folder, side)
    place, start = _usual_place(), f"{corpus}-{setup}-{side}-"
    there = sorted(os.listdir(place)) if os.path.isdir(place) else []
    found = [name for name in there if name.startswith(start)]
    if not found:
        raise _absent(place, corpus, setup, "", side)
    if len(found) > 1:
        raise InputError(
            f"{len(found)} frame caches of {corpus} ({setup}) with {side} pixels are here "
            f"({', '.join(found)}): name one of them with --frame-cache DIR",
            place,
        )
    return FrameCache(os.path.join(place, found[0]), side)


def _absent(folder: str, corpus: str, setup: str, split: str, side: int | None) -> InputError:
    unfinished = split and os.path.isdir(os.path.join(folder, split + PART))
    what = f"{corpus} ({setup}) {split}".rstrip()
    size = "" if side is None else f" --size {side}"
    return InputError(
        f"no frame cache of {what}"
        + ("" if side is None else f" with {side} pixels")
        + (", only an unfinished one" if unfinished else "")
        + f": make it with 'slaeval corpus cache {corpus} --setup {setup}{size}'",
        folder,
    )


def verified(folder: str, *, torn: bool = False) -> tuple[Header, list[Entry]]:
    """Read all of a split and compare it with its index.

    Parameters
    ----------
    folder : str
        The split's folder.
    torn : bool
        It is still being made: the index has no hash yet.

    Returns
    -------
    tuple of Header and list of Entry
        The index, with the size and hash that were found.

    Raises
    ------
    InputError
        The content differs from the index.
    """
    header, entries = read_index(index_file(folder), torn=torn)
    path = frames_file(folder)
    digest, at = hashlib.sha256(), 0
    try:
        with open(path, "rb") as stream:
            for entry in entries:
                for number, (size, check) in enumerate(zip(entry.sizes, entry.checks, strict=True)):
                    data = stream.read(size)
                    if len(data) < size or zlib.crc32(data) != check:
                        what = "truncated" if len(data) < size else "damaged"
                        raise InputError(
                            f"{what} at byte {at}, frame {number} of sample {entry.id!r}: "
                            + header.remake(folder),
                            path,
                        )
                    digest.update(data)
                    at += size
            more = len(stream.read(_PIECE))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path) from None
    if more or not (torn or (header.hash, header.bytes) == (digest.hexdigest(), at)):
        raise InputError(f"not the frames that the index describes: {header.remake(folder)}", path)
    frames = sum(len(entry.sizes) for entry in entries)
    return replace(header, frames=frames, bytes=at, hash=digest.hexdigest()), entries
