"""The files of a training run: the state it resumes from, and the tables of what it did.

Beside ``sla_lora.pt`` stands a folder ``sla_lora.training/``:

``state.pt``
    Weights, optimiser, schedule and the position in the run; always rewritten as a whole.
``log.csv``
    One row per epoch.
``steps.csv``
    One row per optimiser step.
``tensorboard/``
    The same for TensorBoard.
``curves.png``
    Loss and WER by epoch.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from slaeval.errors import InputError, SlaevalError, UsageError, counted
from slaeval.evaluation.run_folder import lock
from slaeval.files import read_bytes, write_whole
from slaeval.loaders.video import VideoClip
from slaeval.training.recipe import Recipe

__all__ = ["COLUMNS", "Position", "TrainingFolder", "clips_digest", "digest"]

#: Columns of ``log.csv``: losses are means over the clips of the epoch, each term times its
#: weight, so that they add up to ``loss``; WER in percent, also of what the convolution's
#: classes alone give.
COLUMNS = (
    *("epoch", "step", "loss", "loss_sequence", "loss_convolution", "loss_distillation"),
    *("loss_tower", "gradient_norm", "lr", "dev_wer", "dev_wer_convolution", "seconds"),
)

_FORMAT, _VERSION = "slaeval-training", 3

#: Settings that are no option by themselves.
_MEANINGS = {"clips_per_batch": "clips per batch (--batch-size times processes)"}

#: Settings that may change when a run is resumed: they only say when it ends.
_FREE = {"patience"}


def digest(value: Any) -> str:
    """Return a short hash of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()[:16]


def clips_digest(footage: Iterable[VideoClip], labels: Iterable[Sequence[int]]) -> str:
    """Return a short hash of clips, their lengths and their labels."""
    return digest(
        [
            [[clip.id, clip.num_frames] for clip in footage],
            [list(some) for some in labels],
        ]
    )


@dataclass
class Position:
    """The position in a run: what its state holds besides weights.

    Attributes
    ----------
    epoch : int
        Epochs done.
    done : int
        Batches done of the next one.
    sums : dict
        Of the losses in these batches, over the clips of this process.
    history : list of dict
        Rows of ``log.csv``.
    best : dict or None
        The best of them.
    rate : float
        Learning rate of the last step.
    seconds : float
        That this epoch has taken in earlier processes.
    """

    epoch: int = 0
    done: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] | None = None
    rate: float = 0.0
    seconds: float = 0.0

    def ended(self, recipe: Recipe) -> str | None:
        """Return why the run is over, or None while there are epochs left to train."""
        if self.best is not None and recipe.patience:
            without = self.epoch - int(self.best["epoch"])
            if without >= recipe.patience:
                long = counted(without, "epoch")
                return f"stopped after epoch {self.epoch}: no better dev WER for {long}"
        if self.epoch < recipe.epochs:
            return None
        return f"{counted(self.epoch, 'epoch is', 'epochs are')} done"


class TrainingFolder:
    """The files of a run: the checkpoint in the making, and a folder beside it.

    Parameters
    ----------
    checkpoint : path-like
        Where the best epoch's checkpoint is to be written.

    Attributes
    ----------
    best, last : str
        Checkpoints of the best epoch and of the last.
    path : Path
        The folder; `state`, `log`, `steps`, `curves` and `tensorboard` are in it.
    """

    def __init__(self, checkpoint: str | os.PathLike[str]) -> None:
        path = Path(checkpoint)
        self.best = os.fspath(checkpoint)
        self.last = os.fspath(path.with_name(f"{path.stem}.last{path.suffix}"))
        self.path = path.with_name(f"{path.stem}.training")
        self.state = self.path / "state.pt"
        self.log = self.path / "log.csv"
        self.steps = self.path / "steps.csv"
        self.curves = self.path / "curves.png"
        self.tensorboard = self.path / "tensorboard"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Create and lock the folder; on leaving, remove it if it is still empty.

        Raises
        ------
        SlaevalError
            Another run is at work here, or the folder cannot be made.
        """
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise SlaevalError(f"{self.path}: cannot write: {error.strerror or error}") from None
        with lock(os.fspath(self.path)):
            try:
                yield
            finally:
                with contextlib.suppress(OSError):  # Windows does not let go of a held lock
                    if os.listdir(self.path) == [".lock"]:
                        (self.path / ".lock").unlink()
                        self.path.rmdir()

    def check_free(self, *, restart: bool) -> None:
        """Make sure that no file of the user would be overwritten.

        Parameters
        ----------
        restart : bool
            Whether an earlier run may be written over.

        Raises
        ------
        SlaevalError
            One of them cannot be written.
        UsageError
            One is there, and there is no run it could belong to.
        """
        checkpoints = (self.best, self.last)
        for path in (*checkpoints, os.fspath(self.log)):
            parent = os.path.dirname(os.path.abspath(path))
            if path in checkpoints and not os.path.isdir(parent):
                raise SlaevalError(f"{path}: cannot write: there is no folder {parent}")
            if os.path.isdir(path):
                raise SlaevalError(f"{path}: cannot write: this is a folder")
            if os.path.exists(path) and not self.state.exists() and not restart:
                raise UsageError(
                    f"{path} already exists; no run to resume: name another --out, or --restart "
                    "to overwrite it"
                )

    def save(self, settings: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        """Write the state atomically."""
        stream = io.BytesIO()
        torch.save(
            {"format": _FORMAT, "version": _VERSION, "settings": dict(settings), **content}, stream
        )
        write_whole(self.state, stream.getvalue())

    def load(self, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the last saved state, or None.

        Parameters
        ----------
        settings : mapping
            What must be the same for the run to be resumed, all but those of :data:`_FREE`.

        Raises
        ------
        InputError
            The file is damaged, or written by another version.
        UsageError
            It belongs to a run with other settings; names them.
        """
        if not self.state.exists():
            return None
        data = read_bytes(self.state, "the state of a training run")
        try:
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except Exception as error:
            raise InputError(
                f"the state of this run cannot be read ({type(error).__name__}); start over with "
                "--restart",
                self.state,
            ) from None
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise InputError(
                "not the state of a training run; start over with --restart", self.state
            )
        if content.get("version") != _VERSION:
            raise InputError(
                f"written by another version of slaeval (state {content.get('version')}, this one "
                f"reads {_VERSION}); resume with that version, or use --restart",
                self.state,
            )
        saved = content["settings"]
        differing = [
            name
            for name in {**saved, **settings}
            if name not in _FREE and saved.get(name) != settings.get(name)
        ]
        if differing:
            shown = [
                f"{_MEANINGS.get(name, name)} was {saved.get(name)}, now {settings.get(name)}"
                for name in differing
            ]
            self.refuse("; ".join(shown[:4]) + (" …" if len(shown) > 4 else ""))
        return content

    def refuse(self, difference: str) -> None:
        """Refuse to resume: the state belongs to another run.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError(
            f"{self.state}: an unfinished run with other settings: {difference}. Give the same "
            "options to resume, --restart to start over, or another --out"
        )

    def clear(self) -> None:
        """Delete the files of a run that starts over."""
        for path in (self.state, self.log, self.steps, self.curves):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.tensorboard, ignore_errors=True)

    def write_log(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write the table of all epochs."""
        lines = [",".join(COLUMNS)]
        for row in rows:
            lines.append(
                ",".join(
                    "" if (value := row.get(name)) is None else f"{value:.6g}" for name in COLUMNS
                )
            )
        write_whole(self.log, "\n".join(lines) + "\n")
