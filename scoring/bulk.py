"""Large tidy files, without a Python object a word.

A CTM and an STM of many megabytes are read, cleaned and aligned as arrays of word numbers by
compiled loops; what :class:`~slaeval.scoring.score.Score` asks of its segments is counted from
the arrays. Whatever is not tidy, or a protocol that looks at more than one word at a time,
gives None here and takes the ordinary way, which gives the same answer (tested).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

import numpy as np

from slaeval.scoring import bulk_kernels as kernels
from slaeval.scoring.kernels import align_many
from slaeval.scoring.protocols import Protocol
from slaeval.scoring.score import Group
from slaeval.scoring.segments import AlignedSegment

__all__ = ["BulkSegments", "Read", "align_read", "fits", "read_pair"]

Array = np.ndarray[Any, Any]


class Read(NamedTuple):
    """Both files as arrays.

    Attributes
    ----------
    words : list of str
        Word of each number.
    ids, signers : list of str
        Of every reference.
    left, left_first : Array
        Words of the references, and where each reference begins (one more).
    right, right_first : Array
        Words of the hypotheses, in the order of the file.
    names : list of str
        Segments of the hypotheses.
    texts : list of bytes
        A line a reference: id, tab, words, as the signature's hash wants them.
    """

    words: list[str]
    ids: list[str]
    signers: list[str]
    left: Array
    left_first: Array
    right: Array
    right_first: Array
    names: list[str]
    texts: list[bytes]

    def spoken(self) -> list[str]:
        """Return the distinct words of the hypotheses."""
        return [self.words[number] for number in np.unique(self.right).tolist()]

    def wordless(self) -> list[str]:
        """Return the references without words."""
        return [self.ids[place] for place in np.flatnonzero(np.diff(self.left_first) == 0).tolist()]

    def holding_only(self, word: str) -> list[str]:
        """Return the segments whose hypothesis is this one word."""
        alone = np.flatnonzero(np.diff(self.right_first) == 1)
        return [
            self.names[place]
            for place in alone.tolist()
            if self.words[self.right[self.right_first[place]]] == word
        ]


def read_pair(hypotheses: bytes, references: bytes) -> Read | None:
    """Read a CTM and an STM; None where one of them is not tidy.

    Parameters
    ----------
    hypotheses, references : bytes
        Whole contents of the files.
    """
    if re.search(rb"(?i)ignore_?time_?segment_?in_?scoring", references):
        return None
    parts = [part if part.endswith(b"\n") else part + b"\n" for part in (hypotheses, references)]
    raw = b"".join(parts)
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError:
            return None
    data = np.frombuffer(raw, np.uint8)
    cut = len(parts[0])
    lines, segments = parts[0].count(b"\n"), parts[1].count(b"\n")
    blanks = parts[1].count(b" ")
    slots = 1 << max(10, (2 * (lines + blanks)).bit_length())
    table = np.full(slots, -1, np.int32)
    offsets = np.empty(lines + blanks + 1, np.int64)
    sizes = np.empty(lines + blanks + 1, np.int64)

    right, right_first = np.empty(lines, np.int32), np.empty(lines + 1, np.int64)
    names = np.empty((lines, 2), np.int64)
    read, spoken, count = kernels.scan_ctm(
        data, 0, cut, table, offsets, sizes, 0, right, right_first, names
    )
    if read < 0:
        return None
    right_first[spoken] = read

    left, left_first = np.empty(blanks, np.int32), np.empty(segments + 1, np.int64)
    ids, texts = np.empty((segments, 2), np.int64), np.empty((segments, 2), np.int64)
    signers = np.empty(segments, np.int64)
    signed, total, count = kernels.scan_stm(
        data, cut, len(raw), table, offsets, sizes, count, left, left_first, ids, signers, texts
    )
    if signed < 0:
        return None
    left_first[signed] = total

    words = _pieces(raw, offsets[:count], offsets[:count] + sizes[:count])
    known = _pieces(raw, ids[:signed, 0], ids[:signed, 1])
    said = _pieces(raw, names[:spoken, 0], names[:spoken, 1])
    text = "".join(words)
    if any(mark in text for mark in ";\\*@"):
        return None  # words that sclite reads another way than they are written
    if any(len(set(names)) != len(names) for names in (known, said)):
        return None
    return Read(
        words,
        known,
        [words[number] for number in signers[:signed].tolist()],
        left[:total],
        left_first[: signed + 1],
        right[:read],
        right_first[: spoken + 1],
        said,
        [
            b"%b\t%b\n" % (raw[a:b], raw[c:d])
            for a, b, c, d in zip(
                *(column[:signed].tolist() for pair in (ids, texts) for column in pair.T),
                strict=True,
            )
        ],
    )


def _pieces(raw: bytes, starts: Array, stops: Array) -> list[str]:
    return [raw[a:b].decode() for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]


def fits(rules: Protocol) -> bool:
    """Say whether a protocol looks at one word of the hypothesis at a time and no more."""
    return (
        rules.reference.level == "none"
        and not rules.reference.clip_last
        and not rules.reference.collapse
        and rules.hypothesis.level in ("none", "line")
        and not rules.hypothesis.collapse
        and not rules.swapped
    )


def align_read(read: Read, rules: Protocol) -> BulkSegments | None:
    """Clean and align; None where the protocol needs the ordinary way."""
    if not fits(rules):
        return None
    words = list(read.words)
    numbers = {word: number for number, word in enumerate(words)}

    def number(word: str) -> int:
        if word not in numbers:
            numbers[word] = len(words)
            words.append(word)
        return numbers[word]

    right = read.right
    if rules.hypothesis.level == "line":
        change = np.arange(len(words), dtype=np.int32)
        for before, after in rules.hypothesis.changes(read.words).items():
            change[numbers[before]] = number(after) if after else -1
        right = change[right]
    nothing = number(rules.hypothesis.empty) if rules.hypothesis.empty else -1
    places = {name: place for place, name in enumerate(read.names)}
    where = np.array([places.get(id, -1) for id in read.ids], np.int64)
    right, right_first = kernels.gather(right, read.right_first, where, nothing)

    left, folded = read.left, right
    if rules.fold:
        # Words that differ in letter case only share a number; bytes.lower() is ASCII, as sclite.
        first: dict[bytes, int] = {}
        canonical = np.array(
            [first.setdefault(word.encode().lower(), n) for n, word in enumerate(words)],
            np.int32,
        )
        left, folded = canonical[left], canonical[right]
    lengths = np.diff(read.left_first) * np.diff(right_first)
    if lengths.size and lengths.max() > 16_000_000:
        return None  # a pair for the aligner that needs little memory
    ops, begin, counts = align_many(
        left, read.left_first, folded, right_first, rules.ties == "insertion"
    )
    return BulkSegments(read, words, right, right_first, ops, begin, counts)


class BulkSegments(Sequence[AlignedSegment]):
    """Aligned segments over arrays; a segment becomes an object when it is looked at.

    Parameters
    ----------
    read : Read
        Both files.
    words : list of str
        Word of each number.
    right, right_first : Array
        Words of the hypotheses after cleanup, in the order of the references.
    ops, begin : Array
        Paths as bytes, and where each begins (one more).
    counts : Array
        (segments, 4): correct, substitutions, deletions, insertions.
    """

    def __init__(
        self,
        read: Read,
        words: list[str],
        right: Array,
        right_first: Array,
        ops: Array,
        begin: Array,
        counts: Array,
    ) -> None:
        self._read = read
        self._words = words
        self._right, self._right_first = right, right_first
        self._ops, self._begin = ops, begin
        self._counts = counts

    def __len__(self) -> int:
        return len(self._counts)

    @overload
    def __getitem__(self, index: int) -> AlignedSegment: ...
    @overload
    def __getitem__(self, index: slice) -> list[AlignedSegment]: ...
    def __getitem__(self, index: int | slice) -> AlignedSegment | list[AlignedSegment]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        read, words = self._read, self._words
        left = read.left[read.left_first[index] : read.left_first[index + 1]].tolist()
        right = self._right[self._right_first[index] : self._right_first[index + 1]].tolist()
        return AlignedSegment(
            read.ids[index],
            read.signers[index],
            [words[number] for number in left],
            [words[number] for number in right],
            self._ops[self._begin[index] : self._begin[index + 1]].tobytes().decode(),
        )

    def __iter__(self) -> Iterator[AlignedSegment]:
        return (self[index] for index in range(len(self)))

    def _group(self, name: str, counts: Array) -> Group:
        correct, *errors = (int(value) for value in counts.sum(axis=0))
        wrong = int((counts[:, 1:].sum(axis=1) > 0).sum())
        return Group(name, len(counts), wrong, correct, *errors)

    def total(self) -> Group:
        """Count over all segments."""
        return self._group("all", self._counts)

    def by_signer(self) -> list[Group]:
        """Count by signer, in the order of their names."""
        codes: dict[str, int] = {}
        of = np.array(
            [codes.setdefault(who or "unknown", len(codes)) for who in self._read.signers]
        )
        return [self._group(name, self._counts[of == codes[name]]) for name in sorted(codes)]

    def steps(self, wanted: str) -> Counter[tuple[str, str]]:
        """Count (reference, hypothesis) words of all steps of one kind."""
        pairs = kernels.steps_of(
            self._ops,
            self._begin,
            self._read.left,
            self._read.left_first,
            self._right,
            self._right_first,
            ord(wanted),
        )
        base = len(self._words) + 1
        keys, times = np.unique((pairs[:, 0] + 1) * base + pairs[:, 1] + 1, return_counts=True)
        names = ["", *self._words]
        return Counter(
            {
                (names[key // base], names[key % base]): count
                for key, count in zip(keys.tolist(), times.tolist(), strict=True)
            }
        )

    def vocabularies(self) -> tuple[set[str], Counter[str]]:
        """Return the words of the references, and how often each of the hypotheses is said."""
        spoken, times = np.unique(self._right, return_counts=True)
        return (
            {self._words[number] for number in np.unique(self._read.left).tolist()},
            Counter(
                {
                    self._words[number]: count
                    for number, count in zip(spoken.tolist(), times.tolist(), strict=True)
                }
            ),
        )

    def errors_and_words(self) -> tuple[list[int], list[int]]:
        """Return errors and reference words of every segment."""
        return (
            self._counts[:, 1:].sum(axis=1).tolist(),
            self._counts[:, :3].sum(axis=1).tolist(),
        )
