"""The proof that it learns: signing to glosses that were held out, and what does not learn.

The sample corpus is filmed in full and the tiny recipe runs over it, shortened;
``tests/benchmarks/learning_proof.py`` goes the whole way, over several seeds. Each control takes
away one thing that learning needs: training itself, the adapter, or the right labels. Were one
of them as good as the real thing, the sample would be too easy to prove anything.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from zeroed_adapter import zero_adapter

from slaeval import Run, evaluate, load_checkpoint
from slaeval.checkpoints import tower_hash
from slaeval.loaders import load_corpus, write_sample
from slaeval.models.recogniser import Recogniser, build_recogniser
from slaeval.recognition.checkpoint_loading import LoadedCheckpoint
from slaeval.training import Options, recipe_for, train

pytestmark = pytest.mark.slow

#: The recipe has 28; these are enough for a WER well below 25 %.
_EPOCHS = 16

#: Enough to learn more than nothing, were there something to learn.
_SHUFFLED_EPOCHS = 5


@pytest.fixture(scope="session")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the whole filmed sample."""
    folder = tmp_path_factory.mktemp("learning") / "phoenix2014t"
    write_sample("phoenix2014t", folder, video=True)
    return folder


def _trained(root: Path, out: Path, epochs: int, shuffle_labels: bool = False) -> str:
    return train(
        "phoenix2014t",
        out,
        replace(recipe_for("sla-lora", "slaeval-tiny"), epochs=epochs),
        root=root,
        options=Options(device="cpu", workers=0, shuffle_labels=shuffle_labels),
    ).checkpoint


@pytest.fixture(scope="session")
def trained(filmed: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a checkpoint of the shortened recipe."""
    return _trained(filmed, tmp_path_factory.mktemp("trained") / "sla_lora.pt", _EPOCHS)


@pytest.fixture
def loaded(trained: str) -> LoadedCheckpoint:
    return load_checkpoint(trained)


@pytest.fixture(scope="session")
def result(filmed: Path, trained: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of the trained checkpoint on the test split."""
    return evaluate(trained, root=filmed, out=tmp_path_factory.mktemp("runs") / "run", device="cpu")


def _fresh(loaded: LoadedCheckpoint) -> Recogniser:
    """Build the model that training began with."""
    return build_recogniser(loaded.model.config, seed=recipe_for("sla-lora", "slaeval-tiny").seed)


def test_held_out_sentences_are_recognised(filmed: Path, result: Run) -> None:
    taught = {sample.glosses for sample in load_corpus("phoenix2014t", filmed, "train")}
    test = load_corpus("phoenix2014t", filmed, "test")
    assert not [sample.id for sample in test if sample.glosses in taught]
    assert result.score is not None
    assert result.score.protocol == "rwth-2014"
    assert [segment.id for segment in result.score.segments] == [sample.id for sample in test]
    assert result.wer < 25


def test_the_untrained_model_knows_nothing(filmed: Path, loaded: LoadedCheckpoint) -> None:
    fresh = _fresh(loaded)
    loaded.model.load_states(fresh.adapter_state(), fresh.head_state())
    assert evaluate(loaded, root=filmed, out="untrained").wer > 70


def test_the_adapter_carries_it(filmed: Path, loaded: LoadedCheckpoint, result: Run) -> None:
    zero_adapter(loaded.model)
    assert evaluate(loaded, root=filmed, out="zeroed").wer >= result.wer + 30


def test_every_factor_of_the_adapter_moved_and_the_tower_did_not(loaded: LoadedCheckpoint) -> None:
    fresh = _fresh(loaded)
    start, now = fresh.adapter_state(), loaded.model.adapter_state()
    assert start.keys() == now.keys()
    assert {name.split(".")[-2] for name in now} == {"lora_A", "lora_B"}
    still = [name for name in now if torch.equal(now[name], start[name])]
    assert still == []
    moved = {name: float((now[name] - start[name]).norm()) for name in now}
    # More than rounding or weight decay alone (1 % an epoch at most) would do.
    assert min(moved.values()) > 0.1, moved
    assert tower_hash(loaded.model.tower_state()) == tower_hash(fresh.tower_state())


def test_shuffled_labels_teach_nothing(filmed: Path, tmp_path: Path) -> None:
    checkpoint = _trained(filmed, tmp_path / "shuffled.pt", _SHUFFLED_EPOCHS, shuffle_labels=True)
    assert evaluate(checkpoint, root=filmed, out="shuffled", device="cpu").wer > 70
