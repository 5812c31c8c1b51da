"""The findings about a system: everything a report shows, computed once.

The page only lays out these findings, so that its numbers are exactly those of
:class:`~slaeval.scoring.score.Score`, :mod:`slaeval.analysis`, :mod:`slaeval.evaluation.audit` and
:mod:`slaeval.evaluation.compare`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from slaeval.analysis.attribution import ErrorGroup, attribute, group
from slaeval.analysis.training_vocabulary import training_of
from slaeval.errors import InputError
from slaeval.evaluation.audit import Audit, audit_evaluation
from slaeval.evaluation.base import system_names
from slaeval.evaluation.compare import Comparison, compare
from slaeval.evaluation.run_folder import Alignment
from slaeval.evaluation.score import Evaluation
from slaeval.report.thumbnails import Thumbnails, take
from slaeval.scoring.score import Score

__all__ = ["PARTS", "ReportData", "collect"]

#: Number of equal parts of a sentence by which errors are located.
PARTS = 5


@dataclass(frozen=True)
class ReportData:
    """What a report shows.

    Attributes
    ----------
    name : str
        Name of the system.
    score : Score
        Its score, with the floor of the protocol.
    groups : dict
        Counts by ``"signer"``, ``"length"``, ``"frequency"`` and ``"position"``; without
        frequency if there is no training annotation.
    frequencies : dict
        Training counts of the words as scored; empty if unknown.
    training : str
        Where the frequencies come from, or why there are none.
    audit : Audit
        The file under every protocol.
    comparison : Comparison or None
        Against the other system, this one first.
    alignments : dict
        Frames of the glosses by segment; empty without a run.
    thumbnails : Thumbnails
        Pictures of the worst segments.
    """

    name: str
    score: Score
    groups: dict[str, list[ErrorGroup]]
    frequencies: dict[str, int]
    training: str
    audit: Audit
    comparison: Comparison | None = None
    alignments: Mapping[str, Alignment] = field(default_factory=dict)
    thumbnails: Thumbnails = field(default_factory=Thumbnails)

    def __repr__(self) -> str:
        return f"<ReportData {self.name}: {self.score}>"


def collect(
    evaluation: Evaluation,
    against: Evaluation | None = None,
    *,
    train: str | os.PathLike[str] | None = None,
    pictures: int = 0,
    bootstrap: int = 0,
) -> ReportData:
    """Collect what a report shows.

    Parameters
    ----------
    evaluation : Evaluation
        The system: ``Evaluation.open("hyp.ctm", Request("phoenix2014t"))``, or of a run.
    against : Evaluation, optional
        Another system on the same references.
    train : path-like, optional
        References of the training split, in any format the loaders read; by default those of
        the corpus.
    pictures : int
        Number of segments of a run, the worst first, that get thumbnails.
    bootstrap : int
        Resamples for the interval of the WER; 0 for the linearised estimator.

    Raises
    ------
    InputError
        A file or folder is missing, damaged, unfinished, or has no segment in common with the
        references.
    UsageError
        Unknown names, or options that cannot be combined.
    """
    run, root = evaluation.run, evaluation.request.root
    if root is not None and not os.path.isdir(root):
        raise InputError("no such folder; expected the folder of a corpus", root)
    score = evaluation.score()
    audited = audit_evaluation(evaluation)
    # Scores of large sets do not have it, but the audit does.
    score = replace(score, floor=evaluation.floor(), bootstrap=bootstrap)
    name, comparison = evaluation.name, None
    if against is not None:
        names = system_names([evaluation, against])
        name = names[0]
        comparison = compare(score, against.reading(), names=names)

    counts, training = training_of(evaluation, train)
    groups = {by: group(score, by) for by in ("signer", "length")}
    if counts is not None:
        groups["frequency"] = group(score, "frequency", counts)
    groups["position"] = group(score, "position", parts=PARTS)
    frequencies = {
        step.gloss: step.frequency
        for step in (attribute(score, counts) if counts is not None else ())
        if step.frequency is not None
    }
    return ReportData(
        name,
        score,
        groups,
        frequencies,
        training,
        audited,
        comparison,
        {} if run is None else run.alignments,
        take(score, run, pictures, root) if run is not None else Thumbnails(),
    )
