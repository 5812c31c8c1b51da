"""Two or more translation systems on the same references.

The tests are sacrebleu's, for BLEU-4 and chrF: paired bootstrap (Koehn, EMNLP 2004) and paired
approximate randomisation (Riezler and Maxwell, 2005), each system against the first. The interval
of a difference uses the same resamples as the intervals of the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from slaeval.evaluation.compare import BaseComparison, SegmentDifference, differing, verdict
from slaeval.scoring.significance import holm
from slaeval.scoring.text.figures import interval, paired_tests
from slaeval.scoring.text.score import TextScore

__all__ = ["TextComparison", "TextPair", "compare_texts"]

#: What is tested; sacrebleu has no ROUGE-L.
TESTED = {"bleu4": "BLEU-4", "chrf": "chrF2"}


@dataclass(frozen=True)
class TextPair:
    """A system against the first one.

    Attributes
    ----------
    first, second : str
        Names of the systems.
    differences : dict
        By key of the figure: the first system's minus the second's, in points.
    intervals : dict
        By key of the figure: the 95 % interval of its difference; empty for fewer than two
        segments.
    bootstrap_p, randomisation_p : dict
        p-values of each test for ``"bleu4"`` and ``"chrf"``, adjusted (Holm) if more than two
        systems are compared.
    won, lost, tied : int
        Sentences in which the first has the higher, the lower, the same sentence BLEU.
    segments : list of SegmentDifference
        Where they differ, largest difference first.
    """

    first: str
    second: str
    differences: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    bootstrap_p: dict[str, float]
    randomisation_p: dict[str, float]
    won: int
    lost: int
    tied: int
    segments: list[SegmentDifference]

    @property
    def verdict(self) -> str:
        """Say in words whether the difference in BLEU-4 is significant at 5 %."""
        points = self.differences["bleu4"]
        if not points:
            return f"{self.first} and {self.second} have the same BLEU-4"
        tests = {
            "paired bootstrap": self.bootstrap_p["bleu4"],
            "approximate randomisation": self.randomisation_p["bleu4"],
        }
        return verdict(self.first, self.second, -points, "points of BLEU-4", tests)


@dataclass(frozen=True, repr=False)
class TextComparison(BaseComparison[TextScore, TextPair]):
    """Systems side by side.

    Attributes
    ----------
    names : tuple of str
        Names of the systems, in the order given.
    scores : tuple of TextScore
        Their scores.
    pairs : list of TextPair
        The first system against every other one.
    signature : str
        sacrebleu's signatures of the tests.
    """

    names: tuple[str, ...]
    scores: tuple[TextScore, ...]
    pairs: list[TextPair]
    signature: str

    def to_dict(self, segments: int = 10) -> dict[str, Any]:
        """Return what ``--json`` prints, with up to `segments` sentences per pair."""
        return {
            "level": "text",
            "systems": [
                {"name": name, **score.to_dict()}
                for name, score in zip(self.names, self.scores, strict=True)
            ],
            "tests": self.signature,
            "pairs": [
                {
                    "first": pair.first,
                    "second": pair.second,
                    "differences": pair.differences,
                    "differences_ci": {key: list(ci) for key, ci in pair.intervals.items()},
                    "bootstrap_p": pair.bootstrap_p,
                    "randomisation_p": pair.randomisation_p,
                    "segments_won": pair.won,
                    "segments_lost": pair.lost,
                    "segments_tied": pair.tied,
                    "verdict": pair.verdict,
                    "segments": [segment._asdict() for segment in pair.segments[:segments]],
                }
                for pair in self.pairs
            ],
        }

    def _columns(self) -> dict[str, list[Any]]:
        systems = zip(self.names, self.scores, strict=True)
        return {
            "reference": [segment.reference for segment in self.scores[0].segments],
            **{name: score.sentence_bleu for name, score in systems},
        }


def compare_texts(
    scores: Sequence[TextScore], names: Sequence[str], resamples: int = 0
) -> TextComparison:
    """Compare translation systems with the first of them; see :func:`slaeval.compare`.

    Parameters
    ----------
    scores : sequence of TextScore
        Two or more that :func:`slaeval.compare` has found comparable.
    names : sequence of str
        Names of the systems.
    resamples : int
        Resamples of the paired bootstrap; 0 for sacrebleu's number.
    """
    first, *others = scores
    bootstrap, signature = paired_tests(scores, names, "bs", resamples)
    randomisation, other_signature = paired_tests(scores, names, "ar", 0)
    pairs = [
        _pair(names[0], name, first, other, bootstrap[name], randomisation[name])
        for name, other in zip(names[1:], others, strict=True)
    ]
    tests = f"{signature}; {other_signature}"
    return TextComparison(tuple(names), tuple(scores), _adjusted(pairs), tests)


def _pair(
    name: str,
    other_name: str,
    one: TextScore,
    other: TextScore,
    bootstrap_p: dict[str, float],
    randomisation_p: dict[str, float],
) -> TextPair:
    segments = differing(one.segments, other.segments, one.sentence_bleu, other.sentence_bleu)
    won = sum(row.first > row.second for row in segments)
    return TextPair(
        name,
        other_name,
        {key: one.figures[key].value - other.figures[key].value for key in one.figures},
        {
            key: interval([a - b for a, b in zip(one.drawn[key], other.drawn[key], strict=True)])
            for key in one.drawn
            if key in other.drawn
        },
        bootstrap_p,
        randomisation_p,
        won,
        len(segments) - won,
        len(one.segments) - len(segments),
        segments,
    )


def _adjusted(pairs: list[TextPair]) -> list[TextPair]:
    """Adjust p-values over the systems compared with the first (Holm)."""

    def adjusted(found: list[dict[str, float]]) -> list[dict[str, float]]:
        columns = [holm([p[key] for p in found]) for key in TESTED]
        return [dict(zip(TESTED, row, strict=True)) for row in zip(*columns, strict=True)]

    bootstrap = adjusted([pair.bootstrap_p for pair in pairs])
    randomisation = adjusted([pair.randomisation_p for pair in pairs])
    return [
        replace(pair, bootstrap_p=one, randomisation_p=other)
        for pair, one, other in zip(pairs, bootstrap, randomisation, strict=True)
    ]
