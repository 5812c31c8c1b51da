"""The records scoring works on: plain words in, aligned words out."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["AlignedSegment", "Reference"]


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
