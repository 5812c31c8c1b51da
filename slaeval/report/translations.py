"""The page about translations: figures, protocols, lengths and sentences with their glosses.

It is laid out like the page about glosses (:mod:`slaeval.report.page`). Its script adds search and
sorting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from slaeval.errors import InputError
from slaeval.evaluation.base import system_names
from slaeval.evaluation.compare import compare
from slaeval.evaluation.score import Evaluation
from slaeval.evaluation.text.audit import TextAudit, audit_text
from slaeval.evaluation.text.compare import TextComparison
from slaeval.evaluation.text.evaluation import TextEvaluation
from slaeval.report.filters import language, percent
from slaeval.report.page import Section, asset, environment
from slaeval.scoring.segments import AlignedSegment
from slaeval.scoring.text.score import TextGroup, TextScore, TextSegment

__all__ = ["TextReport", "collect_translations", "render_translations"]

#: Number of sentences shown aligned, the worst first; in a comparison, of each kind.
_ALIGNED, _DIFFERENT = 20, 8


class Sentence(NamedTuple):
    """One sentence of the page.

    Attributes
    ----------
    segment : TextSegment
        The scored segment.
    aligned : AlignedSegment
        Its units, aligned.
    bleu, rouge : float
        Figures of this sentence alone, in percent.
    signed : list of str or None
        The glosses of its reference, if the corpus is known.
    recognised : AlignedSegment or None
        The glosses that were recognised, if a file of them was given.
    """

    segment: TextSegment
    aligned: AlignedSegment
    bleu: float
    rouge: float
    signed: Sequence[str] | None
    recognised: AlignedSegment | None


@dataclass(frozen=True)
class TextReport:
    """What the page shows.

    Attributes
    ----------
    name : str
        Name of the system.
    score : TextScore
        Its score.
    groups : dict
        Figures of the groups by ``"length"`` and ``"signer"``.
    audit : TextAudit
        The file under every protocol.
    sentences : list of Sentence
        All sentences, the lowest sentence BLEU first.
    comparison : TextComparison or None
        Against another system, this one first.
    """

    name: str
    score: TextScore
    groups: Mapping[str, list[TextGroup]]
    audit: TextAudit
    sentences: list[Sentence] = field(default_factory=list)
    comparison: TextComparison | None = None


def collect_translations(
    evaluation: TextEvaluation,
    against: TextEvaluation | None = None,
    glosses: Evaluation | None = None,
    *,
    bootstrap: int = 0,
) -> TextReport:
    """Collect what the page shows.

    Parameters
    ----------
    evaluation : TextEvaluation
        The system.
    against : TextEvaluation, optional
        Another system on the same references.
    glosses : Evaluation, optional
        Recognised glosses of the same segments, shown beside the sentences.
    bootstrap : int
        Resamples for the intervals; 0 for 1000.

    Raises
    ------
    InputError, UsageError
        As for :func:`slaeval.score`.
    """
    score = evaluation.score()
    if bootstrap:
        score = score.with_bootstrap(bootstrap)
    name, comparison = evaluation.name, None
    if against is not None:
        names = system_names([evaluation, against])
        name = names[0]
        comparison = compare(score, against.reading().with_bootstrap(score.bootstrap), names=names)
    signed = _signed(evaluation)
    recognised: dict[str, AlignedSegment] = {}
    if glosses is not None:
        recognised = {segment.id: segment for segment in glosses.reading().segments}
        if recognised.keys().isdisjoint(segment.id for segment in score.segments):
            raise InputError("no segment in common with the translations", glosses.source)
    sentences = [
        Sentence(
            segment,
            aligned,
            row["bleu"],
            row["rouge"],
            signed.get(segment.id),
            recognised.get(segment.id),
        )
        for segment, aligned, row in zip(score.segments, score.aligned, score.rows(), strict=True)
    ]
    sentences.sort(key=lambda one: (one.bleu, -len(one.aligned.reference), one.segment.id))
    groups = {grouping: score.by(grouping) for grouping in ("length", "signer")}
    return TextReport(name, score, groups, audit_text(evaluation), sentences, comparison)


def _signed(evaluation: TextEvaluation) -> dict[str, Sequence[str]]:
    """Return the glosses of the references, if their corpus is known."""
    known = evaluation.references
    if known.corpus is None:
        return {}
    from slaeval import loaders

    name, root, setup = known.corpus
    corpus = loaders.load_corpus(name, root, known.split, setup)
    return {sample.id: sample.glosses for sample in corpus}


def render_translations(found: TextReport) -> str:
    """Return the page as HTML text.

    Parameters
    ----------
    found : TextReport
        What :func:`collect_translations` gathered.
    """
    sections = [
        Section("summary", "Summary", "text_summary.html"),
        Section("where", "Length and signer", "text_groups.html"),
    ]
    if found.comparison is not None:
        sections.append(Section("comparison", "Comparison", "text_comparison.html"))
    sections += [
        Section("audit", "Protocols", "text_audit.html"),
        Section("segments", "Sentences", "text_sentences.html"),
    ]
    score = found.score
    return (
        environment()
        .get_template("page.html")
        .render(
            rate=f"BLEU-4 {percent(score.bleu())}",
            found=found,
            score=score,
            sections=sections,
            tag=language(score.dataset),
            aligned=[one for one in found.sentences if one.aligned.errors][:_ALIGNED],
            different=_DIFFERENT,
            style=asset("page.css"),
            data="",
            script=asset("tables.js"),
        )
    )
