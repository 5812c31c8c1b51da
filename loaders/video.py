"""Pictures in: frame folders and video files, found for a corpus and read as arrays.

Phoenix and CSL-Daily come as folders of PNG or JPEG frames, Isharah and what users film as video
files. PIL reads the first, decord the second; both shrink while they decode where they can, so
that a 512 by 512 JPEG never exists at full size on its way to 224. What is missing or broken is
named with its file and its sample. Needs the extra ``run``; nothing here knows of torch.
"""

from __future__ import annotations

import importlib
import os
import re
import struct
import sys
import threading
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from slaeval.errors import InputError
from slaeval.extras import require
from slaeval.files import read_start
from slaeval.loaders.records import Corpus, Sample
from slaeval.loaders.registry import layout

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "VideoClip",
    "find_video_clips",
    "frame_ending",
    "frame_files",
    "frame_times",
    "miscount_note",
    "miscounted",
    "open_footage",
    "read_frames",
]

Pixels = NDArray[np.uint8]

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
#: How many samples are looked for at a time.
_AT_ONCE = 8
#: What PIL raises for a picture that is damaged, cut off or something else.
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
        How many frames, at least one.
    """

    id: str
    path: str
    files: tuple[str, ...] = field(default=(), repr=False)
    num_frames: int = 0


def find_video_clips(
    corpus: Corpus, on_missing: Literal["stop", "skip"] = "stop"
) -> tuple[list[VideoClip], dict[str, str]]:
    """Find the pictures of every sample of a corpus.

    Frames are listed, not read; a video file is opened to count its frames. Several at a time:
    it waits for the disk, and decord and the system let go of Python's lock.

    Parameters
    ----------
    corpus : Corpus
        See :func:`slaeval.load_corpus`.
    on_missing : {"stop", "skip"}
        What to do about a sample without pictures.

    Returns
    -------
    list of Footage
        In the order of the corpus.
    dict
        Id to reason, for the samples that were skipped.

    Raises
    ------
    InputError
        With ``"stop"``: a sample's pictures are missing or no pictures; names both.
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
    return found, skipped


def miscounted(corpus: Corpus, footage: Sequence[VideoClip]) -> dict[str, tuple[int, int]]:
    """Hold footage against the numbers of frames in the annotation, where it says any.

    Parameters
    ----------
    corpus : Corpus
        The annotation.
    footage : sequence of Footage
        What :func:`find_video_clips` found of it.

    Returns
    -------
    dict
        Id to the number annotated and the number found, where they differ.
    """
    said = {sample.id: sample.num_frames for sample in corpus if sample.num_frames is not None}
    return {
        clip.id: (said[clip.id], clip.num_frames)
        for clip in footage
        if said.get(clip.id, clip.num_frames) != clip.num_frames
    }


def miscount_note(corpus: Corpus, footage: Sequence[VideoClip]) -> str:
    """Say which samples :func:`miscounted` finds; ``""`` where it finds none."""
    counts = miscounted(corpus, footage)
    if not counts:
        return ""
    named = "; ".join(f"{name}: {n} for {said}" for name, (said, n) in [*counts.items()][:3])
    return (
        f"{len(counts)} of {len(footage)} samples have another number of frames than the "
        f"annotation says ({named}{'; …' if len(counts) > 3 else ''})"
    )


def _footage_of(sample: Sample, base: str, place: tuple[str, str] | None) -> VideoClip:
    if place is None:
        raise InputError(f"sample {sample.id!r}: the annotation names no pictures", sample.source)
    path = os.path.join(base, *place[1].split("/"))
    if not os.path.exists(path):
        top = os.path.join(base, *place[0].split("/"))
        hint = (
            ""
            if os.path.isdir(top)
            else f"; there is no folder {place[0]} at all: this copy has annotations only"
        )
        raise InputError(f"sample {sample.id!r}: no pictures here{hint}", path)
    return _opened(path, sample.id, frame_ending(sample))


def open_footage(path: str | os.PathLike[str], id: str | None = None) -> VideoClip:
    """Open a video file, or a folder of frames.

    Parameters
    ----------
    path : path-like
        The file or folder.
    id : str, optional
        What to call it; its name without ending if not given.

    Raises
    ------
    InputError
        There is no such file or folder, no picture in it, or it is no video.
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
    return _opened(path, id, "")


def _opened(path: str, id: str, ending: str) -> VideoClip:
    if os.path.isdir(path):
        files = frame_files(path, ending)
        if not files:
            raise InputError(
                f"sample {id!r}: no frames in this folder; expected pictures "
                f"({' '.join(_PICTURES)})",
                path,
            )
        return VideoClip(id, path, files, len(files))
    if path.casefold().endswith(_PICTURES):
        raise InputError(
            f"sample {id!r}: this is one picture; name a video file or the folder of its frames",
            path,
        )
    count = len(_open_video(path, id, None))
    if count == 0:
        raise InputError(f"sample {id!r}: the video has no frames", path)
    return VideoClip(id, path, (), count)


def frame_ending(sample: Sample) -> str:
    """Return the ending that a sample's annotation gives its frames, ``""`` where it gives none."""
    return os.path.splitext(sample.frames or "")[1].casefold()


def frame_files(folder: str, ending: str) -> tuple[str, ...]:
    """Return the pictures of a folder in natural order, those of the expected ending first of all.

    A release whose frames were converted has another ending; then all pictures count.
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
    footage : Footage
        What to read.
    size : (int, int), optional
        Height and width of the result, whatever the shape of the frames; as they are if not
        given. Pictures are shrunk with an antialiased bilinear filter, video by its decoder.
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
        it has no frame of that number. Names the file and the sample.
    SlaevalError
        The extra ``run`` is not installed.

    Notes
    -----
    Changed bytes within a video are seen only where the decoder gives up on them: FFmpeg patches
    what it can from neighbouring frames, and decord passes on no mark of it.
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
    if footage.files:
        return _read_pictures(footage, size, wanted)
    return _read_video(footage, size, wanted)


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
                if first is None:
                    first = picture.size
                    height, width = size or first[::-1]
                    out = np.empty((len(wanted), height, width, 3), np.uint8)
                elif picture.size != first:
                    raise InputError(
                        f"sample {footage.id!r}: this frame is {_by(picture.size)}, the first one "
                        f"read, {footage.files[wanted[0]]}, {_by(first)}",
                        path,
                    )
                assert out is not None
                out[place] = _rgb(picture, size)
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
    """Decode one picture [H, W, 3]."""
    target = None if size is None or size == picture.size[::-1] else (size[1], size[0])
    if target is not None and picture.format == "JPEG":
        # The decoder leaves out what is finer than twice the target; the filter does the rest.
        picture.draft("RGB", (2 * target[0], 2 * target[1]))
    decoded = picture
    if picture.mode.startswith(("I", "F")):
        decoded = _eight_bits(picture)
    elif picture.mode not in ("RGB", "L"):
        decoded = picture.convert("RGB")
    if target is not None:
        from PIL.Image import Resampling

        decoded = decoded.resize(target, Resampling.BILINEAR, reducing_gap=2.0)
    if decoded.mode != "RGB":
        decoded = decoded.convert("RGB")
    return np.asarray(decoded)


def _eight_bits(picture: Image) -> Image:
    """Bring a grey picture of 16 bits to 8; PIL's own conversion cuts off instead."""
    from PIL import Image

    values = np.asarray(picture)
    if values.min() < 0 or values.max() > 65535 or values.dtype.kind == "f":
        raise ValueError(f"grey levels from {values.min()} to {values.max()}: not a picture")
    return Image.fromarray((values >> 8).astype(np.uint8))


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} by {size[1]}"


_importing = threading.Lock()


def _decord() -> Any:
    """Import decord, and keep it from opening CUDA's libraries to everyone.

    On import, decord2 3.4 loads whatever the nvidia-* packages hold, with all symbols global.
    nvBLAS is among it, and takes the place of the BLAS of a torch that is imported later: the
    first product of matrices ends the process.
    """
    with _importing:
        if "decord" not in sys.modules:
            held = sys.modules.get("nvidia")
            sys.modules["nvidia"] = None  # type: ignore[assignment]  # as if not installed
            try:
                importlib.import_module("decord")
            except (ImportError, OSError):
                pass  # not installed, as the next import says; or built for CUDA and in need of it
            finally:
                del sys.modules["nvidia"]
                if held is not None:
                    sys.modules["nvidia"] = held
        try:
            return importlib.import_module("decord")
        except ImportError:
            require("run", "reading video")
            raise


def _open_video(path: str, id: str, size: tuple[int, int] | None) -> Any:
    """Return decord's reader of a video file."""
    start = read_start(path, "a video file", 512)
    if not start:
        raise InputError(f"sample {id!r}: the file is empty; expected a video", path)
    if _is_text(start):
        raise InputError(f"sample {id!r}: this is a text file; expected a video", path)
    decord = _decord()
    # Its own lines on stderr name neither sample nor remedy.
    decord.logging.set_level(decord.logging.QUIET)
    shape = {} if size is None else {"height": size[0], "width": size[1]}
    try:
        return decord.VideoReader(path, num_threads=1, **shape)
    except Exception as error:  # decord has no class of its own for this
        raise InputError(
            f"sample {id!r}: this is no video that can be decoded, or it is cut off "
            f"({_last_words(error)})",
            path,
        ) from None


def _read_video(footage: VideoClip, size: tuple[int, int] | None, wanted: Sequence[int]) -> Pixels:
    if not os.path.exists(footage.path):
        raise InputError(f"sample {footage.id!r}: the video is missing", footage.path)
    reader = _open_video(footage.path, footage.id, size)
    if len(reader) != footage.num_frames:
        raise InputError(
            f"sample {footage.id!r}: the video has {len(reader)} frames, but {footage.num_frames} "
            "when it was found: it changed meanwhile",
            footage.path,
        )
    # Sorted, so that the decoder never goes back; a frame asked for twice is decoded once.
    numbers, places = np.unique(np.asarray(wanted, dtype=np.intp), return_inverse=True)
    out: Pixels | None = None
    try:
        for place, number in enumerate(numbers.tolist()):
            frame = _unpadded(reader[number].asnumpy())
            if out is None:
                out = np.empty((len(numbers), *frame.shape), np.uint8)
            out[place] = frame
    except Exception as error:  # as above
        raise InputError(
            f"sample {footage.id!r}: the video is damaged or cut off ({_last_words(error)})",
            footage.path,
        ) from None
    if out is None:
        height, width = size or (0, 0)
        out = np.empty((0, height, width, 3), np.uint8)
    return out if np.array_equal(places, np.arange(len(out))) else out[places]


def frame_times(footage: VideoClip) -> tuple[float, list[float]] | None:
    """Return frames a second of a video file, and when each frame begins and the last one ends.

    Telephones film at a varying rate: a frame's time is what the file says of it, not its number
    by the rate.

    Parameters
    ----------
    footage : Footage
        A video file.

    Returns
    -------
    tuple of float and list of float, or None
        Frames a second on average; seconds from the first frame on, one more than there are
        frames. None where the file does not say.

    Raises
    ------
    InputError
        As :func:`read_frames`.
    """
    reader = _open_video(footage.path, footage.id, None)
    spans = reader.get_frame_timestamp(range(len(reader))).astype(np.float64)
    times = np.append(spans[:, 0], spans[-1, 1]) - spans[0, 0]
    total = float(times[-1])
    if not 0 < total < float("inf") or not (np.diff(times) >= 0).all():
        return None
    # decord has them in single precision.
    return round(len(reader) / total, 3), times.round(4).tolist()


def _unpadded(frame: Pixels) -> Pixels:
    """Take away what decord leaves at the end of each row.

    Where the bytes of a padded row are a multiple of the width (32, 48, 96, 144 …), decord2 3.4
    takes the padding for more channels, and its ``get_batch`` refuses such frames.
    """
    height, width, channels = frame.shape
    if channels == 3:
        return frame
    return frame.reshape(height, -1)[:, : 3 * width].reshape(height, width, 3)


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut in two at the end is text all the same.
        if error.start < len(start) - 3:
            return False
        text = start[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)


def _last_words(error: Exception) -> str:
    """Return decord's message without its own file names and times."""
    said = str(error).strip().split("\n")[0]
    said = re.sub(r"\[\d\d:\d\d:\d\d\] \S+?:\d+: ", "", said)
    return "decord cannot open it" if said.startswith("Error reading") else f"decord: {said:.120}"
