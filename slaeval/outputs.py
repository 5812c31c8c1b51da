"""What a command writes must not be what it, or the corpus, still needs."""

from __future__ import annotations

import os

from slaeval.errors import UsageError

__all__ = ["check_outputs"]


def check_outputs(
    inputs: list[str | None],
    outputs: list[str | None],
    dataset: str | None = None,
    root: str | None = None,
) -> None:
    """Refuse to write over an input, two outputs into one file, or over the annotation.

    Parameters
    ----------
    inputs, outputs : list of str or None
        Files that are read and written.
    dataset, root : str or None
        The corpus that is read, if one is.

    Raises
    ------
    UsageError
        Naming the file that would be lost.
    """
    taken = {os.path.realpath(path): path for path in inputs if path is not None}
    for path in outputs:
        if path is None or path.startswith("/dev/"):
            continue
        real = os.path.realpath(path)
        if real in taken:
            raise UsageError(f"{path} is named twice: it would be written over")
        taken[real] = path
        if dataset is not None and os.path.exists(real):
            from slaeval.loaders.reading import annotation_folders

            if os.path.dirname(real) in annotation_folders(dataset, root):
                raise UsageError(
                    f"{path} is a file of {dataset}'s annotation, which would be written over: "
                    "name another one"
                )
