"""Which clips go together, how frames are prepared, and what readers do with broken clips."""

from __future__ import annotations

import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from invented_clips import Interrupting, Invented, Noting

from slaeval.errors import InputError, SlaevalError
from slaeval.loaders.video import VideoClip
from slaeval.recognition.batches import (
    FrameLoader,
    Preprocessing,
    collate,
    plan_batches,
    prepare,
)

SIDE = 8


def invented(*named: tuple[str, int]) -> Invented:
    return Invented([VideoClip(id, "nowhere", (), frames) for id, frames in named], SIDE)


@pytest.mark.parametrize("seed", range(20))
def test_every_clip_is_in_one_batch_and_no_batch_is_over_budget(seed: int) -> None:
    rng = random.Random(seed)
    lengths = [rng.randint(1, 300) for _ in range(rng.randint(1, 200))]
    budget = rng.choice([1, 50, 299, 1000])
    plan = plan_batches(lengths, budget)
    assert sorted(index for batch in plan for index in batch) == list(range(len(lengths)))
    for batch in plan:
        assert sum(lengths[index] for index in batch) <= budget or len(batch) == 1
    flat = [lengths[index] for batch in plan for index in batch]
    assert flat == sorted(lengths, reverse=True)


def test_a_plan_fills_its_batches() -> None:
    plan = plan_batches([10] * 100, 100)
    assert [len(batch) for batch in plan] == [10] * 10


@pytest.mark.parametrize(("lengths", "budget"), [([0], 5), ([3], 0), ([3, -1], 5)])
def test_a_plan_refuses_what_cannot_be(lengths: list[int], budget: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        plan_batches(lengths, budget)


def test_collate_puts_clips_one_after_another() -> None:
    rng = np.random.default_rng(0)
    clips = [
        (name, rng.integers(0, 256, (frames, 4, 6, 3)).astype(np.uint8))
        for name, frames in (("a", 3), ("b", 1), ("c", 5))
    ]
    batch = collate(clips)
    assert batch.ids == ["a", "b", "c"]
    assert batch.frames.shape == (9, 3, 4, 6)
    assert batch.frames.dtype == torch.uint8
    assert batch.lengths.tolist() == [3, 1, 5]
    start = 0
    for (_, frames), length in zip(clips, batch.lengths.tolist(), strict=True):
        mine = batch.frames[start : start + length].permute(0, 2, 3, 1).numpy()
        np.testing.assert_array_equal(mine, frames)
        start += length


def test_collate_leaves_read_only_frames_alone() -> None:
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    frames.flags.writeable = False
    batch = collate([("a", frames)])
    batch.frames.add_(1)
    assert not frames.any()


def test_collate_refuses_nothing() -> None:
    with pytest.raises(ValueError, match="needs clips"):
        collate([])
    with pytest.raises(ValueError, match="needs clips"):
        collate([("a", np.zeros((0, 4, 4, 3), np.uint8))])


@pytest.mark.parametrize("normalisation", ["clip", "half"])
def test_prepare_is_crop_then_normalisation(normalisation: str) -> None:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (2, 11, 10, 3)).astype(np.uint8)
    found = prepare(
        torch.from_numpy(frames).permute(0, 3, 1, 2), Preprocessing(10, 6, normalisation)
    )
    cut = frames[:, 2:8, 2:8].astype(np.float64)
    if normalisation == "half":
        wanted = cut / 127.5 - 1
    else:
        # OpenAI CLIP, clip.py: Normalize(mean, std) of pixels from 0 to 1
        mean = np.array([0.48145466, 0.4578275, 0.40821073])
        wanted = (cut / 255 - mean) / np.array([0.26862954, 0.26130258, 0.27577711])
    np.testing.assert_allclose(found.numpy(), wanted.transpose(0, 3, 1, 2), atol=1e-6)
    assert found.is_contiguous()


def test_prepare_does_not_depend_on_how_frames_lie() -> None:
    frames = torch.randint(0, 256, (3, 3, 9, 9), dtype=torch.uint8)
    last = frames.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    rules = Preprocessing(9, 8)
    assert torch.equal(prepare(frames, rules), prepare(last, rules))
    assert prepare(last, rules).stride() == prepare(frames, rules).stride()
    assert prepare(last, rules, torch.bfloat16).dtype == torch.bfloat16


def test_prepare_refuses_small_frames() -> None:
    with pytest.raises(ValueError, match="smaller than the crop"):
        prepare(torch.zeros(1, 3, 5, 9, dtype=torch.uint8), Preprocessing(9, 6))


def test_preprocessing_survives_a_checkpoint() -> None:
    rules = Preprocessing(40, 32, "half")
    assert Preprocessing.from_dict(rules.to_dict()) == rules


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resize": None}, "resize must be"),
        ({"resize": True}, "resize must be"),
        ({"crop": 300}, "does not fit"),
        ({"crop": 0}, "crop must be"),
        ({"normalisation": "vgg"}, "one of clip, half, imagenet, bytes"),
        ({"rotate": 3}, "needs the fields"),
    ],
)
def test_preprocessing_refuses(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Preprocessing.from_dict({**Preprocessing().to_dict(), **change})


# With two cores, the third is one too many for torch: a warning, which would fail the test.
@pytest.mark.parametrize("workers", [0, 2, 3])
def test_reading_gives_the_plan_and_names_what_is_broken(workers: int) -> None:
    clips = invented(("a", 5), ("broken-b", 2), ("c", 3), ("broken-d", 1))
    plan = [[0, 1], [2], [3]]
    with FrameLoader(clips, workers=workers) as reading:
        for _ in range(2):  # the workers stay for another plan
            loaded = list(reading.batches(plan, on_error="skip"))
            assert [entry.keys for entry in loaded] == plan
            first, second, third = loaded
            assert first.batch is not None
            assert first.batch.ids == ["a"]
            assert second.batch is not None
            assert second.batch.frames.unique().tolist() == [2]
            assert third.batch is None
            assert list(third.failures) == ["broken-d"]
            assert str(third.failures["broken-d"]) == (
                "frames/7.png: sample 'broken-d': not a picture"
            )
        with pytest.raises(InputError, match=r"^frames/7\.png: sample 'broken-b'") as caught:
            list(reading.batches(plan))
        assert caught.value.path == "frames/7.png"
        # Given up in the middle, it can be asked again.
        assert len(list(reading.batches([[0], [2]]))) == 2


def test_a_dead_reader_is_an_error_that_says_what_to_try() -> None:
    with (
        FrameLoader(invented(("a", 5), ("deadly", 2)), workers=1) as reading,
        pytest.raises(SlaevalError, match=r"process that reads frames died.*--workers 0"),
    ):
        list(reading.batches([[0], [1]]))


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals of POSIX")
def test_ctrl_c_waits_until_the_readers_are_started(capfd: pytest.CaptureFixture[str]) -> None:
    # It may come to any thread, and there are others: of OpenMP, of a progress bar.
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    before = Interrupting.handed_over
    handler = signal.getsignal(signal.SIGINT)
    clips = Interrupting(invented(("a", 5)).footage, 4)
    try:
        with pytest.raises(KeyboardInterrupt), FrameLoader(clips, workers=2) as reading:
            list(reading.batches([[0]]))
    finally:
        stop.set()
        other.join()
    assert Interrupting.handed_over == before + 2
    assert signal.getsignal(signal.SIGINT) is handler
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="memory goes over as on POSIX")
def test_ctrl_c_as_frames_are_handed_over_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(connection: Any, key: bytes) -> None:
        connection.close()
        asked.append(key)
        raise KeyboardInterrupt

    asked: list[bytes] = []
    monkeypatch.setattr("multiprocessing.connection.answer_challenge", interrupted)
    with FrameLoader(invented(("a", 5)), workers=1) as reading:
        with pytest.raises(KeyboardInterrupt):
            list(reading.batches([[0]]))
        time.sleep(0.5)  # time enough for the reader to see that nobody is there
    assert asked
    assert capfd.readouterr().err == ""


def test_readers_do_not_run_far_ahead(tmp_path: Path) -> None:
    with FrameLoader(Noting(50, tmp_path), workers=2) as reading:
        stream = reading.batches([[index] for index in range(50)])
        for taken in range(1, 4):
            next(stream)
            time.sleep(0.5)  # time enough to read all of it
            assert len(list(tmp_path.iterdir())) <= taken + 2 * 2
        assert len(list(stream)) == 47
    assert len(list(tmp_path.iterdir())) == 50
