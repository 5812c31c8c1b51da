"""The journal: what of a run is done, so that a killed run can go on.

One JSON value a line. The first line is the header, with everything the results depend on;
then one line a batch, written and flushed when its hypotheses are there. A batch is there whole
or not at all: the last line, truncated by a kill, is dropped, and its batch is done again with the
same clips in it. So a run that was killed ends with the bytes of one that was not.

Where several processes work on one run, each has its own file.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from slaeval.errors import InputError, SlaevalError
from slaeval.evaluation.run_folder import is_segment, journals

__all__ = ["Journal", "read_journals", "repair"]

_FORMAT = {"format": "slaeval-journal", "version": 1}


def _lines(path: str) -> Iterator[tuple[int, int, Any]]:
    """Yield number, end in bytes and value of each whole line; stop before a torn last one."""
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path) from None
    end = 0
    for number, line in enumerate(data.splitlines(keepends=True), 1):
        end += len(line)
        try:
            if not line.endswith(b"\n"):
                return
            value = json.loads(line)
        except (ValueError, RecursionError):
            if end == len(data):
                return
            raise InputError(
                "this line of the journal is damaged; begin again with --restart", path, number
            ) from None
        yield number, end, value


def repair(path: str) -> None:
    """Cut off a torn last line; remove a journal without a whole header."""
    whole = 0
    for _, whole, _ in _lines(path):  # noqa: B007 (the last value is what is wanted)
        pass
    if not whole:
        os.unlink(path)
    elif whole < os.path.getsize(path):
        os.truncate(path, whole)


def read_journals(folder: str, header: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read what is done.

    Parameters
    ----------
    folder : str
        Of the run.
    header : mapping
        What the results of this run depend on.

    Returns
    -------
    list of dict
        The records of all journals, in order; empty where there is none.

    Raises
    ------
    InputError
        A journal is damaged, of a newer version, or of a run with another header.
    """
    records = []
    for path in journals(folder):
        for number, _, value in _lines(path):
            if not isinstance(value, dict) or (number > 1 and not _is_record(value)):
                raise InputError(
                    "not a record of a journal; begin again with --restart", path, number
                )
            if number > 1:
                records.append(value)
            elif {key: value.get(key) for key in _FORMAT} != _FORMAT:
                raise InputError(
                    "the journal is of another version of slaeval; begin again with --restart, or "
                    "name another folder with --out",
                    path,
                    1,
                )
            elif differing := _differing(value.get("header"), header):
                raise InputError(
                    f"this folder holds a run with another {' and another '.join(differing)}; "
                    "name another folder with --out, or begin again with --restart",
                    path,
                )
    return records


def _is_record(value: Mapping[str, Any]) -> bool:
    """Tell whether a line is what a run writes of a batch, not merely JSON."""
    budget = value.get("frame_budget", 1)
    segments, skipped = value.get("segments"), value.get("skipped")
    return (
        type(budget) is int
        and budget > 0
        and isinstance(segments, list)
        and all(map(is_segment, segments))
        and isinstance(skipped, dict)
        and all(isinstance(reason, str) for reason in skipped.values())
    )


def _differing(there: Any, wanted: Mapping[str, Any]) -> list[str]:
    there = there if isinstance(there, dict) else {}
    # As JSON, in which tuples are lists.
    own = json.loads(json.dumps(wanted))
    return [key for key in sorted({*there, *own}) if there.get(key) != own.get(key)]


class Journal:
    """The journal one process writes.

    Parameters
    ----------
    path : str
        The file; made with its header, or appended to.
    header : mapping
        What the results depend on; values as JSON has them.
    """

    def __init__(self, path: str, header: Mapping[str, Any]) -> None:
        self.path = path
        new = not os.path.exists(path)
        try:
            self._stream = open(path, "ab")  # noqa: SIM115 (closed by the context)
        except OSError as error:
            raise SlaevalError(f"{path}: cannot write: {error.strerror or error}") from None
        if new:
            try:
                self.append({**_FORMAT, "header": header})
            except BaseException:
                self.__exit__()
                raise

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record, flushed.

        Raises
        ------
        SlaevalError
            The disk is full.
        """
        line = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        try:
            self._stream.write(line.encode("utf-8") + b"\n")
            self._stream.flush()
        except OSError as error:
            raise SlaevalError(f"{self.path}: cannot write: {error.strerror or error}") from None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # on a full disk it tries to write once more
            self._stream.close()
