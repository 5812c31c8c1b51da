"""Published results: what papers and their repositories report, each with its source.

The figures are in ``published.csv`` beside this module, one row per system, corpus and source.
Each was read at the address in its row, in November 2026:

*first hand*
    at the authors' own page: the repository of the paper, or its abstract;
*second hand*
    in someone else's table, named by the address.

Where sources contradict each other, or a source leaves something open, the note of the row says
so. Figures that could not be read anywhere are left out. Published figures have no segments, so
nothing can be paired with them, and they follow different protocols: ``protocol`` is what the
system's published code or configuration does, ``stated`` is what its source says about it.
"""

from __future__ import annotations

import csv
import functools
import os
from typing import NamedTuple

__all__ = ["PublishedResult", "published"]


class PublishedResult(NamedTuple):
    """One number of the literature.

    Attributes
    ----------
    system : str
        Method, with its variant.
    corpus, split : str
        What it was measured on.
    wer : float
        In percent, as printed.
    paper : str
        Authors, venue, year, arXiv number.
    source : str
        Address of the page where the number was read.
    protocol : str
        Which of our protocols the system's published code follows; ``""`` if unknown.
    setup : str
        Setup of the corpus (``SI``, ``US``); ``""`` if it has only one.
    modality : str
        What the system sees: ``RGB``, ``keypoints``, ``RGB and keypoints``.
    deletions, insertions : float or None
        In percent of the reference words, as printed; None if not printed.
    stated : str
        What the source says about how it was scored.
    first_hand : bool
        Whether the source is the authors' own page.
    note : str
        What contradicts the number, or is unclear about it; often ``""``.
    """

    system: str
    corpus: str
    split: str
    wer: float
    paper: str
    source: str
    protocol: str
    setup: str
    modality: str
    deletions: float | None
    insertions: float | None
    stated: str
    first_hand: bool
    note: str


def published(corpus: str, split: str = "test") -> list[PublishedResult]:
    """Return the published results on a split, lowest WER first.

    Parameters
    ----------
    corpus : str
        Canonical name; with a setup (``isharah1000/SI``) only the results on that.
    split : {"dev", "test"}
        Which split.

    Examples
    --------
    >>> results = slaeval.published("phoenix2014", "test")
    >>> {result.system: result.wer for result in results}["CorrNet ResNet18"]
    19.4
    """
    name, _, setup = corpus.partition("/")
    results = [
        row
        for row in _read()
        if (row.corpus, row.split) == (name, split) and setup in ("", row.setup)
    ]
    return sorted(results, key=lambda row: (row.wer, row.system, row.source))


@functools.cache
def _read() -> tuple[PublishedResult, ...]:
    path = os.path.join(os.path.dirname(__file__), "published.csv")
    with open(path, encoding="utf-8", newline="") as stream:
        return tuple(
            PublishedResult(
                row["system"],
                row["corpus"],
                split,
                float(row[split]),
                row["paper"],
                row["source"],
                row["protocol"],
                row["setup"],
                row["modality"],
                _number(row[f"{split}_deletions"]),
                _number(row[f"{split}_insertions"]),
                row["stated"],
                row["first_hand"] == "yes",
                row["note"],
            )
            for row in csv.DictReader(stream)
            for split in ("dev", "test")
            if row[split]
        )


def _number(text: str) -> float | None:
    return float(text) if text else None
