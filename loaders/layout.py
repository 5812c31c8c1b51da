"""What a corpus module describes, and the steps all corpora share."""

from __future__ import annotations

import glob
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

from slaeval.errors import InputError, UsageError, nearest
from slaeval.files import read_text
from slaeval.loaders.records import Facts, Sample

__all__ = ["Layout", "rows_of"]

#: How deep below the folder a user names its annotations may lie.
_DEPTH = 4


class Layout(ABC):
    """The description of one corpus; a new corpus is one subclass.

    Attributes
    ----------
    name, title, licence, source : str
        Canonical name, and what a user should know.
    homes : tuple of str
        Names the corpus's own folder may have within what a user names.
    setups : tuple of str
        Ways to split the corpus, the default first.
    splits : tuple of str
        Names of the splits.
    fps : float or None
        Frames a second.
    facts : mapping
        (setup, split) to the published counts, one entry an edition.
    broken : mapping
        Ids that the community leaves out of training, and why.
    vocabulary : int or None
        Published number of distinct raw glosses over all splits.
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

    @abstractmethod
    def patterns(self, setup: str, split: str) -> tuple[str, ...]:
        """Return where a split's annotation may lie in the corpus's own folder."""

    @abstractmethod
    def read(self, path: str, base: str, setup: str, split: str) -> list[Sample]:
        """Read one split from the annotation file at `path`."""

    def signer(self, id: str, signer: str | None) -> str | None:
        """Return the signer under the name the release uses."""
        return signer or None

    def media(self, base: str, sample: Sample) -> tuple[str, str] | None:
        """Return the pictures of a sample as ``(folder of the split or corpus, path)``.

        None where the corpus's annotation does not say. The path is a file, or a folder of
        frames; it is looked for only where the first folder is there.
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
            name of a resized copy; of several the largest comes first.
        below : str
            The sample's folder in there; releases have or lack a last folder ``1``.
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
        """Return samples that the annotation describes but no split holds."""
        return []

    def setup_of(self, setup: str | None) -> str:
        """Return the setup of that name, or the default.

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
        """Return the split of that name.

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

        Returns
        -------
        tuple of str
            The file, and the corpus's own folder.

        Raises
        ------
        InputError
            It is not there; the message lists what was looked for.
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
        for folder in _folders(root):
            for home in (*self.homes, ""):
                base = os.path.join(folder, home) if home else folder
                for pattern in patterns:
                    path = os.path.join(base, *pattern.split("/"))
                    if os.path.isfile(path):
                        return path, base
        raise InputError(
            f"no {self.name} annotation of the split {split!r} here; looked in this folder and "
            f"{_DEPTH} levels below for\n    " + "\n    ".join(patterns),
            root,
        )


def _matching(base: str, top: str) -> list[str]:
    """Return the folders below `base` of a name with or without ``*``, of large frames first."""
    found = glob.glob(top, root_dir=base)
    found.sort(key=lambda name: [-int(number) for number in re.findall(r"\d+", name)])
    return [name.replace(os.sep, "/") for name in found if os.path.isdir(os.path.join(base, name))]


def _folders(root: str) -> Iterator[str]:
    """Walk breadth first, leaving out folders that hold pictures."""
    level = [root]
    for _ in range(_DEPTH + 1):
        following: list[str] = []
        for folder in level:
            yield folder
            try:
                with os.scandir(folder) as entries:
                    following += sorted(
                        entry.path
                        for entry in entries
                        if entry.is_dir() and not _holds_pictures(entry.name)
                    )
            except OSError:
                continue  # a folder we may not read holds nothing for us
        level = following


def _holds_pictures(name: str) -> bool:
    return name.startswith((".", "fullFrame", "trackedRightHand", "sentence_frames")) or (
        name in ("features", "videos", "Videos")
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
        Between columns.
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
