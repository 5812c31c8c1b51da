"""Pictures in: which are found, what is read of them, and what every fault is called."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from slaeval import loaders
from slaeval.errors import InputError, SlaevalError
from slaeval.loaders import video
from slaeval.loaders.video import (
    VideoClip,
    find_video_clips,
    frame_times,
    miscounted,
    open_footage,
    read_frames,
)

Pixels = np.ndarray


def scenery(width: int, height: int, number: int = 0) -> Pixels:
    """Return a smooth picture; the number sets its blue."""
    across = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    down = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    blue = np.full((height, width), 20 * number % 256)
    return np.stack([across, down, blue], axis=-1).astype(np.uint8)


def folder_of(path: Path, names: list[str], width: int = 42, height: int = 52) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(scenery(width, height, number)).save(path / name)
    return path


def video_of(path: Path, frames: list[Pixels], **options: str) -> Path:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Return a video of 20 frames, each with its number in its brightness."""
    frames = [np.full((64, 96, 3), 10 * n + 20, np.uint8) for n in range(20)]
    return video_of(tmp_path_factory.mktemp("film") / "film.mp4", frames, movflags="faststart")


# Which frames, in which order


def test_frames_come_in_natural_order(tmp_path: Path) -> None:
    names = ["frame10.png", "frame9.png", "frame1.png", "frame0100.png"]
    folder = folder_of(tmp_path / "mine", names)
    for other in (".DS_Store", "._frame1.png", "notes.txt", "Thumbs.db"):
        (folder / other).write_text("not a picture")
    (folder / "deeper.png").mkdir()
    footage = open_footage(folder)
    assert footage.files == ("frame1.png", "frame9.png", "frame10.png", "frame0100.png")
    assert (footage.id, footage.path, footage.num_frames) == ("mine", str(folder), 4)
    blues = read_frames(footage)[:, 0, 0, 2].tolist()
    assert blues == [40, 20, 0, 60]
    assert open_footage(folder, "called").id == "called"


def test_the_annotation_says_which_ending(filmed, tmp_path: Path) -> None:
    corpus = loaders.load_corpus("phoenix2014t", filmed("phoenix2014t"), "test")
    copy = _copied(filmed("phoenix2014t"), tmp_path)
    folder = Path(find_video_clips(replace(corpus, root=str(copy)))[0][0].path)
    before = sorted(path.name for path in folder.iterdir())
    Image.new("RGB", (10, 10)).save(folder / "preview.jpg")
    footage = find_video_clips(replace(corpus, root=str(copy)))[0][0]
    assert list(footage.files) == before
    for name in before:  # a release converted to JPEG
        Image.open(folder / name).save((folder / name).with_suffix(".JPG"))
        (folder / name).unlink()
    (folder / "preview.jpg").unlink()
    footage = find_video_clips(replace(corpus, root=str(copy)))[0][0]
    assert list(footage.files) == [name.replace(".png", ".JPG") for name in before]


def _copied(folder: Path, to: Path) -> Path:
    """Copy a corpus as hard links."""
    shutil.copytree(folder, to / "copy", copy_function=os.link)
    return to / "copy"


@pytest.mark.parametrize("name", ["phoenix2014", "phoenix2014t"])
def test_releases_have_or_lack_a_folder_1(filmed, tmp_path: Path, name: str) -> None:
    copy = _copied(filmed(name), tmp_path)
    corpus = loaders.load_corpus(name, copy)
    before = find_video_clips(corpus)[0]
    for shot in before:
        path = Path(shot.path)
        if path.name == "1":
            for frame in path.iterdir():
                frame.rename(path.parent / frame.name)
            path.rmdir()
        else:
            frames = list(path.iterdir())
            (path / "1").mkdir()
            for frame in frames:
                frame.rename(path / "1" / frame.name)
    after = find_video_clips(corpus)[0]
    assert [(shot.id, shot.files) for shot in after] == [(shot.id, shot.files) for shot in before]
    assert {shot.path for shot in after}.isdisjoint({shot.path for shot in before})
    assert not [row for row in loaders.verify(name, copy) if "pictures" in row.what]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("phoenix2014", "fullFrame-210x260px", "fullFrame-256x256px"),
        ("phoenix2014t", "fullFrame-210x260px", "fullFrame-256x256px"),
        ("phoenix2014", "fullFrame-210x260px", "fullFrame-224x224px"),
        ("phoenix2014t", "fullFrame-210x260px", "fullFrame-97x120px"),
        ("csl-daily", "sentence_frames-512x512", "sentence_frames-256x256"),
        ("csl-daily", "sentence_frames-512x512", "sentence_frames-97x97"),
    ],
)
def test_resized_copies_are_found(filmed, tmp_path: Path, name: str, old: str, new: str) -> None:
    copy = _copied(filmed(name), tmp_path)
    (place,) = copy.rglob(old)
    place.rename(place.with_name(new))
    footage, skipped = find_video_clips(loaders.load_corpus(name, copy))
    assert skipped == {}
    assert all(new in shot.path for shot in footage)


def test_of_several_resized_copies_the_largest_with_the_sample(filmed, tmp_path: Path) -> None:
    copy = _copied(filmed("phoenix2014t"), tmp_path)
    (place,) = copy.rglob("fullFrame-210x260px")
    shutil.copytree(place, place.with_name("fullFrame-96x96px"))
    place.rename(place.with_name("fullFrame-224x224px"))
    place.mkdir()  # the release's own, emptied
    (place / "test").mkdir()
    corpus = loaders.load_corpus("phoenix2014t", copy, "test")
    assert all("fullFrame-224x224px" in shot.path for shot in find_video_clips(corpus)[0])
    shutil.rmtree(place.with_name("fullFrame-224x224px") / "test" / corpus[0].id)
    assert "fullFrame-96x96px" in find_video_clips(corpus)[0][0].path


@pytest.mark.parametrize("held", range(1, 10))
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_pictures_are_seen_as_the_camera_was_held(tmp_path: Path, held: int, ending: str) -> None:
    upright = scenery(42, 52)
    stored = {
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright.transpose(1, 0, 2), 2),
        8: np.rot90(upright, -1),
    }.get(held, upright)
    exif = Image.Exif()
    exif[0x0112] = held
    (tmp_path / "x").mkdir()
    picture = Image.fromarray(np.ascontiguousarray(stored))
    picture.save(tmp_path / "x" / f"1.{ending}", exif=exif, quality=98, subsampling=0)
    footage = open_footage(tmp_path / "x")
    (frame,) = read_frames(footage)
    assert np.abs(frame.astype(int) - upright).max() <= 12
    (small,) = read_frames(footage, (26, 21))
    assert np.abs(small.astype(int) - upright[::2, ::2]).mean() < 6


def test_isharah_in_capitals(filmed, tmp_path: Path) -> None:
    copy = _copied(filmed("isharah500"), tmp_path)
    for path in (copy / "Videos").iterdir():
        path.rename(path.with_suffix(".MP4"))
    footage, skipped = find_video_clips(loaders.load_corpus("isharah500", copy))
    assert skipped == {}
    assert all(shot.path.endswith(".MP4") for shot in footage)


def test_pictures_one_folder_below_the_one_that_is_named(tmp_path: Path) -> None:
    folder_of(tmp_path / "me" / "1", ["1.png", "2.png"])
    footage = open_footage(tmp_path / "me")
    assert (footage.id, footage.num_frames) == ("me", 2)
    folder_of(tmp_path / "me" / "2", ["1.png"])
    with pytest.raises(InputError, match=r"2 subfolders hold pictures \(1, 2\): name one"):
        open_footage(tmp_path / "me")


def test_isharah_comes_as_files_or_folders(filmed, tmp_path: Path) -> None:
    copy = _copied(filmed("isharah500"), tmp_path)
    corpus = loaders.load_corpus("isharah500", copy)
    first, second, third = corpus
    videos = copy / "Videos"
    (videos / str(second.signer)).mkdir()
    (videos / f"{second.id}.mp4").rename(videos / str(second.signer) / f"{second.id}.mp4")
    (videos / f"{third.id}.mp4").unlink()
    folder_of(videos / third.id, ["2.jpg", "10.jpg"])
    footage, _ = find_video_clips(corpus)
    assert [os.path.relpath(shot.path, videos) for shot in footage] == [
        f"{first.id}.mp4",
        f"{second.signer}/{second.id}.mp4",
        third.id,
    ]
    assert footage[2].files == ("2.jpg", "10.jpg")
    assert read_frames(footage[2], (20, 20)).shape == (2, 20, 20, 3)


def test_links_are_followed(tmp_path: Path, film: Path) -> None:
    folder = folder_of(tmp_path / "real", ["1.png", "2.png"])
    (tmp_path / "linked").symlink_to(folder)
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "7.png").symlink_to(folder / "2.png")
    (tmp_path / "film.mp4").symlink_to(film)
    assert read_frames(open_footage(tmp_path / "linked")).shape == (2, 52, 42, 3)
    assert read_frames(open_footage(tmp_path / "frames"))[0, 0, 0, 2] == 20
    assert open_footage(tmp_path / "film.mp4").num_frames == 20


# What is read


@pytest.mark.parametrize("size", [(36, 36), (1, 1), (37, 91), (260, 210), (600, 33)])
@pytest.mark.parametrize("kind", ["a.png", "a.jpg", "a.bmp", "a.webp"])
def test_the_size_asked_for_is_the_size_given(
    tmp_path: Path, kind: str, size: tuple[int, int]
) -> None:
    footage = open_footage(folder_of(tmp_path / "x", [kind], 210, 260))
    assert read_frames(footage).shape == (1, 260, 210, 3)
    frames = read_frames(footage, size)
    assert frames.shape == (1, *size, 3)
    assert frames.dtype == np.uint8
    assert frames.flags.c_contiguous


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (1, 1), (64, 96), (32, 32), (200, 144)])
def test_video_has_the_size_asked_for(film: Path, size: tuple[int, int]) -> None:
    frames = read_frames(open_footage(film), size)
    np.testing.assert_allclose(frames[:, -1, -1, 0], [10 * n + 20 for n in range(20)], atol=3)
    assert frames.shape == (20, *size, 3)
    assert frames.dtype == np.uint8
    assert frames.flags.c_contiguous


def test_odd_sizes_are_read_whole(tmp_path: Path) -> None:
    for width, height in ((1, 1), (3, 201), (211, 7)):
        footage = open_footage(folder_of(tmp_path / f"{width}", ["1.png"], width, height))
        np.testing.assert_array_equal(read_frames(footage)[0], scenery(width, height))


@pytest.mark.parametrize("kind", ["a.png", "a.jpg"])
def test_shrinking_keeps_the_picture(tmp_path: Path, kind: str) -> None:
    """The short cuts of the decoder stay near a filter over the whole picture."""
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, 256, (512, 512, 3)).astype(np.float64)
    soft = 0.5 * scenery(512, 512) + 0.5 * noisy
    (tmp_path / "x").mkdir()
    Image.fromarray(soft.astype(np.uint8)).save(tmp_path / "x" / kind, quality=95)
    footage = open_footage(tmp_path / "x")
    for side in (224, 100, 36):
        whole = Image.open(tmp_path / "x" / kind).convert("RGB")
        exact = np.asarray(whole.resize((side, side), Image.Resampling.BOX), dtype=float)
        ours = read_frames(footage, (side, side))[0]
        assert np.abs(ours - exact).mean() < (12 if side == 224 else 4)
        assert abs(ours.mean() - exact.mean()) < 1


def test_red_stays_red(tmp_path: Path) -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    (tmp_path / "x").mkdir()
    Image.fromarray(red).save(tmp_path / "x" / "1.png")
    Image.fromarray(red).save(tmp_path / "x" / "2.jpg")
    for frame in read_frames(open_footage(tmp_path / "x")):
        assert frame.reshape(-1, 3).mean(axis=0) == pytest.approx([255, 0, 0], abs=2)
    video = read_frames(open_footage(video_of(tmp_path / "x.mp4", [red] * 3)))
    assert video.reshape(-1, 3).mean(axis=0) == pytest.approx([255, 0, 0], abs=6)


@pytest.mark.parametrize("size", [None, (20, 20)])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, size: tuple[int, int] | None) -> None:
    base = Image.fromarray(scenery(40, 40))
    grey = np.asarray(base.convert("L"))
    kinds = {
        "L.png": base.convert("L"),
        "LA.png": base.convert("LA"),
        "1.png": base.convert("1"),
        "P.png": base.convert("P"),
        "RGBA.png": base.convert("RGBA"),
        "I16.png": Image.fromarray(grey.astype(np.uint16) * 257),
        "CMYK.jpg": base.convert("CMYK"),
        "L.jpg": base.convert("L"),
    }
    for name, picture in kinds.items():
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        picture.save(folder / name)
        (frame,) = read_frames(open_footage(folder), size)
        assert frame.shape == (*(size or (40, 40)), 3), name
        colours = ("L.png", "LA.png", "I16.png", "L.jpg")
        expected = Image.fromarray(grey) if name in colours else base
        wanted = expected.convert("RGB").resize(frame.shape[:2], Image.Resampling.BOX)
        near = {"1.png": 120, "P.png": 30, "CMYK.jpg": 30}.get(name, 4)
        assert np.abs(frame - np.asarray(wanted, dtype=float)).mean() < near, name
        if name in colours:
            assert (frame[..., 0] == frame[..., 2]).all(), name


def test_any_frames_in_any_order(tmp_path: Path, film: Path) -> None:
    names = [f"{number}.png" for number in range(20)]
    for footage in (open_footage(folder_of(tmp_path / "x", names)), open_footage(film)):
        whole = read_frames(footage)
        for indices in ([0], [19, 0, 7, 7], list(range(19, -1, -1)), np.array([3, 5])):
            np.testing.assert_array_equal(read_frames(footage, indices=indices), whole[indices])
        small = read_frames(footage, (18, 24))
        np.testing.assert_array_equal(read_frames(footage, (18, 24), [5, 2]), small[[5, 2]])
        assert read_frames(footage, indices=[]).shape[0] == 0
        assert read_frames(footage, (8, 9), []).shape == (0, 8, 9, 3)
        for wrong in (20, -1):
            with pytest.raises(InputError, match=f"20 frames: there is no frame {wrong}") as caught:
                read_frames(footage, indices=[wrong])
            assert footage.id in str(caught.value)


def test_video_frames_are_all_there_and_in_order(film: Path) -> None:
    levels = read_frames(open_footage(film)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(levels, [10 * n + 20 for n in range(20)], atol=3)
    with av.open(str(film)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.abs(read_frames(open_footage(film)).astype(int) - decoded).max() <= 2


def test_a_telephone_held_upright_is_turned(tmp_path: Path, film: Path) -> None:
    data = bytearray(film.read_bytes())
    straight = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 0x40000000)
    turned = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 64 * 65536, 0, 0x40000000)
    place = data.index(straight, data.index(b"tkhd"))
    data[place : place + 36] = turned
    (tmp_path / "turned.mp4").write_bytes(data)
    footage = open_footage(tmp_path / "turned.mp4")
    assert read_frames(footage).shape == (20, 96, 64, 3)
    assert read_frames(footage, (30, 20)).shape == (20, 30, 20, 3)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_varying_rate_gives_each_frame_its_time(tmp_path: Path, ending: str) -> None:
    """Ten frames of 20 ms, then ten of 100 ms; the first one begins late."""
    path = tmp_path / f"x{ending}"
    begins = [300 + 20 * n for n in range(10)] + [500 + 100 * n for n in range(10)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = 64, 96
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, begin in enumerate(begins):
            frame = av.VideoFrame.from_ndarray(scenery(96, 64, number), format="rgb24")
            frame.pts, frame.time_base = begin, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = frame_times(open_footage(path))
    assert found is not None
    fps, times = found
    assert times[:-1] == [(begin - begins[0]) / 1000 for begin in begins]
    assert times[-1] >= times[-2]  # how long the last one is shown, a file rarely says
    assert fps == pytest.approx(20 / times[-1], abs=1e-3)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "avi"])
def test_other_containers(tmp_path: Path, ending: str) -> None:
    frames = [np.full((64, 96, 3), 10 * n + 20, np.uint8) for n in range(12)]
    footage = open_footage(video_of(tmp_path / f"x.{ending}", frames))
    levels = read_frames(footage).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(levels, [10 * n + 20 for n in range(12)], atol=3)


@pytest.mark.parametrize("name", ["phoenix2014t", "csl-daily", "isharah500"])
def test_reading_twice_gives_the_same(filmed, name: str) -> None:
    footage = find_video_clips(loaders.load_corpus(name, filmed(name), "test"))[0][0]
    once, again = (read_frames(footage, (40, 36)) for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_nothing_stays_open(tmp_path: Path, film: Path) -> None:
    folder = folder_of(tmp_path / "x", ["1.png", "2.jpg", "3.png"])
    broken = folder_of(tmp_path / "y", ["1.png", "2.png"])
    (broken / "2.png").write_bytes((broken / "2.png").read_bytes()[:-200])
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[:-1000])

    def everything() -> int:
        for footage in (open_footage(folder), open_footage(film)):
            read_frames(footage)
            read_frames(footage, (8, 8))
        for path in (broken, tmp_path / "cut.mp4"):
            with pytest.raises(InputError):
                read_frames(open_footage(path))
        return len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc here")
    first = everything()
    assert [everything() for _ in range(3)] == [first] * 3


# What is wrong


def _random(path: Path, film: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(20000))


BROKEN_VIDEOS: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "empty": (lambda path, film: path.write_bytes(b""), "the file is empty"),
    "text": (lambda path, film: path.write_text("hello\n" * 400), "this is a text file"),
    "arabic": (lambda path, film: path.write_text("هذا نص " * 400), "this is a text file"),
    "noise": (_random, "not a decodable video"),
    "head only": (
        lambda path, film: path.write_bytes(film.read_bytes()[:300]),
        "not a decodable video",
    ),
    "truncated": (
        lambda path, film: path.write_bytes(film.read_bytes()[: -film.stat().st_size // 3]),
        "truncated",
    ),
    "zeros": (
        lambda path, film: path.write_bytes(
            film.read_bytes()[: film.stat().st_size * 2 // 3] + bytes(film.stat().st_size // 3)
        ),
        "truncated",
    ),
}


@pytest.mark.parametrize("fault", BROKEN_VIDEOS)
@pytest.mark.parametrize("size", [None, (32, 32)])
def test_a_broken_video_is_named(
    tmp_path: Path, film: Path, fault: str, size: tuple[int, int] | None
) -> None:
    break_it, message = BROKEN_VIDEOS[fault]
    path = tmp_path / "x.mp4"
    break_it(path, film)
    with pytest.raises(InputError, match=message) as caught:
        read_frames(open_footage(path, "sample-7"), size)
    assert str(path) in str(caught.value)
    assert "'sample-7'" in str(caught.value)


def test_a_video_without_pictures_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        for number in range(20):
            sound = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            sound.sample_rate, sound.pts = 16000, number * 1024
            container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(InputError, match=r"sound\.mp4: sample 'sound': not a decodable video"):
        open_footage(path)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


BROKEN_FRAMES: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (_cut, "cannot be decoded"),
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "text": (lambda path: path.write_text("<html>404</html>"), "cannot be decoded"),
    "noise": (lambda path: path.write_bytes(bytes(range(256)) * 9), "cannot be decoded"),
    "gone": (lambda path: path.unlink(), "this frame is missing"),
    "larger": (
        lambda path: Image.new("RGB", (64, 80)).save(path),
        r"this frame is 64 by 80, the first one read, 1\.\w+, 42 by 52",
    ),
}


@pytest.mark.parametrize("fault", BROKEN_FRAMES)
@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("size", [None, (20, 20)])
def test_a_broken_frame_is_named(
    tmp_path: Path, fault: str, ending: str, size: tuple[int, int] | None
) -> None:
    break_it, message = BROKEN_FRAMES[fault]
    folder = folder_of(tmp_path / "x", [f"{number}.{ending}" for number in (1, 2, 3)])
    footage = open_footage(folder, "sample-7")
    break_it(folder / f"2.{ending}")
    with pytest.raises(InputError, match=message) as caught:
        read_frames(footage, size)
    assert str(folder / f"2.{ending}") in str(caught.value)
    assert "'sample-7'" in str(caught.value)
    assert len(read_frames(footage, size, [0, 2])) == 2


def test_a_broken_header_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x", ["1.png"])
    data = bytearray((folder / "1.png").read_bytes())
    data[30] ^= 0xFF  # the checksum of its size
    (folder / "1.png").write_bytes(data)
    with pytest.raises(InputError, match=r"1\.png: sample 'x': this frame cannot be decoded"):
        read_frames(open_footage(folder))


def test_what_is_no_footage_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: sample 'empty': no frames in this folder"):
        open_footage(tmp_path / "empty")
    with pytest.raises(InputError, match=r"gone\.mp4: no such file; expected a video file or"):
        open_footage(tmp_path / "gone.mp4")
    folder = folder_of(tmp_path / "x", ["1.png"])
    with pytest.raises(InputError, match="this is one picture; name a video file or the folder"):
        open_footage(folder / "1.png")
    with pytest.raises(InputError, match="the video is missing"):
        read_frames(VideoClip("x", str(tmp_path / "gone.mp4"), (), 3))
    with pytest.raises(ValueError, match="at least 1 by 1"):
        read_frames(open_footage(folder), (0, 5))


def test_a_video_that_changed_is_named(film: Path) -> None:
    footage = replace(open_footage(film), num_frames=25)
    with pytest.raises(InputError, match="the video has 20 frames, but 25 when it was found"):
        read_frames(footage)


def _without_pictures(filmed, tmp_path: Path, name: str) -> tuple[loaders.Corpus, str, Path]:
    """Return a corpus whose second sample lacks its pictures."""
    copy = _copied(filmed(name), tmp_path)
    corpus = loaders.load_corpus(name, copy)
    shot = find_video_clips(corpus)[0][1]
    path = Path(shot.path)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return corpus, shot.id, path


@pytest.mark.parametrize("name", ["phoenix2014", "phoenix2014t", "csl-daily", "isharah500"])
def test_a_sample_without_pictures_stops_or_is_skipped(filmed, tmp_path: Path, name: str) -> None:
    corpus, id, path = _without_pictures(filmed, tmp_path, name)
    # Where only the folder 1 is gone, the sample's own folder is there, and empty.
    message = "no pictures here|no frames in this folder"
    with pytest.raises(InputError, match=message) as caught:
        find_video_clips(corpus)
    assert f"{id!r}" in str(caught.value)
    assert str(path.parent if name == "phoenix2014" else path) in str(caught.value)
    footage, skipped = find_video_clips(corpus, "skip")
    assert list(skipped) == [id]
    assert re.search(message, skipped[id])
    assert [shot.id for shot in footage] == [s.id for s in corpus if s.id != id]


def test_the_first_of_the_corpus_is_named_whichever_is_found_out_first(
    filmed, tmp_path: Path, monkeypatch
) -> None:
    corpus, id, _ = _without_pictures(filmed, tmp_path, "isharah500")
    os.unlink(find_video_clips(corpus, "skip")[0][1].path)
    look = video._footage_of

    def slower(sample: loaders.Sample, *where: Any) -> VideoClip:
        time.sleep(0.2 if sample.id == id else 0)
        return look(sample, *where)

    monkeypatch.setattr(video, "_footage_of", slower)
    with pytest.raises(InputError, match=re.escape(repr(id))):
        find_video_clips(corpus)
    shots, skipped = find_video_clips(corpus, "skip")
    assert [shot.id for shot in shots] == [corpus[0].id]
    assert [*skipped] == [corpus[1].id, corpus[2].id]


def test_frames_are_held_against_the_annotation(filmed) -> None:
    corpus = loaders.load_corpus("csl-daily", filmed("csl-daily"))
    footage, _ = find_video_clips(corpus)
    assert miscounted(corpus, footage) == {}
    short = replace(footage[0], num_frames=footage[0].num_frames - 1)
    assert miscounted(corpus, [short, *footage[1:]]) == {
        corpus[0].id: (corpus[0].num_frames, short.num_frames)
    }
    # Where the annotation says nothing, nothing differs.
    silent = loaders.load_corpus("phoenix2014t", filmed("phoenix2014t"))
    assert miscounted(silent, find_video_clips(silent)[0]) == {}


def test_annotations_alone_are_said_to_be_alone(sample_of) -> None:
    corpus = loaders.load_corpus("phoenix2014t", sample_of("phoenix2014t"))
    with pytest.raises(InputError, match="this copy has annotations only"):
        find_video_clips(corpus)
    footage, skipped = find_video_clips(corpus, "skip")
    assert footage == []
    assert len(skipped) == len(corpus)


def test_an_empty_folder_or_video_is_skipped_with_its_reason(filmed, tmp_path: Path) -> None:
    corpus, id, path = _without_pictures(filmed, tmp_path, "phoenix2014t")
    path.mkdir()
    assert "no frames in this folder" in find_video_clips(corpus, "skip")[1][id]
    corpus, id, path = _without_pictures(filmed, tmp_path / "b", "isharah500")
    path.write_bytes(b"")
    assert "the file is empty" in find_video_clips(corpus, "skip")[1][id]


def test_torch_computes_after_video_was_read(film: Path) -> None:
    """decord opens nvBLAS to everyone where CUDA's packages are; torch would crash on it."""
    script = f"""
from slaeval.loaders.video import open_footage, read_frames
read_frames(open_footage({str(film)!r}))
import torch
print((torch.ones(64, 64) @ torch.ones(64, 64)).sum().item())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "262144.0\n"), done.stderr


def test_without_the_extra_it_says_what_to_install(monkeypatch, film: Path) -> None:
    footage = open_footage(film)
    monkeypatch.setitem(sys.modules, "decord", None)
    for act in (lambda: open_footage(film), lambda: read_frames(footage)):
        with pytest.raises(SlaevalError, match=r'needs decord: .*pip install "\.\[run\]"'):
            act()
