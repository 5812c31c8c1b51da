"""AdaptSign's checkpoints, converted whole, against recorded answers of its own code.

``adaptsign_answers.json`` holds the names and shapes of a small model of that code (commit
58ce6be: CLIP of 2 blocks, width 128, 32 pixels, patches of 8; head of width 16, 7 classes) and
what it gave for three clips, each a batch of its own, padded as its feeder pads. Weights and
pictures are drawn here as they were there: by numpy, each tensor from the CRC-32 of its name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("peft")

import open_clip
import torch
from peer_weights import drawn_weight

import slaeval
from slaeval.checkpoints import read_checkpoint, save_checkpoint
from slaeval.errors import InputError
from slaeval.models.temporal import Bounds
from slaeval.recognition.conversion import is_adaptsign, read_adaptsign

ANSWERS = json.loads((Path(__file__).parent / "adaptsign_answers.json").read_text())
GLOSSES = ("NORD", "OST", "SUED", "WEST", "WIND", "REGEN")
TOWER = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {
        "image_size": 32,
        "layers": 2,
        "width": 128,
        "head_width": 64,
        "patch_size": 8,
    },
    "text_cfg": {"context_length": 8, "vocab_size": 16, "width": 32, "heads": 1, "layers": 1},
}


def _pictures(clip: dict[str, Any]) -> np.ndarray:
    random = np.random.default_rng(clip["seed"])
    return random.integers(0, 256, (clip["frames"], 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module", autouse=True)
def _known_tower(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("towers")
    (folder / "small-adaptsign-quickgelu.json").write_text(json.dumps(TOWER))
    open_clip.add_model_config(folder)


def _file(path: Path, **changes: torch.Tensor | None) -> Path:
    weights = {
        name: drawn_weight(name, shape) for name, shape in ANSWERS["shapes"].items()
    } | changes
    content = {
        "epoch": 40,
        "model_state_dict": {name: value for name, value in weights.items() if value is not None},
        "optimizer_state_dict": {},
        "scheduler_state_dict": {},
        "rng_state": {"numpy": np.random.RandomState(0).get_state()},
    }
    torch.save(content, path)
    return path


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """Path of the converted checkpoint."""
    read = read_adaptsign(_file(tmp_path / "theirs.pt"), GLOSSES, "phoenix2014")
    save_checkpoint(tmp_path / "ours.pt", read.checkpoint)
    return tmp_path / "ours.pt"


def test_features_and_logits_are_those_of_their_code(converted: Path) -> None:
    model = slaeval.load_checkpoint(converted, device="cpu").model
    clips = [torch.from_numpy(_pictures(clip)) for clip in ANSWERS["clips"]]
    lengths = torch.tensor([len(clip) for clip in clips])
    frames = torch.cat(clips).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        features = model.tower(frames, Bounds.of(lengths))
        output = model(frames, lengths)
    start = 0
    for place, clip in enumerate(ANSWERS["clips"]):
        size = 4 * -(-clip["frames"] // 4) + 12
        own = features[start : start + size]
        start += size
        shown = own[[0, size // 2, size - 1], :4]
        torch.testing.assert_close(shown, torch.tensor(clip["features"]), atol=1e-5, rtol=0)
        assert float(own.double().sum()) == pytest.approx(clip["feature_sum"], abs=1e-3)
        for name in ("sequence", "convolution"):
            logits = getattr(output, name)[place, : output.lengths[place]]
            torch.testing.assert_close(logits, torch.tensor(clip[name]), atol=2e-5, rtol=0)
    assert start == len(features)


def test_a_video_is_recognised_with_it(converted: Path) -> None:
    checkpoint = slaeval.load_checkpoint(converted, device="cpu")
    assert checkpoint.vocabulary == GLOSSES
    assert checkpoint.preprocessing.to_dict()["crop"] == 32
    for clip in ANSWERS["clips"]:
        found = checkpoint.recognise(_pictures(clip))
        assert set(found.glosses) <= set(GLOSSES)


def test_the_command_line_converts(slaeval, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    _file(tmp_path / "theirs.pt")
    (tmp_path / "glosses.txt").write_text("\n".join(GLOSSES) + "\n")
    given = ("ckpt", "convert", "theirs.pt", "ours.pt", "--vocabulary", "glosses.txt")
    refused = slaeval(*given)
    assert refused.returncode == 2
    assert "--dataset" in refused.stderr
    done = slaeval(*given, "--dataset", "phoenix2014")
    # The process does not know the tower's name, which open_clip has in this one alone.
    assert done.returncode == 1
    assert "open_clip has no tower of 2 blocks of width 128" in done.stderr


def test_every_weight_has_its_place(tmp_path: Path) -> None:
    path = _file(tmp_path / "theirs.pt")
    read = read_adaptsign(path, GLOSSES, "phoenix2014")
    theirs = set(ANSWERS["shapes"])
    assert set(read.taken) == theirs - {"conv1d.fc.weight"}
    numbers = sum(value.numel() for value in read.checkpoint.tensors.values())
    own = read.checkpoint.tensors["head.tower_classifier.weight"].numel()  # not theirs
    expected = sum(int(np.prod(shape)) for name, shape in ANSWERS["shapes"].items())
    assert numbers - own == expected - int(np.prod(ANSWERS["shapes"]["conv1d.fc.weight"]))
    save_checkpoint(tmp_path / "ours.safetensors", read.checkpoint)
    assert read_checkpoint(tmp_path / "ours.safetensors").hash == read.checkpoint.hash


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("conv2d.visual.transformer.query", None, "lacks adapter.query"),
        ("conv2d.visual.conv1.weight", None, "lacks 'conv1.weight'"),
        ("conv2d.visual.ada_weight", torch.zeros(3), "mixture is [3], expected [2]"),
        ("conv2d.visual.something", torch.zeros(3), "something"),
        ("classifier.weight", torch.zeros(16, 9), "9 classes"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(
    tmp_path: Path, name: str, value: torch.Tensor | None, expected: str
) -> None:
    path = _file(tmp_path / "theirs.pt", **{name: value})
    assert is_adaptsign(path)
    with pytest.raises(InputError) as error:
        read_adaptsign(path, GLOSSES, "phoenix2014")
    assert expected in str(error.value)
    assert str(path) in str(error.value)


def test_a_head_of_other_code_is_no_adaptsign(tmp_path: Path) -> None:
    weights = {
        name: drawn_weight(name, shape)
        for name, shape in ANSWERS["shapes"].items()
        if not name.startswith("conv2d.")
    }
    torch.save({"model_state_dict": weights}, tmp_path / "vac.pt")
    assert not is_adaptsign(tmp_path / "vac.pt")
