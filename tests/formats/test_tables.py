"""Every tabular input, on either side: the right words, or an error that says what to do."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import slaeval
from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.formats.hypotheses import read_hypotheses
from slaeval.formats.tables import (
    SEPARATORS,
    Role,
    parse_json,
    parse_table,
    plain_table,
    table_of,
)
from slaeval.loaders import read_references_file

ROWS = {"02_0001": "A B", "02_0002": "سوال هو", "02_0003": "4"}
SIDES: tuple[Role, ...] = ("hypothesis", "reference")


def table(
    separator: str = ",", header: str = "id,gloss", end: str = "\n", quote: str = "", tail: str = ""
) -> str:
    lines = [header.replace(",", separator)] if header else []
    lines += [f"{quote}{id}{quote}{separator}{quote}{w}{quote}{tail}" for id, w in ROWS.items()]
    return end.join(lines) + end


def records(**more: str) -> list[dict[str, str]]:
    return [{"id": id, "gloss": glosses, **more} for id, glosses in ROWS.items()]


def read(content: str | bytes, role: Role, folder: Path) -> dict[str, list[str]]:
    path = folder / "file"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if role == "hypothesis":
        return read_hypotheses(str(path)).words
    return {sample.id: list(sample.glosses) for sample in read_references_file(path)}


GOOD: dict[str, str | bytes] = {
    # The submission format of the Isharah challenge.
    "id,gloss with CRLF": table(end="\r\n"),
    "LF": table(),
    "CR alone": table(end="\r"),
    "a byte-order mark": "\ufeff" + table(end="\r\n"),
    "a byte-order mark before a quote": "\ufeff" + table(quote='"', header='"id","gloss"'),
    "tabs": table("\t"),
    "semicolons": table(";"),
    "bars": table("|"),
    "bars with blanks": table(" | "),
    "quotes": table(quote='"'),
    "a line end in quotes": table().replace("A B", '"A\r\nB"'),
    "a line end in quotes, no header": table(header="").replace("A B", '"A\r\nB"'),
    "a blank line in quotes": table().replace("A B", '"A\n\nB"'),
    "quoted semicolons": table(";", quote='"'),
    "separators at the end": table(tail=","),
    "separators at the end of all lines": table(header="id,gloss,,", tail=",,"),
    "blank lines": table().replace("\n", "\n\n"),
    "lines of separators": table() + ",\n,,\n",
    "no line end": table().rstrip(),
    "blanks around cells": table().replace(",", " , "),
    "the index of pandas": ",id,gloss\n"
    + "".join(f"{n},{i},{w}\n" for n, (i, w) in enumerate(ROWS.items())),
    "ids as the index of pandas": table(header=",gloss"),
    "sep= of Excel": "sep=;\r\n" + table(";", end="\r\n"),
    "sep= without header": "sep=;\r\n" + table(";", header="", end="\r\n"),
    "no header, comma": table(header=""),
    "no header, tab": table("\t", header=""),
    "no header, bar": table("|", header=""),
    "no header, semicolon": table(";", header=""),
    "columns the other way round": "gloss,id\n" + "".join(f"{w},{i}\n" for i, w in ROWS.items()),
    "names in capitals": table(header="ID,GLOSS"),
    "names in words": table(header="Video ID,Glosses"),
    "a table of Markdown": "| id | gloss |\n| :--- | ---: |\n"
    + "".join(f"| {i} | {w} |\n" for i, w in ROWS.items()),
    "Kaldi": "".join(f"{i} {w}\n" for i, w in ROWS.items()),
    "Kaldi with many blanks": "".join(f"{i}   {w.replace(' ', '  ')} \n" for i, w in ROWS.items()),
    "TRN": "".join(f"{w} ({i})\n" for i, w in ROWS.items()),
    "gzip": gzip.compress(table().encode()),
    "gzip in two members": gzip.compress(table().encode()[:20])
    + gzip.compress(table().encode()[20:]),
    "gzip of JSON": gzip.compress(json.dumps(ROWS).encode()),
    "JSON lines": "".join(json.dumps(row) + "\n" for row in records()),
    "JSON lines with CRLF": "".join(json.dumps(row) + "\r\n" for row in records()),
    "a list of objects": json.dumps(records(), indent=2),
    "a map": json.dumps(ROWS),
    "a map of lists": json.dumps({id: w.split() for id, w in ROWS.items()}, indent=1),
    "a map with integers for glosses": json.dumps(ROWS).replace('"4"', "[4]"),
    "columns of lists": json.dumps({"id": list(ROWS), "gloss": list(ROWS.values())}),
    "columns of pandas": pd.DataFrame(records()).to_json(),
    "records of pandas": pd.DataFrame(records()).to_json(orient="records"),
    "lines of pandas": pd.DataFrame(records()).to_json(orient="records", lines=True),
    "CSV of pandas": pd.DataFrame(records()).to_csv(),
    "more columns": table(header="id,gloss,score,ops", tail=",0.5,CC"),
    "Phoenix 2014": "id|folder|signer|annotation\n"
    + "".join(f"{i}|{i}/1/*.png|S|{w}\n" for i, w in ROWS.items()),
    "Phoenix 2014 T": "name|video|start|end|speaker|orth|translation\n"
    + "".join(f'{i}|{i}/1/*.png|-1|-1|S|{w}|"so sagt er\n' for i, w in ROWS.items()),
    "Isharah": "".join(f"{i}|{w}|some text\n" for i, w in ROWS.items()),
    "Isharah with a header": "id|gloss|text\n"
    + "".join(f"{i}|{w}|text\n" for i, w in ROWS.items()),
}


@pytest.mark.parametrize("role", SIDES)
@pytest.mark.parametrize("name", GOOD)
def test_what_is_read(tmp_path: Path, name: str, role: Role) -> None:
    assert read(GOOD[name], role, tmp_path) == {id: w.split() for id, w in ROWS.items()}


BOTH: dict[str, str] = {
    "score --csv": "id,signer,reference,hypothesis,ops,correct,wer\n02_0001,s,A B,A X,CS,1,50.0\n",
    "the names of slt": "name,gls_ref,gls_hyp\n02_0001,A B,A X\n",
    "capitals": "ID,Ground Truth,Predicted Glosses\n02_0001,A B,A X\n",
    "gloss and pred": "id,gloss,pred\n02_0001,A B,A X\n",
    "gloss and gloss_sequence": "video_id,gloss_sequence,gloss\n02_0001,A X,A B\n",
    "gt and glosses": '{"id": "02_0001", "gt": "A B", "glosses": "A X"}\n',
    "target and words": '[{"segment": "02_0001", "target": ["A", "B"], "words": ["A", "X"]}]',
    "of HuggingFace": '{"id": ["02_0001"], "prediction": [["A", "X"]], "reference": [["A", "B"]]}',
    "orth and hyp": "name;orth;hyp\n02_0001;A B;A X\n",
    "text beside": '{"id": "02_0001", "text": "hallo", "gloss": "A B", "hyp": "A X"}\n',
}


@pytest.mark.parametrize("name", BOTH)
def test_a_file_with_both_sides_gives_each_its_own(tmp_path: Path, name: str) -> None:
    path = tmp_path / "both"
    path.write_text(BOTH[name])
    score = slaeval.score(path, path, "none")
    assert (score.correct, score.substitutions, score.errors) == (1, 1, 1)


REFUSED: dict[str, tuple[str | bytes, int | None, str]] = {
    "three columns, no header": ("a1\tA\tB\n", 1, "3 columns and no header"),
    "two, then three": ("a1\tA\na2\tA\tB\n", 2, "3 columns and no header"),
    "cells left over": ("id,gloss\na1,A B,C\n", 2, "3 cells for the 2 columns"),
    "a comma in the glosses": ("id,gloss\na1,A\na2,A,B,C\n", 3, "put a cell that holds ',' in q"),
    "a cell under no name": ("id,gloss,\na1,A,B\n", 2, "a cell under no name: 'B'"),
    "no separator": ("id\tgloss\na1 A\n", 2, "an empty cell keeps its separator"),
    "an unknown name of the glosses": ("id,foo\na1,A\n", 1, "expected a column 'glosses'"),
    "an unknown name of the id": ("foo,gloss\na1,A\n", 1, "expected a column 'id'"),
    "unknown names": ("foo,bar\na1,A\na2,B\n", 1, "'foo' looks like the name of a column"),
    "no name of the glosses": ("id,signer,ops\na1,s,CC\n", 1, "expected a column 'glosses'"),
    "two names of the glosses": ("id,gloss,glosses\na1,A,B\n", 1, "'gloss' and 'glosses' may be"),
    "a name twice": ("id,gloss,gloss\na1,A,B\n", 1, "'gloss' and 'gloss' may be"),
    "two names of the id": ("name,video_id,gloss\na1,a2,A\n", 1, "'name' and 'video_id' may be"),
    "two names in JSON": ('{"id": "a1", "gls": "A", "words": "B"}\n', 1, "'gls' and 'words' may"),
    "names and no separator": ("id gloss\na1 A B\na2 B\n", 1, "no separator"),
    "an id of two words": ("id,gloss\nmy id,A\n", 2, "the id must be one word, found 'my id'"),
    "no id": ("id,gloss\n,A\n", 2, "the id must be one word, found ''"),
    "an open quote": ('id,gloss\na1,"A B\na2,C\n', 2, "quote opens here that is not closed"),
    "an open quote in the first line": ('a1,"A B\na2,C\n', 1, "quote opens here that is not"),
    "half a quote": ('id,gloss\na1,A\na2,"A" B\n', 3, "quote opens here that is not closed"),
    "a header alone": ("id,gloss\n", None, "no segment"),
    "UTF-16": (table().encode("utf-16"), 1, "UTF-16; save it as UTF-8"),
    "UTF-16 without a mark": (table().encode("utf-16-le"), 1, "a NUL byte"),
    "Latin-1": ("id,gloss\na1,SÜD\n".encode("latin-1"), 2, "byte 0xdc at column 5 is not UTF-8"),
    "a dictionary of Python": ("{'a1': 'A B'}\n", 1, "this is what Python prints, json.dump"),
    "a list of Python": ("[{'id': 'a1', 'gloss': 'A B'}]\n", 1, "this is what Python prints"),
    "no ids": ('{"prediction": ["A B", "C D"]}', 1, "expected a column 'id'"),
    "no ids in objects": ('[{"gloss": "A"}]', None, "expected a column 'id'"),
    "objects in an object": (
        '{"model": "x", "predictions": [{"id": "a1", "gloss": "A"}]}',
        1,
        "'predictions' holds objects, not glosses",
    ),
    "lists of several lengths": ('{"id": ["a1"], "gloss": ["A", "B"]}', 1, "all of one length"),
    "a segment twice in a map": (
        '{"a1": "A", "a1": "B"}',
        None,
        "'a1' appears twice in one object",
    ),
    "a name twice in an object": (
        '{"id": "a1", "gloss": "A"}\n{"id": "a2", "gloss": "A", "gloss": "B"}\n',
        2,
        "'gloss' appears twice in one object",
    ),
    "a pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid x\n",
        None,
        "a Git LFS pointer",
    ),
    "a list in a list": ('{"id": "a1", "gloss": [["A"], ["B"]]}\n', 1, "words must be a string or"),
    "words with blanks": ('{"id": "a1", "gloss": ["A B", "C"]}\n', 1, "words must be a string or"),
    "numbers": ('{"id": "a1", "gloss": [4.0]}\n', 1, "words must be a string or"),
    "a truth": ('{"id": "a1", "gloss": [true]}\n', 1, "words must be a string or"),
    "a broken number for an id": (
        '{"id": 1.5, "gloss": "A"}\n',
        1,
        "an id is a text or an integer",
    ),
    "a pickle": (b"\x80\x04\x95\x00.", None, "pickle"),
    "an old pickle": (b"(lp0\nS'a'\np1\na.", None, "this is a pickle, not"),
    "a zip archive": (b"PK\x03\x04abc", None, "this is a zip archive, not"),
    "numpy's archive": (b"PK\x03\x04....arr_0.npy", None, "this is an .npz file of numpy, not"),
    "a checkpoint": (b"PK\x03\x04..archive/data.pkl", None, "this is a file of torch.save, not"),
    "a workbook": (b"PK\x03\x04...xl/workbook.xml", None, "this is an Excel workbook, not"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1", None, "this is an old Excel workbook, not"),
    "Parquet": (b"PAR1\x15\x04", None, "this is a Parquet file, not"),
    "bzip2": (b"BZh91AY&SY", None, "this is a packed file (unpack it first), not"),
    "cut gzip": (gzip.compress(table().encode())[:-9], None, "this gzip file is truncated"),
    "a picture": (b"\x89PNG\r\n\x1a\n", None, "a picture"),
}


@pytest.mark.parametrize("role", SIDES)
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path: Path, name: str, role: Role) -> None:
    content, line, message = REFUSED[name]
    with pytest.raises(InputError) as caught:
        read(content, role, tmp_path)
    assert message in str(caught.value)
    assert "iconv" not in str(caught.value) or name == "Latin-1"
    assert caught.value.line == line
    assert caught.value.path == str(tmp_path / "file")


@pytest.mark.parametrize(("content", "what"), [(b"\x93NUMPY\x01\x00v\x00{'descr'", "a .npy file")])
def test_an_npy_is_no_hypothesis(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(InputError, match=f"this is {what}"):
        read(content, "hypothesis", tmp_path)


def test_the_other_side_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=":1: expected a column with the hypothesis, found only"):
        read("id,reference\na1,A\n", "hypothesis", tmp_path)
    with pytest.raises(InputError, match=":1: expected a column with the reference, found only"):
        read("id,hypothesis\na1,A\n", "reference", tmp_path)
    with pytest.raises(InputError, match="this is an STM file, so references"):
        read("a1 1 s 0.0 1.5 A B C\na2 1 s 0.0 1.5 B C D\n", "hypothesis", tmp_path)
    with pytest.raises(InputError, match="this is a CTM file, so a hypothesis"):
        read("a1 1 0.00 0.01 A\n", "reference", tmp_path)


def test_a_segment_twice(tmp_path: Path) -> None:
    same, other = "id,gloss\na1,A B\na1,A B\n", "id,gloss\na1,A B\na1,A\n"
    path = tmp_path / "same"
    path.write_text(same)
    hypotheses = read_hypotheses(str(path))
    assert hypotheses.words == {"a1": ["A", "B"]}
    assert "1 duplicate segment with the same words" in hypotheses.notes[0]
    for content in (same, other):
        with pytest.raises(InputError, match=r":3: duplicate segment 'a1' .*first on line 2"):
            read(content, "reference", tmp_path)
    with pytest.raises(InputError, match=r":3: duplicate segment 'a1' with other words"):
        read(other, "hypothesis", tmp_path)


def test_holes(tmp_path: Path) -> None:
    null = '[{"id": "a1", "gloss": null}, {"id": "a2", "gloss": "B"}]'
    with pytest.raises(InputError, match="segment 'a1' has no reference, the value is None"):
        read(null, "reference", tmp_path)
    assert read(null, "hypothesis", tmp_path) == {"a1": [], "a2": ["B"]}
    for hole in ("nan", "NaN", "None", "<NA>"):
        with pytest.raises(InputError, match=r":2: segment 'a1' has .* for glosses: a hole"):
            read(f"id,gloss\na1,{hole}\n", "reference", tmp_path)
    assert read("id,gloss\na1,NULL\n", "reference", tmp_path) == {"a1": ["NULL"]}  # a sign
    score = slaeval.score({"a1": "A", "a2": "B"}, parse_and(tmp_path, null))
    assert "1 missing value" in score.warnings[0]
    empty = slaeval.score(parse_and(tmp_path, "id,gloss\na1,\na2,B\n"), {"a1": "A", "a2": "B"})
    assert "1 reference without words (a1)" in empty.warnings[0]


def parse_and(folder: Path, content: str) -> Path:
    path = folder / "parsed"
    path.write_text(content)
    return path


cells = st.text(st.characters(exclude_categories=("C", "Z")) | st.sampled_from(' \n",;|\t'))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,3}[0-9]{1,3}", fullmatch=True), cells, min_size=1, max_size=5
    ),
    st.sampled_from(SEPARATORS),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_what_the_csv_module_writes_is_read(
    tmp_path: Path, rows: dict[str, str], separator: str, end: str, header: bool
) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator, lineterminator=end)
    writer.writerows([["id", "gloss"]] * header)
    writer.writerows(rows.items())
    if "{" in str(rows) or "}" in str(rows):
        return
    expected = {id: glosses.encode().split() for id, glosses in rows.items()}
    for role in SIDES:
        text = stream.getvalue().replace("\r\n", "\n").replace("\r", "\n")
        got = parse_table(text, role).words
        assert {i: [w.encode() for w in words] for i, words in got.items()} == expected


# ------------------------------------------------------------------ values of Python


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns)


VALUES = {
    "a mapping": ROWS,
    "lists": {id: w.split() for id, w in ROWS.items()},
    "tuples": {id: tuple(w.split()) for id, w in ROWS.items()},
    "arrays": {id: np.array(w.split()) for id, w in ROWS.items()},
    "a Series": pd.Series(ROWS),
    "id and glosses": frame(id=list(ROWS), glosses=list(ROWS.values())),
    "other names": frame(Video_ID=list(ROWS), Gloss=[w.split() for w in ROWS.values()]),
    "ids in the index": frame(id=list(ROWS), gloss=list(ROWS.values())).set_index("id"),
    "text of pandas": frame(id=list(ROWS), gloss=list(ROWS.values())).astype("string"),
    "records": records(),
    "a score": slaeval.score(ROWS, ROWS).to_pandas(),
    "columns": {"id": list(ROWS), "gloss": list(ROWS.values())},
}


@pytest.mark.parametrize("name", VALUES)
def test_values_of_python(name: str) -> None:
    for score in (slaeval.score(VALUES[name], ROWS), slaeval.score(ROWS, VALUES[name])):
        assert (score.reference_words, score.errors, score.total.segments) == (5, 0, 3)


def test_a_frame_with_both_sides() -> None:
    both = frame(id=["a"], reference=["A B"], hypothesis=["A X"])
    assert slaeval.score(both, both).errors == 1
    with pytest.raises(InputError, match="hypotheses: expected a column with the hypothesis"):
        slaeval.score(both, frame(id=["a"], reference=["A B"]))


HOLES = [None, math.nan, np.float32("nan"), pd.NA, pd.NaT]


@pytest.mark.parametrize("hole", HOLES, ids=repr)
def test_holes_of_python(hole: object) -> None:
    for side in ({"a": hole, "b": "B"}, frame(id=["a", "b"], gloss=[hole, "B"])):
        with pytest.raises(InputError, match="references: segment 'a' has no reference"):
            slaeval.score(side, {"a": "A", "b": "B"})
        score = slaeval.score({"a": "A", "b": "B"}, side, "none")
        assert (score.deletions, score.correct) == (1, 1)
        assert "1 missing value" in score.warnings[0]
    with pytest.raises(InputError, match="hypotheses: an id is a text or an integer"):
        slaeval.score({"a": "A"}, {hole: "A"})


def test_integers_and_their_digits_are_one_id() -> None:
    references = {"1": "A", "2": "B"}
    for ids in ([1, 2], np.array([1, 2]), pd.array([1, 2], dtype="Int64"), ["1", "2"]):
        assert slaeval.score(references, frame(id=ids, gloss=["A", "B"])).errors == 0
        assert slaeval.score(frame(id=ids, gloss=["A", "B"]), references).errors == 0
    assert slaeval.score({1: "A", 2: "B"}, references).errors == 0
    assert slaeval.score({np.int64(1): "A", 2: "B"}, {1: "A", "2": "B"}).errors == 0
    assert parse_json('[{"id": 1, "gloss": "A"}]').words == {"1": ["A"]}
    with pytest.raises(InputError, match="references: duplicate segment '1'"):
        slaeval.score({1: "A", "1": "A"}, references)


@pytest.mark.parametrize(
    "wrong",
    [
        {1.0: "A"},
        {("a",): "A"},
        {True: "A"},
        {b"a": "A"},
        {"": "A"},
        {"two words": "A"},
        {"a": 4},
        {"a": b"A"},
        {"a": {"A", "B"}},
        {"a": ["A B"]},
        {"a": ["A", None]},
        {"a": ["A", 1.5]},
        {"a": [["A"]]},
        {"a": np.array([["A"]])},
        {"a": np.array([1.5])},
        frame(a=["A"]),
        frame(id=["a"], gloss=["A"], glosses=["B"]),
        frame(id=[1.5], gloss=["A"]),
        frame(id=["a"], gloss=[4.0]),
        [{"id": "a"}],
        [{"id": "a", "gloss": "A"}, "b"],
    ],
    ids=lambda value: type(value).__name__,
)
def test_wrong_values_are_named(wrong: object) -> None:
    for references, hypotheses in ((wrong, {"a": "A"}), ({"a": "A"}, wrong)):
        with pytest.raises(SlaevalError, match=r"^(references|hypotheses): "):
            slaeval.score(references, hypotheses)


@pytest.mark.parametrize("wrong", [4, None, [], ["A B"], object(), (("a", "A"),)])
def test_other_types_are_misuse(wrong: object) -> None:
    lists = "the hypotheses are a list, the references are not"
    with pytest.raises(UsageError, match=f"hypotheses must be a mapping from id to words|{lists}"):
        slaeval.score({"a": "A"}, wrong)
    assert table_of(wrong, "reference") is None


# ------------------------------------------------------------------ the command line


def test_a_submission_as_both_sides_and_back(slaeval, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes(table(end="\r\n").encode())
    done = slaeval("score", "--pred", "s.csv", "--ref", "s.csv", "--csv", "rows.csv", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["reference_words"] == 5
    again = slaeval("score", "--pred", "rows.csv", "--ref", "rows.csv", "--json")
    assert json.loads(again.stdout) == json.loads(done.stdout)


def test_standard_input(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(table())
    command = [sys.executable, "-m", "slaeval", "score", "--json"]
    for content in (table().encode(), gzip.compress(table().encode())):
        for side in (("--pred", "-", "--ref", "r.csv"), ("--pred", "r.csv", "--ref", "-")):
            done = subprocess.run(
                [*command, *side], input=content, capture_output=True, cwd=tmp_path
            )
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["wer"] == 0
    done = subprocess.run([*command, "--pred", "-", "--ref", "-"], input=b"a", capture_output=True)
    assert done.returncode == 2
    assert b"standard input" in done.stderr


@pytest.mark.parametrize("format", ["csv", "tsv", "json", "jsonl", "kaldi", "text"])
def test_formats_by_name(tmp_path: Path, format: str) -> None:
    content = {
        "csv": table(),
        "tsv": table("\t"),
        "json": json.dumps(ROWS),
        "jsonl": "".join(json.dumps(row) + "\n" for row in records()),
    }.get(format, "".join(f"{i} {w}\n" for i, w in ROWS.items()))
    path = tmp_path / "file"
    path.write_text(content)
    assert read_hypotheses(str(path), format).words == {i: w.split() for i, w in ROWS.items()}


def test_a_format_that_does_not_fit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(json.dumps(ROWS))
    with pytest.raises(InputError, match="it looks like jsonl: leave --pred-format out"):
        read_hypotheses(str(path), "ctm")


#: Mostly plain.
ODD = st.sampled_from([None, math.nan, 3, 1.5, True, "\ud800", " a ", "", "{ A / B }", "}", "a b"])
IDS_OF_PYTHON = st.one_of(st.sampled_from(["a1", "b2", "سوال", "17"]), st.integers(0, 9))
SENTENCE = st.one_of(
    st.lists(st.sampled_from(["A", "B", "天气", "A\u3000B"]), max_size=3),
    st.lists(st.one_of(st.sampled_from("AB"), ODD), max_size=3),
)


@st.composite
def values_of_python(draw: st.DrawFn) -> object:
    """Draw a mapping, a Series or a DataFrame: plain, or with something odd here and there."""
    odd = draw(st.booleans())
    size = draw(st.integers(0, 4))
    drawn = draw(st.lists(st.one_of(IDS_OF_PYTHON, ODD) if odd else IDS_OF_PYTHON, max_size=size))
    ids = list(dict.fromkeys(drawn)) if draw(st.booleans()) else drawn
    glosses = [draw(SENTENCE) for _ in ids]
    if draw(st.booleans()):
        glosses = [" ".join(map(str, words)) for words in glosses]
    if odd and ids:
        glosses[0] = draw(ODD)
    kind = draw(st.sampled_from(["mapping", "series", "frame", "frame by index"]))
    if kind == "mapping":
        return dict(zip(ids, glosses, strict=True))
    if kind == "series":
        return pd.Series(glosses, index=ids, dtype=object)
    columns = {"id": ids, "gloss": glosses}
    for name in draw(st.sets(st.sampled_from(["signer", "text", "length"]))):
        cell = st.one_of(st.sampled_from(["s1", "Wort", 3]), ODD)
        columns[name] = [draw(cell) for _ in ids]
    read = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})
    return read.set_index("id") if kind == "frame by index" else read


@settings(max_examples=500)
@given(values_of_python(), st.sampled_from(SIDES))
def test_plain_values_are_read_as_all_others(source: object, role: Role) -> None:
    plain = plain_table(source, role)
    if plain is not None:
        table = table_of(source, role)
        assert table is not None
        assert not table.notes
        assert plain.ids == [row.id for row in table.rows]
        assert list(plain.words) == list(table.words.values())
        if role == "reference":
            assert plain.signers == [row.signer or "" for row in table.rows]


@pytest.mark.parametrize("glosses", [["A B", ""], [["A", "B"], []]])
def test_plain_values_are_read_in_the_fast_way(glosses: list[object]) -> None:
    rows = pd.DataFrame({"id": ["a", "b"], "gloss": glosses, "signer": ["s1", "s2"]})
    for source in (rows, rows.set_index("id"), rows.set_index("id")["gloss"], {7: "A B", 8: ""}):
        plain = plain_table(source, "reference")
        assert plain is not None
        assert list(plain.words) == [["A", "B"], []]
    assert plain_table(rows, "reference").signers == ["s1", "s2"]  # type: ignore[union-attr]
