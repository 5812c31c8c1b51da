"""What a run records as it goes: tables, curves, TensorBoard, a tracker, lines on stderr.

``log.csv`` has a row per epoch, ``steps.csv`` one per optimiser step. With several processes only
the first one writes; losses, frames and times in ``steps.csv`` are those of its own clips.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from slaeval.errors import UsageError
from slaeval.files import write_whole
from slaeval.recognition.batches import Batch, LoadedBatch
from slaeval.scoring.score import Score
from slaeval.training.plan import Plan
from slaeval.training.state import Position, TrainingFolder

__all__ = [
    "STEP_COLUMNS",
    "TERMS",
    "TRACKERS",
    "Clock",
    "DevScores",
    "Records",
    "epoch_row",
    "step_row",
]

#: The terms of the loss.
TERMS = ("sequence", "convolution", "distillation", "tower")

#: Columns of ``steps.csv``: losses as in ``log.csv``; seconds of the whole step and of waiting for
#: frames; memory in GiB, at most so far, on cards only.
STEP_COLUMNS = (
    *("step", "epoch", "loss", "loss_sequence", "loss_convolution", "loss_distillation"),
    *("loss_tower", "gradient_norm", "lr", "clips", "frames", "seconds", "seconds_waiting"),
    *("frames_per_second", "memory_gib"),
)

#: Trackers that take ``init`` and ``log`` as Weights & Biases does.
TRACKERS = ("wandb", "trackio")

#: Seconds between progress lines where stderr is no terminal.
_LINE_EVERY = 30.0


class Records:
    """Tables, curves, TensorBoard and a tracker of one run.

    Parameters
    ----------
    folder : TrainingFolder
        Where they are kept.
    step, epoch : int
        Done already: what is there beyond them is written again.
    settings : mapping
        Of the run, for the tracker.
    tracker : str or None
        ``"wandb"`` or ``"trackio"``.
    log : callable
        Called with each progress line.

    Raises
    ------
    UsageError
        The tracker is unknown or not installed.
    """

    def __init__(
        self,
        folder: TrainingFolder,
        step: int,
        epoch: int,
        settings: Mapping[str, Any],
        tracker: str | None,
        log: Callable[[str], None],
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder, self._log = folder, log
        board = folder.tensorboard
        self._epochs = SummaryWriter(str(board), purge_step=epoch + 1)
        self._steps = SummaryWriter(str(board / "steps"), purge_step=step + 1)
        self._tracker = None if tracker is None else _tracker(tracker)
        if self._tracker is not None:
            name = folder.path.stem
            self._tracker.init(project="slaeval", name=name, config=dict(settings))
        self._table = _opened_table(folder.steps, step)
        self._last_line = time.monotonic()

    def step(self, row: Mapping[str, float], title: str) -> None:
        """Record an optimiser step; `title` is the epoch's name in progress lines."""
        self._table.write(_line(row, STEP_COLUMNS))
        step = int(row["step"])
        for name, value in row.items():
            if name != "step":
                self._steps.add_scalar(name, value, step)
        if self._tracker is not None:
            self._tracker.log({f"step/{name}": value for name, value in row.items()}, step=step)
        now = time.monotonic()
        if now - self._last_line >= _LINE_EVERY and not sys.stderr.isatty():
            self._last_line = now
            self._log(
                f"{title}  loss {row['loss']:8.3f}  lr {row['lr']:.2e}  "
                f"{row['frames_per_second']:,.0f} frames/s"
            )

    def epoch(self, history: Sequence[Mapping[str, float]]) -> None:
        """Record the last epoch of `history`, and rewrite the table of all."""
        row = history[-1]
        for name, value in row.items():
            if name not in ("epoch", "step"):
                self._epochs.add_scalar(name, value, int(row["epoch"]))
        if self._tracker is not None:
            values = {f"epoch/{name}": value for name, value in row.items()}
            self._tracker.log(values, step=int(row["step"]))
        self.flush()
        self._folder.write_log(history)
        if importlib.util.find_spec("matplotlib") is not None:  # else there is the table
            from slaeval.analysis import draw_curves

            write_whole(self._folder.curves, draw_curves(history))

    def flush(self) -> None:
        """Flush to disk: a saved state must not be ahead of the tables."""
        for file in (self._epochs, self._steps, self._table):
            file.flush()

    def close(self) -> None:
        """Flush and close all files."""
        for file in (self._epochs, self._steps, self._table):
            file.close()
        if self._tracker is not None:
            self._tracker.finish()


class Clock:
    """Measures how long steps take, and how much of that is waiting for frames."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._waited = 0.0

    def waiting(self, batches: Iterator[LoadedBatch]) -> Iterator[LoadedBatch]:
        """Yield batches, measuring the wait for each."""
        while True:
            begun = time.perf_counter()
            loaded = next(batches, None)
            self._waited += time.perf_counter() - begun
            if loaded is None:
                return
            yield loaded

    def lap(self) -> tuple[float, float]:
        """Return the seconds since the last lap and those spent waiting; start a new lap."""
        now = time.perf_counter()
        found = now - self._begun, self._waited
        self._begun, self._waited = now, 0.0
        return found


class DevScores(NamedTuple):
    """Dev scores of the main head (BiLSTM) and of the convolution's classifier."""

    sequence: Score
    convolution: Score


def step_row(
    at: Position,
    plan: Plan,
    sums: Mapping[str, float],
    group: Sequence[Batch],
    clock: Clock,
    device: torch.device,
) -> dict[str, float]:
    """Return the row of ``steps.csv`` of the step that led to `at`."""
    clips = sum(len(batch.ids) for batch in group)
    frames = sum(int(batch.lengths.sum()) for batch in group)
    seconds, waited = clock.lap()
    on_card = device.type == "cuda"
    return {
        "step": plan.steps_before(at.epoch, at.done),
        "epoch": at.epoch + 1,
        **_means(sums, clips, 1),
        "lr": at.rate,
        "clips": clips,
        "frames": frames,
        "seconds": seconds,
        "seconds_waiting": waited,
        "frames_per_second": frames / max(seconds, 1e-9),
        "memory_gib": torch.cuda.max_memory_allocated(device) / 2**30 if on_card else 0.0,
    }


def epoch_row(at: Position, plan: Plan, scores: DevScores, seconds: float) -> dict[str, float]:
    """Return the row of ``log.csv`` of the epoch that ends at `at`."""
    return {
        "epoch": at.epoch + 1,
        "step": (at.epoch + 1) * plan.steps,
        **_means(at.sums, plan.batches * plan.clips_per_batch, plan.steps),
        "lr": at.rate,
        "dev_wer": scores.sequence.wer,
        "dev_wer_convolution": scores.convolution.wer,
        "seconds": seconds,
    }


def _means(sums: Mapping[str, float], clips: int, steps: int) -> dict[str, float]:
    """Return losses per clip and the gradient's norm per step."""
    return {
        "loss": sums["total"] / clips,
        **{f"loss_{name}": sums[name] / clips for name in TERMS},
        "gradient_norm": sums["norm"] / steps,
    }


def _tracker(name: str) -> Any:
    if name not in TRACKERS:
        raise UsageError(f"unknown tracker {name!r}; known: {', '.join(TRACKERS)}")
    if importlib.util.find_spec(name) is None:
        raise UsageError(f"--track {name} needs the package {name}: pip install {name}")
    return importlib.import_module(name)


def _line(row: Mapping[str, float], columns: Sequence[str]) -> str:
    return ",".join(f"{row[name]:.6g}" for name in columns) + "\n"


def _opened_table(path: Any, step: int) -> Any:
    """Open the table for appending, cut off after the row of the last step done."""
    lines = [",".join(STEP_COLUMNS) + "\n"]
    if path.exists():
        kept = path.read_text("utf-8").splitlines(keepends=True)[1 : step + 1]
        lines += [line for line in kept if line.endswith("\n")]
    write_whole(path, "".join(lines))
    return open(path, "a", encoding="utf-8")
