"""Hypotheses of a recogniser, and the files they come in.

Formats, found out from the content (:mod:`slaeval.formats.detection`): CTM
(:mod:`slaeval.formats.ctm`), TRN (:mod:`slaeval.formats.trn`), and separated values, JSON and
Kaldi's text (:mod:`slaeval.formats.tables`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from slaeval.errors import InputError, UsageError, counted, nearest
from slaeval.files import read_text
from slaeval.formats.detection import detect_format
from slaeval.formats.sentences import collected, named

__all__ = ["FORMATS", "Hypotheses", "read_hypotheses"]

#: Names of the formats a hypothesis file may have.
FORMATS = ("ctm", "trn", "tsv", "jsonl", "kaldi")

#: Other names of theirs: a table may have any separator, JSON one line or many.
_ALIASES = {"csv": "tsv", "json": "jsonl", "text": "kaldi"}


class Hypotheses(NamedTuple):
    """What a recogniser answered.

    Attributes
    ----------
    words : mapping
        Segment to its words, in the order of the file; no words is an empty hypothesis. Of many
        words a :class:`~slaeval.formats.sentences.NamedSentences`.
    format : str
        One of :data:`FORMATS`, or ``"memory"``.
    path : str or None
        The file.
    lines : list of str or None
        The lines of a CTM file in which order, columns or blanks may matter to a protocol
        that works on lines; None where the words say it all.
    notes : tuple of str
        What a user should know about the file.
    channels : dict
        Segment to its channel, of a CTM file; of several the first.
    """

    words: Mapping[str, list[str]]
    format: str = "memory"
    path: str | None = None
    lines: list[str] | None = None
    notes: tuple[str, ...] = ()
    channels: Mapping[str, str] = MappingProxyType({})

    def __repr__(self) -> str:
        return f"<Hypotheses {self.path or self.format}: {counted(len(self.words), 'segment')}>"


def read_hypotheses(path: str, format: str = "auto") -> Hypotheses:
    """Read a hypothesis file, plain or gzip, or standard input (``-``).

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
    format = _ALIASES.get(format, format)
    if format not in (*FORMATS, "auto"):
        raise UsageError(
            f"unknown format {format!r}{nearest(format, FORMATS)}; known: auto, "
            + ", ".join(FORMATS)
        )
    text = read_text(path, "a hypothesis file (CTM, TRN, a table or JSON)")
    found = detect_format(text)
    if format == "auto":
        _check_found(found, text, path)
        return _parse(found or "", text, path)
    try:
        return _parse(format, text, path)
    except InputError as error:
        if found in (None, format):
            raise
        raise InputError(f"{error}; it looks like {found}: leave --pred-format out") from None


def _check_found(found: str | None, text: str, path: str) -> None:
    if found is None:
        line = next(line for line in text.split("\n") if line.strip())
        raise InputError(
            "not recognised as CTM (name channel start duration word), TRN (words… (id)), a "
            f"table (id<TAB>words…, id,words…), JSON or Kaldi text; first line: {line[:80]!r}",
            path,
        )
    if found == "stm":
        raise InputError(
            "this is an STM file, so references; a hypothesis comes as CTM, TRN, a table or JSON",
            path,
        )


def _parse(format: str, text: str, path: str) -> Hypotheses:
    if format == "ctm":
        from slaeval.formats.ctm import parse_ctm

        return parse_ctm(text, path)
    from slaeval.formats import tables, trn

    parse = {
        "trn": trn.parse_trn,
        "jsonl": tables.parse_json,
        "kaldi": tables.parse_kaldi,
        "tsv": tables.parse_table,
    }[format]
    read = parse(text, "hypothesis", path)
    words = read.words
    return Hypotheses(named(words, collected(words.values())), format, path, notes=read.notes)
