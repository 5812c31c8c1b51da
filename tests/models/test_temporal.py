from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from slaeval.errors import InputError
from slaeval.models.temporal import Bounds, depthwise_convolution, neighbour, shift

LENGTHS = [3, 1, 5, 2]


def _bounds(lengths: list[int]) -> Bounds:
    return Bounds.of(torch.tensor(lengths))


def _split(x: torch.Tensor, lengths: list[int]) -> list[torch.Tensor]:
    return list(x.split(lengths))


def _shift_of_one(x: torch.Tensor, moved: int) -> torch.Tensor:
    """Frame by frame and channel by channel."""
    out = torch.zeros_like(x)
    for t in range(len(x)):
        for channel in range(x.shape[-1]):
            source = t + 1 if channel < moved else t - 1 if channel < 2 * moved else t
            if 0 <= source < len(x):
                out[t, ..., channel] = x[source, ..., channel]
    return out


def _convolution_of_one(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Sum tap by tap over [T, C, h, w]."""
    frames, channels, height, width = x.shape
    depth, rows, columns = weight.shape[2:]
    out = torch.zeros_like(x)
    for t in range(frames):
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    total = bias[c]
                    for a in range(depth):
                        for b in range(rows):
                            for d in range(columns):
                                at = (t + a - depth // 2, i + b - rows // 2, j + d - columns // 2)
                                inside = all(
                                    0 <= place < size
                                    for place, size in zip(at, (frames, height, width), strict=True)
                                )
                                if inside:
                                    value = x[at[0], c, at[1], at[2]]
                                    total = total + weight[c, 0, a, b, d] * value
                    out[t, c, i, j] = total
    return out


def test_positions() -> None:
    bounds = _bounds([3, 1, 2])
    assert bounds.before.tolist() == [0, 1, 2, 0, 0, 1]
    assert bounds.after.tolist() == [2, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(
    "lengths",
    [
        torch.tensor([2, 0, 1]),
        torch.tensor([], dtype=torch.int64),
        torch.tensor([2.0]),
        torch.tensor([[2]]),
        torch.tensor([-1, 3]),
    ],
)
def test_lengths_that_are_none(lengths: torch.Tensor) -> None:
    with pytest.raises(InputError):
        Bounds.of(lengths)


@pytest.mark.parametrize("offset", [-6, -2, -1, 0, 1, 2, 6, 40])
def test_neighbour_against_loops(offset: int) -> None:
    x = torch.randn(sum(LENGTHS), 2, dtype=torch.float64)
    found = neighbour(x, offset, _bounds(LENGTHS))
    expected = []
    for video in _split(x, LENGTHS):
        for t in range(len(video)):
            inside = 0 <= t + offset < len(video)
            expected.append(video[t + offset] if inside else torch.zeros_like(video[t]))
    assert torch.equal(found, torch.stack(expected))


@pytest.mark.parametrize(("fraction", "moved"), [(0.125, 1), (0.25, 2), (0.5, 5), (0.05, 0)])
def test_shift_against_loops(fraction: float, moved: int) -> None:
    x = torch.randn(sum(LENGTHS), 3, 10, dtype=torch.float64)
    expected = torch.cat([_shift_of_one(video, moved) for video in _split(x, LENGTHS)])
    assert torch.equal(shift(x, fraction, _bounds(LENGTHS)), expected)


@pytest.mark.parametrize("kernel", [(3, 3, 3), (5, 1, 3), (1, 3, 1), (3, 1, 1)])
def test_convolution_against_loops(kernel: tuple[int, int, int]) -> None:
    x = torch.randn(sum(LENGTHS), 2, 3, 2, dtype=torch.float64)
    weight = torch.randn(2, 1, *kernel, dtype=torch.float64)
    bias = torch.randn(2, dtype=torch.float64)
    expected = [_convolution_of_one(video, weight, bias) for video in _split(x, LENGTHS)]
    found = depthwise_convolution(x, weight, bias, _bounds(LENGTHS))
    torch.testing.assert_close(found, torch.cat(expected), rtol=1e-12, atol=1e-12)


def test_gradients() -> None:
    bounds = _bounds([3, 1, 2])
    x = torch.randn(6, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 1, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, weight, bias: depthwise_convolution(x, weight, bias, bounds), (x, weight, bias)
    )
    assert torch.autograd.gradcheck(lambda x: shift(x, 0.5, bounds), (x,))


@pytest.mark.parametrize("spoiled", [float("nan"), float("inf")])
def test_nothing_leaks_from_video_to_video(spoiled: float) -> None:
    x = torch.randn(sum(LENGTHS), 2, 2, 4)
    weight = torch.randn(2, 1, 3, 3, 3)
    bounds = _bounds(LENGTHS)
    whole = shift(x, 0.25, bounds), depthwise_convolution(x, weight, None, bounds)
    x[4:9] = spoiled  # the third video
    spoilt = shift(x, 0.25, bounds), depthwise_convolution(x, weight, None, bounds)
    for before, after in zip(whole, spoilt, strict=True):
        assert torch.equal(before[:4], after[:4])
        assert torch.equal(before[9:], after[9:])
        assert not torch.isfinite(after[4:9]).all()
