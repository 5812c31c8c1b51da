"""The rendered corpus of the runs, and a place for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from slaeval.loaders import load_corpus
from slaeval.loaders.records import Corpus


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with an empty configuration and without torchrun's variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLAEVAL_CONFIG_DIR", str(tmp_path / "config"))
    for name in ("SLAEVAL_DATA", "WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def root(rendered: Path) -> Path:
    return rendered


@pytest.fixture(scope="session")
def corpus(root: Path) -> Corpus:
    return load_corpus("phoenix2014t", root, "test")
