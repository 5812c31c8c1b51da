"""Hypotheses as plain tables: TSV (or ``|``), and JSON lines.

TSV has a segment's id, a tab (or ``|``), and the words with blanks between them; a first line
``id<TAB>glosses`` (or ``gloss``, ``hypothesis``, ``prediction``…) is taken for a header. JSON
lines have one object a line with the id under ``id`` (or ``name``, ``fileid``, ``video``) and
the words, a list or a string, under ``glosses`` (or ``gloss``, ``hypothesis``, ``words``,
``prediction``). One JSON object that maps ids to words is read too.
"""

from __future__ import annotations

from slaeval.errors import InputError, counted
from slaeval.files import check_text
from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.words import is_word, split_words

__all__ = ["Collector", "parse_jsonl", "parse_tsv"]

_ID_KEYS = ("id", "name", "fileid", "video", "segment")
_WORD_KEYS = (
    "glosses",
    "gloss",
    "hypothesis",
    "words",
    "prediction",
    "pred",
    "hyp",
    "text",
    "label",
)


class Collector:
    """Gather the segments of a file, each of which may occur once."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.words: dict[str, list[str]] = {}
        self.lines: dict[str, int] = {}
        self.repeated: list[str] = []

    def add(self, name: str, words: list[str], line: int) -> None:
        """Add a segment; the same again is noted, the same with other words refused."""
        if name in self.words:
            if self.words[name] != words:
                raise InputError(
                    f"duplicate segment {name!r} with other words (first on line "
                    f"{self.lines[name]})",
                    self.path,
                    line,
                )
            self.repeated.append(name)
            return
        self.words[name] = words
        self.lines[name] = line

    def hypotheses(self, format: str) -> Hypotheses:
        """Return what was gathered."""
        if not self.words:
            raise InputError("no segment in this file", self.path)
        notes: tuple[str, ...] = ()
        if self.repeated:
            notes = (
                f"{counted(len(self.repeated), 'duplicate segment')} with the same words, such as "
                f"{self.repeated[0]!r}; each counted once",
            )
        return Hypotheses(self.words, format, self.path, notes=notes)


def parse_tsv(text: str, path: str | None = None) -> Hypotheses:
    """Parse ``id<TAB>words`` or ``id|words`` lines.

    Raises
    ------
    InputError
        A line without separator, an empty id, or a segment twice with other words.
    """
    collected = Collector(path)
    first = next(line for line in text.split("\n") if line.strip())
    separator = "\t" if "\t" in first or "|" not in first else "|"
    header = [cell.strip().casefold() for cell in first.split(separator)]
    word_column = 1
    skip = header[0] in _ID_KEYS
    if skip:
        word_column = next((header.index(key) for key in _WORD_KEYS if key in header), 1)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if skip:
            skip = False
            continue
        cells = line.split(separator)
        name = cells[0].strip()
        if len(cells) < 2 or not name or not is_word(name):
            raise InputError(
                f"expected 'id{'<TAB>' if separator != '|' else '|'}words…', found "
                f"{line if len(line) < 80 else line[:77] + '…'!r}; an empty hypothesis keeps "
                "its separator",
                path,
                number,
            )
        words = split_words(cells[word_column]) if word_column < len(cells) else []
        collected.add(name, words, number)
    return collected.hypotheses("tsv")


def parse_jsonl(text: str, path: str | None = None) -> Hypotheses:
    """Parse JSON lines, or one JSON object of id to words.

    Raises
    ------
    InputError
        A line that is no JSON object, lacks an id or words, or repeats a segment with other
        words.
    """
    import json

    collected = Collector(path)
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, dict) and not (_key(whole, _ID_KEYS) and _key(whole, _WORD_KEYS)):
        for name, value in whole.items():
            check_text(name, path, 1)
            collected.add(name, _words(value, path, 1), 1)
        return collected.hypotheses("jsonl")
    if isinstance(whole, list):
        for index, item in enumerate(whole, 1):
            _add_object(collected, item, path, index)
        return collected.hypotheses("jsonl")
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except ValueError as error:
            raise InputError(f"not JSON: {error}", path, number) from None
        except RecursionError:
            raise InputError("JSON nested too deep", path, number) from None
        _add_object(collected, item, path, number)
    return collected.hypotheses("jsonl")


def _add_object(collected: Collector, item: object, path: str | None, number: int) -> None:
    if not isinstance(item, dict):
        raise InputError("expected a JSON object with an id and words", path, number)
    id_key, word_key = _key(item, _ID_KEYS), _key(item, _WORD_KEYS)
    if id_key is None or word_key is None:
        raise InputError(
            f"expected the keys 'id' and 'glosses', found {', '.join(map(repr, item))}",
            path,
            number,
        )
    name = item[id_key]
    if not isinstance(name, str) or not is_word(name):
        raise InputError(f"the id must be one word, found {name!r}", path, number)
    check_text(name, path, number)
    collected.add(name, _words(item[word_key], path, number), number)


def _key(item: dict[str, object], keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if key in item), None)


def _words(value: object, path: str | None, number: int) -> list[str]:
    if isinstance(value, str):
        check_text(value, path, number)
        return split_words(value)
    if isinstance(value, list) and all(isinstance(word, str) and is_word(word) for word in value):
        check_text(" ".join(value), path, number)
        return value
    raise InputError(
        f"words must be a string or a list of words without blanks, found {value!r:.80}",
        path,
        number,
    )
