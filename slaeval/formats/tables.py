"""Tables of segments and their glosses: one reader for every tabular input, on either side.

It takes files (plain or gzip, or standard input as ``-``) and Python values, as references and as
hypotheses alike.

Forms
-----
*Separated values*: tab, ``|``, ``;`` or ``,`` between columns. Quoting as in RFC 4180 (a cell that
begins with ``"`` ends with the next single one and may contain blanks, separators and line ends).
Lines end with LF, CRLF or CR. A first line ``sep=;``, as Excel writes, names the separator. The
annotation files of the corpora's releases (``|`` and their own header) have no quoting.
*JSON*: one object per line, a list of objects, an object that maps ids to glosses, or one that
maps names of columns to lists.
*Kaldi text*: ``id word word …``.
*Python*: a mapping of ids to glosses, a pandas Series, a pandas DataFrame, a list of mappings.

Columns
-------
With a header, and in objects and DataFrames, columns are found by name, whatever the letter
case, blanks, hyphens and underscores. The name of the id is one of :data:`IDS`. The words of a
hypothesis are in a column whose name means hypothesis, else in one that only says gloss, else
in that of an annotation; those of a reference in a column whose name means reference, else as
before. So a file with both sides gives each its own, and one with only the other side
is refused. Two columns that are equally likely are refused by name, and so are a header
that names no id or no glosses, and cells beyond the header. Columns of other names are left alone.
Without a header there are exactly two columns, id and glosses.

Values
------
An id is a string without blanks, or an integer, read as its decimal digits: ``17`` and
``"17"`` are the same id. Glosses are a string with blanks between the words, or a list of words; an
integer in such a list is read as its digits. ``None``, ``nan``, ``pd.NA`` and JSON's ``null`` are
an empty hypothesis, with a warning; in place of a reference they are an error. In a text table a
reference that reads ``nan``, ``NaN``, ``None`` or ``<NA>`` counts as missing too. Braces of a
reference offer alternatives, as in an STM (:mod:`slaeval.formats.stm`). A hypothesis may be given
twice with the same words; a reference may not.

Sentences
---------
On request a segment has a sentence in place of glosses: its column is named for the side, else
``translation``, ``text`` or ``sentence``; the whole cell is the sentence, braces are characters of
it, and a list of words is refused.

Every error names the file and the line, or the segment, what was expected and what to do.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, Literal, NamedTuple

from slaeval.errors import InputError, counted
from slaeval.files import check_text
from slaeval.formats.sentences import collected, vocabulary
from slaeval.formats.stm import check_braces
from slaeval.formats.words import BLANKS, is_word, split_words, splitter

__all__ = [
    "IDS",
    "SEPARATORS",
    "Collector",
    "Plain",
    "Role",
    "Row",
    "Table",
    "header_of",
    "parse_json",
    "parse_kaldi",
    "parse_table",
    "plain_table",
    "table_of",
]

Role = Literal["hypothesis", "reference"]

#: Between the columns of a text table, in the order they are looked for.
SEPARATORS = "\t|;,"

#: Names of the column with the id; the first group that a table has one of is taken.
IDS = (
    ("id",),
    (
        *("name", "video id", "file id", "segment id", "sample id", "utterance id", "utt id"),
        *("seg id", "clip id", "utterance", "utt", "video name", "file name", "seq id", "key"),
    ),
    ("video", "segment", "file", "sample", "clip", "sequence"),
)
_HYPOTHESIS = (
    *("hypothesis", "hypotheses", "hyp", "hyps", "pred", "preds", "prediction", "predictions"),
    *("predicted", "gls hyp", "gloss hyp", "hyp gloss", "hyp glosses", "pred gloss"),
    *("pred glosses", "gloss pred", "glosses pred", "gls pred", "predicted gloss"),
    *("predicted glosses", "predicted gloss sequence", "gloss sequence", "recognised"),
    *("recognized", "recognition", "decoded", "output", "result"),
)
_REFERENCE = (
    *("reference", "references", "ref", "refs", "gt", "gls ref", "gloss ref", "ref gloss"),
    *("ref glosses", "gt gloss", "gt glosses", "gloss gt", "gls gt", "target", "targets"),
    *("ground truth", "truth", "gold", "target gloss", "target glosses"),
)
_GLOSSES = ("gloss", "glosses", "gls", "words", "gloss labels")
_ANNOTATION = ("annotation", "orth")
_TEXT = ("label", "labels", "text", "sentence", "transcript", "transcription")
_WORDS: dict[Role, tuple[tuple[str, ...], ...]] = {
    "hypothesis": (_HYPOTHESIS, _GLOSSES, _ANNOTATION, _TEXT),
    "reference": (_REFERENCE, (*_GLOSSES, *_ANNOTATION), _TEXT),
}
_OF_TEXT = ("translation", "text", "txt", "sentence", "spoken", "spoken sentence")
_SENTENCES: dict[Role, tuple[tuple[str, ...], ...]] = {
    "hypothesis": (("txt hyp", "text hyp", "hyp txt", "hyp text", *_HYPOTHESIS), _OF_TEXT),
    "reference": (("txt ref", "text ref", "ref txt", "ref text", *_REFERENCE), _OF_TEXT),
}
_SIGNER = ("signer", "speaker", "signer id", "speaker id")
_TRANSLATION = ("translation", "text", "char")
_FRAMES = ("num frames", "length")

_ID_NAMES = tuple(name for group in IDS for name in group)
_KNOWN = tuple(
    name
    for group in (
        *(*IDS, *_WORDS["hypothesis"], *_WORDS["reference"], *_SENTENCES["hypothesis"]),
        *(*_SENTENCES["reference"], _SIGNER, _TRANSLATION, _FRAMES),
    )
    for name in group
)
#: No gloss is written like this.
_PLAIN = frozenset(
    (
        *("gloss", "glosses", "hypothesis", "hyp", "prediction", "predictions", "pred"),
        *("reference", "gls_hyp", "gls_ref"),
    )
)

#: Beginnings of the headers of annotation files, which know no quoting.
_RELEASES = (
    ("id", "folder", "signer", "annotation"),
    ("name", "video", "start", "end", "speaker", "orth"),
    ("index", "name", "length", "gloss"),
)
#: Isharah's annotation has these columns and mostly no header.
_ISHARAH = ("id", "gloss", "text")
_ISHARAH_ID = re.compile(r"\d\d_\d{4}")

#: What pandas and Python print where there is no value.
_PRINTED_HOLES = ("nan", "NaN", "None", "<NA>")


class Row(NamedTuple):
    """One segment of a table.

    Attributes
    ----------
    id : str
        Segment.
    glosses : str
        As written; the words of a list with a blank between them.
    line : int or None
        Where it stands in a file, counted from 1.
    signer, translation : str or None
        Where the table says them.
    num_frames : int or None
        Likewise.
    channel : str or None
        Of an STM file.
    """

    id: str
    glosses: str
    line: int | None = None
    signer: str | None = None
    translation: str | None = None
    num_frames: int | None = None
    channel: str | None = None


class Table(NamedTuple):
    """What was read.

    Attributes
    ----------
    rows : list of Row
        Every segment once, in the order of the source.
    notes : tuple of str
        What a user should know.
    header : tuple of str
        Names of the columns of a text table, where it names them.
    """

    rows: list[Row]
    notes: tuple[str, ...] = ()
    header: tuple[str, ...] = ()

    @property
    def words(self) -> dict[str, list[str]]:
        """Segment to its words."""
        return {row.id: split_words(row.glosses) for row in self.rows}


class _Columns(NamedTuple):
    """Which columns hold what."""

    id: int
    words: int
    signer: int | None
    translation: int | None
    frames: int | None


class Collector:
    """Gather the rows of a source, each segment once.

    Parameters
    ----------
    role : {"hypothesis", "reference"}
        What they are.
    path : str, optional
        The file; without it messages speak of a value of Python.
    sentences : bool
        A segment has a sentence, kept as it is, in the place of glosses.
    """

    def __init__(self, role: Role, path: str | None = None, sentences: bool = False) -> None:
        self.role: Role = role
        self.path = path
        self.sentences = sentences
        self._rows: dict[str, Row] = {}
        self._repeated: list[str] = []
        self._missing: list[str] = []

    @property
    def noun(self) -> str:
        """What is beside the id: ``"glosses"`` or ``"sentence"``."""
        return "sentence" if self.sentences else "glosses"

    def error(self, message: str, line: int | None = None) -> InputError:
        """Return an error that says where it is."""
        if self.path is not None:
            return InputError(message, self.path, line)
        what = "references" if self.role == "reference" else "hypotheses"
        return InputError(f"{what}: {message}")

    def add(self, row: Row) -> None:
        """Add a segment.

        Raises
        ------
        InputError
            It was there before, in a reference or with other words; or the braces of a
            reference do not pair.
        """
        braces = not self.sentences and ("{" in row.glosses or "}" in row.glosses)
        if self.role == "reference" and braces:
            try:
                check_braces(split_words(row.glosses))
            except InputError as error:
                raise self.error(f"segment {row.id!r}: {error}", row.line) from None
        before = self._rows.setdefault(row.id, row)
        if before is row:
            return
        if self.role == "hypothesis" and before.glosses == row.glosses:
            self._repeated.append(row.id)
            return
        where = "" if before.line is None else f" (first on line {before.line})"
        other = "" if before.glosses == row.glosses else " with other words"
        raise self.error(f"duplicate segment {row.id!r}{other}{where}", row.line)

    def put(self, id: object, glosses: object, line: int | None = None, **more: Any) -> None:
        """Add a segment whose id and glosses are values of any kind.

        Raises
        ------
        InputError
            They are no id or no words; a reference is missing; see also :meth:`add`.
        """
        name = self._id(id, line)
        if not isinstance(glosses, (str, list)) and _is_missing(glosses):
            if self.role == "reference":
                raise self.error(
                    f"segment {name!r} has no reference, the value is {glosses!r}; leave the "
                    "segment out, or write '' where nothing was signed",
                    line,
                )
            self._missing.append(name)
            glosses = ""
        self.add(Row(name, self._glosses(name, glosses, line), line, **more))

    def table(self, header: Sequence[str] = ()) -> Table:
        """Return what was gathered.

        Raises
        ------
        InputError
            Nothing was.
        """
        if not self._rows and self.path is not None:
            raise self.error("no segment in this file")
        notes = []
        if self._repeated:
            notes.append(
                f"{counted(len(self._repeated), 'duplicate segment')} with the same words, such as "
                f"{self._repeated[0]!r}; each counted once"
            )
        if self._missing:
            notes.append(
                f"{counted(len(self._missing), 'missing value')} (None, nan) for a hypothesis, as "
                f"that of {self._missing[0]!r}; read as empty"
            )
        return Table(list(self._rows.values()), tuple(notes), tuple(header))

    def _id(self, value: object, line: int | None) -> str:
        if isinstance(value, str):
            name = value.strip(BLANKS)
            if is_word(name):
                check_text(name, self.path, line)
                return name
            raise self.error(
                f"the id must be one word, found {value!r}; is it another column's?", line
            )
        number = _integer(value)
        if number is None:
            raise self.error(
                f"an id is a text or an integer, found {value!r} ({type(value).__name__}); read "
                "the column as text",
                line,
            )
        return str(number)

    def _glosses(self, name: str, value: object, line: int | None) -> str:
        if isinstance(value, str):
            check_text(value, self.path, line)
            return value.strip(BLANKS)
        if self.sentences:
            raise self.error(f"segment {name!r}: a sentence is a text, found {value!r:.80}", line)
        if hasattr(value, "tolist"):  # arrays and series
            value = value.tolist()
        if isinstance(value, (list, tuple)):
            words = [word if isinstance(word, str) else _digits(word) for word in value]
            text = " ".join(words)
            if split_words(text) == words:  # no word is empty or holds a blank
                check_text(text, self.path, line)
                return text
        raise self.error(
            f"segment {name!r}: words must be a string or a list of words without blanks, found "
            f"{value!r:.80}",
            line,
        )


def _is_missing(value: object) -> bool:
    """Say whether this is None, a nan of any library, or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    try:
        return bool(value != value) and not isinstance(value, str)
    except (TypeError, ValueError):  # arrays compare to arrays
        return False


def _integer(value: object) -> int | None:
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]  # whoever has no index says so
    except TypeError:
        return None


def _digits(value: object) -> str:
    """Return the digits of an integer; ``""``, which is not a word, for anything else."""
    number = _integer(value)
    return "" if number is None else str(number)


@cache
def _key(name: str) -> str:
    """Return a name of a column without letter case, blanks, hyphens and underscores."""
    return re.sub(r"[\W_]+", "", name.casefold())


@cache
def _keys(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(_key, names))


def _find(
    keys: Sequence[str], names: Sequence[str], groups: Iterable[tuple[str, ...]], what: str
) -> int | None:
    """Return the place of the one column whose name is in the first group that has one."""
    for group in groups:
        places = [place for place, key in enumerate(keys) if key in _keys(group)]
        if len(places) > 1:
            listed = " and ".join(repr(names[place]) for place in places)
            raise InputError(
                f"the columns {listed} may each hold the {what}: rename or remove all but one"
            )
        if places:
            return places[0]
    return None


def _columns(names: Sequence[str], role: Role, sentences: bool) -> _Columns:
    """Find the columns of a role by their names.

    Raises
    ------
    InputError
        No id or no words among them, or several that are equally likely.
    """
    keys = [_key(name) for name in names]
    id = _find(keys, names, IDS, "id")
    if id is None and len(keys) > 1 and not keys[0]:
        id = 0  # an index that pandas wrote without a name
    noun, example, known = "glosses", "gloss", _WORDS
    if sentences:
        noun, example, known = "sentence", "translation", _SENTENCES
    words = _find(keys, names, known[role], f"{noun} of a {role}")
    listed = ", ".join(repr(name) for name in names)
    if id is None:
        raise InputError(f"expected a column 'id' (or 'name', 'video_id', …), found {listed}")
    if words is None:
        other: Role = "reference" if role == "hypothesis" else "hypothesis"
        if _find(keys, names, known[other], f"{noun} of a {other}") is not None:
            raise InputError(
                f"expected a column with the {role}, found only that of the {other}: {listed}"
            )
        raise InputError(
            f"expected a column {noun!r} (or {example!r}, {role!r}, …), found {listed}; rename "
            "the one with the words"
        )

    def first(wanted: tuple[str, ...]) -> int | None:
        places = (n for n, key in enumerate(keys) if key in _keys(wanted) and n != words)
        return next(places, None)

    return _Columns(id, words, first(_SIGNER), first(_TRANSLATION), first(_FRAMES))


def _named(names: Sequence[str], collected: Collector, line: int | None = None) -> _Columns:
    """Find the columns by name; an error says where."""
    try:
        return _columns(names, collected.role, collected.sentences)
    except InputError as error:
        raise collected.error(str(error), line) from None


def _put(collected: Collector, cells: Sequence[Any], columns: _Columns, line: int | None) -> None:
    """Add the row of these cells, or values."""

    def of(place: int | None) -> Any:
        return None if place is None or place >= len(cells) else cells[place]

    more: dict[str, Any] = {}
    if collected.role == "reference":
        signer, translation, frames = map(of, columns[2:])
        more["signer"] = str(signer) if isinstance(signer, (str, int)) else None
        more["translation"] = translation if isinstance(translation, str) else None
        more["num_frames"] = int(frames) if str(frames).isdecimal() else None
        for text in (more["signer"], more["translation"]):
            if text is not None:
                check_text(text, collected.path, line)
    collected.put(cells[columns.id], cells[columns.words], line, **more)


# ---------------------------------------------------------------- separated values


def header_of(line: str) -> tuple[str, list[str]] | None:
    """Return the separator and the names of the columns of a line that is a header.

    It is one where a cell is the name of an id and first, or beside another name that is known;
    or where a cell is plainly the name of glosses.
    """
    for separator in SEPARATORS:
        if separator not in line:
            continue
        names = _cells(line, separator)
        keys = [_key(name) for name in names]
        ids = [place for place, key in enumerate(keys) if key in _keys(_ID_NAMES)]
        known = [key for key in keys if key in _keys(_KNOWN)]
        plain = any(name in _PLAIN for name in names)
        if (ids and (ids[0] == 0 or len(known) > 1)) or plain:
            return separator, names
    return None


def _cells(line: str, separator: str) -> list[str]:
    """Return the cells of one line, as they stand where a quote does not close in it."""
    try:
        return next(_rows([line], separator, '"' in line), (0, []))[1]
    except InputError:
        return next(_rows([line], separator, False))[1]


#: Below a header of Markdown.
_RULE = re.compile(r":?-{3,}:?|").fullmatch
_FIRST = re.compile(rf'[{BLANKS}]*("[^"]*"|[^\s{SEPARATORS}"]+)[ \v\f]*([{SEPARATORS}])', re.ASCII)


def separator_of(line: str) -> str | None:
    """Return the separator that stands behind the first word of a line, or None."""
    if "\t" in line:
        return "\t"
    match = _FIRST.match(line)
    return match[2] if match else None


def _rows(
    lines: Sequence[str], separator: str, quoted: bool, path: str | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells, without blanks around them, of every line that has some."""
    if not quoted:
        nothing = BLANKS + separator
        for number, line in enumerate(lines, 1):
            if line.strip(nothing):
                yield number, [cell.strip(BLANKS) for cell in line.split(separator)]
        return
    import csv

    limit = csv.field_size_limit(1 << 30)  # a process has one; glosses of a whole file fit
    start = 1
    try:
        reader = csv.reader((line + "\n" for line in lines), delimiter=separator, strict=True)
        for cells in reader:
            if any(cell.strip(BLANKS) for cell in cells):
                yield start, [cell.strip(BLANKS) for cell in cells]
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"a quote opens here that is not closed as RFC 4180 has it ({error}): a quote within "
            "quotes is written twice",
            path,
            start,
        ) from None
    finally:
        csv.field_size_limit(limit)


def parse_table(
    text: str, role: Role = "hypothesis", path: str | None = None, *, sentences: bool = False
) -> Table:
    r"""Parse separated values.

    Parameters
    ----------
    text : str
        Whole content, lines ending with newlines.
    role : {"hypothesis", "reference"}
        Which side's columns are wanted.
    path : str, optional
        For messages.
    sentences : bool
        Each segment has a sentence, in a column such as ``translation``.

    Raises
    ------
    InputError
        See the rules of this module.

    Examples
    --------
    >>> parse_table("id,gloss\r\n02_0001,A B\r\n".replace("\r", "")).words
    {'02_0001': ['A', 'B']}
    """
    collected = Collector(role, path, sentences)
    lines = text.split("\n")
    first = next((place for place, line in enumerate(lines) if line.strip(BLANKS)), 0)
    named = re.fullmatch(r'"?sep=(.)"?', lines[first].strip(" "))
    if named:
        lines[first] = ""
        first = next((place for place, line in enumerate(lines) if line.strip(BLANKS)), first)
    found = header_of(lines[first])
    separator = named[1] if named else found[0] if found else separator_of(lines[first])
    if separator is None:
        raise collected.error(
            f"expected an id and its {collected.noun} with a tab, '|', ';' or ',' between them, "
            f"found {_shown(lines[first])}",
            first + 1,
        )
    top = _cells(lines[first], separator)
    release = separator == "|" and any(tuple(top[: len(r)]) == r for r in _RELEASES)
    rows = _rows(lines, separator, '"' in text and not release, path)
    names: Sequence[str] = ()
    if found:
        names = next(rows)[1]
    elif separator == "|" and len(top) == len(_ISHARAH) and _ISHARAH_ID.fullmatch(top[0]):
        names = _ISHARAH
    columns = _named(names or ("id", collected.noun), collected, first + 1)
    for number, cells in rows:
        if separator == "|" and all(map(_RULE, cells)):
            continue  # the line below the header of a table in Markdown
        _check_width(collected, cells, names, columns, number, separator)
        if role == "reference" and cells[columns.words] in _PRINTED_HOLES:
            raise collected.error(
                f"segment {cells[columns.id]!r} has {cells[columns.words]!r} for "
                f"{collected.noun}: a hole of another table; leave the segment out, or leave its "
                "cell empty",
                number,
            )
        _put(collected, cells, columns, number)
    table = collected.table(names)
    if not names:
        _check_first(collected, table.rows)
    return table


def _check_first(collected: Collector, rows: Sequence[Row]) -> None:
    """See that the first row is not a header: its id would have no digit where all others have."""
    first, *others = ["".join(filter(str.isdecimal, row.id)) for row in rows]
    if not first and others and all(others):
        raise collected.error(
            f"{rows[0].id!r} looks like the name of a column, not like an id; call the columns "
            f"'id' and {collected.noun!r}",
            rows[0].line,
        )


def _check_width(
    collected: Collector,
    cells: list[str],
    names: Sequence[str],
    columns: _Columns,
    line: int,
    separator: str,
) -> None:
    """See that a row has the cells it needs and none beyond."""
    wanted = len(names) or 2
    if len(cells) == wanted and all(names[1:]):
        return
    shown = "<TAB>" if separator == "\t" else separator
    while len(cells) > wanted and not cells[-1]:
        cells.pop()  # separators at the end
    if not names and len(cells) > 2:
        raise collected.error(
            f"{len(cells)} columns and no header that names them, found "
            f"{_shown(separator.join(cells))}; write id{shown}{collected.noun}, or a header such "
            f"as 'id{shown}{collected.noun}' with the names of all columns",
            line,
        )
    if len(cells) > wanted:
        raise collected.error(
            f"{len(cells)} cells for the {wanted} columns of the header, found "
            f"{_shown(separator.join(cells))}; put a cell that holds {shown!r} in quotes",
            line,
        )
    if len(cells) <= max(columns.id, columns.words):
        raise collected.error(
            f"expected an id and its {collected.noun} in {wanted} columns, {shown!r} between "
            f"them, found {_shown(separator.join(cells))}; an empty cell keeps its separator",
            line,
        )
    # The first column without a name is the index that pandas writes.
    for name, cell in zip(names[1:], cells[1:], strict=False):
        if cell and not name:
            raise collected.error(
                f"a cell under no name: {cell!r:.80}; name every column in the header", line
            )


def _shown(line: str) -> str:
    return repr(line if len(line) <= 80 else line[:77] + "…")


# ---------------------------------------------------------------- Kaldi


def parse_kaldi(text: str, role: Role = "hypothesis", path: str | None = None) -> Table:
    """Parse the ``text`` of a Kaldi data folder: ``id word word …``.

    Raises
    ------
    InputError
        See the rules of this module.
    """
    collected = Collector(role, path)
    top = split_words(text.lstrip(BLANKS).partition("\n")[0])
    if len(top) > 1 and _keys(_KNOWN).issuperset(map(_key, top)):
        raise collected.error(
            f"a header, {' '.join(top)!r}, and no separator; Kaldi's text has none, a table has "
            "tabs or commas",
            1,
        )
    for number, line in enumerate(text.split("\n"), 1):
        id, *words = split_words(line) or [""]
        if id:
            collected.put(id, words, number)
    return collected.table()


# ---------------------------------------------------------------- JSON


def parse_json(
    text: str, role: Role = "hypothesis", path: str | None = None, *, sentences: bool = False
) -> Table:
    """Parse JSON lines, a list of objects, a map of ids to glosses or of names to columns.

    Raises
    ------
    InputError
        Not JSON, or none of these; see also the rules of this module.
    """
    import json

    collected = Collector(role, path, sentences)
    try:
        whole = json.loads(text, object_pairs_hook=_unique)
    except _TwiceError as error:
        raise InputError(str(error), path) from None
    except (ValueError, RecursionError):
        whole = None  # read line by line, which says where it fails
    if isinstance(whole, Mapping) and not _is_record(whole):
        return _from_mapping(whole, collected, None if "\n" in text.strip() else 1)
    if isinstance(whole, list):
        return _from_records(((None, item) for item in whole), collected)
    return _from_records(_json_lines(text, path), collected)


class _TwiceError(Exception):
    """A name appears twice in an object of JSON, where only the last would be kept."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    items = dict(pairs)
    if len(items) != len(pairs):
        times = Counter(name for name, _ in pairs)
        raise _TwiceError(f"{times.most_common(1)[0][0]!r} appears twice in one object")
    return items


def _json_lines(text: str, path: str | None) -> Iterator[tuple[int, Any]]:
    import json

    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip(BLANKS):
            continue
        try:
            yield number, json.loads(line, object_pairs_hook=_unique)
        except _TwiceError as error:
            raise InputError(str(error), path, number) from None
        except ValueError as error:
            printed = re.match(r"[\[{\s]*'", text) is not None
            why = "; this is what Python prints, json.dump writes JSON" if printed else ""
            raise InputError(f"not JSON: {error}{why}", path, number) from None
        except RecursionError:
            raise InputError("JSON nested too deep", path, number) from None


def _is_record(item: Mapping[Any, Any]) -> bool:
    """Say whether an object is one segment, not a map of many: it has one id, and more."""
    keys = {_key(str(name)): value for name, value in item.items()}
    ids = [value for key, value in keys.items() if key in _keys(_ID_NAMES)]
    return (
        bool(ids)
        and not any(isinstance(value, (list, Mapping)) for value in ids)
        and any(key in _keys(_KNOWN) - _keys(_ID_NAMES) for key in keys)
    )


def _from_records(items: Iterable[tuple[int | None, Any]], collected: Collector) -> Table:
    """Read objects of one segment each, each with the line it stands in."""
    known: dict[tuple[Any, ...], _Columns] = {}
    for place, (number, item) in enumerate(items, 1):
        if not isinstance(item, Mapping):
            raise collected.error(
                f"expected an object with 'id' and {collected.noun!r} in place {place}, found "
                f"{item!r:.80}",
                number,
            )
        names = tuple(item)
        if names not in known:
            known[names] = _named([str(name) for name in names], collected, number)
        _put(collected, list(item.values()), known[names], number)
    return collected.table()


def _from_mapping(items: Mapping[Any, Any], collected: Collector, line: int | None) -> Table:
    """Read a map of ids to glosses, or of names of columns to what they hold."""
    names = [name for name in items if isinstance(name, str)]
    if names and len(names) == len(items) and _keys(_KNOWN).issuperset(map(_key, names)):
        columns = _named(names, collected, line)
        lists = [
            list(value.values() if isinstance(value, Mapping) else value)
            for value in items.values()
            if isinstance(value, (Mapping, list, tuple))
        ]
        if len({len(column) for column in lists}) != 1 or len(lists) != len(items):
            raise collected.error("expected a list under every name, all of one length", line)
        for cells in zip(*lists, strict=True):
            _put(collected, cells, columns, line)
        return collected.table()
    for name, value in items.items():
        inner = value if isinstance(value, (list, tuple)) else (value,)
        if any(isinstance(one, Mapping) for one in inner):
            raise collected.error(
                f"{name!r} holds objects, not {collected.noun}; write a list of objects with 'id' "
                f"and {collected.noun!r}, or one object that maps ids to {collected.noun}",
                line,
            )
        collected.put(name, value, line)
    return collected.table()


# ---------------------------------------------------------------- Python


def table_of(source: Any, role: Role, *, sentences: bool = False) -> Table | None:
    """Read a value of Python; None where it is none of the kinds of this module.

    Raises
    ------
    InputError
        See the rules of this module.
    """
    collected = Collector(role, sentences=sentences)
    if isinstance(source, Mapping):
        return _from_mapping(source, collected, None)
    if hasattr(source, "columns") and hasattr(source, "to_dict"):
        return _from_frame(source, collected)
    if hasattr(source, "index") and hasattr(source, "items"):  # a Series
        for name, value in source.items():
            collected.put(name, value)
        return collected.table()
    if isinstance(source, (list, tuple)) and source and isinstance(source[0], Mapping):
        return _from_records(((None, item) for item in source), collected)
    return None


class Plain(NamedTuple):
    """Segments of a value of Python, column by column.

    Attributes
    ----------
    ids, signers : list of str
        Of every segment; ``""`` for a signer who is not named.
    words : sequence of lists of str
        Glosses of every segment.
    """

    ids: list[str]
    signers: list[str]
    words: Sequence[list[str]]


def plain_table(source: Any, role: Role) -> Plain | None:
    """Read a mapping, a Series or a DataFrame of plain values, in passes over all of it.

    Plain: ids are texts or integers, all of one kind, and each stands there once; glosses are all
    texts or all lists of texts.

    None for any other value, and where something has to be looked at: :func:`table_of` reads it
    to the same end or says what is wrong.
    """
    signers: list[Any] = []
    if isinstance(source, dict):
        if _keys(_KNOWN).issuperset(map(_key, map(str, islice(source, len(_KNOWN))))):
            return None  # names of columns
        ids, values = list(source), list(source.values())
    elif hasattr(source, "columns") and hasattr(source, "to_dict"):
        names, columns = _frame_columns(source)
        found = _named(names, Collector(role))
        ids, values = columns[found.id], columns[found.words]
        if role == "reference":
            signers = [] if found.signer is None else columns[found.signer]
            if found.translation is not None and not _writable(columns[found.translation]):
                return None
    elif hasattr(source, "index") and hasattr(source, "items") and hasattr(source, "tolist"):
        ids, values = source.index.tolist(), source.tolist()
    else:
        return None
    plain_ids, words = _plain_ids(ids), _plain_words(values)
    if plain_ids is None or words is None or not _writable(signers):
        return None
    by = [str(who) if isinstance(who, (str, int)) else "" for who in signers]
    return Plain(plain_ids, by or [""] * len(ids), words)


def _plain_ids(ids: list[Any]) -> list[str] | None:
    """Return ids as texts; None where one is not plain, or stands there twice."""
    kinds = set(map(type, ids))
    if kinds == {int}:
        ids = list(map(str, ids))
    elif kinds != {str}:
        return None
    text = "".join(ids)
    if "" in ids or any(blank in text for blank in BLANKS) or not _writable([text]):
        return None
    return ids if len(set(ids)) == len(ids) else None


def _plain_words(values: list[Any]) -> Sequence[list[str]] | None:
    """Return sentences of plain words; None where one is not plain, or holds a brace."""
    kinds = set(map(type, values))
    if kinds == {str}:
        split = splitter("\n".join(values))
        values = list(map(split, values))
    elif kinds != {list}:
        return None
    try:
        sentences = collected(values)
        words: set[Any] = vocabulary(sentences)
    except TypeError:  # a word that cannot be hashed
        return None
    if not set(map(type, words)) <= {str}:
        return None
    text = "".join(words)
    if "" in words or any(mark in text for mark in (*BLANKS, "{", "}")) or not _writable([text]):
        return None
    return sentences


def _writable(texts: Iterable[Any]) -> bool:
    """Say whether no text among some values has an unpaired surrogate."""
    text = "".join(text for text in texts if isinstance(text, str))
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _from_frame(frame: Any, collected: Collector) -> Table:
    """Read a DataFrame; an index with the name of an id is a column too."""
    names, values = _frame_columns(frame)
    columns = _named(names, collected)
    for cells in zip(*values, strict=True):
        _put(collected, cells, columns, None)
    return collected.table()


def _frame_columns(frame: Any) -> tuple[list[str], list[list[Any]]]:
    """Return the names of a DataFrame's columns and their values, with those of a named index."""
    names = [str(name) for name in frame.columns]
    values = [frame.iloc[:, place].tolist() for place in range(len(names))]
    index = getattr(frame.index, "name", None)
    if index is not None and _key(str(index)) in _keys(_ID_NAMES):
        names.insert(0, str(index))
        values.insert(0, frame.index.tolist())
    return names, values
