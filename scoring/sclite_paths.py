"""Aligned utterances with everything sclite prints about them, and the reports that list them.

====================  =======================================================================
here                  sclite
====================  =======================================================================
:func:`pra`           ``-o pra``: REF, HYP and Eval lines, speaker by speaker
:func:`prf`           ``-o prf``: the same with times and confidences, in the order of the files
:func:`snt`           ``-o snt``: lines and counts of each utterance, one file per speaker
:func:`sgml`          ``-o sgml`` and ``nl.sgml``: the paths for other programs
====================  =======================================================================

The tables (``sum``, ``rsum``, ``dtl``, ``spk``) need only the words and paths; they and the
conventions are in :mod:`slaeval.scoring.sclite_reports`.

Source: NIST SCTK 2.4.12, ``src/sclite`` (``path.c``, ``scores.c``, ``sc_dtl.c``), compared by
running it; see ``tests/scoring/test_against_sclite.py`` and ``tests/cli/test_sclite_command.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from slaeval.scoring.alignment import FOLD
from slaeval.scoring.segments import AlignedSegment

__all__ = [
    "LINE_WIDTH",
    "Definition",
    "Entropies",
    "Mark",
    "System",
    "Utterance",
    "byte_width",
    "entropies",
    "half_up",
    "padded",
    "pra",
    "prf",
    "sgml",
    "snt",
]

#: Where sclite breaks a line of ``pra``, in bytes.
LINE_WIDTH = 1000
#: The same for ``snt``.
_SNT_WIDTH = 120
#: Least distance of a confidence from 0 and 1.
_LEAST = 0.0000001
_LOG2_E = 1 / math.log(2)
#: The value in C of a number too large for an int.
_OVERFLOW = -(2**31)
#: Least width of a word's column with times or confidences under it.
_NUMBER_WIDTH = 7

_UPPER = {ord(lower): upper for upper, lower in FOLD.items()}


class Mark(NamedTuple):
    """What a CTM says about a word: start and end in seconds, and the system's confidence."""

    start: float
    end: float
    confidence: float = -1.0


class Utterance(NamedTuple):
    """One aligned utterance.

    Attributes
    ----------
    name : str
        ``"(signer03-017)"``.
    segment : AlignedSegment
        Words and path; its signer is the speaker. All in lower case where case is ignored.
    file, channel, labels : str or None
        Columns 1 and 2 of the STM or CTM and the STM's label field; None in transcripts.
    span : tuple of float or None
        Start and end of the reference, where it is an STM.
    marks : tuple of two sequences of Mark or None
        For reference and hypothesis, one per word, where that side is a CTM.
    confident : tuple of two bool
        Whether the CTM of that side holds confidences.
    written : tuple of two sequences of str, or None
        Words as written to SGML, where they differ from those of the segment.
    sequence : int
        Place in the order of alignment.
    """

    name: str
    segment: AlignedSegment
    file: str | None = None
    channel: str | None = None
    labels: str | None = None
    span: tuple[float, float] | None = None
    marks: tuple[Sequence[Mark] | None, Sequence[Mark] | None] = (None, None)
    confident: tuple[bool, bool] = (False, False)
    written: tuple[Sequence[str], Sequence[str]] | None = None
    sequence: int = 0


class Definition(NamedTuple):
    """A ``;; LABEL`` or ``;; CATEGORY`` line of an input file."""

    kind: str
    id: str
    title: str
    description: str


class System(NamedTuple):
    """All utterances of one hypothesis file, in the order of alignment.

    Attributes
    ----------
    title : str
        Name of the system.
    utterances : sequence of Utterance
        What was aligned.
    fold : bool
        Whether case was ignored.
    reference_file, hypothesis_file, date : str
        As printed at the top of ``prf`` and ``sgml``.
    characters, fragments, deletable : bool
        Whether characters were aligned (``-c``); whether fragments (``-F``) and words in
        parentheses (``-D``) were forgiven.
    definitions : sequence of Definition
        Labels and categories.
    """

    title: str
    utterances: Sequence[Utterance]
    fold: bool = True
    reference_file: str = ""
    hypothesis_file: str = ""
    date: str = ""
    characters: bool = False
    fragments: bool = False
    deletable: bool = False
    definitions: Sequence[Definition] = ()

    def by_speaker(self) -> dict[str, list[Utterance]]:
        """Return the utterances of each speaker, speakers in the order they appear."""
        speakers: dict[str, list[Utterance]] = {}
        for utterance in self.utterances:
            speakers.setdefault(utterance.segment.signer, []).append(utterance)
        return speakers


class Entropies(NamedTuple):
    """Normalised cross entropy of confidences: per speaker, and over all words."""

    speakers: dict[str, float]
    total: float


def entropies(system: System) -> Entropies | None:
    """Return how well the confidences of a hypothesis tell right words from wrong ones.

    The information they give in bits, over that of a perfect system: 1 at best, 0 where they
    tell only how many words are right, nan where all words are right or all are wrong.

    Returns
    -------
    Entropies or None
        None unless every utterance has confidences.
    """
    if not system.utterances or not all(one.confident[1] for one in system.utterances):
        return None
    speakers = {}
    right = wrong = 0
    gained = 0.0
    for name, utterances in system.by_speaker().items():
        ops = "".join(utterance.segment.ops for utterance in utterances)
        speaker_right, speaker_wrong = ops.count("C"), ops.count("S") + ops.count("I")
        speaker_gained, words = _information(utterances)
        speakers[name] = _normalised(speaker_right, speaker_wrong, speaker_gained) if words else 0.0
        right, wrong, gained = right + speaker_right, wrong + speaker_wrong, gained + speaker_gained
    return Entropies(speakers, _normalised(right, wrong, gained))


def _information(utterances: Iterable[Utterance]) -> tuple[float, int]:
    """Return the log probability assigned to the actual outcomes, and the number of words."""
    sums = {True: 0.0, False: 0.0}
    words = 0
    for utterance in utterances:
        marks = utterance.marks[1] or ()
        for op, _, place in _places(utterance.segment.ops):
            if place is not None and utterance.segment.hypothesis[place]:
                words += 1
                sure = min(max(marks[place].confidence, _LEAST), 1 - _LEAST)
                sums[op == "C"] += math.log(sure if op == "C" else 1.0 - sure) * _LOG2_E
    return sums[True] + sums[False], words


def _normalised(right: int, wrong: int, gained: float) -> float:
    if not right or not wrong:
        return math.nan
    share = right / (right + wrong)
    prior = -(right * math.log(share) * _LOG2_E + wrong * math.log(1.0 - share) * _LOG2_E)
    return (prior + gained) / prior


def pra(system: System, line_width: int = LINE_WIDTH) -> Iterator[str]:
    """Yield the aligned words of every utterance, speaker by speaker.

    Parameters
    ----------
    system : System
        What was aligned.
    line_width : int
        Bytes after which a line is broken.

    Yields
    ------
    str
        A piece of the report, with its line ends.
    """
    speakers = system.by_speaker()
    yield f"\n\n\t\tDUMP OF SYSTEM ALIGNMENT STRUCTURE\n\nSystem name:   {system.title}\n\n"
    yield from _speakers(speakers)
    for number, (name, utterances) in enumerate(speakers.items()):
        yield f"Speaker sentences{number:4d}:  {name}   #utts: {len(utterances)}\n"
        for utterance in utterances:
            bare = utterance._replace(span=None, marks=(None, None), confident=(False, False))
            yield _printed(bare, line_width, system.fold, characters=False) + "\n"
    yield "\n"


def prf(system: System, line_width: int = LINE_WIDTH) -> Iterator[str]:
    """Yield the aligned words with times and confidences, in the order of alignment.

    Parameters and pieces as for :func:`pra`.
    """
    speakers = system.by_speaker()
    yield "NIST_TEXT_ALIGNMENT\nVERSION 0.1\n"
    yield f"\n\n\t\tDUMP OF SYSTEM ALIGNMENT STRUCTURE\n\nSystem name:   {system.title}\n"
    yield f"Ref file:      {system.reference_file}\nHyp file:      {system.hypothesis_file}\n"
    yield f'Creation date: "{system.date}"\n'
    if system.fragments:
        yield "Fragment Correct Flag Set\n"
    if system.deletable:
        yield "Optionally Deletable Flag Set\n"
    yield f"\nSpeaker Count: {len(speakers)}\n"
    yield from _speakers(speakers)
    if system.definitions:
        yield "Utterance Label definitions:\n"
    for kind, title in (("CATEGORY", "Category"), ("LABEL", "Label")):
        for one in system.definitions:
            if one.kind == kind:
                yield (
                    f'    {title}: id: "{one.id}" title: "{one.title}" '
                    f'description: "{one.description}"\n'
                )
    yield "\n"
    if not system.utterances:
        yield "No utterances found\n"
        return
    places = {
        name: (number, len(utterances))
        for number, (name, utterances) in enumerate(speakers.items())
    }
    done = dict.fromkeys(speakers, 0)
    for utterance in sorted(system.utterances, key=lambda one: one.sequence):
        name = utterance.segment.signer
        number, count = places[name]
        yield f"Speaker sentences{number:4d}:  {name}   utt# {done[name]} of {count}\n"
        done[name] += 1
        yield _printed(utterance, line_width, system.fold, system.characters) + "\n"
    yield "\n"


def snt(system: System) -> dict[str, str]:
    """Return the report of each speaker's utterances, with running totals."""
    rule = "=" * 79
    reports = {}
    for name, utterances in system.by_speaker().items():
        parts = [
            f"{rule}\n\n                     SENTENCE LEVEL REPORT FOR THE SYSTEM:\n"
            f"    Name: {system.title}\n\n{rule}\n\n\nSPEAKER {name}\n"
        ]
        sums = dict.fromkeys("CSDI", 0)
        for utterance in utterances:
            parts.append(_printed(utterance, _SNT_WIDTH, system.fold, system.characters) + "\n")
            counts = {op: utterance.segment.ops.count(op) for op in "CSDI"}
            for op, count in counts.items():
                sums[op] += count
            parts.append(_sentence_counts(counts, sums))
        reports[name] = "".join(parts)
    return reports


def sgml(system: System, *, lines: bool = False) -> Iterator[str]:
    """Yield the paths as SGML.

    Parameters
    ----------
    system : System
        What was aligned.
    lines : bool
        One line per field (``nl.sgml``), instead of ``:`` and ``,`` between them.

    Yields
    ------
    str
        A piece of the report, with its line ends.
    """
    between, comma = ("\n", "\n") if lines else (":", ",")
    yield (
        f'<SYSTEM title="{system.title}" ref_fname="{system.reference_file}" '
        f'hyp_fname="{system.hypothesis_file}" creation_date="{system.date}" format="2.4" '
        f'frag_corr="{_boolean(system.fragments)}" opt_del="{_boolean(system.deletable)}" '
        'weight_ali="FALSE" weight_filename="">\n'
    )
    for kind in ("LABEL", "CATEGORY"):
        for one in system.definitions:
            if one.kind == kind:
                yield (
                    f'<{kind} id="{one.id}" title="{one.title}" desc="{one.description}">\n'
                    f"</{kind}>\n"
                )
    for name, utterances in system.by_speaker().items():
        yield f'<SPEAKER id="{name}">\n'
        for utterance in utterances:
            yield _path_tag(utterance, system)
            yield between.join(_path_steps(utterance, comma)) + "\n</PATH>\n"
        yield "</SPEAKER>\n"
    yield "</SYSTEM>\n"


def _boolean(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def _path_tag(utterance: Utterance, system: System) -> str:
    out = f'<PATH id="{utterance.name}" word_cnt="{len(utterance.segment.ops)}"'
    for name in ("labels", "file", "channel"):
        value = getattr(utterance, name)
        if value is not None:
            out += f' {name}="{value}"'
    out += f' sequence="{utterance.sequence}"'
    if utterance.span is not None:
        out += f' R_T1="{utterance.span[0]:.3f}" R_T2="{utterance.span[1]:.3f}"'
    if system.characters:
        out += ' char_align="1"'
    if not system.fold:
        out += ' case_sense="1"'
    sides = list(zip("rh", utterance.marks, utterance.confident, strict=True))
    fields = [f"{side}_t1+t2" for side, marks, _ in sides if marks is not None]
    fields += [f"{side}_conf" for side, _, confident in sides if confident]
    if fields:
        out += f' word_aux="{",".join(fields)}"'
    return out + ">\n"


def _path_steps(utterance: Utterance, comma: str) -> Iterator[str]:
    reference, hypothesis = utterance.written or (
        utterance.segment.reference,
        utterance.segment.hypothesis,
    )
    for op, *places in _places(utterance.segment.ops):
        fields = [op]
        for place, words in zip(places, (reference, hypothesis), strict=True):
            fields.append("" if place is None else f'"{words[place]}"')
        for place, marks in zip(places, utterance.marks, strict=True):
            if marks is not None:
                fields.append(
                    "" if place is None else f"{marks[place].start:.3f}+{marks[place].end:.3f}"
                )
        for place, marks, shown in zip(places, utterance.marks, utterance.confident, strict=True):
            if shown and marks is not None:
                fields.append("" if place is None else f"{marks[place].confidence:.6f}")
        yield comma.join(fields)


def _places(ops: str) -> Iterator[tuple[str, int | None, int | None]]:
    """Yield each step with the positions of its words, None where a side has no word."""
    reference = hypothesis = 0
    for op in ops:
        yield op, None if op == "I" else reference, None if op == "D" else hypothesis
        reference += op != "I"
        hypothesis += op != "D"


def _speakers(speakers: Iterable[str]) -> Iterator[str]:
    yield "Speakers: \n"
    for number, name in enumerate(speakers):
        yield f"   {number:2d}:  {name}\n"
    yield "\n"


def _printed(utterance: Utterance, line_width: int, fold: bool, characters: bool) -> str:
    """Return the lines of one utterance."""
    path = utterance.segment.ops
    head = [f"id: {utterance.name}"]
    for title, value in (
        ("Labels", utterance.labels),
        ("File", utterance.file),
        ("Channel", utterance.channel),
    ):
        if value is not None:
            head.append(f"{title}: {value}")
    head.append("Scores: (#C #S #D #I) " + " ".join(str(path.count(op)) for op in "CSDI"))
    if characters or not fold:
        head.append(
            "Attributes: "
            + ("Character_align " if characters else "")
            + ("" if fold else "Case_sensitve ")
        )
    if utterance.span is not None:
        head.append("Ref times: t1= {:.2f} t2= {:.2f}".format(*utterance.span))
    return "\n".join(head) + "\n" + "".join(_aligned_lines(utterance, line_width, fold))


def _aligned_lines(utterance: Utterance, line_width: int, fold: bool) -> Iterator[str]:
    """Yield REF, HYP and Eval lines, broken before they exceed the line width."""
    columns = list(_columns(utterance, fold))
    titles = _titles(utterance)
    first = 0
    while first < len(columns):
        indent = ">> " if first else ""
        width = len(indent) + len("REF:  ")
        last = first
        while last < len(columns) and width < line_width:
            width += columns[last].width + 1
            last += 1
        if last < len(columns):
            last = max(last - 1, first + 1)
        if first:
            yield "\n"
        shown = columns[first:last]
        for row, title in enumerate(titles):
            cells = "".join(padded(column.cells[row], column.width) + " " for column in shown)
            yield f"{indent}{title}{cells}\n"
        first = last


def _titles(utterance: Utterance) -> list[str]:
    titles = []
    for word, first, last, confidence, marks, shown in zip(
        ("REF:  ", "HYP:  "),
        ("R_T1: ", "H_T1: "),
        ("R_T2: ", "H_T2: "),
        ("RCNF: ", "CONF: "),
        utterance.marks,
        utterance.confident,
        strict=True,
    ):
        titles.append(word)
        titles += [first, last] if marks is not None else []
        titles += [confidence] if shown else []
    return [*titles, "Eval: "]


class _Column(NamedTuple):
    """What is shown of one step of a path, row by row, and its width in bytes."""

    width: int
    cells: list[str]


def _columns(utterance: Utterance, fold: bool) -> Iterator[_Column]:
    segment = utterance.segment
    numbers = any(marks is not None for marks in utterance.marks)
    for op, *places in _places(segment.ops):
        words = [
            "" if place is None else side[place]
            for place, side in zip(places, (segment.reference, segment.hypothesis), strict=True)
        ]
        if fold and op != "C":  # in lower case already
            words = [word.translate(_UPPER) for word in words]
        width = max(map(byte_width, words))
        cells = []
        for place, word, marks, shown in zip(
            places, words, utterance.marks, utterance.confident, strict=True
        ):
            cells.append("*" * width if place is None else word)
            if marks is not None:
                mark = None if place is None else marks[place]
                cells += [f"{mark.start:.2f}", f"{mark.end:.2f}"] if mark else ["", ""]
                if shown:
                    cells.append(f"{mark.confidence:.4f}" if mark else "")
        cells.append("" if op == "C" else op)
        least = _NUMBER_WIDTH if numbers else int(op in "DI")
        yield _Column(max(width, least), cells)


def _sentence_counts(counts: dict[str, int], sums: dict[str, int]) -> str:
    words = counts["C"] + counts["S"] + counts["D"]

    def line(title: str, ops: str) -> str:
        count, total = (sum(many[op] for op in ops) for many in (counts, sums))
        share = f"{half_up(100.0 * count / words):5.1f}%" if words else "UNDEF%"
        return f"{title:<22}=  {share}   {count:2d}   ({total:3d})\n"

    def plain(title: str, ops: str) -> str:
        count, total = (sum(many[op] for op in ops) for many in (counts, sums))
        return f"{title:<22}=           {count:2d}   ({total:3d})\n"

    return (
        line("Correct", "C")
        + line("Substitutions", "S")
        + line("Deletions", "D")
        + line("Insertions", "I")
        + "\n"
        + line("Errors", "SDI")
        + "\n"
        + plain("Ref. words", "CSD")
        + plain("Hyp. words", "CSI")
        + plain("Aligned words", "CSDI")
        + "\n"
        + "-" * 79
        + "\n\n"
    )


def half_up(value: float, digits: int = 1) -> float:
    """Round as sclite prints: halves away from zero."""
    scale = 10.0**digits
    scaled = value * scale + (0.5 if value > 0 else -0.5)
    return (int(scaled) if abs(scaled) < -_OVERFLOW else _OVERFLOW) / scale


def byte_width(text: str) -> int:
    """Return the length in bytes, by which sclite pads."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def padded(text: str, width: int) -> str:
    """Pad with blanks to `width` bytes."""
    return text.ljust(width) if text.isascii() else text + " " * (width - byte_width(text))
