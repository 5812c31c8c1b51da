from __future__ import annotations

import itertools
import math

import pytest

pytest.importorskip("torch")

import torch

from slaeval.decoding.steps import steps_needed
from slaeval.models.losses import LossWeights, losses
from slaeval.models.recogniser import Output

Tensor = torch.Tensor

LENGTHS = [4, 2]
FRAMES = [5, 3]
LABELS = [[1, 1], [2]]


def _output() -> Output:
    """Logits of two videos over the blank and two glosses."""
    sequence, convolution = (torch.randn(2, 4, 3, dtype=torch.float64) for _ in range(2))
    tower = torch.randn(2, 5, 3, dtype=torch.float64)
    for value in (sequence, convolution, tower):
        value.requires_grad_()
    return Output(sequence, convolution, tower, torch.tensor(LENGTHS), torch.tensor(FRAMES))


def _found(output: Output, weights: LossWeights | None = None) -> dict[str, Tensor]:
    labels = torch.tensor([label for video in LABELS for label in video])
    lengths = torch.tensor([len(video) for video in LABELS])
    if weights is None:
        return losses(output, labels, lengths)
    return losses(output, labels, lengths, weights)


def _collapsed(path: tuple[int, ...]) -> list[int]:
    return [label for label, _ in itertools.groupby(path) if label != 0]


def _ctc(logits: list[list[float]], labels: list[int]) -> float:
    """Add up the probability of every path that reads as the labels."""
    rows = []
    for row in logits:
        total = sum(math.exp(value) for value in row)
        rows.append([math.exp(value) / total for value in row])
    likelihood = 0.0
    for path in itertools.product(range(len(rows[0])), repeat=len(rows)):
        if _collapsed(path) == labels:
            likelihood += math.prod(row[label] for row, label in zip(rows, path, strict=True))
    return -math.log(likelihood)


def _divergence(pupil: list[list[float]], teacher: list[list[float]], heat: float) -> float:
    total = 0.0
    for ours, theirs in zip(pupil, teacher, strict=True):
        p, q = ([math.exp(value / heat) for value in row[1:]] for row in (theirs, ours))
        p, q = [value / sum(p) for value in p], [value / sum(q) for value in q]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return total * heat**2 / len(pupil)


def test_terms_against_every_path() -> None:
    output = _output()
    found = _found(output)
    for i in range(2):
        sequence = output.sequence[i, : LENGTHS[i]].tolist()
        convolution = output.convolution[i, : LENGTHS[i]].tolist()
        tower = output.tower[i, : FRAMES[i]].tolist()
        expected = {
            "sequence": _ctc(sequence, LABELS[i]),
            "convolution": _ctc(convolution, LABELS[i]),
            "distillation": _divergence(convolution, sequence, 8.0),
            "tower": _ctc(tower, LABELS[i]),
        }
        for name, value in expected.items():
            assert found[name][i].item() == pytest.approx(value, rel=1e-9), name
        total = sum(expected.values()) + 24 * expected["distillation"]
        assert found["total"][i].item() == pytest.approx(total, rel=1e-9)


def test_weights_and_temperature() -> None:
    output = _output()
    plain = _found(output)
    found = _found(output, LossWeights(2.0, 3.0, 5.0, 7.0, temperature=2.0))
    distillation = [
        _divergence(
            output.convolution[i, : LENGTHS[i]].tolist(),
            output.sequence[i, : LENGTHS[i]].tolist(),
            2.0,
        )
        for i in range(2)
    ]
    assert found["distillation"].tolist() == pytest.approx(distillation)
    expected = 2 * plain["sequence"] + 3 * plain["convolution"] + 7 * plain["tower"]
    torch.testing.assert_close(found["total"], expected + 5 * found["distillation"])


def test_distillation_teaches_the_convolution_alone() -> None:
    output = _output()
    found = _found(output)["distillation"]
    pupil, teacher = torch.autograd.grad(
        found.sum(), [output.convolution, output.sequence], allow_unused=True
    )
    assert teacher is None
    assert pupil[0].abs().sum() > 0
    assert pupil[..., 0].abs().sum() == 0  # the blank is out of it


def test_padding_counts_for_nothing() -> None:
    output = _output()
    before = _found(output)
    gradients = torch.autograd.grad(before["total"].sum(), list(output[:3]))
    for gradient, lengths in zip(gradients, (LENGTHS, LENGTHS, FRAMES), strict=True):
        for i, length in enumerate(lengths):
            assert gradient[i, length:].abs().sum() == 0
            assert (gradient[i, :length].abs().sum(-1) > 0).all()
    with torch.no_grad():
        for value, lengths in zip(output[:3], (LENGTHS, LENGTHS, FRAMES), strict=True):
            for i, length in enumerate(lengths):
                value[i, length:] = 1e6
    after = _found(output)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_no_labels() -> None:
    output = _output()
    found = losses(output, torch.tensor([2, 1]), torch.tensor([2, 0]))
    expected = _ctc(output.sequence[1, :2].tolist(), [])
    assert found["sequence"][1].item() == pytest.approx(expected)


@pytest.mark.parametrize("labels", [*itertools.product((1, 2), repeat=3)])
@pytest.mark.parametrize("steps", range(1, 7))
def test_feasible_is_where_a_path_exists(labels: tuple[int, ...], steps: int) -> None:
    paths = itertools.product((0, 1, 2), repeat=steps)
    exists = any(_collapsed(path) == list(labels) for path in paths)
    assert (steps_needed(labels) <= steps) is exists
    logits = torch.zeros(1, steps, 3)
    output = Output(logits, logits, logits, torch.tensor([steps]), torch.tensor([steps]))
    value = losses(output, torch.tensor(labels), torch.tensor([3]))["total"]
    assert bool(value.isfinite().all()) is exists


def test_feasible_without_labels() -> None:
    assert steps_needed([]) == 0
