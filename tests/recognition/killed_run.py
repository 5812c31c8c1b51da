"""What is on disk after a run was killed."""

from __future__ import annotations

import os
from pathlib import Path


def lay_out_killed_run(whole: str | os.PathLike[str], lines: int, out: str) -> None:
    """Make the folder that a kill leaves after so many lines of the journal of a whole run.

    The journal is only ever appended to, and all else is written at the end: what is there is the
    lines and the beginning of the next one.
    """
    journal = Path(whole, "journal.jsonl").read_bytes().splitlines(keepends=True)
    assert lines < len(journal)
    Path(out).mkdir()
    Path(out, "journal.jsonl").write_bytes(b"".join(journal[:lines]) + journal[lines][:18])
