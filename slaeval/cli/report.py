"""``slaeval report``: one HTML page that shows where the errors are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from slaeval.cli.options import (
    existing,
    needed,
    refuse_given,
    request_options,
    source_argument,
)
from slaeval.cli.text import report_text, text_option
from slaeval.console import warn
from slaeval.errors import UsageError
from slaeval.evaluation.overwriting import check_outputs
from slaeval.evaluation.score import open_systems

if TYPE_CHECKING:
    from slaeval.evaluation.request import Request

__all__ = ["PICTURES", "report"]

#: Of so many segments of a run a report has pictures.
PICTURES = 40


@click.command()
@source_argument
@request_options()
@click.option(
    "--against",
    type=existing(),
    metavar="RUN|FILE",
    help="Another system: the page also shows the paired tests, segments won and lost.",
)
@click.option(
    "--train",
    type=existing(),
    metavar="FILE",
    help="References of the training split, where the corpus is not at hand.",
)
@click.option(
    "--pictures",
    default=PICTURES,
    show_default=True,
    type=click.IntRange(0, 10_000),
    metavar="N",
    help="Of a run: thumbnails for the N segments with most errors.",
)
@text_option
@click.option(
    "--glosses",
    type=existing(),
    metavar="RUN|FILE",
    help="With --text: recognised glosses of the same segments, shown beside the sentences.",
)
@click.option(
    "--out", type=existing(), metavar="FILE", help="The page.  [default: report.html, in the run]"
)
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
    """Write one HTML page about a hypothesis file or a run.

    Errors by signer, length, training frequency and position, confusions, deleted and inserted
    glosses, every segment with its alignment, the number under every protocol. The page needs
    no network and no other file: it can be sent as it is.

    \b
    slaeval report hyp.ctm --dataset phoenix2014t
    slaeval report runs/sla_lora
    slaeval report a.ctm --against b.ctm --dataset phoenix2014t --out a_b.html
    slaeval report --text hyp.tsv --glosses hyp.ctm --dataset phoenix2014t
    """
    from slaeval.evaluation.run_folder import REPORT
    from slaeval.files import write_whole
    from slaeval.report import collect, render
    from slaeval.report.filters import percent

    source = needed(source)
    if out is None:
        out = os.path.join(source, REPORT) if os.path.isdir(source) else REPORT
    if os.path.isdir(out):
        raise UsageError(f"{out} is a folder: name the file to write with --out")
    check_outputs([source, against, train, glosses], [out], request)
    if text:
        refuse_given(("train", "pictures"), "that is for glosses, not --text:")
        report_text(source, request, against, glosses, out)
        return
    refuse_given(("glosses",), "recognised glosses stand beside translations, with --text:")
    systems = open_systems([source] if against is None else [source, against], request)
    found = collect(*systems, train=train, pictures=pictures)
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
    wer = f"WER {percent(score.wer)} % ({score.protocol})"
    click.echo(f"{out}: {wer}, {len(score.segments)} segments, {shown}")
