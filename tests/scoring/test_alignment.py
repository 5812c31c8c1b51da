"""Alignment: sclite's paths, whatever computes them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_alignment import cost_of, reference_path
from slaeval.scoring import kernels
from slaeval.scoring.alignment import align, count

ENGINES = ("python", "numba")
WORDS = st.lists(st.sampled_from(["A", "a", "B", "b", "Ü", "ü", "X"]), max_size=12)
PAIRS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6)
TIES = st.sampled_from(["insertion", "deletion"])


@pytest.mark.parametrize("engine", ENGINES)
def test_paths_of_sclite(engine, golden: Path) -> None:
    pairs = [json.loads(line) for line in (golden / "random_pairs.jsonl").read_text().splitlines()]
    references = [pair["ref"].split() for pair in pairs]
    hypotheses = [pair["hyp"].split() for pair in pairs]
    answers = [pair["ops"] for pair in pairs]
    assert len(answers) == 6000
    assert align(references, hypotheses, engine=engine) == answers
    found = count(references, hypotheses, engine=engine)
    assert [list(map(int, column)) for column in found] == [
        [answer.count(op) for answer in answers] for op in "SDI"
    ]


@settings(max_examples=300, deadline=None)
@given(PAIRS, st.booleans(), TIES)
def test_every_engine_gives_the_definition(pairs, fold, ties) -> None:
    references, hypotheses = [a for a, _ in pairs], [b for _, b in pairs]
    expected = [reference_path(a, b, fold, ties == "insertion") for a, b in pairs]
    for engine in ENGINES:
        options = {"fold": fold, "ties": ties, "engine": engine}
        assert align(references, hypotheses, **options) == expected
        found = count(references, hypotheses, **options)
        for column, op in zip(found, "SDI", strict=True):
            assert list(column) == [path.count(op) for path in expected]


@settings(deadline=None)
@given(WORDS, WORDS)
def test_swapping_sides_keeps_the_cost(one, other) -> None:
    [path], [swapped] = align([one], [other]), align([other], [one])
    assert cost_of(path) == cost_of(swapped)
    assert path.count("D") - path.count("I") == swapped.count("I") - swapped.count("D")


@given(WORDS)
def test_a_text_against_itself(words) -> None:
    assert align([words], [words]) == ["C" * len(words)]
    assert align([words], [[]]) == ["D" * len(words)]
    assert align([[]], [words]) == ["I" * len(words)]


def test_folding_is_ascii_only() -> None:
    assert align([["Regen", "SÜDEN"]], [["REGEN", "süden"]]) == ["CS"]
    assert align([["Regen"]], [["REGEN"]], fold=False) == ["S"]


def test_two_sides_of_different_length_are_refused() -> None:
    for engine in ("auto", "python", "numba"):
        with pytest.raises(ValueError):
            align([["A"]], [], engine=engine)


def _random_pairs(rng: random.Random, lengths) -> tuple[list[list[str]], list[list[str]]]:
    return tuple(
        [[rng.choice("ABCDEFG") for _ in range(length)] for length in lengths] for _ in range(2)
    )


def test_counts_at_the_borders_of_the_lanes() -> None:
    rng = random.Random(3)
    # Lengths around the longest that fits 16 bits, full and part-filled groups of lanes.
    lengths = [rng.choice([0, 1, 2, 8, 30, 31, 32, 33, 70]) for _ in range(700)]
    references, hypotheses = _random_pairs(rng, lengths)
    rng.shuffle(hypotheses)
    references += [["A"] * 31] * 65 + [["A"] * 31]
    hypotheses += [["B"] * 31] * 65 + [["B"] * 31]
    for ties in ("insertion", "deletion"):
        paths = align(references, hypotheses, engine="python", ties=ties)
        found = count(references, hypotheses, engine="numba", ties=ties)
        for column, op in zip(found, "SDI", strict=True):
            assert column.tolist() == [path.count(op) for path in paths]


def test_parallel_is_serial_and_order_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 40, (2, 500))
    words = [rng.integers(0, 70_000, total).astype(np.int32) % 9 for total in lengths.sum(axis=1)]
    first = [np.concatenate([[0], np.cumsum(side)]) for side in lengths]
    task = (words[0], first[0], words[1], first[1])
    serial = kernels.count_many(*task, parallel=False)
    assert (kernels.count_many(*task, parallel=True) == serial).all()
    wide = (words[0] + 70_000, first[0], words[1] + 70_000, first[1])
    assert (kernels.count_many(*wide) == serial).all()  # numbers that do not fit 16 bits


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(0, 2), max_size=20),
    st.lists(st.integers(0, 2), max_size=20),
    st.booleans(),
    st.sampled_from([0, 4, 30]),
)
def test_a_long_pair_in_halves_takes_the_same_path(one, other, insertion_first, table) -> None:
    left, right = np.array(one, np.int32), np.array(other, np.int32)
    expected = reference_path(list(map(str, one)), list(map(str, other)), False, insertion_first)
    assert kernels.align_long(left, right, insertion_first, table).decode() == expected


def test_large_pairs_among_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slaeval.scoring.alignment._LARGE_PAIR", 50)
    references, hypotheses = _random_pairs(random.Random(5), [3, 20, 4, 9, 30, 2])
    assert align(references, hypotheses, engine="numba") == align(
        references, hypotheses, engine="python"
    )


def test_auto_takes_the_engine_that_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    references, hypotheses = _random_pairs(random.Random(5), [30] * 8)
    plain = align(references, hypotheses)
    monkeypatch.setattr("slaeval.scoring.alignment.WORTH_COMPILING", 10)
    monkeypatch.setattr("slaeval.scoring.alignment._path", None)  # would fail if it were used
    assert align(references, hypotheses) == plain


def test_without_a_place_for_compiled_code_it_still_runs() -> None:
    code = (
        "import numba.core.caching as caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "from slaeval.scoring.alignment import align\n"
        "print(align([['A', 'B']], [['A', 'C']], engine='numba'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "['CS']\n", done.stderr
