"""Scored segments as a sequence, and the same answers however many there are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import slaeval
from slaeval.evaluation.request import Request
from slaeval.evaluation.score import score_file
from slaeval.formats.ctm import parse_ctm
from slaeval.scoring.score import Confusion, Score
from slaeval.scoring.segments import AlignedSegment, AlignedSegments

WORDS = [*"ABCDE", "regen", "REGEN", "loc-NORD", "NORD", "__PU__", "ZEIGEN", "süden", "他", "[x"]
ROWS = [
    AlignedSegment("a", "Anna", ["A", "B"], ["A", "C", "D"], "CSI"),
    AlignedSegment("b", "", ["A"], [], "D"),
    AlignedSegment("c", "Ben", [], [], ""),
]


def test_segments_are_a_sequence_of_records() -> None:
    segments = AlignedSegments.of(ROWS)
    assert list(segments) == ROWS == segments
    assert (len(segments), segments[0], segments[-1]) == (3, ROWS[0], ROWS[-1])
    assert segments[1:] == ROWS[1:]
    assert ROWS[1] in segments
    assert segments != ROWS[:2]
    with pytest.raises(IndexError):
        segments[3]
    assert list(AlignedSegments.of([])) == []


def test_a_score_of_records_counts_them() -> None:
    score = Score(ROWS, "sclite")
    assert score.segments == ROWS
    assert (score.correct, score.substitutions, score.deletions, score.insertions) == (1, 1, 1, 1)
    assert score.confusions() == [Confusion("B", "C", 1)]
    assert score.deleted() == [Confusion("A", "", 1)]
    assert score.inserted() == [Confusion("", "D", 1)]
    assert [group.name for group in score.by_signer] == ["Anna", "Ben", "unknown"]
    assert score.errors_and_words() == ([2, 1, 0], [2, 1, 0])


def _sentences(rng: random.Random, count: int) -> list[tuple[list[str], list[str]]]:
    pairs = []
    for _ in range(count):
        words = [rng.choice(WORDS) for _ in range(rng.randint(0, 9))]
        said = [word if rng.random() < 0.8 else rng.choice(WORDS) for word in words]
        pairs.append((words, said if rng.random() < 0.9 else []))
    return pairs


def _files(folder: Path, pairs: list[tuple[list[str], list[str]]], copies: int) -> Score:
    """Score files that hold all sentences so many times."""
    with open(folder / "r.stm", "w") as stm, open(folder / "h.ctm", "w") as ctm:
        for copy in range(copies):
            for number, (words, said) in enumerate(pairs):
                name = f"seg-{copy:03d}-{number:03d}"
                stm.write(f"{name} 1 S{number % 3} 0.0 1.79769e+308 {' '.join(words)}\n")
                # A recogniser writes the script's word for nothing, or no line at all.
                for k, word in enumerate(said or ["[EMPTY]"] * (number % 2)):
                    ctm.write(f"{name} 1 {k / 100:.2f} 0.01 {word}\n")
        ctm.write("unknown 1 0.00 0.01 A\n")
    return score_file(folder / "h.ctm", Request(ref=folder / "r.stm"))


def test_a_large_file_is_many_small_ones(tmp_path: Path) -> None:
    pairs = _sentences(random.Random(0), 100)
    few, many = _files(tmp_path, pairs, 1), _files(tmp_path, pairs, 150)
    assert [segment.ops for segment in many.segments] == 150 * [s.ops for s in few.segments]
    assert [segment[1:] for segment in many.segments[-100:]] == [s[1:] for s in few.segments]
    assert many.errors == 150 * few.errors
    for all_of, some_of in zip(
        (many.confusions(), many.deleted(), many.inserted()),
        (few.confusions(), few.deleted(), few.inserted()),
        strict=True,
    ):
        assert all_of == [row._replace(count=150 * row.count) for row in some_of]
    # The same notices, but for how many there are.
    assert len(many.warnings) == len(few.warnings) > 2
    assert any("[EMPTY]" in notice for notice in many.warnings)


def test_python_values_are_files(tmp_path: Path) -> None:
    pairs = _sentences(random.Random(1), 100)
    score = _files(tmp_path, pairs, 1)
    names = [segment.id for segment in score.segments]
    references = {name: words for name, (words, _) in zip(names, pairs, strict=True)}
    hypotheses = {name: said for name, (_, said) in zip(names, pairs, strict=True)}
    lists = slaeval.score(references, hypotheses)
    texts = slaeval.score(
        {name: " ".join(words) for name, words in references.items()},
        {name: " ".join(words) for name, words in hypotheses.items()},
    )
    assert lists.segments == texts.segments
    assert [segment.ops for segment in lists.segments] == [s.ops for s in score.segments]
    assert lists.signature == texts.signature


TIDY = "a 1 0.00 0.01 X\na 1 0.01 0.01 Y\nb 1 0.00 0.01 Z\n"


@pytest.mark.parametrize(
    "text",
    [
        TIDY.replace("a 1", "a  1"),
        TIDY.replace("a 1", "a\t1"),
        TIDY.replace("X\n", "X \n"),
        TIDY.replace("X\n", "X 0.9\n"),
        ";; comment\n" + TIDY,
        "\n" + TIDY.replace("\n", "\n\n"),
        TIDY.rstrip("\n"),
        TIDY.replace("0.01 0.01 Y", "0.00 0.01 Y"),
        TIDY.replace("0.01 0.01 Y", "10.00 0.01 Y"),
    ],
)
def test_an_untidy_ctm_holds_the_same_words(text: str) -> None:
    assert parse_ctm(text).words == parse_ctm(TIDY).words == {"a": ["X", "Y"], "b": ["Z"]}
