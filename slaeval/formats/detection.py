"""What a text file is, found out from its content.

JSON begins with a bracket and what JSON allows behind it. A table has a header, or a separator
behind the first word of its lines. STM and CTM have times in columns of their own, TRN an id in
parentheses at the end of its lines. What is left may be Kaldi's ``id word word``, where the
first words look like ids: no two are the same, and it has a digit where there is but one line.
Lines vote; half of them are enough, so that a defect in one line is reported as a defect of its
format.
"""

from __future__ import annotations

import re

from slaeval.formats.tables import Role, header_of, separator_of
from slaeval.formats.words import BLANKS, split_words, timed

__all__ = ["detect_format"]

_JSON = re.compile(rf"""[{BLANKS}]*(\{{\s*["'}}]|\[\s*([\[{{"'\]]|-?\d|$))""")
_TRN = re.compile(r"\([^()\s]+\)\s*$", re.ASCII)


def detect_format(text: str, role: Role = "hypothesis") -> str | None:
    """Name the format of a text file, or None.

    Parameters
    ----------
    text : str
        Whole content; the first 200 lines are looked at.
    role : {"hypothesis", "reference"}
        Decides where every line could be of a CTM and of an STM.

    Returns
    -------
    str or None
        ``"jsonl"``, ``"tsv"`` (any table), ``"stm"``, ``"ctm"``, ``"trn"``, ``"kaldi"``.
    """
    if _JSON.match(text):
        return "jsonl"
    lines = [
        line
        for line in text[:200_000].split("\n")[:200]
        if line.strip(BLANKS) and not line.startswith(";;")
    ]
    if not lines:
        return None
    if header_of(lines[0]) or re.match('"?sep=.', lines[0]):
        return "tsv"
    votes = {
        "stm": sum(timed(line, 3) for line in lines),
        "ctm": sum(timed(line, 2) for line in lines),
        "trn": sum(bool(_TRN.search(line)) and "\t" not in line for line in lines),
        "tsv": sum(separator_of(line) is not None for line in lines),
    }
    if role == "hypothesis" and votes["ctm"] >= votes["stm"]:
        votes["stm"] = 0
    for format, count in votes.items():
        if 2 * count >= len(lines):
            return format
    return "kaldi" if _looks_like_kaldi(lines) else None


def _looks_like_kaldi(lines: list[str]) -> bool:
    rows = [split_words(line) for line in lines]
    names = {row[0] for row in rows}
    if len(names) != len(rows) or all(len(row) == 1 for row in rows):
        return False
    return len(rows) > 1 or any(character.isdigit() for character in rows[0][0])
