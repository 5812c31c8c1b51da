"""A configuration of their own for the tests, and small corpora to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from slaeval.loaders import write_sample


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path_factory, monkeypatch) -> None:
    """Neither read nor write what the user of this machine has registered."""
    monkeypatch.setenv("SLAEVAL_CONFIG_DIR", str(tmp_path_factory.mktemp("config")))
    monkeypatch.delenv("SLAEVAL_DATA", raising=False)


@pytest.fixture
def sample_of(tmp_path: Path):
    """Write the sample corpus of a name; returns its folder."""

    def write(name: str, seed: int = 0) -> Path:
        folder = tmp_path / f"{name}-{seed}"
        write_sample(name, folder, seed)
        return folder

    return write


@pytest.fixture(scope="session")
def filmed(tmp_path_factory):
    """Write a sample corpus with pictures, once a session, a sentence a split."""
    made: dict[str, Path] = {}

    def write(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("filmed") / name
            write_sample(name, made[name], video=True, sizes={"train": 1, "dev": 1, "test": 1})
        return made[name]

    return write
