"""Several processes, and a process that is asked to stop."""

from __future__ import annotations

import csv
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slaeval.checkpoints import read_checkpoint
from slaeval.errors import UsageError
from slaeval.training import Options, Trained, setup
from slaeval.training.signals import StopRequested, StopSignals, stop_signals

Run = Callable[..., Trained]

TESTS = Path(__file__).parent.parent


def _torchrun(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [sys.executable, *start, str(script), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=200,  # far more than it takes; a hang lasts for ever
    )


@pytest.mark.parametrize("rank", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_read_that_fails_on_one_process_alone_ends_all(
    root: Path, tmp_path: Path, rank: int
) -> None:
    done = _torchrun(TESTS / "training" / "unsteady_reading.py", root, tmp_path / "a.pt", rank)
    assert done.returncode == 1
    assert done.stderr.count("error: process 1 differs from process 0 in samples that") == 2
    assert "input/output error" in done.stderr
    assert not (tmp_path / "a.pt").exists()


def test_a_run_ends_where_processes_see_different_clips(
    checkpoint: Callable[..., Path], rendered: Path, tmp_path: Path
) -> None:
    script = TESTS / "recognition" / "differing_footage.py"
    done = _torchrun(script, checkpoint("sla-adapter"), rendered, tmp_path / "run", 1)
    assert done.returncode == 1
    assert done.stderr.count("error: process 1 differs from process 0 in footage") == 2
    assert not (tmp_path / "run" / "hyp.ctm").exists()


@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("SIGUSR1", marks=pytest.mark.slow)])
def test_asked_to_stop_it_saves_and_goes_on_with_the_same_bytes(
    root: Path, run: Run, tmp_path: Path, name: str
) -> None:
    changes = {"epochs": "1", "batch_size": "2"}
    whole = run(tmp_path / "whole.pt", changes=changes)
    out = tmp_path / "tiny.pt"
    # As a user's script would, but for the signal: from the fourth step's data on.
    code = (
        "import os, signal, sys, torch\n"
        "from slaeval.training import Options, recipe_for, train, trainer\n"
        "from slaeval.cli.main import main\n"
        "torch.set_num_threads(1)\n"
        "losses = trainer.losses\n"
        "def asked(*arguments):\n"
        "    calls.append(1)\n"
        f"    len(calls) == 4 and os.kill(os.getpid(), signal.{name})\n"
        "    return losses(*arguments)\n"
        "calls = []\n"
        "trainer.losses = asked\n"
        f"sys.argv = ['slaeval', 'train', '--dataset', 'phoenix2014t', '--root', {str(root)!r},\n"
        f"    '--backbone', 'slaeval-tiny', '--out', {str(out)!r}, '--device', 'cpu',\n"
        "    '--workers', '0', '--epochs', '1', '--batch-size', '2', '--set', 'hidden=32',\n"
        "    '--set', 'lora_rank=4', '--set', 'dropout=0.3']\n"
        "main()\n"
    )
    stopped = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert stopped.returncode == 75, stopped.stderr
    assert f"stopped by {name}; the same command goes on from here" in stopped.stderr
    said: list[str] = []
    again = run(out, changes=changes, said=said)
    assert "resuming after epoch 0, batch 4 of the next" in said
    assert out.read_bytes() == (tmp_path / "whole.pt").read_bytes()
    assert [row["loss"] for row in again.history] == [row["loss"] for row in whole.history]


def test_asked_to_stop_while_dev_is_evaluated(
    run: Run, stopped_at_dev: Callable[..., None], tmp_path: Path
) -> None:
    changes = {"epochs": "1"}
    run(tmp_path / "whole.pt", changes=changes)
    out = tmp_path / "tiny.pt"
    stopped_at_dev(lambda: run(out, changes=changes))
    said: list[str] = []
    run(out, changes=changes, said=said)
    assert "resuming after epoch 0, batch 3 of the next" in said
    assert read_checkpoint(out).hash == read_checkpoint(tmp_path / "whole.pt").hash


def test_a_signal_waits_for_the_end_of_a_step() -> None:
    def step(signals: StopSignals) -> None:
        with signals.postponed():
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.1)
            done.append(signals.received)
        done.append("not reached")

    done: list[object] = []
    with stop_signals() as signals, pytest.raises(StopRequested, match="SIGUSR1"):
        step(signals)
    assert done == [True]


@pytest.mark.parametrize(
    ("text", "steps", "seconds"),
    [("500", 500, 0), (7, 7, 0), ("90s", 0, 90), ("30m", 0, 1800), ("2h", 0, 7200), ("0", 0, 0)],
)
def test_when_to_save(text: int | str, steps: int, seconds: int) -> None:
    assert Options(save_every=text).save_interval() == (steps, seconds)


@pytest.mark.parametrize("text", ["often", "-1", "3d", "1.5h", ""])
def test_when_not_to_save(text: str) -> None:
    with pytest.raises(UsageError, match="30m"):
        Options(save_every=text)


def test_the_state_is_saved_when_its_time_has_come(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slaeval.training import trainer

    saved: list[tuple[int, int]] = []
    save = trainer.TrainingFolder.save

    def noted(self: Any, settings: Any, content: Any) -> None:
        saved.append((content["epoch"], content["done"]))
        save(self, settings, content)

    clock = iter(range(0, 100_000, 20))
    monkeypatch.setattr(trainer.TrainingFolder, "save", noted)
    monkeypatch.setattr(trainer.time, "monotonic", lambda: float(next(clock)))
    run(tmp_path / "a.pt", changes={"epochs": "1", "batch_size": "1"}, save_every="100s")
    within = [done for epoch, done in saved if epoch == 0 and done]
    assert within
    assert all(later - sooner > 1 for sooner, later in itertools.pairwise(within))


def test_the_terms_of_the_log_add_up_to_the_loss(run: Run, tmp_path: Path) -> None:
    run(tmp_path / "a.pt", changes={"epochs": "2", "distillation": "25", "tower": "0.5"})
    with open(tmp_path / "a.training" / "log.csv", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            terms = [float(value) for name, value in row.items() if name.startswith("loss_")]
            assert len(terms) == 4
            assert all(term > 0 for term in terms)
            assert sum(terms) == pytest.approx(float(row["loss"]), rel=1e-4)


def test_what_differs_from_an_unfinished_run_is_named_before_a_frame_is_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.pt"
    run(out, changes={"epochs": "1"})

    def unexpected(*arguments: Any) -> Any:
        raise AssertionError("frames are read")

    monkeypatch.setattr("slaeval.training.trainer.read_frames", unexpected)
    monkeypatch.setattr(setup, "FrameLoader", unexpected)
    rate = {"epochs": "1", "learning_rate": "0.5"}
    with pytest.raises(UsageError, match=r"learning_rate was 0\.003, now 0\.5\."):
        run(out, changes=rate)
    with pytest.raises(UsageError, match=r"hidden was 32, now 16; seed was 0, now 3"):
        run(out, changes={"epochs": "1", "seed": "3"}, model={"hidden": 16})
    with pytest.raises(UsageError, match=r"--batch-size times processes\) was 4, now 2"):
        run(out, changes={"epochs": "1", "batch_size": "2"})
