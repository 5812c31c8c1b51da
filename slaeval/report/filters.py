"""Functions that a report's templates call: numbers, directions, and shapes of its drawings.

Nothing here produces HTML.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from slaeval.analysis.confusions import confusion_table
from slaeval.analysis.fonts import shortened
from slaeval.errors import counted
from slaeval.evaluation.compare import SegmentDifference
from slaeval.evaluation.tables import p_value
from slaeval.loaders.registry import corpus_default
from slaeval.scoring.protocols import protocol
from slaeval.scoring.score import Confusion, Counts, Score
from slaeval.scoring.segments import AlignedSegment

__all__ = [
    "FILTERS",
    "LONGEST",
    "OPERATIONS",
    "Bar",
    "Column",
    "Example",
    "HeatMap",
    "bar",
    "columns",
    "direction",
    "examples",
    "heat_map",
    "highest",
    "language",
    "percent",
    "without_controls",
]

#: Longest gloss or signer, in characters, shown whole in tables, to keep the numbers in view.
LONGEST = 28

#: Names of the errors of an alignment.
OPERATIONS = {"S": "substitution", "D": "deletion", "I": "insertion"}

#: Most glosses in the heat map, and levels of shade.
_GLOSSES, _SHADES = 20, 8

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")

#: Hebrew, Arabic and their neighbours; the page's script has the same ranges.
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")


def without_controls(value: Any) -> Any:
    """Replace control characters with U+FFFD; applied to all output of the templates."""
    return type(value)(_CONTROL.sub("\ufffd", value)) if isinstance(value, str) else value


def language(dataset: str | None) -> str:
    """Return the language tag of a corpus's glosses, ``""`` if unknown."""
    from slaeval.loaders.registry import labelled

    described = labelled(dataset)
    return described.language if described is not None else ""


def direction(words: Iterable[str]) -> str:
    """Return ``"rtl"`` if one of the words is written from right to left, else ``"ltr"``."""
    return "rtl" if any(_RIGHT_TO_LEFT.search(word) for word in words) else "ltr"


def percent(value: float | None, signed: bool = False) -> str:
    """Return a percentage with two decimals, or a dash if there is none."""
    if value is None or value != value:
        return "–"
    return f"{value:+.2f}" if signed else f"{value:.2f}"


class _Part(NamedTuple):
    """A piece of a bar: sign of the error, start and length in percent."""

    op: str
    left: float
    length: float


class Bar(NamedTuple):
    """The S, D and I of a group as one bar.

    Attributes
    ----------
    parts : list of (str, float, float)
        Sign, start and length, in percent of the full length.
    interval : tuple of float or None
        The ends of the interval drawn over it.
    """

    parts: list[_Part]
    interval: tuple[float, float] | None


def bar(group: Counts, highest: float, interval: tuple[float, float] | None = None) -> Bar | None:
    """Return the bar of a group, `highest` percent long at full length; None for no bar."""
    if not group.reference_words or not highest:
        return None
    left = 0.0
    parts = []
    for op, count in (("S", group.substitutions), ("D", group.deletions), ("I", group.insertions)):
        length = 100 * group.rate(count) / highest
        if count:
            parts.append(_Part(op, left, length))
        left += length
    if interval is None:
        return Bar(parts, None)
    low, high = (100 * min(value, highest) / highest for value in interval)
    return Bar(parts, (low, high))


def highest(groups: Sequence[Any]) -> float:
    """Return the rate at which the bars of some groups have full length, in percent."""
    rated = [group for group in groups if group.reference_words]
    rates = [group.wer for group in rated]
    ends = [group.interval[1] if group.interval else group.wer for group in rated]
    # A tiny group with many errors must not shorten the bars of all others.
    limit = max(100.0, min(rates, default=0.0))
    return float(min(max(ends, default=0.0), 1.6 * max(rates, default=0.0), limit))


class Column(NamedTuple):
    """One column of an alignment.

    Attributes
    ----------
    reference : str
        ``""`` for an insertion.
    recognised : tuple of (str, str)
        Word and op of each system; op ``""`` where a system has nothing here.
    """

    reference: str
    recognised: tuple[tuple[str, str], ...]


def columns(systems: Sequence[AlignedSegment]) -> list[Column]:
    """Align the systems' alignments of one segment on its reference.

    Insertions before the same reference word share a column.
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
        extra = [words[place] for words in inserted]
        for index in range(max(map(len, extra))):
            out.append(
                Column(
                    "",
                    tuple(
                        (words[index], "I") if index < len(words) else ("", "") for words in extra
                    ),
                )
            )
        if place < len(reference):
            out.append(Column(reference[place], tuple(words[place] for words in at)))
    return out


def _words(segments: Sequence[AlignedSegment]) -> list[str]:
    """Return the words of one segment in its reference and all hypotheses."""
    return [*segments[0].reference, *(word for one in segments for word in one.hypothesis)]


def _segment(scores: Sequence[Score], name: str) -> list[AlignedSegment]:
    """Return each system's alignment of a segment."""
    place = next(n for n, segment in enumerate(scores[0].segments) if segment.id == name)
    return [score.segments[place] for score in scores]


class Example(NamedTuple):
    """The context of a confusion: the glosses around it."""

    id: str
    before: list[str]
    word: str
    after: list[str]

    @property
    def words(self) -> list[str]:
        """All glosses, in order."""
        return [*self.before, self.word, *self.after]


def examples(
    segments: Iterable[AlignedSegment], pairs: Sequence[Confusion]
) -> dict[tuple[str, str], Example]:
    """Return for each confusion the first segment where it occurs."""
    wanted = {(pair.reference, pair.hypothesis) for pair in pairs}
    found: dict[tuple[str, str], Example] = {}
    for segment in segments:
        if len(found) == len(wanted):
            break
        if "S" not in segment.ops:
            continue
        place = 0
        for op, reference, hypothesis in segment.pairs():
            key = (reference, hypothesis)
            if op == "S" and key in wanted and key not in found:
                words = segment.reference
                before, after = words[max(0, place - 2) : place], words[place + 1 : place + 3]
                found[key] = Example(segment.id, before, reference, after)
            place += op != "I"
    return found


class _Cell(NamedTuple):
    """How often a gloss was recognised as another; `shade` from 1 to 8."""

    gloss: str
    times: int
    shade: int


class _Row(NamedTuple):
    """What a signed gloss was recognised as."""

    gloss: str
    cells: list[_Cell]
    elsewhere: int
    deleted: int
    signed: int


class HeatMap(NamedTuple):
    """The most confused glosses, against each other.

    Attributes
    ----------
    across : list of str
        The glosses of the columns.
    rows : list
        The glosses signed. Whatever is not in the map is counted in `elsewhere` and `deleted`,
        so that each row adds up to how often the gloss was signed.
    """

    across: list[str]
    rows: list[_Row]


def heat_map(score: Score) -> HeatMap:
    """Return the heat map of a score's confusions.

    A cell's shade is its count relative to the highest confusion.
    """
    table = confusion_table(score, _GLOSSES)
    glosses, counts = table.glosses, table.counts
    places = range(len(glosses))
    signed = [
        sum(row) + other + gone
        for row, other, gone in zip(counts, table.elsewhere, table.deleted, strict=True)
    ]
    across = [place for place in places if any(row[place] for row in counts)]
    most = max((counts[r][c] for r in places for c in across if r != c), default=0)
    return HeatMap(
        [glosses[place] for place in across],
        [
            _Row(
                glosses[row],
                [
                    _Cell(glosses[place], count, max(1, round(_SHADES * count / max(1, most))))
                    for place in across
                    for count in (counts[row][place],)
                ],
                table.elsewhere[row],
                table.deleted[row],
                signed[row],
            )
            for row in places
            if signed[row]
        ],
    )


def _standing(word: str) -> str:
    """Return the orientation of a heading: Chinese upright, everything else rotated."""
    return "cjk" if any("\u2e80" <= character <= "\u9fff" for character in word) else "up"


def _won(segments: Iterable[SegmentDifference]) -> list[SegmentDifference]:
    return [row for row in segments if row.first < row.second]


def _lost(segments: Iterable[SegmentDifference]) -> list[SegmentDifference]:
    return [row for row in segments if row.first > row.second]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


#: The filters by their names in the templates.
FILTERS = {
    "bar": bar,
    "columns": columns,
    "corpus_default": corpus_default,
    "counted": counted,
    "direction": direction,
    "examples": examples,
    "hash": _hash,
    "heat_map": heat_map,
    "highest": highest,
    "json": _json,
    "lost": _lost,
    "p_value": p_value,
    "percent": percent,
    "protocol": protocol,
    "segment": _segment,
    "shortened": shortened,
    "standing": _standing,
    "won": _won,
    "words_of": _words,
}
