"""Large CTM and STM files are read with numpy: the answer is that of the plain readers."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slaeval.errors import InputError
from slaeval.files import read_text
from slaeval.formats import ctm, stm

columns = pytest.importorskip("slaeval.formats.columns")

WORDS = st.one_of(
    st.sampled_from(
        "REGEN regen SÜDEN A AB ABCDEFGH ABCDEFGHI <x> <x y ; \\ * @ { } / {A ;; ;;A \x1c \u3000 "
        "A\u3000B A\xa0B A\u2028 \ufeff 天气 0.00 1e5 nan -".split(" ")
    ),
    st.text("AB", min_size=1, max_size=20),
    st.integers(250, 260).map("L".__mul__),
)
TIMES = st.one_of(
    st.sampled_from(["0.00", "0.0", "1.79769e+308", "1e999", "-1", "x", "9.99", "10.00", "٣"]),
    st.integers(0, 1200).map(lambda hundredths: f"{hundredths / 100:.2f}"),
)
NAMES = st.sampled_from(["a", "b", "ab", "segment-0001", "segment-0002", "a/b/c", "ü", ";;c"])
CHANNELS = st.sampled_from(["1", "1", "1", "A", "12345678901"])
#: Mostly tidy.
BLANK = st.sampled_from([" "] * 30 + ["  ", "\t", " \t", "\v", "\r", "\0"])
END = st.sampled_from(["\n"] * 30 + ["\n\n", " \n", "\n ", "\r\n", "\n;; a comment\n", ""])


@st.composite
def ctm_texts(draw: st.DrawFn) -> str:
    """Draw a CTM: tidy, or with something odd here and there."""
    odd = draw(st.booleans())
    blank = BLANK if odd else st.just(" ")
    text = ""
    for name in draw(st.lists(NAMES, max_size=6, unique=not odd)):
        words = draw(st.lists(WORDS, min_size=1, max_size=5))
        for place, word in enumerate(words):
            start = draw(TIMES) if odd else f"{place / 100:.2f}"
            columns = [name, draw(CHANNELS), start, draw(TIMES) if odd else "0.01", word]
            columns += ["0.5"] * (odd and draw(st.integers(0, 9)) == 0)
            text += "".join(column + draw(blank) for column in columns)[:-1]
            text += draw(END) if odd else "\n"
    return text


@st.composite
def stm_texts(draw: st.DrawFn) -> str:
    """Draw an STM: tidy, or with something odd here and there."""
    odd = draw(st.booleans())
    blank = BLANK if odd else st.just(" ")
    text = ""
    for name in draw(st.lists(NAMES, max_size=6, unique=not odd)):
        span = (draw(TIMES), draw(TIMES)) if odd else ("0.0", "1.79769e+308")
        words = draw(st.lists(WORDS, max_size=5))
        label = draw(st.sampled_from([[], [], ["<o,f0,male>"]]))
        columns = [name, draw(CHANNELS), draw(CHANNELS), *span, *label, *words]
        text += "".join(column + draw(blank) for column in columns)[:-1]
        text += draw(END) if odd else "\n"
    return text


def _answer(parse: Callable[..., Any], text: str, large: int, block: int = 1 << 20) -> Any:
    """Return what a reader answers, or the error it raises."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_BLOCK", block)
        patch.setattr(ctm, "LARGE", large)
        patch.setattr(stm, "LARGE", large)
        try:
            return parse(text, "file")
        except InputError as error:
            return str(error)


#: Characters of a block.
BLOCKS = st.one_of(st.integers(1, 300), st.just(1 << 20))


@given(ctm_texts(), BLOCKS)
def test_a_large_ctm_reads_as_a_small_one(text: str, block: int) -> None:
    small, large = (_answer(ctm.parse_ctm, text, limit, block) for limit in (1 << 60, 0))
    if not isinstance(small, str):
        assert list(small.words) == list(large.words)
    assert small == large


@given(stm_texts(), BLOCKS)
def test_a_large_stm_reads_as_a_small_one(text: str, block: int) -> None:
    small, large = (_answer(stm.parse_stm, text, limit, block) for limit in (1 << 60, 0))
    assert small == large


def test_a_tidy_file_is_read_in_the_fast_way() -> None:
    assert ctm._parse_large("a 1 0.00 0.01 SÜDEN\na 1 0.01 0.01 WIND\nb 1 0.00 0.01 WIND\n")
    assert stm._parse_large("a 1 s 0.0 1.0 SÜDEN WIND\nb 1 s 0.0 1.0\n")
    assert stm._parse_large("a 1 s 0.0 1.0\n")


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_marks_and_line_ends_of_a_large_file(tmp_path: Path, start: bytes, end: bytes) -> None:
    lines = ["a 1 0.00 0.01 SÜDEN", "a 1 0.01 0.01 WIND", "b 1 0.00 0.01 REGEN"]
    path = tmp_path / "hyp.ctm"
    path.write_bytes(start + end.join(line.encode() for line in lines))
    read = _answer(ctm.parse_ctm, read_text(path, "a CTM"), 0)
    assert read.words == {"a": ["SÜDEN", "WIND"], "b": ["REGEN"]}
    assert read.lines is None


def test_different_words_keep_apart() -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices("AB", k=rng.randint(1, 30))) for _ in range(20_000)]
    words += [f"GLOSS{number}" for number in range(20_000)]
    read = columns.Columns.of(f"{' '.join(words)}\n".encode())
    assert read is not None
    distinct = read.distinct()
    assert distinct is not None
    assert distinct.column() == words
    assert len(distinct.texts) == len(set(words))


@given(st.lists(st.sampled_from("a ab b".split()), min_size=1, max_size=30), BLOCKS)
def test_blocks_are_cut_where_the_first_word_changes(names: list[str], block: int) -> None:
    text = "".join(f"{name} {place}\n" for place, name in enumerate(names))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_BLOCK", block)
        pieces = [piece.decode() for piece in columns.blocks(text)]
    assert "".join(pieces) == text
    ends = [piece.split("\n")[-2].split(" ")[0] for piece in pieces[:-1]]
    begins = [piece.split(" ")[0] for piece in pieces[1:]]
    assert not any(map(str.__eq__, ends, begins))
