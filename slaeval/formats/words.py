"""Words: what lies between two blanks, in every format and in every string of Python.

A blank is one of the six of ASCII, as for sclite: space, tab, line feed, vertical tab, form feed,
carriage return. The blanks of other alphabets (U+3000, U+00A0), U+0085, U+2028 and the
separators U+001C to U+001F, at which ``str.split`` cuts too, are letters of a word like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["BLANKS", "LARGE", "is_number", "is_word", "split_words", "splitter", "timed"]

#: What is between words.
BLANKS = " \t\n\v\f\r"

#: Characters of a text from which it pays to load numpy to read it: about 50,000 lines of a CTM.
LARGE = 3_000_000

#: Returns a match where a text is a number as C writes it: digits, a point, an exponent.
is_number = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII).fullmatch

_words = re.compile(r"\S+", re.ASCII).findall
_one = re.compile(r"\S+", re.ASCII).fullmatch
#: At these str.split cuts and sclite does not.
_odd = re.compile("[\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]").search


def split_words(text: str) -> list[str]:
    r"""Return the words of a text.

    Examples
    --------
    >>> split_words(" REGEN  MORGEN\t")
    ['REGEN', 'MORGEN']
    >>> split_words("A\u3000B C")
    ['A\u3000B', 'C']
    """
    return splitter(text)(text)


def splitter(text: str) -> Callable[[str], list[str]]:
    """Return the function that splits any part of a text into words, as :func:`split_words`."""
    return _words if _odd(text) else str.split


def is_word(text: str) -> bool:
    """Say whether a text is one word: not empty, and without blanks."""
    return _one(text) is not None


def timed(line: str, column: int) -> bool:
    r"""Say whether a line has times in the columns `column` and the next, as STM and CTM have.

    Where the only tab stands behind the first word, the line may be a table of id and words too:
    there the times must be written with a point.

    Examples
    --------
    >>> timed("a 1 s 0.0 1.5 REGEN", 3), timed("a\t1\ts\t0\t1\tREGEN", 3)
    (True, True)
    >>> timed("a\tEINS ZWEI 3 4 GRAD", 3), timed("a\t1 s 0.0 1.5 REGEN", 3)
    (False, True)
    """
    words = split_words(line)
    times = words[column : column + 2]
    if len(words) < 5 or not all(map(is_number, times)):
        return False
    head, tab, rest = line.strip(BLANKS).partition("\t")
    table = tab and is_word(head) and "\t" not in rest
    return not table or all("." in time for time in times)
