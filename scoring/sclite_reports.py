"""Reports in sclite's formats, so that scripts that read its files keep working.

====================  =======================================================================
here                  sclite
====================  =======================================================================
:func:`pra`           ``-o pra``: REF, HYP and Eval lines of each segment, speaker by speaker
:func:`dtl`           ``-o dtl``: totals, confusion pairs, insertions, deletions, …
:func:`spk`           ``-o spk``: the same for each speaker, one file per speaker
:func:`summary`       ``-o sum`` and ``-o rsum``: one row per speaker, percentages or counts
====================  =======================================================================

Conventions, all sclite's
-------------------------
Speakers come in the order of their first segment, segments in the order given, numbered from 0
within their speaker: ``(signer03-017)``. Where case is ignored, ids, speakers and words are in
lower case and the wrong words of ``pra`` in upper case: ASCII letters only, ``süden`` becomes
``SüDEN``. Columns are as wide as the longer word *in bytes of UTF-8*, so lines with umlauts,
Chinese or Arabic look ragged, as sclite's do. Percentages have one decimal, rounded half up.

Where sclite's output is well defined, the text matches it byte for byte, except for:

- the system name, ``slaeval`` unless `title` says otherwise, where sclite prints the name of the
  hypothesis file;
- the stars beside an inserted or deleted word of more than 40 bytes: sclite prints whatever lies
  before its 40 stars in memory;
- a word that is longer than the line (1,000 bytes): sclite never returns;
- ``Labels:``, the label field of the STM, which an aligned segment does not have.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from slaeval.scoring import sclite_paths
from slaeval.scoring.alignment import FOLD
from slaeval.scoring.sclite_paths import Entropies, System, Utterance, byte_width, half_up, padded
from slaeval.scoring.segments import AlignedSegment

__all__ = ["dtl", "pra", "spk", "summary"]

Segments = Iterable[AlignedSegment] | Mapping[str, Sequence[AlignedSegment]]

_PAGE_WIDTH = 80
#: What sclite writes over a row it removes.
_TAKEN_OUT = -1000.0

_COUNTS = (
    ("with substitutions", "Percent Substitution", "S"),
    ("with deletions", "Percent Deletions", "D"),
    ("with insertions", "Percent Insertions", "I"),
)
_SUBSTITUTION_NOTE = """\
* NOTE: The 'Substitution' words are those reference words
        for which the recognizer supplied an incorrect word.

"""
_FALSELY_RECOGNIZED_NOTE = """\
* NOTE: The 'Falsely Recognized' words are those hypothesis words
        which the recognizer incorrectly substituted for a reference word.

"""

_HEADING = (" SPKR", " # Snt", "# Wrd", "Corr", " Sub", " Del", " Ins", " Err", "S.Err")
#: What separates the columns of the summary.
_BETWEEN = "| |     "
_WORDLESS_NOTE = """
* No Reference words for this/these speaker(s).  Word counts supplied
  rather than percents.
# No Reference words for this/these speaker(s).  NCE not computable.
+ Speaker(s) with no reference data is ignored
"""


def pra(
    segments: Iterable[AlignedSegment],
    *,
    title: str = "slaeval",
    fold: bool = True,
    channel: str = "1",
) -> Iterator[str]:
    """Yield the aligned words of every segment.

    Parameters
    ----------
    segments : iterable of AlignedSegment
        What was scored.
    title : str
        Name of the system.
    fold : bool
        Whether case was ignored in scoring; False gives the output of ``sclite -s``.
    channel : str
        Column 2 of the STM.

    Yields
    ------
    str
        A piece of the report, with its line ends.
    """
    utterances = [
        Utterance(
            f"({name}-{position:03d})",
            _folded(segment, name, fold),
            _lower(segment.id, fold),
            _lower(channel, fold),
        )
        for name, of_speaker in _by_speaker(segments, fold).items()
        for position, segment in enumerate(of_speaker)
    ]
    return sclite_paths.pra(System(title, utterances, fold))


def dtl(segments: Iterable[AlignedSegment], *, title: str = "slaeval", fold: bool = True) -> str:
    """Return the detailed overall report.

    Parameters
    ----------
    segments : iterable of AlignedSegment
        What was scored.
    title : str
        Name of the system.
    fold : bool
        Whether case did not count in scoring.

    Returns
    -------
    str
        Totals, confusion pairs, insertions, deletions, substitutions and falsely recognised
        words; each list has the most frequent first, ties in byte order.
    """
    # Only sums and sorted lists are printed: the order of the speakers does not matter.
    return f"DETAILED OVERALL REPORT FOR THE SYSTEM: {title}\n\n" + _details(list(segments), fold)


def spk(segments: Segments, *, title: str = "slaeval", fold: bool = True) -> dict[str, str]:
    """Return the detailed report of each speaker; see :func:`dtl`.

    sclite writes each to a separate file, ``NAME.spk.SPEAKER``.
    """
    return {
        name: f"SCORING FOR SPEAKER: {name}\n     of {title}\n\n" + _details(of_speaker, fold)
        for name, of_speaker in _by_speaker(segments, fold).items()
    }


def _details(segments: Sequence[AlignedSegment], fold: bool) -> str:
    paths = [segment.ops for segment in segments]
    wrong = sum(1 for path in paths if path.count("C") != len(path))
    counts = Counter("".join(paths))
    correct, errors = counts["C"], counts["S"] + counts["D"] + counts["I"]
    words = correct + counts["S"] + counts["D"]

    def with_any(op: str) -> str:
        number = sum(op in path for path in paths)
        return f"{_percent(number, len(paths))}   ({number:4d})"

    def of_words(number: int) -> str:
        return f"=  {_percent(number, words) if words else 'UNDEF%'}   ({number:4d})"

    lines = [
        "SENTENCE RECOGNITION PERFORMANCE",
        "",
        f" sentences                                        {len(paths):4d}",
        f" with errors                            {_percent(wrong, len(paths))}   ({wrong:4d})",
        "",
        *(f"   {name:<36} {with_any(op)}" for name, _, op in _COUNTS),
        "",
        "",
        "WORD RECOGNITION PERFORMANCE",
        "",
        f"Percent Total Error       {of_words(errors)}",
        "",
        f"Percent Correct           {of_words(correct)}",
        "",
        *(f"{name:<25} {of_words(counts[op])}" for _, name, op in _COUNTS),
        "Percent Word Accuracy     =  "
        + (f"{half_up(100.0 - _ratio(errors, words)):5.1f}%" if words else "UNDEF%"),
        "",
        "",
        f"Ref. words                =           ({words:4d})",
        f"Hyp. words                =           ({words - counts['D'] + counts['I']:4d})",
        f"Aligned words             =           ({words + counts['I']:4d})",
        "",
        "",
    ]
    return "\n".join(lines) + _listings(segments, fold)


def _listings(segments: Sequence[AlignedSegment], fold: bool) -> str:
    """Return the lists of words confused, inserted, deleted and replaced, with counts."""
    pairs = Counter(
        (op, _lower(reference, fold), _lower(hypothesis, fold))
        for segment in segments
        if segment.ops.count("C") != len(segment.ops)
        for op, reference, hypothesis in segment.pairs()
        if op != "C"
    )
    confused: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    recognised: Counter[str] = Counter()
    inserted: Counter[str] = Counter()
    deleted: Counter[str] = Counter()
    for (op, reference, hypothesis), count in pairs.items():
        if op == "S":
            confused[f"{reference} ==> {hypothesis}"] += count
            missed[reference] += count
            recognised[hypothesis] += count
        elif op == "I":
            inserted[hypothesis] += count
        else:
            deleted[reference] += count
    return "\n".join(
        [
            _listing("CONFUSION PAIRS", confused) + "\n",
            _listing("INSERTIONS", inserted) + "\n",
            _listing("DELETIONS", deleted) + "\n",
            _listing("SUBSTITUTIONS", missed),
            _SUBSTITUTION_NOTE + "\n" + _listing("FALSELY RECOGNIZED", recognised),
            _FALSELY_RECOGNIZED_NOTE,
        ]
    )


def _listing(title: str, counts: Counter[str]) -> str:
    """Return a list of words with counts, the most frequent first, ties in byte order."""
    rows = sorted(
        counts.items(),
        key=lambda item: (-item[1], item[0].encode("utf-8", "surrogateescape")),
    )
    return (
        f"{title:<30}   Total                 ({len(rows)})\n"
        f"{'':<30}   With >=  1 occurrences ({len(rows)})\n\n"
        + "".join(
            f"{place:4d}: {count:4d}  ->  {word}\n" for place, (word, count) in enumerate(rows, 1)
        )
        + f"     -------\n     {sum(counts.values()):5d}\n\n"
    )


def summary(
    segments: Segments,
    *,
    title: str = "slaeval",
    fold: bool = True,
    raw: bool = False,
    characters: bool = False,
    entropies: Entropies | None = None,
) -> str:
    """Return the table with one row per speaker.

    Parameters
    ----------
    segments : iterable of AlignedSegment, or mapping
        What was scored; a mapping is from speakers to their segments.
    title : str
        Name of the system.
    fold : bool
        Whether case did not count in scoring.
    raw : bool
        Counts of words (``rsum``), not percentages (``sum``).
    characters : bool
        The words are characters.
    entropies : Entropies, optional
        Normalised cross entropies of confidences, shown in a separate column.

    Returns
    -------
    str
        Sentences, words, correct, S, D, I, errors and wrong sentences of each speaker; their sum;
        mean, standard deviation and median over speakers. A speaker without reference words has
        counts marked ``*`` and is left out of the means of the percentages.
    """
    speakers = _by_speaker(segments, fold)
    counted = [_counts(of_speaker) for of_speaker in speakers.values()]
    figures = [_figures(size, counts, raw) for size, counts in counted]
    rows = [
        [f" {name} ", *_row_cells(size, row, raw)]
        for name, (size, _), row in zip(speakers, counted, figures, strict=True)
    ]
    size, counts = _counts([segment for of_speaker in speakers.values() for segment in of_speaker])
    total = [" Sum" if raw else " Sum/Avg", *_row_cells(size, _figures(size, counts, raw), raw)]
    if not size[1] and not raw:
        total[3:8] = ["  0.0 "] * 5

    wordless = not raw and any(not words for (_, words), _ in counted)
    columns = [
        *zip(*([size for size, _ in counted] or [(0, 0)]), strict=True),
        *zip(*(_rated(figures, [bool(words or raw) for (_, words), _ in counted])), strict=True),
        [row[-1] for row in figures] or [0.0],
    ]
    statistics = [
        [
            name,
            *(
                f"{half_up(measure(column)):5.1f}{'+' if wordless and 2 <= place < 7 else ' '}"
                for place, column in enumerate(columns)
            ),
        ]
        for name, measure in _MEASURES
    ]
    heading = list(_HEADING)
    if characters:
        heading[2] = "# Chr"
    between = _BETWEEN
    if entropies is not None:
        heading.append("NCE")
        between += "|"
        for (measured, _), row, name in zip(counted, rows, speakers, strict=True):
            # The entropy is shown even where counts replace percentages.
            row.append(_entropy(entropies.speakers[name]) + " " if measured[1] else "# ")
        total.append(_entropy(entropies.total) + " ")
        values = list(entropies.speakers.values())
        for row, (_, measure) in zip(statistics, _MEASURES, strict=True):
            row.append(_entropy(measure(values)) + ("#" if wordless else " "))
    table = _table(title, [heading, *rows, total, *statistics], between)
    headline = _centred("SYSTEM SUMMARY PERCENTAGES by SPEAKER", _PAGE_WIDTH)
    return f"\n\n\n{headline}\n\n{table}" + (_WORDLESS_NOTE if wordless else "")


def _figures(size: tuple[int, int], counts: list[int], raw: bool) -> list[float]:
    """Return the printed values of correct, S, D, I, errors and wrong sentences."""
    row = [float(count) for count in counts]
    if not raw:
        row[-1] = _ratio(counts[-1], size[0])
        if size[1]:
            row[:-1] = [_ratio(count, size[1]) for count in counts[:-1]]
    return row


def _row_cells(size: tuple[int, int], row: list[float], raw: bool) -> list[str]:
    cells = [f"{number:5d}" for number in size]
    if raw:
        return cells + [f"{half_up(value, 0):5.0f} " for value in row]
    if size[1]:
        return cells + [f"{half_up(value):5.1f} " for value in row]
    return [
        *cells,
        *(f"{half_up(value, 0):5.0f}*" for value in row[:-1]),
        f"{half_up(row[-1]):5.1f} ",
    ]


def _rated(figures: list[list[float]], wanted: list[bool]) -> list[list[float]]:
    """Return the rows that sclite averages.

    sclite removes rows by their original index without allowing for those already removed, so
    from the second speaker without words on it removes the wrong one.
    """
    rows = [row[:-1] for row in figures]
    for place, stays in enumerate(wanted):
        if not stays:
            del rows[min(place, len(rows) - 1)]
            rows.append([_TAKEN_OUT] * 5)
    return rows[: sum(wanted)] or [[0.0] * 5]


def _entropy(value: float) -> str:
    return f"{half_up(value, 3):7.3f}"


def _counts(segments: Sequence[AlignedSegment]) -> tuple[tuple[int, int], list[int]]:
    """Return sentences and words; correct, S, D, I, errors and wrong sentences."""
    paths = [segment.ops for segment in segments]
    ops = Counter("".join(paths))
    c, s, d, i = (ops[op] for op in "CSDI")
    wrong = sum(1 for path in paths if path.count("C") != len(path))
    return (len(paths), c + s + d), [c, s, d, i, s + d + i, wrong]


def _table(title: str, everything: list[list[str]], between: str) -> str:
    """Lay out the summary: columns as wide as their longest cell, the whole centred.

    Parameters
    ----------
    title : str
        The first line.
    everything : list of list of str
        Heading, one row per speaker, their sum, three rows of statistics.
    between : str
        The separators of the columns, one character each.
    """
    heading, *rows, total, mean, deviation, middle = everything
    texts = [max(map(byte_width, column)) for column in zip(*everything, strict=True)]
    narrow = sum(texts) + len(between)
    inside = max(narrow, byte_width(title))
    # The columns are spread under a wider title.
    spread = [
        math.floor((inside - narrow) * place / len(texts) + 0.5) for place in range(len(texts) + 1)
    ]
    widths = [
        text + after - before
        for text, before, after in zip(texts, spread, spread[1:], strict=False)
    ]

    def line(cells: list[str], first_centred: bool = False) -> str:
        out = ""
        for place, (cell, text, width) in enumerate(zip(cells, texts, widths, strict=True)):
            centred = place > 0 or first_centred
            cell = _centred(cell, text) if centred else padded(cell, text)
            out += between[place - 1 : place] if place else ""
            left = (width - text) // 2
            out += " " * left + cell + " " * (width - text - left)
        return f"|{out}|"

    def rule(mark: str, crossed: bool = False) -> str:
        out = mark * widths[0]
        for mark_between, width in zip(between, widths[1:], strict=True):
            out += ("+" if crossed and mark_between == "|" else mark) + mark * width
        return f"|{out}|"

    lines = [f",{'-' * inside}.", f"|{_centred(title, inside)}|", rule("-"), line(heading)]
    for row in rows:
        lines += [rule("-", crossed=True), line(row)]
    lines += [rule("="), line(total), rule("=")]
    lines += [line(row, first_centred=True) for row in (mean, deviation, middle)]
    lines.append(f"`{'-' * inside}'")
    margin = " " * max((_PAGE_WIDTH - inside - 2) // 2, 0)
    return "".join(f"{margin}{line}\n" for line in lines)


def _mean(values: Sequence[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def _deviation(values: Sequence[float]) -> float:
    mean = _mean(values)
    total = 0.0
    for value in values:
        total += (value - mean) * (value - mean)
    # For a single value it is 0, or nan if that value is nan.
    return math.sqrt(total / (len(values) - 1)) if len(values) > 1 else total


def _median(values: Sequence[float]) -> float:
    # Importing statistics takes longer than writing a small report.
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


_MEASURES: tuple[tuple[str, Callable[[Sequence[float]], float]], ...] = (
    (" Mean ", _mean),
    (" S.D. ", _deviation),
    ("Median", _median),
)


def _by_speaker(segments: Segments, fold: bool) -> Mapping[str, Sequence[AlignedSegment]]:
    if isinstance(segments, Mapping):
        return segments
    speakers: dict[str, list[AlignedSegment]] = {}
    for segment in segments:
        name = _lower(segment.signer, fold) or "unknown"
        speakers.setdefault(name, []).append(segment)
    return speakers


def _ratio(count: int, of: int) -> float:
    return count / of * 100.0 if of else 0.0


def _percent(count: int, of: int) -> str:
    return f"{half_up(_ratio(count, of)):5.1f}%"


def _folded(segment: AlignedSegment, name: str, fold: bool) -> AlignedSegment:
    """Return a segment as sclite stores it."""
    if not fold:
        return segment._replace(signer=name)
    return AlignedSegment(
        segment.id.translate(FOLD),
        name,
        [word.translate(FOLD) for word in segment.reference],
        [word.translate(FOLD) for word in segment.hypothesis],
        segment.ops,
    )


def _lower(text: str, fold: bool) -> str:
    return text.translate(FOLD) if fold else text


def _centred(text: str, width: int) -> str:
    left = (width - byte_width(text)) // 2
    return " " * left + text + " " * (width - byte_width(text) - left)
