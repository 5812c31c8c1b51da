"""What a person sees in a terminal: tables, colour, text that runs from right to left.

stdout carries results, stderr everything else. Colour appears only on a terminal and never
with ``NO_COLOR`` set (https://no-color.org).
"""

from __future__ import annotations

import os
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence

import click

__all__ = ["isolated", "paragraph", "styled", "table", "warn", "width"]


def styled(text: str, **style: object) -> str:
    """Return `text` in a colour where stdout shows colours, else as it is."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return click.style(text, **style)  # type: ignore[arg-type]


def warn(message: str) -> None:
    """Print one warning on stderr."""
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    head = click.style("warning:", fg="yellow") if colour else "warning:"
    click.echo(f"{head} {message}", err=True)


def width(text: str) -> int:
    """Return how many terminal cells `text` takes: wide for Chinese, none for marks."""
    if text.isascii():
        return len(text)
    cells = 0
    for character in text:
        if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
            continue
        cells += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return cells


def isolated(text: str) -> str:
    """Wrap right-to-left text in Unicode isolates, so that it cannot reorder its line."""
    if text.isascii():
        return text
    if any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in text):
        return f"\u2068{text}\u2069"
    return text


def paragraph(text: str, indent: str = "  ", hanging: str = "    ") -> str:
    """Break a sentence into lines of at most 88 cells."""
    return textwrap.fill(
        text,
        88,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(
    rows: Iterable[Sequence[object]], headers: Sequence[str], left: int = 1, indent: str = "  "
) -> str:
    """Lay out rows under headers.

    Parameters
    ----------
    rows : iterable of sequences
        Cells, printed with ``str``.
    headers : sequence of str
        One a column.
    left : int
        How many columns, from the first, are aligned left; the others (numbers) right.
    indent : str
        Put in front of each line.

    Returns
    -------
    str
        Lines joined by newlines, without one at the end.
    """
    cells = [[isolated(str(cell)) for cell in row] for row in rows]
    grid = [list(headers), *cells]
    widths = [max(width(row[column]) for row in grid) for column in range(len(headers))]
    lines = []
    for row in grid:
        parts = []
        for column, cell in enumerate(row):
            space = " " * (widths[column] - width(cell))
            parts.append(cell + space if column < left else space + cell)
        lines.append((indent + "  ".join(parts)).rstrip())
    lines[0] = styled(lines[0], bold=True)
    return "\n".join(lines)
