"""What a corpus module describes, and the steps all corpora share."""

from __future__ import annotations

import glob
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from slaeval.errors import InputError, UsageError, nearest
from slaeval.files import read_text
from slaeval.formats.words import split_words
from slaeval.loaders.records import CorpusDefault, Facts, Sample

if TYPE_CHECKING:
    from slaeval.formats.tables import Row

__all__ = ["Layout", "rows_of"]

#: Greatest depth of the annotations below the folder a user names.
_DEPTH = 4


class Layout(ABC):
    """The description of one corpus; a new corpus is one subclass.

    Attributes
    ----------
    name, title, licence, source : str
        Canonical name, and what a user should know.
    homes : tuple of str
        Names the corpus's own folder may have within the folder a user names.
    setups : tuple of str
        Ways to split the corpus, the default first.
    splits : tuple of str
        Names of the splits.
    fps : float or None
        Frames per second.
    facts : mapping
        (setup, split) to the published counts, one entry per edition.
    broken : mapping
        Ids that the community leaves out of training, and why.
    vocabulary : int or None
        Published number of distinct raw glosses over all splits.
    spellings : tuple of str
        Other names in use; letter case and punctuation do not matter.
    container : str or None
        Name of the folder that its release shares with others.
    language : str
        Language tag of its glosses (BCP 47), for fonts and line breaking.
    ids : str or None
        Regular expression that its segment ids match, to tell which corpus a file belongs to.
    release_protocol : str or None
        Protocol of the release's own script, if papers use that besides the official one.
    translations : CorpusDefault or None
        Protocol its translations are scored under; None if it has none.
    header : tuple of str
        First columns of its annotation file, by which such a file is recognised; empty if they
        are not distinctive.
    sample : str
        ``module:name`` of the :class:`~slaeval.loaders.sample.draft.SampleMaker` that generates
        a sample corpus; ``""`` for none.
    """

    name: str
    title: str
    licence: str
    source: str
    homes: tuple[str, ...] = ()
    setups: tuple[str, ...] = ("default",)
    splits: tuple[str, ...] = ("train", "dev", "test")
    fps: float | None = None
    facts: Mapping[tuple[str, str], Sequence[Facts]]
    broken: Mapping[str, str]
    vocabulary: int | None = None
    spellings: tuple[str, ...] = ()
    container: str | None = None
    language: str = ""
    ids: str | None = None
    release_protocol: str | None = None
    translations: CorpusDefault | None = None
    header: tuple[str, ...] = ()
    sample: str = ""

    @abstractmethod
    def patterns(self, setup: str, split: str) -> tuple[str, ...]:
        """Return where a split's annotation may be in the corpus's own folder."""

    @abstractmethod
    def read(self, path: str, base: str, setup: str, split: str) -> list[Sample]:
        """Read one split from the annotation file at `path`."""

    def signer(self, id: str, signer: str | None) -> str | None:
        """Return the signer under the name the release uses."""
        return signer or None

    def words(self, id: str, signer: str, annotation: str, split: str) -> list[str]:
        """Return the glosses of a raw annotation, as in the corpus's references."""
        return split_words(annotation)

    def rows_of_split(self, rows: list[Row], path: str, split: str) -> list[Row]:
        """Return those rows of the annotation file at `path` that belong to a split."""
        return rows

    def media(self, base: str, sample: Sample) -> tuple[str, str] | None:
        """Return the pictures of a sample as ``(folder of the split or corpus, path)``.

        None if the corpus's annotation does not say. The path is a file, or a folder of
        frames; it is looked for only if the first folder exists.
        """
        return None

    def frame_folder(self, base: str, tops: Sequence[str], below: str) -> tuple[str, str]:
        """Return where a folder of frames is, for :meth:`media`.

        Parameters
        ----------
        base : str
            The corpus's own folder.
        tops : sequence of str
            Folders that hold all samples, the release's first. ``*`` stands for the size in the
            name of a resized copy; the largest is preferred.
        below : str
            The sample's folder in there; some releases have a further folder ``1``.
        """
        shorter = below[:-2] if below.endswith("/1") else below
        there = [found for top in tops for found in _matching(base, top)]
        for top in there:
            for folder in (f"{shorter}/1", shorter):
                if os.path.isdir(os.path.join(base, top, folder)):
                    return top, f"{top}/{folder}"
        top = there[0] if there else tops[0]
        return top, f"{top}/{below}"

    def outside(self, base: str) -> list[str]:
        """Return samples that are in the annotation but in no split."""
        return []

    def setup_of(self, setup: str | None) -> str:
        """Return the setup of this name, or the default.

        Raises
        ------
        UsageError
            The corpus has no such setup.
        """
        if setup is None:
            return self.setups[0]
        for known in self.setups:
            if known.casefold() == setup.casefold():
                return known
        raise UsageError(
            f"{self.name} has no setup {setup!r}{nearest(setup, self.setups)}; it has "
            + ", ".join(self.setups)
        )

    def split_of(self, split: str) -> str:
        """Return the split of this name.

        Raises
        ------
        UsageError
            The corpus has no such split.
        """
        folded = {"val": "dev", "valid": "dev", "validation": "dev"}.get(
            split.casefold(), split.casefold()
        )
        if folded in self.splits:
            return folded
        raise UsageError(
            f"{self.name} has no split {split!r}{nearest(split, self.splits)}; it has "
            + ", ".join(self.splits)
        )

    def locate(self, root: str, setup: str, split: str) -> tuple[str, str]:
        """Find the annotation file of a split at or below `root`.

        All splits of a setup come from one folder: `root` itself or the corpus's own folder in
        it, or else one further below. A folder further below that is named only after the setup
        must also have the first split, or be in a folder with the corpus's name; otherwise it
        may be a system's output in that layout. Of several folders, the one with most splits
        is taken.

        Returns
        -------
        tuple of str
            The file, and the corpus's own folder.

        Raises
        ------
        InputError
            It is not found, or several folders could be meant; the message lists what was looked
            for, or those folders.
        """
        if not os.path.isdir(root):
            raise InputError(
                f"no such folder; expected the {self.name} corpus"
                if not os.path.exists(root)
                else f"this is a file; expected the folder of the {self.name} corpus (a file with "
                "references goes with --ref)",
                root,
            )
        if not os.access(root, os.R_OK | os.X_OK):
            raise InputError("this folder cannot be read: Permission denied", root)
        patterns = self.patterns(setup, split)
        base, files, unlikely = self._annotation(root, setup)
        if split in files:
            return files[split], base
        message = (
            f"no {self.name} annotation of the split {split!r} here; looked in this folder and "
            f"{_DEPTH} levels below for\n    " + "\n    ".join(patterns)
        )
        if files:
            folder = os.path.dirname(next(iter(files.values())))
            message = f"no {self.name} annotation of the split {split!r} in {folder}"
        inside = self._around(root, patterns)
        if inside is not None:
            message = f"this is a folder inside the {self.name} corpus: name {inside}"
        if split in unlikely:
            message += (
                f"\n  found {unlikely[split]}: it may be a system's output; if it is the "
                "annotation, name its folder with --root, or the file with --ref"
            )
        raise InputError(message, root)

    def _annotation(self, root: str, setup: str) -> tuple[str, dict[str, str], dict[str, str]]:
        """Find the folder of a setup's annotation.

        Returns
        -------
        tuple
            The corpus's own folder, the file of each split there, and files elsewhere that are
            probably not annotations.
        """
        found: dict[str, tuple[str, dict[str, str]]] = {}
        unlikely: dict[str, str] = {}
        at_once = False
        for level, folder in _folders(root):
            if level and at_once:
                break
            for base in self._homes(folder):
                for annotation, files in self._files(base, setup).items():
                    sure = (
                        os.path.basename(os.path.abspath(base)) in self.homes
                        or os.path.relpath(annotation, base) != setup
                        or self.splits[0] in files
                    )
                    if sure or not level:
                        found.setdefault(os.path.realpath(annotation), (base, files))
                    else:
                        unlikely |= files
            at_once = not level and bool(found)
        most = max((len(files) for _, files in found.values()), default=0)
        best = [folder for folder, (_, files) in found.items() if len(files) == most]
        if len(best) > 1:
            raise InputError(
                f"several folders could hold the annotation of {self.name}, name one with --root "
                "(or a file with --ref):\n    " + "\n    ".join(best),
                root,
            )
        base, files = found[best[0]] if best else (root, {})
        return base, files, unlikely

    @staticmethod
    def _around(root: str, patterns: Sequence[str]) -> str | None:
        """Return the folder above `root` that one of the patterns starts from, if any."""
        for pattern in patterns:
            above = os.path.abspath(root)
            for _ in pattern.split("/")[:-1]:
                above = os.path.dirname(above)
                if os.path.isfile(os.path.join(above, *pattern.split("/"))):
                    return above
        return None

    def _homes(self, folder: str) -> list[str]:
        """Return a folder, and the folders with the corpus's name in it."""
        return [*(os.path.join(folder, home) for home in self.homes), folder]

    def _files(self, base: str, setup: str) -> dict[str, dict[str, str]]:
        """Return the annotation files below a corpus's folder, by folder and split."""
        folders: dict[str, dict[str, str]] = {}
        if not os.path.isdir(base):
            return folders
        for split in self.splits:
            for pattern in self.patterns(setup, split):
                path = os.path.join(base, *pattern.split("/"))
                if os.path.isfile(path):
                    folders.setdefault(os.path.dirname(path), {}).setdefault(split, path)
        return folders


def _matching(base: str, top: str) -> list[str]:
    """Return the folders below `base` that match a name, ``*`` allowed, largest frames first."""
    found = glob.glob(top, root_dir=base)
    found.sort(key=lambda name: [-int(number) for number in re.findall(r"\d+", name)])
    return [name.replace(os.sep, "/") for name in found if os.path.isdir(os.path.join(base, name))]


def _folders(root: str) -> Iterator[tuple[int, str]]:
    """Walk breadth first, leaving out folders that hold pictures; yield level and folder."""
    level = [root]
    for depth in range(_DEPTH + 1):
        following: list[str] = []
        for folder in level:
            yield depth, folder
            try:
                with os.scandir(folder) as entries:
                    following += sorted(
                        entry.path
                        for entry in entries
                        if entry.is_dir() and not _holds_pictures(entry.name)
                    )
            except OSError:
                continue  # skip a folder we may not read
        level = following


def _holds_pictures(name: str) -> bool:
    return name.startswith((".", "fullFrame", "trackedRightHand", "sentence_frames")) or (
        name in ("features", "videos", "Videos", "frames", "Frames")
    )


def rows_of(
    path: str, what: str, columns: Sequence[str], separator: str = "|", header: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Read a table without quoting.

    Parameters
    ----------
    path : str
        The file.
    what : str
        What it is, for messages.
    columns : sequence of str
        Names of its columns; more columns at the end are allowed.
    separator : str
        Separator of the columns.
    header : bool
        Whether the first line must name the columns.

    Yields
    ------
    tuple of int and list of str
        Line number and cells, as many as `columns` or more.

    Raises
    ------
    InputError
        Another header, or a line with fewer cells.
    """
    lines = read_text(path, what).split("\n")
    expected = separator.join(columns)
    start = 0
    if header:
        if lines[0].split(separator)[: len(columns)] != list(columns):
            raise InputError(f"expected the header {expected!r}, found {lines[0]!r:.100}", path, 1)
        start = 1
    for number, line in enumerate(lines[start:], start + 1):
        if not line.strip():
            continue
        cells = line.split(separator)
        if len(cells) < len(columns):
            raise InputError(
                f"expected {len(columns)} columns ({expected}), found {len(cells)}: {line[:80]!r}",
                path,
                number,
            )
        yield number, cells
