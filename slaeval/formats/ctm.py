"""CTM, the time-marked format in which recognisers write their hypotheses.

Grammar (NIST SCTK, ``doc/infmts.htm``), one word per line::

    name channel start duration word [confidence]

``start`` and ``duration`` are seconds. ``;;`` starts a comment line. Blanks are those of
:mod:`slaeval.formats.words`. A segment without any line has an empty hypothesis. The lines of one
segment are contiguous and in order of time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, compress, count, islice, pairwise
from operator import ge, ne

from slaeval.errors import InputError
from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.sentences import NamedSentences, Sentences
from slaeval.formats.words import BLANKS, LARGE, is_number, is_word, splitter

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
        A line with fewer than five columns, or a time that is not a number.
    """
    large = _parse_large(text) if len(text) >= LARGE else None
    tidy = large or _parse_tidy(text)
    return _parse_lines(text, path) if tidy is None else tidy._replace(path=path)


def _parse_tidy(text: str) -> Hypotheses | None:
    """Read a tidy file in a few passes over all of it; None where it is not tidy.

    Tidy: five columns with one blank between them, segments in one piece, and start times
    that grow within a segment when compared as text, so that sorting cannot move a line.
    """
    if not text.endswith("\n"):
        text += "\n"
    if any(tab in text for tab in _TABS):
        return None
    tokens = text.replace("\n", " \n ").split(" ")
    tokens.pop()  # after the last line end
    if len(tokens) != 6 * text.count("\n") or set(tokens[5::6]) != {"\n"}:
        return None
    names, starts, glosses = tokens[0::6], tokens[2::6], tokens[4::6]
    vocabulary, channels, times = set(glosses), set(tokens[1::6]), set(starts)
    if not all(map(is_number, times)) or not all(map(is_number, set(tokens[3::6]))):
        return None
    begins = [0, *_where(ne, names)]
    pieces = list(pairwise([*begins, len(names)]))
    words = {names[first]: glosses[first:last] for first, last in pieces}
    if len(words) < len(pieces) or any(name.startswith(";;") for name in words):
        return None
    if "" in vocabulary or "" in channels or "" in words:
        return None  # an empty column
    if not set(begins).issuperset(_where(ge, starts)):
        return None  # within a segment
    if any(float(time) >= 10 for time in times) and any(
        starts[first:last] != sorted(starts[first:last], key=float) for first, last in pieces
    ):
        return None
    if len(channels) == 1:
        of = dict.fromkeys(words, channels.pop())
    else:
        of = dict(zip(reversed(names), reversed(tokens[1::6]), strict=True))
    return Hypotheses(words, "ctm", channels=of)


def _where(compare: Callable[[str, str], bool], column: list[str]) -> Iterator[int]:
    """Return the lines that compare so with the line before."""
    return compress(count(1), map(compare, column, islice(column, 1, None)))


def _parse_large(text: str) -> Hypotheses | None:
    """Read a large tidy file with numpy; None where it is not tidy, or a column is very long."""
    from slaeval.formats.columns import blocks

    read = []
    for block in blocks(text):
        found = _parse_block(block)
        if found is None:
            return None
        read.append(found)
    names, channels, sentences = zip(*read, strict=True)
    rows = {name: row for row, name in enumerate(chain.from_iterable(names))}
    words = NamedSentences(rows, Sentences.chained(sentences))
    if len(rows) < len(words.sentences):
        return None
    of = dict(zip(rows, chain.from_iterable(channels), strict=True))
    return Hypotheses(words, "ctm", channels=of)


def _parse_block(block: bytes) -> tuple[list[str], list[str], Sentences] | None:
    """Return the names, channels and words of some segments; None as :func:`_parse_large`."""
    import numpy as np

    from slaeval.formats.columns import Columns

    read = Columns.of(block)
    if read is None or len(read) % 5 or not read.length.all():
        return None
    last = read.last.reshape(-1, 5)
    if last[:, :4].any() or not last[:, 4].all():
        return None
    ids = read[0::5]
    goes_on = ~np.concatenate([[True], ids.changes()])
    begins = np.flatnonzero(~goes_on)
    if ids[begins].starts_with(";").any():
        return None  # a comment, perhaps
    channels, starts, durations, glosses = (read[place::5].distinct() for place in range(1, 5))
    if channels is None or starts is None or durations is None or glosses is None:
        return None
    if not all(map(is_number, starts.texts)) or not all(map(is_number, durations.texts)):
        return None
    as_text = np.empty(len(starts.texts), np.int64)
    as_text[np.argsort(np.array(starts.texts))] = np.arange(as_text.size)
    seconds = np.array(list(map(float, starts.texts)))
    for order, at_least in ((as_text, 1), (seconds, 0)):
        times = order[starts.number]
        if (goes_on[1:] & (times[1:] < times[:-1] + at_least)).any():
            return None
    sentences = Sentences(glosses.texts, glosses.number, np.append(begins, len(goes_on)))
    on = channels._replace(number=channels.number[begins]).column()
    return ids[begins].texts(), on, sentences


def _parse_lines(text: str, path: str | None) -> Hypotheses:
    words: dict[str, list[str]] = {}
    channels: dict[str, str] = {}
    lines: list[str] = []
    split = splitter(text)
    for number, line in enumerate(text.split("\n"), 1):
        fields = split(line)
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
