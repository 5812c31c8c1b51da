"""Two or more systems on the same references."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast, overload

from slaeval.errors import UsageError
from slaeval.scoring.score import Score, finite
from slaeval.scoring.significance import (
    MatchedPairs,
    holm,
    mapsswe,
    paired_bootstrap,
    permutation,
)

if TYPE_CHECKING:
    import pandas as pd

    from slaeval.evaluation.text.compare import TextComparison, TextPair
    from slaeval.scoring.segments import AlignedSegment
    from slaeval.scoring.text.score import TextScore, TextSegment

__all__ = ["Comparison", "Pair", "SegmentDifference", "compare", "differing", "verdict"]

_Score = TypeVar("_Score", bound="Score | TextScore")
_Pair = TypeVar("_Pair", bound="Pair | TextPair")


class SegmentDifference(NamedTuple):
    """A segment in which two systems differ.

    Attributes
    ----------
    id, signer : str
        Name and signer of the segment.
    first, second : float
        Errors of each system; for translations the sentence BLEU.
    reference, first_hypothesis, second_hypothesis : str
        As compared, after the protocol's cleanup.
    """

    id: str
    signer: str
    first: float
    second: float
    reference: str
    first_hypothesis: str
    second_hypothesis: str


def differing(
    one: Sequence[AlignedSegment | TextSegment],
    other: Sequence[AlignedSegment | TextSegment],
    first: Sequence[float],
    second: Sequence[float],
) -> list[SegmentDifference]:
    """Return the segments in which two systems differ, the largest difference first.

    Parameters
    ----------
    one, other : sequence of AlignedSegment or TextSegment
        The segments of each system, on the same references.
    first, second : sequence of float
        The figure of each segment, in the same order.
    """
    rows = [
        SegmentDifference(
            segment.id,
            segment.signer,
            a,
            b,
            _sentence(segment.reference),
            _sentence(segment.hypothesis),
            _sentence(change.hypothesis),
        )
        for segment, change, a, b in zip(one, other, first, second, strict=True)
        if a != b
    ]
    return sorted(rows, key=lambda row: (-abs(row.first - row.second), row.id))


def _sentence(words: str | Sequence[str]) -> str:
    return words if isinstance(words, str) else " ".join(words)


def verdict(first: str, second: str, gain: float, unit: str, tests: Mapping[str, float]) -> str:
    """Say in words whether a difference is significant at 5 %, and by which test.

    Parameters
    ----------
    first, second : str
        Names of the systems.
    gain : float
        By how much the second is better; negative if the first is.
    unit : str
        Unit of the gain: ``"points"``.
    tests : mapping
        The p-value of each of the two tests by name.
    """
    better, worse = (second, first) if gain > 0 else (first, second)
    passed = [name for name, p in tests.items() if p < 0.05]
    if len(passed) == 2:
        how = "significant at 5 % by both tests"
    elif passed:
        how = f"significant at 5 % by the {passed[0]} test only"
    else:
        how = "not significant at 5 % by either test"
    return f"{better} is {abs(gain):.2f} {unit} better than {worse}: {how}"


@dataclass(frozen=True)
class Pair:
    """One system against another.

    Attributes
    ----------
    first, second : str
        Names of the systems.
    difference : float
        WER of the second minus that of the first, in percentage points: negative if the second
        is better.
    interval : tuple of float or None
        95 % paired bootstrap interval of the difference.
    matched_pairs : MatchedPairs
        The test of ``sc_stats``.
    matched_pairs_p, permutation_p : float
        p-values, adjusted (Holm) where more than two systems are compared.
    won, lost, tied : int
        Segments in which the first has fewer, more, equally many errors.
    by_signer : dict
        (first WER, second WER) in percent by signer.
    segments : list of SegmentDifference
        Where they differ, largest difference first.
    """

    first: str
    second: str
    difference: float
    interval: tuple[float, float] | None
    matched_pairs: MatchedPairs
    matched_pairs_p: float
    permutation_p: float
    won: int
    lost: int
    tied: int
    by_signer: dict[str, tuple[float, float]]
    segments: list[SegmentDifference]

    def __repr__(self) -> str:
        return f"<Pair {self.verdict}>"

    @property
    def verdict(self) -> str:
        """Say in words whether the difference is significant at 5 %, and by which test."""
        if self.difference != self.difference:
            return f"{self.first} and {self.second} have no WER: there are no reference words"
        if not self.difference:
            return f"{self.first} and {self.second} have the same WER"
        tests = {"matched pairs": self.matched_pairs_p, "permutation": self.permutation_p}
        return verdict(self.first, self.second, -self.difference, "points", tests)


class BaseComparison(ABC, Generic[_Score, _Pair]):
    """What comparisons of glosses and of translations share."""

    names: tuple[str, ...]
    scores: tuple[_Score, ...]
    pairs: list[_Pair]

    @abstractmethod
    def _columns(self) -> dict[str, list[Any]]:
        """Return the columns of :meth:`to_pandas` that follow the signer."""

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with one row per segment and a column for every system.

        A system's column has its errors or, for translations, its sentence BLEU.
        """
        import pandas as pd

        segments = self.scores[0].segments
        who = {"id": [one.id for one in segments], "signer": [one.signer for one in segments]}
        return pd.DataFrame({**who, **self._columns()})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(self.names)}: {len(self.pairs)} pairs>"

    def __str__(self) -> str:
        lines = [f"{name}: {score}" for name, score in zip(self.names, self.scores, strict=True)]
        return "\n".join([*lines, *(pair.verdict for pair in self.pairs)])


@dataclass(frozen=True, repr=False)
class Comparison(BaseComparison[Score, Pair]):
    """Systems side by side.

    Attributes
    ----------
    names : tuple of str
        Names of the systems, in the order given.
    scores : tuple of Score
        Their scores.
    pairs : list of Pair
        Every system against every other one.
    """

    names: tuple[str, ...]
    scores: tuple[Score, ...]
    pairs: list[Pair]

    def to_dict(self, segments: int = 10) -> dict[str, Any]:
        """Return what ``--json`` prints, with up to `segments` segments per pair."""
        return {
            "systems": [
                {
                    "name": name,
                    **score.total.to_dict(),
                    "wer_ci": list(score.wer_ci) if score.wer_ci else None,
                    "signature": score.signature,
                }
                for name, score in zip(self.names, self.scores, strict=True)
            ],
            "pairs": [
                {
                    "first": pair.first,
                    "second": pair.second,
                    "difference": finite(pair.difference),
                    "difference_is": "second - first",
                    "difference_ci": list(pair.interval) if pair.interval else None,
                    "mapsswe": pair.matched_pairs._asdict(),
                    "mapsswe_p": pair.matched_pairs_p,
                    "permutation_p": pair.permutation_p,
                    "segments_won": pair.won,
                    "segments_lost": pair.lost,
                    "segments_tied": pair.tied,
                    "by_signer": {
                        name: [finite(wer) for wer in wers] for name, wers in pair.by_signer.items()
                    },
                    "verdict": pair.verdict,
                    "segments": [segment._asdict() for segment in pair.segments[:segments]],
                }
                for pair in self.pairs
            ],
        }

    def _columns(self) -> dict[str, list[Any]]:
        systems = zip(self.names, self.scores, strict=True)
        return {
            "reference_words": [len(segment.reference) for segment in self.scores[0].segments],
            **{name: [segment.errors for segment in score.segments] for name, score in systems},
        }


@overload
def compare(
    *scores: Score,
    names: Sequence[str] | None = ...,
    resamples: int | None = ...,
    seed: int = ...,
    against_first: bool = ...,
) -> Comparison: ...


@overload
def compare(
    *scores: TextScore, names: Sequence[str] | None = ..., resamples: int | None = ...
) -> TextComparison: ...


def compare(
    *scores: Score | TextScore,
    names: Sequence[str] | None = None,
    resamples: int | None = None,
    seed: int = 0,
    against_first: bool = False,
) -> Comparison | TextComparison:
    """Compare systems.

    Parameters
    ----------
    *scores : Score or TextScore
        Two or more, over the same references under the same protocol.
    names : sequence of str, optional
        Names of the systems; by default ``"A"``, ``"B"``, …
    resamples : int, optional
        Resamples of the paired bootstrap: 10,000, for translations sacrebleu's 1000.
    seed : int
        Random seed of the resamples; for translations sacrebleu's (``SACREBLEU_SEED``).
    against_first : bool
        Only the pairs with the first system; p-values are adjusted over those alone. Always so
        for translations.

    Returns
    -------
    Comparison or TextComparison
        Every pair of systems, with tests; for translations the first against every other one.

    Raises
    ------
    UsageError
        Fewer than two scores, or scores that cannot be compared.

    Examples
    --------
    >>> references = {"a": "HEUTE NORD REGEN", "b": "MORGEN SONNE"}
    >>> one = slaeval.score(references, {"a": "HEUTE REGEN", "b": "MORGEN SONNE"})
    >>> other = slaeval.score(references, references)
    >>> pair = slaeval.compare(one, other).pairs[0]
    >>> pair.won, pair.lost, pair.tied
    (0, 1, 1)
    """
    if len(scores) < 2:
        raise UsageError("a comparison needs at least two systems")
    called = tuple(names) if names is not None else tuple(map(_letter, range(len(scores))))
    if len(called) != len(scores) or len(set(called)) != len(called):
        raise UsageError("names of systems must be unique")
    first = scores[0]
    for name, other in zip(called[1:], scores[1:], strict=True):
        if other.protocol != first.protocol:
            raise UsageError(
                f"{called[0]} is scored under {first.protocol}, {name} under {other.protocol}: "
                "not comparable"
            )
        if [(s.id, s.reference) for s in other.segments] != [
            (s.id, s.reference) for s in first.segments
        ]:
            raise UsageError(f"{called[0]} and {name} are scored on different references")
    if not isinstance(first, Score):
        from slaeval.evaluation.text.compare import compare_texts

        return compare_texts(cast("Sequence[TextScore]", scores), called, resamples or 0)
    samples = 10_000 if resamples is None else resamples
    return _compared(called, cast("tuple[Score, ...]", scores), samples, seed, against_first)


def _compared(
    called: tuple[str, ...],
    scores: tuple[Score, ...],
    resamples: int,
    seed: int,
    against_first: bool,
) -> Comparison:
    """Test comparable systems, pair by pair."""
    systems = [_Counted.of(name, score) for name, score in zip(called, scores, strict=True)]
    matches = list(combinations(range(len(systems)), 2))
    if against_first:
        matches = matches[: len(systems) - 1]
    intervals: Sequence[tuple[float, float] | None] = [None] * len(matches)
    if resamples:
        errors = [system.errors for system in systems]
        swapped = [(j, i) for i, j in matches]  # each minus the one before it
        intervals = paired_bootstrap(errors, systems[0].words, swapped, resamples, seed)
    pairs = [
        _pair(systems[i], systems[j], interval)
        for (i, j), interval in zip(matches, intervals, strict=True)
    ]
    matched = holm([pair.matched_pairs_p for pair in pairs])
    permuted = holm([pair.permutation_p for pair in pairs])
    return Comparison(
        called,
        scores,
        [
            Pair(**{**pair.__dict__, "matched_pairs_p": one, "permutation_p": other})
            for pair, one, other in zip(pairs, matched, permuted, strict=True)
        ],
    )


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"system {index + 1}"


class _Counted(NamedTuple):
    """What every pair needs of a system."""

    name: str
    score: Score
    errors: list[int]
    words: list[int]
    paths: list[str]
    signers: dict[str, float]

    @classmethod
    def of(cls, name: str, score: Score) -> _Counted:
        """Count once."""
        errors, words = score.errors_and_words()
        paths = [segment.ops for segment in score.segments]
        return cls(name, score, errors, words, paths, {g.name: g.wer for g in score.by_signer})


def _pair(a: _Counted, b: _Counted, interval: tuple[float, float] | None) -> Pair:
    tested = mapsswe(a.paths, b.paths)
    won = sum(x < y for x, y in zip(a.errors, b.errors, strict=True))
    lost = sum(x > y for x, y in zip(a.errors, b.errors, strict=True))
    return Pair(
        a.name,
        b.name,
        b.score.wer - a.score.wer,
        interval,
        tested,
        tested.p,
        permutation(a.errors, b.errors),
        won,
        lost,
        len(a.words) - won - lost,
        {name: (wer, b.signers[name]) for name, wer in a.signers.items()},
        differing(a.score.segments, b.score.segments, a.errors, b.errors),
    )
