"""What to score against, and how hypotheses are matched to it.

References come from a registered corpus, a folder, a file or a Python object; here they become
one :class:`ReferenceSet`, and hypotheses are matched to its ids.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from slaeval.errors import InputError, UsageError, counted
from slaeval.files import STDIN, gunzipped, read_bytes, read_start
from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.sentences import named, vocabulary
from slaeval.formats.tables import Role, Table, plain_table, table_of
from slaeval.formats.words import split_words
from slaeval.scoring.segments import Reference, References

if TYPE_CHECKING:
    import pandas as pd

    from slaeval.loaders import Corpus, Sample

    Words = str | Sequence[str]
    Source = Mapping[str, Words] | Corpus | pd.DataFrame | str | os.PathLike[str] | Sequence[Words]

__all__ = [
    "ReferenceSet",
    "corpus_label",
    "corpus_references",
    "hypotheses_given",
    "is_corpus",
    "load_corpus",
    "load_references",
    "match_ids",
    "numbered_pair",
    "one_split",
    "reference_set",
]


class ReferenceSet(NamedTuple):
    """References and what is known about them.

    Attributes
    ----------
    references : sequence of Reference
        Every segment to be recognised.
    dataset : str or None
        Corpus, with its setup if it has several: ``"isharah500/US"``.
    split : str or None
        Which part of it.
    source : str
        Where the references came from, for display.
    clipped : bool
        They came from an STM file that does not end with a newline.
    corpus : tuple or None
        Name, root and setup for loading the other splits.
    path : str or None
        The file they were read from, or the folder of the corpus.
    notes : tuple of str
        What a reader of a score should know about them.
    """

    references: Sequence[Reference]
    dataset: str | None = None
    split: str | None = None
    source: str = ""
    clipped: bool = False
    corpus: tuple[str, str | os.PathLike[str] | None, str | None] | None = None
    path: str | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        what = " ".join(filter(None, (self.dataset, self.split))) or "own references"
        return f"<ReferenceSet {what}: {counted(len(self.references), 'segment')}>"

    def glosses(self) -> set[str]:
        """Return the words of the references and, for a corpus, of its other splits."""
        words = vocabulary(References.of(self.references).words)
        if self.corpus is not None:
            from slaeval import loaders

            words |= loaders.glosses(*self.corpus)
        return words


#: The channel in every STM file that was published with a corpus.
_CHANNEL = "1"


def load_corpus(
    name: str,
    root: str | os.PathLike[str] | None = None,
    split: str | None = None,
    setup: str | None = None,
) -> Corpus:
    """Load the annotation of a corpus.

    Parameters
    ----------
    name : str
        ``phoenix2014``, ``phoenix2014-si5``, ``phoenix2014t``, ``csl-daily``, ``isharah500``,
        ``isharah1000`` or ``isharah2000``; common other spellings are understood.
    root : path-like, optional
        Its folder. By default the folder registered with ``slaeval corpus add``, then
        the environment variable ``SLAEVAL_DATA``.
    split : {"train", "dev", "test"}, optional
        One split; all by default.
    setup : str, optional
        ``"SI"`` or ``"US"`` for Isharah.

    Raises
    ------
    UsageError
        Unknown corpus, split or setup.
    InputError
        No corpus was found, or it is not in the expected layout.

    Examples
    --------
    >>> files = slaeval.write_sample("phoenix2014t", "sample")
    >>> corpus = slaeval.load_corpus("phoenix2014t", "sample", "test")
    >>> len(corpus), corpus.samples[0].signer
    (48, 'Signer04')
    """
    from slaeval import loaders

    return loaders.load_corpus(name, root=root, split=split, setup=setup)


def load_references(
    dataset: str | None = None,
    split: str | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    ref: str | os.PathLike[str] | None = None,
    setup: str | None = None,
) -> ReferenceSet:
    """Load the references to score against.

    Parameters
    ----------
    dataset : str, optional
        Corpus name; required unless `ref` is given.
    split : str, optional
        Part of the corpus, by default ``"test"``; for a file, only used in its signature.
    root : path-like, optional
        Folder of the corpus.
    ref : path-like, optional
        A file with references, in any format the loaders read; not together with `root`.
    setup : str, optional
        ``"SI"`` or ``"US"`` for Isharah.

    Raises
    ------
    UsageError
        Neither `dataset` nor `ref`, both `ref` and `root`, or unknown names.
    InputError
        The references cannot be read.
    """
    from slaeval import loaders

    if ref is not None and root is not None:
        raise UsageError("--ref and --root cannot be combined: name a file or a folder")
    name = None if dataset is None else loaders.resolve(dataset)
    label = None if name is None else corpus_label(name, setup)
    if ref is not None:
        path = os.fspath(ref)
        columns = loaders.read_reference_columns(path, name, split or "test")
        return ReferenceSet(
            References(*columns),
            label,
            split,
            path,
            _lacks_newline(path),
            path=path,
        )
    if name is None:
        raise UsageError(
            "no references named: use --dataset NAME (with --root DIR or a registered folder) "
            "or --ref FILE"
        )
    split = split or "test"
    samples = loaders.read_references(name, root, split, setup)
    return ReferenceSet(
        _rows(samples),
        label,
        split,
        f"{name} {split}",
        corpus=(name, root, setup),
        path=samples[0].source,
    )


def _rows(samples: Iterable[Sample]) -> list[Reference]:
    return [
        Reference(sample.id, sample.signer or "", list(sample.glosses), _CHANNEL)
        for sample in samples
    ]


def corpus_label(name: str, setup: str | None) -> str:
    """Name a corpus for a signature: with its setup if it has several."""
    from slaeval.loaders.registry import layout

    described = layout(name)
    chosen = described.setup_of(setup)
    return f"{name}/{chosen}" if len(described.setups) > 1 else name


def _lacks_newline(path: str) -> bool:
    if path == STDIN or read_start(path, "a file with references", 2) == b"\x1f\x8b":
        data = gunzipped(read_bytes(path, "a file with references"), path)
        return not data.endswith(b"\n")
    with open(path, "rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"


def corpus_references(corpus: Corpus) -> ReferenceSet:
    """Return the references of a loaded corpus."""
    return ReferenceSet(
        _rows(corpus),
        corpus_label(corpus.name, corpus.setup),
        corpus.split,
        corpus.name,
        corpus=(corpus.name, corpus.root, corpus.setup),
        path=corpus.root,
    )


def is_corpus(source: object) -> TypeGuard[Corpus]:
    """Say whether a source of references is a corpus."""
    return hasattr(source, "references") and hasattr(source, "setup")


def one_split(corpus: Corpus, named: Collection[str], split: str | None) -> tuple[Corpus, str]:
    """Return the split of a corpus that hypotheses belong to, and a notice about it.

    Parameters
    ----------
    corpus : Corpus
        With one split, or with all.
    named : collection of str
        Segments of the hypotheses.
    split : str or None
        The requested split.

    Raises
    ------
    UsageError
        The corpus holds several splits, and so do the hypotheses.
    """
    splits = list(dict.fromkeys(sample.split for sample in corpus))
    if len(splits) < 2:
        return corpus, ""
    note = ""
    if split is None:
        found = [
            each
            for each in splits
            if any(sample.id in named for sample in corpus if sample.split == each)
        ]
        if len(found) > 1:
            raise UsageError(
                f"the corpus holds the splits {', '.join(splits)}, the hypotheses those of "
                f"{' and '.join(found)}: score one split, load_corpus(…, split={found[-1]!r})"
            )
        if not found:
            return corpus, ""  # no id in common, which is reported elsewhere
        split = found[0]
        note = (
            f"the corpus holds the splits {', '.join(splits)}; the hypotheses are of {split!r}, "
            f"so they are scored on that split alone: load_corpus(…, split={split!r}) says so"
        )
    samples = tuple(sample for sample in corpus if sample.split == split)
    return replace(corpus, split=split, samples=samples), note


def reference_set(
    references: Source,
    dataset: str | None = None,
    split: str | None = None,
    signers: Mapping[str, str] | None = None,
) -> ReferenceSet:
    """Return what :func:`slaeval.score` takes as references."""
    signers = signers or {}
    if isinstance(references, (str, os.PathLike)):
        return load_references(dataset, split, ref=references)
    if is_corpus(references):
        references.references()  # raises if they are withheld
        known = corpus_references(references)
        return known._replace(dataset=dataset or known.dataset, split=split or known.split)
    plain = plain_table(references, "reference")
    if plain is not None:
        by = list(map(signers.get, plain.ids, plain.signers))
        known_rows = References(plain.ids, by, plain.words)
        return ReferenceSet(known_rows, dataset, split, "the references given")
    rows = [
        Reference(row.id, signers.get(row.id, row.signer or ""), split_words(row.glosses))
        for row in _table(references, "reference").rows
    ]
    return ReferenceSet(rows, dataset, split, "the references given")


def hypotheses_given(hypotheses: Source) -> Hypotheses:
    """Return what :func:`slaeval.score` takes as hypotheses, except paths."""
    plain = plain_table(hypotheses, "hypothesis")
    if plain is not None:
        return Hypotheses(named(plain.ids, plain.words))
    table = _table(hypotheses, "hypothesis")
    return Hypotheses(table.words, notes=table.notes)


def numbered_pair(references: Source, hypotheses: Source) -> tuple[Source, Source]:
    """Give two parallel lists of sentences ids from ``"1"`` on; leave everything else unchanged.

    Raises
    ------
    UsageError
        A list on one side only, or lists of different length.
    """
    if _sentences(references) and _sentences(hypotheses):
        left, right = _numbered(references), _numbered(hypotheses)
        if len(left) != len(right):
            raise UsageError(
                f"{len(left)} references, but {len(right)} hypotheses; lists are matched sentence "
                "by sentence: give a mapping from ids if some are missing"
            )
        return left, right
    if _sentences(references) or _sentences(hypotheses):
        names = ("references", "hypotheses")
        one, other = names if _sentences(references) else names[::-1]
        raise UsageError(
            f"the {one} are a list, the {other} are not: give parallel lists on both sides, or "
            "something with ids"
        )
    return references, hypotheses


def _sentences(source: Source) -> bool:
    """Say whether this is a list of sentences, which have no ids."""
    return isinstance(source, (list, tuple)) and not any(isinstance(row, Mapping) for row in source)


def _numbered(sentences: Any) -> dict[str, Words]:
    return {str(number): words for number, words in enumerate(sentences, 1)}


def _table(source: Any, role: Role) -> Table:
    """Return the segments of a Python object."""
    if is_corpus(source):
        source = source.references()
    table = table_of(source, role)
    if table is None:
        what = "references" if role == "reference" else "hypotheses"
        raise UsageError(
            f"{what} must be a mapping from id to words, a Corpus, a DataFrame, a list of "
            f"mappings or a path, not {type(source).__name__}"
        )
    return table


def match_ids(hypotheses: Hypotheses, references: ReferenceSet, fix: bool = False) -> Hypotheses:
    """Check that hypotheses and references have segments in common.

    Parameters
    ----------
    hypotheses : Hypotheses
        As read.
    references : ReferenceSet
        As loaded.
    fix : bool
        Accept ids that are recognisable variants of the references' ids.

    Raises
    ------
    InputError
        No segment in common; the message says what the ids look like.
    """
    ids = set(References.of(references.references).ids)
    if not ids.isdisjoint(hypotheses.words):
        return hypotheses
    if not hypotheses.words or not ids:
        raise InputError(f"nothing to score: {'no reference' if not ids else 'no hypothesis'}")
    first = next(iter(hypotheses.words))
    found = _rewritten_ids(hypotheses.words, ids)
    if found is not None:
        how, new = found
        if fix:
            words = {new[name]: words for name, words in hypotheses.words.items() if name in new}
            notes = (
                *hypotheses.notes,
                f"ids are written {how}; matched with those of the references",
            )
            return Hypotheses(
                words,
                hypotheses.format,
                hypotheses.path,
                _renamed(hypotheses.lines, new),
                notes=notes,
                channels={new[name]: on for name, on in hypotheses.channels.items() if name in new},
            )
        raise InputError(
            f"no id in common with {references.source}, but these ids are those of the "
            f"references {how}: {first!r} for {new.get(first, next(iter(new.values())))!r}; "
            "write the references' ids, or add --fix-ids",
            hypotheses.path,
        )
    message = (
        f"none of its {len(hypotheses.words)} segments is among the {len(ids)} of "
        f"{references.source}: the file has {first!r}, the references "
        f"{references.references[0].id!r}"
    )
    raise InputError(message + _other_split(hypotheses, references), hypotheses.path)


def _other_split(hypotheses: Hypotheses, references: ReferenceSet) -> str:
    """Say which split or corpus the ids belong to, if that is recognisable."""
    if references.corpus is None:
        return "; check --split and --dataset"
    from slaeval import loaders

    name, root, setup = references.corpus
    recognised = set(hypotheses.words)
    for split, ids in loaders.split_ids(name, root, setup).items():
        if split != references.split and not recognised.isdisjoint(ids):
            share = "all" if recognised <= ids else f"{len(recognised & ids)} of them"
            return f"; {share} are segments of the split {split!r}: add --split {split}"
    example = next(iter(recognised))
    from slaeval.loaders.registry import corpora_of

    look = corpora_of(example)
    if look and name not in look:
        return f"; they look like segments of {' or '.join(look)}: check --dataset"
    return "; check --split and --dataset"


def _rewritten_ids(written: Iterable[str], ids: set[str]) -> tuple[str, dict[str, str]] | None:
    """Recognise ids with a path around them, in another letter case, or both."""
    folded = {name.lower(): name for name in ids}

    def component(name: str) -> str | None:
        parts = re.split(r"[/\\]", name)
        return next((part for part in parts if part in ids), None)

    def stem(name: str) -> str | None:
        part = re.split(r"[/\\]", name)[-1].rsplit(".", 1)[0]
        return part if part in ids else None

    def folded_component(name: str) -> str | None:
        parts = re.split(r"[/\\]", name.lower())
        return next((folded[part] for part in parts if part in folded), None)

    names = list(written)
    for how, reading in (
        ("with a path around them", component),
        ("as file names", stem),
        ("in another letter case", lambda name: folded.get(name.lower())),
        ("with a path around them and in another letter case", folded_component),
    ):
        new = {name: match for name in names if (match := reading(name)) is not None}
        if new and len(new) >= 0.5 * len(names) and len(set(new.values())) == len(new):
            return how, new
    return None


def _renamed(lines: list[str] | None, new: dict[str, str]) -> list[str] | None:
    if lines is None:
        return None
    renamed = []
    for line in lines:
        name = split_words(line)[0]
        if name in new:
            renamed.append(line.replace(name, new[name], 1))
    return renamed
