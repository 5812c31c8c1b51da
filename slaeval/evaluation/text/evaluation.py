"""Evaluation of translations: each score is computed once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from slaeval.errors import UsageError
from slaeval.evaluation.base import BaseEvaluation
from slaeval.evaluation.references import ReferenceSet
from slaeval.evaluation.request import Request
from slaeval.evaluation.text.checks import observations, readings_notices
from slaeval.evaluation.text.references import (
    load_text_references,
    match_sentences,
    text_reference_set,
)
from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.translations import read_translations, translations_of
from slaeval.loaders.registry import corpus_default
from slaeval.scoring.text.figures import RESAMPLES
from slaeval.scoring.text.protocols import (
    Script,
    TextProtocol,
    script_of,
    text_protocol,
)
from slaeval.scoring.text.score import TextScore
from slaeval.scoring.text.scorer import TextReference, score_texts

if TYPE_CHECKING:
    from slaeval.evaluation.references import Source
    from slaeval.scoring.protocols import Protocol

__all__ = ["TextEvaluation", "score_text"]


class TextEvaluation(BaseEvaluation[TextProtocol, TextScore]):
    """Translations and references, like :class:`slaeval.evaluation.score.Evaluation`.

    In references and hypotheses, the sentence is the only word of its segment.
    """

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str],
        request: Request | None = None,
        references: ReferenceSet | None = None,
    ) -> TextEvaluation:
        """Evaluate a file of translations.

        Raises
        ------
        UsageError
            The path is a folder: runs have glosses.
        """
        path = os.fspath(source)
        if os.path.isdir(path):
            raise UsageError(f"{path} is a folder: --text takes a file of translations")
        return cls(references, None, request, source=path)

    @classmethod
    def of(
        cls,
        references: Source,
        hypotheses: Source,
        request: Request | None = None,
        signers: Mapping[str, str] | None = None,
    ) -> TextEvaluation:
        """Evaluate what :func:`slaeval.score` takes with ``level="text"``."""
        request = request or Request()
        known = text_reference_set(references, request, signers)
        if isinstance(hypotheses, (str, os.PathLike)):
            return cls.open(hypotheses, request, known)
        read = translations_of(hypotheses, "hypothesis")
        return cls(known, match_sentences(read, known), request)

    def _load_references(self) -> ReferenceSet:
        return load_text_references(self.request)

    def _read_hypotheses(self) -> Hypotheses:
        read = read_translations(self.source, self.request.format)
        return match_sentences(read, self.references, self.request.fix_ids)

    @cached_property
    def script(self) -> Script:
        """Which form of a protocol these references need."""
        return script_of(row.words[0] for row in self.references.references)

    def rules(self, protocol: str | Protocol | TextProtocol | None = None) -> TextProtocol:
        """Return the protocol of this name, by default that of the request."""
        named = self.request.protocol if protocol is None else protocol
        if not isinstance(named, (str, TextProtocol)):
            raise UsageError(f"{named.name} is a protocol for glosses, not for translations")
        return text_protocol(named, corpus_default(self.references.dataset).protocol)

    def _count(self, rules: TextProtocol) -> TextScore:
        known = self.references
        return score_texts(
            [TextReference(row.id, row.signer, row.words[0]) for row in known.references],
            {name: words[0] if words else "" for name, words in self.hypotheses.words.items()},
            rules,
            dataset=known.dataset,
            split=known.split,
            source=known.source,
        )

    def _annotated(self, rules: TextProtocol) -> TextScore:
        result = self.reading(rules)
        notices = readings_notices(result, lambda: self.reading("unpunctuated"))
        also = corpus_default(self.references.dataset)
        others = [name for name in also.also if also.protocol == result.protocol]
        return replace(
            result,
            warnings=(*observations(self.references, self.hypotheses), *notices),
            other_readings=tuple(map(self.reading, others)),
        )


def score_text(
    references: Source,
    hypotheses: Source,
    request: Request,
    signers: Mapping[str, str] | None = None,
    bootstrap: int = 0,
) -> TextScore:
    """Score translations; see :func:`slaeval.score` with ``level="text"``."""
    result = TextEvaluation.of(references, hypotheses, request, signers).score()
    return result.with_bootstrap(bootstrap or RESAMPLES)
