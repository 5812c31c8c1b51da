"""Options that several commands share: which references, which protocol, where output goes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from slaeval.errors import UsageError

__all__ = ["check_outputs", "existing", "reference_options"]

_DATASETS = (
    "phoenix2014, phoenix2014-si5, phoenix2014t, csl-daily, isharah500, isharah1000, isharah2000"
)


def existing() -> click.Path:
    """Return the type of a path that a reader will check with a message of its own."""
    return click.Path(readable=False, path_type=str)


def reference_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--dataset --split --root --ref --setup`` to a command."""
    for option in (
        click.option("--setup", metavar="SI|US", help="Setup of Isharah; default SI."),
        click.option(
            "--ref",
            type=existing(),
            metavar="FILE",
            help="References from a file: STM, TSV, JSON lines, VAC .npy, slt pickle.",
        ),
        click.option(
            "--root",
            type=existing(),
            metavar="DIR",
            help="Folder of the corpus; else the one registered with 'slaeval corpus add', "
            "else SLAEVAL_DATA.",
        ),
        click.option("--split", metavar="NAME", help="Part of the corpus.  [default: test]"),
        click.option("--dataset", metavar="NAME", help=f"Corpus: {_DATASETS}."),
    ):
        command = option(command)
    return command


def check_outputs(inputs: list[str | None], outputs: list[str | None]) -> None:
    """Refuse to write over an input, or two outputs into one file.

    Raises
    ------
    UsageError
        Two of the paths are one file.
    """
    taken = {os.path.realpath(path): path for path in inputs if path is not None}
    for path in outputs:
        if path is None or path.startswith("/dev/"):
            continue
        real = os.path.realpath(path)
        if real in taken:
            raise UsageError(f"{path} is named twice: it would be written over")
        taken[real] = path
