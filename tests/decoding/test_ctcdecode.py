"""ctcdecode's calls: what its C++ core (commit of June 2021, compiled alone) answered."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from reference_decoding import probabilities

from slaeval.decoding import CTCDECODE, CTCBeamDecoder, Decoding, decode
from slaeval.errors import InputError, UsageError

Array = np.ndarray[Any, Any]


def regular() -> Array:
    """Return probabilities of two sequences, nine steps, six classes."""
    t, v, b = np.ogrid[0:9, 0:6, 0:2]
    values = (((7 * t + 3 * v + b) ** 2 % 11) + 1 + 0.1 * v).transpose(2, 0, 1)
    scaled: Array = (values / values.sum(-1, keepdims=True)).astype(np.float32)
    return scaled


# Of both sequences (9 and 6 steps): score, classes, steps of each of four beams.
RECORDED = {
    (40, 0): [
        [
            (8.73812675, [1, 4, 5, 4, 3, 2], [0, 1, 3, 5, 7, 8]),
            (8.7543869, [1, 4, 5, 4, 3, 1], [0, 1, 3, 5, 7, 8]),
            (8.87627697, [1, 4, 5, 4, 3, 4], [0, 1, 3, 5, 7, 8]),
            (9.05859852, [1, 4, 5, 4, 3, 5], [0, 1, 3, 5, 7, 8]),
        ],
        [
            (5.46904564, [2, 1, 4], [0, 3, 4]),
            (5.84198999, [2, 5, 4], [0, 2, 4]),
            (6.32091856, [2, 5, 1], [0, 2, 3]),
            (6.3899622, [2, 1], [0, 3]),
        ],
    ],
    (3, 5): [
        [
            (9.5673418, [1, 4, 3, 4, 3, 2], [0, 1, 3, 5, 6, 8]),
            (9.58360195, [1, 4, 3, 4, 3, 1], [0, 1, 3, 5, 6, 8]),
            (9.70549202, [1, 4, 3, 4, 3, 4], [0, 1, 3, 5, 6, 8]),
            (9.80308437, [1, 4, 3, 2, 3, 2], [0, 1, 3, 5, 7, 8]),
        ],
        [
            (6.18185234, [2, 0, 1, 4], [1, 1, 3, 4]),
            (6.43649435, [2, 0, 1, 4, 0], [1, 1, 3, 4, 5]),
            (6.48576546, [2, 0, 1, 0], [1, 1, 3, 4]),
            (6.513587, [1, 0, 1, 4], [0, 1, 3, 4]),
        ],
    ],
}


@pytest.mark.parametrize("setting", RECORDED)
@pytest.mark.parametrize("logarithms", [False, True])
def test_as_recorded(setting: tuple[int, int], logarithms: bool) -> None:
    decoder = CTCBeamDecoder(
        [chr(20000 + n) for n in range(6)],
        beam_width=4,
        cutoff_top_n=setting[0],
        blank_id=setting[1],
        num_processes=10,
        log_probs_input=logarithms,
    )
    probs = regular()
    results, scores, steps, lengths = decoder.decode(
        np.log(probs) if logarithms else probs, np.array([9, 6])
    )
    assert results.shape == steps.shape == (2, 4, 9)
    assert scores.shape == lengths.shape == (2, 4)
    assert {array.dtype for array in (results, steps, lengths)} == {np.dtype(np.int32)}
    for row, beams in enumerate(RECORDED[setting]):
        for place, (score, classes, at) in enumerate(beams):
            length = lengths[row, place]
            assert results[row, place, :length].tolist() == classes
            # Where room is left, ctcdecode keeps prefixes of probability zero, and looks for the
            # likeliest step of a class where it cannot have been said.
            if setting == (40, 0):
                assert steps[row, place, :length].tolist() == at
            assert scores[row, place] == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("blank", [0, 1, 3])
def test_scores_are_probabilities(blank: int) -> None:
    rng = np.random.default_rng(blank)
    probs = rng.dirichlet(np.ones(4), size=(1, 5)).astype(np.float32)
    results, scores, _, lengths = CTCBeamDecoder("abcd", beam_width=500, blank_id=blank).decode(
        probs
    )
    order = [blank, *(n for n in range(4) if n != blank)]
    expected = probabilities(np.log(probs[0][:, order]))
    found = {
        tuple(results[0, place, : lengths[0, place]].tolist()): math.exp(-scores[0, place])
        for place in range(500)
        if np.isfinite(scores[0, place])
    }
    by_definition = {
        tuple(order[label] for label in labels): value for labels, value in expected.items()
    }
    assert found.keys() == by_definition.keys()
    assert found == pytest.approx(by_definition, rel=1e-4)
    assert (np.diff(scores[0][np.isfinite(scores[0])]) >= 0).all()


def test_the_first_beam_is_that_of_decode() -> None:
    rng = np.random.default_rng(3)
    log_probs = np.log(rng.dirichlet(np.full(60, 0.1), size=(8, 30)) + 1e-9).astype(np.float32)
    results, _, _, lengths = CTCBeamDecoder(
        range(60),
        beam_width=10,
        log_probs_input=True,
        cutoff_top_n=60,  # type: ignore[arg-type]
    ).decode(log_probs)
    best = [results[row, 0, : lengths[row, 0]].tolist() for row in range(8)]
    assert best == decode(log_probs, tokens=None, merge_repeats=False)


def test_as_vac_decodes() -> None:
    """utils/decode.py of VAC and its descendants, with tensors in and out."""
    torch = pytest.importorskip("torch")
    probs = torch.from_numpy(regular())
    decoder = CTCBeamDecoder([chr(n) for n in range(20000, 20006)], beam_width=10, blank_id=0,
                             num_processes=10)  # fmt: skip
    for lengths in (torch.tensor([9, 6]), torch.tensor([9.0, 6.0]), torch.IntTensor([9, 6])):
        result, scores, _, out_lens = decoder.decode(probs, lengths)
        first = result[0][0][: out_lens[0][0]]
        assert torch.stack(list(first)).tolist() == [1, 4, 5, 4, 3, 1]
        assert (result.dtype, scores.dtype) == (torch.int32, torch.float32)
    assert decoder.decode(probs.half())[0].shape == (2, 10, 9)


def test_numpy_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, slaeval.decoding as ctcdecode\n"
        "decoder = ctcdecode.CTCBeamDecoder('_ab', beam_width=2)\n"
        "print(decoder.decode(np.array([[[.1, .8, .1], [.8, .1, .1], [.1, .1, .8]]]))[0][0, 0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[1 2 0]\n", done.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model_path": "lm.arpa"}, "language model"),
        ({"cutoff_prob": 0.99}, "cutoff_prob"),
        ({"beam_width": 0}, "beam_width is 0"),
        ({"blank_id": 6}, "blank_id is 6; expected 0 to 5"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CTCBeamDecoder("abcdef", **settings)


def test_input_that_cannot_be_meant() -> None:
    decoder = CTCBeamDecoder("abcdef")
    with pytest.raises(InputError, match="outside 0 to 1; apply a softmax"):
        decoder.decode(np.log(regular()))
    with pytest.raises(InputError, match=r"shape \(2, 9, 5\); expected \(sequences, steps, 6\)"):
        decoder.decode(regular()[:, :, :5])
    broken = regular()
    broken[1, 2, 3] = np.nan
    with pytest.raises(InputError, match="nan"):
        decoder.decode(broken)


@pytest.mark.parametrize("seed", range(20))
def test_the_settings_of_that_name_decode_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (3, 12, 60)).astype(np.float32)
    probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    lengths = rng.integers(1, 13, 3)
    decoder = CTCBeamDecoder([str(n) for n in range(60)], beam_width=10)
    results, _, _, sizes = decoder.decode(probs, lengths)
    theirs = [results[row, 0, : sizes[row, 0]].tolist() for row in range(3)]
    settings = {**CTCDECODE.to_dict(), "merge_repeats": False}
    assert decode(np.log(probs), lengths, **settings) == theirs


def test_the_blank_counts_among_the_classes() -> None:
    # The blank is third of three in the middle step, where two classes are looked at: without
    # it, the two likely glosses of the ends cannot be two.
    probs = np.array([[[0.1, 0.8, 0.1], [0.1, 0.6, 0.3], [0.1, 0.8, 0.1]]], np.float32)
    assert decode(np.log(probs), tokens=2, pruning="ctcdecode", merge_repeats=False) == [[1]]
    assert str(CTCDECODE) == "beam10ctcdecode40+merged"
    with pytest.raises(UsageError, match="did you mean 'ctcdecode'"):
        Decoding(pruning="ctcdecoder")  # type: ignore[arg-type]
