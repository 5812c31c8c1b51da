"""The records scoring works on: plain words in, aligned words out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

__all__ = ["AlignedSegment", "AlignedSegments", "Reference"]


class Reference(NamedTuple):
    """What was signed in one segment.

    Attributes
    ----------
    id : str
        Name of the segment.
    signer : str
        Who signs, ``""`` where unknown.
    words : list of str
        Glosses as annotated; STM alternation braces included.
    channel : str
        Channel of the recording, which sclite matches with that of the CTM; ``""`` where the
        source of the reference has none.
    """

    id: str
    signer: str
    words: list[str]
    channel: str = ""


class AlignedSegment(NamedTuple):
    """One scored segment.

    Attributes
    ----------
    id : str
        Name of the segment.
    signer : str
        Who signs, ``""`` where unknown.
    reference, hypothesis : list of str
        Words as compared, after the protocol's cleanup (original letter case).
    ops : str
        The alignment path over ``C`` (correct), ``S`` (substitution), ``D`` (deletion) and
        ``I`` (insertion), left to right. ``C`` and ``S`` take a word of either side, ``D``
        one of the reference, ``I`` one of the hypothesis.
    """

    id: str
    signer: str
    reference: list[str]
    hypothesis: list[str]
    ops: str

    @property
    def correct(self) -> int:
        """Words recognised."""
        return self.ops.count("C")

    @property
    def substitutions(self) -> int:
        """Words recognised as another word."""
        return self.ops.count("S")

    @property
    def deletions(self) -> int:
        """Reference words without counterpart."""
        return self.ops.count("D")

    @property
    def insertions(self) -> int:
        """Hypothesis words without counterpart."""
        return self.ops.count("I")

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return len(self.ops) - self.ops.count("C")

    def pairs(self) -> list[tuple[str, str, str]]:
        """Return ``(op, reference word, hypothesis word)`` a step, ``""`` for no word."""
        reference, hypothesis = iter(self.reference), iter(self.hypothesis)
        return [
            (
                op,
                next(reference) if op != "I" else "",
                next(hypothesis) if op != "D" else "",
            )
            for op in self.ops
        ]


class AlignedSegments(Sequence[AlignedSegment]):
    """Scored segments, kept column by column: a record is made when it is asked for.

    Parameters
    ----------
    ids, signers : sequence of str
        Of every segment.
    references, hypotheses : sequence of lists of str
        Words of every segment, as compared.
    paths : sequence of str
        Alignment path of every segment, as in :attr:`AlignedSegment.ops`.
    """

    __slots__ = ("hypotheses", "ids", "paths", "references", "signers")

    def __init__(
        self,
        ids: Sequence[str],
        signers: Sequence[str],
        references: Sequence[list[str]],
        hypotheses: Sequence[list[str]],
        paths: Sequence[str],
    ) -> None:
        self.ids = ids
        self.signers = signers
        self.references = references
        self.hypotheses = hypotheses
        self.paths = paths

    @classmethod
    def of(cls, segments: Iterable[AlignedSegment]) -> AlignedSegments:
        """Keep records."""
        columns = list(zip(*segments, strict=True)) or [()] * 5
        return cls(*columns)

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> AlignedSegment: ...
    @overload
    def __getitem__(self, index: slice) -> list[AlignedSegment]: ...
    def __getitem__(self, index: int | slice) -> AlignedSegment | list[AlignedSegment]:
        columns = (self.ids, self.signers, self.references, self.hypotheses, self.paths)
        if isinstance(index, slice):
            return list(map(AlignedSegment, *(column[index] for column in columns)))
        return AlignedSegment(*(column[index] for column in columns))  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[AlignedSegment]:
        return map(
            AlignedSegment, self.ids, self.signers, self.references, self.hypotheses, self.paths
        )

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (AlignedSegments, list)):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __repr__(self) -> str:
        return f"<{len(self)} aligned segments>"
