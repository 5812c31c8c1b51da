from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from slaeval.models.adapter import Adapter, install_adapters
from slaeval.models.config import ADAPTERS, TINY, ModelConfig, preset
from slaeval.models.recogniser import build_recogniser
from slaeval.models.temporal import Bounds
from slaeval.models.tower import Shape, Tower

LENGTHS = [3, 1, 2]
BOUNDS = Bounds.of(torch.tensor(LENGTHS))


def _config(**changes: Any) -> ModelConfig:
    return ModelConfig("sla-adapter", "small", None, 5, adapter_ratio=0.5, **changes)


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
    install_adapters(tower, _config())
    found = [block.adapter.conv is not None for block in tower.each_block()]
    assert found == [True, True, last]
    # Every one of them has a gradient once the way up is not zero.
    for block in tower.each_block():
        torch.nn.init.normal_(block.adapter.up.weight)
    tower(torch.randn(6, 3, 8, 8), BOUNDS).square().sum().backward()
    for name, value in tower.named_parameters():
        assert (value.grad is not None and bool(value.grad.any())) is (".adapter." in name), name


#: Down, Conv3d over [B, C, T, H, W], up: the steps of https://github.com/linziyi96/st-adapter
#: (bded03c), done with torch's own layers on the weights below; every fifth value.
RECORDED = [
    *(-0.008085, 1.285392, -0.006318, 1.269475, 0.567874),
    *(1.588039, -1.562051, -0.613261, 0.740176, -0.16118),
]


def test_st_adapter_as_its_own_steps() -> None:
    adapter = Adapter(4, 2, (3, 1, 1), "none", class_token=False)
    with torch.no_grad():
        for number, value in enumerate(adapter.parameters(), 1):
            value.copy_(torch.sin(torch.arange(value.numel()) * number + number).view_as(value))
        x = torch.cos(torch.arange(3 * 5 * 4) * 0.7).view(3, 5, 4)
        bounds = Bounds.of(torch.tensor([3]))
        found = adapter(x, bounds, (2, 2))
    assert not found[:, 0].any()
    torch.testing.assert_close(
        found[:, 1:].flatten()[::5], torch.tensor(RECORDED), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_named_adapter_starts_as_nothing_and_learns_everywhere(name: str) -> None:
    config = replace(preset("sla-adapter", TINY, 5), hidden=8, **ADAPTERS[name])
    model = build_recogniser(config).eval()
    plain = build_recogniser(replace(config, variant="frozen"), seed=0).eval()
    frames, lengths = torch.randn(7, 3, 32, 32), torch.tensor([3, 4])
    bounds = Bounds.of(lengths)
    torch.testing.assert_close(model.tower(frames, bounds), plain.tower(frames, bounds))
    for key, value in model.trainable_parameters().items():
        if ".up." in key:
            torch.nn.init.normal_(value)
    model.tower(frames, bounds).square().sum().backward()
    learned = {k: v for k, v in model.trainable_parameters().items() if k.startswith("adapter.")}
    assert len(learned) == {"slaeval": 3 * 6 - 2, "st-adapter": 3 * 6}[name]
    assert all(value.grad is not None and value.grad.any() for value in learned.values())
    # What one frame shows reaches its neighbours, not another video.
    other = frames.clone()
    other[0] += 1
    moved = (model.tower(other, bounds) - model.tower(frames, bounds)).abs().amax(1) > 1e-6
    assert moved[:2].all()
    assert not moved[3:].any()
