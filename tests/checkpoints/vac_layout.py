"""A recogniser laid out as VAC's, and its checkpoint file: written after its public source.

https://github.com/ycmin95/VAC_CSLR (``slr_network.py``, ``modules/tconv.py``,
``modules/BiLSTM.py``, ``utils/random_state.py``, ``main.py``). No published file is at hand.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

GLOSSES = ("HEUTE", "NORD", "REGEN", "SONNE")


class NormLinear(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.Tensor(inputs, outputs))
        nn.init.xavier_uniform_(self.weight, gain=nn.init.calculate_gain("relu"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.matmul(x, functional.normalize(self.weight, dim=0))


class TemporalConv(nn.Module):
    def __init__(self, inputs: int, hidden: int, kernel: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (inputs, hidden):
            layers += [
                nn.Conv1d(width, hidden, kernel, stride=1, padding=0),
                nn.BatchNorm1d(hidden),
                nn.ReLU(inplace=True),
                nn.MaxPool1d(2, ceil_mode=False),
            ]
        self.temporal_conv = nn.Sequential(*layers)
        self.fc: nn.Module


class BiLSTMLayer(nn.Module):
    def __init__(self, hidden: int, layers: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(hidden, hidden // 2, layers, dropout=0.3, bidirectional=True)


class Vac(nn.Module):
    """The parts of VAC's ``SLRModel`` that hold weights."""

    def __init__(
        self,
        inputs: int = 6,
        hidden: int = 8,
        classes: int = 5,
        kernel: int = 5,
        shared: bool = True,
    ) -> None:
        super().__init__()
        self.conv2d = nn.Sequential(nn.Conv2d(3, inputs, 3), nn.BatchNorm2d(inputs))
        self.conv1d = TemporalConv(inputs, hidden, kernel)
        self.temporal_model = BiLSTMLayer(hidden, 2)
        self.classifier = NormLinear(hidden, classes)
        self.conv1d.fc = self.classifier

    def head(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits of sequence and convolution of one video's features [T, inputs].

        The padding is that of VAC's ``collate_fn``, which does it to frames.
        """
        length = len(features)
        right = -(-length // 4) * 4 - length + 6
        padded = torch.cat([features[:1].expand(6, -1), features, features[-1:].expand(right, -1)])
        steps = self.conv1d.temporal_conv(padded.t()[None])
        convolution = self.conv1d.fc(steps.transpose(1, 2))[0]
        out, _ = self.temporal_model.rnn(steps.permute(2, 0, 1))
        return self.classifier(out)[:, 0], convolution


def trained(model: Vac, seed: int = 0) -> Vac:
    """Let noise through, so that running statistics have something in them."""
    torch.manual_seed(seed)
    model.train()
    with torch.no_grad():
        model.conv1d.temporal_conv(torch.randn(4, model.conv1d.temporal_conv[0].in_channels, 40))
    return model.eval()


def write(path: Path, model: Vac, parallel: bool = False) -> Path:
    """Save as VAC's ``save_model`` does, with Adam and MultiStepLR as they look after a step."""
    state = model.state_dict()
    if parallel:
        renamed = type(state)((f"module.{name}", value) for name, value in state.items())
        renamed._metadata = state._metadata  # type: ignore[attr-defined]
        state = renamed
    moments = {
        number: {
            "step": torch.tensor(1.0),
            "exp_avg": torch.zeros_like(weight),
            "exp_avg_sq": torch.zeros_like(weight),
        }
        for number, weight in enumerate(model.parameters())
    }
    group = {"lr": 1e-4, "betas": (0.9, 0.999), "eps": 1e-8, "params": list(moments)}
    content: dict[str, Any] = {
        "epoch": 39,
        "model_state_dict": state,
        "optimizer_state_dict": {"state": moments, "param_groups": [group]},
        "scheduler_state_dict": {"milestones": Counter([20, 30]), "gamma": 0.2, "_last_lr": [1e-4]},
        "rng_state": {
            "torch": torch.get_rng_state(),
            "cuda": [torch.get_rng_state()],
            "numpy": np.random.get_state(),
            "random": random.getstate(),
        },
    }
    torch.save(content, path)
    return path


def write_gloss_dict(path: Path, glosses: tuple[str, ...] = GLOSSES) -> Path:
    """Save as VAC's ``dataset_preprocess.py`` does."""
    content = {gloss: [number, 3 * number] for number, gloss in enumerate(glosses, 1)}
    np.save(path, content)  # type: ignore[arg-type]
    return path
