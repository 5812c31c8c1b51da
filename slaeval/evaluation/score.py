"""Scoring of files, runs, corpora, mappings and data frames."""

from __future__ import annotations

import contextlib
import gc
import os
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, overload

from slaeval.errors import InputError, ScoreWarning, UsageError
from slaeval.evaluation.base import BaseEvaluation
from slaeval.evaluation.checks import observations, skipped_notice
from slaeval.evaluation.foreign_words import foreign_words
from slaeval.evaluation.references import (
    ReferenceSet,
    hypotheses_given,
    is_corpus,
    match_ids,
    numbered_pair,
    one_split,
    reference_set,
)
from slaeval.evaluation.request import Request
from slaeval.formats.hypotheses import Hypotheses, read_hypotheses
from slaeval.scoring.protocols import OFFICIAL, Protocol
from slaeval.scoring.protocols import protocol as named_protocol
from slaeval.scoring.score import Counts, Score, percent
from slaeval.scoring.scorer import floor, ignored_ids, score_segments

if TYPE_CHECKING:
    from slaeval.evaluation.references import Source
    from slaeval.scoring.text.protocols import TextProtocol
    from slaeval.scoring.text.score import TextScore

__all__ = ["Evaluation", "score", "score_file", "score_references"]

#: Up to this many segments, computing the protocol's floor in every score is worth its time.
_FLOOR_UP_TO = 5000


class Evaluation(BaseEvaluation[Protocol, Score]):
    """Hypotheses scored against references, each score computed once.

    Built by :meth:`open` from a file or the folder of a run, by :meth:`of` from Python
    objects, or from what :func:`~slaeval.evaluation.references.load_references` and
    :func:`~slaeval.evaluation.references.match_ids` return; see
    :class:`~slaeval.evaluation.base.BaseEvaluation` for the parameters.
    """

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str],
        request: Request | None = None,
        references: ReferenceSet | None = None,
    ) -> Evaluation:
        """Evaluate a hypothesis file, or the folder of a run.

        Parameters
        ----------
        source : path-like
            The file or folder.
        request : Request, optional
            Where the references come from; a run has its own.
        references : ReferenceSet, optional
            The references, if already loaded.

        Raises
        ------
        InputError
            The folder has no finished run. Other files are read, and errors raised, when they
            are needed.
        """
        path = os.fspath(source)
        run = None
        if os.path.isdir(path):
            from slaeval.evaluation.run_folder import Run

            try:
                run = Run.open(path)
            except InputError as error:
                file = os.path.join(path, "hyp.ctm")
                if os.path.exists(os.path.join(path, "run.json")) or not os.path.exists(file):
                    raise
                raise InputError(f"{error}; or name the hypothesis file in it: {file}") from None
        return cls(references, None, request, source=path, run=run)

    @classmethod
    def of(
        cls,
        references: Source,
        hypotheses: Source,
        request: Request | None = None,
        signers: Mapping[str, str] | None = None,
    ) -> Evaluation:
        """Evaluate what :func:`score` takes as references and hypotheses."""
        request = request or Request()
        references, hypotheses = numbered_pair(references, hypotheses)
        if isinstance(hypotheses, (str, os.PathLike)):
            opened = cls.open(hypotheses, request)
        else:
            opened = cls(None, hypotheses_given(hypotheses), request)
        note = ""
        if is_corpus(references) and references.split is None:
            references, note = one_split(references, opened._named(), request.split)
        known = reference_set(references, request.dataset, request.split, signers)
        opened.references = known._replace(notes=(note,) if note else ())
        if not opened.source:
            opened.hypotheses = match_ids(opened.hypotheses, known)
        return opened

    def _named(self) -> Collection[str]:
        """Return the segments of the hypotheses as written."""
        if self.run is not None:
            return self.run.hypotheses
        if self.source:
            return read_hypotheses(self.source, self.request.format).words
        return self.hypotheses.words

    def _load_references(self) -> ReferenceSet:
        if self.run is not None and not self.request.names_references:
            for given, option in ((self.request.split, "split"), (self.request.setup, "setup")):
                if given is not None:
                    raise UsageError(f"a run has its own references: --{option} needs --dataset")
            return self.run.references
        return self.request.load_references()

    def _read_hypotheses(self) -> Hypotheses:
        known = self.references
        if self.run is None:
            self._refuse_the_annotation()
            read = read_hypotheses(self.source, self.request.format)
            return match_ids(read, known, self.request.fix_ids)
        # As in hyp.ctm, where a segment without words has no line.
        every = self.run.hypotheses
        words = {name: list(alternatives) for name, alternatives in every.items() if alternatives}
        file = os.path.join(self.source, "hyp.ctm")
        read = match_ids(Hypotheses(words or every, "ctm", file), known, self.request.fix_ids)
        return read if words else read._replace(words={})

    def _refuse_the_annotation(self) -> None:
        """Refuse hypotheses from the very file in which the corpus's references were found."""
        known = self.references
        found = known.path is not None and known.corpus is not None
        if found and os.path.realpath(known.path or "") == os.path.realpath(self.source):
            raise InputError(
                "the references were found in this very file; name the folder with the corpus's "
                "annotation with --root, or a file with --ref",
                self.source,
            )

    def notices(self, protocol: str | Protocol | None = None) -> tuple[str, ...]:
        """Return what a reader of a score should know, one sentence each."""
        foreign = foreign_words(self.reading(protocol), lambda: self._glosses)
        skipped = {} if self.run is None else self.run.skipped
        return (*self._observations, *foreign, *((skipped_notice(skipped),) if skipped else ()))

    @cached_property
    def _glosses(self) -> set[str]:
        return self.references.glosses()

    @cached_property
    def _ignored(self) -> set[str]:
        return ignored_ids(self.references.references)

    @cached_property
    def _observations(self) -> tuple[str, ...]:
        known = self.references
        return (*known.notes, *observations(known.references, self.hypotheses, self._ignored))

    def _count(self, rules: Protocol) -> Score:
        known = self.references
        return score_segments(
            known.references,
            self.hypotheses,
            rules,
            dataset=known.dataset,
            split=known.split,
            clipped=known.clipped,
            ignored=self._ignored,
        )

    @cached_property
    def _floors(self) -> dict[str, Counts]:
        return {}

    @classmethod
    def open_all(
        cls, sources: Sequence[str | os.PathLike[str]], request: Request | None = None
    ) -> list[Evaluation]:
        """Evaluate several systems on the same references: those named, else the first run's."""
        opened = super().open_all(sources, request)
        for one in opened:
            one._floors = opened[0]._floors  # the floors of the shared references
        return opened

    def floor(self, protocol: str | Protocol | None = None) -> Counts:
        """Return what a perfect transcript scores under a protocol."""
        rules = self.rules(protocol)
        if rules.identifier not in self._floors:
            known = self.references
            self._floors[rules.identifier] = floor(
                known.references, rules, clipped=known.clipped
            ).total
        return self._floors[rules.identifier]

    def rules(self, protocol: str | Protocol | TextProtocol | None = None) -> Protocol:
        """Return the protocol of this name, by default that of the request."""
        named = self.request.protocol if protocol is None else protocol
        if not isinstance(named, (str, Protocol)):
            raise UsageError(f"{named.name} is a protocol for translations, not for glosses")
        return named_protocol(named)

    def _annotated(self, rules: Protocol) -> Score:
        """Add the floor, unless there are many segments, the notices and the other reading."""
        result = replace(self.reading(rules), warnings=self.notices(rules))
        if len(self.references.references) <= _FLOOR_UP_TO:
            result = replace(result, floor=self.floor(rules))
        if rules.name == OFFICIAL and self.references.dataset is not None:
            from slaeval.loaders.registry import labelled

            described = labelled(self.references.dataset)
            if described is not None and described.release_protocol is not None:
                release = self.reading(described.release_protocol)
                result = replace(result, other_readings=(release,))
        return result

    def __repr__(self) -> str:
        scored = ", ".join(
            f"{name} {percent(score.wer, unit=' %')}" for name, score in self._readings.items()
        )
        return f"<Evaluation {self.name or 'of values'}: {scored or 'not scored yet'}>"


def score_file(pred: str | os.PathLike[str], request: Request | None = None) -> Score:
    """Score a hypothesis file or the folder of a run; see :meth:`Evaluation.score`."""
    return Evaluation.open(pred, request).score()


def score_references(
    references: ReferenceSet, hypotheses: Hypotheses, protocol: str | Protocol = OFFICIAL
) -> Score:
    """Score hypotheses whose ids match; see :meth:`Evaluation.score`."""
    return Evaluation(references, hypotheses).score(protocol)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Pause garbage collection, which takes half the time in vain with many new lists."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@overload
def score(
    references: Source,
    hypotheses: Source,
    protocol: str | Protocol = ...,
    *,
    level: Literal["glosses"] = ...,
    dataset: str | None = ...,
    split: str | None = ...,
    signers: Mapping[str, str] | None = ...,
    bootstrap: int = ...,
    bleu: bool = ...,
) -> Score: ...


@overload
def score(
    references: Source,
    hypotheses: Source,
    protocol: str | TextProtocol = ...,
    *,
    level: Literal["text"],
    dataset: str | None = ...,
    split: str | None = ...,
    signers: Mapping[str, str] | None = ...,
    bootstrap: int = ...,
) -> TextScore: ...


def score(
    references: Source,
    hypotheses: Source,
    protocol: str | Protocol | TextProtocol = "official",
    *,
    level: Literal["glosses", "text"] = "glosses",
    dataset: str | None = None,
    split: str | None = None,
    signers: Mapping[str, str] | None = None,
    bootstrap: int = 0,
    bleu: bool = False,
) -> Score | TextScore:
    """Score hypotheses against references.

    Parameters
    ----------
    references, hypotheses : mapping, Corpus, DataFrame, path or list
        A mapping from segment id to its words (a list, or a string with blanks between the
        words; an empty list is an empty hypothesis), a :class:`slaeval.loaders.Corpus`, a
        DataFrame with a column ``id`` and one of ``glosses``, ``reference``, ``hypothesis`` or
        another name of :mod:`slaeval.formats.tables`, whose rules apply to all of these, or the
        path of a file (STM and others; CTM, TRN, CSV, TSV, JSON). Or two parallel lists of
        sentences; their ids are ``"1"``, ``"2"``, … Translations come in the same forms, one
        sentence per segment; a list of hypotheses is in the order of the references.
    protocol : str, Protocol or TextProtocol
        The evaluation protocol; ``"official"`` is ``"rwth-2014"``, for translations the text
        protocol of the corpus (:mod:`slaeval.scoring.text.protocols`).
    level : {"glosses", "text"}
        Whether these are glosses or translations.
    dataset, split : str, optional
        For the signature; by default those of a Corpus.
    signers : mapping, optional
        Segment id to signer.
    bootstrap : int
        Resamples for the interval; 0: the linearised estimator, or 1000 for translations.
    bleu : bool
        Also compute BLEU and chrF over glosses, with sacrebleu.

    Returns
    -------
    Score or TextScore
        Counts, rates, alignments, signature; for translations BLEU, chrF, ROUGE-L and WER.

    Raises
    ------
    InputError
        No segment in common, or values that are not words.
    UsageError
        Unknown protocol, a source of another type, or hypotheses of several splits of a corpus.

    Warns
    -----
    ScoreWarning
        What a reader of the number should know; also in ``Score.warnings`` and ``str(score)``.

    Examples
    --------
    >>> references = {"a": "HEUTE NORD REGEN", "b": "MORGEN SONNE"}
    >>> score = slaeval.score(references, {"a": "HEUTE REGEN", "b": "MORGEN SONNE"})
    >>> score.wer, score.deletions, score.reference_words
    (20.0, 1, 5)
    >>> print(score.segments[0].reference, score.segments[0].ops)
    ['HEUTE', 'NORD', 'REGEN'] CDC
    """
    request = Request(dataset, split, protocol=protocol)
    if level == "text":
        from slaeval.evaluation.text.evaluation import score_text

        if bleu:
            raise UsageError("bleu=True is for glosses; a score of translations has BLEU anyway")
        text = score_text(references, hypotheses, request, signers, bootstrap)
        for message in text.warnings:
            warnings.warn(message, ScoreWarning, stacklevel=2)
        return text
    if level != "glosses":
        raise UsageError(f"unknown level {level!r}; known: glosses, text")
    with _uncollected():
        result = Evaluation.of(references, hypotheses, request, signers).score()
    for message in result.warnings:
        warnings.warn(message, ScoreWarning, stacklevel=2)
    if bootstrap:
        result = result.with_bootstrap(bootstrap)
    if bleu:
        from slaeval.evaluation.overlap import with_bleu

        result = with_bleu(result)
    return result
