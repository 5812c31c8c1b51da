"""A rendered corpus that is trained on in seconds, and a way to train on it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slaeval.training import Options, Recipe, Trained, recipe_for, train
from slaeval.training.signals import StopRequested

#: A head and an adapter small enough to be quick.
SMALL: dict[str, Any] = {"hidden": 32, "lora_rank": 4, "dropout": 0.3}


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


def _small() -> Recipe:
    return recipe_for("sla-lora", "slaeval-tiny").changed({"epochs": "3", "batch_size": "4"})


@pytest.fixture
def small_recipe() -> Recipe:
    return _small()


@pytest.fixture
def run(train_small: Callable[..., Trained]) -> Callable[..., Trained]:
    return train_small


@pytest.fixture
def stopped_at_dev(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Train until SIGTERM comes in an evaluation on dev: ``stopped_at_dev(train, which=1)``."""
    from slaeval.training import trainer

    evaluate = trainer.recognise_corpus

    def go(training: Callable[[], object], which: int = 1) -> None:
        calls: list[int] = []

        def asked(*arguments: Any, **settings: Any) -> Any:
            calls.append(1)
            if len(calls) == which:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(1)  # the signal comes here
            return evaluate(*arguments, **settings)

        with monkeypatch.context() as patch:
            patch.setattr(trainer, "recognise_corpus", asked)
            with pytest.raises(StopRequested):
                training()

    return go


@pytest.fixture(scope="session")
def train_small(root: Path) -> Callable[..., Trained]:
    """Train in this process; ``train_small(out, changes={…}, model={…}, options…)``."""

    def go(
        out: Path,
        recipe: Recipe | None = None,
        model: dict[str, Any] | None = None,
        said: list[str] | None = None,
        changes: dict[str, str] | None = None,
        **options: Any,
    ) -> Trained:
        return train(
            "phoenix2014t",
            out,
            (recipe or _small()).changed(changes or {}),
            model={**SMALL, **(model or {})},
            root=root,
            options=Options(device="cpu", workers=0, **options),
            log=([] if said is None else said).append,
        )

    return go
