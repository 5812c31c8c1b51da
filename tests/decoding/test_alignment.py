"""Forced alignment against all paths."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_decoding import best_path, spans_of

from slaeval.decoding import InfeasibleError, align, confidences, decode
from slaeval.errors import InputError

Array = np.ndarray[Any, Any]


@st.composite
def task(draw: st.DrawFn) -> tuple[Array, list[int]]:
    classes = draw(st.integers(2, 4))
    steps = draw(st.integers(0, 5))
    weights = st.sampled_from([0.0, 1.0, 2.0, 4.0, 16.0])
    rows = st.lists(weights, min_size=classes, max_size=classes).filter(any)
    # Powers of two: sums of their logarithms are exact, and ties are ties.
    values = np.array([draw(rows) for _ in range(steps)]).reshape(steps, classes) / 64
    with np.errstate(divide="ignore"):
        values = np.log2(values).astype(np.float32)
    return values, draw(st.lists(st.integers(1, classes - 1), max_size=4))


@given(task())
@settings(max_examples=250)
def test_best_of_all_paths(drawn: tuple[Array, list[int]]) -> None:
    values, labels = drawn
    best, paths = best_path(values, tuple(labels))
    if best == -np.inf:
        with pytest.raises(InfeasibleError):
            align(values, labels)
        return
    spans = align(values, labels)
    assert spans in [spans_of(path) for path in paths]
    assert spans == spans_of(min(paths, key=_backwards))


def _backwards(path: tuple[int, ...]) -> tuple[int, ...]:
    """Sort paths as ties are broken: end on the last label, then stay rather than move."""
    state, states = 0, []
    for before, label in itertools.pairwise((0, *path)):
        if label != before:
            state += 2 if before and label else 1
        states.append(state)
    *others, last = states or [0]
    return (last, *(-state for state in reversed(others)))


def test_long_sentence() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = rng.standard_normal((60, 12)).astype(np.float32)
        values -= np.log(np.exp(values).sum(-1, keepdims=True))
        (labels,) = decode(values[None], merge_repeats=False)
        labels += [labels[-1]] if labels else []
        spans = align(values, labels)
        assert len(spans) == len(labels)
        assert all(start < end for start, end in spans)
        for (left, right), ((_, end), (start, _)) in zip(
            itertools.pairwise(labels), itertools.pairwise(spans), strict=True
        ):
            assert start >= end + (left == right)
        sure = confidences(values, labels, spans)
        for label, (start, end), mean in zip(labels, spans, sure, strict=True):
            assert mean == pytest.approx(float(np.exp(values[start:end, label]).mean()), rel=1e-5)
            assert 0 < mean <= 1


def test_smallest_sizes() -> None:
    assert align(np.zeros((0, 3), np.float32), []) == []
    assert align(np.zeros((4, 1), np.float32), []) == []
    assert align(np.log(np.array([[0.5, 0.5]])), [1]) == [(0, 1)]
    assert confidences(np.log(np.array([[0.5, 0.5]])), [1], [(0, 1)]) == [pytest.approx(0.5)]
    assert confidences(np.zeros((0, 3)), [], []) == []


def test_too_few_steps() -> None:
    values = np.log(np.full((3, 3), 1 / 3))
    assert align(values, [1, 2, 1]) == [(0, 1), (1, 2), (2, 3)]
    assert align(values, [2, 2]) == [(0, 1), (2, 3)]
    with pytest.raises(ValueError, match=r"3 labels need at least 4 steps .* there are 3"):
        align(values, [1, 1, 2])
    values[:, 0] = -np.inf
    with pytest.raises(ValueError, match="has probability 0"):
        align(values, [2, 2])


def test_bad_input() -> None:
    values = np.log(np.full((3, 3), 1 / 3))
    for label in (0, 3, -1):
        with pytest.raises(InputError, match=f"label {label} is not a gloss; expected 1 to 2"):
            align(values, [label])
    with pytest.raises(InputError, match="whole numbers"):
        align(values, [1.5])  # type: ignore[list-item]
    with pytest.raises(InputError, match="expected floats"):
        align(values[None], [1])
    for span in [(0, 0), (2, 4), (-1, 1)]:
        with pytest.raises(InputError, match="is not within 3 steps"):
            confidences(values, [1], [span])
    with pytest.raises(InputError, match="1 spans for 2 labels"):
        confidences(values, [1, 2], [(0, 1)])
    values[1, 2] = np.nan
    with pytest.raises(InputError, match="step 1: class 2 has log probability nan"):
        align(values, [1])
    values[1, 2] = 2
    with pytest.raises(InputError, match="log-softmax"):
        align(values, [1])
