"""Frame caches: the frames they give back, and what is said of one that is of no use."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from slaeval.__main__ import main
from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.loaders import load_corpus
from slaeval.loaders.frame_cache import cache_folder, open_frame_cache
from slaeval.loaders.frame_index import Coding
from slaeval.loaders.records import Corpus
from slaeval.loaders.video import VideoClip, find_video_clips, open_footage, read_frames
from slaeval.recognition import evaluate
from slaeval.recognition.batches import ClipDataset, FrameLoader
from slaeval.recognition.checkpoint_loading import load_checkpoint
from slaeval.recognition.frame_caching import make_frame_cache, verify_frame_cache

PNG, JPEG = Coding("png"), Coding("jpeg")
SIDE = 36

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def made(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a lossless cache of the rendered test split; not to be changed."""
    folder = tmp_path_factory.mktemp("png")
    make_frame_cache(corpus, str(folder), SIDE, PNG)
    return folder


@pytest.fixture
def mine(made: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return Path(shutil.copytree(made, tmp_path / "mine"))


@pytest.fixture
def small(root: Path, tmp_path: Path) -> Corpus:
    """Return the corpus of a copy that may be changed, of the test split alone."""
    shutil.copytree(root, tmp_path / "corpus")
    return load_corpus("phoenix2014t", tmp_path / "corpus", "test")


def opened(folder: Path, corpus: Corpus, side: int = SIDE) -> list[VideoClip]:
    cache = open_frame_cache(folder, corpus.name, corpus.setup, side)
    return find_video_clips(corpus, cache=cache)[0]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


# -- the same frames --------------------------------------------------------------------------


def test_a_lossless_cache_gives_the_same_bits(corpus: Corpus, made: Path) -> None:
    size = (SIDE, SIDE)
    for cached, own in zip(opened(made, corpus), find_video_clips(corpus)[0], strict=True):
        expected = read_frames(own, size)
        assert np.array_equal(read_frames(cached, size), expected)
        chosen = [own.num_frames - 1, 0, 3, 3]
        assert np.array_equal(read_frames(cached, size, chosen), expected[chosen])
        slower = own.at_rate(10)
        assert np.array_equal(read_frames(cached.at_rate(10), size), read_frames(slower, size))
        assert read_frames(cached, size, []).shape == (0, SIDE, SIDE, 3)


def test_a_lossy_cache_is_near(corpus: Corpus, tmp_path: Path) -> None:
    make_frame_cache(corpus, str(tmp_path / "jpeg"), SIDE, JPEG)
    make_frame_cache(corpus, str(tmp_path / "webp"), SIDE, Coding("webp", 90))
    for folder in ("jpeg", "webp"):
        for cached, own in zip(
            opened(tmp_path / folder, corpus), find_video_clips(corpus)[0], strict=True
        ):
            there = read_frames(cached, (SIDE, SIDE)).astype(int)
            difference = np.abs(there - read_frames(own, (SIDE, SIDE)))
            assert 0 < difference.mean() < 4
            assert difference.max() < 90


@given(st.data(), st.integers(1, 40), st.sampled_from(["png", "jpeg", "webp"]))
def test_coding_keeps_size_and_png_every_bit(data: st.DataObject, side: int, kind: str) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)
    coding = Coding(kind)  # type: ignore[arg-type]
    back = coding.decode(coding.encode(pixels))
    assert back.shape == pixels.shape
    assert back.dtype == np.uint8
    if coding.lossless:
        assert np.array_equal(back, pixels)


def test_videos_are_cached_too(tmp_path: Path) -> None:
    from slaeval.loaders import write_sample

    sizes = {"train": 1, "dev": 1, "test": 1}
    write_sample("isharah500", tmp_path / "c", video=True, sizes=sizes)
    corpus = load_corpus("isharah500", tmp_path / "c", "test")
    assert not find_video_clips(corpus)[0][0].files  # mp4
    make_frame_cache(corpus, str(tmp_path / "cache"), SIDE, PNG)
    for cached, own in zip(
        opened(tmp_path / "cache", corpus), find_video_clips(corpus)[0], strict=True
    ):
        assert cached.fps == own.fps
        there = read_frames(cached, (SIDE, SIDE))
        assert np.array_equal(there, read_frames(own, (SIDE, SIDE)))


def test_readers_in_processes_hold_no_copy(corpus: Corpus, made: Path) -> None:
    """A clip sent to a process is a name and places in the file, not frames."""
    clips = opened(made, corpus)
    plain = find_video_clips(corpus)[0]
    frames = sum(clip.num_frames for clip in clips)
    assert len(pickle.dumps(clips)) - len(pickle.dumps(plain)) < 2000 + 16 * frames
    with FrameLoader(ClipDataset(clips, SIDE), workers=1) as reader:
        for loaded in reader.batches([[n] for n in range(len(clips))]):
            assert loaded.batch is not None
            expected = read_frames(plain[loaded.keys[0]], (SIDE, SIDE))
            assert np.array_equal(loaded.batch.frames.permute(0, 2, 3, 1).numpy(), expected)


def test_workers_write_the_same_bytes(corpus: Corpus, made: Path, tmp_path: Path) -> None:
    make_frame_cache(corpus, str(tmp_path / "two"), SIDE, PNG, workers=2)
    assert bytes_of(tmp_path / "two") == bytes_of(made)


# -- runs and training ------------------------------------------------------------------------


def test_a_run_has_the_same_hypotheses_and_says_what_it_read(
    checkpoint: Make, root: Path, made: Path, corpus: Corpus, tmp_path: Path
) -> None:
    model = load_checkpoint(checkpoint())
    plain = evaluate(model, "phoenix2014t", root=root, out="plain")
    cached = evaluate(model, "phoenix2014t", root=root, out="cached", frame_cache=made)
    for name in ("hyp.ctm", "alignment.jsonl", "score.json"):
        assert Path("cached", name).read_bytes() == Path("plain", name).read_bytes()
    assert plain.settings["frame_cache"] is None
    record = cached.settings["frame_cache"]["test"]
    header, _ = verify_frame_cache(corpus, str(made))
    assert record == {"coding": "png", "lossless": True, "size": SIDE, "hash": header.hash}
    assert not [note for note in cached.settings["notes"] if "cache" in note]

    make_frame_cache(corpus, str(tmp_path / "jpeg"), SIDE, JPEG)
    for out in ("plain", "cached"):
        with pytest.raises(InputError, match="a run with another frame cache"):
            evaluate(model, "phoenix2014t", root=root, out=out, frame_cache=tmp_path / "jpeg")


def test_run_says_that_frames_lost_a_little(
    checkpoint: Make,
    root: Path,
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SLAEVAL_CACHE_DIR", str(tmp_path))
    header, _ = make_frame_cache(
        corpus, cache_folder(corpus.name, corpus.setup, SIDE, JPEG), SIDE, JPEG
    )
    run = ["--ckpt", checkpoint(), "--root", root, "--out", "run", "--no-report", "--json"]
    arguments = ["slaeval", "run", *run, "--device", "cpu", "--frame-cache", "auto"]
    monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code in (0, None)
    out, err = capsys.readouterr()
    said = f"frames of test are from a lossy cache ({header})"
    assert f"warning: {said}" in " ".join(err.split())
    assert said in json.loads(out)["run"]["notes"]


@pytest.mark.slow
def test_two_ranks_read_one_cache(checkpoint: Make, root: Path, made: Path, tmp_path: Path) -> None:
    ranks = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run = ["-m", "slaeval", "run", "--ckpt", str(checkpoint()), "--root", str(root)]
    options = ["--device", "cpu", "--no-report", "--frame-cache", str(made)]
    for out, start in (("one", []), ("two", ranks)):
        done = subprocess.run(
            [sys.executable, *start, *run, *options, "--out", out],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
    one, two = (tmp_path / name for name in ("one", "two"))
    assert (one / "hyp.ctm").read_bytes() == (two / "hyp.ctm").read_bytes()
    settings = json.loads((two / "run.json").read_text())
    assert settings["settings"]["processes"] == 2
    assert settings["frame_cache"]["test"]["size"] == SIDE


# -- caches that are of no use ----------------------------------------------------------------


def test_a_changed_source_is_named(
    small: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cache"
    make_frame_cache(small, str(folder), SIDE, PNG)
    clip = find_video_clips(small)[0][1]
    frame = Path(clip.path, clip.files[0])
    before = frame.stat()
    data = frame.read_bytes()

    os.utime(frame, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    opened(folder, small)  # other times, the same content
    assert "the modification times of the files of 1 sample of test have changed" in " ".join(
        capsys.readouterr().err.split()
    )
    frame.write_bytes(data[:-30] + bytes([data[-30] ^ 1]) + data[-29:])
    with pytest.raises(InputError, match=f"sample {clip.id!r} has changed since"):
        opened(folder, small)
    frame.write_bytes(data)
    opened(folder, small)
    Path(clip.path, clip.files[-1]).unlink()
    with pytest.raises(InputError, match=r"has changed since .*--out .*cache.* --restart"):
        opened(folder, small)
    with pytest.raises(InputError, match="has changed since"):
        make_frame_cache(small, str(folder), SIDE, PNG)
    with pytest.raises(InputError, match="has changed since"):
        verify_frame_cache(small, str(folder))
    header, _ = make_frame_cache(small, str(folder), SIDE, PNG, restart=True)
    shown = opened(folder, small)
    assert header.frames == sum(clip.num_frames for clip in shown)


def test_new_times_are_noted_once(small: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    header, _ = make_frame_cache(small, str(folder), SIDE, PNG)
    before = bytes_of(folder)
    clip = find_video_clips(small)[0][0]
    os.utime(Path(clip.path, clip.files[0]))
    assert make_frame_cache(small, str(folder), SIDE, PNG)[0] == header
    after = bytes_of(folder)
    frames, index = sorted(after)
    assert after[frames] == before[frames]
    assert after[index] != before[index]
    cache = open_frame_cache(folder, small.name, small.setup, SIDE)
    split = cache.split(small.name, small.setup, "test")
    assert split.check_source(find_video_clips(small)[0]) == []


def test_other_sizes_corpora_and_clips_are_refused(
    corpus: Corpus, root: Path, made: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"frames of 36 pixels; 40 are needed .*--size 40"):
        opened(made, corpus, side=40)
    with pytest.raises(InputError, match=r"no frame cache of phoenix2014t \(multisigner\) dev"):
        opened(made, load_corpus("phoenix2014t", root, "dev"))
    with pytest.raises(InputError, match=r"frames of phoenix2014t .* not of csl-daily"):
        open_frame_cache(made, "csl-daily", "x", SIDE).split("csl-daily", "x", "test")
    with pytest.raises(InputError, match="no such folder; expected a frame cache"):
        opened(tmp_path / "nowhere", corpus)
    clip = opened(made, corpus)[0]
    for size in (None, (SIDE, SIDE + 1)):
        with pytest.raises(InputError, match="has frames of 36 by 36 pixels, not"):
            read_frames(clip, size)
    make_frame_cache(corpus, str(tmp_path / "c"), SIDE, PNG)
    dev = load_corpus("phoenix2014t", root, "dev")
    with pytest.raises(UsageError, match=r"holds a frame cache of .* png, 36 pixels: name another"):
        make_frame_cache(dev, str(tmp_path / "c"), SIDE, JPEG)
    for side, coding in ((SIDE, JPEG), (SIDE + 1, PNG)):
        with pytest.raises(UsageError, match=r"png, 36 pixels: name another .*--out.*--restart"):
            make_frame_cache(corpus, str(tmp_path / "c"), side, coding)
    more = replace(corpus, samples=corpus.samples[:-1])
    make_frame_cache(more, str(tmp_path / "fewer"), SIDE, PNG)
    with pytest.raises(InputError, match=f"{corpus[-1].id!r} is not in the frame cache"):
        opened(tmp_path / "fewer", corpus)


def test_all_splits_are_made_again_in_another_coding(root: Path, tmp_path: Path) -> None:
    splits = ("dev", "test")
    dev, test = (load_corpus("phoenix2014t", root, split) for split in splits)
    dev, test = (replace(one, samples=one.samples[:2]) for one in (dev, test))
    folder = str(tmp_path / "c")
    for corpus in (dev, test):
        make_frame_cache(corpus, folder, SIDE, PNG)
    with pytest.raises(UsageError, match="make all splits that are in it again with --restart"):
        make_frame_cache(dev, folder, SIDE, JPEG, restart=True)  # the other would be left
    for corpus in (dev, test):
        made, _ = make_frame_cache(corpus, folder, SIDE, JPEG, restart=True, remade=splits)
        assert made.coding == JPEG


def test_damage_is_found_where_it_is_read(corpus: Corpus, mine: Path) -> None:
    frames = mine / "test" / "frames.bin"
    clips = opened(mine, corpus)
    data = bytearray(frames.read_bytes())
    data[len(data) // 2] ^= 4
    frames.write_bytes(data)
    with pytest.raises(InputError, match="damaged at byte") as verifying:
        verify_frame_cache(corpus, str(mine))
    failures = []
    for clip in opened(mine, corpus):
        try:
            read_frames(clip, (SIDE, SIDE))
        except InputError as error:
            failures.append(str(error))
    assert len(failures) == 1
    assert failures[0].split(" of sample ")[1].split(":")[0] in str(verifying.value)

    frames.write_bytes(data[:-100])
    with pytest.raises(
        InputError, match=r"the frame cache is truncated: [\d,]+ bytes of [\d,]+ are"
    ):
        opened(mine, corpus)
    with pytest.raises(InputError, match="the frame cache is truncated at byte"):
        read_frames(clips[-1], (SIDE, SIDE))  # of a run that had opened it before
    frames.unlink()
    with pytest.raises(InputError, match="the frame cache cannot be read: No such file"):
        read_frames(clips[-1], (SIDE, SIDE))
    with pytest.raises(InputError, match="cannot be read: No such file"):
        opened(mine, corpus)


def test_frames_of_another_cache_do_not_pass(corpus: Corpus, mine: Path) -> None:
    """The same sizes and checks, but a hash of something else."""
    index = mine / "test" / "index.jsonl"
    first, rest = index.read_text().split("\n", 1)
    header = json.loads(first)
    header["hash"] = "0" * 64
    index.write_text(json.dumps(header) + "\n" + rest)
    with pytest.raises(InputError, match="not the frames that the index describes"):
        verify_frame_cache(corpus, str(mine))


def _moved(text: str) -> str:
    """Give the first clip of an index a frame of the second."""
    header, *lines = text.splitlines()
    first, second, *others = map(json.loads, lines)
    for what in ("sizes", "checks"):
        first[what].append(second[what].pop(0))
    return "".join(f"{line}\n" for line in (header, *map(json.dumps, (first, second, *others))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "not the index"),
        (lambda text: text[:-20], "damaged"),
        (lambda text: text.replace("slaeval-frame-cache", "other"), "not the index"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "another version"),
        (lambda text: text.replace('"side": 36', '"side": "36"'), "damaged"),
        (lambda text: text.replace('"sizes":[', '"sizes":["a",'), "damaged"),
        (lambda text: text.replace('"sizes":[', '"sizes":[-1,'), "damaged"),
        (lambda text: text.replace('"coding": "png"', '"coding": "gif"'), "damaged"),
        (lambda text: text.replace('"split": "test"', '"split": ["test"]'), "damaged"),
        (lambda text: re.sub('"id":("[^"]*")', r'"id":[\1]', text, count=1), "damaged"),
        (lambda text: re.sub('"source":"[^"]*"', '"source":null', text, count=1), "damaged"),
        (lambda text: _moved(text), "damaged"),
        (lambda text: "[]\n" + text, "not the index|damaged"),
        (lambda text: "\0" * 100 + "\n", "not the index"),
    ],
)
def test_a_damaged_index_is_an_error(
    corpus: Corpus, mine: Path, change: Callable[[str], str], message: str
) -> None:
    index = mine / "test" / "index.jsonl"
    index.write_text(change(index.read_text()))
    with pytest.raises(InputError, match=message):
        opened(mine, corpus)


def test_what_cannot_be_read_is_kept_with_its_reason(small: Corpus, tmp_path: Path) -> None:
    clips = find_video_clips(small)[0]
    Path(clips[1].path, clips[1].files[2]).write_bytes(b"")
    shutil.rmtree(clips[3].path)
    cache = tmp_path / "cache"
    with pytest.raises(InputError, match="no pictures here"):
        make_frame_cache(small, str(cache), SIDE, PNG)
    _, skipped = make_frame_cache(small, str(cache), SIDE, PNG, on_error="skip")
    assert list(skipped) == [clips[3].id, clips[1].id]
    there = open_frame_cache(cache, small.name, small.setup, SIDE)
    found, missing = find_video_clips(small, "skip", there)
    assert missing == skipped
    assert [clip.id for clip in found] == [
        clips[n].id for n in range(len(clips)) if n not in (1, 3)
    ]
    assert len(read_frames(found[2], (SIDE, SIDE))) == found[2].num_frames
    # Known from the start, not after the hours until the sample is read.
    rest = replace(small, samples=tuple(one for one in small if one.id != clips[3].id))
    with pytest.raises(
        InputError,
        match=rf"{clips[1].id}'.* the file is empty .as the frame cache was made.*--on-error skip",
    ):
        find_video_clips(rest, cache=there)
    others = replace(rest, samples=tuple(one for one in rest if one.id != clips[1].id))
    assert len(find_video_clips(others, cache=there)[0]) == len(others)


def test_what_could_not_be_read_is_tried_again(
    small: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails for a while, under a build that skips and is then stopped."""
    from slaeval.loaders import frame_cache

    cache = tmp_path / "cache"
    failing = find_video_clips(small)[0][1].id

    def read(clip: VideoClip, size: tuple[int, int]) -> np.ndarray:
        if clip.id == failing:
            raise InputError("the disk does not answer", clip.path)
        return read_frames(clip, size)

    with monkeypatch.context() as broken:
        broken.setattr(frame_cache, "read_frames", read)
        _, skipped = make_frame_cache(small, str(cache), SIDE, PNG, on_error="skip")
    assert list(skipped) == [failing]
    with pytest.raises(InputError, match=r"the disk does not answer .*make it again.*--restart"):
        make_frame_cache(small, str(cache), SIDE, PNG)
    (cache / "test").rename(cache / "test.part")
    frames = (cache / "test.part" / "frames.bin").read_bytes()
    with monkeypatch.context() as broken:
        broken.setattr(frame_cache, "read_frames", read)
        with pytest.raises(InputError, match=r"the disk does not answer .*--on-error skip"):
            make_frame_cache(small, str(cache), SIDE, PNG)
    assert (cache / "test.part" / "frames.bin").read_bytes() == frames  # what is done is kept
    assert make_frame_cache(small, str(cache), SIDE, PNG)[1] == {}
    assert len(opened(cache, small)) == len(small)


# -- builds that do not end -------------------------------------------------------------------

_BUILD = """
import sys
from slaeval.loaders import load_corpus
from slaeval.loaders.frame_cache import Coding
from slaeval.recognition.frame_caching import make_frame_cache
if __name__ == "__main__":
    corpus = load_corpus("phoenix2014t", sys.argv[1], "test")
    make_frame_cache(corpus, sys.argv[2], 36, Coding("png"))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
def test_killed_it_goes_on_to_the_same_bytes(
    corpus: Corpus, root: Path, made: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    index = folder / "test.part" / "index.jsonl"
    process = subprocess.Popen([sys.executable, "-c", _BUILD, str(root), str(folder)])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if index.exists() and index.read_bytes().count(b"\n") > 2:
            process.kill()
            break
        time.sleep(0.002)
    assert process.wait() == -signal.SIGKILL
    assert not (folder / "test").exists()
    with pytest.raises(InputError, match="only an unfinished one"):
        opened(folder, corpus)
    make_frame_cache(corpus, str(folder), SIDE, PNG)
    assert bytes_of(folder) == bytes_of(made)


@pytest.mark.parametrize("cut", [0, 1, 500, 5000, 20_000])
def test_torn_files_are_mended(corpus: Corpus, mine: Path, made: Path, cut: int) -> None:
    """Whatever a machine that went down has left of frames and index."""
    part = mine / "test.part"
    (mine / "test").rename(part)
    for name in ("frames.bin", "index.jsonl"):
        data = (part / name).read_bytes()
        (part / name).write_bytes(data[: len(data) - (cut if name == "frames.bin" else cut // 10)])
        make_frame_cache(corpus, str(mine), SIDE, PNG)
        assert bytes_of(mine) == bytes_of(made)
        (mine / "test").rename(part)


def test_making_it_again_is_resumed(
    corpus: Corpus, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slaeval.loaders import frame_cache

    def read(clip: VideoClip, size: tuple[int, int]) -> np.ndarray:
        if clip.id == corpus[2].id:
            raise KeyboardInterrupt
        return read_frames(clip, size)

    monkeypatch.setattr(frame_cache, "read_frames", read)
    with pytest.raises(KeyboardInterrupt):
        make_frame_cache(corpus, str(mine), SIDE, JPEG, restart=True)
    monkeypatch.setattr(frame_cache, "read_frames", read_frames)
    assert verify_frame_cache(corpus, str(mine))[0].coding == PNG
    assert make_frame_cache(corpus, str(mine), SIDE, JPEG)[0].coding == JPEG
    assert sorted(os.listdir(mine)) == [".lock", "test"]


def test_a_beginning_without_its_frames(corpus: Corpus, mine: Path, made: Path) -> None:
    (mine / "test").rename(mine / "test.part")
    (mine / "test.part" / "frames.bin").unlink()
    make_frame_cache(corpus, str(mine), SIDE, PNG)
    assert bytes_of(mine) == bytes_of(made)


def test_the_beginning_of_another_is_not_gone_on_with(corpus: Corpus, mine: Path) -> None:
    (mine / "test").rename(mine / "test.part")
    with pytest.raises(UsageError, match="the beginning of a frame cache with png, 36 pixels"):
        make_frame_cache(corpus, str(mine), SIDE, JPEG)
    assert make_frame_cache(corpus, str(mine), SIDE, JPEG, restart=True)[0].coding == JPEG


@pytest.mark.parametrize("name", ["test", "test.part", "test.old"])
@pytest.mark.parametrize("restart", [False, True])
def test_what_is_not_a_frame_cache_is_left_alone(
    corpus: Corpus, made: Path, tmp_path: Path, name: str, restart: bool
) -> None:
    """A folder of pictures, a cache with somebody's notes, an index of something else."""
    folder = tmp_path / "mine"
    for files, why in (
        ({"a.png": b"1"}, r"it holds 'a\.png'"),
        ({"frames.bin": b"1"}, "it has no index of one"),
        ({"index.jsonl": b'{"format": "other", "version": 1}\n'}, "it has no index of one"),
    ):
        (folder / name).mkdir(parents=True)
        for file, data in files.items():
            (folder / name / file).write_bytes(data)
        with pytest.raises(UsageError, match=rf"{name} is not part .*{why}.* --out"):
            make_frame_cache(corpus, str(folder), SIDE, PNG, restart=restart)
        assert bytes_of(folder) == {f"{name}/{file}": data for file, data in files.items()}
        shutil.rmtree(folder)
    shutil.copytree(made / "test", folder / name)
    (folder / name / "notes.txt").touch()
    before = bytes_of(folder)
    with pytest.raises(UsageError, match=r"it holds 'notes\.txt'"):
        make_frame_cache(corpus, str(folder), SIDE, PNG, restart=restart)
    assert bytes_of(folder) == before


def test_what_kills_left_is_replaced(corpus: Corpus, mine: Path, made: Path) -> None:
    """An old split of another version, half deleted, and the temporary file of an index."""
    shutil.copytree(mine / "test", mine / "test.old")
    (mine / "test.old" / "frames.bin").unlink()
    index = mine / "test" / "index.jsonl"
    index.write_text(index.read_text().replace('"version": 1', '"version": 9'))
    (mine / "test" / "index.jsonl.0123abcd.tmp").touch()
    (mine / "test.part").mkdir()
    make_frame_cache(corpus, str(mine), SIDE, PNG, restart=True)
    assert bytes_of(mine) == bytes_of(made)


def test_a_cache_is_not_made_in_the_corpus(small: Corpus) -> None:
    before = bytes_of(Path(small.root))
    clip = find_video_clips(small)[0][0]
    for folder in (small.root, Path(clip.path).parent.parent, Path(small.root, "cache")):
        with pytest.raises(UsageError, match=r"in the folder of the corpus.* --out"):
            make_frame_cache(small, str(folder), SIDE, PNG, restart=True)
    assert bytes_of(Path(small.root)) == before
    assert not Path(small.root, "cache").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="makes a link")
def test_a_split_on_another_disk_stays_there(corpus: Corpus, mine: Path, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.mkdir()
    (mine / "test").rename(big / "test")
    (mine / "test").symlink_to(big / "test")
    for _ in range(2):
        assert make_frame_cache(corpus, str(mine), SIDE, JPEG, restart=True)[0].coding == JPEG
    assert os.listdir(big) == ["test"]
    assert (mine / "test").is_symlink()
    assert len(opened(mine, corpus)) == len(corpus)


@pytest.mark.skipif(sys.platform == "win32", reason="limits a file's size")
def test_a_full_disk(corpus: Corpus, made: Path, tmp_path: Path) -> None:
    import resource

    folder = tmp_path / "cache"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, before[1]))
    try:
        with pytest.raises(SlaevalError) as caught:
            make_frame_cache(corpus, str(folder), SIDE, PNG)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "test.part: cannot write: File too large; what is done is kept" in str(caught.value)
    assert not (folder / "test").exists()
    make_frame_cache(corpus, str(folder), SIDE, PNG)
    assert bytes_of(folder) == bytes_of(made)


def test_a_disk_that_will_be_full(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slaeval.recognition import frame_caching

    monkeypatch.setattr(frame_caching, "_ENOUGH", 10)
    monkeypatch.setattr(
        frame_caching.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1)
    )
    with pytest.raises(SlaevalError, match=r"about 0\.0 GB more are needed, 0\.0 GB are free"):
        make_frame_cache(corpus, str(tmp_path / "c"), SIDE, PNG)
    assert not (tmp_path / "c" / "test").exists()


def test_two_at_once(corpus: Corpus, tmp_path: Path) -> None:
    from slaeval.evaluation.run_folder import lock

    (tmp_path / "c").mkdir()
    with lock(str(tmp_path / "c")), pytest.raises(SlaevalError, match="another run is writing"):
        make_frame_cache(corpus, str(tmp_path / "c"), SIDE, PNG)


# -- as a command -----------------------------------------------------------------------------


def test_the_commands(
    slaeval: Callable[..., subprocess.CompletedProcess[str]],
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = {"SLAEVAL_CACHE_DIR": str(tmp_path / "caches")}
    asked = ("corpus", "cache", "phoenix2014t", "--root", root, "--split", "test", "--size", SIDE)
    done = slaeval(*asked, "--workers", 0, **usual)
    assert done.returncode == 0, done.stderr
    split, where = done.stdout.splitlines()
    assert split.startswith("phoenix2014t (multisigner) test: 199 frames, 0.")
    assert "jpeg 95, 36 pixels" in split
    assert where.endswith("phoenix2014t-multisigner-36-jpeg95; use it with --frame-cache auto")
    (data,) = (tmp_path / "caches").rglob("frames.bin")
    monkeypatch.setenv("SLAEVAL_CACHE_DIR", usual["SLAEVAL_CACHE_DIR"])

    def verified(*options: object) -> tuple[object, str]:
        # In this process, as a new one costs seconds.
        monkeypatch.setattr(sys, "argv", ["slaeval", *map(str, (*asked, "--verify", *options))])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, " ".join("".join(capsys.readouterr()).split())

    out = ("--out", data.parent.parent)
    assert verified(*out, "--quality", 95)[0] in (0, None)
    for other in (("--size", 40), ("--format", "png"), ("--quality", 90)):
        code, said = verified(*out, *other)
        assert code == 2
        assert "holds frames of test as jpeg 95, 36 pixels: give these or none" in said
    data.write_bytes(data.read_bytes()[:-1])
    code, said = verified()
    assert code == 1
    assert "truncated" in said


def test_which_of_several(
    corpus: Corpus, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLAEVAL_CACHE_DIR", str(tmp_path))
    place = tmp_path / "frames"
    with pytest.raises(InputError, match=r"no frame cache of phoenix2014t .* make it with"):
        opened(Path("auto"), corpus)
    shutil.copytree(made, place / "phoenix2014t-multisigner-36-png")
    assert len(opened(Path("auto"), corpus)) == len(corpus)
    shutil.copytree(made, place / "phoenix2014t-multisigner-36-jpeg95")
    with pytest.raises(InputError, match=r"2 frame caches of phoenix2014t .* name one of them"):
        opened(Path("auto"), corpus)


@pytest.mark.parametrize(("kind", "quality"), [("png", 90), ("jpeg", 0), ("webp", 101), ("gif", 9)])
def test_codings_that_cannot_be_meant(kind: str, quality: int) -> None:
    with pytest.raises(UsageError):
        Coding(kind, quality)  # type: ignore[arg-type]


def test_a_single_video_has_no_cache(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    assert open_footage(tmp_path).stored is None
