"""A run on a card: the same hypotheses however it goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("peft")

import torch
from card_scale import REHEARSAL

from slaeval import Run, evaluate

BUDGETS = (64, 256, 2048)


def _command(filmed: Path, saved: Path, card: torch.device, out: Path, *more: str) -> list[str]:
    given = ["run", "--ckpt", saved, "--root", filmed, "--device", card, "--out", out]
    return [*map(str, given), "--precision", "fp32", *more]


def _hypotheses(folder: Path) -> str:
    return (folder / "hyp.ctm").read_text()


@pytest.fixture(scope="module")
def expected(
    filmed: Path, saved: Path, card: torch.device, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The hypotheses of a run that nothing disturbs, one clip at a time."""
    folder = tmp_path_factory.mktemp("expected") / "run"
    evaluate(saved, root=filmed, out=folder, device=str(card), precision="fp32", frame_budget=1)
    text = _hypotheses(folder)
    assert len(text.splitlines()) > 12  # it says something
    return text


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_frame_budget_changes_nothing(
    budget: int, filmed: Path, saved: Path, card: torch.device, expected: str, tmp_path: Path
) -> None:
    run = evaluate(
        saved,
        root=filmed,
        out=tmp_path / "run",
        device=str(card),
        precision="fp32",
        frame_budget=budget,
    )
    assert isinstance(run, Run)
    assert _hypotheses(tmp_path / "run") == expected


def test_exact_gives_the_same_bytes_twice(
    filmed: Path, saved: Path, card: torch.device, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        evaluate(saved, root=filmed, out=tmp_path / name, device=str(card), exact=True)
    for name in ("hyp.ctm", "alignment.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_killed_run_goes_on_on_the_card(
    filmed: Path, saved: Path, card: torch.device, expected: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "slaeval",
        *_command(filmed, saved, card, out, "--frame-budget", "1"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    journal = out / "journal.jsonl"
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") > 2:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    process.wait()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert _hypotheses(out) == expected


@pytest.mark.skipif(REHEARSAL, reason="the memory of a CPU cannot be narrowed")
def test_too_little_memory_halves_the_budget(
    filmed: Path, saved: Path, card: torch.device, expected: str, tmp_path: Path
) -> None:
    _, total = torch.cuda.mem_get_info(card)
    torch.cuda.set_per_process_memory_fraction(2.5e9 / total, card)
    try:
        evaluate(
            saved,
            root=filmed,
            out=tmp_path / "run",
            device=str(card),
            precision="fp32",
            frame_budget=4096,
        )
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, card)
    assert _hypotheses(tmp_path / "run") == expected


def test_a_compiled_tower_says_the_same(
    filmed: Path, saved: Path, card: torch.device, expected: str, tmp_path: Path
) -> None:
    evaluate(
        saved, root=filmed, out=tmp_path / "run", device=str(card), precision="fp32", compile=True
    )
    assert _hypotheses(tmp_path / "run") == expected


def _torchrun(arguments: list[str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "-m", "slaeval", *arguments),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=600,
    )


def test_two_processes_share_one_card(
    filmed: Path, saved: Path, card: torch.device, expected: str, tmp_path: Path
) -> None:
    done = _torchrun(_command(filmed, saved, card, tmp_path / "run"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert _hypotheses(tmp_path / "run") == expected


@pytest.mark.skipif(
    not REHEARSAL and torch.cuda.device_count() < 2, reason="NCCL wants a card a process"
)
def test_two_cards_train_one_model(filmed: Path, card: torch.device, tmp_path: Path) -> None:
    arguments = ["train", "--dataset", "phoenix2014t", "--root", str(filmed), "--backbone"]
    arguments += ["slaeval-tiny", "--epochs", "1", "--out", str(tmp_path / "model.pt")]
    arguments += ["--device", card.type, "--batch-size", "2"]
    done = _torchrun(arguments, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.pt").is_file()


def test_training_goes_on_on_the_card(filmed: Path, card: torch.device, tmp_path: Path) -> None:
    """Kill a training between epochs and go on: as many epochs, a checkpoint that runs."""
    arguments = [sys.executable, "-m", "slaeval", "train", "--dataset", "phoenix2014t"]
    arguments += ["--root", str(filmed), "--backbone", "slaeval-tiny", "--epochs", "4"]
    arguments += ["--out", str(tmp_path / "model.pt"), "--device", str(card), "--batch-size", "4"]
    log = tmp_path / "model.training" / "log.csv"
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None:
        if log.exists() and log.read_bytes().count(b"\n") > 1:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    process.wait()
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(log.read_text().splitlines()) == 5
    evaluate(tmp_path / "model.pt", root=filmed, out=tmp_path / "run", device=str(card))
