"""CTM, the time marked file in which recognisers write their hypotheses.

Grammar (NIST SCTK, ``doc/infmts.htm``), one word a line::

    name channel start duration word [confidence]

``start`` and ``duration`` are seconds. ``;;`` starts a comment line. Blanks are those of
:mod:`slaeval.formats.words`. A segment without any line has an empty hypothesis. The lines of one
segment stand together, in the order of time.
"""

from __future__ import annotations

from itertools import pairwise

from slaeval.errors import InputError
from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.words import BLANKS, is_number, is_word, split_words

__all__ = ["parse_ctm", "write_ctm"]

_TABS = frozenset(BLANKS) - {" ", "\n"}


def parse_ctm(text: str, path: str | None = None) -> Hypotheses:
    """Parse the text of a CTM file.

    Parameters
    ----------
    text : str
        Whole content.
    path : str, optional
        For error messages.

    Returns
    -------
    Hypotheses
        Words in file order. ``lines`` is set where the order of the lines, more columns or
        other blanks can matter to a protocol that works on lines.

    Raises
    ------
    InputError
        A line with fewer than five columns, or a time that is no number.
    """
    plain = _parse_plain(text)
    if plain is not None:
        return plain._replace(path=path)
    return _parse_lines(text, path)


def _parse_plain(text: str) -> Hypotheses | None:
    """Read a tidy file in a few passes over all of it; None where it is not tidy.

    Tidy: five columns with one blank between them, segments in one piece, and start times
    that grow within a segment when compared as text, so that sorting cannot move a line.
    """
    if not text.endswith("\n"):
        text += "\n"
    tokens = text.replace("\n", " \n ").split(" ")
    tokens.pop()  # after the last line end
    if len(tokens) % 6 or tokens.count("\n") * 6 != len(tokens):
        return None
    if set(tokens[5::6]) != {"\n"}:
        return None
    names, starts, spoken = tokens[0::6], tokens[2::6], tokens[4::6]
    vocabulary = set(spoken)
    times = set(starts)
    channels = set(tokens[1::6])
    marks = vocabulary.union(names, channels)
    if "" in marks or not _TABS.isdisjoint("".join(marks)):
        return None  # an empty column, or a tab inside one
    if not all(map(is_number, times)) or not all(map(is_number, set(tokens[3::6]))):
        return None
    late = any(float(time) >= 10 for time in times)

    words: dict[str, list[str]] = {}
    bounds = [0]
    previous = names[0]
    for index, name in enumerate(names):
        if name != previous:
            bounds.append(index)
            previous = name
    bounds.append(len(names))
    for first, last in pairwise(bounds):
        name = names[first]
        if name in words or name.startswith(";;"):
            return None
        words[name] = spoken[first:last]
        if last - first > 1:
            mine = starts[first:last]
            if any(a >= b for a, b in pairwise(mine)):
                return None
            if late and mine != sorted(mine, key=float):
                return None
    if len(channels) == 1:
        of = dict.fromkeys(words, channels.pop())
    else:
        of = dict(zip(reversed(names), reversed(tokens[1::6]), strict=True))
    return Hypotheses(words, "ctm", vocabulary=vocabulary, channels=of)


def _parse_lines(text: str, path: str | None) -> Hypotheses:
    words: dict[str, list[str]] = {}
    channels: dict[str, str] = {}
    lines: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        fields = split_words(line)
        if not fields or line.startswith(";;"):
            continue
        if len(fields) < 5:
            raise InputError(
                f"a CTM line has 'name channel start duration word', this one has "
                f"{len(fields)} column{'s' if len(fields) > 1 else ''}: "
                f"{line if len(line) < 80 else line[:77] + '…'!r}; leave out the lines of a "
                "segment without words",
                path,
                number,
            )
        for column, what in ((2, "start"), (3, "duration")):
            if not is_number(fields[column]):
                raise InputError(
                    f"column {column + 1} must be a {what} in seconds, found {fields[column]!r}",
                    path,
                    number,
                )
        words.setdefault(fields[0], []).append(fields[4])
        channels.setdefault(fields[0], fields[1])
        lines.append(line)
    if not words:
        raise InputError("no word in this CTM file", path)
    return Hypotheses(words, "ctm", path, lines=lines, channels=channels)


def write_ctm(hypotheses: dict[str, list[str]], step: float = 0.01) -> str:
    """Return the text of a CTM file, with invented times as the field writes them.

    Parameters
    ----------
    hypotheses : dict
        Segment to words.
    step : float
        Seconds from one word to the next. From 10 s on, scripts that sort times as text
        would change the order: 0.01 leaves room for 999 words.

    Raises
    ------
    ValueError
        A word or a name is empty or holds a blank.
    """
    out = []
    for name, words in hypotheses.items():
        for index, word in enumerate(words):
            if not is_word(name) or not is_word(word):
                raise ValueError(f"not one word: {word!r} of segment {name!r}")
            out.append(f"{name} 1 {index * step:.2f} {step:.2f} {word}\n")
    return "".join(out)
