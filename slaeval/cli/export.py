"""``slaeval export``: the recognised glosses of a run with their times, for other programs."""

from __future__ import annotations

import click

from slaeval.cli.options import existing, path_option

__all__ = ["export"]


@click.command()
@click.argument("run", type=existing(), metavar="RUN")
@click.option(
    "--to",
    "kinds",
    default="eaf,srt,tsv",
    show_default=True,
    metavar="KINDS",
    help="Formats to write: eaf (ELAN), srt (video players), tsv (spreadsheets).",
)
@path_option("--out", "DIR", "Output folder.  [default: RUN]")
@path_option(
    "--root",
    "DIR",
    "Folder of the corpus, for the frame times of its videos.  [default: the run's]",
)
@click.option(
    "--fps",
    type=float,
    metavar="N",
    help="Frame rate, if neither the videos nor the corpus give one.",
)
def export(run: str, kinds: str, out: str | None, root: str | None, fps: float | None) -> None:
    """Write the recognised glosses of a finished run with their start and end times.

    \b
    slaeval export runs/sla_lora-phoenix2014t-test
    slaeval export runs/my-model --to eaf --root ~/data/Isharah-500
    """
    from slaeval.evaluation.export import export_run, parse_kinds
    from slaeval.evaluation.run_folder import Run

    wanted = parse_kinds(kinds)
    for path in export_run(Run.open(run), wanted, out, root=root, fps=fps):
        click.echo(path)
