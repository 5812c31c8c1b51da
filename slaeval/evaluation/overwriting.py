"""Keep a command from overwriting files that it, or the corpus, still needs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from slaeval.errors import UsageError
from slaeval.files import STDIN

if TYPE_CHECKING:
    from slaeval.evaluation.request import Request

__all__ = ["check_outputs"]

_Path = str | os.PathLike[str] | None


def check_outputs(
    inputs: Sequence[_Path], outputs: Sequence[_Path], request: Request | None = None
) -> None:
    """Refuse to write over an input, two outputs into one file, or over the annotation.

    Standard input, ``-``, may be read once.

    Parameters
    ----------
    inputs : sequence of path-like or None
        Files that are read, and folders of runs.
    outputs : sequence of path-like or None
        Files that are written.
    request : Request, optional
        Where references are read from.

    Raises
    ------
    UsageError
        A file would be lost; the message names it.
    """
    read = [os.fspath(path) for path in inputs if path is not None]
    if request is not None and request.ref is not None:
        read.append(os.fspath(request.ref))
    if read.count(STDIN) > 1:
        raise UsageError("standard input (-) can be one file only")
    taken = {os.path.realpath(file): file for path in read for file in _files(path)}
    for output in outputs:
        if output is None or os.fspath(output).startswith("/dev/"):
            continue
        path = os.fspath(output)
        real = os.path.realpath(path)
        if real in taken:
            raise UsageError(f"{path} is named twice: it would be overwritten")
        taken[real] = path
        if os.path.exists(real):
            from slaeval.loaders.reading import annotation_folders

            for name, folder in _corpora(read, request):
                if os.path.dirname(real) in annotation_folders(name, folder):
                    raise UsageError(
                        f"{path} is a file of {name}'s annotation, which would be overwritten: "
                        "name another file"
                    )


def _files(path: str) -> Iterator[str]:
    yield path
    if os.path.isdir(path):
        from slaeval.evaluation.run_folder import RESULTS

        for name in RESULTS:
            yield os.path.join(path, name)


def _corpora(read: Sequence[str], request: Request | None) -> Iterator[tuple[str, _Path]]:
    """Name the corpora that are read, with their folders: the requested one, those of runs."""
    if request is not None and request.dataset is not None:
        yield request.dataset, request.root
    for path in read:
        if os.path.isfile(os.path.join(path, "run.json")):
            from slaeval.evaluation.run_folder import settings_of

            settings = settings_of(path)
            if settings.get("dataset") is not None:
                yield settings["dataset"], settings.get("root")
