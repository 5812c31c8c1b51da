"""The sentences to score against, and how hypotheses are matched to them.

References come from a corpus that has translations, a file or a Python object. They are kept in a
:class:`~slaeval.evaluation.references.ReferenceSet` with the sentence as the only word of a
segment, so that ids are matched as for glosses.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from slaeval.errors import InputError, UsageError
from slaeval.evaluation.references import ReferenceSet, corpus_label, match_ids
from slaeval.evaluation.request import Request
from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.translations import Translations, read_translations, translations_of
from slaeval.loaders.registry import layouts
from slaeval.scoring.segments import Reference

if TYPE_CHECKING:
    from slaeval.evaluation.references import Source
    from slaeval.loaders import Sample

__all__ = ["load_text_references", "match_sentences", "text_reference_set"]

#: Start of a file of references that a loader reads.
_BINARY = (b"\x93NUMPY", b"\x1f\x8b", b"\x80")


def load_text_references(request: Request) -> ReferenceSet:
    """Load the sentences to score against.

    Parameters
    ----------
    request : Request
        Names a corpus, or a file: an slt pickle, a release's annotation, a table, JSON, or one
        sentence per line.

    Raises
    ------
    UsageError
        Neither or both are named, or the corpus has no translations.
    InputError
        They cannot be read, or a segment has no sentence.
    """
    from slaeval import loaders

    if request.ref is not None and request.root is not None:
        raise UsageError("--ref and --root exclude each other: name a file or a folder")
    name = None if request.dataset is None else loaders.resolve(request.dataset)
    label = None if name is None else corpus_label(name, request.setup)
    if request.ref is not None:
        path = os.fspath(request.ref)
        if _is_annotation(path):
            samples: Iterable[Sample] = loaders.read_references_file(
                path, name, request.split or "test"
            )
            return ReferenceSet(_of_samples(samples, path), label, request.split, path)
        read = read_translations(path, role="reference")
        signers = read.signers
        rows = [
            Reference(id, signers.get(id, ""), [text])
            for id, text in (read.sentences or _numbered(read)).items()
        ]
        return ReferenceSet(_some(rows, path), label, request.split, path)
    if name is None:
        raise UsageError(
            "say what to score against: --dataset NAME (with --root DIR or a registered "
            "folder), or --ref FILE"
        )
    split = request.split or "test"
    corpus = loaders.load_corpus(name, request.root, split, request.setup)
    file = corpus.samples[0].source
    rows = _of_samples(corpus.samples, file)
    return ReferenceSet(
        rows,
        label,
        split,
        f"{name} {split} ({os.path.basename(file)})",
        corpus=(name, request.root, request.setup),
        path=file,
    )


def _is_annotation(path: str) -> bool:
    """Say whether a loader of corpora reads this file: a pickle or a release's annotation."""
    from slaeval.files import read_start

    start = read_start(path, "a file with references", 64)
    headers = ("|".join(one.header).encode() for one in layouts().values() if one.header)
    return start.startswith(
        (*_BINARY, *(mark + head for head in headers for mark in (b"", codecs.BOM_UTF8)))
    )


def _of_samples(samples: Iterable[Sample], path: str) -> list[Reference]:
    rows = []
    for sample in samples:
        if sample.translation is None:
            having = [name for name, one in layouts().items() if one.translations is not None]
            what = f"{sample.corpus}: " if sample.corpus else ""
            raise InputError(
                f"{what}segment {sample.id!r} has no translation here; of the corpora, "
                f"{', '.join(having)} have them, and slt pickles do",
                path,
            )
        rows.append(Reference(sample.id, sample.signer or "", [sample.translation]))
    return _some(rows, path)


def _some(rows: list[Reference], path: str | None) -> list[Reference]:
    if not any(text.strip() for row in rows for text in row.words):
        raise InputError("no segment has a reference sentence", path)
    return rows


def _numbered(read: Translations) -> dict[str, str]:
    """Give sentences without ids their places as ids."""
    return {str(number): text for number, text in enumerate(read.lines, 1)}


def text_reference_set(
    references: Source, request: Request, signers: Mapping[str, str] | None = None
) -> ReferenceSet:
    """Return what :func:`slaeval.score` takes as references with ``level="text"``."""
    if isinstance(references, (str, os.PathLike)):
        return load_text_references(request._replace(ref=references))
    if hasattr(references, "references") and hasattr(references, "setup"):
        corpus: Any = references
        source = corpus.samples[0].source if corpus.samples else corpus.name
        return ReferenceSet(
            _of_samples(corpus.samples, source),
            request.dataset or corpus_label(corpus.name, corpus.setup),
            request.split or corpus.split,
            f"{corpus.name} ({os.path.basename(source)})",
            corpus=(corpus.name, corpus.root, corpus.setup),
        )
    read = translations_of(references, "reference")
    known = {**read.signers, **(signers or {})}
    sentences = read.sentences or _numbered(read)
    rows = [Reference(id, known.get(id, ""), [text]) for id, text in sentences.items()]
    return ReferenceSet(_some(rows, None), request.dataset, request.split, "the references given")


def match_sentences(read: Translations, references: ReferenceSet, fix: bool = False) -> Hypotheses:
    """Give sentences the ids of the references.

    Sentences without ids are taken in the order of the references and must be equally many.

    Returns
    -------
    Hypotheses
        The sentence is the only word of its segment.

    Raises
    ------
    InputError
        No segment in common, or sentences and segments differ in number.
    """
    if read.sentences:
        named = {id: [text] for id, text in read.sentences.items()}
        found = Hypotheses(named, read.format, read.path, notes=read.notes)
        return match_ids(found, references, fix)
    rows = references.references
    if len(read.lines) != len(rows):
        raise InputError(
            f"{len(read.lines)} sentences without ids for the {len(rows)} segments of "
            f"{references.source}; give one sentence per line in the order of the references, or "
            "a table with ids (id<TAB>sentence)",
            read.path,
        )
    ids = {row.id for row in rows}
    for number, (line, row) in enumerate(zip(read.lines, rows, strict=True), 1):
        words = re.split(r"[\s,;|()]+", line.strip("() "))
        ends = (words[0], words[-1])
        if row.id != str(number) and not ids.isdisjoint(ends):
            raise InputError(
                f"a line with an id, {line[:60]!r}, in a file without: write a table "
                "(id<TAB>sentence)",
                read.path,
                number,
            )
    numbered = {row.id: [line] for row, line in zip(rows, read.lines, strict=True)}
    notes = read.notes
    if [row.id for row in rows] != [str(number) for number in range(1, len(rows) + 1)]:
        notes += (
            f"the sentences have no ids: taken in the order of {references.source}, first "
            f"{rows[0].id!r}",
        )
    return Hypotheses(numbered, read.format, read.path, notes=notes)
