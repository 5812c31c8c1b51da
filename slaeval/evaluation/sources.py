"""A system to look at: a hypothesis file, or the folder of a run, and what it is held against.

The report and the plots take either; a run brings its references with it. Errors: what cannot
be read is an ``InputError``, options that cannot be meant together are a ``UsageError``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from slaeval.errors import InputError, UsageError
from slaeval.evaluation.references import ReferenceSet, load_references, match_ids
from slaeval.evaluation.run_folder import RESULTS, Run
from slaeval.evaluation.score import score_references
from slaeval.formats.hypotheses import Hypotheses, read_hypotheses
from slaeval.scoring.score import Score
from slaeval.scoring.segments import Reference

__all__ = [
    "files_of",
    "hypotheses_of",
    "references_of",
    "run_of",
    "score_systems",
    "scored",
]


def files_of(source: str | None) -> list[str | None]:
    """Return the files of a source, which nothing may be written over: a run has several."""
    if source is None or not os.path.isdir(source):
        return [source]
    return [os.path.join(source, name) for name in RESULTS]


def run_of(source: str) -> Run | None:
    """Open a source that is the folder of a run; None for a file."""
    return Run.open(source) if os.path.isdir(source) else None


def references_of(
    run: Run | None,
    source: str,
    dataset: str | None,
    split: str | None,
    root: str | os.PathLike[str] | None,
    ref: str | os.PathLike[str] | None,
    setup: str | None,
) -> ReferenceSet:
    """Return the references: those named, else those of the run."""
    if run is None or ref is not None or dataset is not None:
        if run is None and dataset is None and ref is None:
            raise UsageError(
                "say what the hypotheses are to be compared with: --dataset NAME (with --root "
                "DIR or a registered folder), or --ref FILE"
            )
        return load_references(dataset, split, root=root, ref=ref, setup=setup)
    for given, option in ((split, "--split"), (setup, "--setup")):
        if given is not None:
            raise UsageError(f"a run says itself what it was run on: {option} needs --dataset")
    withheld = next((mine for mine in run.alignments.values() if mine.reference is None), None)
    if withheld is not None:
        raise InputError(
            f"the references of this run are withheld ({withheld.id!r} has none): give some "
            "with --ref FILE",
            source,
        )
    references = [
        Reference(mine.id, mine.signer, list(mine.reference or ()))
        for mine in run.alignments.values()
    ]
    return ReferenceSet(references, run.settings.get("label"), run.settings.get("split"), "the run")


def hypotheses_of(
    path: str, run: Run | None, task: ReferenceSet, format: str, fix_ids: bool
) -> Hypotheses:
    """Read the hypotheses of a file or a run, their ids those of the references."""
    if run is None:
        return match_ids(read_hypotheses(path, format), task, fix_ids)
    file = os.path.join(path, "hyp.ctm")
    if not any(run.hypotheses.values()):  # nothing recognised is a result; an empty file is not
        match_ids(Hypotheses(run.hypotheses, "ctm", file), task, fix_ids)
        return Hypotheses({}, "ctm", file)
    return match_ids(read_hypotheses(file, "ctm"), task, fix_ids)


def scored(task: ReferenceSet, hypotheses: Hypotheses, rules: str, run: Run | None) -> Score:
    """Score hypotheses; warn of what the run they are from has skipped."""
    score = score_references(task, hypotheses, rules)
    if run is not None and run.skipped:
        first = ", ".join(list(run.skipped)[:3])
        note = (
            f"{len(run.skipped)} segments were skipped by the run, their pictures could not be "
            f"read ({first}{', …' if len(run.skipped) > 3 else ''}); each counts as empty"
        )
        score = replace(score, warnings=(*score.warnings, note))
    return score


def score_systems(
    sources: Sequence[str],
    dataset: str | None,
    split: str | None,
    *,
    root: str | os.PathLike[str] | None,
    ref: str | os.PathLike[str] | None,
    setup: str | None,
    protocol: str,
    format: str,
    fix_ids: bool,
) -> list[Score]:
    """Score several systems on the same references: those named, else those of the first run."""
    runs = [run_of(source) for source in sources]
    first = next((n for n, run in enumerate(runs) if run is not None), 0)
    task = references_of(runs[first], sources[first], dataset, split, root, ref, setup)
    return [
        scored(task, hypotheses_of(source, run, task, format, fix_ids), protocol, run)
        for source, run in zip(sources, runs, strict=True)
    ]
