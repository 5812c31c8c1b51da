from __future__ import annotations

import math
from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch

from slaeval.models.adapter import Adapter, install_adapters
from slaeval.models.temporal import Bounds
from slaeval.models.tower import Shape, Tower

LENGTHS = [3, 1, 2]
BOUNDS = Bounds.of(torch.tensor(LENGTHS))


def _adapter(kernel: tuple[int, int, int] | None) -> Adapter:
    adapter = Adapter(4, 3, kernel).double()
    with torch.no_grad():
        for value in adapter.parameters():
            value.normal_()
    return adapter


def _gelu(value: float) -> float:
    return 0.5 * value * (1 + math.erf(value / math.sqrt(2)))


def _plain(adapter: Adapter, video: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Number by number over [T, 1 + rows * columns, 4]."""
    down, up = adapter.down.weight.tolist(), adapter.up.weight.tolist()
    narrow = [
        [
            [
                sum(w * float(v) for w, v in zip(down[c], token, strict=True))
                + adapter.down.bias[c].item()
                for c in range(3)
            ]
            for token in frame
        ]
        for frame in video
    ]
    out = torch.zeros_like(video)
    for t in range(len(video)):
        for place in range(1 + rows * columns):
            values = list(narrow[t][place])
            if place and adapter.conv is not None:
                i, j = divmod(place - 1, columns)
                size = adapter.conv.weight.shape[2:]
                for c in range(3):
                    values[c] = adapter.conv.bias[c].item()
                    for a in range(size[0]):
                        for b in range(size[1]):
                            for d in range(size[2]):
                                s, k, m = (
                                    t + a - size[0] // 2,
                                    i + b - size[1] // 2,
                                    j + d - size[2] // 2,
                                )
                                if 0 <= s < len(video) and 0 <= k < rows and 0 <= m < columns:
                                    tap = adapter.conv.weight[c, 0, a, b, d].item()
                                    values[c] += tap * narrow[s][1 + k * columns + m][c]
            values = [_gelu(value) for value in values]
            for c in range(4):
                total = sum(w * v for w, v in zip(up[c], values, strict=True))
                out[t, place, c] = total + adapter.up.bias[c].item()
    return out


@pytest.mark.parametrize("kernel", [(3, 3, 3), (3, 1, 1), (1, 3, 3), (5, 3, 1), None])
def test_against_plain_loops(kernel: tuple[int, int, int] | None) -> None:
    adapter = _adapter(kernel)
    x = torch.randn(6, 1 + 2 * 3, 4, dtype=torch.float64)
    expected = torch.cat([_plain(adapter, video, 2, 3) for video in x.split(LENGTHS)])
    with torch.no_grad():
        found = adapter(x, BOUNDS, (2, 3))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_gradients() -> None:
    adapter = _adapter((3, 3, 3))
    x = torch.randn(6, 5, 4, dtype=torch.float64, requires_grad=True)
    names, values = zip(*adapter.named_parameters(), strict=True)

    def run(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        given = dict(zip(names, values, strict=True))
        out: torch.Tensor = torch.func.functional_call(adapter, given, (x, BOUNDS, (2, 2)))
        return out

    assert torch.autograd.gradcheck(run, (x, *values))


def test_starts_as_nothing() -> None:
    adapter = Adapter(4, 3, (3, 3, 3))
    assert torch.equal(adapter(torch.randn(6, 5, 4), BOUNDS, (2, 2)), torch.zeros(6, 5, 4))


@pytest.mark.parametrize(("pool", "last"), [("tok", False), ("avg", True)])
def test_no_convolution_where_nobody_reads_it(small: Shape, pool: str, last: bool) -> None:
    tower = Tower("small", replace(small, layers=3, pool=pool))
    install_adapters(tower, 0.5, (3, 3, 3))
    found = [block.adapter.conv is not None for block in tower.each_block()]
    assert found == [True, True, last]
    # Every one of them has a gradient once the way up is not zero.
    for block in tower.each_block():
        torch.nn.init.normal_(block.adapter.up.weight)
    tower(torch.randn(6, 3, 8, 8), BOUNDS).square().sum().backward()
    for name, value in tower.named_parameters():
        assert (value.grad is not None and bool(value.grad.any())) is (".adapter." in name), name
