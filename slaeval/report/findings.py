"""What there is to say about a system: everything a report shows, counted once.

The page only lays out what is found here, so that its numbers are those of
:class:`~slaeval.scoring.score.Score`, :mod:`slaeval.analysis`, :mod:`slaeval.evaluation.audit` and
:mod:`slaeval.evaluation.compare`, and no others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from slaeval.analysis.attribution import ErrorGroup, attribute, group
from slaeval.analysis.training_vocabulary import training_of
from slaeval.errors import InputError
from slaeval.evaluation.audit import Audit, audit_task
from slaeval.evaluation.compare import Comparison, compare, file_names
from slaeval.evaluation.run_folder import Alignment, Run
from slaeval.evaluation.sources import hypotheses_of, references_of, run_of, scored
from slaeval.report.thumbnails import Thumbnails, take
from slaeval.scoring.protocols import OFFICIAL
from slaeval.scoring.score import Score

__all__ = ["PARTS", "ReportData", "find"]

#: Into how many equal parts a sentence is cut to see where in it errors lie.
PARTS = 5


@dataclass(frozen=True)
class ReportData:
    """What a report shows.

    Attributes
    ----------
    name : str
        Of the system.
    score : Score
        Its score, with the floor of the protocol.
    groups : dict
        ``"signer"``, ``"length"``, ``"frequency"``, ``"position"`` to counts; frequency is
        missing where the training annotation is.
    frequencies : dict
        Word, as scored, to how often it stands in training; empty where that is unknown.
    training : str
        Where the frequencies come from, or why there are none.
    audit : Audit
        The file under every protocol.
    comparison : Comparison or None
        Against the other system, this one first.
    alignments : dict
        Segment to the frames of its glosses; empty without a run.
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


def find(
    source: str | os.PathLike[str],
    dataset: str | None = None,
    split: str | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    ref: str | os.PathLike[str] | None = None,
    setup: str | None = None,
    protocol: str = OFFICIAL,
    format: str = "auto",
    fix_ids: bool = False,
    bootstrap: int = 0,
    against: str | os.PathLike[str] | None = None,
    train: str | os.PathLike[str] | None = None,
    pictures: int = 0,
) -> ReportData:
    """Collect what a report shows.

    Parameters
    ----------
    source : path-like
        A hypothesis file, or the folder of a run.
    dataset, split, root, ref, setup
        References, as for :func:`~slaeval.evaluation.references.load_references`. A run brings
        its own.
    protocol : str
        What exactly is compared.
    format : str
        Of the hypothesis files.
    fix_ids : bool
        Accept ids written another way.
    bootstrap : int
        Resamples for the interval of the WER; 0 for the linearised estimator.
    against : path-like, optional
        Another hypothesis file or run on the same references.
    train : path-like, optional
        References of the training split, in any format the loaders read; without it those of
        the corpus.
    pictures : int
        For so many segments of a run, the worst first, thumbnails are taken.

    Raises
    ------
    InputError
        A file or folder is missing, damaged, unfinished, or has no segment in common with the
        references.
    UsageError
        Unknown names, or options that cannot be meant together.
    """
    source = os.fspath(source)
    run = run_of(source)
    if root is not None and not os.path.isdir(root):
        raise InputError("no such folder; expected the folder of a corpus", root)
    task = references_of(run, source, dataset, split, root, ref, setup)
    hypotheses = hypotheses_of(source, run, task, format, fix_ids)
    score = scored(task, hypotheses, protocol, run)
    audited = audit_task(task, hypotheses)
    if score.floor is None:  # left out of the scores of large sets, but the audit has it
        floors = {row.protocol.name: row.floor for row in audited.rows}
        score = replace(score, floor=floors.get(score.protocol))

    score = score.with_bootstrap(bootstrap)
    name = _name(source, run)
    comparison = None
    if against is not None:
        against = os.fspath(against)
        other = run_of(against)
        theirs = hypotheses_of(against, other, task, format, fix_ids)
        names = (name, _name(against, other))
        if names[0] == names[1]:
            first, second = file_names([os.path.normpath(source), os.path.normpath(against)])
            names = (first, second)
            name = first
        comparison = compare(score, scored(task, theirs, protocol, other), names=names)

    counts, training = training_of(task, run, train, dataset, root, setup, score.protocol)
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


def _name(source: str, run: Run | None) -> str:
    """Return what to call a system: its file, or the folder of its run."""
    return os.path.basename(os.path.abspath(source) if run is not None else source)
