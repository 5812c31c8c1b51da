"""Greedy and beam search against definition, other code and bad input."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_decoding import beam, probabilities, probability

from slaeval.decoding import Decoding, decode
from slaeval.errors import InputError, UsageError

Array = np.ndarray[Any, Any]


def log_softmax(logits: Array) -> Array:
    logits = logits - logits.max(-1, keepdims=True)
    return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(np.float32)


def random_batch(batch: int, steps: int, classes: int, seed: int, scale: float = 2.0) -> Array:
    rng = np.random.default_rng(seed)
    return log_softmax(rng.standard_normal((batch, steps, classes)) * scale)


@st.composite
def tiny(draw: st.DrawFn) -> Array:
    """Probabilities of at most 1024 paths, some of them zero, many of them equal."""
    classes = draw(st.integers(1, 4))
    steps = draw(st.integers(0, 5))
    weights = st.sampled_from([0.0, 1.0, 1.0, 2.0, 3.0, 10.0, 1e-6])
    rows = st.lists(weights, min_size=classes, max_size=classes).filter(any)
    values = np.array([draw(rows) for _ in range(steps)]).reshape(steps, classes)
    with np.errstate(divide="ignore"):
        return np.log(values / values.sum(1, keepdims=True)).astype(np.float32)


@given(tiny())
@settings(max_examples=150)
def test_wide_beam_is_exact(values: Array) -> None:
    (found,) = decode(values[None], width=5000, tokens=None, merge_repeats=False)
    all_ = probabilities(values)
    assert all_[tuple(found)] == pytest.approx(max(all_.values()), rel=1e-6)


@given(tiny(), st.integers(1, 6))
@settings(max_examples=150)
def test_narrow_beam_is_never_worse_than_plain_python(values: Array, width: int) -> None:
    # Ties are broken otherwise there, and a tie can cost: noise makes all prefixes differ.
    rng = np.random.default_rng(0)
    values = log_softmax(np.maximum(values, -30) + rng.random(values.shape) * 0.1)
    (found,) = decode(values[None], width=width, tokens=None, merge_repeats=False)
    expected = beam(values, width)
    assert probability(values, tuple(found)) >= probability(values, expected) - 1e-6


@pytest.mark.parametrize("width", [1, 3, 10])
@pytest.mark.parametrize("scale", [0.5, 2.0, 6.0])
def test_beam_equals_plain_python_on_sentences(width: int, scale: float) -> None:
    values = random_batch(12, 20, 9, seed=width, scale=scale)
    found = decode(values, width=width, tokens=None, merge_repeats=False)
    assert found == [list(beam(row, width)) for row in values]


def test_prefix_that_fell_out_and_came_back_meets_its_descendants() -> None:
    # Many long sentences with few classes: prefixes leave and return all the time.
    values = random_batch(60, 40, 3, seed=5, scale=1.0)
    found = decode(values, width=4, tokens=None, merge_repeats=False)
    assert found == [list(beam(row, 4)) for row in values]


def test_reference_counts_as_torch_does() -> None:
    torch = pytest.importorskip("torch")
    values = random_batch(1, 9, 5, seed=3)[0]
    for labels in [(), (1,), (2, 2), (1, 4, 3), (3, 3, 3, 3)]:
        loss = torch.nn.functional.ctc_loss(
            torch.from_numpy(values)[:, None].double(),
            torch.tensor([labels], dtype=torch.long),
            torch.tensor([9]),
            torch.tensor([len(labels)]),
            reduction="sum",
        )
        assert probability(values, labels) == pytest.approx(-loss.item(), rel=1e-6)


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_beam_equals_flashlight_where_wide(scale: float) -> None:
    pytest.importorskip("flashlight.lib.text.decoder")
    values = random_batch(10, 8, 4, seed=11, scale=scale)
    found = decode(values, width=5000, tokens=None, merge_repeats=False)
    assert found == [flashlight(row, 20000, 4) for row in values]


def test_beam_is_not_worse_than_flashlight_at_the_same_width() -> None:
    pytest.importorskip("flashlight.lib.text.decoder")
    values = random_batch(40, 35, 100, seed=2, scale=2.5)
    ours = decode(values, width=10, tokens=20, merge_repeats=False)
    theirs = [flashlight(row, 10, 20) for row in values]
    gain = [
        probability(row, tuple(a)) - probability(row, tuple(b))
        for row, a, b in zip(values, ours, theirs, strict=True)
    ]
    # It keeps a prefix twice, ending on a blank and not, so its 10 are fewer prefixes.
    assert min(gain) >= -1e-6 or np.mean(gain) > 0
    assert np.mean(np.array(gain) >= -1e-6) >= 0.9


def flashlight(values: Array, width: int, tokens: int) -> list[int]:
    """Decode one sequence with flashlight-text, without lexicon and language model."""
    from flashlight.lib.text.decoder import (
        CriterionType,
        LexiconFreeDecoder,
        LexiconFreeDecoderOptions,
        ZeroLM,
    )

    options = LexiconFreeDecoderOptions(width, tokens, 1e9, 0.0, 0.0, True, CriterionType.CTC)
    decoder = LexiconFreeDecoder(options, ZeroLM(), -1, 0, [])
    values = np.ascontiguousarray(values)
    best = decoder.decode(values.ctypes.data, *values.shape)[0].tokens
    return [key for key, _ in itertools.groupby(best) if key > 0]


@pytest.mark.parametrize("method", ["beam", "greedy"])
def test_answer_does_not_depend_on_the_batch(method: Any) -> None:
    values = random_batch(16, 30, 50, seed=7)
    lengths = np.random.default_rng(1).integers(0, 31, 16)
    together = decode(values, lengths, method)
    for row, length in enumerate(lengths):
        assert decode(values[row : row + 1, :length], None, method) == [together[row]]
    order = np.random.default_rng(2).permutation(16)
    assert decode(values[order], lengths[order], method) == [together[row] for row in order]
    # What lies behind a sequence is not looked at.
    for row, length in enumerate(lengths):
        values[row, length:] = np.nan
    assert decode(values, lengths, method) == together


@given(tiny())
@settings(max_examples=60)
def test_greedy_spells_the_best_path(values: Array) -> None:
    path = [int(np.argmax(frame)) for frame in values]
    spelled = [key for key, _ in itertools.groupby(path) if key]
    assert decode(values[None], method="greedy", merge_repeats=False) == [spelled]
    merged = [key for key, _ in itertools.groupby(spelled)]
    assert decode(values[None], method="greedy") == [merged]


@pytest.mark.parametrize("method", ["beam", "greedy"])
def test_repeats_stay_only_where_asked(method: Any) -> None:
    values = np.full((1, 3, 3), 0.01)
    values[0, [0, 1, 2], [2, 0, 2]] = 0.98
    values = np.log(values)
    assert decode(values, method=method, merge_repeats=False) == [[2, 2]]
    assert decode(values, method=method) == [[2]]


@pytest.mark.parametrize("method", ["beam", "greedy"])
def test_smallest_sizes(method: Any) -> None:
    assert decode(np.zeros((0, 5, 4), np.float32), method=method) == []
    assert decode(np.zeros((2, 0, 4), np.float32), method=method) == [[], []]
    assert decode(np.zeros((2, 7, 1), np.float32), method=method) == [[], []]
    one = np.log(np.array([[[0.1, 0.9]]]))
    assert decode(one, [1], method) == [[1]]
    assert decode(one, [0], method) == [[]]


def test_beam_sums_where_greedy_does_not() -> None:
    values = np.log(np.array([[[0.6, 0.4], [0.6, 0.4]]]))
    assert decode(values, method="greedy") == [[]]  # 0.36 against 0.16 + 0.24 + 0.24
    assert decode(values, method="beam") == [[1]]


def test_ties_go_to_the_smaller_class_and_to_staying() -> None:
    even = np.log(np.full((1, 1, 5), 0.2, np.float32))
    assert decode(even) == [[]]
    assert decode(even, method="greedy") == [[]]
    even[0, 0, 0] = -np.inf
    assert decode(even, width=1, tokens=1) == [[1]]
    assert decode(even, method="greedy") == [[1]]
    values = random_batch(4, 12, 6, seed=1)
    values = np.repeat(values[:, :, :1], 6, 2)  # all classes equal, at every step
    values -= np.log(np.exp(values).sum(-1, keepdims=True))
    assert len({tuple(row) for row in decode(values)}) == 1


def test_tokens_cut_off_by_rank_and_by_probability() -> None:
    values = random_batch(20, 15, 30, seed=9, scale=1.0)
    all_ = decode(values, tokens=None)
    assert decode(values, tokens=29) == decode(values, tokens=10**9) == all_
    assert decode(values, token_log_prob=-1e9, tokens=None) == all_
    # Each step leaves its likeliest gloss, whatever the bound.
    assert decode(values, tokens=1) == decode(values, tokens=None, token_log_prob=0.0)
    assert decode(values, tokens=1) != all_
    masked = values.copy()
    for frame in masked.reshape(-1, 30):
        frame[1:][np.argsort(-frame[1:], kind="stable")[10:]] = -np.inf
    # Repeating the last gloss is free, so a mask on the input cuts off a little more.
    same = [a == b for a, b in zip(decode(values, tokens=10), decode(masked), strict=True)]
    assert np.mean(same) > 0.7


@pytest.mark.parametrize("kind", [np.float16, np.float64, ">f4"])
def test_other_floats_and_layouts(kind: Any) -> None:
    values = random_batch(3, 10, 6, seed=4)
    assert decode(np.asfortranarray(values.astype(kind))) == decode(values.astype(kind))
    assert decode(values[::-1]) == decode(values)[::-1]
    tensor = pytest.importorskip("torch").from_numpy(values)
    assert decode(tensor) == decode(values)


@pytest.mark.parametrize("method", ["beam", "greedy"])
def test_no_probability_names_the_sequence(method: Any) -> None:
    good = random_batch(3, 6, 5, seed=4)
    for value, message in [
        (np.nan, "sequence 1, step 4: class 2 has log probability nan"),
        (np.inf, "sequence 1, step 4: class 2 has log probability inf, above 0"),
        (3.0, "log-softmax"),
    ]:
        values = good.copy()
        values[1, 4, 2] = value
        with pytest.raises(InputError, match=message):
            decode(values, method=method)
        with pytest.raises(InputError, match="sequence 'b'"):
            decode(values, method=method, ids=["a", "b", "c"])
        assert decode(values, [6, 4, 6], method) == decode(good, [6, 4, 6], method)
    values = good.copy()
    values[2, 0] = -np.inf
    with pytest.raises(InputError, match="sequence 2, step 0: every class"):
        decode(values, method=method)


def test_shapes_and_lengths_that_do_not_fit() -> None:
    values = random_batch(2, 4, 3, seed=0)
    for wrong in (values[0], values.astype(int), np.zeros((2, 3, 0)), "abc"):
        with pytest.raises(InputError, match="expected floats"):
            decode(wrong)
    for lengths in ([4], [4.0, 4.0], [[4, 4]]):
        with pytest.raises(InputError, match="expected 2 whole numbers"):
            decode(values, lengths)
    with pytest.raises(InputError, match="sequence 1 has length 5; expected 0 to 4"):
        decode(values, [4, 5])
    with pytest.raises(InputError, match="sequence 'x' has length -1"):
        decode(values, [-1, 4], ids=["x", "y"])
    with pytest.raises(InputError, match="1 ids for 2 sequences"):
        decode(values, ids=["x"])


def test_settings_travel() -> None:
    for chosen, text in [
        (Decoding(), "beam10+merged"),
        (Decoding("greedy", merge_repeats=False), "greedy"),
        (Decoding(width=50, tokens=None), "beam50tall+merged"),
        (Decoding(tokens=40, token_log_prob=-7.5, merge_repeats=False), "beam10t40p-7.5"),
    ]:
        assert str(chosen) == text
        assert Decoding.from_dict(chosen.to_dict()) == chosen
        assert decode(random_batch(1, 4, 4, seed=0), **chosen.to_dict())
    assert Decoding.from_dict({}) == Decoding()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widht": 3}, "did you mean 'width'"),
        ({"method": "bean"}, "did you mean 'beam'"),
        ({"width": 0}, "1 or more"),
        ({"width": True}, "1 or more"),
        ({"tokens": 2.5}, "or None for all"),
        ({"merge_repeats": 1}, "true or false"),
        ({"token_log_prob": "x"}, "a number"),
        ({"token_log_prob": -math.inf}, "a number"),
        ([], "expected a dict"),
    ],
)
def test_settings_that_cannot_be_meant(values: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Decoding.from_dict(values)
    if values and "widht" not in values:
        with pytest.raises(UsageError):
            decode(random_batch(1, 4, 4, seed=0), **values)


def test_settings_need_no_numba() -> None:
    code = (
        "import sys; from slaeval.decoding import Decoding; Decoding(); "
        "print(sorted({'numba', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
