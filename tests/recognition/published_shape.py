"""A model in the shape of published code (VAC and its descendants), with random weights.

A 2-D CNN a frame, a temporal convolution K5-P2-K5-P2 without padding, a BiLSTM, a classifier.
As there, a clip is padded by repeating its first and last frame, so that T frames give T // 4
steps or one more, and clips are padded under one another.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slaeval.recognition.batches import Preprocessing
from slaeval.recognition.model import pad_clips

VOCABULARY = ("ABEND", "HEUTE", "MORGEN", "NORD", "REGEN", "SCHNEE", "SONNE", "WOLKE")


class PublishedShape(nn.Module):
    """What a lab hands to slaeval: its network behind a vocabulary and a preprocessing."""

    vocabulary = VOCABULARY
    preprocessing = Preprocessing(36, 32, "half")
    corpus = "phoenix2014t"

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.conv2d = nn.Sequential(
                nn.Conv2d(3, 8, 5, stride=2),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.Conv2d(8, 16, 3, stride=2),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
            )
            self.conv1d = nn.Sequential(
                nn.Conv1d(16, 32, 5), nn.ReLU(), nn.MaxPool1d(2),
                nn.Conv1d(32, 32, 5), nn.ReLU(), nn.MaxPool1d(2),
            )  # fmt: skip
            self.bilstm = nn.LSTM(32, 16, bidirectional=True, batch_first=True)
            self.classifier = nn.Linear(32, len(VOCABULARY) + 1)
            for weight in self.parameters():
                weight.data.mul_(3)  # so that the output is sure of something

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        features = self.conv2d(frames).split(lengths.tolist())
        edged = [
            torch.cat([mine[:1].repeat(6, 1), mine, mine[-1:].repeat(6, 1)]) for mine in features
        ]
        padded = pad_clips(torch.cat(edged), lengths + 12)
        steps = ((lengths + 12 - 4) // 2 - 4) // 2
        convolved = self.conv1d(padded.transpose(1, 2)).transpose(1, 2)
        packed = nn.utils.rnn.pack_padded_sequence(
            convolved, steps, batch_first=True, enforce_sorted=False
        )
        hidden, _ = nn.utils.rnn.pad_packed_sequence(self.bilstm(packed)[0], batch_first=True)
        return self.classifier(hidden).log_softmax(-1), steps


def make() -> PublishedShape:
    return PublishedShape()


class Speaking:
    """Gives glosses, not probabilities; no module of torch."""

    vocabulary = VOCABULARY
    preprocessing = Preprocessing(36, 32, "bytes")
    corpus = "phoenix2014t"
    fingerprint = "speaking 1"

    def __call__(self, frames: Tensor, lengths: Tensor) -> list[list[str]]:
        assert frames.dtype == torch.uint8
        means = [float(mine.float().mean()) for mine in frames.split(lengths.tolist())]
        return [["HEUTE", VOCABULARY[int(mean) % 8]] if mean else [] for mean in means]
