"""What a run writes down of its steps."""

from __future__ import annotations

import csv
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slaeval.errors import UsageError
from slaeval.training import Trained, records, trainer

Run = Callable[..., Trained]


def _rows(out: Path) -> list[dict[str, float]]:
    with open(out.with_name(f"{out.stem}.training") / "steps.csv", encoding="utf-8") as stream:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(stream)]


def test_every_step_has_a_row_once_though_the_run_was_stopped(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"epochs": "2", "batch_size": "2"}
    whole = run(tmp_path / "whole.pt", changes=changes)
    rows = _rows(tmp_path / "whole.pt")
    per_epoch = len(rows) // 2
    assert [row["step"] for row in rows] == list(range(1, 2 * per_epoch + 1))
    for epoch, summary in enumerate(whole.history, 1):
        mine = [row for row in rows if row["epoch"] == epoch]
        for name in ("loss", "loss_sequence", "loss_distillation", "gradient_norm"):
            mean = sum(row[name] for row in mine) / per_epoch
            assert mean == pytest.approx(summary[name], rel=1e-4)
        assert mine[-1]["lr"] == pytest.approx(summary["lr"], rel=1e-4)
    for row in rows:
        terms = [value for name, value in row.items() if name.startswith("loss_")]
        assert sum(terms) == pytest.approx(row["loss"], rel=1e-4)
        assert row["clips"] == 2
        assert 0 <= row["seconds_waiting"] <= row["seconds"]

    step, done = trainer._Trainer._step, []

    def stopping(self: Any, group: Any) -> dict[str, float]:
        done.append(1)
        if len(done) > per_epoch + 3:
            raise KeyboardInterrupt
        return step(self, group)

    out = tmp_path / "tiny.pt"
    with monkeypatch.context() as patch:
        patch.setattr(trainer._Trainer, "_step", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(out, changes=changes, save_every=2)
    run(out, changes=changes, save_every=2)
    again = _rows(out)
    timed = {"seconds", "seconds_waiting", "frames_per_second"}
    assert [{k: v for k, v in row.items() if k not in timed} for row in again] == [
        {k: v for k, v in row.items() if k not in timed} for row in rows
    ]


def test_lines_for_people_without_a_terminal(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_LINE_EVERY", 0.0)
    said: list[str] = []
    run(tmp_path / "a.pt", changes={"epochs": "1"}, said=said)
    lines = [line for line in said if line.startswith("epoch 1/1  loss")]
    assert lines
    assert all("frames/s" in line and "lr" in line for line in lines)


def test_a_tracker_is_told_of_steps_and_epochs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, Any]] = []
    fake = types.ModuleType("trackio")
    fake.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    fake.init = lambda **given: told.append(("init", given))  # type: ignore[attr-defined]
    fake.log = lambda row, step: told.append(("log", (row, step)))  # type: ignore[attr-defined]
    fake.finish = lambda: told.append(("finish", None))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trackio", fake)
    done = run(tmp_path / "a.pt", changes={"epochs": "1"}, track="trackio")
    assert told[0][0] == "init"
    assert told[0][1]["config"]["epochs"] == 1
    assert told[-1][0] == "finish"
    logged = [given for kind, given in told if kind == "log"]
    assert [step for row, step in logged if "step/loss" in row] == [
        *range(1, int(done.history[0]["step"]) + 1)
    ]
    assert [row["epoch/dev_wer"] for row, _ in logged if "epoch/dev_wer" in row] == [
        done.history[0]["dev_wer"]
    ]


@pytest.mark.parametrize(
    ("name", "part"), [("tensorflow", "unknown tracker"), ("wandb", "pip install wandb")]
)
def test_a_tracker_that_is_not_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, part: str
) -> None:
    find = records.importlib.util.find_spec
    monkeypatch.setattr(
        records.importlib.util, "find_spec", lambda n: None if n == "wandb" else find(n)
    )
    with pytest.raises(UsageError, match=part):
        run(tmp_path / "a.pt", changes={"epochs": "1"}, track=name)
