"""Options that several commands share: which references, hypotheses, protocol and format."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from slaeval.console import tell, warn
from slaeval.errors import UsageError
from slaeval.evaluation.base import BaseEvaluation
from slaeval.evaluation.request import Request
from slaeval.evaluation.score import Evaluation
from slaeval.evaluation.tables import Format
from slaeval.loaders.registry import NAMES

if TYPE_CHECKING:
    from slaeval.decoding import Decoding
    from slaeval.evaluation.references import ReferenceSet

__all__ = [
    "FORMATS",
    "chosen_decoding",
    "chosen_format",
    "decoding_options",
    "dev_evaluations",
    "evaluations",
    "existing",
    "format_options",
    "frame_cache_option",
    "in_groups",
    "is_given",
    "needed",
    "on_error_option",
    "path_option",
    "protocol_option",
    "refuse_given",
    "request_options",
    "resampling_options",
    "resumable",
    "source_argument",
    "sources_argument",
    "tell_references",
    "text_option",
    "top_option",
    "workers_option",
]

_Evaluation = TypeVar("_Evaluation", bound=BaseEvaluation[Any, Any])

#: The forms of a result, the default first.
FORMATS: tuple[Format, ...] = ("table", "markdown", "latex", "csv", "json")

#: What ``--format`` meant before hypothesis files got an option of their own.
_HYPOTHESIS_FORMATS = ("auto", "ctm", "trn", "tsv", "jsonl", "kaldi")


def existing() -> click.Path:
    """Return the type of a path that a reader will check with a message of its own."""
    return click.Path(readable=False, path_type=str)


def path_option(name: str, metavar: str, help: str, **more: Any) -> Callable[..., Any]:
    """Return the option of a file or folder."""
    return click.option(name, type=existing(), metavar=metavar, help=help, **more)


def top_option(default: int, help: str) -> Callable[..., Any]:
    """Return ``--top N``: how much of a list is shown."""
    return click.option(
        "--top", default=default, show_default=True, type=click.IntRange(0), metavar="N", help=help
    )


def on_error_option(help: str) -> Callable[..., Any]:
    """Return ``--on-error stop|skip``: what is done about what cannot be read."""
    choice = click.Choice(["stop", "skip"])
    return click.option("--on-error", default="stop", show_default=True, type=choice, help=help)


def workers_option(
    help: str = "Processes that read frames; 0 for none.  [default: depends on the machine]",
) -> Callable[..., Any]:
    """Return ``--workers N``: the processes that read frames; None lets the command choose."""
    return click.option("--workers", type=click.IntRange(0), metavar="N", help=help)


def resampling_options(help: str) -> Callable[..., Any]:
    """Return what adds ``--bootstrap N`` and ``--seed`` of a paired bootstrap to a command."""

    def added(command: Callable[..., Any]) -> Callable[..., Any]:
        command = click.option(
            "--seed", default=0, show_default=True, help="Random seed of the resamples."
        )(command)
        return click.option(
            "--bootstrap",
            default=10_000,
            show_default=True,
            type=click.IntRange(0, 1_000_000),
            metavar="N",
            help=help,
        )(command)

    return added


_SOURCE = "Same as the argument: hypotheses (CTM, TRN, CSV, JSON …; -: standard input) or a run."

_REFERENCES = (
    click.option(
        "--setup", metavar="NAME", help="Setup, where the corpus has several, such as SI."
    ),
    path_option(
        "--ref",
        "FILE",
        "Read references from a file: STM, TRN, CSV, TSV, JSON, VAC .npy, slt pickle.",
    ),
    path_option(
        "--root",
        "DIR",
        "Folder of the corpus.  [default: the one registered with 'slaeval corpus "
        "add', or below SLAEVAL_DATA]",
    ),
    click.option("--split", metavar="NAME", help="Split to score.  [default: test]"),
    click.option("--dataset", metavar="NAME", help=f"Corpus: {', '.join(NAMES)}."),
)

_PROTOCOL = click.option(
    "--protocol",
    default="official",
    show_default=True,
    metavar="NAME",
    help="Evaluation protocol; see 'slaeval audit --list'.",
)

frame_cache_option = path_option(
    "--frame-cache",
    "DIR|auto",
    "Read resized frames from a folder that 'slaeval corpus cache' made; auto: from its usual "
    "place.",
)

_READING = (
    click.option(
        "--fix-ids",
        is_flag=True,
        help="Accept ids that contain a path or differ in letter case.",
    ),
    click.option(
        "--pred-format",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="Format of hypothesis files: auto, ctm, trn, tsv (any table), jsonl, kaldi.",
    ),
)


def source_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the hypotheses to a command, as an argument or as ``--pred``: its `source`.

    It is None where the user gave neither; see :func:`needed`.
    """

    @functools.wraps(command)
    def gathered(source: str | None, pred: str | None, **others: Any) -> Any:
        if source is not None and pred is not None:
            raise UsageError(
                f"two sources given, {source} and --pred {pred}; this command takes one"
            )
        return command(source=pred if source is None else source, **others)

    option = click.option("--pred", type=existing(), metavar="RUN|FILE", help=_SOURCE)
    argument = click.argument("source", type=existing(), metavar="[RUN|FILE]", required=False)
    return argument(option(gathered))


def sources_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the hypotheses of several systems to a command: its `sources`."""

    @functools.wraps(command)
    def gathered(sources: tuple[str, ...], pred: tuple[str, ...], **others: Any) -> Any:
        return command(sources=(*sources, *pred), **others)

    option = click.option(
        "--pred", multiple=True, type=existing(), metavar="RUN|FILE", help=_SOURCE
    )
    argument = click.argument("sources", nargs=-1, type=existing(), metavar="RUN|FILE…")
    return argument(option(gathered))


def needed(source: str | None) -> str:
    """Return the source of a command that cannot do without.

    Raises
    ------
    UsageError
        The user gave none.
    """
    if source is None:
        raise UsageError(
            "missing hypotheses: name a file or a run folder, as in '"
            f"{click.get_current_context().command_path} hyp.ctm'"
        )
    return source


def request_options(protocol: bool = True) -> Callable[..., Any]:
    """Add the options that make a :class:`Request` to a command: its `request`.

    Parameters
    ----------
    protocol : bool
        Whether ``--protocol`` is among them.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def gathered(pred_format: str, **options: Any) -> Any:
            names = options.keys() & Request._fields
            own = {name: options.pop(name) for name in names if protocol or name != "protocol"}
            return command(request=Request(format=pred_format, **own), **options)

        decorated: Callable[..., Any] = gathered
        for option in (*_READING, *((_PROTOCOL,) if protocol else ()), *_REFERENCES):
            decorated = option(decorated)
        return decorated

    return add


def protocol_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--protocol`` to a command."""
    return _PROTOCOL(command)


def decoding_options(
    method: str, width: str, merge_repeats: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds ``--decoding --width --merge-repeats``, given what is so without them.

    See :func:`chosen_decoding`.
    """

    def added(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option(
                "--merge-repeats/--no-merge-repeats",
                default=None,
                help="Collapse repeated adjacent glosses, as published code does."
                f"  [default: {merge_repeats}]",
            ),
            click.option(
                "--width",
                type=click.IntRange(1),
                metavar="N",
                help=f"Beam width.  [default: {width}]",
            ),
            click.option(
                "--decoding",
                metavar="NAME",
                help="beam, greedy, or ctcdecode: the beam pruned as behind published figures."
                f"  [default: {method}]",
            ),
        ):
            command = option(command)
        return command

    return added


def chosen_decoding(
    settings: Decoding, method: str | None, width: int | None, merge_repeats: bool | None
) -> Decoding:
    """Return decoding settings with what the user gave in them."""
    if method == "ctcdecode":
        from slaeval.decoding import CTCDECODE

        settings, method = CTCDECODE, None
    given: dict[str, Any] = {"method": method, "width": width, "merge_repeats": merge_repeats}
    return replace(settings, **{key: value for key, value in given.items() if value is not None})


def tell_references(references: ReferenceSet) -> None:
    """Say in which file the references of a corpus were found."""
    if references.corpus is not None:
        tell("references:", str(references.path))


def text_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--text`` to a command: its `text`."""
    return click.option(
        "--text",
        is_flag=True,
        help="Translations instead of glosses: one sentence per line, a table or JSON.",
    )(command)


def format_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--format`` and ``--json`` to a command: its `form`; see :func:`chosen_format`."""

    @functools.wraps(command)
    def gathered(format_: str | None, as_json: bool, **others: Any) -> Any:
        return command(form=chosen_format(format_, as_json), **others)

    decorated: Callable[..., Any] = gathered
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Same as --format json."),
        click.option(
            "--format",
            "format_",
            metavar="|".join(FORMATS),
            help="Output format.  [default: table]",
        ),
    ):
        decorated = option(decorated)
    return decorated


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
            f"--format sets the output format ({', '.join(FORMATS)}); for the format of the "
            f"hypothesis file use --pred-format {format_}"
        )
    if format_ not in FORMATS:
        raise UsageError(f"unknown format {format_!r}; known: {', '.join(FORMATS)}")
    if as_json and format_ != "json":
        raise UsageError(f"--json cannot be combined with --format {format_}")
    return format_


def evaluations(text: bool) -> type[BaseEvaluation[Any, Any]]:
    """Return what evaluates translations or glosses: ``--text`` or not."""
    if not text:
        return Evaluation
    from slaeval.evaluation.text.evaluation import TextEvaluation

    return TextEvaluation


def dev_evaluations(
    dev: Sequence[str], systems: Sequence[_Evaluation], form: Format
) -> list[_Evaluation]:
    """Evaluate the hypotheses of ``--dev``, on the dev split of the same corpus.

    Parameters
    ----------
    dev : sequence of str
        One per system, or none at all.
    systems : sequence of Evaluation or TextEvaluation
        The systems on the split that was asked for.
    form : str
        Of the result.

    Raises
    ------
    UsageError
        Naming what ``--dev`` needs.
    """
    if not dev:
        return []
    request = systems[0].request
    if form in ("table", "json"):
        raise UsageError("--dev shows two splits side by side: add --format latex, markdown or csv")
    runs = all(map(os.path.isdir, (*(system.source for system in systems), *dev)))
    if request.ref is not None or (request.dataset is None and not runs):
        raise UsageError("--dev needs the references of both splits: use --dataset")
    if request.split == "dev":
        raise UsageError("--split dev and --dev are the same split: leave one out")
    if len(dev) != len(systems):
        raise UsageError(
            f"{len(systems)} systems but {len(dev)} --dev: give one for each system, in the "
            "same order"
        )
    split = "dev" if request.names_references else None
    found = type(systems[0]).open_all(dev, request._replace(split=split))
    asked, other = systems[0].references, found[0].references
    if other.split != "dev" or asked.split == "dev" or other.dataset != asked.dataset:
        raise UsageError(
            f"--dev must be the dev split of the same corpus: {dev[0]} is of {other.dataset} "
            f"{other.split}, {systems[0].source} of {asked.dataset} {asked.split}"
        )
    return found


def in_groups(
    groups: Mapping[str, Sequence[str]], renamed: Mapping[str, str] | None = None
) -> type[click.Command]:
    """Return a kind of command whose help lists its options under headings.

    Parameters
    ----------
    groups : mapping
        Heading to the names of parameters; all others are listed under "Options".
    renamed : mapping, optional
        Old option to new: the old one is accepted for one version more, with a warning.
    """

    class Grouped(click.Command):
        def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
            return super().parse_args(ctx, [_by_new_name(arg, renamed or {}) for arg in args])

        def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
            records = {
                parameter.name: record
                for parameter in self.get_params(ctx)
                if isinstance(parameter, click.Option)
                and (record := parameter.get_help_record(ctx)) is not None
            }
            for heading, names in groups.items():
                with formatter.section(heading):
                    formatter.write_dl([records.pop(name) for name in names])
            with formatter.section("Options"):
                formatter.write_dl(list(records.values()))

    return Grouped


def _by_new_name(argument: str, renamed: Mapping[str, str]) -> str:
    """Return an argument of the command line with the new name of an option that has one."""
    name, equals, value = argument.partition("=")
    if name not in renamed:
        return argument
    warn(f"{name} is now {renamed[name]}; the old name goes in version 0.2")
    return f"{renamed[name]}{equals}{value}"


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
    """Say how to resume where Ctrl-C ends a command that can be resumed."""
    try:
        yield
    except KeyboardInterrupt:
        if os.environ.get("RANK", "0") == "0":
            without = " without --restart" if is_given("restart") else ""
            click.echo(f"stopped; run the same command{without} to resume", err=True)
        raise
