"""The run: the same however it was interrupted or divided, and clear about what stops it."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from slaeval.checkpoints import read_checkpoint
from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.recognition.checkpoint_loading import load_checkpoint
from slaeval.training import Recipe, Trained, memory, trainer

Run = Callable[..., Trained]


class Stopped(Exception):  # noqa: N818 (it is no error)
    """What a kill is in these tests."""


def _stop_before(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run do so many optimiser steps."""
    whole, done = trainer._Trainer._step, []

    def counted(self: Any, group: Any) -> dict[str, float]:
        if len(done) == step:
            raise Stopped
        done.append(1)
        return whole(self, group)

    monkeypatch.setattr(trainer._Trainer, "_step", counted)


def _losses(out: Path) -> list[dict[str, str]]:
    with open(out.with_name(f"{out.stem}.training") / "log.csv", encoding="utf-8") as stream:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(stream)]


class Whole(NamedTuple):
    """A run that nothing interrupted."""

    out: Path
    done: Trained
    said: str


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Add up in the same order as the processes these runs are compared with."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, train_small: Run) -> Whole:
    out = tmp_path_factory.mktemp("whole") / "tiny.pt"
    said: list[str] = []
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    done = train_small(out, said=said)
    torch.set_num_threads(before)
    return Whole(out, done, "\n".join(said))


def test_what_a_run_leaves(whole: Whole) -> None:
    out = whole.out
    folder = out.with_name("tiny.training")
    assert whole.done.checkpoint == str(out)
    assert {"state.pt", "log.csv", "curves.png", "tensorboard"} <= set(os.listdir(folder))
    assert any(folder.glob("tensorboard/events*"))
    assert [row["epoch"] for row in _losses(out)] == ["1", "2", "3"]
    assert float(_losses(out)[2]["loss"]) < float(_losses(out)[0]["loss"])
    assert "12 clips" in whole.said
    assert "trainable" in whole.said
    assert "lora_A" in whole.said
    best = read_checkpoint(out)
    assert best.metrics["dev"]["wer"] == whole.done.score.wer
    assert best.metrics["dev"]["wer"] == min(row["dev_wer"] for row in whole.done.history)
    assert best.metrics["weights"] == "as trained"
    assert best.metrics["signature"] == whole.done.score.signature
    assert best.corpus == {
        "name": "phoenix2014t",
        "setup": "multisigner",
        "labels": "raw",
        "fps": 25.0,
    }
    assert best.recipe["epochs"] == 3
    assert not best.slim
    assert read_checkpoint(out.with_name("tiny.last.pt")).metrics["epoch"] == 3


@pytest.mark.parametrize(
    "steps", [1, 4, *(pytest.param(steps, marks=pytest.mark.slow) for steps in (0, 3, 8))]
)
def test_going_on_ends_with_the_same_bytes(
    run: Run, whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    out = tmp_path / "tiny.pt"
    with monkeypatch.context() as patch:
        _stop_before(steps, patch)
        with pytest.raises(Stopped):
            run(out, save_every=1)
    said: list[str] = []
    again = run(out, said=said, save_every=1)
    assert any("resuming" in line for line in said) == (steps > 0)
    assert _losses(out) == _losses(whole.out)
    for name in ("tiny.pt", "tiny.last.pt"):
        assert (tmp_path / name).read_bytes() == whole.out.with_name(name).read_bytes()
    assert [row["epoch"] for row in again.history] == [1, 2, 3]


@pytest.mark.parametrize("epoch", [1, 2])
def test_stopped_between_checkpoint_and_state(
    run: Run, whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    save = trainer.TrainingFolder.save

    def stopping(self: Any, settings: Any, content: Any) -> None:
        if content["epoch"] == epoch:
            raise Stopped
        save(self, settings, content)

    out = tmp_path / "tiny.pt"
    with monkeypatch.context() as patch:
        patch.setattr(trainer.TrainingFolder, "save", stopping)
        with pytest.raises(Stopped):
            run(out)
    assert out.exists()
    run(out)
    assert _losses(out) == _losses(whole.out)
    assert out.read_bytes() == whole.out.read_bytes()


def test_every_epoch_is_in_the_board_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "tiny.pt"
    with monkeypatch.context() as patch:
        _stop_before(4, patch)
        with pytest.raises(Stopped):
            run(out)
    # As after a kill: what was not flushed is lost.
    assert _steps(EventAccumulator(str(tmp_path / "tiny.training" / "tensorboard"))) == [1]
    run(out)
    assert _steps(EventAccumulator(str(tmp_path / "tiny.training" / "tensorboard"))) == [1, 2, 3]


def _steps(board: Any) -> list[int]:
    return [event.step for event in board.Reload().Scalars("dev_wer")]


def test_a_checkpoint_that_is_gone_is_missed_before_the_first_step(
    run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "tiny.pt"
    run(out, changes={"epochs": "1"})
    out.unlink()
    with pytest.raises(UsageError, match=r"tiny\.pt is gone"):
        run(out, changes={"epochs": "1"})


def test_a_finished_run_says_its_result_again(run: Run, whole: Whole) -> None:
    before = whole.out.read_bytes()
    done = run(whole.out)
    assert whole.out.read_bytes() == before
    assert done.score.wer == read_checkpoint(whole.out).metrics["dev_wer"]


def _command(root: Path, out: Path, *more: str, torchrun: int = 0) -> list[str]:
    start = [sys.executable, "-m"]
    if torchrun:
        start += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(torchrun)]
        start += ["-m"]
    return [
        *start,
        *("slaeval", "train", "--dataset", "phoenix2014t", "--root", str(root)),
        *("--backbone", "slaeval-tiny", "--out", str(out), "--device", "cpu", "--workers", "0"),
        *("--set", "hidden=32", "--set", "lora_rank=4", *more),
    ]


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


@pytest.mark.slow
def test_killed_at_any_moment(root: Path, run: Run, whole: Whole, tmp_path: Path) -> None:
    out = tmp_path / "tiny.pt"
    command = _command(
        root, out, "--epochs", "3", "--batch-size", "4", "--save-every", "1", "--set", "dropout=0.3"
    )
    state = tmp_path / "tiny.training" / "state.pt"
    for _ in range(2):
        before = state.stat().st_mtime_ns if state.exists() else 0
        process = subprocess.Popen(
            command, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 100
        while process.poll() is None and time.monotonic() < until:
            if state.exists() and state.stat().st_mtime_ns > before:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert _losses(out) == _losses(whole.out)
    assert out.read_bytes() == whole.out.read_bytes()


def test_two_processes_do_what_one_does(
    root: Path, slaeval_here: Callable[..., Any], tmp_path: Path
) -> None:
    # At the recipe's own rate two threads instead of one change the loss by 0.6 % already.
    rate = ("--epochs", "2", "--set", "dropout=0", "--lr", "1e-3", "--ema", "0.5")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    one = _command(root, tmp_path / "p1.pt", *rate, "--batch-size", "4")
    alone = slaeval_here(*one[one.index("slaeval") + 1 :])
    torch.set_num_threads(threads)
    together = subprocess.run(
        _command(root, tmp_path / "p2.pt", *rate, "--batch-size", "2", torchrun=2),
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    for done in (alone, together):
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("WER") == 1
    curves = {number: _losses(tmp_path / f"p{number}.pt") for number in (1, 2)}
    for one, two in zip(curves[1], curves[2], strict=True):
        for name, value in one.items():
            assert float(two[name]) == pytest.approx(float(value), rel=2e-4, abs=1e-6), name


def test_another_recipe_does_not_go_on(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "tiny.pt"
    run(out, changes={"epochs": "1"})
    for changes, model in (({"learning_rate": "1"}, {}), ({"epochs": "1"}, {"hidden": 16})):
        with pytest.raises(UsageError, match="--restart"):
            run(out, changes={"epochs": "1", **changes}, model=model)
    other = tmp_path / "other.pt"
    shutil.copy(out, other)
    with pytest.raises(UsageError, match="--restart"):
        run(out, changes={"epochs": "1"}, warm_start=str(other))
    before = out.read_bytes()
    run(out, changes={"epochs": "1", "seed": "5"}, restart=True)
    assert out.read_bytes() != before


def test_beginning_anew_forgets_nothing_before_it_begins(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "tiny.pt"
    run(out, changes={"epochs": "1"})
    folder = tmp_path / "tiny.training"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for wrong in ({"warm_start": str(tmp_path / "absent.pt")}, {"vocabulary": ("A",)}):
        with pytest.raises(SlaevalError):
            run(out, restart=True, **wrong)
    with monkeypatch.context() as patch:
        patch.setattr(memory, "available_bytes", lambda device: 1000)
        with pytest.raises(SlaevalError, match="lower --batch-size"):
            run(out, restart=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    run(out, changes={"epochs": "1"})  # as if nothing had been


def test_what_a_training_starts_from_is_not_written_over(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "tiny.pt"
    run(out, changes={"epochs": "1"})
    before = out.read_bytes()
    for name in ("warm_start", "backbone_weights"):
        for path in (out, tmp_path / "tiny.last.pt"):
            with pytest.raises(UsageError, match="would be overwritten"):
                run(out, restart=True, **{name: str(path)})
    assert out.read_bytes() == before


@pytest.mark.parametrize("name", ["tiny.pt", "tiny.last.pt"])
def test_a_folder_where_a_checkpoint_is_to_be(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    said: list[str] = []
    with pytest.raises(SlaevalError, match="this is a folder"):
        run(tmp_path / "tiny.pt", restart=True, said=said)
    assert not said
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["tiny.pt", "tiny.last.pt", "tiny.training/log.csv"])
def test_a_file_of_the_user_is_not_written_over(run: Run, tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"mine")
    with pytest.raises(UsageError, match="already exists"):
        run(tmp_path / "tiny.pt")
    assert mine.read_bytes() == b"mine"


def test_a_damaged_state_is_named(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "tiny.pt"
    run(out, changes={"epochs": "1"})
    state = tmp_path / "tiny.training" / "state.pt"
    state.write_bytes(state.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"state\.pt: the state of this run cannot be read"):
        run(out, changes={"epochs": "1"})


def test_two_runs_do_not_share_a_checkpoint(run: Run, tmp_path: Path) -> None:
    from slaeval.training.state import TrainingFolder

    with (
        TrainingFolder(tmp_path / "tiny.pt").held(),
        pytest.raises(SlaevalError, match="another run"),
    ):
        run(tmp_path / "tiny.pt")


@pytest.mark.parametrize("name", ["tiny.txt", "absent/tiny.pt"])
def test_where_the_checkpoint_cannot_go(run: Run, tmp_path: Path, name: str) -> None:
    with pytest.raises(SlaevalError, match=r"ends in \.pt or|cannot write"):
        run(tmp_path / name)


def test_a_loss_that_is_not_a_number_stops_and_names_the_clips(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer.losses

    def poisoned(*arguments: Any) -> Any:
        terms = whole(*arguments)
        if len(done) == 4:
            terms["distillation"][1] = float("nan")
            terms["total"] = terms["total"] + terms["distillation"]
        done.append(1)
        return terms

    done: list[int] = []
    monkeypatch.setattr(trainer, "losses", poisoned)
    with pytest.raises(SlaevalError, match=r"loss is not a number in .*distillation.*epoch 2"):
        run(tmp_path / "tiny.pt")
    assert (tmp_path / "tiny.training" / "state.pt").exists()


def test_gradients_that_overflow_at_any_scale_stop(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fp16 a step that overflows is left out; if all are, nothing would ever be learned."""
    build = trainer._Trainer.__init__

    def scaled(self: Any, *arguments: Any) -> None:
        build(self, *arguments)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        next(iter(self.parameters.values())).register_hook(lambda value: value * float("inf"))

    monkeypatch.setattr(trainer._Trainer, "__init__", scaled)
    with pytest.raises(SlaevalError, match=r"gradient is not a number, in epoch 2, step 4"):
        run(tmp_path / "tiny.pt")


def test_too_little_memory_is_known_before_the_first_step(
    run: Run, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda device: 50_000_000)
    with pytest.raises(SlaevalError, match=r"the longest step, \d+ frames in 4 clips with"):
        run(tmp_path / "tiny.pt")
    run(
        tmp_path / "tiny.pt",
        changes={"batch_size": "1", "gradient_checkpointing": "on", "epochs": "1"},
    )


def test_checkpointing_does_not_change_the_run(run: Run, tmp_path: Path) -> None:
    found = []
    for on in ("on", "off"):
        out = tmp_path / f"{on}.pt"
        run(out, changes={"epochs": "1", "gradient_checkpointing": on}, model={"dropout": 0.0})
        found.append(_losses(out))
    assert [float(row["loss"]) for row in found[0]] == pytest.approx(
        [float(row["loss"]) for row in found[1]], rel=1e-4
    )


def test_accumulation_sums_batches_into_a_step(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "tiny.pt"
    done = run(out, changes={"epochs": "1", "batch_size": "2", "accumulate": "4"})
    assert [row["step"] for row in done.history] == [2]


def test_starting_from_a_checkpoint_with_another_vocabulary(
    run: Run, whole: Whole, tmp_path: Path
) -> None:
    source = read_checkpoint(whole.out)
    words = ("ZUSATZ", *reversed(source.vocabulary))
    said: list[str] = []
    run(
        tmp_path / "tiny.pt",
        changes={"epochs": "1", "learning_rate": "1e-9", "weight_decay": "0"},
        said=said,
        warm_start=str(whole.out),
        vocabulary=words,
    )
    assert any(f"{len(source.vocabulary)} of {len(words)} glosses" in line for line in said)
    new = read_checkpoint(tmp_path / "tiny.pt")
    old_columns = source.tensors["head.classifier.weight"]
    columns = new.tensors["head.classifier.weight"]
    for number, gloss in enumerate(source.vocabulary, 1):
        there = words.index(gloss) + 1
        assert torch.allclose(columns[:, there], old_columns[:, number], atol=1e-5)
    started = [line for line in said if line.startswith("started from")]
    assert len(started) == 1
    assert "Note:" not in started[0]


def test_starting_on_another_tower_or_scale_is_said(run: Run, whole: Whole, tmp_path: Path) -> None:
    said: list[str] = []
    run(
        tmp_path / "tiny.pt",
        changes={"epochs": "1", "seed": "5"},
        model={"lora_alpha": 8.0},
        said=said,
        warm_start=str(whole.out),
    )
    assert any("trained on another tower" in line for line in said)
    assert any("lora_alpha was 32.0, here it is 8.0" in line for line in said)


def test_shuffled_labels_and_slim_checkpoints(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "tiny.safetensors"
    # Another seed is another random tower: loading must find that one again.
    run(out, changes={"epochs": "1", "seed": "5"}, shuffle_labels=True, slim=True)
    assert read_checkpoint(out).slim
    assert load_checkpoint(out).model.config.backbone == "slaeval-tiny"


def test_a_broken_picture_stops_or_is_left_out(
    run: Run, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    picture = sorted(copy.rglob("features/*/train/*/*.png"))[5]
    sound = picture.read_bytes()
    picture.write_bytes(sound[:200])
    train = trainer.train

    def elsewhere(*arguments: Any, **settings: Any) -> Trained:
        return train(*arguments, **{**settings, "root": copy})

    monkeypatch.setattr("slaeval.training.trainer.train", elsewhere)
    arguments: dict[str, Any] = {"root": copy, "model": {"hidden": 32}}
    recipe = trainer.Recipe(**{**_tiny(), "epochs": 1})
    with pytest.raises(InputError, match=picture.name):
        train("phoenix2014t", tmp_path / "a.pt", recipe, **arguments)
    for gigabytes in (2.0, 0.0):
        said: list[str] = []
        options = trainer.Options(on_error="skip", cache_gb=gigabytes, restart=True, workers=0)
        train(
            "phoenix2014t", tmp_path / "a.pt", recipe, options=options, log=said.append, **arguments
        )
        assert any("skipped" in line and picture.parent.name in line for line in said)
    # With the sample back, batches are others: that is no going on.
    picture.write_bytes(sound)
    with pytest.raises(UsageError, match="other data"):
        train("phoenix2014t", tmp_path / "a.pt", recipe, options=trainer.Options(), **arguments)


@pytest.mark.parametrize("how", ["absent", "broken"])
def test_without_dev_there_is_no_best_epoch(root: Path, tmp_path: Path, how: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    for picture in copy.rglob("features/*/dev/*/*.png"):
        if how == "absent":
            picture.unlink()
        else:
            picture.write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"no sample of dev to evaluate on: .*dev"):
        trainer.train(
            "phoenix2014t",
            tmp_path / "a.pt",
            trainer.Recipe(**{**_tiny(), "epochs": 1}),
            model={"hidden": 32},
            root=copy,
            options=trainer.Options(device="cpu", on_error="skip"),
        )


@pytest.mark.parametrize(
    "options", [{"on_error": "ignore"}, {"workers": -1}, {"cache_gb": float("nan")}]
)
def test_options_that_cannot_be_meant(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        trainer.Options(**options)


def _tiny() -> dict[str, Any]:
    from slaeval.training import recipe_for

    return {**recipe_for("sla-lora", "slaeval-tiny").to_dict(), "milestones": ()}


def test_a_frame_cache_is_part_of_a_run(
    root: Path, run: Run, small_recipe: Recipe, tmp_path: Path
) -> None:
    """Lossless frames train the same weights; what they came from is kept and compared."""
    from slaeval.loaders import load_corpus
    from slaeval.loaders.frame_index import Coding
    from slaeval.recognition.frame_caching import make_frame_cache

    cache, side = tmp_path / "cache", small_recipe.resize
    hashes = {}
    for split in ("train", "dev"):
        corpus = load_corpus("phoenix2014t", root, split)
        header, _ = make_frame_cache(corpus, str(cache), side, Coding("png"))
        hashes[split] = header.hash[:12]
    changes = {"epochs": "1"}
    said: list[str] = []
    run(tmp_path / "own.pt", changes=changes)
    # Nothing in memory: each clip is read from the cache when it is its turn.
    options = {"frame_cache": str(cache), "cache_gb": 0}
    run(tmp_path / "cached.pt", changes=changes, said=said, **options)
    own, cached = (read_checkpoint(tmp_path / f"{name}.pt") for name in ("own", "cached"))
    assert own.tensors.keys() == cached.tensors.keys()
    assert all(torch.equal(own.tensors[name], cached.tensors[name]) for name in own.tensors)
    described = "; ".join(
        f"{split}: png, {side} pixels, {hash}" for split, hash in sorted(hashes.items())
    )
    assert cached.corpus["frames"] == described
    assert "frames" not in own.corpus
    assert [line for line in said if line == f"  frames from the cache {cache} ({described})"]
    with pytest.raises(UsageError, match=r"frame cache was dev: png, .*, now None"):
        run(tmp_path / "cached.pt", changes=changes)
    with pytest.raises(UsageError, match=r"frame cache was None, now dev: png, "):
        run(tmp_path / "own.pt", changes=changes, **options)
