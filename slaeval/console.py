"""What a person sees in a terminal: tables, colour, text that runs from right to left.

stdout carries results, stderr everything else. Colour appears only on a terminal and never
with ``NO_COLOR`` set (https://no-color.org).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence

import click

__all__ = [
    "beside",
    "isolated",
    "paragraph",
    "styled",
    "table",
    "tell",
    "terminal_width",
    "warn",
    "width",
]


#: No column of text is folded to less.
_NARROWEST = 12


def styled(text: str, **style: object) -> str:
    """Return `text` in a colour where stdout shows colours, else as it is."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return click.style(text, **style)  # type: ignore[arg-type]


def tell(head: str, message: str, **style: object) -> None:
    """Print a message on stderr.

    On a terminal it is wrapped, and further lines begin with two blanks; in a file or a pipe it
    stays as it is, to be searched for and copied.

    Parameters
    ----------
    head : str
        What it begins with: ``"error:"``.
    message : str
        One or more lines.
    **style : object
        How `head` is styled where stderr shows colours; see :func:`click.style`.
    """
    text = f"{head} {message}"
    if sys.stderr.isatty():
        first, *others = text.split("\n")
        text = "\n".join([paragraph(first, "", "  "), *(paragraph(line) for line in others)])
        if not os.environ.get("NO_COLOR"):
            text = click.style(head, **style) + text.removeprefix(head)  # type: ignore[arg-type]
    click.echo(text, err=True)


def warn(message: str) -> None:
    """Print one warning on stderr."""
    tell("warning:", message, fg="yellow")


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


def terminal_width() -> int:
    """Return the width of the terminal; 80 where it is not known, as in a pipe."""
    # As shutil does, whose import costs 2 ms.
    named = os.environ.get("COLUMNS", "")
    columns = int(named) if named.isdecimal() else 0
    if not columns and sys.__stdout__ is not None:
        with contextlib.suppress(OSError, ValueError):  # no terminal, or closed
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns
    return max(40, columns or 80)


def paragraph(text: str, indent: str = "  ", hanging: str = "    ") -> str:
    """Break prose into lines that fit the terminal; a longer word and ``95 %`` stay whole."""
    room = terminal_width()
    lines = [indent]
    for word in re.split(r" (?!%)", text):  # paths may hold two blanks beside each other
        joined = f"{lines[-1]} {word}" if lines[-1].strip() else lines[-1] + word
        if width(joined) > room and lines[-1].strip():
            joined = hanging + word
            lines.append(joined)
        lines[-1] = joined
    return "\n".join(lines)


def beside(label: str, text: str, indent: str = "      ") -> str:
    """Put a sentence beside its label, or below one that leaves it little room.

    Lines that follow start below its first word.
    """
    room = terminal_width() - len(indent)
    below = width(label) > room // 2
    hanging = 2 if below else width(label) + 1
    lines = [isolated(line) for line in _folded(text, room - hanging)]
    start = f"{indent}{label}\n{indent}  " if below else f"{indent}{label} "
    return (start + f"\n{indent}{' ' * hanging}".join(lines)).rstrip()


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
        Lines joined by newlines, without one at the end. Where they would be wider than the
        terminal, cells of the left columns and headers are folded, the widest first.
    """
    grid = [list(headers), *([str(cell) for cell in row] for row in rows)]
    widths = [max(width(row[column]) for row in grid) for column in range(len(headers))]
    # Numbers stay whole, and so do short words.
    least = [
        min(wide, _NARROWEST)
        if column < left
        else max([min(wide, _NARROWEST), *(width(row[column]) for row in grid[1:])])
        for column, wide in enumerate(widths)
    ]
    room = terminal_width() - len(indent) - 2 * (len(widths) - 1)
    while sum(widths) > room and widths != least:
        widest = max(range(len(widths)), key=lambda c: widths[c] if widths[c] > least[c] else 0)
        widths[widest] -= 1
    lines = []
    for number, row in enumerate(grid):
        folded = [_folded(cell, wide) for cell, wide in zip(row, widths, strict=True)]
        for pieces in itertools.zip_longest(*folded, fillvalue=""):
            parts = []
            for column, piece in enumerate(map(isolated, pieces)):
                space = " " * (widths[column] - width(piece))
                parts.append(piece + space if column < left else space + piece)
            line = (indent + "  ".join(parts)).rstrip()
            lines.append(styled(line, bold=True) if not number else line)
    return "\n".join(lines)


def _folded(cell: str, wide: int) -> list[str]:
    """Break a cell into lines of so many terminal cells, at blanks where there are some."""
    if width(cell) <= wide:
        return [cell]
    lines = [""]
    for word in re.findall(r"\S+\s*", cell):
        if width(lines[-1] + word.rstrip()) > wide and lines[-1]:
            lines.append("")
        for character in word:
            if width((lines[-1] + character).rstrip()) > wide:
                lines.append("")
            lines[-1] += character
    return [line.rstrip() for line in lines]
