"""Log probabilities that a recogniser saved, read back one clip at a time.

==========  =================================================================================
``.npy``    one array; the file's name is the id
``.npz``    one array per id, under its name; the file's name is the id of an array saved without
            a name, and in a folder where every ``.npz`` has one array
``.pt``     one tensor, named by the file, or a dict from ids to tensors, by ``torch.save``
==========  =================================================================================

An array holds the steps of one clip, [T', V] or [1, T', V], floating point. Nothing in a file is
executed: object arrays and pickled code are refused.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from slaeval.errors import InputError, UsageError
from slaeval.files import read_start

__all__ = [
    "NORMALISED",
    "VALUES",
    "Values",
    "as_log_probs",
    "clip_per_file",
    "read_saved",
    "saved_files",
]

Values = Literal["log-probs", "logits", "probs"]

#: What the numbers may represent.
VALUES: tuple[Values, ...] = ("log-probs", "logits", "probs")

_ENDS = (".npy", ".npz", ".pt", ".pth")

#: The name that ``numpy.savez`` gives to an unnamed array.
_UNNAMED = "arr_0"

#: Tolerance of the log of a step's total probability, which 16-bit values round.
NORMALISED = 0.05


def saved_files(path: str | os.PathLike[str]) -> list[str]:
    """Return the files to read: the named file, or those in and below a folder, sorted.

    Raises
    ------
    InputError
        There are none.
    """
    path = os.fspath(path)
    if os.path.isfile(path):
        return [path]
    if not os.path.isdir(path):
        raise InputError("no such file or folder; expected saved log probabilities", path)
    found = sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(path)
        for name in names
        if name.endswith(_ENDS) and not name.startswith(".")
    )
    if not found:
        raise InputError(f"no {', '.join(_ENDS)} in this folder", path)
    return found


def clip_per_file(path: str | os.PathLike[str], files: Sequence[str]) -> bool:
    """Say whether `path` is a folder of files with one clip each, named by the file.

    Raises
    ------
    InputError
        As for :func:`read_saved`.
    """
    if not os.path.isdir(path):
        return False
    for name in files:
        if name.endswith(".npz"):
            with _opened(name) as found:
                if len(getattr(found, "files", ())) > 1:
                    return False
    return True


def read_saved(
    path: str, named_by_file: bool = False
) -> Iterator[tuple[str, NDArray[np.floating[Any]]]]:
    """Read the arrays of a file, [T', V] each, with the ids they belong to.

    Parameters
    ----------
    path : str
        File to read.
    named_by_file : bool
        The only array of an ``.npz`` is named by the file: see :func:`clip_per_file`.

    Raises
    ------
    InputError
        It is none of the three forms, damaged, or has values other than floats.
    SlaevalError
        A ``.pt`` file, and torch is not installed.
    """
    stem, end = os.path.splitext(os.path.basename(path))
    if end not in _ENDS:
        raise InputError(f"expected {', '.join(_ENDS)}", path)
    if end in (".pt", ".pth"):
        content = _tensors(path)
    else:
        with _opened(path) as found:
            content = found if isinstance(found, np.ndarray) else {**found}
    if not isinstance(content, dict):
        content = {stem: content}
    elif end == ".npz" and (named_by_file or list(content) == [_UNNAMED]):
        content = {stem: next(iter(content.values()))}
    if not content:
        raise InputError("there is no array in this file", path)
    for name, value in content.items():
        array = np.asarray(value)
        if array.ndim == 3 and len(array) == 1:
            array = array[0]
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
            raise InputError(
                f"{name!r} is {array.dtype} {list(array.shape)}; expected floats [steps, classes] "
                "of one clip",
                path,
            )
        yield str(name), array


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Yield what numpy reads from a file: an array, or a mapping that reads each on access."""
    if not read_start(path, "an array").startswith((b"\x93NUMPY", b"PK")):
        raise InputError("not a .npy or .npz file of numpy", path)
    try:
        with open(path, "rb") as stream:
            yield np.load(stream, allow_pickle=False)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path) from None
    except Exception as error:  # zipfile, zlib and numpy each raise their own for damage
        if "pickle" in str(error):
            raise InputError("holds Python objects; expected an array of floats", path) from None
        raise InputError(f"no array can be read: damaged or truncated ({error})", path) from None


def _tensors(path: str) -> Any:
    from slaeval.extras import require

    require("run", f"reading {path}")
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path) from None
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"no tensor can be read ({reason:.120})", path) from None
    named = found if isinstance(found, dict) else {"": found}
    for name, value in named.items():
        if not isinstance(value, torch.Tensor):
            raise InputError(
                f"{name!r} is {type(value).__name__}; expected a tensor, or ids to tensors",
                path,
            )
    arrays = {name: value.detach().float().numpy() for name, value in named.items()}
    return arrays if isinstance(found, dict) else arrays[""]


def as_log_probs(
    array: NDArray[np.floating[Any]], values: Values, blank: int = 0, name: str = ""
) -> NDArray[np.float32]:
    """Return natural log probabilities with the blank as class 0.

    Parameters
    ----------
    array : float array [T', V]
        Output for one clip.
    values : {"log-probs", "logits", "probs"}
        What its numbers are.
    blank : int
        Class of the blank in it; -1 is the last.
    name : str
        Name of the clip, for messages.

    Raises
    ------
    InputError
        The numbers are not of the stated kind.
    UsageError
        There is no such class.
    """
    classes = array.shape[1]
    if not -classes <= blank < classes:
        raise UsageError(f"the blank is class {blank}, but {name} has {classes} classes")
    found = array.astype(np.float64)
    if np.isnan(found).any():
        raise InputError(f"{name}: nan at step {int(np.isnan(found).any(1).argmax())}")
    if values == "probs":
        if (found < 0).any() or (abs(found.sum(1) - 1) > NORMALISED).any():
            raise InputError(f"{name}: not probabilities: the values of a step do not add up to 1")
        with np.errstate(divide="ignore"):
            found = np.log(found)
    else:
        with np.errstate(invalid="ignore"):
            top = found.max(1, keepdims=True)
            total = top + np.log(np.exp(found - top).sum(1, keepdims=True))
        if values == "logits":
            found -= total
        else:
            off = np.flatnonzero(~(abs(total[:, 0]) <= NORMALISED))
            if off.size:
                raise InputError(
                    f"{name}: the probabilities of step {off[0]} add up to "
                    f"e^{total[off[0], 0]:.2f}, not to 1; for logits use --values logits, for "
                    "probabilities --values probs"
                )
    order = [blank % classes, *(k for k in range(classes) if k != blank % classes)]
    # Rounding alone may raise a probability above 1.
    return np.minimum(found[:, order], 0).astype(np.float32)
