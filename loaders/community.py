"""References in the formats in circulation, read into the one record.

STM; TRN; tables, JSON and Kaldi's text (:mod:`slaeval.formats.tables`), including a corpus's own
annotation file; the ``<split>_info.npy`` of VAC and its descendants (a pickled dict ``{'prefix':
…, 0: {'fileid', 'folder', 'signer', 'label', 'num_frames', 'original_info'}, 1: …}``); the pickles
of slt and TwoStreamNetwork (a list of dicts ``name, signer, gloss, text, num_frames, sign``). Any
text or pickle may be gzipped. The format of a file is detected from its content.
"""

from __future__ import annotations

import os
from typing import Any

from slaeval.errors import InputError
from slaeval.files import read_text
from slaeval.formats.detection import detect_format
from slaeval.formats.stm import parse_stm
from slaeval.formats.tables import Row, parse_json, parse_kaldi, parse_table
from slaeval.formats.trn import parse_trn
from slaeval.formats.words import split_words
from slaeval.loaders.layout import Layout
from slaeval.loaders.records import Sample
from slaeval.loaders.reference_columns import TEXTS, start_of
from slaeval.loaders.registry import layout, layouts

__all__ = ["plain_id", "read_references_file"]


def plain_id(name: str) -> str:
    """Extract a segment's id from the path that some files write.

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
    """Read references from a file in any of this module's formats.

    Parameters
    ----------
    path : path-like
        The file.
    corpus : str, optional
        The corpus they belong to: its names for signers are used, and raw annotations are
        cleaned as its references are.
    split : str
        The split they belong to, for the records and for that cleanup.

    Raises
    ------
    InputError
        The file cannot be read or is in none of the formats, or an id appears in it twice.
    """
    path = os.fspath(path)
    known = None if corpus is None else layout(corpus)
    if known is not None:
        split = known.split_of(split)
    start = start_of(path)
    if start[:6] == b"\x93NUMPY":
        rows, clean = _vac_rows(path), False
    elif start[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        rows, clean = _slt_rows(path), False
    else:
        rows, clean = _text_rows(path, split)
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


def _sample(row: Row, known: Layout | None, split: str, path: str, clean: bool) -> Sample:
    words = split_words(row.glosses)
    signer = row.signer
    if known is not None:
        signer = known.signer(row.id, None if signer == "unknown" else signer)
        if not clean:
            words = known.words(row.id, row.signer or "Signer", row.glosses, split)
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


def _vac_rows(path: str) -> list[Row]:
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
                f"expected VAC's dict of samples; the entry {key!r:.40} is not a sample (is this "
                "a gloss dictionary?)",
                path,
            )
        rows.append(
            Row(
                _text(item, ("fileid",), path),
                _text(item, ("label",), path),
                signer=_who(item),
                num_frames=_frames(item),
            )
        )
    return rows


def _slt_rows(path: str) -> list[Row]:
    from slaeval.formats.pickles import load_pickle

    content = load_pickle(path)
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise InputError(
            f"expected the list of samples of slt or TwoStreamNetwork, found "
            f"{type(content).__name__}",
            path,
        )
    return [
        Row(
            plain_id(_text(item, ("name",), path)),
            _text(item, ("gloss", "gls"), path),
            signer=_who(item),
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


def _text_rows(path: str, split: str) -> tuple[list[Row], bool]:
    """Read a text file of any format; say whether its glosses are already cleaned."""
    text = read_text(path, TEXTS)
    found = detect_format(text, "reference")
    if found == "ctm":
        raise InputError(
            "this is a CTM file, so a hypothesis; references come as STM, TRN, a table, JSON, "
            ".npy or pickle",
            path,
        )
    if found in ("stm", None):
        # An unrecognised file may be a defective STM, whose reader can best say what is wrong.
        return [
            Row(row.name, " ".join(row.words), signer=row.signer, channel=row.channel)
            for row in parse_stm(text, path)
        ], True
    parse = {"trn": parse_trn, "jsonl": parse_json, "kaldi": parse_kaldi}.get(found, parse_table)
    table = parse(text, "reference", path)
    for described in layouts().values():
        if described.header and table.header[: len(described.header)] == described.header:
            return described().rows_of_split(table.rows, path, split), False
    return table.rows, True
