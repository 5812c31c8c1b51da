"""STM, the segment time mark format in which references are published.

Grammar (NIST SCTK, ``doc/infmts.htm``), one segment per line::

    name channel signer start end [<label>] word word …

``;;`` starts a comment line. Columns are separated by any number of blanks, including tabs
(:mod:`slaeval.formats.words`). The optional label field is one token that begins with ``<``.
``{ A / B }`` offers alternatives, each of any number of words; ``@`` is an empty alternative. A
segment may have no words.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from slaeval.errors import InputError
from slaeval.files import read_text
from slaeval.formats.sentences import Sentences
from slaeval.formats.words import LARGE, is_number, splitter

__all__ = [
    "StmColumns",
    "StmSegment",
    "check_braces",
    "parse_stm",
    "read_stm",
    "stm_columns",
]


class StmSegment(NamedTuple):
    """One line of an STM file.

    Attributes
    ----------
    name, channel, signer : str
        Columns 1 to 3.
    start, end : str
        Columns 4 and 5 in seconds, as written (``1.79769e+308`` stands for "to the end").
    label : str
        ``"<o,f0,male>"``, or ``""``.
    words : list of str
        The reference, alternation braces included.
    """

    name: str
    channel: str
    signer: str
    start: str
    end: str
    label: str
    words: list[str]


class StmColumns(NamedTuple):
    """The segments of an STM file, column by column; see :class:`StmSegment`."""

    names: Sequence[str]
    channels: Sequence[str]
    signers: Sequence[str]
    starts: Sequence[str]
    ends: Sequence[str]
    labels: Sequence[str]
    words: Sequence[list[str]]


def read_stm(path: str) -> list[StmSegment]:
    """Read an STM file; see :func:`parse_stm`."""
    return parse_stm(read_text(path, "an STM reference file"), path)


def parse_stm(text: str, path: str | None = None) -> list[StmSegment]:
    """Parse the text of an STM file.

    Parameters
    ----------
    text : str
        Whole content.
    path : str, optional
        For error messages.

    Raises
    ------
    InputError
        A line with fewer than five columns, a time that is not a number, braces that do not
        pair, or the same segment twice.
    """
    return list(map(StmSegment, *stm_columns(text, path)))


def stm_columns(text: str, path: str | None = None) -> StmColumns:
    """Parse the text of an STM file into its columns; as :func:`parse_stm`."""
    large = _parse_large(text) if len(text) >= LARGE else None
    return large or StmColumns(*map(list, zip(*_parse_lines(text, path), strict=True)))


def _parse_large(text: str) -> StmColumns | None:
    """Read a large file without braces and comments; None where it has some, or an error."""
    from slaeval.formats.columns import blocks

    if "{" in text or "}" in text:
        return None
    read = []
    for block in blocks(text):
        found = _parse_block(block)
        if found is None:
            return None
        read.append(found)
    columns, sentences = zip(*read, strict=True)
    names, channels, signers, starts, ends, labels = (
        list(chain.from_iterable(pieces)) for pieces in zip(*columns, strict=True)
    )
    if len(set(names)) < len(names):
        return None
    words = Sentences.chained(sentences)
    return StmColumns(names, channels, signers, starts, ends, labels, words)


def _parse_block(block: bytes) -> tuple[list[list[str]], Sentences] | None:
    """Read the texts of some lines and their words; None as :func:`_parse_large`."""
    import numpy as np

    from slaeval.formats.columns import Columns

    read = Columns.of(block)
    if read is None:
        return None
    filled = read.length > 0
    count = np.bincount((np.cumsum(read.last) - read.last)[filled])
    count = count[count > 0]
    if not count.size or count.min() < 5:
        return None
    read = read[filled]
    first = np.cumsum(count) - count
    if read[first].starts_with(";").any():
        return None  # a comment, perhaps
    labelled = count > 5
    labelled[labelled] = read[first[labelled] + 5].starts_with("<")
    is_word = np.ones(len(read), bool)
    for place in range(5):
        is_word[first + place] = False
    is_word[first[labelled] + 5] = False
    columns = [read[first + place].distinct() for place in range(1, 5)]
    words = read[is_word].distinct()
    if words is None or None in columns:
        return None
    channels, signers, starts, ends = [one.column() for one in columns if one is not None]
    for start, end in set(zip(starts, ends, strict=True)):
        if not is_number(start) or not is_number(end) or not float(start) <= float(end):
            return None
    labels = np.full(first.size, "", object)
    labels[labelled] = read[first[labelled] + 5].texts()
    sentences = Sentences(words.texts, words.number, np.append(0, np.cumsum(count - 5 - labelled)))
    return [read[first].texts(), channels, signers, starts, ends, labels.tolist()], sentences


def _parse_lines(text: str, path: str | None) -> list[StmSegment]:
    segments: list[StmSegment] = []
    lines: dict[str, int] = {}
    split = splitter(text)
    braces = "{" in text or "}" in text
    spans = {("0.0", "1.79769e+308")}
    for number, line in enumerate(text.split("\n"), 1):
        fields = split(line)
        if not fields or line.startswith(";;"):
            continue
        if len(fields) < 5:
            raise InputError(
                f"an STM line has 'name channel signer start end words…', this one has "
                f"{len(fields)} columns: {_shown(line)}",
                path,
                number,
            )
        name, channel, signer, start, end, *words = fields
        label = ""
        if words and words[0][0] == "<":  # what sclite asks for, and no more
            label = words.pop(0)
        if (start, end) not in spans:
            numbers = is_number(start) and is_number(end)
            if not numbers or not float(start) <= float(end):
                raise InputError(
                    f"columns 4 and 5 must be a start and an end in seconds, found "
                    f"{start!r} and {end!r}",
                    path,
                    number,
                )
            spans.add((start, end))
        if braces:
            check_braces(words, path, number)
        if name in lines:
            raise InputError(
                f"duplicate segment {name!r} (first on line {lines[name]})",
                path,
                number,
            )
        lines[name] = number
        segments.append(StmSegment(name, channel, signer, start, end, label, words))
    if not segments:
        raise InputError("no segment in this STM file", path)
    return segments


def check_braces(words: Sequence[str], path: str | None = None, number: int | None = None) -> None:
    """See that the braces of a reference pair and stand alone.

    Raises
    ------
    InputError
        They do not.
    """
    depth = 0
    for word in words:
        if word == "{":
            depth += 1
        elif word == "}":
            depth -= 1
            if depth < 0:
                raise InputError("'}' without '{' before it", path, number)
        elif ("{" in word or "}" in word) and word not in ("{", "}"):
            raise InputError(
                f"the brace in {word!r} must stand between blanks: {{ A / B }}", path, number
            )
    if depth:
        raise InputError("'{' without '}' after it", path, number)


def _shown(line: str) -> str:
    return repr(line if len(line) <= 80 else line[:77] + "…")
