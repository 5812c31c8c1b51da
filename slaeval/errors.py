"""The errors slaeval raises on purpose: each is one message a person can act on.

Anything else that escapes is a defect of slaeval, not of the input.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

__all__ = [
    "InputError",
    "ScoreWarning",
    "SlaevalError",
    "UsageError",
    "counted",
    "nearest",
    "renamed_parameter",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])


class SlaevalError(Exception):
    """Base of all deliberate errors; the command line prints it and exits 1."""

    exit_code = 1


class InputError(SlaevalError):
    """A file or a value is not valid.

    Parameters
    ----------
    message : str
        What was found, what was expected and what to do about it.
    path : path-like, optional
        The file the message is about; ``-`` for standard input.
    line : int, optional
        Line number in that file, counted from 1.
    """

    def __init__(
        self,
        message: str,
        path: str | os.PathLike[str] | None = None,
        line: int | None = None,
    ) -> None:
        self.path = None if path is None else os.fspath(path)
        self.line = line
        where = ""
        if self.path is not None:
            name = "standard input" if self.path == "-" else self.path
            where = f"{name}:{line}: " if line is not None else f"{name}: "
        super().__init__(where + message)


class ScoreWarning(UserWarning):
    """What a reader of a score should know; the command line prints it as a warning."""


class UsageError(SlaevalError):
    """A request that makes no sense: an unknown name, options that exclude each other."""

    exit_code = 2


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun, and a verb where it has one: ``counted(1, "segment")``.

    Parameters
    ----------
    count : int
        How many.
    one, many : str
        What follows the count: ``"segment is", "segments are"``; `many` is `one` with an s
        where it is left out.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known names nearest to `name`, or ``""``."""
    import difflib

    by_fold = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold(), by_fold, n=2, cutoff=0.5)
    if not found:
        return ""
    return " (did you mean " + " or ".join(repr(by_fold[match]) for match in found) + "?)"


def renamed_parameter(old: str, new: str) -> Callable[[_Function], _Function]:
    """Let a function take a parameter under its old name for one version more, with a warning."""

    def decorate(function: _Function) -> _Function:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if old in kwargs and new not in kwargs:
                warnings.warn(
                    f"{function.__name__}({old}=…) is now {function.__name__}({new}=…); the old "
                    "name goes in version 0.2",
                    DeprecationWarning,
                    stacklevel=2,
                )
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return cast(_Function, call)

    return decorate
