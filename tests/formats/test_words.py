"""Where a word ends: at the six blanks of ASCII and nowhere else, in every format."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import slaeval
from slaeval.formats.ctm import parse_ctm, write_ctm
from slaeval.formats.stm import parse_stm
from slaeval.formats.tables import parse_json, parse_table
from slaeval.formats.trn import parse_trn
from slaeval.formats.words import BLANKS, is_word, split_words, timed

#: Blanks of other alphabets, and what else str.split takes for one.
OTHERS = [chr(n) for n in range(sys.maxunicode + 1) if chr(n).isspace() and chr(n) not in BLANKS]


@given(st.text(st.sampled_from([*BLANKS, *OTHERS, "A", "é", "中", "\u200b", "\ufeff"])))
def test_words_are_what_bytes_split_gives(text: str) -> None:
    assert split_words(text) == [word.decode() for word in text.encode().split()]
    assert is_word(text) == (split_words(text) == [text])


@pytest.mark.parametrize("other", OTHERS, ids=ascii)
def test_other_blanks_stay_inside_a_word(other: str) -> None:
    word = f"A{other}B"
    assert split_words(f"{word} C") == [word, "C"]
    for text in (f"x 1 0.0 0.1 {word}\n", f"x  1 0.0 0.1 {word}\n", f";;\nx 1 0.0 0.1 {word}\n"):
        assert parse_ctm(text).words == {"x": [word]}
    assert write_ctm({"x": [word]}).endswith(f" {word}\n")
    assert parse_stm(f"x 1 s 0.0 1.0 {word} C\n")[0].words == [word, "C"]
    assert parse_trn(f"{word} C (x{other}y)\n").words == {f"x{other}y": [word, "C"]}
    assert parse_table(f"x\t{word} C\n").words == {"x": [word, "C"]}
    assert parse_json(json.dumps([{"id": "x", "glosses": [word]}])).words == {"x": [word]}
    for protocol in slaeval.protocols():
        score = slaeval.score({"x": f"{word} C"}, {"x": f"{word} C"}, protocol)
        assert score.reference_words == 2, protocol.name
        assert score.errors == 0, protocol.name
        score = slaeval.score({"x": [word]}, {"x": "A B"}, protocol)
        assert (score.reference_words, score.hypothesis_words) in ((1, 2), (2, 1)), protocol.name


def test_a_word_that_ends_with_another_blank_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "h.ctm").write_text("x 1 0.0 0.1 A\u3000\nx 1 0.1 0.1 B\xa0 0.9\n")
    (tmp_path / "r.stm").write_text("x 1 s 0.0 1.0 A\u3000 B\xa0\n")
    score = slaeval.score(tmp_path / "r.stm", tmp_path / "h.ctm")
    assert (score.correct, score.errors) == (2, 0)


@pytest.mark.parametrize(
    ("line", "column", "expected"),
    [
        ("x 1 s 0.0 1.79769e+308 A", 3, True),
        ("x\t1\ts\t0.0\t1.79769e+308\tA B", 3, True),
        ("x\t1\ts\t0\t5\tA B", 3, True),
        ("x\t1 s 0.0 1.5 A", 3, True),
        ("x 1 s 0.0 1.5\tA B", 3, True),
        ("x\tDREI VIER 3 4", 3, False),
        ("x\tA B 3 4 C", 3, False),
        ("x\tA B C D", 3, False),
        ("x\tA 1.5", 3, False),
        ("x 1 s \u0660.\u0660 \u0661.\u0660 A", 3, False),
        ("x\t1\t0.00\t0.01\tA", 2, True),
        ("x 1 0.00 0.01 A", 2, True),
        ("x\tA 4 5 B", 2, False),
    ],
)
def test_times_are_told_from_words(line: str, column: int, expected: bool) -> None:
    assert timed(line, column) is expected


@pytest.mark.parametrize("blank", ["\t", "  ", " \t", "\v", "\f"])
def test_an_stm_with_any_blanks_is_an_stm(tmp_path: Path, blank: str) -> None:
    stm = "x 1 s 0.0 1.5 A B\ny 1 s 0.0 1.5 <o,f0> { C / D } 4 5\nz 1 s 0.0 2.5\n"
    (tmp_path / "r.stm").write_text(stm.replace(" ", blank))
    score = slaeval.score(tmp_path / "r.stm", {"x": "A B", "y": "D 4 5", "z": ""}, "sclite")
    assert (score.reference_words, score.errors) == (5, 0)
    assert [group.name for group in score.by_signer] == ["s"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(tmp_path: Path, end: str) -> None:
    stm, ctm = (
        "x 1 s 0.0 1.5 A B\ny 1 s 0.0 1.5 C\n",
        "x 1 0.0 0.1 A\nx 1 0.1 0.1 B\ny 1 0.0 0.1 C\n",
    )
    (tmp_path / "r.stm").write_bytes(stm.replace("\n", end).encode())
    for name, text in {
        "h.ctm": ctm,
        "h.trn": "A B (x)\nC (y)\n",
        "h.tsv": "x\tA B\ny\tC\n",
        "h.jsonl": '{"id": "x", "hyp": "A B"}\n{"id": "y", "hyp": "C"}\n',
    }.items():
        (tmp_path / name).write_bytes(text.replace("\n", end).encode())
        score = slaeval.score(tmp_path / "r.stm", tmp_path / name)
        assert (score.correct, score.errors) == (3, 0), name
