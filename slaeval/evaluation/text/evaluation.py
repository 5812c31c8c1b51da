"""Sentences held against references: every score of them, each computed once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from slaeval.errors import UsageError
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
from slaeval.scoring.text.figures import RESAMPLES
from slaeval.scoring.text.protocols import (
    Script,
    TextProtocol,
    corpus_default,
    script_of,
    text_protocol,
)
from slaeval.scoring.text.score import TextScore
from slaeval.scoring.text.scorer import TextReference, score_texts

if TYPE_CHECKING:
    from slaeval.evaluation.references import Source

__all__ = ["TextEvaluation", "open_text_systems", "score_text"]


class TextEvaluation:
    """Translations held against references, like :class:`slaeval.evaluation.score.Evaluation`.

    Parameters
    ----------
    request : Request
        What was asked for.
    source : str
        The file that the hypotheses come from.
    references : ReferenceSet, optional
        Those to use, if they are loaded already; their words are sentences.
    hypotheses : Hypotheses, optional
        Likewise.
    """

    #: Translations come from no run.
    run = None

    def __init__(
        self,
        request: Request | None = None,
        source: str = "",
        references: ReferenceSet | None = None,
        hypotheses: Hypotheses | None = None,
    ) -> None:
        self.request = request or Request()
        self.source = source
        self._readings: dict[str, TextScore] = {}
        if references is not None:
            self.references = references
        if hypotheses is not None:
            self.hypotheses = hypotheses

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
            A folder: runs hold glosses.
        """
        path = os.fspath(source)
        if os.path.isdir(path):
            raise UsageError(f"{path} is a folder: --text takes a file of translations")
        return cls(request, path, references)

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
        return cls(request, "", known, match_sentences(read, known))

    @property
    def name(self) -> str:
        """What to call the system: its file."""
        return os.path.basename(self.source)

    @cached_property
    def references(self) -> ReferenceSet:
        """The references, each segment's only word its sentence."""
        return load_text_references(self.request)

    @cached_property
    def hypotheses(self) -> Hypotheses:
        """The translations, under the ids of the references."""
        read = read_translations(self.source, self.request.format)
        return match_sentences(read, self.references, self.request.fix_ids)

    @cached_property
    def script(self) -> Script:
        """Which form of a protocol these references need."""
        return script_of(row.words[0] for row in self.references.references)

    def rules(self, protocol: str | TextProtocol | None = None) -> TextProtocol:
        """Return the protocol of this name, of the request without it."""
        named = self.request.protocol if protocol is None else protocol
        if not isinstance(named, (str, TextProtocol)):
            raise UsageError(f"{named.name} is a protocol for glosses, not for translations")
        return text_protocol(named, self.references.dataset)

    def reading(self, protocol: str | TextProtocol | None = None) -> TextScore:
        """Return the bare score under a protocol: no notices, no other reading."""
        rules = self.rules(protocol)
        if rules.identifier not in self._readings:
            known = self.references
            self._readings[rules.identifier] = score_texts(
                [TextReference(row.id, row.signer, row.words[0]) for row in known.references],
                {name: words[0] if words else "" for name, words in self.hypotheses.words.items()},
                rules,
                dataset=known.dataset,
                split=known.split,
                source=known.source,
            )
        return self._readings[rules.identifier]

    def score(self, protocol: str | TextProtocol | None = None) -> TextScore:
        """Return the score under a protocol, with all that a reader should know about it.

        Raises
        ------
        InputError
            References or hypotheses cannot be read, or they have no segment in common.
        UsageError
            Unknown names, or a protocol that is not defined for this kind of text.
        """
        result = self.reading(protocol)
        notices = readings_notices(result, lambda: self.reading("unpunctuated"))
        also = corpus_default(self.references.dataset)
        others = [name for name in also.also if also.protocol == result.protocol]
        return replace(
            result,
            warnings=(*observations(self.references, self.hypotheses), *notices),
            other_readings=tuple(map(self.reading, others)),
        )


def open_text_systems(
    sources: Sequence[str | os.PathLike[str]], request: Request | None = None
) -> list[TextEvaluation]:
    """Evaluate several files on the same references."""
    opened = [TextEvaluation.open(source, request) for source in sources]
    for one in opened[1:]:
        one.references = opened[0].references
    return opened


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
