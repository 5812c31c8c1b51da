"""A system to look at: a hypothesis file, or the folder of a run, and what it is held against.

The report and the plots take either; a run brings its references with it. Errors: what cannot
be read is an ``InputError``, options that cannot be meant together are a ``UsageError``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from slaeval.analysis.attribution import training_counts
from slaeval.errors import InputError, UsageError
from slaeval.evaluation import Task, load_task, match_ids, score_task
from slaeval.running.folder import RESULTS, Run
from slaeval.scoring.hypotheses import Hypotheses, read_hypotheses
from slaeval.scoring.score import Score
from slaeval.scoring.segments import Reference

__all__ = [
    "files_of",
    "hypotheses_of",
    "references_of",
    "run_of",
    "score_systems",
    "scored",
    "training_of",
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
) -> Task:
    """Return the references: those named, else those of the run."""
    if run is None or ref is not None or dataset is not None:
        if run is None and dataset is None and ref is None:
            raise UsageError(
                "say what the hypotheses are to be compared with: --dataset NAME (with --root "
                "DIR or a registered folder), or --ref FILE"
            )
        return load_task(dataset, split, root=root, ref=ref, setup=setup)
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
    return Task(references, run.settings.get("label"), run.settings.get("split"), "the run")


def hypotheses_of(path: str, run: Run | None, task: Task, format: str, fix_ids: bool) -> Hypotheses:
    """Read the hypotheses of a file or a run, their ids those of the references."""
    if run is None:
        return match_ids(read_hypotheses(path, format), task, fix_ids)
    file = os.path.join(path, "hyp.ctm")
    if not any(run.hypotheses.values()):  # nothing recognised is a result; an empty file is not
        match_ids(Hypotheses(run.hypotheses, "ctm", file), task, fix_ids)
        return Hypotheses({}, "ctm", file)
    return match_ids(read_hypotheses(file, "ctm"), task, fix_ids)


def scored(task: Task, hypotheses: Hypotheses, rules: str, run: Run | None) -> Score:
    """Score hypotheses; warn of what the run they are from has skipped."""
    score = score_task(task, hypotheses, rules)
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


def training_of(
    task: Task,
    run: Run | None,
    train: str | os.PathLike[str] | None,
    dataset: str | None,
    root: str | os.PathLike[str] | None,
    setup: str | None,
    rules: str,
) -> tuple[Mapping[str, int] | None, str]:
    """Count the training glosses, and say where they come from or why there are none."""
    from slaeval import loaders

    if train is not None:
        samples = loaders.read_references_file(os.fspath(train), None, "train")
        corpus = loaders.Corpus("own", "own", "train", "", tuple(samples))
        return training_counts(corpus, rules), os.path.basename(train)
    where = task.corpus
    if where is None and run is not None and task.source == "the run":
        dataset = run.settings.get("dataset")
        root = root or run.settings.get("root")
        setup = run.settings.get("setup")
    if where is None and dataset is not None:
        where = (dataset, None if root is None else os.fspath(root), setup)
    if where is None:
        return None, (
            "the references come from a file, so the training annotation is not known: name it "
            "with --train FILE"
        )
    name, folder, setup = where
    try:
        corpus = loaders.load_corpus(name, folder, "train", setup)
    except InputError as error:
        # A report without this section is still a report; the page says what is missing.
        if error.path is not None and os.path.isfile(error.path):
            # Without the folder: the page may be sent to others.
            why = os.path.basename(error.path) + str(error).removeprefix(error.path)
            return None, (
                f"the training annotation of {name} is there but cannot be used ({why}): name "
                "another one with --train FILE"
            )
        return None, (
            f"the training annotation of {name} is not at hand: name the corpus's folder with "
            "--root DIR, or a file with --train FILE"
        )
    return training_counts(corpus, rules), f"{name} train, {len(corpus)} sentences"
