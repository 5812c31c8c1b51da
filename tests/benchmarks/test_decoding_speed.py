"""Speed of decoding beside flashlight-text and plain Python, in one run on one core.

``pytest tests/benchmarks/test_decoding_speed.py --benchmark-enable``

35 steps and 1,296 classes, as for Phoenix 2014: the shape a test set is decoded in. Sentences a
second are kept as ``extra_info`` and printed with ``-s``.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from reference_decoding import beam

from slaeval.decoding import align, decode

Array = np.ndarray[Any, Any]

SENTENCES, STEPS, CLASSES, WIDTH, TOKENS = 200, 35, 1296, 10, 10


@pytest.fixture(scope="module", params=["peaked", "flat"])
def batch(request: pytest.FixtureRequest) -> Array:
    """Posteriors as a trained model gives them, and as one at its start."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((SENTENCES, STEPS, CLASSES)).astype(np.float32)
    if request.param == "peaked":
        best = rng.integers(1, CLASSES, (SENTENCES, STEPS, 1))
        best[rng.random(best.shape) < 0.5] = 0
        np.put_along_axis(logits, best, 10, 2)
    logits -= np.log(np.exp(logits).sum(2, keepdims=True))
    return logits


def _report(benchmark: Any, sentences: int = SENTENCES) -> None:
    if benchmark.stats is not None:
        rate = sentences / benchmark.stats.stats.median
        benchmark.extra_info["sentences a second"] = round(rate)
        print(f" {rate:,.0f} sentences/s")


@pytest.mark.benchmark(group="decode 200 sentences")
def test_beam(benchmark: Any, batch: Array) -> None:
    decode(batch[:1], tokens=TOKENS)
    found = benchmark(decode, batch, width=WIDTH, tokens=TOKENS)
    assert len(found) == SENTENCES
    _report(benchmark)
    if benchmark.stats is not None:
        # The best of all rounds: what a busy machine takes away is not the code's.
        assert SENTENCES / benchmark.stats.stats.min > 2000


@pytest.mark.benchmark(group="decode 200 sentences")
def test_beam_as_shipped(benchmark: Any, batch: Array) -> None:
    benchmark(decode, batch)
    _report(benchmark)


@pytest.mark.benchmark(group="decode 200 sentences")
def test_beam_flashlight(benchmark: Any, batch: Array) -> None:
    flashlight = pytest.importorskip("flashlight.lib.text.decoder")
    options = flashlight.LexiconFreeDecoderOptions(
        WIDTH, TOKENS, 1e9, 0.0, 0.0, True, flashlight.CriterionType.CTC
    )
    decoder = flashlight.LexiconFreeDecoder(options, flashlight.ZeroLM(), -1, 0, [])

    def run() -> list[list[int]]:
        found = []
        for row in batch:
            best = decoder.decode(row.ctypes.data, STEPS, CLASSES)[0].tokens
            found.append([key for key, _ in itertools.groupby(best) if key > 0])
        return found

    assert len(benchmark(run)) == SENTENCES
    _report(benchmark)


@pytest.mark.benchmark(group="decode 200 sentences")
def test_greedy(benchmark: Any, batch: Array) -> None:
    benchmark(decode, batch, method="greedy")
    _report(benchmark)


@pytest.mark.slow
@pytest.mark.benchmark(group="decode 2 sentences")
def test_beam_plain_python(benchmark: Any, batch: Array) -> None:
    def run() -> None:
        for row in batch[:2]:
            beam(row, WIDTH)

    benchmark.pedantic(run, rounds=3)
    _report(benchmark, 2)


@pytest.mark.benchmark(group="align 200 sentences")
def test_align(benchmark: Any, batch: Array) -> None:
    labels = decode(batch)

    def run() -> None:
        for row, found in zip(batch, labels, strict=True):
            align(row, found)

    benchmark(run)
    _report(benchmark)
