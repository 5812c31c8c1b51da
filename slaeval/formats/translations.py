"""Translations: files and Python values that give each segment a sentence.

Forms, detected from the content: one sentence per line, in the order of the references; a table or
JSON with ids (:mod:`slaeval.formats.tables`), where the whole cell is the sentence; a JSON list of
sentences, in the order of the references; the lines ``id|sentence`` of signjoey/slt, which are a
table too; Uni-Sign's ``sample: id, prediction: sentence``.

A sentence keeps every character but blanks at its ends. An empty line or cell is an empty
hypothesis.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from slaeval.errors import InputError, UsageError, nearest
from slaeval.files import check_text, read_text
from slaeval.formats.detection import detect_format
from slaeval.formats.tables import Role, Table, header_of, parse_json, parse_table, table_of
from slaeval.formats.words import BLANKS

__all__ = ["FORMATS", "Translations", "read_translations", "translations_of"]

#: Names of the formats a file of translations may have.
FORMATS = ("txt", "tsv", "json")

_ALIASES = {"csv": "tsv", "jsonl": "json", "text": "txt"}
_UNISIGN = re.compile(r"sample: (\S+), (?:prediction|ground-truth):(.*)")


class Translations(NamedTuple):
    """Sentences with ids, or in an order.

    Attributes
    ----------
    sentences : dict
        Segment to sentence; empty where the source has no ids.
    lines : sequence of str
        Sentences in the order of the references, where the source has no ids.
    format : str
        One of :data:`FORMATS`, or ``"memory"``.
    path : str or None
        The file.
    notes : tuple of str
        What a user should know about it.
    signers : mapping
        Segment to signer, where the source says it.
    """

    sentences: dict[str, str]
    lines: Sequence[str] = ()
    format: str = "memory"
    path: str | None = None
    notes: tuple[str, ...] = ()
    signers: Mapping[str, str] = MappingProxyType({})


def read_translations(path: str, format: str = "auto", role: Role = "hypothesis") -> Translations:
    """Read a file of translations.

    Parameters
    ----------
    path : str
        The file.
    format : str
        One of :data:`FORMATS`, or ``"auto"`` to find out from the content.
    role : {"hypothesis", "reference"}
        Which column of a table that holds both is wanted.

    Raises
    ------
    InputError
        The file cannot be read, or is not of the format.
    UsageError
        Unknown format.
    """
    format = _ALIASES.get(format, format)
    if format not in (*FORMATS, "auto"):
        raise UsageError(
            f"unknown format {format!r} of translations{nearest(format, FORMATS)}; known: auto, "
            + ", ".join(FORMATS)
        )
    text = read_text(path, "a file of translations: one per line, a table or JSON")
    if format == "auto":
        glosses = detect_format(text, role)
        if glosses in ("stm", "ctm", "trn"):
            raise InputError(
                f"this file is {glosses.upper()}, so glosses; translations come one sentence a "
                "line, as a table or as JSON",
                path,
            )
        format = _detected(text)
    if format == "txt":
        return _plain(text, path)
    if format == "json":
        listed = _listed(text, path)
        if listed is not None:
            return listed
        return _from_table(parse_json(text, role, path, sentences=True), "json", path)
    return _from_table(parse_table(text, role, path, sentences=True), "tsv", path)


def translations_of(source: Any, role: Role) -> Translations:
    """Read a value of Python: a mapping of ids to sentences, a DataFrame, a list of sentences.

    Raises
    ------
    InputError
        A value that is not a sentence, or a segment twice.
    UsageError
        A source of another type.
    """
    if hasattr(source, "references") and hasattr(source, "setup"):
        return Translations({sample.id: sample.translation or "" for sample in source})
    if isinstance(source, (list, tuple)) and all(isinstance(text, str) for text in source):
        for text in source:
            check_text(text, None)
        return Translations({}, [text.strip(BLANKS) for text in source])
    table = table_of(source, role, sentences=True)
    if table is None:
        raise UsageError(
            f"{role} sentences must be a mapping from id to sentence, a list of sentences, a "
            f"Corpus, a DataFrame or a path, not {type(source).__name__}"
        )
    return _from_table(table, "memory", None)


def _from_table(table: Table, format: str, path: str | None) -> Translations:
    return Translations(
        {row.id: row.glosses for row in table.rows},
        (),
        format,
        path,
        table.notes,
        {row.id: row.signer for row in table.rows if row.signer},
    )


def _detected(text: str) -> str:
    """Tell JSON, a table and plain lines apart by the first lines."""
    start = text.lstrip(BLANKS)
    if start.startswith(("{", "[")):
        return "json"
    lines = [line for line in text[:200_000].split("\n")[:200] if line.strip(BLANKS)]
    if not lines or _UNISIGN.match(lines[0]):
        return "txt"
    if header_of(lines[0]) or re.match('"?sep=.', lines[0]):
        return "tsv"
    separated = sum(bool(re.match(r"[^\s|]+[ ]*[\t|]", line)) for line in lines)
    return "tsv" if 2 * separated >= len(lines) else "txt"


def _plain(text: str, path: str) -> Translations:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if not any(line.strip(BLANKS) for line in lines):
        raise InputError("no sentence in this file", path)
    if _UNISIGN.match(lines[0]):
        return _unisign(lines, path)
    for number, line in enumerate(lines, 1):
        if "\t" in line.strip(BLANKS):
            raise InputError(
                f"a tab in a file of one sentence per line: {line[:60]!r}; a table has one on "
                "every line, after the id",
                path,
                number,
            )
    return Translations({}, [line.strip(BLANKS) for line in lines], "txt", path)


def _unisign(lines: list[str], path: str) -> Translations:
    """Read what Uni-Sign writes: ``sample: id, prediction: sentence``."""
    sentences: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        found = _UNISIGN.fullmatch(line)
        if found is None:
            raise InputError(
                f"expected 'sample: id, prediction: sentence', found {line[:60]!r}", path, number
            )
        if found[1] in sentences:
            raise InputError(f"segment {found[1]!r} appears for the second time", path, number)
        sentences[found[1]] = found[2].strip(BLANKS)
    return Translations(sentences, (), "txt", path)


def _listed(text: str, path: str) -> Translations | None:
    """Read a JSON list of sentences; None where it is something else."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(whole, list) or not whole or not all(isinstance(x, str) for x in whole):
        return None
    for text in whole:
        check_text(text, path)
    return Translations({}, [text.strip(BLANKS) for text in whole], "json", path)
