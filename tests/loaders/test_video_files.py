"""Video files as telephones and browsers write them: mirrored, without a duration, truncated."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from slaeval.errors import InputError
from slaeval.loaders.video import VideoClip, frame_times, open_footage, rate_note, read_frames

_ONE, _W = 65536, 0x40000000
HEIGHT, WIDTH = 48, 64


def _picture(number: int) -> np.ndarray:
    """Quarters of four levels, so that every way to turn it looks different, and a moving bar."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    half, middle = HEIGHT // 2, WIDTH // 2
    picture[:half, :middle], picture[:half, middle:] = 40, 100
    picture[half:, :middle], picture[half:, middle:] = 160, 220
    return picture + np.uint8(number)


def _film(
    target: Path | io.RawIOBase,
    count: int = 20,
    rate: int = 25,
    codec: str = "libx264",
    form: str | None = None,
) -> None:
    with av.open(target if isinstance(target, io.RawIOBase) else str(target), "w", form) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.height, stream.width = HEIGHT, WIDTH
        for number in range(count):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(_picture(number), format="rgb24")))
        out.mux(stream.encode())


class _Recorder(io.RawIOBase):
    """A file that is written from its start to its end, as a browser does: never gone back in."""

    def __init__(self, path: Path) -> None:
        self.stream = path.open("wb")

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self.stream.write(data)

    def close(self) -> None:
        self.stream.close()
        super().close()


def _recorded(path: Path, codec: str, form: str, count: int = 20) -> Path:
    with _Recorder(path) as recorder:
        _film(recorder, count, codec=codec, form=form)
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    _film(path)
    return path


def _with_matrix(film: Path, path: Path, a: float, b: float, c: float, d: float) -> Path:
    """Write a film to be shown with (x, y) at (a·x + c·y, b·x + d·y)."""
    data = bytearray(film.read_bytes())
    place = data.index(struct.pack(">9i", _ONE, 0, 0, 0, _ONE, 0, 0, 0, _W), data.index(b"tkhd"))
    numbers = [round(_ONE * number) for number in (a, b, c, d)]
    data[place : place + 36] = struct.pack(">9i", *numbers[:2], 0, *numbers[2:], 0, 0, 0, _W)
    path.write_bytes(data)
    return path


#: Display matrix, and how a viewer that honours it shows the picture.
SHOWN = {
    (1, 0, 0, 1): lambda frames: frames,
    (0, 1, -1, 0): lambda frames: np.rot90(frames, -1, (1, 2)),
    (-1, 0, 0, -1): lambda frames: np.rot90(frames, 2, (1, 2)),
    (0, -1, 1, 0): lambda frames: np.rot90(frames, 1, (1, 2)),
    (-1, 0, 0, 1): lambda frames: frames[:, :, ::-1],
    (1, 0, 0, -1): lambda frames: frames[:, ::-1],
    (0, 1, 1, 0): lambda frames: frames.transpose(0, 2, 1, 3),
    (0, -1, -1, 0): lambda frames: frames.transpose(0, 2, 1, 3)[:, ::-1, ::-1],
}


@pytest.mark.parametrize("matrix", SHOWN)
def test_turned_and_mirrored_video_is_seen_as_it_is_shown(
    tmp_path: Path, film: Path, matrix: tuple[int, int, int, int]
) -> None:
    path = _with_matrix(film, tmp_path / "x.mp4", *matrix)
    footage = open_footage(path)
    expected = SHOWN[matrix](read_frames(open_footage(film)))
    np.testing.assert_array_equal(read_frames(footage), expected)
    np.testing.assert_array_equal(read_frames(footage, indices=[7, 2]), expected[[7, 2]])
    small = read_frames(footage, (20, 30))
    assert small.shape == (20, 20, 30, 3)
    wanted = SHOWN[matrix](read_frames(open_footage(film), (20, 30) if matrix[0] else (30, 20)))
    assert np.abs(small.astype(int) - wanted).mean() < 2


def test_mirrored_at_an_angle_is_refused(tmp_path: Path, film: Path) -> None:
    path = _with_matrix(film, tmp_path / "x.mp4", 0.8, 0.6, 0.6, -0.8)
    with pytest.raises(InputError, match=r"x\.mp4: sample 'x'.*angle that is not a quarter turn"):
        open_footage(path)


LIVE = [("webm", "libvpx"), ("webm", "libvpx-vp9"), ("matroska", "libx264"), ("mpegts", "libx264")]


@pytest.mark.parametrize(("form", "codec"), LIVE)
def test_a_recording_without_duration_is_read(tmp_path: Path, form: str, codec: str) -> None:
    path = _recorded(tmp_path / "me", codec, form)
    footage = open_footage(path)
    assert (footage.num_frames, footage.fps) == (20, 25)
    found = frame_times(footage)
    assert found is not None
    np.testing.assert_allclose(found[1], np.arange(21) / 25, atol=2e-3)
    frames = read_frames(footage)
    expected = np.stack([_picture(number) for number in range(20)])
    assert np.abs(frames.astype(int) - expected).mean() < 3
    np.testing.assert_array_equal(
        read_frames(footage, indices=[19, 0, 7, 7]), frames[[19, 0, 7, 7]]
    )
    assert read_frames(footage, (20, 30), [3]).shape == (1, 20, 30, 3)
    with pytest.raises(InputError, match="changed in the meantime"):
        read_frames(VideoClip("x", str(path), (), 25, footage.decoder))


@pytest.mark.parametrize("ending", ["webm", "mkv", "avi"])
def test_a_file_that_lost_its_tail_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    _film(path, 60, codec={"webm": "libvpx", "mkv": "libx264", "avi": "mpeg4"}[ending])
    assert open_footage(path).num_frames == 60
    whole = path.read_bytes()
    for share in (0.3, 0.6):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match=r"damaged or truncated|not a decodable video"):
            read_frames(open_footage(path))


def test_sound_may_outlast_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("libx264", rate=25)
        pictures.height, pictures.width = HEIGHT, WIDTH
        sound = out.add_stream("aac", rate=16000)
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(_picture(number), format="rgb24")
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode())
        for number in range(60):
            silence = np.zeros((1, 1024), np.float32)
            heard = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            heard.sample_rate, heard.pts = 16000, number * 1024
            out.mux(sound.encode(heard))
        out.mux(sound.encode())
    assert len(read_frames(open_footage(path))) == 20


@pytest.mark.parametrize("form", ["webm", "mpegts"])
def test_damage_in_a_recording_is_named(tmp_path: Path, form: str) -> None:
    path = _recorded(tmp_path / "me", "libvpx" if form == "webm" else "libx264", form, 60)
    data = bytearray(path.read_bytes())
    for place in np.random.default_rng(0).integers(len(data) // 3, len(data), 60):
        data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"sample 'me': the video is damaged or truncated"):
        open_footage(path)


# -- another rate ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filmed", "seen", "taken"),
    [
        (50, 25, range(0, 20, 2)),
        (100, 25, range(0, 20, 4)),
        (25, 25, None),
        (25, 50, [n // 2 for n in range(40)]),
        (30, 25, [0, 1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19]),
        (Fraction(30000, 1001), 30, None),
    ],
)
def test_frames_are_taken_by_time(filmed: Fraction, seen: int, taken: object) -> None:
    clip = VideoClip("x", "nowhere", tuple("abcdefghijklmnopqrst"), 20, fps=float(filmed))
    again = clip.at_rate(seen)
    assert again.frames_there == 20
    if taken is None:
        assert again == clip
        return
    assert again.taken is not None
    assert again.num_frames == len(again.taken)
    moments = np.arange(again.num_frames) / seen
    # Never farther than half a frame from the moment that is asked for.
    assert np.abs(np.array(again.taken) / float(filmed) - moments).max() <= 0.5 / filmed + 1e-9
    assert again.num_frames == pytest.approx(20 / filmed * seen, abs=0.51)
    if seen <= filmed:
        assert list(again.taken) == list(taken)  # type: ignore[call-overload]
    assert again.span_there(0, again.num_frames) == (0, 20)


def test_an_unknown_rate_stays() -> None:
    clip = VideoClip("x", "nowhere", ("a", "b"), 2)
    assert clip.at_rate(25) is clip
    assert rate_note([clip], 25) == "the frame rate is not known: taken to be 25 per second"
    known = VideoClip("y", "nowhere", ("a", "b"), 2, fps=25)
    assert rate_note([known], 25) == ""
    assert rate_note([clip, known], 25).startswith("the frame rate of 1 of 2 videos is not known")


def test_a_film_at_another_rate_shows_the_same(tmp_path: Path) -> None:
    """Each picture twice at 50 frames per second is each once at 25."""
    for name, rate, times in (("slow", 25, 1), ("fast", 50, 2)):
        with av.open(str(tmp_path / f"{name}.mp4"), "w") as out:
            stream = out.add_stream("libx264", rate=rate, options={"crf": "1"})
            stream.height, stream.width = HEIGHT, WIDTH
            for number in range(20):
                for _ in range(times):
                    frame = av.VideoFrame.from_ndarray(_picture(3 * number), format="rgb24")
                    out.mux(stream.encode(frame))
            out.mux(stream.encode())
    slow, fast = (open_footage(tmp_path / f"{name}.mp4") for name in ("slow", "fast"))
    assert (fast.fps, fast.num_frames) == (50, 40)
    seen = fast.at_rate(25)
    assert seen.num_frames == 20
    assert np.abs(read_frames(seen).astype(int) - read_frames(slow)).mean() < 1.5
    np.testing.assert_array_equal(read_frames(seen, indices=[3, 1]), read_frames(fast)[[6, 2]])
    assert seen.span_there(3, 5) == (6, 10)
    with pytest.raises(InputError, match="20 frames: there is no frame 20"):
        read_frames(seen, indices=[20])


def test_a_varying_rate_is_seen_evenly(tmp_path: Path) -> None:
    """Ten frames of 20 ms, then ten of 100 ms: at 25 a second, every other one and each twice."""
    path = tmp_path / "x.mp4"
    begins = [20 * n for n in range(10)] + [200 + 100 * n for n in range(10)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.height, stream.width = HEIGHT, WIDTH
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, begin in enumerate(begins):
            frame = av.VideoFrame.from_ndarray(_picture(number), format="rgb24")
            frame.pts, frame.time_base = begin, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    whole = open_footage(path)
    seen = whole.at_rate(25)
    assert seen.taken is not None
    assert rate_note([seen], 25) == (
        f"the video was filmed at {whole.fps:.4g} frames per second: frames are taken by time, "
        "25 per second"
    )
    even = whole.at_rate(whole.fps)
    assert even.taken != tuple(range(20))
    assert rate_note([whole, even], whole.fps).startswith("1 of 2 videos was filmed unevenly: ")
    for moment, number in zip(np.arange(seen.num_frames) / 25, seen.taken, strict=True):
        off = [abs(begin / 1000 - moment) for begin in begins]
        assert off[number] <= min(off) + 1e-6
    assert seen.taken[:5] == (0, 2, 4, 6, 8)
