"""TRN, the transcript format of NIST: one segment per line, its id in parentheses at the end.

::

    REGEN MORGEN SONNE (01April_2010_Thursday_heute-6704)

A line that holds only the id is an empty hypothesis. ``;;`` starts a comment line.
"""

from __future__ import annotations

import re

from slaeval.errors import InputError
from slaeval.formats.tables import Collector, Role, Table
from slaeval.formats.words import split_words

__all__ = ["parse_trn"]

_ID = re.compile(r"\(([^()\s]+)\)\s*$", re.ASCII)


def parse_trn(text: str, role: Role = "hypothesis", path: str | None = None) -> Table:
    """Parse the text of a TRN file.

    Raises
    ------
    InputError
        A line without an id at its end, or a segment twice; see :class:`Collector`.
    """
    collected = Collector(role, path)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith(";;"):
            continue
        match = _ID.search(line)
        if match is None:
            raise InputError(
                f"a TRN line ends with its segment in parentheses, '(id)': "
                f"{line if len(line) < 80 else line[:77] + '…'!r}",
                path,
                number,
            )
        collected.put(match[1], split_words(line[: match.start()]), number)
    return collected.table()
