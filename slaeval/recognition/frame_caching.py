"""Making a frame cache: every clip of a split read, coded and written once.

Clips are read and coded in processes, and written in the order of the corpus, first the frames
and then the line of the index. What a kill leaves is gone on with: whole lines of the index whose
frames are in the file stay, the rest is cut off. At the end the file is read once more, compared
with the index and hashed, and the folder gets its name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Literal, NamedTuple

from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.evaluation.run_folder import lock
from slaeval.files import write_whole
from slaeval.loaders.frame_cache import CachedSplit, FrameCache, encoded, source_digest, verified
from slaeval.loaders.frame_index import (
    PART,
    Coding,
    Entry,
    Header,
    check_own,
    deleted,
    frames_file,
    index_file,
    read_index,
)
from slaeval.loaders.records import Corpus
from slaeval.loaders.video import VideoClip, find_video_clips
from slaeval.recognition.batches import EntryLoader
from slaeval.recognition.progress import progress

__all__ = ["make_frame_cache", "verify_frame_cache"]

#: Suffix of the split that a new one replaces.
_OLD = ".old"

#: After so many frames their mean size says what all of them will take.
_ENOUGH = 500


def make_frame_cache(
    corpus: Corpus,
    folder: str,
    side: int,
    coding: Coding,
    *,
    workers: int = 0,
    on_error: Literal["stop", "skip"] = "stop",
    restart: bool = False,
    remade: Collection[str] = (),
) -> tuple[Header, dict[str, str]]:
    """Make the frame cache of a split; one that is there already is compared with the corpus.

    Parameters
    ----------
    corpus : Corpus
        The split.
    folder : str
        Of the cache; the split gets a folder in it.
    side : int
        Height and width of the frames.
    coding : Coding
        How they are stored.
    workers : int
        Processes that read and code; 0 does it in this one.
    on_error : {"stop", "skip"}
        What to do about a sample whose pictures are missing or cannot be read.
    restart : bool
        Make it again.
    remade : collection of str
        Splits that will be made again too: until then they may be of another size or coding.

    Returns
    -------
    tuple of Header and dict
        What is there now, and id to reason for the samples that were skipped.

    Raises
    ------
    InputError
        A sample cannot be read, or the cache is not of this corpus.
    UsageError
        The folder holds frames of another size or coding, or something else where the split
        belongs, or is the corpus's own.
    SlaevalError
        The disk is or will be full, or another process is at work here.
    """
    assert corpus.split is not None
    clips, skipped = find_video_clips(corpus, on_error)
    header = Header(corpus.name, corpus.setup, corpus.split, side, coding)
    whole = _place(folder, corpus.split, corpus.root)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise SlaevalError(f"{folder}: cannot write: {error.strerror or error}") from None
    with lock(folder):
        _check_there(folder, header, {*remade, corpus.split} if restart else remade)
        if restart:
            deleted(whole + PART)
        begun = os.path.exists(index_file(whole + PART))
        if restart or begun or not os.path.exists(index_file(whole)):
            part = _Part.begun(whole + PART, header, clips)
            kept = CachedSplit(part.folder, header, {entry.id: entry for entry in part.entries})
            kept.unreadable(clips[: len(part.entries)], on_error)
            _fill(part, clips, workers, on_error)
            part.finish(whole)
        split = FrameCache(folder).split(corpus.name, corpus.setup, corpus.split)
        _renew(split, clips)
        return split.header, skipped | split.unreadable(clips, on_error)


def verify_frame_cache(corpus: Corpus, folder: str) -> tuple[Header, dict[str, str]]:
    """Read all of a split of a frame cache, and compare it with its hashes and with the corpus.

    Parameters
    ----------
    corpus : Corpus
        The split.
    folder : str
        Of the cache.

    Returns
    -------
    tuple of Header and dict
        What is there, and id to reason for the samples that have no frames in it.

    Raises
    ------
    InputError
        It is not there, damaged, or was made from other pictures.
    """
    assert corpus.split is not None
    cache = FrameCache(folder)
    split = cache.split(corpus.name, corpus.setup, corpus.split)
    verified(split.folder)
    clips, skipped = find_video_clips(corpus, "skip")
    split.check_source(clips)
    return split.header, skipped | split.unreadable(clips, "skip")


def _place(folder: str, split: str, root: str) -> str:
    """Return where a split of the corpus at `root` belongs in a cache, seeing through links.

    Raises
    ------
    UsageError
        It, or what is written beside it, would take the place of something else.
    """
    whole = os.path.realpath(os.path.join(folder, split))
    for path in (os.path.realpath(folder), whole):
        if Path(path).is_relative_to(os.path.realpath(root)):
            raise UsageError(
                f"{folder} is in the folder of the corpus, {root}: name another folder with --out"
            )
    for path in (whole, whole + PART, whole + _OLD):
        check_own(path)
    return whole


def _check_there(folder: str, header: Header, remade: Collection[str]) -> None:
    """Check that the splits in the folder are of the same corpus, size and coding."""
    for name in sorted(os.listdir(folder)):
        path = index_file(os.path.join(folder, name))
        if not os.path.exists(path) or name.removesuffix(PART) in remade:
            continue
        if name.endswith(_OLD) or name == header.split + PART:  # of no use, and _Part's affair
            continue
        if os.path.exists(index_file(os.path.join(folder, name + PART))):  # will be replaced
            continue
        there, _ = read_index(path, torn=name.endswith(PART))
        if there.place != header.place:
            raise UsageError(
                f"{folder} holds a frame cache of {there.corpus} ({there.setup}), {there.coding}, "
                f"{there.side} pixels: name another folder with --out, or make all splits that "
                "are in it again with --restart"
            )


def _renew(split: CachedSplit, clips: Sequence[VideoClip]) -> None:
    """Compare a split with the corpus, and note new times of files whose content is the same."""
    moved = set(split.check_source(clips))
    if moved:
        digests = {clip.id: source_digest(clip) for clip in clips if clip.id in moved}
        entries = [
            entry._replace(source=digests.get(entry.id, entry.source))
            for entry in split.entries.values()
        ]
        _write_index(split.folder, split.header, entries)


def _write_index(folder: str, header: Header, entries: Sequence[Entry]) -> None:
    lines = [header.line(), *(entry.line() for entry in entries)]
    write_whole(index_file(folder), lines)


class _Coded(NamedTuple):
    """A clip as a worker gives it back."""

    keys: list[int]
    entry: Entry | None
    data: bytes
    failures: Mapping[str, InputError]


class _CodedClips:
    """Reads and codes clips, one a time."""

    def __init__(self, clips: Sequence[VideoClip], header: Header) -> None:
        self.clips = clips
        self.header = header

    def __getitems__(self, keys: list[int]) -> _Coded:
        clip = self.clips[keys[0]]
        try:
            entry, data = encoded(clip, self.header.side, self.header.coding)
        except InputError as error:
            return _Coded(keys, None, b"", {clip.id: error})
        return _Coded(keys, entry, data, {})


def _is_readable(clip: VideoClip, header: Header) -> bool:
    try:
        encoded(clip, header.side, header.coding)
    except InputError:
        return False
    return True


class _Part:
    """A split in the making."""

    def __init__(self, folder: str, header: Header, entries: list[Entry]) -> None:
        self.folder = folder
        self.header = header
        self.entries = entries

    @classmethod
    def begun(cls, folder: str, header: Header, clips: Sequence[VideoClip]) -> _Part:
        """Go on with one, or begin it.

        Raises
        ------
        UsageError
            There is one with other settings.
        """
        index = index_file(folder)
        if not os.path.exists(index):
            os.makedirs(folder, exist_ok=True)
            _write_index(folder, header, [])
        there, entries = read_index(index, torn=True)
        if (there.place, there.split) != (header.place, header.split):
            raise UsageError(
                f"{folder}: the beginning of a frame cache with {there}, not with {header}: give "
                "the same options to go on, --restart to start over, or another --out"
            )
        with open(frames_file(folder), "ab") as frames:
            room = frames.tell()
        kept: list[Entry] = []
        for entry, clip in zip(entries, clips, strict=False):
            room -= sum(entry.sizes)
            if room < 0 or entry.id != clip.id or entry.source != source_digest(clip):
                break
            if entry.reason and _is_readable(clip, header):
                break
            kept.append(entry)
        os.truncate(frames_file(folder), sum(sum(entry.sizes) for entry in kept))
        _write_index(folder, header, kept)
        return cls(folder, header, kept)

    @contextlib.contextmanager
    def open(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Open frames and index to append to."""
        with (
            open(frames_file(self.folder), "ab", buffering=0) as frames,
            open(index_file(self.folder), "ab", buffering=0) as index,
        ):
            yield frames, index

    def finish(self, folder: str) -> None:
        """Compare all that was written with the index, and give the folder its name."""
        header, entries = verified(self.folder, torn=True)
        with open(frames_file(self.folder), "rb") as stream:
            os.fsync(stream.fileno())
        _write_index(self.folder, header, entries)
        # Whenever this is stopped, one of the two is there whole.
        old = folder + _OLD
        deleted(old)
        if os.path.isdir(folder):
            check_own(folder)
            os.rename(folder, old)
        os.rename(self.folder, folder)
        with contextlib.suppress(OSError):
            deleted(old)


def _fill(part: _Part, clips: Sequence[VideoClip], workers: int, on_error: str) -> None:
    """Read, code and write the clips that are not there yet."""
    left = range(len(part.entries), len(clips))
    numbers = sum(clips[index].frames_there for index in left)
    label = f"caching {part.header.split}"
    loader = EntryLoader(_CodedClips(clips, part.header), workers=workers)
    done = [0, 0]
    try:
        with loader, progress(len(left), numbers, label) as advance, part.open() as (out, index):
            for coded in loader.batches([[key] for key in left], on_error=on_error):
                clip = clips[coded.keys[0]]
                entry = coded.entry
                if entry is None:
                    reason = str(coded.failures[clip.id])
                    entry = Entry(clip.id, [], [], source_digest(clip), "", reason)
                _write_all(out, coded.data)
                _write_all(index, entry.line().encode())
                done[0] += len(entry.sizes)
                done[1] += len(coded.data)
                advance(1, clip.frames_there)
                numbers -= clip.frames_there
                if done[0] >= _ENOUGH:
                    _check_room(part.folder, round(numbers * done[1] / done[0]))
    except OSError as error:
        raise SlaevalError(
            f"{part.folder}: cannot write: {error.strerror or error}; what is done is kept: make "
            "room and give the same command again, or delete the folder"
        ) from None


def _write_all(stream: IO[bytes], data: bytes) -> None:
    """Write all of `data`: a disk that fills up, and Linux above 2 GiB, take a part."""
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]


def _check_room(folder: str, needed: int) -> None:
    """Stop long before the disk is full.

    Raises
    ------
    SlaevalError
        There is less room than all frames will take.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SlaevalError(
            f"{folder}: about {needed / 1e9:.1f} GB more are needed, {free / 1e9:.1f} GB are free "
            "here: make room and give the same command again, or delete the folder and name "
            "another with --out, or a lower --quality"
        )
