"""Alignments for people to read, sentence by sentence: what was signed above what was recognised.

::

    3  t-3  (Ben)  2 of 5
       REF:  WIND  STARK  KOMMEN  *****  KALT
       HYP:  WIND  *****  KOMMEN  ABEND  WARM
                   D              I      S

Stars mark a missing word. Each column is as wide, in terminal cells, as its wider word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from slaeval.console import isolated, width
from slaeval.scoring.segments import AlignedSegment

__all__ = ["alignment_lines"]

_INDENT = "   "
_BETWEEN = "  "


def alignment_lines(
    segments: Iterable[AlignedSegment], *, correct: bool = False, columns: int = 100
) -> Iterator[str]:
    """Yield the lines of aligned segments.

    Parameters
    ----------
    segments : iterable of AlignedSegment
        What was scored.
    correct : bool
        Also show segments without errors.
    columns : int
        Width in cells at which the words continue on three new lines.

    Yields
    ------
    str
        Lines without line ends, an empty one after each segment. A segment's heading gives its
        number in the score, id, signer, and errors out of reference words.
    """
    for number, segment in enumerate(segments, 1):
        if not segment.errors and not correct:
            continue
        signer = f"  ({segment.signer})" if segment.signer else ""
        yield f"{number}  {segment.id}{signer}  {segment.errors} of {len(segment.reference)}"
        yield from _rows(segment, columns)
        yield ""


def _rows(segment: AlignedSegment, columns: int) -> Iterator[str]:
    heads = (f"{_INDENT}REF:", f"{_INDENT}HYP:", f"{_INDENT}    ")
    rows: list[list[str]] = [[], [], []]
    used = len(heads[0])
    for op, reference, hypothesis in segment.pairs():
        cells = max(width(reference), width(hypothesis))
        if rows[0] and used + len(_BETWEEN) + cells > columns:
            yield from _joined(heads, rows)
            rows, used = [[], [], []], len(heads[0])
        used += len(_BETWEEN) + cells
        for row, word in zip(
            rows, (reference or "*" * cells, hypothesis or "*" * cells), strict=False
        ):
            row.append(isolated(word) + " " * (cells - width(word)))
        rows[2].append(("" if op == "C" else op) + " " * (cells - (op != "C")))
    yield from _joined(heads, rows)


def _joined(heads: Iterable[str], rows: Iterable[list[str]]) -> Iterator[str]:
    for head, row in zip(heads, rows, strict=True):
        yield _BETWEEN.join([head, *row]).rstrip()
