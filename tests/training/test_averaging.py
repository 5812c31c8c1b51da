"""Weights averaged over steps or epochs, early stopping, and what dev says of both heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import slaeval
from slaeval.checkpoints import read_checkpoint
from slaeval.decoding import decode
from slaeval.loaders.video import find_video_clips
from slaeval.recognition.batches import ClipDataset, collate, prepare
from slaeval.recognition.checkpoint_loading import load_checkpoint
from slaeval.training import Trained, trainer

Run = Callable[..., Trained]
Weights = dict[str, np.ndarray[Any, Any]]

AVERAGES = {"ema": {"ema": "0.6"}, "average": {"average": "2"}}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Recorded(NamedTuple):
    """A run of three epochs and the weights after each of its optimiser steps."""

    out: Path
    done: Trained
    steps: list[Weights]
    said: list[str]


def _recorded(train_small: Run, out: Path, changes: dict[str, str]) -> Recorded:
    steps: list[Weights] = []
    step = trainer._Trainer._step

    def recording(self: Any, group: Any) -> dict[str, float]:
        sums = step(self, group)
        state = self.model.trained_state()
        steps.append({name: value.numpy().copy() for name, value in state.items()})
        return sums

    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer._Trainer, "_step", recording)
        done = train_small(out, changes=changes, said=said)
    return Recorded(out, done, steps, said)


@pytest.fixture(scope="module")
def recorded(
    train_small: Run, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Recorded]:
    """Return a run with one of the averages, trained once."""
    runs: dict[str, Recorded] = {}

    def get(kind: str) -> Recorded:
        if kind not in runs:
            out = tmp_path_factory.mktemp(kind) / "tiny.pt"
            runs[kind] = _recorded(train_small, out, AVERAGES[kind])
        return runs[kind]

    return get


def _last(out: Path) -> Path:
    return out.with_name("tiny.last.pt")


def _saved(path: Path) -> Weights:
    tensors = read_checkpoint(path).tensors
    return {name: value.numpy() for name, value in tensors.items() if not name.startswith("tower")}


def _check_equal(saved: Weights, expected: Weights) -> None:
    assert saved.keys() == expected.keys()
    for name, value in saved.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-7, err_msg=name)


def test_the_moving_average_is_that_of_all_steps(recorded: Callable[[str], Recorded]) -> None:
    run = recorded("ema")
    assert len(run.steps) == 9
    expected = {name: value.astype(np.float64) for name, value in run.steps[0].items()}
    for weights in run.steps[1:]:
        for name, value in weights.items():
            expected[name] = 0.6 * expected[name] + 0.4 * value
    counters = {name: v for name, v in run.steps[-1].items() if name.endswith("batches_tracked")}
    assert len(counters) == 2
    _check_equal(_saved(_last(run.out)), {**expected, **counters})
    assert read_checkpoint(run.out).metrics["weights"] == "exponential moving average, decay 0.6"
    assert any("a moving average of the weights, decay 0.6" in line for line in run.said)


def test_the_mean_is_that_of_the_last_epochs(recorded: Callable[[str], Recorded]) -> None:
    run = recorded("average")
    second, third = run.steps[5], run.steps[8]
    expected = {name: (second[name].astype(np.float64) + third[name]) / 2 for name in third}
    counters = {name: v for name, v in third.items() if name.endswith("batches_tracked")}
    _check_equal(_saved(_last(run.out)), {**expected, **counters})
    assert read_checkpoint(_last(run.out)).metrics["weights"] == "mean of the epochs 2, 3"
    assert any("mean weights of the last 2 epochs" in line for line in run.said)


@pytest.mark.parametrize("kind", AVERAGES)
def test_what_is_saved_is_what_was_evaluated_and_training_goes_on_without(
    recorded: Callable[[str], Recorded], root: Path, kind: str
) -> None:
    run = recorded(kind)
    last = slaeval.evaluate(_last(run.out), root=root, split="dev", out="run", device="cpu")
    assert last.wer == run.done.history[-1]["dev_wer"]
    # The weights that are trained are not touched by the average.
    steps = recorded("ema" if kind == "average" else "average").steps
    for name, value in run.steps[-1].items():
        np.testing.assert_array_equal(value, steps[-1][name])


@pytest.mark.parametrize("kind", ["ema", pytest.param("average", marks=pytest.mark.slow)])
def test_going_on_ends_with_the_same_bytes(
    recorded: Callable[[str], Recorded],
    run: Run,
    stopped_at_dev: Callable[..., None],
    tmp_path: Path,
    kind: str,
) -> None:
    """Stopped by a signal while dev is evaluated, which is with other weights in the model."""
    out = tmp_path / "tiny.pt"
    stopped_at_dev(lambda: run(out, changes=AVERAGES[kind]), 2)
    said: list[str] = []
    again = run(out, changes=AVERAGES[kind], said=said)
    assert "resuming after epoch 1, batch 3 of the next" in said
    whole = recorded(kind)
    for name in ("tiny.pt", "tiny.last.pt"):
        assert out.with_name(name).read_bytes() == whole.out.with_name(name).read_bytes()
    assert [row["dev_wer"] for row in again.history] == [
        row["dev_wer"] for row in whole.done.history
    ]


def test_the_frozen_tower_is_not_copied(recorded: Callable[[str], Recorded]) -> None:
    for kind in AVERAGES:
        folder = recorded(kind).out.with_name("tiny.training")
        state = torch.load(folder / "state.pt", weights_only=True)["average"]
        kept = [state["moving"]] if kind == "ema" else list(state["epochs"].values())
        assert len(kept) == (1 if kind == "ema" else 2)
        for weights in kept:
            assert {name.split(".")[0] for name in weights} == {"adapter", "head"}
            assert not [name for name in weights if "base_layer" in name]


def test_without_a_better_epoch_it_stops_and_says_so_again(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "tiny.pt"
    changes = {"epochs": "9", "learning_rate": "1e-12", "weight_decay": "0", "patience": "1"}
    said: list[str] = []
    done = run(out, changes=changes, said=said)
    best = min(range(len(done.history)), key=lambda row: done.history[row]["dev_wer"])
    assert len(done.history) == best + 2 < 9
    end = f"stopped after epoch {best + 2}: no better dev WER for 1 epoch"
    assert end in said
    assert read_checkpoint(out).metrics["epoch"] == best + 1
    assert read_checkpoint(_last(out)).metrics["epoch"] == best + 2
    before = out.read_bytes()
    said.clear()
    assert run(out, changes=changes, said=said).history == done.history
    assert end in said
    assert out.read_bytes() == before
    longer = run(out, changes={**changes, "patience": "2"})
    assert longer.history[: best + 2] == done.history
    assert len(longer.history) == best + 3


def test_what_the_convolution_alone_recognises(
    recorded: Callable[[str], Recorded], root: Path
) -> None:
    run = recorded("average")
    loaded = load_checkpoint(_last(run.out), "cpu")
    corpus = slaeval.load_corpus("phoenix2014t", root, "dev")
    found = {}
    for index, clip in enumerate(find_video_clips(corpus)[0]):
        clips = ClipDataset([clip], loaded.preprocessing.resize)
        batch = collate([(clip.id, clips.read(0))])
        with torch.inference_mode():
            output = loaded.model(prepare(batch.frames, loaded.preprocessing), batch.lengths)
        log_probs = output.convolution.log_softmax(-1).numpy()
        labels = decode(log_probs, output.lengths.numpy(), **loaded.decoding.to_dict())[0]
        found[corpus[index].id] = [loaded.vocabulary[label - 1] for label in labels]
    wer = slaeval.score(corpus, found).wer
    assert wer == run.done.history[-1]["dev_wer_convolution"]
    assert wer != run.done.history[-1]["dev_wer"]
    assert read_checkpoint(_last(run.out)).metrics["dev_wer_convolution"] == wer
