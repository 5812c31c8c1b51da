"""References in the formats people pass around, read into the one record.

STM; the ``<split>_info.npy`` of VAC and its descendants (a pickled dict ``{'prefix': …, 0:
{'fileid', 'folder', 'signer', 'label', 'num_frames', 'original_info'}, 1: …}``); the pickles of
slt and TwoStreamNetwork, gzip or plain (a list of dicts ``name, signer, gloss, text,
num_frames, sign``); a corpus's own annotation file; TSV (``id<TAB>glosses``) and JSON lines.
What a file is, is found out from its content.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from slaeval.errors import InputError
from slaeval.files import check_text, read_start, read_text
from slaeval.formats.stm import parse_stm
from slaeval.formats.words import is_word, split_words, timed
from slaeval.loaders.layout import Layout, rows_of
from slaeval.loaders.records import Sample
from slaeval.loaders.registry import layout

__all__ = ["plain_id", "read_references_file"]


class _Row(NamedTuple):
    """One reference of a file, before its corpus is known."""

    id: str
    signer: str | None
    glosses: str
    line: int | None = None
    translation: str | None = None
    num_frames: int | None = None
    channel: str | None = None


def plain_id(name: str) -> str:
    """Take a segment's id out of the path that some files write.

    ``fullFrame-210x260px/dev/<id>/1/<start of id>`` and ``dev/<id>`` become ``<id>``.
    """
    parts = name.split("/")
    if len(parts) == 1:
        return name
    for split in ("train", "dev", "test"):
        if split in parts[:-1]:
            return parts[parts.index(split) + 1]
    return parts[-1]


def read_references_file(
    path: str | os.PathLike[str], corpus: str | None = None, split: str = "test"
) -> list[Sample]:
    """Read references from a file of any format of this module.

    Parameters
    ----------
    path : path-like
        The file.
    corpus : str, optional
        The corpus they belong to: its names for signers are used, and raw training
        annotations (of Phoenix 2014) are cleaned as its references are.
    split : str
        The split they belong to, for the record and for that cleanup.

    Raises
    ------
    InputError
        The file cannot be read or is of none of the formats, or an id stands in it twice.
    """
    path = os.fspath(path)
    known = None if corpus is None else layout(corpus)
    if known is not None:
        split = known.split_of(split)
    data = read_start(path, "a file with references")
    if data[:6] == b"\x93NUMPY":
        rows, clean = _vac_rows(path), False
    elif data[:2] in (b"\x1f\x8b", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        rows, clean = _slt_rows(path), False
    else:
        rows, clean = _text_rows(path, known, split)
    seen: dict[str, int | None] = {}
    samples = []
    for row in rows:
        if row.id in seen:
            first = f" (first on line {seen[row.id]})" if seen[row.id] else ""
            raise InputError(f"duplicate segment {row.id!r}{first}", path, row.line)
        seen[row.id] = row.line
        samples.append(_sample(row, known, split, path, clean))
    if not samples:
        raise InputError("no references in this file", path)
    return samples


def _sample(row: _Row, known: Layout | None, split: str, path: str, clean: bool) -> Sample:
    words = split_words(row.glosses)
    signer = row.signer
    if known is not None:
        signer = known.signer(row.id, None if signer == "unknown" else signer)
        if known.name.startswith("phoenix2014") and known.fps and not clean and split == "train":
            words = _cleaned(known, row)
    return Sample(
        row.id,
        "" if known is None else known.name,
        "" if known is None else known.setups[0],
        split,
        signer,
        row.glosses,
        tuple(words),
        translation=row.translation,
        num_frames=row.num_frames,
        fps=None if known is None else known.fps,
        source=path,
        channel=row.channel,
    )


def _cleaned(known: Layout, row: _Row) -> list[str]:
    """Clean a raw training annotation where the corpus's references are cleaned."""
    from slaeval.loaders.phoenix2014 import Phoenix2014, clean_train

    if isinstance(known, Phoenix2014):
        return clean_train(row.id, row.signer or "Signer", row.glosses)
    return split_words(row.glosses)


def _vac_rows(path: str) -> Iterable[_Row]:
    from slaeval.formats.pickles import load_npy

    content = load_npy(path)
    if not isinstance(content, dict):
        raise InputError(f"expected VAC's dict of samples, found {type(content).__name__}", path)
    rows = []
    for key, item in content.items():
        if key == "prefix":
            continue
        if not isinstance(item, dict):
            raise InputError(
                f"expected VAC's dict of samples; the entry {key!r:.40} is no sample (is this "
                "a gloss dictionary?)",
                path,
            )
        rows.append(
            _Row(
                _text(item, ("fileid",), path),
                _who(item),
                _text(item, ("label",), path),
                num_frames=_frames(item),
            )
        )
    return rows


def _slt_rows(path: str) -> Iterable[_Row]:
    from slaeval.formats.pickles import load_pickle

    content = load_pickle(path)
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise InputError(
            f"expected the list of samples of slt or TwoStreamNetwork, found "
            f"{type(content).__name__}",
            path,
        )
    return [
        _Row(
            plain_id(_text(item, ("name",), path)),
            _who(item),
            _text(item, ("gloss", "gls"), path),
            translation=item.get("text") if isinstance(item.get("text"), str) else None,
            num_frames=_frames(item),
        )
        for item in content
    ]


def _text(item: dict[Any, Any], keys: tuple[str, ...], path: str) -> str:
    for key in keys:
        value = item.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, (list, tuple)) and all(isinstance(word, str) for word in value):
            return " ".join(value)
    raise InputError(f"a sample without {keys[0]!r}: {list(item)!r:.100}", path)


def _frames(item: dict[Any, Any]) -> int | None:
    value = item.get("num_frames")
    try:
        return int(value)  # type: ignore[arg-type]  # numbers and digits alike, in these files
    except (TypeError, ValueError, OverflowError):
        return None


def _who(item: dict[Any, Any]) -> str | None:
    value = item.get("signer")
    return str(value) if isinstance(value, (str, int)) else None


def _text_rows(path: str, known: Layout | None, split: str) -> tuple[Iterable[_Row], bool]:
    """Tell STM, annotation files, TSV and JSON lines apart; say whether glosses are clean."""
    text = read_text(path, "references: STM, annotation CSV, TSV, JSON lines, .npy or pickle")
    lines = text.split("\n")
    first = next((line for line in lines if line.strip() and not line.startswith(";;")), None)
    if first is None:
        raise InputError("no references in this file, only comments", path)
    if first.lstrip().startswith("{"):
        return _json_rows(lines, path), True
    header = first.split("|")
    if header[:4] == ["id", "folder", "signer", "annotation"]:
        return _column_rows(lines, path, 0, 2, 3), False
    if header[:6] == ["name", "video", "start", "end", "speaker", "orth"]:
        return _column_rows(lines, path, 0, 4, 5, 6), False
    if header[:4] == ["index", "name", "length", "gloss"]:
        rows = _column_rows(lines, path, 1, None, 3, frames=2)
        return _rows_of_split(rows, path, split), True
    timed_lines = [line for line in lines[:200] if line.strip() and not line.startswith(";;")]
    if all(timed(line, 3) for line in timed_lines):
        return _stm_rows(text, path), True
    if "\t" in first or re.match(r"[^\s|]+\|", first):
        return _table_rows(lines, path, "\t" if "\t" in first else "|"), True
    if timed(first, 3):
        return _stm_rows(text, path), True
    if timed(first, 2):
        raise InputError(
            "this is a CTM file, so a hypothesis; references come as STM, TSV, JSON lines, "
            ".npy or pickle",
            path,
            lines.index(first) + 1,
        )
    # An STM with a defect in its first line says best itself what is wrong.
    return _stm_rows(text, path), True


def _stm_rows(text: str, path: str) -> list[_Row]:
    return [
        _Row(row.name, row.signer, " ".join(row.words), channel=row.channel)
        for row in parse_stm(text, path)
    ]


def _rows_of_split(rows: list[_Row], path: str, split: str) -> list[_Row]:
    """Keep the rows of a split: CSL-Daily's video map holds all of them."""
    beside = os.path.join(os.path.dirname(path), "split_1.txt")
    if not os.path.isfile(beside):
        raise InputError(
            "a video map holds every split, and no split_1.txt stands beside it to tell them "
            "apart; give the corpus's folder with --root",
            path,
        )
    wanted = {
        cells[0]
        for _, cells in rows_of(beside, "the CSL-Daily split file", ("name", "split"))
        if cells[1].strip() == split
    }
    return [row for row in rows if row.id in wanted]


def _column_rows(
    lines: list[str],
    path: str,
    id: int,
    signer: int | None,
    gloss: int,
    translation: int | None = None,
    frames: int | None = None,
) -> list[_Row]:
    rows = []
    width = max(id, gloss, signer or 0, translation or 0) + 1
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        cells = line.split("|")
        if len(cells) < width:
            raise InputError(
                f"expected {width} columns or more, found {len(cells)}: {line[:80]!r}",
                path,
                number,
            )
        rows.append(
            _Row(
                cells[id],
                None if signer is None else cells[signer],
                cells[gloss],
                number,
                None if translation is None else cells[translation],
                int(cells[frames]) if frames is not None and cells[frames].isdecimal() else None,
            )
        )
    return rows


def _table_rows(lines: list[str], path: str, separator: str) -> list[_Row]:
    rows: list[_Row] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        cells = line.split(separator)
        if not rows and number == 1 and cells[0].strip().casefold() in ("id", "name"):
            continue
        if len(cells) < 2 or not is_word(cells[0]):
            raise InputError(f"expected an id and its glosses, found {line[:80]!r}", path, number)
        rows.append(_Row(cells[0].strip(), None, cells[1], number))
    return rows


def _json_rows(lines: list[str], path: str) -> list[_Row]:
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"not JSON: {error}", path, number) from None
        name = item.get("id", item.get("name")) if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(name, str) or not is_word(name):
            raise InputError("expected an object with 'id' and 'glosses'", path, number)
        words = next((item[key] for key in ("glosses", "gloss", "reference") if key in item), None)
        if isinstance(words, list):
            words = " ".join(map(str, words))
        if not isinstance(words, str):
            raise InputError("'glosses' must be a string or a list of words", path, number)
        signer = item.get("signer")
        check_text(f"{name} {words} {signer} {item.get('translation')}", path, number)
        rows.append(
            _Row(
                name,
                None if signer is None else str(signer),
                words,
                number,
                item.get("translation"),
            )
        )
    return rows
