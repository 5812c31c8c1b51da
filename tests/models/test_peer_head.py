"""The head and its losses against recorded answers of AdaptSign's code, whose head is VAC's.

``peer_head.json`` was recorded with that code at commit 58ce6be (features of 6 numbers, width 8,
9 classes, kernels K5, P2, K5, P2, no dropout), one clip at a time, padded as its feeder pads
frames. Weights and features are drawn here as they were there: by numpy, each tensor from the
CRC-32 of its name, each clip from its number of frames.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from peer_weights import drawn_weight

from slaeval.models.head import Head
from slaeval.models.losses import LossWeights, losses
from slaeval.models.recogniser import Output

ANSWERS = json.loads((Path(__file__).parent / "peer_head.json").read_text())

#: Their name of each part, by ours.
PLACES = {
    "temporal_convolution.conv1": "conv1d.temporal_conv.0",
    "temporal_convolution.norm1": "conv1d.temporal_conv.1",
    "temporal_convolution.conv2": "conv1d.temporal_conv.4",
    "temporal_convolution.norm2": "conv1d.temporal_conv.5",
    "recurrent": "temporal_model.rnn",
    "classifier": "classifier",
}


def _theirs(name: str) -> str:
    part, _, weight = name.rpartition(".")
    return f"{PLACES[part]}.{weight}"


@pytest.fixture
def head() -> Head:
    made = Head(inputs=6, hidden=8, layers=2, dropout=0.0, classes=9)
    own = dict(made.state_dict())
    for name, value in own.items():
        if name != "tower_classifier.weight":  # theirs has none
            theirs = _theirs(name)
            value.copy_(drawn_weight(theirs, ANSWERS["shapes"][theirs]))
    return made


def _features(frames: int) -> torch.Tensor:
    drawn = np.random.default_rng(frames).standard_normal((frames, 6))
    return torch.from_numpy(drawn.astype(np.float32))


def _sums(logits: torch.Tensor) -> list[float]:
    return [float(logits.double().sum()), float(logits.double().abs().sum())]


@pytest.mark.parametrize("answer", ANSWERS["evaluation"], ids=lambda answer: answer["frames"])
def test_logits(head: Head, answer: dict[str, Any]) -> None:
    frames = answer["frames"]
    with torch.no_grad():
        found = head.eval()(_features(frames), torch.tensor([frames]))
    assert int(found.lengths[0]) == answer["steps"] == len(found.sequence[0])
    for name, edge in (("sequence", -1), ("convolution", 0)):
        logits = getattr(found, name)[0]
        *sums, row = answer[name]
        assert _sums(logits) == pytest.approx(sums, rel=1e-5, abs=1e-4)
        assert logits[edge].tolist() == pytest.approx(row, rel=1e-5, abs=1e-5)


def test_logits_of_a_ragged_batch(head: Head) -> None:
    lengths = torch.tensor([answer["frames"] for answer in ANSWERS["evaluation"]])
    features = torch.cat([_features(int(frames)) for frames in lengths])
    with torch.no_grad():
        found = head.eval()(features, lengths)
    for place, answer in enumerate(ANSWERS["evaluation"]):
        logits = found.sequence[place, : answer["steps"]]
        assert logits[-1].tolist() == pytest.approx(answer["sequence"][2], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("answer", ANSWERS["training"], ids=lambda answer: answer["frames"])
def test_losses_and_gradients(head: Head, answer: dict[str, Any]) -> None:
    lengths = torch.tensor([answer["frames"]])
    output = Output(*head.train()(_features(answer["frames"]), lengths), lengths)
    labels = torch.tensor(answer["labels"])
    found = losses(output, labels, torch.tensor([len(labels)]), LossWeights(tower=0.0))
    for name in ("sequence", "convolution", "distillation", "total"):
        assert float(found[name].detach()[0]) == pytest.approx(answer[name], rel=1e-5)
    found["total"].sum().backward()
    for name, value in head.named_parameters():
        if name == "tower_classifier.weight":
            continue
        assert value.grad is not None
        total, norm = answer["gradients"][_theirs(name)]
        assert float(value.grad.double().norm()) == pytest.approx(norm, rel=1e-4, abs=1e-4)
        assert float(value.grad.double().sum()) == pytest.approx(total, rel=1e-3, abs=1e-3)
