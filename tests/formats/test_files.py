"""Hypothesis files: what is read, what is refused, and that nothing in between happens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.files import kept_unless_changed, write_whole
from slaeval.formats.ctm import parse_ctm, write_ctm
from slaeval.formats.detection import detect_format
from slaeval.formats.hypotheses import read_hypotheses
from slaeval.formats.stm import parse_stm
from slaeval.formats.tables import parse_json, parse_table
from slaeval.formats.trn import parse_trn

WORD = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=6).filter(
    lambda word: not word.startswith(";;")  # would make a TRN line a comment
)
IDS = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
SENTENCES = st.dictionaries(IDS, st.lists(WORD, min_size=1, max_size=5), min_size=1, max_size=5)


@given(SENTENCES)
def test_ctm_round_trip(hypotheses: dict[str, list[str]]) -> None:
    read = parse_ctm(write_ctm(hypotheses))
    assert read.words == hypotheses
    assert read.lines is None


@given(SENTENCES)
def test_trn_is_read_as_written(hypotheses: dict[str, list[str]]) -> None:
    lines = [" ".join([*words, f"({name})"]) + "\n" for name, words in hypotheses.items()]
    assert parse_trn("".join(lines)).words == hypotheses


@given(SENTENCES)
def test_a_tidy_file_reads_as_its_lines_do(hypotheses: dict[str, list[str]]) -> None:
    text = write_ctm(hypotheses)
    # A comment makes the reader go line by line.
    slow = parse_ctm(";; a comment\n" + text)
    assert slow.words == parse_ctm(text).words
    assert slow.lines == text.splitlines()


@given(st.text("ab1 0.\n\t\u3000\x1c\u2028", max_size=60))
def test_any_text_gives_words_or_a_clear_error(text: str) -> None:
    try:
        read = parse_ctm(text)
    except InputError:
        return
    for line in read.lines or []:
        assert len(line.split()) >= 5
    assert all(len(word.split()) == 1 for words in read.words.values() for word in words)


def test_stm_is_read_as_written() -> None:
    text = (
        "a 1 s1 0.0 1.79769e+308 <o,f0,male> { WIND / STURM } STARK\n"
        "b 1 s2 0.00 2.50 HEUTE NACHT\n"
        "c 1 s2 0.0 1.79769e+308\n"
    )
    segments = parse_stm(";; a comment\n" + text)
    written = ([*one[:5], *([one.label] if one.label else []), *one.words] for one in segments)
    assert "".join(" ".join(columns) + "\n" for columns in written) == text
    assert segments[0].label == "<o,f0,male>"
    assert segments[0].words == ["{", "WIND", "/", "STURM", "}", "STARK"]
    assert segments[2].words == []


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a 1 0.0 0.1 A\na 1 0.0 0.1\n", 2, "4 columns"),
        ("a 1 0.0 0.1 A\na\n", 2, "1 column:"),
        ("a 1 zero 0.1 A\n", 1, "start in seconds, found 'zero'"),
        ("a 1 0.0 nan A\n", 1, "duration in seconds, found 'nan'"),
        ("a 1 0.0 0x1 A\n", 1, "duration in seconds"),
        (";; only a comment\n", None, "no word"),
    ],
)
def test_broken_ctm_names_the_line(text: str, line: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_ctm(text, "hyp.ctm")
    assert caught.value.line == line
    assert "hyp.ctm" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a 1 s 0.0\n", 1, "4 columns"),
        ("a 1 s 0.0 x A\n", 1, "columns 4 and 5"),
        ("a 1 s 2.0 1.0 A\n", 1, "columns 4 and 5"),
        ("b 1 s 0.0 1.0 A\na 1 s 0.0 1.0 { A / B\n", 2, "without '}'"),
        ("a 1 s 0.0 1.0 A }\n", 1, "without '{'"),
        ("a 1 s 0.0 1.0 {A / B}\n", 1, "must stand between blanks"),
        ("a 1 s 0.0 1.0 A\nb 1 s 0.0 1.0\na 1 s 0.0 1.0 B\n", 3, "line 1"),
        (";; nothing\n", None, "no segment"),
    ],
)
def test_broken_stm_names_the_line(text: str, line: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_stm(text, "ref.stm")
    assert caught.value.line == line


def test_tables() -> None:
    assert parse_table("id\tglosses\na\tA B\nb\t\n").words == {"a": ["A", "B"], "b": []}
    assert parse_table("id|gloss\n02_0001|سوال هو\n").words == {"02_0001": ["سوال", "هو"]}
    assert parse_table("name\tsigner\tprediction\na\ts1\tA B\n").words == {"a": ["A", "B"]}
    lines = '{"id": "a", "glosses": ["A", "B"]}\n{"name": "b", "hyp": "C"}\n'
    assert parse_json(lines).words == {"a": ["A", "B"], "b": ["C"]}
    assert parse_json('{"a": "A B", "b": []}').words == {"a": ["A", "B"], "b": []}
    assert parse_json('[{"id": "a", "words": "A"}]').words == {"a": ["A"]}
    assert parse_json('{"a": "\\ud83d\\ude00"}').words == {"a": ["\N{GRINNING FACE}"]}


@pytest.mark.parametrize(
    ("parse", "text", "line"),
    [
        (parse_table, "a\tA\nb B\n", 2),
        (parse_table, "a\tA\na\tB\n", 2),
        (parse_json, '{"id": "a", "glosses": "A"}\n{"id": "b"', 2),
        (parse_json, '{"id": "a", "glosses": "A"}\n{"idx": "b", "glosses": "B"}\n', 2),
        (parse_json, '{"id": "a", "glosses": ["A B"]}\n', 1),
        (parse_json, '{"id": 3.5, "glosses": "A"}\n', 1),
        (parse_json, '{"id": true, "glosses": "A"}\n', 1),
        (parse_json, '{"id": ["a"], "glosses": "A"}\n', 1),
        (parse_json, "[" * 100_000, 1),
        (parse_json, '{"id": "a", "glosses": "A"}\n{"id": "b", "glosses": "\\ud800"}\n', 2),
        (parse_json, '{"id": "a\\ud800", "glosses": ["A"]}\n', 1),
        (parse_json, '{"a": ["A", "\\udc00"]}', 1),
        (parse_trn, "A B (a)\nA B\n", 2),
        (parse_trn, "A (a)\nB (a)\n", 2),
    ],
)
def test_broken_tables_name_the_line(parse, text: str, line: int) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError) as caught:
        parse(text, path="hyp")
    assert caught.value.line == line


def test_the_same_segment_twice_with_the_same_words_is_noted() -> None:
    read = parse_table("a\tA B\nb\tB\na\tA B\n")
    assert read.words == {"a": ["A", "B"], "b": ["B"]}
    assert "duplicate segment" in read.notes[0]


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("a 1 0.00 0.01 REGEN\n", "ctm"),
        (";; x\n\na 1 0.00 0.01 REGEN\n", "ctm"),
        ("REGEN MORGEN (a)\n(b)\n", "trn"),
        ("a\tREGEN\n", "tsv"),
        ("id|gloss\n1|هو\n", "tsv"),
        ('{"id": "a", "glosses": []}\n', "jsonl"),
        ("just some words\n", None),
    ],
)
def test_format_is_found_from_the_content(text: str, format: str | None) -> None:
    assert detect_format(text) == format


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_hypotheses(str(tmp_path / "missing.ctm"))
    with pytest.raises(InputError, match="folder"):
        read_hypotheses(str(tmp_path))
    empty = tmp_path / "empty.ctm"
    empty.write_bytes(b" \n")
    with pytest.raises(InputError, match="empty"):
        read_hypotheses(str(empty))
    latin = tmp_path / "latin.ctm"
    latin.write_bytes("a 1 0.0 0.1 A\na 1 0.1 0.1 SÜDEN\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin.ctm:2: byte 0xdc at column 14 is not UTF-8"):
        read_hypotheses(str(latin))
    zipped = tmp_path / "zipped.ctm"
    zipped.write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(InputError, match="gzip"):
        read_hypotheses(str(zipped))
    wide = tmp_path / "wide.ctm"
    wide.write_text("a 1 0.0 0.1 A\n", "utf-16")
    with pytest.raises(InputError, match="UTF-16"):
        read_hypotheses(str(wide))
    with pytest.raises(UsageError, match="did you mean 'ctm'"):
        read_hypotheses(str(latin), "cmt")


def test_windows_files_read_like_others(tmp_path: Path) -> None:
    path = tmp_path / "windows.ctm"
    path.write_bytes(b"\xef\xbb\xbfa 1 0.0 0.1 A\r\na 1 0.1 0.1 B\r\n")
    assert read_hypotheses(str(path)).words == {"a": ["A", "B"]}


def test_an_endless_line_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slaeval.files.LONGEST_LINE", 1 << 20)
    path = tmp_path / "endless.ctm"
    path.write_bytes(b"a 1 0.0 0.1 A\n" + b"x" * (5 << 20))
    with pytest.raises(InputError, match=r"endless.ctm:2: this line is longer than 1 MiB"):
        read_hypotheses(str(path))


def test_writing_leaves_the_old_file_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")

    def broken():  # type: ignore[no-untyped-def]
        yield "new"
        raise OSError(28, "No space left on device")

    with pytest.raises(SlaevalError, match="No space left"):
        write_whole(path, broken())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(SlaevalError, match="cannot write"):
        write_whole(tmp_path / "nowhere" / "out.csv", "x")
    with pytest.raises(SlaevalError, match="folder"):
        write_whole(tmp_path, "x")


def test_a_file_is_read_again_only_when_its_folder_changed(tmp_path: Path) -> None:
    read: list[str] = []

    @kept_unless_changed
    def words(path: str, separator: str) -> list[str]:
        read.append(path)
        return Path(path).read_text().split(separator)

    file, beside = tmp_path / "a.txt", tmp_path / "b.txt"
    file.write_text("a b,c")
    assert words(str(file), " ") == words(str(file), " ") == ["a", "b,c"]
    assert len(read) == 2  # so new that a change might not show
    os.utime(file, (0, 0))
    assert words(str(file), " ") == words(str(file), " ") == ["a", "b,c"]
    assert words(str(file), ",") == ["a b", "c"]
    assert len(read) == 4
    beside.write_text("what the file refers to")
    os.utime(beside, (0, 0))
    assert words(str(file), " ") == ["a", "b,c"]
    assert len(read) == 5
    file.write_text("x y,z")
    assert words(str(file), " ") == ["x", "y,z"]
    os.utime(file, (1, 1))
    assert words(str(file), " ") == ["x", "y,z"]
    file.unlink()
    with pytest.raises(FileNotFoundError):
        words(str(file), " ")
