from __future__ import annotations

import contextlib
import math
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from slaeval.decoding.steps import output_length
from slaeval.models.float32 import without_tf32
from slaeval.models.head import (
    Head,
    NormalisedLinear,
    RaggedBatchNorm,
)

Tensor = torch.Tensor


def _head(layers: int = 2, dtype: torch.dtype = torch.float64) -> Head:
    """A head whose running statistics are not at rest."""
    head = Head(6, 8, layers, 0.0, 5).to(dtype)
    with torch.no_grad():
        for norm in (head.temporal_convolution.norm1, head.temporal_convolution.norm2):
            norm.running_mean.normal_(std=0.3)
            norm.running_var.uniform_(0.5, 2)
            norm.weight.uniform_(0.5, 2)
            norm.bias.normal_(std=0.3)
    return head.eval()


def _videos(*lengths: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    return [torch.randn(length, 6, dtype=dtype) for length in lengths]


def _run(head: Head, videos: list[Tensor]) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The three logits of each video, cut to its own length."""
    lengths = torch.tensor([len(video) for video in videos])
    out = head(torch.cat(videos), lengths)
    assert out.lengths.tolist() == [output_length(len(video)) for video in videos]
    return [
        (out.sequence[i, :n], out.convolution[i, :n], out.tower[i, : lengths[i]])
        for i, n in enumerate(out.lengths.tolist())
    ]


# Plain references, one video at a time, step by step.


def _padded(video: Tensor) -> Tensor:
    steps = math.ceil(len(video) / 4)
    rows = [video[0]] * 6 + list(video)
    while len(rows) < 4 * steps + 12:
        rows.append(video[-1])
    return torch.stack(rows)


def _convolved(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.stack(
        [
            torch.stack(
                [
                    bias[c] + sum((weight[c, :, k] * x[t + k]).sum() for k in range(5))
                    for c in range(len(bias))
                ]
            )
            for t in range(len(x) - 4)
        ]
    )


def _pooled(x: Tensor) -> Tensor:
    return torch.stack([torch.maximum(x[2 * t], x[2 * t + 1]) for t in range(len(x) // 2)])


def _steps(head: Head, video: Tensor) -> Tensor:
    part = head.temporal_convolution
    x = _padded(video)
    for conv, norm in ((part.conv1, part.norm1), (part.conv2, part.norm2)):
        x = _convolved(x, conv.weight, conv.bias)
        x = (x - norm.running_mean) / (norm.running_var + 1e-5) ** 0.5 * norm.weight + norm.bias
        x = _pooled(x.clamp(min=0))
    return x


def _recurrence(head: Head, x: Tensor) -> Tensor:
    """Both directions of each layer, gate by gate."""
    weights = dict(head.recurrent.named_parameters())
    for layer in range(head.recurrent.num_layers):
        sides = []
        for suffix in ("", "_reverse"):
            w, u, b, c = (
                weights[f"{kind}_l{layer}{suffix}"]
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            size = u.shape[1]
            hidden = cell = torch.zeros(size, dtype=x.dtype)
            order = range(len(x)) if not suffix else range(len(x) - 1, -1, -1)
            out = [hidden] * len(x)
            for t in order:
                gates = w @ x[t] + b + u @ hidden + c
                enter, forget = gates[:size].sigmoid(), gates[size : 2 * size].sigmoid()
                new, leave = gates[2 * size : 3 * size].tanh(), gates[3 * size :].sigmoid()
                cell = forget * cell + enter * new
                hidden = leave * cell.tanh()
                out[t] = hidden
            sides.append(torch.stack(out))
        x = torch.cat(sides, dim=1)
    return x


def _classified(layer: NormalisedLinear, x: Tensor) -> Tensor:
    columns = []
    for column in layer.weight.T:
        columns.append((x * column).sum(-1) / column.square().sum().sqrt())
    return torch.stack(columns, -1)


@pytest.mark.parametrize("frames", [*range(1, 14), 31, 32])
def test_against_plain_loops(frames: int) -> None:
    head = _head()
    (video,) = _videos(frames)
    with torch.no_grad():
        ((sequence, convolution, tower),) = _run(head, [video])
        steps = _steps(head, video)
        exact = {"rtol": 1e-10, "atol": 1e-10}
        torch.testing.assert_close(convolution, _classified(head.classifier, steps), **exact)
        expected = _classified(head.classifier, _recurrence(head, steps))
        torch.testing.assert_close(sequence, expected, **exact)
        expected = _classified(head.tower_classifier, video)
        torch.testing.assert_close(tower, expected, **exact)


def test_lengths() -> None:
    head = _head(1, torch.float32)
    videos = _videos(*range(1, 61), dtype=torch.float32)
    for frames, (sequence, convolution, tower) in enumerate(_run(head, videos), 1):
        steps = max(1, math.ceil(frames / 4))
        assert output_length(frames) == steps
        assert len(sequence) == len(convolution) == steps
        assert len(tower) == frames


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_video_is_the_same_alone_and_in_any_batch(dtype: torch.dtype) -> None:
    head = _head(dtype=dtype)
    videos = _videos(9, 1, 30, 4, 17, dtype=dtype)
    tolerance = {"rtol": 0, "atol": 1e-12 if dtype == torch.float64 else 2e-6}
    with torch.no_grad():
        alone = [_run(head, [video])[0] for video in videos]
        for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1], [1, 3]):
            for number, found in zip(order, _run(head, [videos[i] for i in order]), strict=True):
                for part, expected in zip(found, alone[number], strict=True):
                    torch.testing.assert_close(part, expected, **tolerance)


def test_gradients_of_a_video_are_its_own() -> None:
    head = _head()
    videos = [video.requires_grad_() for video in _videos(9, 2, 14)]
    sequence, convolution, tower = _run(head, videos)[1]
    (sequence.sum() + convolution.sum() + tower.sum()).backward()
    grads = [video.grad for video in videos]
    assert grads[1].abs().sum() > 0
    assert grads[0].abs().sum() == grads[2].abs().sum() == 0


def test_finite_differences() -> None:
    # Away from the corners of ReLU and max-pooling, the whole head is smooth.
    head = _head(1).train()
    x = torch.cat(_videos(5, 3))
    lengths = torch.tensor([5, 3])

    def value() -> Tensor:
        out = head(x, lengths)
        parts = [out.sequence[0, :2], out.sequence[1, :1], out.convolution[0, :2], out.tower[0]]
        return sum(part.square().sum() for part in parts)  # type: ignore[return-value]

    value().backward()
    for name, parameter in head.named_parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for place in torch.randperm(len(flat))[:3].tolist():
            kept = float(flat[place])
            ends = []
            for step in (1e-6, -1e-6):
                flat[place] = kept + step
                ends.append(float(value().detach()))
            flat[place] = kept
            slope = (ends[0] - ends[1]) / 2e-6
            assert float(gradient[place]) == pytest.approx(slope, rel=1e-5, abs=1e-7), name


# Batch normalisation


def test_norm_over_real_steps_against_loops() -> None:
    norm = RaggedBatchNorm(3).double()
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
    x = torch.randn(2, 3, 5, dtype=torch.float64)
    lengths = [5, 2]
    real = torch.tensor([[True] * 5, [True, True, False, False, False]])
    out = norm(x, real).detach()
    weight, bias = norm.weight.tolist(), norm.bias.tolist()
    for channel in range(3):
        values = [float(x[b, channel, t]) for b in range(2) for t in range(lengths[b])]
        mean = sum(values) / 7
        variance = sum((value - mean) ** 2 for value in values) / 7
        for b in range(2):
            for t in range(lengths[b]):
                expected = (float(x[b, channel, t]) - mean) / math.sqrt(variance + 1e-5)
                expected = expected * weight[channel] + bias[channel]
                assert float(out[b, channel, t]) == pytest.approx(expected, abs=1e-12)
        assert float(norm.running_mean[channel]) == pytest.approx(0.1 * mean, abs=1e-12)
        assert float(norm.running_var[channel]) == pytest.approx(0.9 + 0.1 * variance * 7 / 6)
    assert int(norm.num_batches_tracked) == 1


def test_norm_is_torchs_where_nothing_is_padded() -> None:
    x = torch.randn(4, 3, 6, dtype=torch.float64, requires_grad=True)
    ours, theirs = RaggedBatchNorm(3).double(), torch.nn.BatchNorm1d(3).double()
    weights = torch.randn(4, 3, 6, dtype=torch.float64)
    grads = []
    for out in (ours(x, torch.ones(4, 6, dtype=torch.bool)), theirs(x)):
        (grad,) = torch.autograd.grad((out * weights).sum(), x)
        grads.append((out, grad))
    for mine, other in zip(*grads, strict=True):
        torch.testing.assert_close(mine, other)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x, None), theirs.eval()(x))


def test_what_fills_a_batch_does_not_count() -> None:
    x = torch.randn(2, 3, 5)
    real = torch.tensor([[True] * 5, [True, True, False, False, False]])
    first = RaggedBatchNorm(3)
    before = first(x, real)
    x[1, :, 2:] = float("inf")
    second = RaggedBatchNorm(3)
    after = second(x, real)
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1, :, :2], after[1, :, :2])
    assert torch.equal(first.running_var, second.running_var)


def test_training_normalises_over_the_videos_own_steps() -> None:
    """A batch of unlike lengths against loops over each video, statistics over all of them."""
    head = _head().train()
    part = head.temporal_convolution
    videos = _videos(9, 2, 17)
    with torch.no_grad():
        found, lengths = part(torch.cat(videos), torch.tensor([9, 2, 17]))
        rows = [_padded(video) for video in videos]
        for conv, norm in ((part.conv1, part.norm1), (part.conv2, part.norm2)):
            rows = [_convolved(x, conv.weight, conv.bias) for x in rows]
            every = torch.cat(rows)
            mean, variance = every.mean(0), every.var(0, correction=0)
            rows = [(x - mean) / (variance + 1e-5) ** 0.5 * norm.weight + norm.bias for x in rows]
            rows = [_pooled(x.clamp(min=0)) for x in rows]
    assert lengths.tolist() == [3, 1, 5]
    for number, expected in enumerate(rows):
        torch.testing.assert_close(found[number, : len(expected)], expected)


def test_processes_share_their_statistics(tmp_path: Path) -> None:
    """Two processes with two videos each are one process with four: outputs, gradients, weights."""
    script = Path(__file__).with_name("distributed_norm.py")
    given = {"head": _head(1).state_dict(), "videos": _videos(9, 2, 14, 5)}
    torch.save(given, tmp_path / "in.pt")
    command = [sys.executable, str(script)]
    files = [str(tmp_path / "store"), str(tmp_path / "in.pt")]
    running = [
        subprocess.Popen(
            [*command, str(rank), "2", *files, str(tmp_path / f"out{rank}.pt")],
            env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    one = runpy.run_path(str(script))["train"](given, 0, 1)
    for process in running:
        try:
            printed, _ = process.communicate(timeout=120)
        finally:
            process.kill()
        assert process.returncode == 0, printed
    two = [torch.load(tmp_path / f"out{rank}.pt", weights_only=True) for rank in range(2)]
    exact = {"rtol": 1e-10, "atol": 1e-12}
    for half in two:
        torch.testing.assert_close(half["head"], one["head"], **exact)
        torch.testing.assert_close(half["gradient"], one["gradient"], **exact)
    for part in ("steps", "inputs"):
        torch.testing.assert_close([*two[0][part], *two[1][part]], one[part], **exact)


# Precision


def test_computes_in_float32_whatever_surrounds_it() -> None:
    head = _head(dtype=torch.float32)
    videos = _videos(9, 5, dtype=torch.float32)
    lengths = torch.tensor([9, 5])
    features = torch.cat(videos).bfloat16()
    plain = head(features.float(), lengths)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = head(features, lengths)
    for name in ("sequence", "convolution", "tower"):
        assert getattr(mixed, name).dtype == torch.float32
        assert torch.equal(getattr(mixed, name), getattr(plain, name))


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="torch before 2.9")
@pytest.mark.parametrize("allowed", [True, False])
def test_no_tf32_inside_and_as_before_outside(
    allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cudnn: Any = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "allow_tf32", allowed)
    for error in (None, ZeroDivisionError):
        with contextlib.suppress(ZeroDivisionError), without_tf32(torch.device("cuda")):
            assert cudnn.conv.fp32_precision == cudnn.rnn.fp32_precision == "ieee"
            if error:
                raise error
        assert cudnn.allow_tf32 is allowed


def test_columns_of_the_classifier_have_length_one() -> None:
    layer = NormalisedLinear(6, 4).double()
    x = torch.randn(3, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(x), _classified(layer, x))
    before = layer(x)
    with torch.no_grad():
        layer.weight.mul_(torch.tensor([1.0, 2.0, 0.5, 7.0]))
    torch.testing.assert_close(layer(x), before)
