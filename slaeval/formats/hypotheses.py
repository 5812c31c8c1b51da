"""Hypotheses of a recogniser, and the files they come in.

Formats, found out from the content: CTM (:mod:`slaeval.formats.ctm`), TRN
(:mod:`slaeval.formats.trn`), and tables, TSV or JSON lines (:mod:`slaeval.formats.tables`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from slaeval.errors import InputError, UsageError, nearest
from slaeval.files import read_text
from slaeval.formats.words import split_words

__all__ = ["FORMATS", "Hypotheses", "detect_format", "read_hypotheses"]

#: Names of the formats a hypothesis file may have.
FORMATS = ("ctm", "trn", "tsv", "jsonl")


class Hypotheses(NamedTuple):
    """What a recogniser answered.

    Attributes
    ----------
    words : dict
        Segment to its words, in the order of the file; no words is an empty hypothesis.
    format : str
        One of :data:`FORMATS`, or ``"memory"``.
    path : str or None
        The file.
    lines : list of str or None
        The lines of a CTM file in which order, columns or blanks may matter to a protocol
        that works on lines; None where the words say it all.
    vocabulary : set of str or None
        Distinct words, where the reader knows them anyway.
    notes : tuple of str
        What a user should know about the file.
    channels : dict
        Segment to its channel, of a CTM file; of several the first.
    """

    words: dict[str, list[str]]
    format: str = "memory"
    path: str | None = None
    lines: list[str] | None = None
    vocabulary: set[str] | None = None
    notes: tuple[str, ...] = ()
    channels: Mapping[str, str] = MappingProxyType({})


def detect_format(text: str) -> str | None:
    """Name the format of a hypothesis file from its first lines, or None."""
    start = text.lstrip()
    if start.startswith(("{", "[")):
        return "jsonl"
    votes: list[str] = []
    for line in start[:20_000].split("\n")[:20]:
        fields = split_words(line)
        if not fields or line.startswith(";;"):
            continue
        if re.search(r"\([^()\s]+\)\s*$", line, re.ASCII):
            votes.append("trn")
        elif len(fields) >= 4 and all(re.fullmatch(r"[\d.eE+-]+", x) for x in fields[2:4]):
            votes.append("ctm")
        elif "\t" in line or "|" in line:
            votes.append("tsv")
    return max(sorted(set(votes)), key=votes.count) if votes else None


def read_hypotheses(path: str, format: str = "auto") -> Hypotheses:
    """Read a hypothesis file.

    Parameters
    ----------
    path : str
        The file.
    format : str
        One of :data:`FORMATS`, or ``"auto"`` to find out from the content.

    Raises
    ------
    InputError
        The file cannot be read, or a line of it is not of the format.
    UsageError
        Unknown format name.
    """
    if format not in (*FORMATS, "auto"):
        raise UsageError(
            f"unknown format {format!r}{nearest(format, FORMATS)}; known: auto, "
            + ", ".join(FORMATS)
        )
    text = read_text(path, "a hypothesis file (CTM, TRN, TSV or JSON lines)")
    found: str | None = format
    if format == "auto":
        found = detect_format(text)
        if found is None:
            line = next((line for line in text.split("\n") if line.strip()), "")
            raise InputError(
                "not recognised as CTM (name channel start duration word), TRN (words… (id)), "
                f"TSV (id<TAB>words…) or JSON lines; first line: {line[:80]!r}",
                path,
            )
    if found == "ctm":
        from slaeval.formats.ctm import parse_ctm

        return parse_ctm(text, path)
    if found == "trn":
        from slaeval.formats.trn import parse_trn

        return parse_trn(text, path)
    from slaeval.formats.tables import parse_jsonl, parse_tsv

    return parse_jsonl(text, path) if found == "jsonl" else parse_tsv(text, path)
