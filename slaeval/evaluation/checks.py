"""Is this input what it seems: what a careful colleague would say about a hypothesis."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.words import split_words
from slaeval.scoring.protocols import EMPTY
from slaeval.scoring.scorer import ignored_ids
from slaeval.scoring.segments import Reference

__all__ = ["coverage", "few", "observations", "skipped_notice", "special_words"]


def observations(references: Sequence[Reference], hypotheses: Hypotheses) -> tuple[str, ...]:
    """Say what a reader of the score should know about this hypothesis.

    Returns
    -------
    tuple of str
        One sentence a finding, none where there is nothing to say.
    """
    notes = list(hypotheses.notes)
    words = hypotheses.words
    ignored = ignored_ids(references)
    if ignored:
        notes.append(
            f"{len(ignored)} segments are left out of the score{few(sorted(ignored))}: their "
            "references hold sclite's mark IGNORE_TIME_SEGMENT_IN_SCORING"
        )
    notes += coverage(
        [reference.id for reference in references if reference.id not in ignored],
        [name for name in words if name not in ignored] if ignored else words,
        [name for name, mine in words.items() if len(mine) < 2 and mine in ([], [EMPTY])],
        [reference.id for reference in references if not reference.words],
    )
    notes += _channels(references, hypotheses.channels)
    if hypotheses.lines is not None:
        notes.extend(_line_order(hypotheses.lines))
    vocabulary = hypotheses.vocabulary
    if vocabulary is None:
        vocabulary = set().union(*words.values())
    return (*notes, *special_words(vocabulary))


def coverage(
    ids: Sequence[str],
    named: Iterable[str],
    empty: Sequence[str] = (),
    wordless: Sequence[str] = (),
    unknown_costs: str = "; the official script would give no score",
) -> list[str]:
    """Hold the segments of a hypothesis against those of the references.

    Parameters
    ----------
    ids, named : sequence and iterable of str
        Segments of the references, and of the hypothesis.
    empty, wordless : sequence of str
        Those without words in the hypothesis, and in the references.
    unknown_costs : str
        What follows from segments that the references lack.
    """
    known, there = set(ids), dict.fromkeys(named)
    notes = []
    if wordless:
        notes.append(
            f"{len(wordless)} references have no words{few(wordless)}: every word recognised "
            "there is an insertion"
        )
    missing = [] if known == there.keys() else [name for name in ids if name not in there]
    if missing:
        notes.append(
            f"{len(missing)} of {len(ids)} segments have no hypothesis and count as empty"
            f"{few(missing)}"
        )
    unknown = [name for name in there if name not in known] if there.keys() - known else []
    if unknown:
        notes.append(
            f"{len(unknown)} segments of the hypothesis are not in the references and are left "
            f"out{few(unknown)}{unknown_costs}"
        )
    if empty:
        notes.append(
            f"{len(empty)} segments have an empty hypothesis{few(empty)}; under the RWTH "
            "scripts each holds the word [EMPTY]"
        )
    return notes


def skipped_notice(skipped: Mapping[str, str]) -> str:
    """Name the segments whose pictures a run could not read, with the reasons."""
    first = "; ".join(f"{name}: {why}" for name, why in list(skipped.items())[:3])
    more = "; …" if len(skipped) > 3 else ""
    return (
        f"{len(skipped)} segments were skipped, their pictures could not be read; each counts as "
        f"empty ({first}{more})"
    )


def _channels(references: Sequence[Reference], channels: Mapping[str, str]) -> list[str]:
    """Compare the channels of a CTM with those of the references, in any letter case."""
    all_on = {reference.channel for reference in references}.union(channels.values())
    if not channels or len({channel.casefold() for channel in all_on if channel}) == 1:
        return []
    other = [
        reference
        for reference in references
        if reference.channel
        and channels.get(reference.id, reference.channel).casefold() != reference.channel.casefold()
    ]
    if not other:
        return []
    first = other[0]
    return [
        f"{len(other)} segments are on another channel than their references (here "
        f"{channels[first.id]!r}, there {first.channel!r}){few([row.id for row in other])}; they "
        "are scored by their ids, the official script would give no score"
    ]


def special_words(vocabulary: Collection[str]) -> list[str]:
    """Name words that sclite reads another way than they are written."""
    text = "".join(vocabulary)
    # Past 125 characters a word may be longer than the 500 bytes sclite reads.
    if not any(mark in text for mark in "*;\\@<") and max(map(len, vocabulary), default=0) <= 125:
        return []
    from slaeval.scoring.alternatives import as_sclite_reads, unusual

    notes = [
        f"the word {word!r} is scored as written; sclite {reason}"
        for word in sorted(vocabulary)
        if (reason := unusual(word))
    ]
    read = {word: as_sclite_reads(word) for word in sorted(vocabulary)}
    marked = [
        f"{word!r} as no word" if mine == "@" else f"{word!r} as {mine!r}"
        for word, mine in read.items()
        if mine != word or mine == "@"
    ]
    if marked:
        notes.append(
            f"{len(marked)} words of the hypothesis hold marks of sclite{few(marked)}: protocols "
            "that score with sclite read them so, others as written"
        )
    return notes


def few(names: Sequence[str]) -> str:
    """Return the first three names in parentheses."""
    return f" ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"


def _line_order(lines: Sequence[str]) -> list[str]:
    """Look at the times of a CTM that was not in plain order."""
    starts: dict[str, list[str]] = {}
    previous, apart = "", set()
    more_columns = 0
    for line in lines:
        name, _, start, *rest = split_words(line)
        if name != previous and name in starts:
            apart.add(name)
        previous = name
        starts.setdefault(name, []).append(start)
        more_columns += len(rest) > 2
    notes = []
    if apart:
        notes.append(
            f"the lines of {len(apart)} segments do not stand together{few(sorted(apart))}; "
            "they were put together"
        )
    as_text = [
        name
        for name, mine in starts.items()
        if mine == sorted(mine) and mine != sorted(mine, key=float)
    ]
    if as_text:
        notes.append(
            f"in {len(as_text)} segments the lines are sorted by time as text (10.00 before "
            f"9.00){few(as_text)}: the words are likely in the wrong order"
        )
    moved = [
        name
        for name, mine in starts.items()
        if mine == sorted(mine, key=float) and mine != sorted(mine)
    ]
    if moved:
        notes.append(
            f"{len(moved)} segments have times from 10 s on{few(moved)}: the official script "
            "sorts times as text and reorders their words; write times below 10 s (0.01 s a "
            "word, as the field does) to avoid this"
        )
    jumbled = [name for name, mine in starts.items() if mine != sorted(mine, key=float)]
    jumbled = [name for name in jumbled if name not in set(as_text)]
    if jumbled:
        notes.append(
            f"in {len(jumbled)} segments the lines are not in the order of time"
            f"{few(jumbled)}; the official script sorts them, others take the file's order"
        )
    if more_columns:
        notes.append(
            f"{more_columns} lines have more than five columns; the fifth is the word, and the "
            "scripts' rules see the others"
        )
    return notes
