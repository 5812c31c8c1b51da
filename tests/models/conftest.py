"""Small towers for the tests of the models; nothing here touches the network."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from slaeval.models.config import ModelConfig
from slaeval.models.recogniser import Recogniser
from slaeval.models.tower import Shape, Tower

#: 8 pixels in 2x2 patches, 12 channels, 2 blocks of 3 heads.
SMALL = Shape(image=8, patch=4, width=12, layers=2, heads=3, hidden=20, output=6)


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make any connection fail the test."""

    def connect(*_: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "create_connection", connect)


@pytest.fixture
def small() -> Shape:
    return SMALL


@pytest.fixture
def make() -> Callable[..., Recogniser]:
    """Return a builder of small recognisers whose adapters and statistics are not at rest."""

    def build(variant: str, *, dtype: torch.dtype = torch.float64, **values: Any) -> Recogniser:
        shape = values.pop("shape", SMALL)
        rest = values.pop("rest", False)
        settings: dict[str, Any] = {
            "classes": 5,
            "lora_rank": 2,
            "lora_alpha": 3.0,
            "shift_fraction": 0.25,
            "adapter_ratio": 0.5,
            "hidden": 8,
            "dropout": 0.0,
        } | values
        tower = Tower("small", shape)
        model = Recogniser(ModelConfig(variant, "small", None, **settings), tower)  # type: ignore[arg-type]
        model.to(dtype)
        with torch.no_grad():
            for value in [*model.adapter_state().values()] if not rest else []:
                value.normal_(std=0.4)
            for name, value in model.head.named_buffers():
                if name.endswith("running_mean"):
                    value.normal_(std=0.1)
                elif name.endswith("running_var"):
                    value.uniform_(0.5, 1.5)
        return model

    return build
