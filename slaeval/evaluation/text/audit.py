"""One file of translations under every text protocol: how much of a figure is due to the script.

For each protocol that is defined for the text: the figures, the difference in BLEU-4 from the
protocol of the corpus, how many sentences each rule changed, and which segments change. A figure
claimed in a paper can be checked against all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from slaeval.errors import UsageError, nearest
from slaeval.evaluation.audit import BaseAudit
from slaeval.evaluation.text.checks import stop_on_one_side
from slaeval.evaluation.text.evaluation import TextEvaluation
from slaeval.scoring.text.figures import ORDERS
from slaeval.scoring.text.protocols import (
    DEFAULT,
    TextCleanup,
    TextProtocol,
    text_protocols,
)
from slaeval.scoring.text.score import TextScore

__all__ = [
    "Claim",
    "MovedSegment",
    "TextAudit",
    "TextAuditRow",
    "audit_text",
    "check_figure",
    "parse_figure",
]

#: Keys of the figures that can be claimed.
FIGURES = (*(f"bleu{order}" for order in ORDERS), "chrf", "rouge", "wer")

#: Smaller changes of a sentence's BLEU are taken for rounding.
_UNMOVED = 0.005


class MovedSegment(NamedTuple):
    """A segment whose sentence BLEU differs from that under the corpus's protocol.

    Attributes
    ----------
    id : str
        Name of the segment.
    default, bleu : float
        Sentence BLEU under the protocol of the corpus and under this one.
    reference, hypothesis : str
        What this protocol compared.
    """

    id: str
    default: float
    bleu: float
    reference: str
    hypothesis: str


class Claim(NamedTuple):
    """A claimed figure checked against one protocol.

    Attributes
    ----------
    protocol, figure : str
        The protocol, and the key of the figure: ``"bleu4"``.
    claimed : str
        As written.
    value : float
        The file's figure.
    matches : bool
        Whether the value rounds to the claim, with its decimals.
    """

    protocol: str
    figure: str
    claimed: str
    value: float
    matches: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return self._asdict()


@dataclass(frozen=True)
class TextAuditRow:
    """One protocol's reading of the file.

    Attributes
    ----------
    protocol : TextProtocol
        The protocol.
    score : TextScore
        The score under it.
    difference : float
        Points of BLEU-4 above the protocol of the corpus.
    one_sided : bool
        Only one side ends in punctuation: not what a system made for this protocol would get.
    reference_rules, hypothesis_rules : dict
        Number of sentences that each rule changed on that side.
    moved : list of MovedSegment
        Largest difference first.
    """

    protocol: TextProtocol
    score: TextScore
    difference: float
    one_sided: bool
    reference_rules: dict[str, int]
    hypothesis_rules: dict[str, int]
    moved: list[MovedSegment]


@dataclass(frozen=True, repr=False)
class TextAudit(BaseAudit[TextAuditRow]):
    """Translations under every protocol that is defined for them.

    Attributes
    ----------
    rows : list of TextAuditRow
        The corpus's protocol first.
    undefined : tuple of str
        Protocols that have no form for this kind of text.
    dataset, split : str or None
        What the references are.
    source : str
        Where they came from.
    warnings : tuple of str
        As in a score.
    """

    rows: list[TextAuditRow]
    undefined: tuple[str, ...]
    dataset: str | None
    split: str | None
    source: str
    warnings: tuple[str, ...]

    def to_dict(self, moved: int = 10) -> dict[str, Any]:
        """Return what ``--json`` prints, with up to `moved` segments per protocol."""
        return {
            "level": "text",
            "dataset": self.dataset,
            "split": self.split,
            "references": self.source,
            "warnings": list(self.warnings),
            "undefined": list(self.undefined),
            "protocols": {
                row.protocol.name: {
                    **_figures(row.score),
                    "difference": row.difference,
                    "one_sided": row.one_sided,
                    "rouge_beta": row.score.form.rouge.beta,
                    "unit": row.score.unit,
                    "used_by": row.protocol.used_by,
                    "source": row.protocol.source,
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
    def _headline(row: TextAuditRow) -> float:
        return row.score.bleu()

    @staticmethod
    def _columns(row: TextAuditRow) -> dict[str, Any]:
        return {**_figures(row.score), "difference": row.difference}


def parse_figure(claimed: str) -> tuple[str, str]:
    """Return the key of a claimed figure and its digits.

    Raises
    ------
    UsageError
        Unknown figure, or not a number.
    """
    key, _, number = claimed.rpartition("=")
    key = (key or "bleu4").strip().casefold().replace("-", "").replace("rougel", "rouge")
    if key not in FIGURES:
        raise UsageError(f"no figure {key!r}{nearest(key, FIGURES)}; known: {', '.join(FIGURES)}")
    digits = number.strip()
    if re.fullmatch(r"\d+(\.\d+)?", digits, re.ASCII) is None:
        raise UsageError(
            f"--claimed {claimed!r}: expected BLEU-4 in percent, 13.43, or another figure with "
            "its name, rouge=38.7"
        )
    return key, digits


def check_figure(audits: Sequence[TextAudit], claimed: str) -> list[Claim]:
    """Check a published figure against every protocol, nearest first.

    Parameters
    ----------
    audits : sequence of TextAudit
        One per split.
    claimed : str
        ``"13.43"`` for BLEU-4, or with the figure's key, ``"rouge=38.7"``.

    Raises
    ------
    UsageError
        See :func:`parse_figure`.
    """
    key, digits = parse_figure(claimed)
    value, half = float(digits), 0.5 * 10.0 ** -len(digits.partition(".")[2])
    found = []
    for row in (row for audit in audits for row in audit.rows):
        given = row.score.with_bootstrap(0).figures[key].value
        matches = abs(given - value) <= half * (1 + 1e-9)
        found.append(Claim(row.protocol.name, key, digits, given, matches))
    return sorted(found, key=lambda claim: abs(claim.value - value))


def _figures(score: TextScore) -> dict[str, float]:
    return {
        **{f"bleu{order}": score.bleu(order) for order in ORDERS},
        "chrf": score.chrf,
        "rouge": score.rouge,
        "wer": score.wer,
    }


def audit_text(evaluation: TextEvaluation, names: Sequence[str] | None = None) -> TextAudit:
    """Score translations under every protocol that is defined for them.

    Parameters
    ----------
    evaluation : TextEvaluation
        The file and its references.
    names : sequence of str, optional
        Protocols; all by default. That of the corpus always comes first.

    Raises
    ------
    UsageError
        A named protocol is unknown, or not defined for this text.
    """
    known = evaluation.references
    default = evaluation.rules(DEFAULT)
    asked = [evaluation.rules(name) for name in names] if names else text_protocols()
    chosen = [default, *(rules for rules in asked if rules != default)]
    undefined = () if names else tuple(p.name for p in chosen if not p.has(evaluation.script))
    base = evaluation.reading(default)
    hypotheses = [
        hypothesis[0]
        for row in known.references
        if (hypothesis := evaluation.hypotheses.words.get(row.id))
    ]
    rows = []
    for rules in chosen:
        if rules.name in undefined:
            continue
        scored = evaluation.reading(rules)
        rows.append(
            TextAuditRow(
                rules,
                scored,
                scored.bleu() - base.bleu(),
                stop_on_one_side(scored),
                _changes(scored.form.reference, (row.words[0] for row in known.references)),
                _changes(scored.form.hypothesis, hypotheses),
                _moved(base, scored),
            )
        )
    warnings = evaluation.score(default).warnings
    return TextAudit(rows, undefined, known.dataset, known.split, known.source, warnings)


def _changes(cleanup: TextCleanup, sentences: Iterable[str]) -> dict[str, int]:
    counts = Counter(name for text in sentences for name in cleanup.trace(text))
    return dict(counts.most_common())


def _moved(base: TextScore, other: TextScore) -> list[MovedSegment]:
    moved = [
        MovedSegment(before.id, one, after, segment.reference, segment.hypothesis)
        for before, segment, one, after in zip(
            base.segments, other.segments, base.sentence_bleu, other.sentence_bleu, strict=True
        )
        if abs(one - after) >= _UNMOVED
    ]
    return sorted(moved, key=lambda row: (-abs(row.bleu - row.default), row.id))
