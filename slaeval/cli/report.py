"""``slaeval report``: one HTML page that shows where the errors are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from slaeval.cli.options import (
    needed,
    path_option,
    refuse_given,
    request_options,
    source_argument,
    tell_references,
    text_option,
)
from slaeval.console import warn
from slaeval.errors import UsageError, counted
from slaeval.evaluation.overwriting import check_outputs
from slaeval.evaluation.score import Evaluation
from slaeval.files import write_whole

if TYPE_CHECKING:
    from slaeval.evaluation.request import Request

__all__ = ["PICTURES", "report"]

#: Segments of a run that a report shows pictures of.
PICTURES = 40


@click.command()
@source_argument
@request_options()
@path_option(
    "--against", "RUN|FILE", "Compare with another system: paired tests, segments won and lost."
)
@path_option("--train", "FILE", "References of the training split, if the corpus is not available.")
@click.option(
    "--pictures",
    default=PICTURES,
    show_default=True,
    type=click.IntRange(0, 10_000),
    metavar="N",
    help="For a run: show thumbnails of the N segments with the most errors.",
)
@text_option
@path_option(
    "--glosses",
    "RUN|FILE",
    "With --text: recognised glosses of the same segments, shown beside the sentences.",
)
@path_option("--out", "FILE", "Output file.  [default: report.html, in the run folder]")
def report(
    source: str | None,
    request: Request,
    against: str | None,
    train: str | None,
    pictures: int,
    text: bool,
    glosses: str | None,
    out: str | None,
) -> None:
    """Write an HTML page about a hypothesis file or a run.

    Shows errors by signer, length, training frequency and position, confusions, deleted and
    inserted glosses, every segment with its alignment, and the score under every protocol.
    The page is self-contained: it needs no network and no other file.

    \b
    slaeval report hyp.ctm --dataset phoenix2014t
    slaeval report runs/sla_lora
    slaeval report a.ctm --against b.ctm --dataset phoenix2014t --out a_b.html
    slaeval report --text hyp.tsv --glosses hyp.ctm --dataset phoenix2014t
    """
    from slaeval.evaluation.run_folder import REPORT
    from slaeval.report import collect, render
    from slaeval.scoring.score import percent

    source = needed(source)
    if out is None:
        out = os.path.join(source, REPORT) if os.path.isdir(source) else REPORT
    if os.path.isdir(out):
        raise UsageError(f"{out} is a folder: name a file with --out")
    check_outputs([source, against, train, glosses], [out], request)
    sources = [source] if against is None else [source, against]
    if text:
        refuse_given(("train", "pictures"), "that is for glosses, not --text:")
        from slaeval.cli.text import report_text

        report_text(sources, request, glosses, out)
        return
    refuse_given(("glosses",), "recognised glosses stand beside translations, with --text:")
    systems = Evaluation.open_all(sources, request)
    found = collect(*systems, train=train, pictures=pictures)
    tell_references(systems[0].references)
    for message in found.score.warnings:
        warn(message)
    if "frequency" not in found.groups:
        warn(f"errors by training frequency are left out: {found.training}")
    if found.alignments and pictures and not found.thumbnails.pictures:
        warn(found.thumbnails.note)
    page = render(found)
    write_whole(out, page)
    size = len(page.encode())
    shown = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    score = found.score
    wer = f"WER {percent(score.wer, unit=' %')} ({score.protocol})"
    click.echo(f"{out}: {wer}, {counted(len(score.segments), 'segment')}, {shown}")
