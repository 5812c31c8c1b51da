"""The score of a system: counts, rates, every alignment, and what the number means.

Conventions
-----------
WER = (S + D + I) / reference words, in percent. Rates of S, D and I are over the reference
words too. A segment is in error if its path has anything but ``C``. Without reference words
the WER is ``nan``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from slaeval.errors import UsageError, nearest
from slaeval.formats.sentences import lengths, vocabulary
from slaeval.scoring.segments import AlignedSegment, AlignedSegments

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "GROUPINGS",
    "Confusion",
    "Counts",
    "Score",
    "finite",
    "length_range",
    "percent",
    "range_name",
]

#: What :meth:`Score.by` can group segments by.
GROUPINGS = ("signer", "length", "sentence")

_LENGTHS = ((0, 0), (1, 3), (4, 6), (7, 9), (10, 12), (13, 16), (17, 24), (25, None))


class Confusion(NamedTuple):
    """A reference word recognised as another one.

    Attributes
    ----------
    reference, hypothesis : str
        The two words; ``""`` on one side for an insertion or a deletion.
    count : int
        How often it happened.
    """

    reference: str
    hypothesis: str
    count: int  # type: ignore[assignment]  # a tuple has a method of this name


@dataclass(frozen=True)
class Counts:
    """Counts over some segments.

    Attributes
    ----------
    name : str
        What the segments share: a signer, a range of lengths, a sentence.
    segments, segment_errors : int
        How many segments, and how many with at least one error.
    correct, substitutions, deletions, insertions : int
        Words.
    """

    name: str
    segments: int
    segment_errors: int
    correct: int
    substitutions: int
    deletions: int
    insertions: int

    @classmethod
    def of(cls, name: str, paths: Sequence[str]) -> Counts:
        """Count over segments with these alignment paths."""
        path = "".join(paths)
        correct = path.count("C")
        return cls(
            name,
            len(paths),
            sum(map(bool, map(str.strip, paths, repeat("C")))),
            correct,
            substitutions := path.count("S"),
            deletions := path.count("D"),
            len(path) - correct - substitutions - deletions,
        )

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_words(self) -> int:
        """Words of the references."""
        return self.correct + self.substitutions + self.deletions

    @property
    def hypothesis_words(self) -> int:
        """Words of the hypotheses."""
        return self.correct + self.substitutions + self.insertions

    @property
    def wer(self) -> float:
        """Word error rate in percent, unrounded; nan without reference words."""
        return self.rate(self.errors)

    def rate(self, count: int) -> float:
        """Return `count` in percent of the reference words."""
        words = self.reference_words
        return 100 * count / words if words else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and the WER, ready for JSON."""
        return {
            "wer": finite(self.wer),
            "substitutions": self.substitutions,
            "deletions": self.deletions,
            "insertions": self.insertions,
            "correct": self.correct,
            "reference_words": self.reference_words,
            "hypothesis_words": self.hypothesis_words,
            "segments": self.segments,
            "segment_errors": self.segment_errors,
        }


@dataclass(frozen=True)
class Score:
    """A scored system.

    Attributes
    ----------
    segments : sequence of AlignedSegment
        One per reference, in the order of the references.
    protocol : str
        Name of the protocol, ``"rwth-2014"`` for official.
    dataset, split : str or None
        What the references are, where known; the dataset with its setup.
    signature : str
        One line with everything needed to reproduce the number.
    warnings : tuple of str
        What a reader of the number should know about this hypothesis.
    bootstrap : int
        Resamples for the interval; 0 for the linearised estimator.
    bleu : dict
        BLEU and chrF over glosses with sacrebleu's signatures, if requested.
    floor : Counts or None
        What a perfect transcript scores under this protocol, if computed.
    other_readings : tuple of Score
        The same file under another protocol that readers may mistake for the official one.
    """

    segments: Sequence[AlignedSegment]
    protocol: str
    dataset: str | None = None
    split: str | None = None
    signature: str = ""
    warnings: tuple[str, ...] = ()
    bootstrap: int = 0
    bleu: dict[str, Any] = field(default_factory=dict)
    floor: Counts | None = None
    other_readings: tuple[Score, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.segments, AlignedSegments):
            object.__setattr__(self, "segments", AlignedSegments.of(self.segments))

    @property
    def _columns(self) -> AlignedSegments:
        return self.segments  # type: ignore[return-value]  # see __post_init__

    @cached_property
    def total(self) -> Counts:
        """Counts over all segments."""
        return Counts.of("all", self._columns.paths)

    @property
    def wer(self) -> float:
        """Word error rate in percent, unrounded; nan without reference words."""
        return self.total.wer

    @property
    def correct(self) -> int:
        """Words recognised."""
        return self.total.correct

    @property
    def substitutions(self) -> int:
        """Words recognised as another word."""
        return self.total.substitutions

    @property
    def deletions(self) -> int:
        """Reference words without a counterpart."""
        return self.total.deletions

    @property
    def insertions(self) -> int:
        """Hypothesis words without a counterpart."""
        return self.total.insertions

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.total.errors

    @property
    def reference_words(self) -> int:
        """Words of all references, as the protocol counts them."""
        return self.total.reference_words

    @property
    def hypothesis_words(self) -> int:
        """Words of all hypotheses, as the protocol counts them."""
        return self.total.hypothesis_words

    @property
    def segment_errors(self) -> int:
        """Segments with at least one error."""
        return self.total.segment_errors

    @property
    def wer_ci(self) -> tuple[float, float] | None:
        """95 % interval of the WER in percent over segments; None where it is not meaningful.

        The linearised ratio estimator, or the percentile bootstrap if `bootstrap` gives a
        number of resamples.
        """
        from slaeval.scoring import intervals

        errors, words = self.errors_and_words()
        if self.bootstrap:
            return intervals.bootstrap(errors, words, self.bootstrap)
        return intervals.linearised(errors, words)

    def errors_and_words(self) -> tuple[list[int], list[int]]:
        """Return errors and reference words of every segment."""
        return (
            [len(path) - path.count("C") for path in self._columns.paths],
            lengths(self._columns.references),
        )

    def vocabularies(self) -> tuple[set[str], set[str]]:
        """Return the distinct words of references and hypotheses, as the protocol left them."""
        return vocabulary(self._columns.references), vocabulary(self._columns.hypotheses)

    def recognised(self) -> Counter[str]:
        """Return how often each word was recognised, as the protocol left it."""
        return Counter(chain.from_iterable(self._columns.hypotheses))

    def with_bootstrap(self, resamples: int) -> Score:
        """Return the same score with a bootstrap interval over `resamples` resamples."""
        return replace(self, bootstrap=resamples)

    def by(self, grouping: str) -> list[Counts]:
        """Count by group.

        Parameters
        ----------
        grouping : {"signer", "length", "sentence"}
            ``"length"``: ranges of reference words; ``"sentence"``: segments with the same
            reference.

        Raises
        ------
        UsageError
            Unknown grouping.
        """
        return [Counts.of(name, paths) for name, paths in self.paths_by(grouping).items()]

    def paths_by(self, grouping: str) -> dict[str, list[str]]:
        """Return the alignment paths of each group's segments, by group name; see :meth:`by`."""
        if grouping not in GROUPINGS:
            raise UsageError(
                f"cannot group by {grouping!r}{nearest(grouping, GROUPINGS)}; known: "
                + ", ".join(GROUPINGS)
            )
        keys: Iterable[Any]
        if grouping == "signer":
            keys = (signer or "unknown" for signer in self._columns.signers)
        elif grouping == "length":
            keys = map(length_range, lengths(self._columns.references))
        else:
            keys = map(" ".join, self._columns.references)
        groups: dict[Any, list[str]] = {}
        for key, path in zip(keys, self._columns.paths, strict=True):
            groups.setdefault(key, []).append(path)
        if grouping == "length":
            return {range_name(key): groups[key] for key in _LENGTHS if key in groups}
        return {key: groups[key] for key in sorted(groups)}

    @property
    def by_signer(self) -> list[Counts]:
        """Counts by signer, in the order of their names."""
        return self.by("signer")

    def confusions(self) -> list[Confusion]:
        """Return substitutions by frequency, most frequent first."""
        return list(self._steps["S"])

    def deleted(self) -> list[Confusion]:
        """Return deleted reference words by frequency."""
        return list(self._steps["D"])

    def inserted(self) -> list[Confusion]:
        """Return inserted hypothesis words by frequency."""
        return list(self._steps["I"])

    @cached_property
    def _steps(self) -> dict[str, list[Confusion]]:
        return {op: _by_frequency(pairs) for op, pairs in self._columns.errors().items()}

    def alignments(self, *, correct: bool = False, columns: int = 100) -> str:
        """Return the aligned words of every segment in error, as human-readable text.

        Parameters
        ----------
        correct : bool
            Also show segments without errors.
        columns : int
            Line width in cells.
        """
        from slaeval.scoring.alignment_text import alignment_lines

        return "\n".join(alignment_lines(self.segments, correct=correct, columns=columns))

    @property
    def cer(self) -> float:
        """Character error rate in percent, unrounded; nan without reference characters.

        Levenshtein distance of the segments' words joined by single blanks, over the characters
        of the references, blanks included: jiwer's ``cer``. The words are those the protocol
        compares, and letter case is treated as in the protocol.
        """
        from slaeval.scoring.characters import character_errors

        return character_errors(self)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        interval = self.wer_ci
        out = {
            **self.total.to_dict(),
            "wer_ci": None if interval is None else list(interval),
            "by_signer": {group.name: group.to_dict() for group in self.by_signer},
            "protocol": self.protocol,
            "dataset": self.dataset,
            "split": self.split,
            "signature": self.signature,
            "warnings": list(self.warnings),
        }
        if self.bleu:
            out["bleu"] = self.bleu
        if self.floor is not None:
            out["floor"] = self.floor.to_dict()
        if self.other_readings:
            out["other_readings"] = {
                other.protocol: {**other.total.to_dict(), "signature": other.signature}
                for other in self.other_readings
            }
        return out

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict per segment, the columns of :meth:`to_pandas`."""
        return [
            {
                "id": segment.id,
                "signer": segment.signer,
                "reference": " ".join(segment.reference),
                "hypothesis": " ".join(segment.hypothesis),
                "ops": segment.ops,
                "correct": segment.correct,
                "substitutions": segment.substitutions,
                "deletions": segment.deletions,
                "insertions": segment.insertions,
                "reference_words": len(segment.reference),
                "hypothesis_words": len(segment.hypothesis),
                "wer": 100 * segment.errors / len(segment.reference)
                if segment.reference
                else float("nan"),
            }
            for segment in self.segments
        ]

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with one row per segment.

        Columns: ``id, signer, reference, hypothesis, ops, correct, substitutions, deletions,
        insertions, reference_words, hypothesis_words, wer`` (percent).
        """
        import pandas as pd

        columns = [
            *("id", "signer", "reference", "hypothesis", "ops"),
            *("correct", "substitutions", "deletions", "insertions"),
            *("reference_words", "hypothesis_words", "wer"),
        ]
        return pd.DataFrame(self.rows(), columns=columns)

    def __str__(self) -> str:
        return "\n".join([self._line(), *(f"  warning: {message}" for message in self.warnings)])

    def _line(self) -> str:
        interval = self.wer_ci
        between = "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"
        return (
            f"WER {percent(self.wer, unit=' %')}{between}  S {self.substitutions}  "
            f"D {self.deletions}  I {self.insertions}  C {self.correct}  N {self.reference_words}  "
            f"({self.total.segments} segments)  {self.signature}"
        )

    def __repr__(self) -> str:
        return f"<Score {self._line()}>"

    def _repr_html_(self) -> str:
        from html import escape

        interval = self.wer_ci
        between = "" if interval is None else f" &nbsp; 95 % [{interval[0]:.2f}, {interval[1]:.2f}]"
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(group.name)}</th>"
            f"<td>{group.segments}</td><td>{group.reference_words}</td>"
            f"<td>{group.substitutions}</td><td>{group.deletions}</td>"
            f"<td>{group.insertions}</td><td>{percent(group.wer)}</td></tr>"
            for group in (*self.by_signer, self.total)
        )
        return (
            f"<div><strong>WER {percent(self.wer, unit=' %')}</strong>{between}"
            "<table><tr><th></th><th>segments</th><th>words</th><th>S</th><th>D</th><th>I</th>"
            f"<th>WER %</th></tr>{rows}</table><code>{escape(self.signature)}</code></div>"
        )


def _by_frequency(pairs: Mapping[tuple[str, str], int]) -> list[Confusion]:
    counts = sorted(pairs.items())
    counts.sort(key=itemgetter(1), reverse=True)
    return [Confusion(*pair, count) for pair, count in counts]


def finite(value: float) -> float | None:
    """Return a number that JSON can represent: None for nan."""
    return value if value == value else None


def percent(value: float, sign: str = "", unit: str = "") -> str:
    """Format a rate in percent: two decimals, ``"undefined"`` for nan.

    Parameters
    ----------
    value : float
        In percent, or a difference in points.
    sign : str
        ``"+"`` to show the sign of positive numbers too.
    unit : str
        What follows a number, such as ``" %"``.
    """
    return f"{value:{sign}.2f}{unit}" if value == value else "undefined"


def length_range(length: int) -> tuple[int, int | None]:
    """Return the range of reference lengths that contains `length`; None: no upper end."""
    return next(
        (low, high) for low, high in _LENGTHS if length >= low and (high is None or length <= high)
    )


def range_name(key: tuple[int, int | None], unit: str = "words") -> str:
    """Return a human-readable name for a range of lengths."""
    low, high = key
    if high is None:
        return f"{low} {unit} and more"
    return f"{low} {unit}" if low == high else f"{low}–{high} {unit}"


def __getattr__(name: str) -> Any:
    if name == "Group":
        import warnings

        warnings.warn(
            "slaeval.scoring.score.Group is now Counts; the old name goes in version 0.2",
            DeprecationWarning,
            stacklevel=2,
        )
        return Counts
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
