"""What evaluations of glosses and of translations share: each score is computed once."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from slaeval.evaluation.request import Request

if TYPE_CHECKING:
    from typing_extensions import Self

    from slaeval.evaluation.references import ReferenceSet
    from slaeval.evaluation.run_folder import Run
    from slaeval.formats.hypotheses import Hypotheses
    from slaeval.scoring.protocols import Protocol
    from slaeval.scoring.score import Score
    from slaeval.scoring.text.protocols import TextProtocol
    from slaeval.scoring.text.score import TextScore

__all__ = ["BaseEvaluation", "system_names"]

_Rules = TypeVar("_Rules", bound="Protocol | TextProtocol")
_Score = TypeVar("_Score", bound="Score | TextScore")


class BaseEvaluation(ABC, Generic[_Rules, _Score]):
    """Hypotheses of one system, their references and every score of them.

    References and hypotheses of a file are read when they are first needed.

    Parameters
    ----------
    references : ReferenceSet, optional
        Required unless `request` or `run` says where they are.
    hypotheses : Hypotheses, optional
        With the ids of the references; required unless there is a `source`.
    request : Request
        What the user requested.
    source : str
        The file or run folder that the hypotheses come from.
    run : Run, optional
        The run they come from.
    """

    def __init__(
        self,
        references: ReferenceSet | None = None,
        hypotheses: Hypotheses | None = None,
        request: Request | None = None,
        *,
        source: str = "",
        run: Run | None = None,
    ) -> None:
        self.request = request or Request()
        self.source = source
        self.run = run
        self._readings: dict[str, _Score] = {}
        self._scores: dict[str, _Score] = {}
        if references is not None:
            self.references = references
        if hypotheses is not None:
            self.hypotheses = hypotheses

    @classmethod
    @abstractmethod
    def open(
        cls,
        source: str | os.PathLike[str],
        request: Request | None = None,
        references: ReferenceSet | None = None,
    ) -> Self:
        """Evaluate a file, or the folder of a run."""

    @classmethod
    def open_all(
        cls, sources: Sequence[str | os.PathLike[str]], request: Request | None = None
    ) -> list[Self]:
        """Evaluate several systems on the same references: those named, else the first run's."""
        opened = [cls.open(source, request) for source in sources]
        first = next((one for one in opened if one.run is not None), opened[0])
        for one in opened:
            one.references = first.references
        return opened

    @abstractmethod
    def rules(self, protocol: str | Protocol | TextProtocol | None = None) -> _Rules:
        """Return the protocol of this name, by default that of the request."""

    @abstractmethod
    def _load_references(self) -> ReferenceSet:
        """Load the requested references."""

    @abstractmethod
    def _read_hypotheses(self) -> Hypotheses:
        """Read the source, under the ids of the references."""

    @abstractmethod
    def _count(self, rules: _Rules) -> _Score:
        """Score the hypotheses under a protocol."""

    @abstractmethod
    def _annotated(self, rules: _Rules) -> _Score:
        """Return the score under a protocol with everything a reader should know about it."""

    @property
    def name(self) -> str:
        """Name of the system: its file, or the folder of its run."""
        path = os.path.abspath(self.source) if self.run is not None else self.source
        return os.path.basename(path)

    @cached_property
    def references(self) -> ReferenceSet:
        """The references: those named, or else those of the run."""
        return self._load_references()

    @cached_property
    def hypotheses(self) -> Hypotheses:
        """The hypotheses, under the ids of the references."""
        return self._read_hypotheses()

    def reading(self, protocol: str | Protocol | TextProtocol | None = None) -> _Score:
        """Return the bare figures under a protocol: no notices, no other reading."""
        rules = self.rules(protocol)
        if rules.identifier not in self._readings:
            self._readings[rules.identifier] = self._count(rules)
        return self._readings[rules.identifier]

    def score(self, protocol: str | Protocol | TextProtocol | None = None) -> _Score:
        """Return the score under a protocol, with everything a reader should know about it.

        Parameters
        ----------
        protocol : str, Protocol or TextProtocol, optional
            By default that of the request.

        Returns
        -------
        Score or TextScore
            With the notices, and with the other readings that papers use on this corpus.

        Raises
        ------
        InputError
            References or hypotheses cannot be read, or they have no segment in common.
        UsageError
            Unknown names, or a protocol that is not defined for these references.
        """
        rules = self.rules(protocol)
        if rules.identifier not in self._scores:
            self._scores[rules.identifier] = self._annotated(rules)
        return self._scores[rules.identifier]

    def __repr__(self) -> str:
        scored = ", ".join(self._readings) or "not scored yet"
        return f"<{type(self).__name__} {self.name or 'of values'}: {scored}>"


def system_names(systems: Sequence[BaseEvaluation[Any, Any]]) -> list[str]:
    """Return short names of systems that tell them apart."""
    short = [system.name for system in systems]
    if len(set(short)) == len(short):
        return short
    # A run's folder as an absolute path, since "." is no name.
    paths = [
        os.path.abspath(one.source) if one.run is not None else os.path.normpath(one.source)
        for one in systems
    ]
    return [path if paths.count(path) == 1 else f"{path} ({n})" for n, path in enumerate(paths, 1)]
