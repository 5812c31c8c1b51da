"""From references and hypotheses to a score under a protocol."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from slaeval._version import __version__
from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.sentences import holding, mapped, named, picked, replaced, vocabulary
from slaeval.scoring.alignment import align
from slaeval.scoring.protocols import OFFICIAL, Protocol, protocol
from slaeval.scoring.score import Score
from slaeval.scoring.segments import AlignedSegments, Reference, References

__all__ = [
    "floor",
    "ignored_ids",
    "is_ignored",
    "lines_hash",
    "references_hash",
    "score_segments",
    "signature",
]

#: Characters with a meaning to sclite, in references or in words of either side.
_MARKS = frozenset(";\\*@{")

#: sclite leaves out a reference whose text contains one of these, in any letter case.
_IGNORED = ("IGNORE_TIME_SEGMENT_IN_SCORING", "IGNORETIMESEGMENTINSCORING")


def score_segments(
    references: Sequence[Reference],
    hypotheses: Hypotheses,
    rules: str | Protocol = OFFICIAL,
    *,
    dataset: str | None = None,
    split: str | None = None,
    clipped: bool = False,
    warnings: tuple[str, ...] = (),
    ignored: Collection[str] | None = None,
) -> Score:
    """Score hypotheses against references.

    Parameters
    ----------
    references : sequence of Reference
        Every segment to score, each id once.
    hypotheses : Hypotheses
        What was recognised. A reference without a hypothesis is scored against an empty one; a
        hypothesis without a reference is left out.
    rules : str or Protocol
        The protocol.
    dataset, split : str, optional
        What the references are, for the signature.
    clipped : bool
        The reference file ends without a newline; matters to protocols that lose a letter
        there.
    warnings : tuple of str
        Passed on to the score.
    ignored : collection of str, optional
        The result of :func:`ignored_ids` for the references, if already known.

    Returns
    -------
    Score
        With one aligned segment per reference, in their order.

    Raises
    ------
    UsageError
        Unknown protocol.
    """
    rules = protocol(rules)
    known = References.of(references)
    scored = known.without(ignored_ids(known) if ignored is None else ignored)
    left = rules.reference.references(scored.words)
    if clipped and rules.reference.clip_last and left and left[-1]:
        *words, last = left[-1]
        left = replaced(left, {len(left) - 1: [*words, last[:-1]] if last[:-1] else words})
    nothing = [rules.hypothesis.empty] if rules.hypothesis.empty else []
    right = picked(rules.hypothesis.hypotheses(hypotheses), scored.ids, nothing)
    marks = _MARKS.intersection("".join(vocabulary(left, right)))
    if rules.fold and marks - {"{"}:
        left, right = _as_sclite_reads(left, right)
    if rules.swapped:
        left, right = right, left
    chosen = {}
    # Braces offer alternatives, and @ means no word.
    if marks and (branching := holding(left, ("{", "@"))):
        from slaeval.scoring.alternatives import align_alternatives

        chosen = {row: align_alternatives(left[row], right[row], rules.fold) for row in branching}
        left = replaced(left, {row: words for row, (words, _) in chosen.items()})
    ops = align(left, right, fold=rules.fold, ties=rules.ties)
    for row, (_, path) in chosen.items():
        ops[row] = path
    return Score(
        AlignedSegments(scored.ids, scored.signers, left, right, ops),
        protocol=rules.name,
        dataset=dataset,
        split=split,
        signature=signature(rules, dataset, split, len(scored), references_hash(known)),
        warnings=warnings,
    )


def _as_sclite_reads(
    left: Sequence[list[str]], right: Sequence[list[str]]
) -> tuple[Sequence[list[str]], Sequence[list[str]]]:
    """Strip sclite's marks from the words of both sides; ``@`` in a hypothesis is not a word."""
    from slaeval.scoring.alternatives import as_sclite_reads, reference_as_sclite_reads

    read = {word: as_sclite_reads(word) for word in vocabulary(left, right)}
    marked = {word for word, plain in read.items() if plain != word or word == "@"}
    changed = {row: reference_as_sclite_reads(left[row]) for row in holding(left, marked)}
    without = {word: None if read[word] == "@" else read[word] for word in marked}
    return replaced(left, changed), mapped(right, without)


def is_ignored(words: Iterable[str]) -> bool:
    """Say whether sclite leaves a reference out of the score."""
    return any(len(word) > 25 and any(mark in word.upper() for mark in _IGNORED) for word in words)


def ignored_ids(references: Sequence[Reference]) -> set[str]:
    """Return the ids of the references that sclite leaves out of the score."""
    known = References.of(references)
    marked = [word for word in vocabulary(known.words) if is_ignored([word])]
    return {known.ids[row] for row in holding(known.words, marked)}


def signature(
    rules: Protocol, dataset: str | None, split: str | None, segments: int, references: str
) -> str:
    """Return the line that names everything needed to reproduce the number."""
    return (
        f"dataset:{dataset or 'own'}|split:{split or 'own'}|protocol:{rules.identifier}|"
        f"segments:{segments}|references:{references}|slaeval:{__version__}"
    )


def floor(
    references: Sequence[Reference], rules: str | Protocol = OFFICIAL, *, clipped: bool = False
) -> Score:
    """Return the score of a perfect transcript: the references as hypotheses.

    The first of several alternatives is chosen.
    """
    known = References.of(references)
    chosen = {row: _first_alternatives(known.words[row]) for row in holding(known.words, "{")}
    words = named(known.ids, replaced(known.words, chosen))
    return score_segments(known, Hypotheses(words), rules, clipped=clipped)


def _first_alternatives(words: Sequence[str]) -> list[str]:
    """Return the words with the first branch of each ``{ A / B }``; ``@`` is dropped."""
    chosen: list[str] = []
    branches: list[int] = []  # the current branch, one per level
    for word in words:
        if word == "{":
            branches.append(0)
        elif word == "}" and branches:
            branches.pop()
        elif word == "/" and branches:
            branches[-1] += 1
        elif not any(branches) and not (word == "@" and branches):
            chosen.append(word)
    return chosen


def references_hash(references: Sequence[Reference]) -> str:
    """Return 12 hex digits of the SHA-256 of all ids and words, whatever their order."""
    known = References.of(references)
    texts = map(" ".join, known.words)
    return lines_hash([f"{id}\t{text}\n" for id, text in zip(known.ids, texts, strict=True)])


def lines_hash(lines: Iterable[str]) -> str:
    """Return 12 hex digits of the SHA-256 of sorted lines of text."""
    import hashlib

    # Characters sort in the same order as their UTF-8.
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()[:12]
