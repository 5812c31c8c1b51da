"""What a training run needs to go on after it was stopped, and the table of what it did.

Beside ``sla_lora.pt`` stands a folder ``sla_lora.training/``:

``state.pt``
    Weights in training, optimiser, schedule, where in which epoch; rewritten whole.
``log.csv``
    One row an epoch.
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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.files import read_bytes, write_whole
from slaeval.training.examples import Examples
from slaeval.training.recipe import Recipe

__all__ = ["COLUMNS", "TrainingFolder", "fingerprint"]

#: Columns of ``log.csv``: losses are means over the clips of the epoch, WER in percent.
COLUMNS = (
    *("epoch", "step", "loss", "loss_sequence", "loss_convolution", "loss_distillation"),
    *("loss_tower", "gradient_norm", "lr", "dev_wer", "seconds"),
)

_FORMAT, _VERSION = "slaeval-training", 1


def fingerprint(
    examples: Examples, recipe: Recipe, processes: int, further: Sequence[Any] = ()
) -> str:
    """Return a hash of all that must be the same for a run to go on.

    Parameters
    ----------
    examples : Examples
        Which clips with which labels.
    recipe : Recipe
        How they are trained on.
    processes : int
        With the recipe's batch size, how many clips a step sees.
    further : sequence
        Anything else, as JSON can hold it.
    """
    content = json.dumps(
        [
            recipe.to_dict(),
            processes,
            list(further),
            list(examples.vocabulary),
            [[clip.footage.id, clip.footage.num_frames, clip.labels] for clip in examples.clips],
        ],
        ensure_ascii=False,
    )
    return hashlib.sha256(content.encode()).hexdigest()


class TrainingFolder:
    """The folder beside a checkpoint in the making.

    Parameters
    ----------
    checkpoint : path-like
        Where the checkpoint is to be written.
    """

    def __init__(self, checkpoint: str | os.PathLike[str]) -> None:
        path = Path(checkpoint)
        self.path = path.with_name(f"{path.stem}.training")
        self.state = self.path / "state.pt"
        self.log = self.path / "log.csv"
        self.curves = self.path / "curves.png"
        self.tensorboard = self.path / "tensorboard"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs out; makes the folder, and takes it away where nothing came into it.

        Raises
        ------
        SlaevalError
            Another run is at work here, or the folder cannot be made.
        """
        from slaeval.evaluation.run_folder import lock

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

    def save(self, fingerprint: str, content: Mapping[str, Any]) -> None:
        """Write the state, whole or not at all."""
        stream = io.BytesIO()
        torch.save(
            {"format": _FORMAT, "version": _VERSION, "fingerprint": fingerprint, **content}, stream
        )
        write_whole(self.state, stream.getvalue())

    def load(self, fingerprint: str) -> dict[str, Any] | None:
        """Return the state that was saved last; None where there is none.

        Raises
        ------
        InputError
            The file is damaged, or written by another version.
        UsageError
            It belongs to another recipe or other data.
        """
        if not self.state.exists():
            return None
        data = read_bytes(self.state, "the state of a training run")
        try:
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except Exception as error:
            raise InputError(
                f"the state of this run cannot be read ({type(error).__name__}); start again with "
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
                f"reads {_VERSION}); resume with that one, or start over with --restart",
                self.state,
            )
        if content.get("fingerprint") != fingerprint:
            raise UsageError(
                f"{self.state}: an unfinished run with another recipe, other data or another "
                "number of processes: give the same options to resume it, --restart to start over, "
                "or another --out"
            )
        return content

    def clear(self) -> None:
        """Forget a run that is to start over."""
        import shutil

        for path in (self.state, self.log, self.curves):
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
