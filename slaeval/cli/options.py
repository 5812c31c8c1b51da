"""Options that several commands share: which references, hypotheses, protocol and format."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from typing import Any

import click

from slaeval.errors import UsageError
from slaeval.evaluation.tables import Format

__all__ = [
    "FORMATS",
    "check_dev",
    "chosen_format",
    "existing",
    "format_options",
    "hypothesis_options",
    "is_given",
    "protocol_option",
    "reference_options",
    "refuse_given",
    "resumable",
]

#: The forms of a result, the default first.
FORMATS: tuple[Format, ...] = ("table", "markdown", "latex", "csv", "json")

#: What ``--format`` meant before hypothesis files got an option of their own.
_HYPOTHESIS_FORMATS = ("auto", "ctm", "trn", "tsv", "jsonl", "kaldi")

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
            help="References from a file: STM, TRN, CSV, TSV, JSON, VAC .npy, slt pickle.",
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
            help="Format of hypothesis files: auto, ctm, trn, tsv (any table), jsonl, kaldi.",
        ),
    ):
        command = option(command)
    return command


def format_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--format`` and ``--json`` to a command; see :func:`chosen_format`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
        click.option(
            "--format",
            "format_",
            metavar="|".join(FORMATS),
            help="Form of the result on stdout.  [default: table]",
        ),
    ):
        command = option(command)
    return command


def chosen_format(format_: str | None, as_json: bool) -> Format:
    """Return the form that ``--format`` and ``--json`` ask for.

    Raises
    ------
    UsageError
        Unknown, or the two contradict each other.
    """
    if format_ is None:
        return "json" if as_json else "table"
    if format_ in _HYPOTHESIS_FORMATS:
        raise UsageError(
            f"--format is the form of the result ({', '.join(FORMATS)}); the format of the "
            f"hypothesis file goes with --pred-format {format_}"
        )
    if format_ not in FORMATS:
        raise UsageError(f"unknown format {format_!r}; known: {', '.join(FORMATS)}")
    if as_json and format_ != "json":
        raise UsageError(f"--json and --format {format_} exclude each other")
    return format_


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


def is_given(name: str) -> bool:
    """Tell whether the user gave a parameter of the running command, even its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def refuse_given(names: Collection[str], why: str) -> None:
    """Refuse parameters that the running command has no use for in this case.

    Raises
    ------
    UsageError
        `why`, and to leave out the first that the user gave.
    """
    for parameter in click.get_current_context().command.params:
        if parameter.name in names and is_given(parameter.name):
            raise UsageError(f"{why} leave out {parameter.opts[0]}")


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Say how to go on where Ctrl-C ends a command that goes on where it was."""
    try:
        yield
    except KeyboardInterrupt:
        if os.environ.get("RANK", "0") == "0":
            without = " without --restart" if is_given("restart") else ""
            click.echo(f"stopped; the same command{without} goes on from here", err=True)
        raise
