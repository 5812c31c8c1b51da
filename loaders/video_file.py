"""Video files: how many frames, when each one is shown, and their pixels.

decord reads nearly all of them. PyAV reads what decord cannot: files without a duration, as
recorded by browsers; MPEG transport streams; and mirrored video from the front cameras of some
phones, which decord rotates but does not mirror.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slaeval.errors import InputError
from slaeval.extras import require
from slaeval.files import read_start

__all__ = ["Decoder", "VideoFacts", "examine", "read_video"]

Pixels = NDArray[np.uint8]
Decoder = Literal["decord", "pyav"]

#: A stream shorter than stated in its file by this many seconds, and this share, is truncated.
_MISSING_SECONDS, _MISSING_SHARE = 0.5, 0.1


class VideoFacts(NamedTuple):
    """What a video file says about itself.

    Attributes
    ----------
    num_frames : int
        How many frames, at least one.
    decoder : {"decord", "pyav"}
        The reader to use.
    times : float64 array [num_frames + 1] or None
        When each frame begins and the last one ends, in seconds from the first one on; None
        if the file does not say.
    """

    num_frames: int
    decoder: Decoder
    times: NDArray[np.float64] | None


def examine(path: str, id: str) -> VideoFacts:
    """Count the frames of a video file and find out which decoder reads it.

    Raises
    ------
    InputError
        It is not a video, has no frames, is truncated, or is both mirrored and shown at an angle.
    SlaevalError
        The extra ``run`` is not installed.
    """
    start = read_start(path, "a video file", 512)
    if not start:
        raise InputError(f"sample {id!r}: the file is empty; expected a video", path)
    if _is_text(start):
        raise InputError(f"sample {id!r}: this is a text file; expected a video", path)
    decord = _decord()
    look = _first_look(path)
    facts: VideoFacts | None = None
    if look is None or not (look.mirrored or look.form == "mpegts"):
        try:
            reader = decord.VideoReader(path, num_threads=1)
            facts = VideoFacts(len(reader), "decord", _decord_times(reader))
        except Exception as error:  # decord has no specific class for this
            if look is None:
                raise InputError(
                    f"sample {id!r}: not a decodable video, or it is truncated "
                    f"({_last_words(error)})",
                    path,
                ) from None
    if facts is None:
        facts = _decode_to_the_end(path, id)
    if facts.num_frames == 0:
        raise InputError(f"sample {id!r}: the video has no frames", path)
    if look is not None:
        _check_whole(path, id, facts, look)
    return facts


def read_video(
    path: str,
    id: str,
    decoder: Decoder,
    size: tuple[int, int] | None,
    numbers: Sequence[int],
    num_frames: int,
) -> Pixels:
    """Read frames of a video file.

    Parameters
    ----------
    path, id : str
        The file, and the sample for messages.
    decoder : {"decord", "pyav"}
        As :func:`examine` found.
    size : (int, int), optional
        Height and width of the result.
    numbers : sequence of int
        Which frames, ascending.
    num_frames : int
        The number of frames when it was examined.

    Returns
    -------
    uint8 array [T, H, W, 3]
        RGB, in display orientation.

    Raises
    ------
    InputError
        The file is missing, damaged or has changed.
    """
    if not os.path.exists(path):
        raise InputError(f"sample {id!r}: the video is missing", path)
    reason = ""
    if decoder == "decord":
        shape = {} if size is None else {"height": size[0], "width": size[1]}
        decord = _decord()
        try:
            reader = decord.VideoReader(path, num_threads=1, **shape)
            if len(reader) != num_frames:
                raise _changed(path, id, len(reader), num_frames)
            return _stacked((_unpadded(reader[n].asnumpy()) for n in numbers), numbers, size)
        except InputError:
            raise
        except Exception as error:
            reason = _last_words(error)
    import av

    try:
        with av.open(path) as container:
            frames = _chosen(_decoded(container), numbers)
            return _stacked((_upright(frame, size) for frame in frames), numbers, size)
    except _EndedError as ended:
        if reason:
            raise _damaged(path, id, reason) from None
        raise _changed(path, id, ended.args[0], num_frames) from None
    except (av.FFmpegError, ValueError) as error:
        raise _damaged(path, id, reason or str(error)) from None


class _EndedError(Exception):
    """The video ended after this many frames."""


def _chosen(frames: Iterator[Any], numbers: Sequence[int]) -> Iterator[Any]:
    """Yield the frames with these numbers, which must ascend."""
    at = -1
    for number in numbers:
        for frame in frames:
            at += 1
            if at == number:
                yield frame
                break
        else:
            raise _EndedError(at + 1)


def _changed(path: str, id: str, found: int, expected: int) -> InputError:
    return InputError(
        f"sample {id!r}: the video has {found} frames, but {expected} when it was found: it "
        "changed in the meantime",
        path,
    )


def _stacked(
    frames: Iterator[Pixels], numbers: Sequence[int], size: tuple[int, int] | None
) -> Pixels:
    out: Pixels | None = None
    for place, frame in enumerate(frames):
        if out is None:
            out = np.empty((len(numbers), *frame.shape), np.uint8)
        if frame.shape != out.shape[1:]:
            raise ValueError(f"its size changes at frame {numbers[place]}")
        out[place] = frame
    if out is None:
        return np.empty((0, *(size or (0, 0)), 3), np.uint8)
    return out


# -- PyAV -------------------------------------------------------------------------------------


class _Look(NamedTuple):
    """What PyAV first sees of a file: format and duration are as the container states them."""

    form: str
    mirrored: bool
    frames: int
    seconds: float


def _first_look(path: str) -> _Look | None:
    """Read a file's header and first frame; None if PyAV finds no video."""
    import av

    try:
        with av.open(path) as container:
            stream = container.streams.video[0]
            frame = next(container.decode(stream))
            a, b, c, d = _matrix(frame)
            seconds = (container.duration or 0) / 1e6
            return _Look(container.format.name, a * d < b * c, stream.frames, seconds)
    except (av.FFmpegError, IndexError, StopIteration, ValueError):
        return None


def _decoded(container: Any) -> Iterator[Any]:
    """Decode all frames in order."""
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    for frame in container.decode(stream):
        if frame.is_corrupt:
            raise ValueError("a frame cannot be fully decoded")
        yield frame


def _matrix(frame: Any) -> tuple[int, int, int, int]:
    """Return the upper left numbers a, b, c, d of a frame's display matrix.

    A point (x, y) of the picture, y downwards, is shown at (a·x + c·y, b·x + d·y).
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    numbers: list[int] = np.frombuffer(bytes(data), "=i4").tolist()
    return numbers[0], numbers[1], numbers[3], numbers[4]


def _upright(frame: Any, size: tuple[int, int] | None) -> Pixels:
    """Return the pixels of a frame in display orientation."""
    a, b, c, d = _matrix(frame)
    turned = abs(b) + abs(c) > abs(a) + abs(d)
    smaller, larger = sorted((abs(a) + abs(d), abs(b) + abs(c)))
    if smaller * 100 > larger:
        raise ValueError("it is rotated by an angle that is not a quarter turn")
    scaled: dict[str, Any] = {}
    if size is not None:
        height, width = size[::-1] if turned else size
        scaled = {"width": width, "height": height, "interpolation": "BICUBIC"}
    pixels: Pixels = frame.reformat(format="rgb24", **scaled).to_ndarray()
    if turned:
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _decode_to_the_end(path: str, id: str) -> VideoFacts:
    """Count the frames of a file that does not state their number."""
    import av

    begins: list[float | None] = []
    last = 0.0
    try:
        with av.open(path) as container:
            for frame in _decoded(container):
                if not begins:
                    _upright(frame, (8, 8))
                begins.append(frame.time)
                last = float(frame.duration * frame.time_base) if frame.duration else 0.0
    except (av.FFmpegError, ValueError) as error:
        raise _damaged(path, id, str(error)) from None
    known = [time for time in begins if time is not None]
    if len(known) < len(begins) or not known:
        return VideoFacts(len(begins), "pyav", None)
    if not last and len(known) > 1:
        last = (known[-1] - known[0]) / (len(known) - 1)
    return VideoFacts(len(begins), "pyav", _in_order(np.array([*known, known[-1] + last])))


def _check_whole(path: str, id: str, facts: VideoFacts, look: _Look) -> None:
    """Check that a file is as long as its header says.

    mp4 needs no such check: what lies beyond the end of the file cannot be decoded.
    """
    if look.form == "avi" and look.frames > facts.num_frames + 1:
        message = f"the file says {look.frames} frames, {facts.num_frames} are there"
        raise _damaged(path, id, message)
    if "matroska" not in look.form or facts.times is None:
        return
    allowed = max(_MISSING_SECONDS, _MISSING_SHARE * look.seconds)
    end = float(facts.times[-1])
    if look.seconds - end > allowed and look.seconds - _end_of_all(path) > allowed:
        message = f"the file says {look.seconds:.1f} s, {end:.1f} s are there"
        raise _damaged(path, id, message)


def _end_of_all(path: str) -> float:
    """Return when the last stream ends, in seconds: sound may outlast the picture."""
    import av

    with av.open(path) as container:
        return max(
            (
                float((packet.pts + (packet.duration or 0)) * packet.time_base)
                for packet in container.demux()
                if packet.pts is not None
            ),
            default=0.0,
        )


def _damaged(path: str, id: str, reason: str) -> InputError:
    return InputError(f"sample {id!r}: the video is damaged or truncated ({reason:.120})", path)


# -- decord -----------------------------------------------------------------------------------

_importing = threading.Lock()


def _decord() -> Any:
    """Import decord without letting it load CUDA's libraries globally.

    On import, decord2 3.4 loads every library of the nvidia-* packages with global symbols.
    Among them is nvBLAS, which overrides the BLAS of a torch imported later: the first matrix
    product then kills the process.
    """
    with _importing:
        if "decord" not in sys.modules:
            held = sys.modules.get("nvidia")
            sys.modules["nvidia"] = None  # type: ignore[assignment]  # as if not installed
            try:
                importlib.import_module("decord")
            except (ImportError, OSError):
                pass  # not installed, as the next import will report; or a build that needs CUDA
            finally:
                del sys.modules["nvidia"]
                if held is not None:
                    sys.modules["nvidia"] = held
        try:
            decord = importlib.import_module("decord")
        except ImportError:
            require("run", "reading video")
            raise
    # Its own messages on stderr name neither sample nor remedy.
    decord.logging.set_level(decord.logging.QUIET)
    return decord


def _decord_times(reader: Any) -> NDArray[np.float64] | None:
    if not len(reader):
        return None
    spans = reader.get_frame_timestamp(range(len(reader))).astype(np.float64)
    # decord gives them in single precision.
    return _in_order(np.append(spans[:, 0], spans[-1, 1]).round(4))


def _in_order(times: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return times relative to the first, None if they are not plausible."""
    times = (times - times[0]).round(4)
    if not 0 < times[-1] < float("inf") or not (np.diff(times) >= 0).all():
        return None
    return times


def _unpadded(frame: Pixels) -> Pixels:
    """Remove the padding that decord leaves at the end of each row.

    If the bytes of a padded row are a multiple of the width (32, 48, 96, 144 …), decord2 3.4
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
        # A character truncated at the end is still text.
        if error.start < len(start) - 3:
            return False
        text = start[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)


def _last_words(error: Exception) -> str:
    """Return decord's message without its own file names and times."""
    message = str(error).strip().split("\n")[0]
    message = re.sub(r"\[\d\d:\d\d:\d\d\] \S+?:\d+: ", "", message)
    return (
        "decord cannot open it"
        if message.startswith("Error reading")
        else f"decord: {message:.120}"
    )
