"""``slaeval plot``: one plot of the errors, as a file for a paper."""

from __future__ import annotations

import warnings
from typing import Any

import click

from slaeval.analysis.plots import PLOTS, PlotInput
from slaeval.cli.options import (
    needed,
    path_option,
    refuse_given,
    request_options,
    source_argument,
    tell_references,
)
from slaeval.console import warn
from slaeval.errors import UsageError
from slaeval.evaluation.overwriting import check_outputs
from slaeval.extras import require

__all__ = ["plot"]

#: The options that the log of a training has no use for.
_OF_HYPOTHESES = (
    *("dataset", "split", "root", "ref", "setup"),
    *("protocol", "pred_format", "fix_ids"),
)


@click.command(
    epilog="\b\nKIND is one of\n"
    + "\n".join(f"  {kind.name:<11} {kind.what}" for kind in PLOTS.values())
)
@click.argument("kind", type=click.Choice(list(PLOTS)), metavar="KIND")
@source_argument
@path_option("--out", "FILE", "Output file: .png, .svg or .pdf.", required=True)
@request_options()
@click.option(
    "--segment",
    metavar="ID",
    help="Segment to draw, for segment and posteriors.  [default: the one with the most errors]",
)
@click.option(
    "--top",
    type=click.IntRange(2, 200),
    metavar="N",
    help="Number of glosses, for confusions and glosses.  [default: 12; 20]",
)
@path_option(
    "--train",
    "FILE",
    "References of the training split, for frequency, if the corpus is not available.",
)
@path_option("--ckpt", "FILE", "Checkpoint, for posteriors.  [default: the run's]")
def plot(kind: str, source: str | None, out: str, **options: Any) -> None:
    """Draw a plot of a run, a hypothesis file or a training log.

    Sized for the column of a paper (3.3 inches), in colours that are safe for colour-blind
    readers and grey printing. The same input gives the same file. A run brings its references.

    \b
    slaeval plot confusions hyp.ctm --dataset phoenix2014t --out confusions.pdf
    slaeval plot signers runs/sla_lora --out signers.svg
    slaeval plot segment hyp.ctm --dataset csl-daily --segment S004_P0001_T00 \\
        --out segment.png
    slaeval plot curves sla_lora.training --out curves.pdf
    slaeval plot posteriors runs/sla_lora --out posteriors.pdf
    """
    require("analysis", "slaeval plot")
    from slaeval.analysis.style import file_format, save

    chosen, given = PLOTS[kind], PlotInput(source=needed(source), **options)
    for option in ("segment", "top", "train", "ckpt"):
        if getattr(given, option) is not None and option not in chosen.options:
            kinds = [one.name for one in PLOTS.values() if option in one.options]
            raise UsageError(
                f"--{option} applies to {' and '.join(kinds)} only; leave it out for {kind}"
            )
    if not chosen.scored:
        refuse_given(_OF_HYPOTHESES, f"{kind} are drawn from a training log:")
    check_outputs([given.source, given.train, given.ckpt], [out], given.request)
    file_format(out)
    import matplotlib as mpl

    mpl.use("agg")  # a file, and never a window
    with warnings.catch_warnings(record=True) as notices:
        warnings.simplefilter("default")
        drawn = chosen.draw(given)
        signature = given.score.signature if chosen.scored else ""
        save(drawn, out, signature)
    if chosen.scored:
        tell_references(given.evaluation.references)
        for notice in given.score.warnings:
            warn(notice)
    for message in dict.fromkeys(str(one.message) for one in notices):
        warn(message)
    click.echo(f"{out}: {chosen.what}")
