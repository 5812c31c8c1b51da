"""Checks of a hypothesis: what a careful colleague would point out before believing its score."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from slaeval.errors import counted
from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.sentences import holding, lengths, sentences_of, vocabulary
from slaeval.formats.words import split_words
from slaeval.scoring.protocols import EMPTY
from slaeval.scoring.segments import Reference, References

__all__ = ["coverage", "few", "observations", "skipped_notice", "special_words"]


def observations(
    references: Sequence[Reference], hypotheses: Hypotheses, ignored: Collection[str]
) -> tuple[str, ...]:
    """Return what a reader of the score should know about this hypothesis.

    Parameters
    ----------
    references : sequence of Reference
        All references.
    hypotheses : Hypotheses
        With the ids of the references.
    ignored : collection of str
        The references that sclite leaves out; see
        :func:`~slaeval.scoring.scorer.ignored_ids`.

    Returns
    -------
    tuple of str
        One sentence for each finding.
    """
    notes = list(hypotheses.notes)
    words, known = hypotheses.words, References.of(references)
    sentences = sentences_of(words)
    if ignored:
        notes.append(
            f"{counted(len(ignored), 'segment is', 'segments are')} left out of the score"
            f"{few(sorted(ignored))}: marked IGNORE_TIME_SEGMENT_IN_SCORING in the references"
        )
    notes += coverage(
        [id for id in known.ids if id not in ignored] if ignored else known.ids,
        dict.fromkeys(id for id in words if id not in ignored) if ignored else words,
        _empty(words, sentences),
        [id for id, count in zip(known.ids, lengths(known.words), strict=True) if not count],
    )
    notes += _channels(known, hypotheses.channels)
    if hypotheses.lines is not None:
        notes.extend(_line_order(hypotheses.lines))
    return (*notes, *special_words(vocabulary(sentences)))


def _empty(ids: Iterable[str], sentences: Sequence[list[str]]) -> list[str]:
    """Return the ids of the segments without words, or with only the word for none."""
    marked = set(holding(sentences, (EMPTY,)))
    rows = enumerate(zip(ids, lengths(sentences), strict=True))
    return [id for row, (id, count) in rows if not count or (count == 1 and row in marked)]


def coverage(
    ids: Sequence[str],
    named: Mapping[str, object],
    empty: Sequence[str] = (),
    wordless: Sequence[str] = (),
    unknown_costs: str = "; the official script would give no score",
) -> list[str]:
    """Compare the segments of a hypothesis with those of the references.

    Parameters
    ----------
    ids, named : sequence of str and mapping
        Segments of the references, and of the hypothesis.
    empty, wordless : sequence of str
        Segments without words in the hypothesis, and in the references.
    unknown_costs : str
        The consequence of segments that are not in the references.
    """
    known = set(ids)
    notes = []
    if wordless:
        notes.append(
            f"{counted(len(wordless), 'reference')} without words{few(wordless)}: every word "
            "recognised there is an insertion"
        )
    same = known == named.keys()
    missing = [] if same else [name for name in ids if name not in named]
    if missing:
        notes.append(
            f"no hypothesis for {len(missing)} of {counted(len(ids), 'segment')}"
            f"{few(missing)}; scored as empty"
        )
    unknown = [] if same else [name for name in named if name not in known]
    if unknown:
        notes.append(
            f"{counted(len(unknown), 'segment')} of the hypothesis not in the references, left "
            f"out{few(unknown)}{unknown_costs}"
        )
    if empty:
        notes.append(
            f"{counted(len(empty), 'segment')} with an empty hypothesis{few(empty)}; the RWTH "
            "scripts put the word [EMPTY] in each"
        )
    return notes


def skipped_notice(skipped: Mapping[str, str]) -> str:
    """Name the segments whose pictures a run could not read, with the reasons."""
    first = "; ".join(f"{name}: {why}" for name, why in list(skipped.items())[:3])
    more = "; …" if len(skipped) > 3 else ""
    return (
        f"{counted(len(skipped), 'segment was', 'segments were')} skipped, as their pictures could "
        f"not be read, and scored as empty ({first}{more})"
    )


def _channels(references: References, channels: Mapping[str, str]) -> list[str]:
    """Compare the channels of a CTM with those of the references, in any letter case."""
    all_on = {*references.channels, *channels.values()}
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
        f"{counted(len(other), 'segment is', 'segments are')} on a different channel from the "
        f"reference (here {channels[first.id]!r}, there {first.channel!r})"
        f"{few([row.id for row in other])}; matched by id, but the official script would give no "
        "score"
    ]


def special_words(words: Collection[str]) -> list[str]:
    """Name words that sclite does not read as they are written."""
    text = "".join(words)
    # Past 125 characters a word may be longer than the 500 bytes sclite reads.
    if not any(mark in text for mark in "*;\\@<") and max(map(len, words), default=0) <= 125:
        return []
    from slaeval.scoring.alternatives import as_sclite_reads, unusual

    notes = [
        f"the word {word!r} is scored as written; sclite {reason}"
        for word in sorted(words)
        if (reason := unusual(word))
    ]
    read = {word: as_sclite_reads(word) for word in sorted(words)}
    marked = [
        f"{word!r} as no word" if plain == "@" else f"{word!r} as {plain!r}"
        for word, plain in read.items()
        if plain != word or plain == "@"
    ]
    if marked:
        notes.append(
            f"{counted(len(marked), 'word')} of the hypothesis with sclite's marks"
            f"{few(marked)}: protocols that use sclite read them so, others as written"
        )
    return notes


def few(names: Sequence[str]) -> str:
    """Return the first three names in parentheses."""
    return f" ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"


def _line_order(lines: Sequence[str]) -> list[str]:
    """Examine the times of a CTM that was not in plain order."""
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
            f"the lines of {counted(len(apart), 'segment')} are not contiguous"
            f"{few(sorted(apart))}; they were joined"
        )
    as_text = [
        name
        for name, times in starts.items()
        if times == sorted(times) and times != sorted(times, key=float)
    ]
    if as_text:
        notes.append(
            f"in {counted(len(as_text), 'segment')} the lines are sorted by time as text (10.00 "
            f"before 9.00){few(as_text)}: the words are probably in the wrong order"
        )
    moved = [
        name
        for name, times in starts.items()
        if times == sorted(times, key=float) and times != sorted(times)
    ]
    if moved:
        notes.append(
            f"{counted(len(moved), 'segment has', 'segments have')} times from 10 s on"
            f"{few(moved)}: the official script sorts times as text and reorders their words; "
            "write times below 10 s (0.01 s per word, as is common) to avoid this"
        )
    jumbled = [name for name, times in starts.items() if times != sorted(times, key=float)]
    jumbled = [name for name in jumbled if name not in set(as_text)]
    if jumbled:
        notes.append(
            f"in {counted(len(jumbled), 'segment')} the lines are not in order of time"
            f"{few(jumbled)}; the official script sorts them, other protocols keep the order of "
            "the file"
        )
    if more_columns:
        notes.append(
            f"{counted(more_columns, 'line has', 'lines have')} more than five columns; the fifth "
            "is the word, but the scripts' rules also see the others"
        )
    return notes
