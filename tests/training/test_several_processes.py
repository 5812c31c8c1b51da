"""One run on several processes and machines, and resumed on another number of them.

All with real processes that torchrun starts, over gloo: minutes, hence marked slow.
"""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from slaeval.checkpoints import read_checkpoint

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "several_processes.py"

#: Without dropout, whose masks differ from process to process, nothing but rounding may differ.
RECIPE = (
    *("--epochs", "2", "--lr", "1e-3", "--ema", "0.5", "--patience", "5"),
    *("--set", "hidden=32", "--set", "lora_rank=4", "--set", "dropout=0"),
)

Process = subprocess.Popen[str]


def _start(*command: object, launcher: tuple[str, ...] = ()) -> Process:
    return subprocess.Popen(
        [sys.executable, *launcher, *map(str, command)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _end(process: Process) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=200)  # far more than it takes
    finally:
        process.kill()
    return process.returncode, out, err


def _torchrun(processes: int, *more: str) -> tuple[str, ...]:
    """Return what starts a script in so many processes; in one, torchrun is not needed."""
    if processes == 1 and not more:
        return ()
    more = more or ("--standalone",)
    return ("-m", "torch.distributed.run", *more, "--nproc-per-node", str(processes))


def _train(root: Path, out: Path, batch_size: int, *more: str) -> tuple[str, ...]:
    return (
        *("train", "--dataset", "phoenix2014t", "--root", str(root), "--out", str(out)),
        *("--backbone", "slaeval-tiny", "--device", "cpu", "--workers", "0"),
        *("--batch-size", str(batch_size), *RECIPE, *more),
    )


def _check_same_curves(one: Path, other: Path) -> None:
    rows = []
    for out in (one, other):
        log = out.with_name(f"{out.stem}.training") / "log.csv"
        rows.append(list(csv.DictReader(log.read_text().splitlines())))
    assert len(rows[0]) == len(rows[1]) == 2
    for expected, found in zip(*rows, strict=True):
        del expected["seconds"]
        for name, value in expected.items():
            assert float(found[name]) == pytest.approx(float(value), rel=2e-4, abs=1e-6), name


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkpoint of one process with four clips per step."""
    out = tmp_path_factory.mktemp("whole") / "whole.pt"
    code, _, err = _end(_start(SCRIPT, 0, 0, *_train(root, out, 4)))
    assert code == 0, err
    return out


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_resumed_on_another_number_of_processes(
    root: Path, whole: Path, tmp_path: Path, before: int, after: int
) -> None:
    out = tmp_path / "tiny.pt"
    # The last process alone is asked to stop; all do, after the same step, within the second epoch.
    arguments = _train(root, out, 4 // before)
    code, _, err = _end(_start(SCRIPT, 5, before - 1, *arguments, launcher=_torchrun(before)))
    assert code != 0
    assert "the same command goes on from here" in err
    state = torch.load(out.with_name("tiny.training") / "state.pt", weights_only=True)
    assert (state["epoch"], state["done"]) == (1, 2)

    code, _, err = _end(_start(SCRIPT, 0, 0, *arguments, launcher=_torchrun(after)))
    assert code != 0
    assert "clips per batch (--batch-size times processes) was 4, now" in err

    arguments = _train(root, out, 4 // after)
    code, printed, err = _end(_start(SCRIPT, 0, 0, *arguments, launcher=_torchrun(after)))
    assert code == 0, err
    assert printed.count("WER") == 1
    assert "resuming after epoch 1, batch 2 of the next" in err
    _check_same_curves(whole, out)
    assert read_checkpoint(out).metrics["weights"] == "exponential moving average, decay 0.5"


def test_all_processes_stop_early_together(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "tiny.pt"
    arguments = _train(root, out, 2, "--set", "weight_decay=0")
    arguments = (*arguments[: arguments.index("--epochs")], *("--epochs", "9", "--lr", "1e-12"))
    arguments += ("--patience", "1", "--set", "hidden=32")
    code, _, err = _end(_start(SCRIPT, 0, 0, *arguments, launcher=_torchrun(2)))
    assert code == 0, err
    assert err.count("no better dev WER for 1 epoch") == 1
    log = (out.with_name("tiny.training") / "log.csv").read_text().splitlines()
    assert 3 <= len(log) < 10
    assert read_checkpoint(tmp_path / "tiny.last.pt").metrics["epoch"] == len(log) - 1


def test_two_machines(root: Path, whole: Path, tmp_path: Path) -> None:
    """Two launchers of one process each, that meet as those of two machines do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out = tmp_path / "tiny.pt"
    nodes = []
    for rank in range(2):
        meeting = ("--nnodes", "2", "--node-rank", str(rank), "--master-addr", "127.0.0.1")
        launcher = _torchrun(1, *meeting, "--master-port", str(port))
        nodes.append(_start(SCRIPT, 0, 0, *_train(root, out, 2), launcher=launcher))
    (code, printed, err), (other_code, other_printed, other_err) = map(_end, nodes)
    assert code == 0, err
    assert other_code == 0, other_err
    assert printed.count("WER") == 1
    assert "4 clips per step (2 clips × 2 processes)" in err
    assert other_printed == ""
    assert "epoch" not in other_err
    _check_same_curves(whole, out)
