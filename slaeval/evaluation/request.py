"""What hypotheses are scored against, and how: the options that every command shares."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from slaeval.evaluation.references import ReferenceSet
    from slaeval.scoring.protocols import Protocol
    from slaeval.scoring.text.protocols import TextProtocol

__all__ = ["Request"]


class Request(NamedTuple):
    """Where references come from, how hypotheses are read, and the protocol.

    Attributes
    ----------
    dataset : str or None
        Corpus name; required unless `ref` is given or the hypotheses are a run's.
    split : str or None
        Part of the corpus, by default ``"test"``; for a file, only used in its signature.
    root : path-like or None
        Folder of the corpus, if it is not registered.
    ref : path-like or None
        A file with references, in any format the loaders read.
    setup : str or None
        ``"SI"`` or ``"US"`` for Isharah.
    protocol : str, Protocol or TextProtocol
        The evaluation protocol; ``"official"`` is ``"rwth-2014"``, for translations that of
        the corpus.
    format : str
        Format of hypothesis files; ``"auto"`` detects it from the content.
    fix_ids : bool
        Accept ids with a path around them or in another letter case.
    """

    dataset: str | None = None
    split: str | None = None
    root: str | os.PathLike[str] | None = None
    ref: str | os.PathLike[str] | None = None
    setup: str | None = None
    protocol: str | Protocol | TextProtocol = "official"
    format: str = "auto"
    fix_ids: bool = False

    @property
    def names_references(self) -> bool:
        """Whether references are named here; otherwise a run's own are used."""
        return self.dataset is not None or self.ref is not None

    def load_references(self) -> ReferenceSet:
        """Load the references; see :func:`slaeval.evaluation.references.load_references`."""
        from slaeval.evaluation.references import load_references

        return load_references(
            self.dataset, self.split, root=self.root, ref=self.ref, setup=self.setup
        )
