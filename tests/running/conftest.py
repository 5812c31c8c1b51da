"""A rendered corpus of eleven sentences, and checkpoints with random weights to run on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from slaeval.checkpoints import new_checkpoint, save_checkpoint, tower_hash
from slaeval.loaders import load_corpus, write_sample
from slaeval.loaders.records import Corpus

from slaeval.batches import Preprocessing
from slaeval.decoding import Decoding
from slaeval.models.config import TINY, preset
from slaeval.models.recogniser import build_recogniser


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with an empty configuration and without torchrun's variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLAEVAL_CONFIG_DIR", str(tmp_path / "config"))
    for name in ("SLAEVAL_DATA", "WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a rendered corpus in the layout of PHOENIX-2014-T. Not to be changed."""
    folder = tmp_path_factory.mktemp("corpora") / "phoenix2014t"
    write_sample("phoenix2014t", folder, video=True, sizes={"train": 4, "dev": 2, "test": 5})
    return folder


@pytest.fixture(scope="session")
def corpus(root: Path) -> Corpus:
    return load_corpus("phoenix2014t", root, "test")


Make = Callable[..., Path]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Make:
    """Return the path of a checkpoint with random weights that do something everywhere."""
    folder = tmp_path_factory.mktemp("checkpoints")
    vocabulary = load_corpus("phoenix2014t", root).vocabulary

    def make(
        variant: str = "sla-lora",
        seed: int = 0,
        slim: bool = False,
        suffix: str = ".pt",
        **changes: object,
    ) -> Path:
        name = "-".join([variant, str(seed), "slim" if slim else "full", *changes]) + suffix
        path = folder / name
        if path.exists():
            return path
        config = preset(variant, TINY, classes=len(vocabulary) + 1)
        model = build_recogniser(dataclasses.replace(config, hidden=32), seed=seed)
        generator = torch.Generator().manual_seed(seed)
        tensors = {
            f"{part}.{key}": value.clone()
            for part, state in (
                ("adapter", model.adapter_state()),
                ("head", model.head_state()),
                ("tower", model.tower_state()),
            )
            for key, value in state.items()
        }
        for key, value in tensors.items():
            if ".lora_B." in key or ".adapter.up.weight" in key:
                value.normal_(0, 0.3, generator=generator)
            elif ".recurrent." in key:
                value.mul_(8)  # so that the output is sure of something
        content = {
            "model": model.config.to_dict(),
            "vocabulary": vocabulary,
            "preprocessing": Preprocessing(36, 32, "half").to_dict(),
            "decoding": Decoding().to_dict(),
            "corpus": {"name": "phoenix2014t", "setup": "multisigner", "labels": "raw"},
            "protocol": "official",
            "recipe": {},
            "metrics": {},
            "backbone": {
                "name": TINY,
                "pretrained": None,
                "hash": tower_hash(model.tower_state()),
            },
            "tensors": tensors,
        }
        save_checkpoint(path, new_checkpoint(**{**content, **changes}), slim=slim)
        return path

    return make
