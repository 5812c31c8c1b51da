"""One hypothesis file under every protocol: how much of a number is due to the scoring script.

For each protocol: the score, its difference from official, what a perfect transcript would
score, how often each rule of its cleanup fired, and which segments change.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar, overload

from slaeval.errors import ScoreWarning, counted
from slaeval.evaluation.request import Request
from slaeval.evaluation.score import Evaluation
from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.sentences import lengths, named, sentences_of
from slaeval.scoring.protocols import OFFICIAL, Cleanup, Protocol, protocol, protocols
from slaeval.scoring.score import Counts, Score, finite, percent

if TYPE_CHECKING:
    import pandas as pd

    from slaeval.evaluation.references import Source
    from slaeval.evaluation.text.audit import TextAudit, TextAuditRow
    from slaeval.scoring.segments import AlignedSegment

__all__ = ["Audit", "AuditRow", "ChangedSegment", "audit", "audit_evaluation", "rule_counts"]

_Row = TypeVar("_Row", bound="AuditRow | TextAuditRow")


class ChangedSegment(NamedTuple):
    """A segment whose error count differs from the official one.

    Attributes
    ----------
    id : str
        Name of the segment.
    official, errors : int
        Errors under the official protocol and under this one.
    reference, hypothesis, ops : str
        What this protocol compared, and its alignment; the reference is the corpus's, even
        if the protocol exchanges the two.
    official_reference, official_hypothesis, official_ops : str
        The same under the official protocol.
    """

    id: str
    official: int
    errors: int
    reference: str
    hypothesis: str
    ops: str
    official_reference: str
    official_hypothesis: str
    official_ops: str


@dataclass(frozen=True)
class AuditRow:
    """One protocol's reading of the file.

    Attributes
    ----------
    protocol : Protocol
        The protocol.
    score : Score
        The score under it.
    difference : float
        Percentage points above official.
    floor : Counts
        What a perfect transcript scores.
    reference_rules, hypothesis_rules : dict
        Number of words or sentences that each rule changed on that side.
    moved : list of ChangedSegment
        Segments whose errors differ from official, largest difference first.
    """

    protocol: Protocol
    score: Score
    difference: float
    floor: Counts
    reference_rules: dict[str, int]
    hypothesis_rules: dict[str, int]
    moved: list[ChangedSegment]

    def __repr__(self) -> str:
        return (
            f"<AuditRow {self.protocol.name}: {percent(self.score.wer, unit=' %')} "
            f"({percent(self.difference, '+')}), "
            f"{counted(len(self.moved), 'changed segment')}>"
        )


class BaseAudit(ABC, Generic[_Row]):
    """What audits of glosses and of translations share."""

    rows: list[_Row]
    dataset: str | None
    split: str | None

    @staticmethod
    @abstractmethod
    def _headline(row: _Row) -> float:
        """Return the figure by which readings are compared; nan if there is none."""

    @staticmethod
    @abstractmethod
    def _columns(row: _Row) -> dict[str, Any]:
        """Return the columns of :meth:`to_pandas` after the protocol."""

    @property
    def spread(self) -> float:
        """Percentage points between the lowest and the highest; nan for fewer than two."""
        defined = [value for value in map(self._headline, self.rows) if value == value]
        return max(defined) - min(defined) if len(defined) > 1 else float("nan")

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with one row per protocol."""
        import pandas as pd

        return pd.DataFrame(
            {
                "protocol": row.protocol.name,
                **self._columns(row),
                "moved_segments": len(row.moved),
            }
            for row in self.rows
        )

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{row.protocol.name} {percent(self._headline(row), unit=' %')}" for row in self.rows
        )
        what = f"{self.dataset or 'own references'} {self.split or ''}"
        return f"<{type(self).__name__} {what}: {shown}>"

    def _repr_html_(self) -> str:
        return self.to_pandas().to_html(index=False, float_format=percent, na_rep="undefined")


@dataclass(frozen=True, repr=False)
class Audit(BaseAudit[AuditRow]):
    """A hypothesis under every protocol.

    Attributes
    ----------
    rows : list of AuditRow
        Official first.
    dataset, split : str or None
        What the references are.
    warnings : tuple of str
        As in a score.
    """

    rows: list[AuditRow]
    dataset: str | None
    split: str | None
    warnings: tuple[str, ...]

    def to_dict(self, moved: int = 10) -> dict[str, Any]:
        """Return what ``--json`` prints, with up to `moved` segments per protocol."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            "warnings": list(self.warnings),
            "protocols": {
                row.protocol.name: {
                    **row.score.total.to_dict(),
                    "difference": finite(row.difference),
                    "floor": finite(row.floor.wer),
                    "floor_errors": row.floor.errors,
                    "used_by": row.protocol.used_by,
                    "signature": row.score.signature,
                    "reference_rules": row.reference_rules,
                    "hypothesis_rules": row.hypothesis_rules,
                    "moved_segments": len(row.moved),
                    "moved": [segment._asdict() for segment in row.moved[:moved]],
                }
                for row in self.rows
            },
        }

    @staticmethod
    def _headline(row: AuditRow) -> float:
        return row.score.wer

    @staticmethod
    def _columns(row: AuditRow) -> dict[str, Any]:
        counts = row.score.total.to_dict()
        return {**counts, "difference": row.difference, "floor": row.floor.wer}


@overload
def audit(
    references: Source,
    hypotheses: Source,
    names: Sequence[str] | None = ...,
    *,
    level: Literal["glosses"] = ...,
    dataset: str | None = ...,
    split: str | None = ...,
    signers: Mapping[str, str] | None = ...,
) -> Audit: ...


@overload
def audit(
    references: Source,
    hypotheses: Source,
    names: Sequence[str] | None = ...,
    *,
    level: Literal["text"],
    dataset: str | None = ...,
    split: str | None = ...,
    signers: Mapping[str, str] | None = ...,
) -> TextAudit: ...


def audit(
    references: Source,
    hypotheses: Source,
    names: Sequence[str] | None = None,
    *,
    level: Literal["glosses", "text"] = "glosses",
    dataset: str | None = None,
    split: str | None = None,
    signers: Mapping[str, str] | None = None,
) -> Audit | TextAudit:
    """Score hypotheses under every protocol.

    Parameters
    ----------
    references, hypotheses, level, dataset, split, signers
        As for :func:`slaeval.score`.
    names : sequence of str, optional
        Protocols; all by default. Official always comes first.

    Returns
    -------
    Audit or TextAudit
        One row per protocol: score, floor, rules applied, segments that change.

    Raises
    ------
    InputError, UsageError
        As for :func:`slaeval.score`.

    Examples
    --------
    >>> audit = slaeval.audit({"a": "HEUTE NORD REGEN"}, {"a": "HEUTE loc-NORD"})
    >>> {row.protocol.name: round(row.score.wer, 1) for row in audit.rows[:3]}
    {'rwth-2014': 33.3, 'rwth-2014t': 33.3, 'vac-python': 33.3}
    >>> next(round(row.score.wer, 1) for row in audit.rows if row.protocol.name == "none")
    66.7
    """
    request = Request(dataset, split)
    if level == "text":
        from slaeval.evaluation.text.audit import audit_text
        from slaeval.evaluation.text.evaluation import TextEvaluation

        evaluation = TextEvaluation.of(references, hypotheses, request, signers)
        result: Audit | TextAudit = audit_text(evaluation, names)
    else:
        result = audit_evaluation(Evaluation.of(references, hypotheses, request, signers), names)
    for message in result.warnings:
        warnings.warn(message, ScoreWarning, stacklevel=2)
    return result


def audit_evaluation(evaluation: Evaluation, names: Sequence[str] | None = None) -> Audit:
    """Score an evaluation's hypotheses under every protocol.

    Parameters
    ----------
    evaluation : Evaluation
        What to score; existing scores are not recomputed.
    names : sequence of str, optional
        Protocols; all by default. Official always comes first.

    Raises
    ------
    InputError, UsageError
        As for :meth:`Evaluation.score`.
    """
    chosen = [protocol(name) for name in names] if names else protocols()
    official = protocol(OFFICIAL)
    base = evaluation.reading(official)
    references, hypotheses = evaluation.references, evaluation.hypotheses
    rows = []
    for rules in [official, *(other for other in chosen if other != official)]:
        scored = evaluation.reading(rules)
        rows.append(
            AuditRow(
                rules,
                scored,
                scored.wer - base.wer,
                evaluation.floor(rules),
                rule_counts(rules.reference, [one.words for one in references.references]),
                rule_counts(rules.hypothesis, sentences_of(hypotheses.words)),
                _moved(base, scored, rules),
            )
        )
    return Audit(rows, references.dataset, references.split, evaluation.notices(official))


def rule_counts(cleanup: Cleanup, segments: Sequence[list[str]]) -> dict[str, int]:
    """Count what each rule of a cleanup changes.

    Parameters
    ----------
    cleanup : Cleanup
        One side of a protocol.
    segments : sequence of lists of str
        The words of that side before the cleanup.

    Returns
    -------
    dict
        Rule name to the number of words (level ``"line"``) or sentences it changed; dropped
        words and merged repeats have separate names. Most frequent first.
    """
    counts: Counter[str] = Counter()
    if cleanup.level == "line":
        read = Hypotheses(named(list(map(str, range(len(segments)))), segments))
        for word, times in Counter(chain.from_iterable(segments)).items():
            for name in cleanup.trace(word):
                counts[name] += times
        apart = cleanup._replace(collapse="").hypotheses(read)
        merged = cleanup.hypotheses(read)
        counts["merge repeats"] = _words(apart) - _words(merged)
    elif cleanup.level != "none":
        touched = set(cleanup.touched(segments))
        for row, segment in enumerate(segments):
            after = segment
            if row in touched:
                counts.update(cleanup.trace_sentence(segment))
                after = cleanup.sentence_words(segment)
            if cleanup.collapse:
                counts["merge repeats"] += len(after) - sum(1 for _ in groupby(after))
    return {name: count for name, count in counts.most_common() if count}


def _words(cleaned: Mapping[str, list[str]]) -> int:
    return sum(lengths(sentences_of(cleaned)))


#: Deletions become insertions where reference and hypothesis are exchanged.
_EXCHANGED = str.maketrans("DI", "ID")


def _moved(base: Score, other: Score, rules: Protocol) -> list[ChangedSegment]:
    def compared(segment: AlignedSegment, swapped: bool) -> tuple[str, str, str]:
        sides = " ".join(segment.reference), " ".join(segment.hypothesis)
        if swapped:
            return sides[1], sides[0], segment.ops.translate(_EXCHANGED)
        return *sides, segment.ops

    moved = [
        ChangedSegment(
            after.id,
            before.errors,
            after.errors,
            *compared(after, rules.swapped),
            *compared(before, swapped=False),
        )
        for before, after in zip(base.segments, other.segments, strict=True)
        if before.errors != after.errors
    ]
    return sorted(moved, key=lambda row: (-abs(row.errors - row.official), row.id))
