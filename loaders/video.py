"""Pictures in: frame folders and video files, found for a corpus and read as arrays.

Phoenix and CSL-Daily come as folders of PNG or JPEG frames, Isharah and users' recordings as video
files. PIL reads the former, :mod:`slaeval.loaders.video_file` the latter; both shrink while
decoding where they can, so a 512 by 512 JPEG is never decoded at full size to give 224. Errors
name the file and the sample. Needs the extra ``run``; nothing here uses torch.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from slaeval.errors import InputError
from slaeval.extras import require
from slaeval.loaders.records import Corpus, Sample
from slaeval.loaders.registry import layout
from slaeval.loaders.video_file import Decoder, examine, read_video

if TYPE_CHECKING:
    from PIL.Image import Image

    from slaeval.loaders.frame_cache import FrameCache, StoredFrames

__all__ = [
    "VideoClip",
    "common_rate",
    "find_video_clips",
    "frame_ending",
    "frame_files",
    "frame_times",
    "miscount_note",
    "miscounted",
    "open_footage",
    "rate_note",
    "read_frames",
]

Pixels = NDArray[np.uint8]

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
#: Rates that differ by less are treated as equal.
_SAME_RATE = 0.01
#: Number of samples looked for at a time.
_AT_ONCE = 8
#: EXIF's tag for orientation: 1 upright, 2 to 8 rotated or mirrored.
_ORIENTATION = 0x0112
#: What PIL raises for a picture that is damaged, truncated or something else.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, zlib.error, struct.error)


@dataclass(frozen=True)
class VideoClip:
    """The pictures of one sample.

    Attributes
    ----------
    id : str
        The sample.
    path : str
        A folder of frames, or a video file.
    files : tuple of str
        Names of the frame files in order; empty for a video file.
    num_frames : int
        How many frames are read, at least one.
    decoder : {"decord", "pyav"}
        The reader of a video file.
    fps : float or None
        Frames per second it was filmed at, on average; None if unknown.
    times : float64 array [frames + 1] or None
        For a video file: when each of its frames begins and the last one ends, in seconds.
    taken : tuple of int or None
        Which of its frames are read, if not all: see :meth:`at_rate`.
    filmed : int
        Total number of frames, if not all are read.
    stored : StoredFrames or None
        Where they are read from, if not from `path`; see :mod:`slaeval.loaders.frame_cache`.
    """

    id: str
    path: str
    files: tuple[str, ...] = field(default=(), repr=False)
    num_frames: int = 0
    decoder: Decoder = "decord"
    fps: float | None = None
    times: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)
    taken: tuple[int, ...] | None = field(default=None, repr=False)
    filmed: int = 0
    stored: StoredFrames | None = field(default=None, repr=False, compare=False)

    @property
    def frames_there(self) -> int:
        """Total number of frames, read or not."""
        return self.num_frames if self.taken is None else self.filmed

    def at_rate(self, fps: float) -> VideoClip:
        """Return the clip as if it had been filmed at another rate.

        At each moment the frame nearest in time is taken: every other one to get from 50 to 25
        frames per second; for phones that film at a varying rate, by the file's timestamps. An
        evenly filmed clip within a hundredth of that rate, or one of unknown rate, is unchanged.

        Parameters
        ----------
        fps : float
            Frames per second.
        """
        if self.fps is None or self.taken is not None:
            return self
        begins = np.arange(self.num_frames) / self.fps
        if self.times is not None:
            uneven = np.abs(self.times[:-1] - begins).max() > 0.5 / self.fps
            begins, end = self.times[:-1], float(self.times[-1])
        else:
            uneven, end = False, self.num_frames / self.fps
        if not uneven and _same_rate(self.fps, fps):
            return self
        moments = np.arange(max(1, round(end * fps))) / fps
        nearest = np.searchsorted((begins[:-1] + begins[1:]) / 2, moments)
        return replace(
            self, taken=tuple(nearest.tolist()), num_frames=len(nearest), filmed=self.num_frames
        )

    def span_there(self, start: int, end: int) -> tuple[int, int]:
        """Convert a span [start, end) of the frames read to one of all frames."""
        if self.taken is None:
            return start, end
        after = self.taken[end] if end < len(self.taken) else self.frames_there
        return self.taken[start], max(after, self.taken[start] + 1)


def find_video_clips(
    corpus: Corpus,
    on_missing: Literal["stop", "skip"] = "stop",
    cache: FrameCache | None = None,
) -> tuple[list[VideoClip], dict[str, str]]:
    """Find the pictures of every sample of a corpus.

    Frames are listed, not read; a video file is opened to count its frames. Several samples are
    processed at a time: this waits for the disk, and decord and the system release the GIL.

    Parameters
    ----------
    corpus : Corpus
        See :func:`slaeval.load_corpus`.
    on_missing : {"stop", "skip"}
        What to do about a sample without pictures, or that the cache was made without.
    cache : FrameCache, optional
        Where to read frames from; it must have been made from the pictures found.

    Returns
    -------
    list of VideoClip
        In the order of the corpus.
    dict
        Id to reason, for the samples that were skipped.

    Raises
    ------
    InputError
        With ``"stop"``: a sample's pictures are missing or not pictures; the message names both.
        The cache is damaged or was made from other pictures.
    SlaevalError
        The extra ``run`` is not installed.
    """
    require("run", "reading pictures")
    described = layout(corpus.name)
    bases = {
        split: described.locate(corpus.root, corpus.setup, split)[1]
        for split in dict.fromkeys(sample.split for sample in corpus)
    }

    def look(sample: Sample) -> VideoClip | InputError:
        base = bases[sample.split]
        try:
            return _footage_of(sample, base, described.media(base, sample))
        except InputError as error:
            return error

    found: list[VideoClip] = []
    skipped: dict[str, str] = {}
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        for sample, seen in zip(corpus, pool.map(look, corpus), strict=True):
            if isinstance(seen, VideoClip):
                found.append(seen)
            elif on_missing == "stop":
                raise seen
            else:
                skipped[sample.id] = str(seen)
    finally:
        pool.shutdown(cancel_futures=True)
    if cache is not None:
        found, unreadable = cache.attached(corpus, found, on_missing)
        skipped |= unreadable
    return found, skipped


def miscounted(corpus: Corpus, footage: Sequence[VideoClip]) -> dict[str, tuple[int, int]]:
    """Compare the frame counts of footage with those in the annotation, if it gives any.

    Parameters
    ----------
    corpus : Corpus
        The annotation.
    footage : sequence of VideoClip
        The clips that :func:`find_video_clips` found for it.

    Returns
    -------
    dict
        Id to the number annotated and the number found, where they differ.
    """
    annotated = {sample.id: sample.num_frames for sample in corpus if sample.num_frames is not None}
    return {
        clip.id: (annotated[clip.id], clip.frames_there)
        for clip in footage
        if annotated.get(clip.id, clip.frames_there) != clip.frames_there
    }


def miscount_note(corpus: Corpus, footage: Sequence[VideoClip]) -> str:
    """Describe the samples :func:`miscounted` finds; ``""`` if none."""
    counts = miscounted(corpus, footage)
    if not counts:
        return ""
    named = "; ".join(
        f"{name}: {n} for {annotated}" for name, (annotated, n) in [*counts.items()][:3]
    )
    return (
        f"{len(counts)} of {len(footage)} samples have a different number of frames from the "
        f"annotation ({named}{'; …' if len(counts) > 3 else ''})"
    )


def _same_rate(one: float | None, other: float) -> bool:
    return one is not None and abs(one / other - 1) <= _SAME_RATE


def common_rate(footage: Sequence[VideoClip]) -> float | None:
    """Return the frames per second of the clips, their median; None if no clip gives one."""
    rates = [clip.fps for clip in footage if clip.fps is not None]
    return None if not rates else round(float(np.median(rates)), 3)


def rate_note(footage: Sequence[VideoClip], fps: float) -> str:
    """Describe the clips :meth:`VideoClip.at_rate` changed, or could not; ``""`` if none."""
    changed = [clip for clip in footage if clip.taken is not None]
    other = sorted({f"{clip.fps:.4g}" for clip in changed if not _same_rate(clip.fps, fps)})
    unknown = sum(clip.fps is None for clip in footage)
    notes = []
    if changed:
        of = f"{len(changed)} of {len(footage)} videos" if len(footage) > 1 else "the video"
        how = []
        if other:
            rates = ", ".join(other[:4]) + (", …" if other[4:] else "")
            how.append(f"at {rates} frames per second")
        if any(_same_rate(clip.fps, fps) for clip in changed):
            how.append("unevenly")
        notes.append(
            f"{of} {'were' if len(changed) > 1 else 'was'} filmed {' or '.join(how)}: frames are "
            f"taken by time, {fps:.4g} per second"
        )
    if unknown:
        of = f"of {unknown} of {len(footage)} videos " if len(footage) > 1 else ""
        notes.append(f"the frame rate {of}is not known: taken to be {fps:.4g} per second")
    return "; ".join(notes)


def _footage_of(sample: Sample, base: str, place: tuple[str, str] | None) -> VideoClip:
    if place is None:
        raise InputError(f"sample {sample.id!r}: the annotation names no pictures", sample.source)
    path = os.path.join(base, *place[1].split("/"))
    if not os.path.exists(path):
        top = os.path.join(base, *place[0].split("/"))
        hint = (
            ""
            if os.path.isdir(top)
            else f"; there is no folder {place[0]}: this copy has annotations only, or its "
            "pictures have another name"
        )
        raise InputError(f"sample {sample.id!r}: no pictures here{hint}", path)
    return _opened(path, sample.id, frame_ending(sample), sample.fps)


def open_footage(
    path: str | os.PathLike[str], id: str | None = None, fps: float | None = None
) -> VideoClip:
    """Open a video file, or a folder of frames.

    Parameters
    ----------
    path : path-like
        The file or folder.
    id : str, optional
        Id of the clip; its name without extension if not given.
    fps : float, optional
        Frames per second, if it does not say so itself, as with a folder of frames.

    Raises
    ------
    InputError
        There is no such file or folder, no picture in it, or it is not a video.
    SlaevalError
        The extra ``run`` is not installed.
    """
    require("run", "reading pictures")
    path = os.fspath(path)
    name = os.path.basename(os.path.abspath(path))
    if id is None:
        id = name if os.path.isdir(path) else os.path.splitext(name)[0]
    if not os.path.exists(path):
        raise InputError("no such file; expected a video file or a folder of frames", path)
    return _opened(_with_pictures(path), id, "", fps)


def _with_pictures(path: str) -> str:
    """Return the subfolder with pictures of a folder without any, such as ``1`` in releases.

    Raises
    ------
    InputError
        There are several.
    """
    if not os.path.isdir(path) or frame_files(path, ""):
        return path
    with os.scandir(path) as entries:
        below = sorted(one.path for one in entries if one.is_dir() and frame_files(one.path, ""))
    if len(below) > 1:
        names = ", ".join(os.path.basename(one) for one in below[:4])
        raise InputError(
            f"{len(below)} subfolders hold pictures ({names}{', …' if below[4:] else ''}): "
            "name one of them",
            path,
        )
    return below[0] if below else path


def _opened(path: str, id: str, ending: str, fps: float | None) -> VideoClip:
    if os.path.isdir(path):
        files = frame_files(path, ending)
        if not files:
            raise InputError(
                f"sample {id!r}: no frames in this folder; expected pictures "
                f"({' '.join(_PICTURES)})",
                path,
            )
        return VideoClip(id, path, files, len(files), fps=fps)
    if path.casefold().endswith(_PICTURES):
        raise InputError(
            f"sample {id!r}: this is one picture; name a video file or the folder of its frames",
            path,
        )
    facts = examine(path, id)
    if facts.times is not None:
        fps = round(facts.num_frames / float(facts.times[-1]), 3)
    return VideoClip(id, path, (), facts.num_frames, facts.decoder, fps, facts.times)


def frame_ending(sample: Sample) -> str:
    """Return the frames' file extension from a sample's annotation, ``""`` if it gives none."""
    return os.path.splitext(sample.frames or "")[1].casefold()


def frame_files(folder: str, ending: str) -> tuple[str, ...]:
    """Return the pictures of a folder in natural order: those with the expected extension.

    If there are none, as in a release whose frames were converted, all pictures.
    """
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if not entry.name.startswith(".")
                and entry.name.casefold().endswith(_PICTURES)
                and not entry.is_dir()
            ]
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", folder) from None
    expected = [name for name in names if ending and name.casefold().endswith(ending)]
    return tuple(sorted(expected or names, key=_natural))


def _natural(name: str) -> tuple[list[str | int], str]:
    """Sort ``frame10`` after ``frame9``."""
    parts: list[str | int] = [*re.split(r"([0-9]+)", name)]
    parts[1::2] = [int(part) for part in parts[1::2]]
    return parts, name


def read_frames(
    footage: VideoClip, size: tuple[int, int] | None = None, indices: Sequence[int] | None = None
) -> Pixels:
    """Read frames as an array.

    Parameters
    ----------
    footage : VideoClip
        What to read.
    size : (int, int), optional
        Height and width of the result, whatever the shape of the frames; unchanged if not given.
        Pictures are shrunk with an antialiased bilinear filter, video by its decoder. A clip
        from a frame cache has one size only.
    indices : sequence of int, optional
        Which frames, in any order; all if not given.

    Returns
    -------
    uint8 array [T, H, W, 3]
        RGB. Grey frames are repeated, transparency is dropped, 16 bits become 8.

    Raises
    ------
    InputError
        A frame is missing, damaged or of another size than the first, the video is damaged, or
        it has no frame of that number. The message names the file and the sample.
    SlaevalError
        The extra ``run`` is not installed.

    Notes
    -----
    Corruption within a video is noticed only where the decoder fails: FFmpeg conceals what it can
    from neighbouring frames, and decord does not report it.
    """
    if size is not None and min(size) < 1:
        raise ValueError(f"size must be at least 1 by 1, not {size}")
    wanted = range(footage.num_frames) if indices is None else [int(index) for index in indices]
    for index in wanted:
        if not 0 <= index < footage.num_frames:
            raise InputError(
                f"sample {footage.id!r} has {footage.num_frames} frames: there is no frame {index}",
                footage.path,
            )
    if footage.taken is not None:
        wanted = [footage.taken[index] for index in wanted]
    if footage.stored is not None:
        return footage.stored.read(footage.id, size, wanted)
    if footage.files:
        return _read_pictures(footage, size, wanted)
    # Ascending, so that the decoder never seeks back; a repeated frame is decoded once.
    numbers, places = np.unique(np.asarray(wanted, dtype=np.intp), return_inverse=True)
    out = read_video(
        footage.path,
        footage.id,
        footage.decoder,
        size,
        numbers.tolist(),
        footage.frames_there,
    )
    return out if np.array_equal(places, np.arange(len(out))) else out[places]


def _read_pictures(
    footage: VideoClip, size: tuple[int, int] | None, wanted: Sequence[int]
) -> Pixels:
    try:
        from PIL import Image
    except ImportError:
        require("run", "reading pictures")
        raise
    out: Pixels | None = None
    first: tuple[int, int] | None = None
    for place, index in enumerate(wanted):
        path = os.path.join(footage.path, footage.files[index])
        try:
            with Image.open(path) as picture:
                first = first or picture.size
                if picture.size != first:
                    raise InputError(
                        f"sample {footage.id!r}: this frame is {_by(picture.size)}, the first one "
                        f"read, {footage.files[wanted[0]]}, {_by(first)}",
                        path,
                    )
                pixels = _rgb(picture, size)
                if out is None:
                    out = np.empty((len(wanted), *pixels.shape), np.uint8)
                out[place] = pixels
        except FileNotFoundError:
            raise InputError(f"sample {footage.id!r}: this frame is missing", path) from None
        except (*_DAMAGED, Image.DecompressionBombError) as error:
            empty = os.path.isfile(path) and os.path.getsize(path) == 0
            what = "the file is empty" if empty else str(error)
            raise InputError(
                f"sample {footage.id!r}: this frame cannot be decoded: {what}", path
            ) from None
    if out is None:
        height, width = size or (0, 0)
        out = np.empty((0, height, width, 3), np.uint8)
    return out


def _rgb(picture: Image, size: tuple[int, int] | None) -> Pixels:
    """Decode one picture [H, W, 3] in its display orientation."""
    held = picture.getexif().get(_ORIENTATION, 1)
    if size is not None and picture.format == "JPEG" and size != picture.size[::-1]:
        # The decoder drops detail finer than twice the target; the filter does the rest.
        side = 2 * max(size)
        picture.draft("RGB", (2 * size[1], 2 * size[0]) if held == 1 else (side, side))
    decoded = picture
    if held != 1:
        from PIL import ImageOps

        decoded = ImageOps.exif_transpose(picture)
    target = None if size is None or size == decoded.size[::-1] else (size[1], size[0])
    if picture.mode.startswith(("I", "F")):
        decoded = _eight_bits(decoded)
    elif picture.mode not in ("RGB", "L"):
        decoded = decoded.convert("RGB")
    if target is not None:
        from PIL.Image import Resampling

        decoded = decoded.resize(target, Resampling.BILINEAR, reducing_gap=2.0)
    if decoded.mode != "RGB":
        decoded = decoded.convert("RGB")
    return np.asarray(decoded)


def _eight_bits(picture: Image) -> Image:
    """Scale a 16-bit grey picture to 8 bits; PIL's own conversion clips instead."""
    from PIL import Image

    values = np.asarray(picture)
    if values.min() < 0 or values.max() > 65535 or values.dtype.kind == "f":
        raise ValueError(f"grey levels from {values.min()} to {values.max()}: not a picture")
    return Image.fromarray((values >> 8).astype(np.uint8))


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} by {size[1]}"


def frame_times(footage: VideoClip) -> tuple[float, list[float]] | None:
    """Return frames per second, and when each frame begins and the last one ends.

    Phones film at a varying rate: a frame's time is its timestamp in the file, not its number
    divided by the rate. Frames of a folder have a rate only if their corpus gives one.

    Parameters
    ----------
    footage : VideoClip
        A video file or a folder of frames.

    Returns
    -------
    tuple of float and list of float, or None
        Frames per second on average; seconds from the first frame on, one more than there are
        frames. None if unknown.
    """
    if footage.fps is None:
        return None
    if footage.times is None:
        return footage.fps, [n / footage.fps for n in range(footage.frames_there + 1)]
    return footage.fps, footage.times.tolist()
