"""Where the errors are: every step of every alignment, counted once.

A score is a sum over the steps of its alignments. Here each step, correct or not, becomes one
record with its segment, signer, words, place in the sentence and the training frequency of its
word. Any grouping of the records splits the score: each record is in exactly one group, so the
counts of the groups add up to those of the score.

Where a step belongs
--------------------
A correct word, a substitution and a deletion belong to their *reference* word: its place, its
frequency, its gloss. An insertion has none. It belongs

- by position, to the reference word that follows it; after the last word, to the last word; in
  a segment without reference words, to a separate group;
- by gloss and by frequency, to the *hypothesis* word that was inserted.

The rate of a group is (S + D + I) / reference words *of that group*. Only over the whole is it a
word error rate: the insertions of a gloss, for instance, may outnumber its occurrences.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from slaeval.errors import UsageError, nearest
from slaeval.scoring import intervals
from slaeval.scoring.alignment import FOLD
from slaeval.scoring.protocols import protocols
from slaeval.scoring.score import Counts, Score

if TYPE_CHECKING:
    from slaeval.scoring.segments import AlignedSegment

__all__ = [
    "FREQUENCIES",
    "GROUPINGS",
    "Attribution",
    "ErrorGroup",
    "attribute",
    "binned",
    "frequency_class",
    "gloss_key",
    "gloss_names",
    "group",
]

#: What :func:`group` can group errors by.
GROUPINGS = ("signer", "length", "frequency", "position", "gloss")

#: Classes of training frequency: highest count and name of each; None: no upper end.
FREQUENCIES: tuple[tuple[int | None, str], ...] = (
    (0, "unseen"),
    (2, "1–2 times"),
    (10, "3–10 times"),
    (50, "11–50 times"),
    (200, "51–200 times"),
    (1000, "201–1,000 times"),
    (None, "over 1,000 times"),
)

_NO_REFERENCE = "no reference"

_COUNTS_NEEDED = (
    "grouping by frequency needs the counts of the training split: training_counts(corpus)"
)


class Attribution(NamedTuple):
    """One step of one alignment.

    Attributes
    ----------
    segment, signer : str
        Where it is; signer ``""`` where unknown.
    op : str
        ``C`` correct, ``S`` substitution, ``D`` deletion, ``I`` insertion.
    reference, hypothesis : str
        The words; ``""`` on the side that has none.
    place : int
        Index of the reference word it belongs to, from 0; for an insertion the following one
        or, at the end, the last; -1 in a segment without reference words.
    words : int
        Reference words of the segment.
    frequency : int or None
        How often its gloss occurs in training; None if no counts were given.
    """

    segment: str
    signer: str
    op: str
    reference: str
    hypothesis: str
    place: int
    words: int
    frequency: int | None = None

    @property
    def gloss(self) -> str:
        """The word it belongs to: the reference word or, for an insertion, the inserted one."""
        return self.hypothesis if self.op == "I" else self.reference

    def part(self, parts: int) -> int | None:
        """Return which of `parts` equal parts of the sentence it is in, from 0.

        A word counts at its middle: with three parts, a single word is in the second, two words
        are in the first and the third. None in a segment without reference words.
        """
        return None if self.place < 0 else (2 * self.place + 1) * parts // (2 * self.words)


@dataclass(frozen=True)
class ErrorGroup(Counts):
    """Counts over some steps.

    As :class:`~slaeval.scoring.score.Counts`, but over steps: `segments` is the number of
    segments with a step in this group, `segment_errors` the number with an error in it.

    Attributes
    ----------
    interval : tuple of float or None
        95 % interval of `wer` in percent, linearised over the segments of the group; None for
        a single segment or without reference words.
    """

    interval: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, the rate and its interval, ready for JSON."""
        return {
            **super().to_dict(),
            "wer_ci": None if self.interval is None else list(self.interval),
        }


def attribute(score: Score, training: Mapping[str, int] | None = None) -> list[Attribution]:
    """Return every step of every alignment of a score, in its order.

    Parameters
    ----------
    score : Score
        What to explain.
    training : mapping, optional
        Counts of the glosses in the training references, cleaned as the score's references
        are; see :func:`training_counts`.

    Returns
    -------
    list of Attribution
        As many with op ``S`` as the score has substitutions, and so on.
    """
    frequency = _frequencies(score, training)
    return [step for segment in score.segments for step in _steps(segment, frequency)]


def group(
    score: Score,
    by: str,
    training: Mapping[str, int] | None = None,
    *,
    parts: int = 3,
) -> list[ErrorGroup]:
    """Split the counts of a score into groups.

    Parameters
    ----------
    score : Score
        What to explain.
    by : {"signer", "length", "frequency", "position", "gloss"}
        ``"length"``: ranges of reference words, as :meth:`Score.by`; ``"frequency"``: classes
        of how often the gloss occurs in training; ``"position"``: parts of the sentence.
        Glosses that differ only in ASCII letter case are merged if the protocol ignores case.
    training : mapping, optional
        As for :func:`attribute`; needed for ``"frequency"``.
    parts : int
        Number of equal parts of a sentence for ``"position"``.

    Returns
    -------
    list of ErrorGroup
        Words and errors add up to the score's. In order of signer, length, frequency or
        position; glosses by errors, most first. Groups without a step (by signer and length:
        without a segment) are left out.

    Raises
    ------
    UsageError
        Unknown grouping, ``"frequency"`` without counts, or fewer than one part.
    """
    if by not in GROUPINGS:
        raise UsageError(
            f"cannot group errors by {by!r}{nearest(by, GROUPINGS)}; known: " + ", ".join(GROUPINGS)
        )
    if by == "frequency" and training is None:
        raise UsageError(_COUNTS_NEEDED)
    if parts < 1:
        raise UsageError(f"a sentence must have one part or more, not {parts}")
    if by in ("signer", "length"):
        return [_tally(paths).group(name) for name, paths in score.paths_by(by).items()]

    frequency = _frequencies(score, training)
    key = _keys(score, by, parts)
    tallies: dict[Any, _Tally] = {}
    for segment in score.segments:
        paths: dict[Any, list[str]] = {}
        for step in _steps(segment, frequency):
            paths.setdefault(key(step), []).append(step.op)
        for name, ops in paths.items():
            tallies.setdefault(name, _Tally()).add("".join(ops))
    if by == "gloss":
        names = gloss_names(score)
        groups = [tally.group(names[name]) for name, tally in tallies.items()]
        return sorted(groups, key=lambda counts: (-counts.errors, -counts.correct, counts.name))
    return [tallies[name].group(_class_name(by, name, parts)) for name in sorted(tallies)]


def binned(
    score: Score,
    by: Literal["length", "frequency"],
    training: Mapping[str, int] | None = None,
    *,
    bins: int = 8,
) -> list[tuple[float, ErrorGroup]]:
    """Split the counts of a score into bins of a quantity.

    Parameters
    ----------
    score : Score
        What to explain.
    by : {"length", "frequency"}
        Reference words of the segment, or how often the gloss occurs in training.
    training : mapping, optional
        As for :func:`attribute`; needed for ``"frequency"``.
    bins : int
        By length: greatest number of bins, with about equally many words; segments without
        reference words have a separate one. Frequencies have the bins of :data:`FREQUENCIES`,
        since equal ones would hide the rare glosses.

    Returns
    -------
    list of tuple
        Mean of the quantity over the words of the bin, and the counts; in ascending order,
        adding up to the score's. The name of a group is its range: ``"4–6"``.

    Raises
    ------
    UsageError
        As for :func:`group`; also for fewer than one bin.
    """
    if by not in ("length", "frequency"):
        raise UsageError(f"errors can be binned by length or frequency, not by {by!r}")
    if by == "frequency" and training is None:
        raise UsageError(_COUNTS_NEEDED)
    if bins < 1:
        raise UsageError(f"there must be one bin or more, not {bins}")
    frequency = _frequencies(score, training)
    paths: list[dict[int, list[str]]] = []
    words: Counter[int] = Counter()
    for segment in score.segments:
        ops_by_value: dict[int, list[str]] = {}
        for step in _steps(segment, frequency):
            value = step.words if by == "length" else step.frequency or 0
            ops_by_value.setdefault(value, []).append(step.op)
            words[value] += step.op != "I"
        paths.append(ops_by_value)
    bounds = _bounds(words, bins) if by == "length" else _frequency_bounds(words)
    tallies = [_Tally() for _ in bounds]
    for ops_by_value in paths:
        together: dict[int, list[str]] = {}
        for value, ops in ops_by_value.items():
            together.setdefault(bisect_left(bounds, value), []).extend(ops)
        for place, ops in together.items():
            tallies[place].add("".join(ops))
    out = []
    for place, (high, tally) in enumerate(zip(bounds, tallies, strict=True)):
        low = bounds[place - 1] if place else -1
        inside = [value for value in words if low < value <= high]
        first, last = min(inside), max(inside)
        weight = sum(words[value] for value in inside)
        mean = sum(value * words[value] for value in inside) / weight if weight else float(first)
        out.append((mean, tally.group(str(first) if first == last else f"{first}–{last}")))
    return out


def _bounds(words: Mapping[int, int], bins: int) -> list[int]:
    """Return the upper ends of bins with about equally many words; 0 has a separate bin."""
    values = sorted(value for value in words if value)
    bounds = [0] if 0 in words else []
    left, total = bins - len(bounds), sum(words[value] for value in values)
    filled = 0
    for value in values:
        filled += words[value]
        if value == values[-1] or (left > 1 and filled >= total / left):
            bounds.append(value)
            total -= filled
            left -= 1
            filled = 0
    return bounds


def _frequency_bounds(words: Mapping[int, int]) -> list[int]:
    """Return the highest frequency in each non-empty class."""
    highest: dict[int, int] = {}
    for value in sorted(words):
        highest[_frequency_rank(value)] = value
    return list(highest.values())


def frequency_class(count: int) -> str:
    """Name the class of a gloss that occurs `count` times in training."""
    return FREQUENCIES[_frequency_rank(count)][1]


def gloss_key(score: Score) -> Callable[[str], str]:
    """Return the function under which words of the same gloss are equal.

    It folds ASCII letter case if the score's protocol does, or if that is not registered.
    """
    if next((rules.fold for rules in protocols() if rules.name == score.protocol), True):
        return lambda word: word.translate(FOLD)
    return lambda word: word


def gloss_names(score: Score) -> dict[str, str]:
    """Return how to write each gloss, by :func:`gloss_key`: as most often in the references.

    Glosses that are in no reference are written as most often in the hypotheses.
    """
    key = gloss_key(score)
    written: dict[str, Counter[tuple[bool, str]]] = {}
    for segment in score.segments:
        for recognised, words in ((False, segment.reference), (True, segment.hypothesis)):
            for word in words:
                written.setdefault(key(word), Counter())[recognised, word] += 1
    return {
        name: min(counts, key=lambda form: (form[0], -counts[form], form[1]))[1]
        for name, counts in written.items()
    }


class _Tally:
    """Sums of a group, and the values per segment that its interval needs."""

    def __init__(self) -> None:
        self.ops: Counter[str] = Counter()
        self.errors: list[int] = []
        self.words: list[int] = []

    def add(self, path: str) -> None:
        """Add one segment's part of the group: a path, possibly with gaps or empty."""
        self.ops.update(path)
        self.errors.append(len(path) - path.count("C"))
        self.words.append(len(path) - path.count("I"))

    def group(self, name: str) -> ErrorGroup:
        return ErrorGroup(
            name,
            len(self.errors),
            sum(map(bool, self.errors)),
            self.ops["C"],
            self.ops["S"],
            self.ops["D"],
            self.ops["I"],
            intervals.linearised(self.errors, self.words),
        )


def _tally(paths: Iterable[str]) -> _Tally:
    tally = _Tally()
    for path in paths:
        tally.add(path)
    return tally


def _steps(
    segment: AlignedSegment, frequency: Callable[[str], int | None]
) -> Iterator[Attribution]:
    words = len(segment.reference)
    index = 0
    for op, reference, hypothesis in segment.pairs():
        yield Attribution(
            segment.id,
            segment.signer,
            op,
            reference,
            hypothesis,
            min(index, words - 1),
            words,
            frequency(hypothesis if op == "I" else reference),
        )
        index += op != "I"


def _frequencies(score: Score, training: Mapping[str, int] | None) -> Callable[[str], int | None]:
    """Return a function that looks up the training count of a word."""
    if training is None:
        return lambda word: None
    fold = gloss_key(score)
    folded: Counter[str] = Counter()
    for word, count in training.items():
        folded[fold(word)] += count
    return lambda word: folded[fold(word)]


def _keys(score: Score, by: str, parts: int) -> Callable[[Attribution], Any]:
    """Return a function that gives the group of a step."""
    if by == "frequency":
        return lambda step: _frequency_rank(step.frequency or 0)
    if by == "position":
        # After all parts: segments without reference words.
        return lambda step: parts if step.place < 0 else step.part(parts)
    fold = gloss_key(score)
    return lambda step: fold(step.gloss)


def _frequency_rank(count: int) -> int:
    return next(rank for rank, (high, _) in enumerate(FREQUENCIES) if high is None or count <= high)


def _class_name(by: str, key: int, parts: int) -> str:
    if by == "frequency":
        return FREQUENCIES[key][1]
    if key == parts:
        return _NO_REFERENCE
    if parts == 3:
        return ("start", "middle", "end")[key]
    return f"{100 * key / parts:.0f}–{100 * (key + 1) / parts:.0f} %"
