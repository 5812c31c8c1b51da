"""From a file to a model that recognises, and what stands in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from slaeval.checkpoints import read_checkpoint
from slaeval.decoding import Decoding
from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.loaders.records import Corpus
from slaeval.loaders.video import find_video_clips, read_frames
from slaeval.recognition.checkpoint_loading import load_checkpoint
from slaeval.recognition.devices import choose_device, choose_precision
from slaeval.recognition.model import FrameRateWarning

Make = Callable[..., Path]


def test_path_footage_and_frames_are_recognised_alike(checkpoint: Make, corpus: Corpus) -> None:
    loaded = load_checkpoint(checkpoint())
    clip = find_video_clips(corpus)[0][0]
    from_footage = loaded.recognise(clip)
    from_path = loaded.recognise(clip.path, fps=25)
    from_array = loaded.recognise(read_frames(clip, (36, 36)))
    assert from_footage.glosses
    assert from_footage.frames == clip.num_frames
    for other in (from_path, from_array):
        assert other.glosses == from_footage.glosses
        assert other.spans == from_footage.spans
        np.testing.assert_allclose(other.log_probs, from_footage.log_probs, atol=1e-5)
    assert from_path.notes == from_array.notes == ()
    with pytest.warns(FrameRateWarning, match="not known: taken to be 25 per second"):
        assert loaded.recognise(clip.path).glosses == from_path.glosses
    # Frames of another size are brought to the model's.
    large = loaded.recognise(read_frames(clip))
    assert large.log_probs.shape == from_footage.log_probs.shape


def test_a_clip_of_one_frame_has_one_step(checkpoint: Make) -> None:
    found = load_checkpoint(checkpoint("sla-adapter")).recognise(
        np.full((1, 36, 36, 3), 90, np.uint8)
    )
    assert found.log_probs.shape[0] == 1
    assert all(span == (0, 1) for span in found.spans)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((0, 36, 36, 3), np.uint8),
        np.zeros((2, 36, 36), np.uint8),
        np.zeros((2, 36, 36, 3), np.float32),
    ],
)
def test_arrays_that_are_no_video_are_refused(frames: np.ndarray, checkpoint: Make) -> None:
    with pytest.raises(InputError, match="uint8 array"):
        load_checkpoint(checkpoint()).recognise(frames)


def test_another_decoding_for_once(checkpoint: Make, corpus: Corpus) -> None:
    loaded = load_checkpoint(checkpoint())
    clip = find_video_clips(corpus)[0][0]
    greedy = loaded.recognise(clip, decoding=Decoding("greedy", merge_repeats=False))
    best = loaded.recognise(clip).log_probs.argmax(1)
    kept = best[np.flatnonzero(np.diff(best, prepend=-1))]
    assert greedy.glosses == tuple(loaded.vocabulary[key - 1] for key in kept if key)


def test_both_forms_and_slim_ones_are_one_model(checkpoint: Make) -> None:
    loaded = [
        load_checkpoint(checkpoint(suffix=suffix, slim=slim))
        for suffix in (".pt", ".safetensors")
        for slim in (False, True)
    ]
    assert len({one.hash for one in loaded}) == 1
    frames = np.random.default_rng(0).integers(0, 256, (9, 36, 36, 3)).astype(np.uint8)
    first, *others = [one.recognise(frames).log_probs for one in loaded]
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_the_backbone_of_a_slim_checkpoint_is_verified(checkpoint: Make, tmp_path: Path) -> None:
    # This tower was drawn from another seed than the one that is drawn when none is given.
    slim = checkpoint(seed=3, slim=True)
    with pytest.raises(InputError, match=r"hash.*random one.*--backbone-weights"):
        load_checkpoint(slim)
    right, wrong = tmp_path / "right.safetensors", tmp_path / "wrong.safetensors"
    save_file(read_checkpoint(checkpoint(seed=3)).part("tower"), right)
    save_file(read_checkpoint(checkpoint(seed=4)).part("tower"), wrong)
    loaded = load_checkpoint(slim, backbone_weights=right)
    frames = np.zeros((5, 36, 36, 3), np.uint8)
    np.testing.assert_array_equal(
        loaded.recognise(frames).log_probs,
        load_checkpoint(checkpoint(seed=3)).recognise(frames).log_probs,
    )
    with pytest.raises(InputError, match=r"wrong\.safetensors has"):
        load_checkpoint(slim, backbone_weights=wrong)
    with pytest.raises(InputError, match="no such file"):
        load_checkpoint(slim, backbone_weights=tmp_path / "none.safetensors")
    with pytest.raises(UsageError, match="contains its own backbone"):
        load_checkpoint(checkpoint(seed=3), backbone_weights=right)
    with pytest.warns(DeprecationWarning, match="now load_checkpoint\\(backbone_weights="):
        assert load_checkpoint(slim, backbone=right).hash == loaded.hash


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preprocessing": {"resize": 36}}, "preprocessing needs the fields"),
        (
            {"preprocessing": {"resize": 36, "crop": 30, "normalisation": "half"}},
            "crop of 30 is not a multiple of the 8 pixels",
        ),
        ({"decoding": {"beam": 10}}, "unknown decoding setting"),
    ],
)
def test_settings_that_do_not_fit_are_named(
    changes: dict[str, object], message: str, checkpoint: Make
) -> None:
    path = checkpoint(seed=len(message), **changes)
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


def test_devices_and_precisions_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    assert choose_device("cpu") == cpu
    assert choose_precision("auto", cpu) == "fp32"
    assert choose_precision("bf16", cpu) == "bf16"
    for name in ("tpu", "cuda:x", "cpu:1", ""):
        with pytest.raises(UsageError, match="unknown device"):
            choose_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == cpu
    for name in ("cuda", "cuda:1", "mps"):
        with pytest.raises(SlaevalError, match="use --device cpu"):
            choose_device(name)


def test_each_process_of_torchrun_has_its_own_card(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", set_to.append)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("auto") == torch.device("cuda", 1)
    assert choose_device("cuda:0") == torch.device("cuda", 0)
    assert set_to == [1, 0]
    assert choose_precision("auto", torch.device("cuda", 1)) == "fp16"
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(SlaevalError, match="no device cuda:2: there are 2"):
        choose_device("cuda")
