"""Options that several commands share: which references, which protocol, where output goes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from slaeval.errors import UsageError

__all__ = [
    "check_dev",
    "check_outputs",
    "existing",
    "hypothesis_options",
    "protocol_option",
    "reference_options",
]

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


def protocol_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--protocol`` to a command."""
    return click.option(
        "--protocol",
        default="official",
        show_default=True,
        metavar="NAME",
        help="What exactly is compared; see 'slaeval audit --list'.",
    )(command)


def hypothesis_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--pred-format --fix-ids`` to a command."""
    for option in (
        click.option(
            "--fix-ids",
            is_flag=True,
            help="Accept ids with a path around them or in another letter case.",
        ),
        click.option(
            "--pred-format",
            default="auto",
            show_default=True,
            metavar="NAME",
            help="Format of hypothesis files: auto, ctm, trn, tsv, jsonl.",
        ),
    ):
        command = option(command)
    return command


def check_dev(
    dataset: str | None, split: str | None, ref: str | None, form: str, runs: bool = False
) -> None:
    """Refuse ``--dev`` where it can mean nothing.

    Parameters
    ----------
    dataset, split, ref : str or None
        The options of those names.
    form : str
        Of the result.
    runs : bool
        All hypotheses are runs, which bring their references.

    Raises
    ------
    UsageError
        Naming what it needs.
    """
    if form in ("table", "json"):
        raise UsageError("--dev puts two splits side by side: add --format latex, markdown or csv")
    if ref is not None or (dataset is None and not runs):
        raise UsageError("--dev takes the references of both splits from a corpus: use --dataset")
    if split == "dev":
        raise UsageError("--split dev and --dev are the same split: leave one out")


def check_outputs(
    inputs: list[str | None],
    outputs: list[str | None],
    dataset: str | None = None,
    root: str | None = None,
) -> None:
    """Refuse to write over an input, two outputs into one file, or over the annotation.

    Parameters
    ----------
    inputs, outputs : list of str or None
        Files that are read and written.
    dataset, root : str or None
        The corpus that is read, if one is.

    Raises
    ------
    UsageError
        Naming the file that would be lost.
    """
    taken = {os.path.realpath(path): path for path in inputs if path is not None}
    for path in outputs:
        if path is None or path.startswith("/dev/"):
            continue
        real = os.path.realpath(path)
        if real in taken:
            raise UsageError(f"{path} is named twice: it would be written over")
        taken[real] = path
        if dataset is not None and os.path.exists(real):
            from slaeval.loaders.reading import annotation_folders

            if os.path.dirname(real) in annotation_folders(dataset, root):
                raise UsageError(
                    f"{path} is a file of {dataset}'s annotation, which would be written over: "
                    "name another one"
                )
