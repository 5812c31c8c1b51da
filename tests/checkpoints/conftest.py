"""A small checkpoint to save, damage and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")


@pytest.fixture
def make() -> Callable[..., Any]:
    """Return the function that makes checkpoints."""
    from sample_checkpoint import make_checkpoint

    return make_checkpoint


@pytest.fixture
def same() -> Callable[[Any, Any], None]:
    """Return the function that compares two."""
    from sample_checkpoint import assert_same

    return assert_same


@pytest.fixture(params=["pt", "safetensors"])
def form(request: pytest.FixtureRequest) -> str:
    """Both forms of a file."""
    return str(request.param)


@pytest.fixture
def file(tmp_path: Path, form: str) -> Path:
    """Where a checkpoint of that form goes."""
    return tmp_path / f"sla.{form}"
