"""HTML of the parts a report is made of: glosses, tables, bars, alignments.

Everything that comes from a file goes through :func:`escaped` or :func:`gloss`; nothing else
puts text into the page. There are no style attributes and no handlers: the page's security
policy allows its one style sheet and its one script alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from slaeval.analysis.fonts import shortened
from slaeval.scoring.score import Group
from slaeval.scoring.segments import AlignedSegment

__all__ = [
    "LONGEST",
    "Column",
    "alignment",
    "bar",
    "columns",
    "direction",
    "escaped",
    "filter_button",
    "gloss",
    "language",
    "percent",
    "sentence",
    "table",
]

#: A gloss or signer of more characters is cut in tables, beside numbers that must be seen.
LONGEST = 28

#: What the signs of an alignment are called.
NAMES = {"C": "correct", "S": "substitution", "D": "deletion", "I": "insertion"}

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")

#: Hebrew, Arabic and their neighbours; the page's script has the same ranges.
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")


def escaped(text: object) -> str:
    """Return text for HTML, in an attribute too; control characters become U+FFFD."""
    return _CONTROL.sub("\ufffd", escape(str(text), quote=True))


def language(dataset: str | None) -> str:
    """Return the language tag of a corpus's glosses, ``""`` where it is not known."""
    for start, tag in (("phoenix2014", "de"), ("csl-daily", "zh-Hans"), ("isharah", "ar")):
        if (dataset or "").startswith(start):
            return tag
    return ""


def direction(words: Iterable[str]) -> str:
    """Return ``"rtl"`` where one of the words is written from right to left, else ``"ltr"``."""
    return "rtl" if any(_RIGHT_TO_LEFT.search(word) for word in words) else "ltr"


def gloss(word: str, tag: str = "", longest: int | None = None) -> str:
    """Return a gloss, isolated so that its direction cannot reorder what stands around it.

    One of more than `longest` characters is cut in its middle, and whole where the pointer
    rests on it.
    """
    named = f' lang="{tag}"' if tag else ""
    if longest is None or len(word) <= longest:
        return f"<bdi{named}>{escaped(word)}</bdi>"
    return f'<bdi{named} title="{escaped(word)}">{escaped(shortened(word, longest))}</bdi>'


def sentence(words: Sequence[str], tag: str = "") -> str:
    """Return glosses side by side in the direction they are written in."""
    inside = " ".join(gloss(word, tag) for word in words)
    return f'<bdi dir="{direction(words)}">{inside}</bdi>'


def percent(value: float | None, signed: bool = False) -> str:
    """Return a percentage with two decimals, a dash where there is none."""
    if value is None or value != value:
        return "–"
    return f"{value:+.2f}" if signed else f"{value:.2f}"


def filter_button(inside: str, title: str, **what: object) -> str:
    """Return a button that shows the segments that `what` describes.

    Without JavaScript it is its text.
    """
    rule = escaped(json.dumps(what, ensure_ascii=False))
    return (
        f'<button type="button" class="f" data-f="{rule}" title="{escaped(title)}">'
        f"{inside}</button>"
    )


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str = "",
    texts: int = 1,
    css: str = "",
    sortable: bool = True,
) -> str:
    """Return a table.

    Parameters
    ----------
    headings : sequence of str
        HTML, one a column.
    rows : iterable of sequences of str
        HTML of the cells; the first is the row's heading.
    caption : str
        HTML.
    texts : int
        How many columns, from the first, hold text; the others hold numbers.
    css : str
        Class of the table.
    sortable : bool
        Whether a click on a heading sorts, where there is JavaScript.
    """

    def kind(place: int) -> str:
        return ' class="t"' if place < texts else ""

    head = "".join(
        f'<th scope="col"{kind(place)}>{heading}</th>' for place, heading in enumerate(headings)
    )
    body = "".join(
        "<tr>"
        + f'<th scope="row" class="t">{row[0]}</th>'
        + "".join(f"<td{kind(place)}>{cell}</td>" for place, cell in enumerate(row[1:], 1))
        + "</tr>"
        for row in rows
    )
    sort = " data-sort" if sortable else ""
    label = f"<caption>{caption}</caption>" if caption else ""
    return (
        f'<div class="wide"><table class="{css}"{sort}>{label}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def bar(group: Group, highest: float, interval: tuple[float, float] | None = None) -> str:
    """Return the S, D and I of a group as one bar, `highest` percent long at full length."""
    if not group.reference_words or not highest:
        return ""
    left = 0.0
    parts = []
    for op, count in (("S", group.substitutions), ("D", group.deletions), ("I", group.insertions)):
        length = 100 * group.rate(count) / highest
        if count:
            parts.append(
                f'<rect class="{op}" x="{left:.2f}" y="2" width="{length:.2f}" height="10"/>'
            )
        left += length
    if interval is not None:
        low, high = (100 * min(value, highest) / highest for value in interval)
        parts.append(
            f'<path class="ci" d="M{low:.2f} 7H{high:.2f}M{low:.2f} 4V10M{high:.2f} 4V10"/>'
        )
    return (
        '<svg class="bar" viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


class Column(NamedTuple):
    """One column of an alignment.

    Attributes
    ----------
    reference : str
        ``""`` for an insertion.
    said : tuple of (str, str)
        Word and op of each system; op ``""`` where a system has nothing to say here.
    """

    reference: str
    said: tuple[tuple[str, str], ...]


def columns(*systems: AlignedSegment) -> list[Column]:
    """Set the alignments of one segment side by side on its reference.

    Insertions in front of the same reference word share a column.
    """
    reference = systems[0].reference
    inserted: list[list[list[str]]] = [[[] for _ in range(len(reference) + 1)] for _ in systems]
    at: list[list[tuple[str, str]]] = [[] for _ in systems]
    for number, segment in enumerate(systems):
        for op, _, word in segment.pairs():
            if op == "I":
                inserted[number][len(at[number])].append(word)
            else:
                at[number].append((word, op))
    out = []
    for place in range(len(reference) + 1):
        extra = [mine[place] for mine in inserted]
        for index in range(max(map(len, extra))):
            out.append(
                Column(
                    "",
                    tuple((mine[index], "I") if index < len(mine) else ("", "") for mine in extra),
                )
            )
        if place < len(reference):
            out.append(Column(reference[place], tuple(mine[place] for mine in at)))
    return out


def alignment(names: Sequence[str], *systems: AlignedSegment, tag: str = "") -> str:
    """Return a segment with its alignments: REF over HYP in columns, errors named."""
    words = [*systems[0].reference, *(word for mine in systems for word in mine.hypothesis)]
    labels = "".join(f'<span class="h">{escaped(name)}</span>' for name in names)
    items = [f'<li class="label"><span class="r">REF</span>{labels}</li>']
    for column in columns(*systems):
        shown = gloss(column.reference, tag) if column.reference else "–"
        cells = [f'<span class="r">{shown}</span>']
        for word, op in column.said:
            sign = "" if op in ("", "C") else f'<b title="{NAMES[op]}">{op}</b>'
            shown = gloss(word, tag) if word else "–" if op else ""
            cells.append(f'<span class="h {op}">{sign}{shown}</span>')
        items.append(f"<li>{''.join(cells)}</li>")
    return f'<ol class="al" dir="{direction(words)}">{"".join(items)}</ol>'
