"""``slaeval leaderboard``: a folder of submissions, ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from slaeval.cli.options import (
    existing,
    format_options,
    path_option,
    request_options,
    resampling_options,
)
from slaeval.console import paragraph, styled, table, warn, width
from slaeval.errors import counted
from slaeval.evaluation.leaderboard import leaderboard as ranked
from slaeval.evaluation.leaderboard import not_scored
from slaeval.evaluation.overwriting import check_outputs
from slaeval.evaluation.tables import PaperRow, as_csv, as_latex, as_markdown, p_value
from slaeval.scoring.score import percent

if TYPE_CHECKING:
    from slaeval.evaluation.leaderboard import Entry, Leaderboard
    from slaeval.evaluation.request import Request
    from slaeval.evaluation.tables import Format

__all__ = ["leaderboard", "render"]

#: Cells of a terminal line.
_WIDE = 80


@click.command()
@click.argument("folder", type=existing(), metavar="SUBMISSIONS")
@request_options()
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse a submission with missing segments or with ids not in the references.",
)
@resampling_options("Bootstrap resamples for the interval of the difference to the leader.")
@format_options
@path_option("--html", "OUT", "Write the leaderboard as an HTML page.")
@path_option("--csv", "OUT", "Write one row per system.")
def leaderboard(
    folder: str,
    request: Request,
    strict: bool,
    bootstrap: int,
    seed: int,
    form: Format,
    html: str | None,
    csv: str | None,
) -> None:
    """Rank the submissions in a folder; each file or run folder in it is one system.

    Hidden files, README, LICENSE and Markdown files in it are left out.

    Prints ranks with intervals, significance tests against the leader, and WER by signer.
    A submission that cannot be read does not stop the others: it is listed at the end with
    the reason, and the exit code is 1.

    \b
    slaeval leaderboard submissions --dataset isharah1000 --html board.html
    slaeval leaderboard submissions --ref secret.stm --strict --csv board.csv
    """
    check_outputs([folder], [html, csv], request)
    board = ranked(folder, request, strict=strict, resamples=bootstrap, seed=seed)
    for entry in board.entries:
        for message in entry.score.warnings:
            warn(f"{entry.name}: {message}")
    if csv is not None or html is not None:
        from slaeval.files import write_whole

        if csv is not None and board.entries:
            write_whole(csv, as_csv([entry.to_row() for entry in board.entries]))
        if html is not None and board.entries:
            from slaeval.report.leaderboard import render_leaderboard

            write_whole(html, render_leaderboard(board))
    if form == "json":
        import json

        click.echo(json.dumps(board.to_dict(), ensure_ascii=False, indent=2))
    elif form == "csv":
        if board.entries:
            click.echo(as_csv([entry.to_row() for entry in board.entries]), nl=False)
    elif board.entries:
        click.echo(_pasted(board, form) if form != "table" else render(board))
    if board.unreadable:
        if form == "table":
            click.echo("\n" * bool(board.entries) + styled("not scored", bold=True))
            for one in board.unreadable:
                click.echo(paragraph(f"{one.name}: {one.reason}"))
        raise not_scored(board.unreadable, len(board.entries))


def _pasted(board: Leaderboard, form: Format) -> str:
    if form == "latex":
        rows = [
            PaperRow(entry.name, {entry.score.split or "": entry.score.total}, entry.score.protocol)
            for entry in board.entries
        ]
        return as_latex(rows, first="System", notes=[board.entries[0].score.signature])
    columns = ["rank", "system", "wer", "wer_low", "wer_high", "substitutions", "deletions"]
    columns += ["insertions", "difference", "difference_low", "difference_high", "mapsswe_p"]
    columns += ["permutation_p", "tied"]
    shown = as_markdown([entry.to_row() for entry in board.entries], columns)
    return f"{shown}\n\n`{board.entries[0].score.signature}`"


def render(board: Leaderboard) -> str:
    """Lay a leaderboard out for a terminal of 80 columns."""
    score = board.entries[0].score
    what = " ".join(filter(None, (score.dataset, score.split))) or "own references"
    total = score.total
    out = [
        f"{what}, protocol {score.protocol}: {counted(len(board.entries), 'system')}, "
        f"{counted(total.reference_words, 'word')} in {counted(len(score.segments), 'segment')}",
        "",
        table(
            [_cells(entry) for entry in board.entries],
            ("#  system", "WER %", "95 %", "S", "D", "I", "behind", "p"),
        ),
        "",
        paragraph(
            "≈: not significantly different from the leader at 5 % in either test. p: the smaller "
            "of MAPSSWE's and the permutation test's, Holm-adjusted over the tests against the "
            "leader. Systems with the same number of errors share a rank; --json and --html "
            "give both tests."
        ),
    ]
    if len(board.signers) > 1:
        out += ["", *_by_signer(board)]
    return "\n".join([*out, "", f"  {score.signature}"])


def _cells(entry: Entry) -> tuple[object, ...]:
    total, interval, behind, pair = (
        entry.score.total,
        entry.score.wer_ci,
        entry.behind,
        entry.pair,
    )
    return (
        f"{entry.rank:<2} {_short(entry.name)}" + (" ≈" if entry.tied else ""),
        percent(total.wer),
        "" if interval is None else f"{interval[0]:.2f}–{interval[1]:.2f}",
        total.substitutions,
        total.deletions,
        total.insertions,
        "" if behind is None else percent(behind[0], "+"),
        "" if pair is None else p_value(min(pair.matched_pairs_p, pair.permutation_p)),
    )


def _by_signer(board: Leaderboard) -> list[str]:
    """Lay out the WER by signer, as many columns as fit on a line."""
    names = [f"{entry.rank:<2} {_short(entry.name)}" for entry in board.entries]
    wers = [{group.name: group.wer for group in entry.score.by_signer} for entry in board.entries]
    room = _WIDE - 2 - max(map(width, names))
    out: list[str] = []
    left = board.signers
    while left:
        here: list[str] = []
        while left and (not here or sum(max(6, width(s)) + 2 for s in [*here, left[0]]) <= room):
            here, left = [*here, left[0]], left[1:]
        rows = [
            (name, *(percent(wer[s]) for s in here)) for name, wer in zip(names, wers, strict=True)
        ]
        out += [*([""] if out else []), table(rows, ("WER % by signer", *here))]
    return out


def _short(name: str, cells: int = 26) -> str:
    """Cut the middle out of a long name; its end distinguishes files of a folder."""
    if len(name) <= cells:
        return name
    return f"{name[: cells // 2 - 1]}…{name[-(cells - cells // 2) :]}"
