"""The command line: one thin group over the commands, each imported when it is called.

Exit codes: 0 done, 1 failed, 2 misuse. Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import sys

import click

from slaeval._version import __version__
from slaeval.errors import SlaevalError, nearest

__all__ = ["cli", "main"]

#: Command: the module that defines it and what it is for.
_COMMANDS = {
    "score": ("slaeval.cli.score", "Score a hypothesis file: the official WER and more."),
    "audit": ("slaeval.cli.audit", "Score one file under every protocol in use."),
    "compare": ("slaeval.cli.compare", "Compare two or more systems."),
    "leaderboard": ("slaeval.cli.leaderboard", "Rank a folder of submissions."),
    "corpus": ("slaeval.cli.corpus", "List, register, inspect, verify and sample corpora."),
    "train": ("slaeval.cli.train", "Train a checkpoint on a corpus."),
    "run": ("slaeval.cli.run", "Evaluate a checkpoint on a corpus, or on one video."),
    "decode": ("slaeval.cli.decode", "Decode saved log probabilities into hyp.ctm."),
    "ckpt": ("slaeval.cli.ckpt", "Show and convert checkpoints."),
    "plot": ("slaeval.cli.plot", "Draw a plot of the errors."),
    "report": ("slaeval.cli.report", "Write an HTML page that shows where the errors are."),
    "export": ("slaeval.cli.export", "Write a run's glosses in time: ELAN, SRT, TSV."),
    "completion": ("slaeval.cli.completion", "Print the shell completion script."),
}


class _Commands(click.Group):
    """Subcommands that cost nothing until they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name != "score":
            gc.enable()  # the entry point turned it off
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(
                f"no command {args[0]!r}{nearest(args[0], _COMMANDS)}; known: "
                + ", ".join(_COMMANDS),
                ctx,
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="slaeval", message="%(prog)s %(version)s")
def cli() -> None:
    """Evaluate continuous sign language recognition.

    To score a hypothesis file: slaeval score hyp.ctm --dataset phoenix2014t
    """


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Glosses of any script must not stop a report on a terminal that lacks them.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(prog_name="slaeval", standalone_mode=False)
        sys.stdout.flush()
        _leave(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as stop:
        _leave(stop.exit_code)
    except click.ClickException as error:
        _fail_usage(error)
        _leave(error.exit_code)
    except click.Abort:
        _leave(130)
    except SlaevalError as error:
        _fail(str(error))
        _leave(error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe (head, less) has left: no message, and none at shutdown.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(1)
    except KeyboardInterrupt:
        _leave(130)
    except MemoryError:
        _fail("not enough memory for this input")
        _leave(1)
    except OSError as error:
        _fail(f"{error.filename or 'output'}: {error.strerror or error}")
        _leave(1)


def _fail(message: str) -> None:
    from slaeval.console import tell

    tell("error:", message, fg="red", bold=True)


def _fail_usage(error: click.ClickException) -> None:
    """Print what click says of a command line, in the form of our own messages."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        error.show()
        return
    text = " ".join(error.format_message().split()).replace(". (", " (").removesuffix(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "slaeval"
    _fail(f"{text[:1].lower()}{text[1:]}; see '{command} --help'")


def _leave(code: int) -> None:
    """End the process: at once after a command that ran without the garbage collector.

    Such a command leaves nothing to be done at exit, and freeing a large score takes a while.
    What could not be written has been told by then: only a failure comes here unflushed.
    """
    if gc.isenabled():
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
    os._exit(code)
