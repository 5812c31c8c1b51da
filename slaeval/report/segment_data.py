"""Every segment of a report as one compact JSON object, for the page's list.

Words are numbered; alignments are the op strings of the score with word numbers beside them,
flat and in order, so that 10,000 segments take about 2 MB and parse in a few milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slaeval.analysis.attribution import FREQUENCIES, frequency_class
from slaeval.report.findings import PARTS
from slaeval.scoring.protocols import Protocol, protocol

if TYPE_CHECKING:
    from slaeval.report.findings import ReportData

__all__ = ["as_script", "places", "segment_data"]


def segment_data(found: ReportData) -> dict[str, Any]:
    """Return the data for the page's list.

    Returns
    -------
    dict
        ``words``: distinct words; ``ids``, ``ops``: one per segment; ``signers`` and ``signer``:
        distinct signers and an index per segment; ``ref``, ``hyp``: word numbers of all
        segments, one after another; ``classes``: a class of training frequency per word, or
        None; ``other``: ``ops`` and ``hyp`` of the system compared with, or None;
        ``frames``: ``confidence`` (percent) and ``spans`` (start, end) beside ``hyp``, -1
        where unknown, or None; ``pictures``: JPEGs beside the hypothesis by segment number.
    """
    segments = found.score.segments
    rules = protocol(found.score.protocol)
    numbers: dict[str, int] = {}

    def flat(sentences: Sequence[Sequence[str]]) -> list[int]:
        return [numbers.setdefault(word, len(numbers)) for words in sentences for word in words]

    signers = sorted({segment.signer or "unknown" for segment in segments})
    places_of = {name: number for number, name in enumerate(signers)}
    data: dict[str, Any] = {
        "parts": PARTS,
        "fold": rules.fold,
        "ids": [segment.id for segment in segments],
        "signers": signers,
        "signer": [places_of[segment.signer or "unknown"] for segment in segments],
        "ops": [segment.ops for segment in segments],
        "ref": flat([segment.reference for segment in segments]),
        "hyp": flat([segment.hypothesis for segment in segments]),
        "other": None,
        "frames": None,
        "pictures": {},
        "frequencies": [name for _, name in FREQUENCIES],
        "classes": None,
    }
    if found.comparison is not None:
        others = found.comparison.scores[1].segments
        data["other"] = {
            "ops": [segment.ops for segment in others],
            "hyp": flat([segment.hypothesis for segment in others]),
        }
    if found.alignments and not rules.swapped:
        data |= _frames(found, rules)
    data["words"] = list(numbers)
    if found.frequencies:
        data["classes"] = [
            data["frequencies"].index(frequency_class(found.frequencies.get(word, 0)))
            for word in numbers
        ]
    return data


def _frames(found: ReportData, rules: Protocol) -> dict[str, Any]:
    """Match the frames, confidences and pictures of recognised glosses to scored words."""
    confidence: list[int] = []
    spans: list[int] = []
    pictures = {}
    for number, segment in enumerate(found.score.segments):
        alignment = found.alignments.get(segment.id)
        raw = alignment.glosses if alignment is not None else []
        found_at = places(raw, segment.hypothesis, rules)
        strips = found.thumbnails.pictures.get(segment.id)
        for place in found_at:
            if alignment is None or place is None or not alignment.spans:
                confidence.append(-1)
                spans += (-1, -1)
            else:
                confidence.append(round(100 * alignment.confidences[place]))
                spans += alignment.spans[place]
        if strips:
            pictures[str(number)] = ["" if p is None else strips[p] for p in found_at]
    return {"frames": {"confidence": confidence, "spans": spans}, "pictures": pictures}


def places(raw: Sequence[str], scored: Sequence[str], rules: Protocol) -> list[int | None]:
    """Find the recognised gloss from which each scored word was made.

    A protocol changes, drops and merges glosses but keeps their order; a scored word made from
    several glosses belongs to the first, one made from none (``[EMPTY]``) to None.
    """
    found: list[int | None] = []
    at = 0
    for word in scored:
        place = next(
            (
                index
                for index in range(at, len(raw))
                if raw[index] == word or rules.hypothesis.word(raw[index]) == word
            ),
            None,
        )
        found.append(place)
        at = at if place is None else place + 1
    return found


def as_script(data: object) -> str:
    """Return JSON that is safe inside a ``<script>`` element, whatever the words contain."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # In JSON these characters occur only in strings, where an escape means the same.
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
