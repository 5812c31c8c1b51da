"""From the name of a corpus to its samples."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from slaeval.errors import InputError
from slaeval.files import kept_unless_changed, read_text
from slaeval.formats.words import is_word, split_words
from slaeval.loaders.folders import find
from slaeval.loaders.layout import Layout
from slaeval.loaders.records import Corpus, Sample
from slaeval.loaders.registry import layout

__all__ = [
    "annotation_folders",
    "glosses",
    "load_corpus",
    "load_references",
    "read_references",
    "read_split",
    "split_ids",
]


def read_split(described: Layout, root: str, setup: str, split: str) -> list[Sample]:
    """Read one split; a duplicate id is an error.

    Raises
    ------
    InputError
        The annotation is not there, is damaged, or names a segment twice.
    """
    path, base = described.locate(root, setup, split)
    return list(_read(path, base, type(described), setup, split))


@kept_unless_changed
def _read(path: str, base: str, corpus: type[Layout], setup: str, split: str) -> Sequence[Sample]:
    samples = corpus().read(path, base, setup, split)
    if len({sample.id for sample in samples}) != len(samples):
        counts = Counter(sample.id for sample in samples)
        twice = next(sample for sample in samples if counts[sample.id] > 1)
        first, second, *_ = _lines_of(twice)
        raise InputError(
            f"duplicate segment {twice.id!r} (first on line {first})", twice.source, second
        )
    for sample in samples:
        if not is_word(sample.id):
            raise InputError(f"a segment's id must be one word, found {sample.id!r}", path)
    if not samples:
        raise InputError(f"no sample of the split {split!r}", path)
    return samples


def _lines_of(sample: Sample) -> list[int]:
    """Return the lines of its file that name a sample."""
    lines = read_text(sample.source, "an annotation").split("\n")
    return [n for n, line in enumerate(lines, 1) if sample.id in line.split("|")[:2]] + [0, 0]


def load_corpus(
    name: str,
    root: str | os.PathLike[str] | None = None,
    split: str | None = None,
    setup: str | None = None,
    *,
    exclude_broken: bool = False,
) -> Corpus:
    """Load a corpus; see :func:`slaeval.load_corpus`.

    Parameters
    ----------
    exclude_broken : bool
        Leave out the samples that the community leaves out of training; they are listed in
        ``Corpus.excluded`` with the reason. Off by default: published counts include them.
    """
    described = layout(name)
    setup = described.setup_of(setup)
    wanted = None if split is None else described.split_of(split)
    folder = find(described.name, root)
    samples = [
        sample
        for each in ([wanted] if wanted else described.splits)
        for sample in read_split(described, folder, setup, each)
    ]
    excluded = {}
    if exclude_broken:
        excluded = {
            sample.id: described.broken[sample.id]
            for sample in samples
            if sample.id in described.broken
        }
        samples = [sample for sample in samples if sample.id not in excluded]
    return Corpus(described.name, setup, wanted, folder, tuple(samples), excluded)


def load_references(
    name: str,
    root: str | os.PathLike[str] | None = None,
    split: str = "test",
    setup: str | None = None,
) -> list[tuple[str, str, list[str]]]:
    """Load what scoring needs: id, signer (``""`` if unknown) and glosses of a split.

    Raises
    ------
    InputError
        As for :func:`read_references`.
    """
    samples = read_references(name, root, split, setup)
    return [(sample.id, sample.signer or "", list(sample.glosses)) for sample in samples]


def read_references(
    name: str,
    root: str | os.PathLike[str] | None = None,
    split: str = "test",
    setup: str | None = None,
) -> list[Sample]:
    """Load the samples of a split, all of which have glosses.

    Raises
    ------
    InputError
        The references are missing or withheld.
    """
    described = layout(name)
    folder = find(described.name, root)
    samples = read_split(described, folder, described.setup_of(setup), described.split_of(split))
    if any(sample.glosses_raw is None for sample in samples):
        raise InputError(
            f"the references of {described.name} {split} are withheld by its owners: this file "
            "has ids only; score another split, or give references with --ref",
            samples[0].source,
        )
    return samples


def split_ids(
    name: str, root: str | os.PathLike[str] | None = None, setup: str | None = None
) -> dict[str, set[str]]:
    """Return the ids of every existing split."""
    return {
        split: {sample.id for sample in samples}
        for split, samples in _splits(name, root, setup).items()
    }


def _splits(
    name: str, root: str | os.PathLike[str] | None, setup: str | None
) -> dict[str, list[Sample]]:
    described = layout(name)
    folder = find(described.name, root)
    found = {}
    for split in described.splits:
        try:
            found[split] = read_split(described, folder, described.setup_of(setup), split)
        except InputError:
            continue  # only used for hints: a missing split gives none
    return found


def glosses(
    name: str, root: str | os.PathLike[str] | None = None, setup: str | None = None
) -> set[str]:
    """Return the glosses of every existing split, as annotated and as in the references."""
    return {
        gloss
        for samples in _splits(name, root, setup).values()
        for sample in samples
        for gloss in (*split_words(sample.glosses_raw or ""), *sample.glosses)
    }


def annotation_folders(name: str, root: str | os.PathLike[str] | None = None) -> set[str]:
    """Return the folders that hold the annotation of a corpus, in any setup and split."""
    described = layout(name)
    try:
        folder = find(described.name, root)
    except InputError:
        return set()  # nothing to protect
    folders = set()
    for setup in described.setups:
        for split in described.splits:
            try:
                path, _ = described.locate(folder, setup, split)
            except InputError:
                continue
            folders.add(os.path.realpath(os.path.dirname(path)))
    return folders
