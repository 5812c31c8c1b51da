"""Whole files aligned as NIST's ``sclite`` aligns them.

How words are paired
--------------------
*TRN against TRN.* By id, in the order of the hypotheses. References without a hypothesis are left
out, as in sclite. The speaker is taken from the id (:data:`ID_TYPES`).

*STM against CTM.* Both files are read together, one file and channel after another, in file
order. Within a channel, a word belongs to the first segment that ends after the word's middle;
words before the first segment go to the first, those after the last to the last. A segment
without words is an empty hypothesis. Reading stops at a file or channel of the CTM that is not
next in the STM: the remaining segments have no words, and if words are left over there is no
score.

*CTM against CTM.* One file and channel after another, each as one utterance, provided that
neither side has more than 50 words there. Beyond that sclite splits where both sides pause; this
is not reproduced, and such files are refused.

Words
-----
sclite treats text as bytes, and so does this module: what is not UTF-8 passes through unchanged
(``surrogateescape``). Case is folded for A to Z only. A ``*`` at the end of a word and
backslashes are dropped; a ``;`` begins a tag. In references ``{ A / B }`` offers alternatives
and ``@`` is the empty one; sclite accepts both in hypotheses too, but here they are refused.

Source: NIST SCTK 2.4.12, ``src/sclite`` (``align.c``, ``stm2ctm.c``, ``ctm2ctm.c``,
``fillmrks.c``), compared by running it; see ``tests/cli/test_sclite_command.py``.
"""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Literal, NamedTuple

from slaeval.errors import InputError
from slaeval.files import read_bytes
from slaeval.scoring.alignment import FOLD, align
from slaeval.scoring.sclite_paths import Definition, Mark, System, Utterance
from slaeval.scoring.segments import AlignedSegment

__all__ = ["ID_TYPES", "Settings", "align_files"]

#: How ids name their speaker: the whole id; characters 2 to 4; the part before the first ``-``,
#: or before the first ``_`` if there is no ``-``.
ID_TYPES = ("sp", "wsj", "rm", "spu_id", "swb")

#: Bytes of a CTM column that sclite reads.
_LONGEST_COLUMN = 500
#: Words of a CTM that sclite reads first, and which tell it whether there are confidences.
_READ_AHEAD = 4999
#: Most words of a channel that CTM against CTM treats as one utterance.
_LONGEST_CHANNEL = 50

#: White space of the C locale.
_BLANKS = re.compile(r"[ \t\n\v\f\r]+")
_COLUMNS = re.compile(r"[ \t]+")
_TIME = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DEFINITION = re.compile(r';; (LABEL|CATEGORY) [^"]*"([^"]*)"[^"]*"([^"]*)"[^"]*"([^"]*)"')


@dataclass(frozen=True)
class Settings:
    """The settings that sclite's options give an alignment.

    Attributes
    ----------
    ids : str
        One of :data:`ID_TYPES`, for transcripts (``-i``).
    fold : bool
        Ignore case; False for ``-s``.
    utf8 : bool
        Characters are UTF-8 code points, not bytes (``-e utf-8``).
    characters : {"", "all", "not ascii"}
        Which words are split into characters (``-c``), if any.
    fragments, deletable : bool
        A word with a ``-`` at its end or beginning is right if the other begins or ends like
        it (``-F``); a word in parentheses may be missing (``-D``).
    hyphens : bool
        False: drop hyphens when splitting words (``-c DH``).
    say, warn : callable
        Receive what sclite prints while running, on stdout and on stderr.
    """

    ids: str = ""
    fold: bool = True
    utf8: bool = False
    characters: Literal["", "all", "not ascii"] = ""
    hyphens: bool = True
    fragments: bool = False
    deletable: bool = False
    say: Callable[[str], object] = field(default=lambda text: None)
    warn: Callable[[str], object] = field(default=lambda text: None)


class _Item(NamedTuple):
    """A word: as compared, as SGML writes it, and its times."""

    text: str
    written: str
    mark: Mark


class _Pair(NamedTuple):
    """An utterance before its alignment."""

    name: str
    speaker: str
    reference: list[_Item]
    hypothesis: list[_Item]
    file: str | None = None
    channel: str | None = None
    labels: str | None = None
    span: tuple[float, float] | None = None


_NO_MARK = Mark(0.0, 0.0, 0.0)


def align_files(
    reference: str,
    hypothesis: str,
    formats: tuple[str, str],
    title: str,
    settings: Settings,
    first: int = 0,
) -> System:
    """Align a hypothesis file with a reference file.

    Parameters
    ----------
    reference, hypothesis : str
        The files.
    formats : tuple of str
        Reference and hypothesis: ``("trn", "trn")``, ``("stm", "ctm")`` or ``("ctm", "ctm")``.
    title : str
        Name of the system.
    settings : Settings
        How to align.
    first : int
        Number of utterances already aligned, of other hypothesis files.

    Raises
    ------
    InputError
        A file that cannot be read, a malformed line, ids that do not match, or input on which
        sclite's behaviour is not reproduced here.
    """
    texts = tuple(
        _read(path, format_, settings)
        for path, format_ in zip((reference, hypothesis), formats, strict=True)
    )
    files = (_File(reference, texts[0]), _File(hypothesis, texts[1]))
    confident = (False, False)
    defined: Iterable[Definition] = ()
    if formats == ("trn", "trn"):
        pairs = list(_transcripts(*files, settings))
        defined = chain(_definitions(texts[1]), _definitions(texts[0]))
    elif formats == ("stm", "ctm"):
        pairs, confident = _segments(*files, settings)
        defined = chain(_definitions(texts[0]), _definitions(texts[1]))
    else:
        pairs, confident = _channels(*files, settings)
    timed = (formats[0] == "ctm", formats[1] == "ctm")
    utterances = _aligned(pairs, timed, confident, settings, first)
    if formats == ("ctm", "ctm"):
        utterances = [_in_time(utterance) for utterance in utterances]
    return System(
        title,
        utterances,
        settings.fold,
        reference,
        hypothesis,
        time.ctime(),
        bool(settings.characters),
        settings.fragments,
        settings.deletable,
        tuple(dict.fromkeys(defined)),
    )


class _File(NamedTuple):
    path: str
    text: str

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the lines with their numbers."""
        return enumerate(self.text.split("\n"), 1)


def _read(path: str, format_: str, settings: Settings) -> str:
    data = read_bytes(path, f"a file in {format_} format", lines=True)
    if b"\0" in data:
        raise InputError(f"a NUL byte: this is a binary file, not {format_}", path)
    if settings.utf8:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise InputError(
                f"byte 0x{data[error.start]:02x} is not UTF-8, although -e says so", path, line
            ) from None
    return data.decode("utf-8", "surrogateescape")


def _definitions(text: str) -> Iterator[Definition]:
    if ";; LABEL" in text or ";; CATEGORY" in text:
        for line in text.split("\n"):
            match = _DEFINITION.match(line)
            if match:
                yield Definition(*match.groups())


def _shown(line: str) -> str:
    text = line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return repr(text if len(text) <= 80 else text[:77] + "…")


# Words.


def _item(token: str, mark: Mark = _NO_MARK) -> _Item:
    """Read a word as sclite does: its value, and its tags after ``;``."""
    if ";" not in token and "\\" not in token:
        word = token[:-1] if token[-1] == "*" and len(token) > 1 else token
        return _Item(word, word, mark)
    value, *tags = re.split(r"(?<!\\);", token, maxsplit=3)[:3]
    word, *tags = (part.replace("\\", "") for part in (value, *tags))
    if len(word) > 1 and word.endswith("*"):
        word = word[:-1]
    written = word.replace(";", "\\;")
    if tags:
        tags = [*tags, ""][:2]
        written = ";".join([written, *(tag.replace(";", "\\;") for tag in tags)])
    return _Item(word, written, mark)


def _reference_items(text: str, settings: Settings, path: str, line: int) -> list[_Item]:
    """Read the words of a reference text; braces are separate words in the result."""
    if "{" in text:
        text = _spaced(text, path, line)
        if settings.characters:
            raise InputError("alternatives in braces cannot be scored with -c here", path, line)
    items = [_item(token) for token in _BLANKS.split(text) if token]
    return _taken_apart(items, settings, path, line)


def _spaced(text: str, path: str, line: int) -> str:
    """Set the braces of alternatives apart from the words."""
    out = []
    depth = 0
    before = " "
    for character in text:
        if character == "{" and not depth and before not in " \t\n\v\f\r}":
            raise InputError("a brace inside a word; write { A / B } with blanks", path, line)
        if character == "{" or (character == "}" and depth):
            depth += 1 if character == "{" else -1
            out.append(f" {character} ")
        else:
            out.append(character)
        before = character
    if depth:
        raise InputError("'{' without '}' after it", path, line)
    return "".join(out)


def _hypothesis_items(items: list[_Item], settings: Settings, path: str, line: int) -> list[_Item]:
    for item in items:
        if item.text == "@":
            raise InputError(
                "'@' in a hypothesis, which sclite takes for no word at all, cannot be scored here",
                path,
                line,
            )
    return _taken_apart(items, settings, path, line)


def _taken_apart(items: list[_Item], settings: Settings, path: str, line: int) -> list[_Item]:
    """Split words into characters, if the settings say so."""
    if not settings.characters:
        return items
    out = []
    for item in items:
        if len(item.text.encode("utf-8", "surrogateescape")) <= 1:
            out.append(item)
            continue
        parts = _characters(item.text, settings)
        if not parts or {"@", "{", "}", "\\"} & set("".join(parts)):
            raise InputError(
                f"{_shown(item.text)} cannot be split into characters as sclite does",
                path,
                line,
            )
        if len(parts) == 1 and parts[0] == item.text:
            out.append(item)
            continue
        start, end, sure = item.mark
        step = (end - start) / len(parts)
        for part in parts:
            out.append(_item(part.replace(";", "\\;"), Mark(start, step + start, sure)))
            start += step
    return out


def _characters(word: str, settings: Settings) -> list[str]:
    if settings.utf8:
        characters = list(word)
    else:
        characters = [
            bytes([byte]).decode("utf-8", "surrogateescape")
            for byte in word.encode("utf-8", "surrogateescape")
        ]
    if not settings.hyphens:
        characters = [character for character in characters if character != "-"]
    if settings.characters == "all":
        return characters
    # Without -e utf-8 every byte passes for ASCII.
    return [
        part
        for joined, run in groupby(characters, lambda one: not settings.utf8 or one.isascii())
        for part in (["".join(run)] if joined else run)
    ]


# Transcripts.


def _transcripts(reference: _File, hypothesis: _File, settings: Settings) -> Iterator[_Pair]:
    hypotheses = list(_trn_lines(hypothesis, settings.fold))
    if not hypotheses:
        raise InputError("no utterance in this TRN file", hypothesis.path)
    wanted: dict[str, int] = {}
    for name, number, _ in hypotheses:
        if name in wanted:
            raise InputError(
                f"duplicate id {name} (first on line {wanted[name]})", hypothesis.path, number
            )
        wanted[name] = number
    references: dict[str, tuple[int, str]] = {}
    for name, number, text in _trn_lines(reference, settings.fold):
        if name in references and references[name][1] != text and name in wanted:
            raise InputError(f"double reference text for id '{name}'", reference.path, number)
        references[name] = (number, text)
    for name, number in wanted.items():
        if name not in references:
            raise InputError(
                f"no reference for id {name} in {reference.path}", hypothesis.path, number
            )
    speaker = ""
    counts: dict[str, int] = {}
    places: dict[str, int] = {}
    before = 0
    for name, number, text in hypotheses:
        found = _speaker(name, settings.ids)
        if found is None:
            kind = {"rm": "RM", "spu_id": "SPU_ID", "swb": "SWB"}[settings.ids]
            settings.warn(f"Error: extract_speaker can't locate {kind} id {name}\n")
        else:
            speaker = found
        counts[speaker] = counts.get(speaker, 0) + 1
        place = places.setdefault(speaker, len(places))
        settings.say(
            ("\n" if place != before else "")
            + f"\r    Alignment# {counts[speaker]} for speaker {speaker}          "
        )
        before = place
        if "{" in text:
            raise InputError(
                "alternatives in a hypothesis cannot be scored here", hypothesis.path, number
            )
        line, words = references[name]
        items = [_item(token) for token in _BLANKS.split(text) if token]
        yield _Pair(
            name,
            speaker,
            _reference_items(words, settings, reference.path, line),
            _hypothesis_items(items, settings, hypothesis.path, number),
        )
    settings.say("\n\n")


def _trn_lines(file: _File, fold: bool) -> Iterator[tuple[str, int, str]]:
    """Yield id with its parentheses, line number and text of each line."""
    last = file.text.count("\n") + 1
    for number, line in file.lines():
        if line.startswith((";;", "**")) or not _BLANKS.sub("", line):
            continue
        if number == last:
            raise InputError(
                "the last line ends without a newline; sclite leaves such a line out of the "
                "score, so add one",
                file.path,
                number,
            )
        begin, end = line.rfind("("), line.rfind(")")
        if begin < 0 or end < begin:
            raise InputError(
                f"a TRN line ends with its id in parentheses: {_shown(line)}", file.path, number
            )
        if fold:
            line = line.translate(FOLD)
        yield line[begin : end + 1], number, line[:begin]


def _speaker(name: str, ids: str) -> str | None:
    if ids == "sp":
        return name
    if ids == "wsj":
        return name[1:4]
    end = name.find("-")
    if end < 0:
        end = name.find("_")
    return None if end < 0 else name[1:end]


# Files with times.


class _CtmWord(NamedTuple):
    file: str
    channel: str
    item: _Item
    middle: float
    line: int


class _StmLine(NamedTuple):
    file: str
    channel: str
    speaker: str
    span: tuple[float, float]
    labels: str | None
    text: str
    line: int


def _ctm_words(file: _File, settings: Settings) -> tuple[list[_CtmWord], bool]:
    """Return the words of a CTM, and whether they have confidences."""
    words: list[_CtmWord] = []
    confident: list[int] = []
    text = file.text.translate(FOLD) if settings.fold else file.text
    lines = text.split("\n")
    if not lines[-1]:  # after the last newline
        lines.pop()
    times: dict[str, float] = {}
    for number, line in enumerate(lines, 1):
        if line.startswith(";"):
            continue
        columns = line.split(" ")
        if len(columns) != 5 or "" in columns or "\t" in line:
            columns = [column for column in _COLUMNS.split(line) if column]
        if len(columns) < 5:
            raise InputError(
                "a CTM line has 'name channel start duration word [confidence]', this one has "
                f"{len(columns)} columns: {_shown(line)}",
                file.path,
                number,
            )
        if len(line) > _LONGEST_COLUMN // 4:
            columns = [_cut(column) for column in columns]
        for column in columns[2:4]:
            if column not in times:
                times[column] = _time(column.removeprefix("&&"), file.path, number)
        start, duration = times[columns[2]], times[columns[3]]
        sure = 0.0
        if len(columns) > 5 and columns[5].lower() != "na":
            sure = _single(_time(columns[5], file.path, number, "a confidence"))
            confident.append(len(words))
        token = columns[4]
        if token[:4].lower() == "<alt":
            raise InputError(
                "alternatives in a hypothesis cannot be scored here", file.path, number
            )
        mark = Mark(start, start + duration, sure)
        item = _Item(token, token, mark) if token[0] == "{" else _item(token, mark)
        words.append(_CtmWord(columns[0], columns[1], item, start + duration / 2, number))
    if confident and confident[0] > 0 and len(words) >= _READ_AHEAD:
        raise InputError(
            "some lines have a confidence but the first has none; give one to each, or to none",
            file.path,
        )
    return words, bool(confident)


def _cut(column: str) -> str:
    if len(column) <= _LONGEST_COLUMN // 4:
        return column
    data = column.encode("utf-8", "surrogateescape")[:_LONGEST_COLUMN]
    return data.decode("utf-8", "surrogateescape")


def _time(text: str, path: str, line: int, what: str = "a time in seconds") -> float:
    if not _TIME.fullmatch(text.rstrip("\r")):
        raise InputError(f"expected {what}, found {_shown(text)}", path, line)
    return float(text)


def _single(value: float) -> float:
    """Round to single precision, as sclite stores some numbers; overflow gives infinity."""
    return array("f", [value])[0]


def _stm_lines(file: _File, fold: bool) -> list[_StmLine]:
    text = file.text.translate(FOLD) if fold else file.text
    out = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith((";;", "**")) or not _BLANKS.sub("", line):
            continue
        columns = _COLUMNS.split(line.lstrip(" \t"), maxsplit=5)
        if len(columns) < 5:
            raise InputError(
                "an STM line has 'name channel speaker start end [<label>] words…', this one has "
                f"{len(columns)} columns: {_shown(line)}",
                file.path,
                number,
            )
        name, channel, speaker, start, end = columns[:5]
        words = columns[5] if len(columns) > 5 else ""
        labels = None
        if words.startswith("<"):
            labels, _, words = words.replace("\t", " ").partition(" ")
        span = tuple(_single(_time(time_, file.path, number)) for time_ in (start, end))
        out.append(_StmLine(name, channel, speaker, (span[0], span[1]), labels, words, number))
    return out


def _segments(
    reference: _File, hypothesis: _File, settings: Settings
) -> tuple[list[_Pair], tuple[bool, bool]]:
    """Pair the segments of an STM with the words of a CTM."""
    words, confident = _ctm_words(hypothesis, settings)
    runs = [(key, list(run)) for key, run in groupby(words, lambda word: (word.file, word.channel))]
    runs.reverse()
    counts: dict[str, int] = {}
    pairs: list[_Pair] = []
    lines = _stm_lines(reference, settings.fold)
    for key, run in groupby(lines, lambda line: (line.file, line.channel)):
        settings.say(f"    Performing alignments for file '{key[0]}'.\n")
        spoken_words: list[_CtmWord] = []
        if not runs:
            settings.warn(
                "align_ctm_to_stm: Hyp files ends before ref but continuing for ref file/channel "
                f"'{key[0]}' '{key[1]}'.\n"
            )
        elif runs[-1][0] == key:
            spoken_words = runs.pop()[1]
        else:
            settings.warn(
                "align_ctm_to_stm: File identifiers do not match but continuing. ref "
                f"file/channel '{key[0]}' '{key[1]}', next hyp '{runs[-1][0][0]}' "
                f"'{runs[-1][0][1]}'.\n"
            )
        pairs += _channel_pairs(list(run), spoken_words, counts, reference, hypothesis, settings)
    if runs:
        (name, channel), left = runs[-1]
        raise InputError(
            f"file {name!r}, channel {channel!r} is not in {reference.path}, or not in this "
            "order; sclite gives no score then",
            hypothesis.path,
            left[0].line,
        )
    return pairs, (False, confident)


def _channel_pairs(
    lines: list[_StmLine],
    spoken_words: list[_CtmWord],
    counts: dict[str, int],
    reference: _File,
    hypothesis: _File,
    settings: Settings,
) -> Iterator[_Pair]:
    """Pair the segments of one channel with their words."""
    ignored = ignored_words = begin = 0
    for place, line in enumerate(lines, 1):
        settings.say(f"\r        {place} of {len(lines)} Segments For Channel {line.channel}. ")
        end = begin
        if place == len(lines):
            end = len(spoken_words)
        while end < len(spoken_words) and spoken_words[end].middle < line.span[1]:
            end += 1
        within = spoken_words[begin:end]
        begin = end
        left_out = _is_ignored(line.text)
        if left_out:
            ignored, ignored_words = ignored + 1, ignored_words + len(within)
        settings.say(
            f" ({ignored} Ignored Segments, {ignored_words} Ignored Hyp Words.)    "
            if ignored
            else "    "
        )
        if left_out:
            continue
        number = counts.get(line.speaker, 0)
        counts[line.speaker] = number + 1
        yield _Pair(
            f"({line.speaker}-{number:03d})",
            line.speaker,
            _reference_items(line.text, settings, reference.path, line.line),
            _hypothesis_items(
                [word.item for word in within],
                settings,
                hypothesis.path,
                within[0].line if within else 0,
            ),
            line.file,
            line.channel,
            line.labels,
            line.span,
        )
    settings.say("\n")


def _channels(
    reference: _File, hypothesis: _File, settings: Settings
) -> tuple[list[_Pair], tuple[bool, bool]]:
    """Pair the channels of two CTMs."""
    sides = [_ctm_words(file, settings) for file in (reference, hypothesis)]
    runs = [
        [(name, list(run)) for name, run in groupby(words, lambda word: word.file)]
        for words, _ in sides
    ]
    pairs: list[_Pair] = []
    for place in range(max(map(len, runs))):
        both = [run[place] if place < len(run) else ("", []) for run in runs]
        if both[0][0] != both[1][0]:
            name, words = both[1] if both[1][1] else both[0]
            raise InputError(
                f"here file {both[1][0]!r}, in {reference.path} file {both[0][0]!r}: the files "
                "must hold the same names in the same order",
                (hypothesis if both[1][1] else reference).path,
                words[0].line,
            )
        name = both[0][0]
        for file, (_, words) in zip((reference, hypothesis), both, strict=True):
            if len({word.channel for word in words}) > 1 or len(words) > _LONGEST_CHANNEL:
                raise InputError(
                    f"file {name!r} has several channels or more than {_LONGEST_CHANNEL} words; "
                    "CTM against CTM is only scored as sclite does it below that: write the "
                    "references as STM",
                    file.path,
                    words[0].line,
                )
        settings.say(f"    Performing Word alignments for file '{name}'.\n")
        items = [
            _hypothesis_items([word.item for word in words], settings, file.path, words[0].line)
            for file, (_, words) in zip((reference, hypothesis), both, strict=True)
        ]
        channel = both[0][1][0].channel
        pairs.append(
            _Pair(
                f"({name}-{channel}-0000)", f"{name}-{channel}", items[0], items[1], name, channel
            )
        )
    return pairs, (sides[0][1], sides[1][1])


def _in_time(utterance: Utterance) -> Utterance:
    """Sort adjacent insertions and deletions by start time."""
    segment = utterance.segment
    reference, hypothesis = (list(marks or ()) for marks in utterance.marks)
    steps = []
    places = [0, 0]
    for op in segment.ops:
        steps.append((op, None if op == "I" else places[0], None if op == "D" else places[1]))
        places[0] += op != "I"
        places[1] += op != "D"

    def start(step: tuple[str, int | None, int | None]) -> float:
        _, one, other = step
        return reference[one].start if one is not None else hypothesis[other or 0].start

    ordered: list[tuple[str, int | None, int | None]] = []
    for apart, run in groupby(steps, lambda step: step[0] in "DI"):
        together = list(run)
        ordered += sorted(together, key=start) if apart else together
    left = [one for _, one, _ in ordered if one is not None]
    right = [other for _, _, other in ordered if other is not None]
    written = utterance.written
    return utterance._replace(
        segment=AlignedSegment(
            segment.id,
            segment.signer,
            [segment.reference[one] for one in left],
            [segment.hypothesis[other] for other in right],
            "".join(op for op, _, _ in ordered),
        ),
        marks=([reference[one] for one in left], [hypothesis[other] for other in right]),
        written=written
        and ([written[0][one] for one in left], [written[1][other] for other in right]),
    )


def _is_ignored(text: str) -> bool:
    """Say whether sclite leaves a reference out of the score."""
    if "IGNORE" not in text.upper():
        return False
    from slaeval.scoring.scorer import is_ignored

    return is_ignored([text])


# Alignment.


def _aligned(
    pairs: Sequence[_Pair],
    timed: tuple[bool, bool],
    confident: tuple[bool, bool],
    settings: Settings,
    first: int,
) -> list[Utterance]:
    """Align each pair, all plain ones in one call."""
    done = {
        index: _align_oddly(pair, settings)
        for index, pair in enumerate(pairs)
        if _odd(pair, settings)
    }
    plain = [pair for index, pair in enumerate(pairs) if index not in done]
    paths = iter(
        align(
            [[item.text for item in pair.reference] for pair in plain],
            [[item.text for item in pair.hypothesis] for pair in plain],
            fold=False,
        )
    )
    out = []
    for index, pair in enumerate(pairs):
        reference, hypothesis, path = done.get(index) or (
            pair.reference,
            pair.hypothesis,
            next(paths),
        )
        sides = (reference, hypothesis)
        written = None
        if any(item.written != item.text for side in sides for item in side):
            written = ([item.written for item in reference], [item.written for item in hypothesis])
        marks = [
            [item.mark for item in side] if has else None
            for side, has in zip(sides, timed, strict=True)
        ]
        segment = AlignedSegment(
            pair.file or pair.name,
            pair.speaker,
            [item.text for item in reference],
            [item.text for item in hypothesis],
            path,
        )
        out.append(
            Utterance(
                pair.name,
                segment,
                pair.file,
                pair.channel,
                pair.labels,
                pair.span,
                (marks[0], marks[1]),
                confident,
                written,
                first + index,
            )
        )
    return out


def _odd(pair: _Pair, settings: Settings) -> bool:
    """Say whether a pair needs more than the alignment of plain words."""
    if any(item.text in ("{", "@") for item in pair.reference):
        return True
    return any(
        (settings.deletable and _in_parentheses(item.text))
        or (settings.fragments and _is_fragment(item.text, settings))
        for item in chain(pair.reference, pair.hypothesis)
    )


def _align_oddly(pair: _Pair, settings: Settings) -> tuple[list[_Item], list[_Item], str]:
    """Return the words as sclite pairs them and their path."""
    if not any(item.text in ("{", "@") for item in pair.reference):
        if settings.characters:
            raise InputError(f"words in {pair.name} cannot be scored with -c and -D or -F here")
        return _forgiving(pair.reference, pair.hypothesis, settings)
    from slaeval.scoring.alternatives import align_alternatives

    if settings.deletable or settings.fragments:
        raise InputError(f"alternatives in {pair.name} cannot be scored with -D or -F here")
    if any(item.written != item.text for item in pair.reference):
        raise InputError(f"alternatives and tags in {pair.name} cannot be scored together here")
    words, path = align_alternatives(
        [item.text for item in pair.reference], [item.text for item in pair.hypothesis], fold=False
    )
    return [_Item(word, word, _NO_MARK) for word in words], pair.hypothesis, path


def _in_parentheses(word: str) -> bool:
    return word.startswith("(") and word.endswith(")")


def _is_fragment(word: str, settings: Settings) -> bool:
    inside = settings.deletable and _in_parentheses(word) and word[-2:-1] == "-"
    return word.startswith("-") or word.endswith("-") or inside


def _forgiving(
    reference: list[_Item], hypothesis: list[_Item], settings: Settings
) -> tuple[list[_Item], list[_Item], str]:
    """Align with fragments and words that may be missing.

    Deleting or inserting a word in parentheses costs 2, not 3, and counts as correct: the other
    side gets an empty word.
    """

    def cost(item: _Item) -> int:
        return 2 if settings.deletable and _in_parentheses(item.text) else 3

    rows = [[(0, "")]]
    for item in hypothesis:
        rows[0].append((rows[0][-1][0] + cost(item), "I"))
    for one in reference:
        above = rows[-1]
        row = [(above[0][0] + cost(one), "D")]
        for place, other in enumerate(hypothesis):
            same = _equal(one.text, other.text, settings)
            diagonal = above[place][0] + (0 if same else 4)
            delete = above[place + 1][0] + cost(one)
            insert = row[-1][0] + cost(other)
            if diagonal <= delete and diagonal <= insert:
                row.append((diagonal, "C" if same else "S"))
            else:
                row.append((delete, "D") if delete < insert else (insert, "I"))
        rows.append(row)
    left: list[_Item] = []
    right: list[_Item] = []
    path = ""
    one_place, other_place = len(reference), len(hypothesis)
    while one_place or other_place:
        op = rows[one_place][other_place][1]
        one = reference[one_place - 1] if op != "I" else _NOTHING
        other = hypothesis[other_place - 1] if op != "D" else _NOTHING
        one_place -= op != "I"
        other_place -= op != "D"
        if (op == "D" and cost(one) == 2) or (op == "I" and cost(other) == 2):
            op = "C"
        path += op
        if op != "I":
            left.append(one)
        if op != "D":
            right.append(other)
    return left[::-1], right[::-1], path[::-1]


#: What is paired with an optional word that is missing.
_NOTHING = _Item("", "", _NO_MARK)


def _equal(one: str, other: str, settings: Settings) -> bool:
    """Compare two words, fragments by the part they show."""
    forgiven = settings.fragments and (_is_fragment(one, settings) or _is_fragment(other, settings))
    if settings.deletable:
        one, other = (word[1:-1] if _in_parentheses(word) else word for word in (one, other))
    if forgiven:
        for part, whole in ((one, other), (other, one)):
            if len(part) > 1 and part.startswith("-"):
                return whole.endswith(part[1:])
            if len(part) > 1 and part.endswith("-"):
                return whole.startswith(part[:-1])
    return one == other
