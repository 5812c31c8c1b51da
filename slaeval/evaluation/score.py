"""Scoring from what people have: files, corpora, mappings, data frames."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from slaeval.evaluation.checks import coverage, observations, special_words
from slaeval.evaluation.foreign_words import foreign_words
from slaeval.evaluation.references import ReferenceSet, load_references, match_ids, matched
from slaeval.files import read_bytes
from slaeval.formats.hypotheses import Hypotheses, read_hypotheses
from slaeval.scoring.protocols import EMPTY, OFFICIAL, Protocol
from slaeval.scoring.score import Score
from slaeval.scoring.scorer import floor, score_segments

if TYPE_CHECKING:
    from slaeval.evaluation.references import Source

__all__ = ["noticing_foreign_words", "score", "score_file", "score_references"]

#: Up to so many segments the floor of the protocol is worth its time in every score.
_FLOOR_UP_TO = 5000

#: From so many bytes of a hypothesis file on, compiled loops earn their loading time.
_LARGE = 4_000_000


def score_file(
    pred: str | os.PathLike[str],
    dataset: str | None = None,
    split: str | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    ref: str | os.PathLike[str] | None = None,
    setup: str | None = None,
    protocol: str | Protocol = OFFICIAL,
    format: str = "auto",
    fix_ids: bool = False,
) -> Score:
    """Score a hypothesis file; see :func:`load_references` and :func:`score`.

    Raises
    ------
    InputError
        Either file cannot be read, or they have no segment in common.
    UsageError
        Unknown names.
    """
    if ref is not None and root is None and format in ("auto", "ctm"):
        quick = _score_large(os.fspath(pred), os.fspath(ref), dataset, protocol)
        if quick is not None:
            return quick
    task = load_references(dataset, split, root=root, ref=ref, setup=setup)
    hypotheses = match_ids(read_hypotheses(os.fspath(pred), format), task, fix_ids)
    return score_references(task, hypotheses, protocol)


def _score_large(
    pred: str, ref: str, dataset: str | None, protocol: str | Protocol
) -> Score | None:
    """Score a large CTM against an STM as arrays; None where the ordinary way is needed."""
    if dataset is not None or not (os.path.isfile(pred) and os.path.isfile(ref)):
        return None
    if os.path.getsize(pred) < _LARGE:
        return None
    from slaeval.scoring import bulk
    from slaeval.scoring.protocols import protocol as named
    from slaeval.scoring.scorer import lines_hash, signature

    rules = named(protocol)
    if not bulk.fits(rules):
        return None
    read = bulk.read_pair(
        read_bytes(pred, "a hypothesis file", lines=True),
        read_bytes(ref, "a file with references", lines=True),
    )
    if read is None or set(read.ids).isdisjoint(read.names):
        return None
    segments = bulk.align_read(read, rules)
    if segments is None:
        return None
    result = Score(
        segments,
        protocol=rules.name,
        signature=signature(rules, None, None, len(segments), lines_hash(read.texts)),
        warnings=(
            *coverage(read.ids, read.names, read.holding_only(EMPTY), read.wordless()),
            *special_words(read.spoken()),
        ),
    )
    return noticing_foreign_words(result, ReferenceSet([]))


def score_references(
    task: ReferenceSet, hypotheses: Hypotheses, protocol: str | Protocol = OFFICIAL
) -> Score:
    """Score hypotheses whose ids match; give the other reading where there are two."""
    result = score_segments(
        task.references,
        hypotheses,
        protocol,
        dataset=task.dataset,
        split=task.split,
        clipped=task.clipped,
        warnings=observations(task.references, hypotheses),
    )
    result = noticing_foreign_words(result, task)
    if len(task.references) <= _FLOOR_UP_TO:
        result = replace(result, floor=floor(task.references, protocol).total)
    if result.protocol == OFFICIAL and (task.dataset or "").startswith("phoenix2014t"):
        release = score_segments(
            task.references, hypotheses, "rwth-2014t", dataset=task.dataset, split=task.split
        )
        result = replace(result, other_readings=(release,))
    return result


def noticing_foreign_words(result: Score, task: ReferenceSet) -> Score:
    """Return the score, warning of words that are no glosses of the task."""
    notes = foreign_words(result, task.glosses)
    return replace(result, warnings=(*result.warnings, *notes)) if notes else result


def score(
    references: Source,
    hypotheses: Source,
    protocol: str | Protocol = OFFICIAL,
    *,
    dataset: str | None = None,
    split: str | None = None,
    signers: Mapping[str, str] | None = None,
    bootstrap: int = 0,
    bleu: bool = False,
) -> Score:
    """Score hypotheses against references.

    Parameters
    ----------
    references, hypotheses : mapping, Corpus, DataFrame or path
        A mapping from segment id to its words (a list, or a string with blanks between the
        words; an empty list is an empty hypothesis), a :class:`slaeval.loaders.Corpus`, a
        DataFrame with a column ``id`` and one of ``glosses``, ``reference``, ``hypothesis`` or
        another name of :mod:`slaeval.formats.tables`, whose rules hold for all of these, or the
        path of a file (STM and others; CTM, TRN, CSV, TSV, JSON).
    protocol : str or Protocol
        What exactly is compared; ``"official"`` is ``"rwth-2014"``.
    dataset, split : str, optional
        For the signature; taken from a Corpus.
    signers : mapping, optional
        Segment id to signer.
    bootstrap : int
        Resamples for the interval; 0 for the linearised estimator.
    bleu : bool
        Also BLEU and chrF over glosses, by sacrebleu.

    Returns
    -------
    Score
        Counts, rates, alignments, signature.

    Raises
    ------
    InputError
        No segment in common, or values that are no words.
    UsageError
        Unknown protocol, or a source of another type.
    """
    task, read = matched(references, hypotheses, dataset, split, signers)
    result = score_references(task, read, protocol)
    if bootstrap:
        result = result.with_bootstrap(bootstrap)
    if bleu:
        from slaeval.evaluation.overlap import with_bleu

        result = with_bleu(result)
    return result
