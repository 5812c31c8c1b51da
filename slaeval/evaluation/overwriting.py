"""What a command writes must not be what it, or the corpus, still needs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from slaeval.errors import UsageError
from slaeval.files import STDIN

__all__ = ["check_outputs"]


def check_outputs(
    inputs: list[str | None],
    outputs: list[str | None],
    dataset: str | None = None,
    root: str | None = None,
    runs: Iterable[str | None] = (),
) -> None:
    """Refuse to write over an input, two outputs into one file, or over the annotation.

    Standard input, ``-``, may be read once.

    Parameters
    ----------
    inputs, outputs : list of str or None
        Files that are read and written.
    dataset, root : str or None
        The corpus that is read, if one is named.
    runs : iterable of str or None
        Sources that are read; those that are runs were on a corpus too.

    Raises
    ------
    UsageError
        Naming the file that would be lost.
    """
    if inputs.count(STDIN) > 1:
        raise UsageError("standard input (-) can be one file only")
    taken = {os.path.realpath(path): path for path in inputs if path is not None}
    for path in outputs:
        if path is None or path.startswith("/dev/"):
            continue
        real = os.path.realpath(path)
        if real in taken:
            raise UsageError(f"{path} is named twice: it would be written over")
        taken[real] = path
        if os.path.exists(real):
            from slaeval.loaders.reading import annotation_folders

            for name, folder in _corpora(dataset, root, runs):
                if os.path.dirname(real) in annotation_folders(name, folder):
                    raise UsageError(
                        f"{path} is a file of {name}'s annotation, which would be written over: "
                        "name another one"
                    )


def _corpora(
    dataset: str | None, root: str | None, runs: Iterable[str | None]
) -> Iterator[tuple[str, str | None]]:
    if dataset is not None:
        yield dataset, root
    for source in runs:
        if source is not None and os.path.isfile(os.path.join(source, "run.json")):
            from slaeval.evaluation.run_folder import settings_of

            settings = settings_of(source)
            if settings.get("dataset") is not None:
                yield settings["dataset"], settings.get("root")
