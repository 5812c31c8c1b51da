"""The page of a leaderboard: ranks, intervals, tests and signers, as one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slaeval.report.page import asset, environment

if TYPE_CHECKING:
    from slaeval.evaluation.leaderboard import Leaderboard

__all__ = ["render_leaderboard"]


def render_leaderboard(board: Leaderboard) -> str:
    """Return a leaderboard as self-contained HTML text.

    Parameters
    ----------
    board : Leaderboard
        With one entry or more.
    """
    return (
        environment()
        .get_template("leaderboard.html")
        .render(board=board, score=board.entries[0].score, style=asset("page.css"), tag="")
    )
