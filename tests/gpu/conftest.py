"""Checks for a machine with a card: ``pytest -m gpu -n 0``, skipped without one.

They take under ten minutes on an H100 and print a table at the end for whoever wants to compare.
With ``SLAEVAL_GPU_REHEARSAL=1`` the same code runs on the CPU with the tiny tower, to see that
it works before a card is at hand; the figures then mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("peft")

import torch
from card_scale import FIGURES, REHEARSAL, SCALE, new_model

from slaeval.console import table
from slaeval.loaders import load_corpus, write_sample


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    for item in items:
        if folder in item.path.parents:
            item.add_marker(pytest.mark.gpu)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        name = "the CPU (rehearsal)" if REHEARSAL else torch.cuda.get_device_name()
        terminalreporter.write_line("")
        terminalreporter.write_line(f"{name}, torch {torch.__version__}")
        terminalreporter.write_line(table(FIGURES, ("what", "figure", "goal"), left=3))


@pytest.fixture(scope="session")
def card() -> torch.device:
    """The card, or the CPU in a rehearsal; skipped without either."""
    if REHEARSAL:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLAEVAL_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("SLAEVAL_DATA", raising=False)
    yield
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@pytest.fixture(scope="session")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small filmed corpus."""
    folder = tmp_path_factory.mktemp("gpu") / "phoenix2014t"
    write_sample("phoenix2014t", folder, video=True, sizes={"train": 8, "dev": 3, "test": 12})
    return folder


@pytest.fixture(scope="session")
def saved(filmed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of a checkpoint that says something: random weights, strong in the head."""
    from slaeval.checkpoints import new_checkpoint, save_checkpoint, tower_hash
    from slaeval.decoding import Decoding
    from slaeval.recognition.batches import Preprocessing

    vocabulary = load_corpus("phoenix2014t", filmed).vocabulary
    model = new_model("sla-lora", len(vocabulary) + 1)
    with torch.no_grad():
        for name, value in model.head_state().items():
            if name.startswith("recurrent."):
                value.mul_(8)
    states = {
        "adapter": model.adapter_state(),
        "head": model.head_state(),
        "tower": model.tower_state(),
    }
    path = tmp_path_factory.mktemp("gpu-checkpoint") / "model.pt"
    save_checkpoint(
        path,
        new_checkpoint(
            model=model.config.to_dict(),
            vocabulary=vocabulary,
            preprocessing=Preprocessing(SCALE.resize, SCALE.crop, "clip").to_dict(),
            decoding=Decoding().to_dict(),
            corpus={"name": "phoenix2014t", "setup": "multisigner", "labels": "raw"},
            protocol="official",
            recipe={},
            metrics={},
            backbone={
                "name": SCALE.backbone,
                "pretrained": None,
                "hash": tower_hash(states["tower"]),
            },
            tensors={f"{part}.{k}": v for part, state in states.items() for k, v in state.items()},
        ),
    )
    return path
