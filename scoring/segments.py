"""The records scoring works on: plain words in, aligned words out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, compress, repeat
from typing import Any, ClassVar, NamedTuple, TypeVar, overload

from slaeval.formats.sentences import Sentences

__all__ = ["AlignedSegment", "AlignedSegments", "Reference", "References"]

#: For each step a table for ``bytes.translate``: 1 for this step, 0 for others.
_CHOOSE = {op: bytes(code == ord(op) for code in range(256)) for op in "SDI"}


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
        ``I`` (insertion), left to right. ``C`` and ``S`` consume a word of each side, ``D``
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
        """Reference words without a counterpart."""
        return self.ops.count("D")

    @property
    def insertions(self) -> int:
        """Hypothesis words without a counterpart."""
        return self.ops.count("I")

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return len(self.ops) - self.ops.count("C")

    def pairs(self) -> list[tuple[str, str, str]]:
        """Return ``(op, reference word, hypothesis word)`` for each step, ``""`` for no word."""
        reference, hypothesis = iter(self.reference), iter(self.hypothesis)
        return [
            (
                op,
                next(reference) if op != "I" else "",
                next(hypothesis) if op != "D" else "",
            )
            for op in self.ops
        ]


Record = TypeVar("Record", Reference, AlignedSegment)


class _Records(Sequence[Record]):
    """Records stored column by column; each is made on access."""

    __slots__ = ()

    #: Makes a record from its values.
    _record: ClassVar[Any]

    @property
    def columns(self) -> tuple[Sequence[Any], ...]:
        """The columns, in the order of a record's fields."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.columns[0])

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        values = [column[index] for column in self.columns]
        if isinstance(index, slice):
            return list(map(self._record, *values))
        return self._record(*values)  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Record]:
        return map(self._record, *self.columns)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (_Records, list)):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as a list


class References(_Records[Reference]):
    """References, stored column by column.

    Parameters
    ----------
    ids, signers : sequence of str
        Of every segment.
    words : sequence of lists of str
        Glosses of every segment.
    channels : sequence of str, optional
        Of every segment.
    """

    __slots__ = ("channels", "ids", "signers", "words")
    _record = Reference

    def __init__(
        self,
        ids: Sequence[str],
        signers: Sequence[str],
        words: Sequence[list[str]],
        channels: Sequence[str] | None = None,
    ) -> None:
        self.ids = ids
        self.signers = signers
        self.words = words
        self.channels = [""] * len(ids) if channels is None else channels

    @classmethod
    def of(cls, references: Sequence[Reference]) -> References:
        """Keep records."""
        if isinstance(references, cls):
            return references
        return cls(*map(list, zip(*references, strict=True))) if references else cls([], [], [])

    @property
    def columns(self) -> tuple[Sequence[Any], ...]:
        """The columns, in the order of a record's fields."""
        return self.ids, self.signers, self.words, self.channels

    def without(self, ids: Collection[str]) -> References:
        """Return the references with none of these ids."""
        if not ids:
            return self
        return References.of([reference for reference in self if reference.id not in ids])

    def __repr__(self) -> str:
        return f"<{len(self)} references>"


class AlignedSegments(_Records[AlignedSegment]):
    """Scored segments, stored column by column.

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
    _record = AlignedSegment

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

    @property
    def columns(self) -> tuple[Sequence[Any], ...]:
        """The columns, in the order of a record's fields."""
        return self.ids, self.signers, self.references, self.hypotheses, self.paths

    def errors(self) -> dict[str, Mapping[tuple[str, str], int]]:
        """Count the words of all errors.

        Returns
        -------
        dict
            For each of ``S``, ``D`` and ``I`` the pairs of reference and hypothesis word, ``""``
            for no word, with their counts.
        """
        path = "".join(self.paths).encode()
        left, right = self.references, self.hypotheses
        if isinstance(left, Sentences) and isinstance(right, Sentences):
            return _numbered_errors(path, left, right)
        # Without insertions a path has a step per reference word, without deletions one per
        # hypothesis word.
        sides = (left, path.replace(b"I", b"")), (right, path.replace(b"D", b""))

        def words(op: str) -> Iterator[Iterable[str]]:
            for side, steps in sides:
                yield compress(chain.from_iterable(side), steps.translate(_CHOOSE[op]))

        (wrong, for_them), (missing, _), (_, added) = map(words, "SDI")
        return {
            "S": Counter(zip(wrong, for_them, strict=True)),
            "D": Counter(zip(missing, repeat(""), strict=False)),
            "I": Counter(zip(repeat(""), added, strict=False)),
        }

    def __repr__(self) -> str:
        return f"<{len(self)} aligned segments>"


def _numbered_errors(
    path: bytes, left: Sentences, right: Sentences
) -> dict[str, Mapping[tuple[str, str], int]]:
    """Count the words of all errors with numpy; see :meth:`AlignedSegments.errors`."""
    import numpy as np

    steps = np.frombuffer(path, np.uint8)
    with_left, with_right = steps[steps != ord("I")], steps[steps != ord("D")]
    left_texts, right_texts = (*left.texts, ""), (*right.texts, "")

    def counted(of_left: Any, of_right: Any) -> dict[tuple[str, str], int]:
        """Count pairs of numbers; the last text of each side means no word."""
        pairs = np.int64(len(right_texts)) * of_left + of_right
        each, times = np.unique(pairs, return_counts=True)
        one, other = np.divmod(each, len(right_texts))
        return {
            (left_texts[a], right_texts[b]): count
            for a, b, count in zip(one.tolist(), other.tolist(), times.tolist(), strict=True)
        }

    wrong, missing = (left.number[with_left == ord(op)] for op in "SD")
    for_them, added = (right.number[with_right == ord(op)] for op in "SI")
    return {
        "S": counted(wrong, for_them),
        "D": counted(missing, len(right.texts)),
        "I": counted(len(left.texts), added),
    }
