"""Speed, side by side in one run.

``pytest tests/benchmarks --benchmark-enable --benchmark-disable-gc``
"""

from __future__ import annotations

import random

import numpy as np
import pytest

import slaeval
from slaeval.scoring import kernels
from slaeval.scoring.alignment import align, count
from slaeval.scoring.intervals import bootstrap, linearised

levenshtein = pytest.importorskip("rapidfuzz.distance").Levenshtein


def _corpus(pairs: int) -> tuple[list[list[str]], list[list[str]]]:
    rng = random.Random(0)
    words = [f"GLOSS{n}" for n in range(1100)]
    references, hypotheses = [], []
    for _ in range(pairs):
        reference = rng.choices(words, k=max(1, min(30, round(rng.gauss(8, 3)))))
        hypothesis = []
        for word in reference:
            chance = rng.random()
            if chance >= 0.08:
                hypothesis.append(rng.choice(words) if chance < 0.18 else word)
            if rng.random() < 0.06:
                hypothesis.append(rng.choice(words))
        references.append(reference)
        hypotheses.append(hypothesis)
    return references, hypotheses


@pytest.fixture(scope="module")
def lists() -> tuple[list[list[str]], list[list[str]]]:
    return _corpus(31_168)


@pytest.fixture(scope="module")
def numbers() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    first = np.concatenate([[0], np.cumsum(rng.poisson(7, 1_000_000) + 1)])
    left = rng.integers(0, 1100, first[-1]).astype(np.int32)
    kept = rng.random(left.size) > 0.08
    other = rng.integers(0, 1100, left.size)
    right = np.where(rng.random(left.size) < 0.1, other, left).astype(np.int32)[kept]
    second = np.concatenate([[0], np.cumsum(kept)])[first]
    return left, first, right, second


@pytest.mark.benchmark(group="31,168 pairs from lists")
def test_count_from_lists(benchmark, lists) -> None:
    benchmark(count, *lists, engine="numba")


@pytest.mark.benchmark(group="31,168 pairs from lists")
def test_count_from_lists_rapidfuzz(benchmark, lists) -> None:
    def tally() -> list[tuple[int, int, int]]:
        counts = []
        for reference, hypothesis in zip(*lists, strict=True):
            tags = [step.tag for step in levenshtein.editops(reference, hypothesis)]
            counts.append((tags.count("replace"), tags.count("delete"), tags.count("insert")))
        return counts

    benchmark(tally)


@pytest.mark.benchmark(group="31,168 pairs from lists")
@pytest.mark.parametrize("engine", ["python", "numpy", "numba"])
def test_align_from_lists(benchmark, lists, engine) -> None:
    benchmark(align, *lists, engine=engine)


@pytest.mark.benchmark(group="31,168 pairs from lists")
def test_score_of_lists(benchmark, lists) -> None:
    references, hypotheses = (
        {f"segment-{n:05d}": words for n, words in enumerate(side)} for side in lists
    )

    def run() -> str:
        score = slaeval.score(references, hypotheses)
        return f"{score.wer} {score.signature}"

    benchmark(run)


@pytest.mark.benchmark(group="1,000,000 pairs as numbers")
def test_count_kernel(benchmark, numbers) -> None:
    benchmark(kernels.count_many, *numbers, True)


@pytest.mark.benchmark(group="1,000,000 pairs as numbers")
def test_path_kernel(benchmark, numbers) -> None:
    benchmark(kernels.align_many, *numbers, True)


@pytest.mark.benchmark(group="one pair of 20,000 words")
def test_long_pair(benchmark) -> None:
    rng = np.random.default_rng(1)
    left = rng.integers(0, 1000, 20_000).astype(np.int32)
    right = np.where(rng.random(left.size) < 0.2, 0, left).astype(np.int32)[:19_500]
    task = (left, np.array([0, left.size]), right, np.array([0, right.size]), True)
    benchmark.pedantic(kernels.align_many, task, rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="interval of 642 segments")
def test_bootstrap_10_000(benchmark) -> None:
    rng = random.Random(0)
    words = [rng.randint(3, 15) for _ in range(642)]
    errors = [rng.randint(0, 4) for _ in words]
    benchmark(bootstrap, errors, words, 10_000)


@pytest.mark.benchmark(group="interval of 642 segments")
def test_linearised(benchmark) -> None:
    rng = random.Random(0)
    words = [rng.randint(3, 15) for _ in range(642)]
    errors = [rng.randint(0, 4) for _ in words]
    benchmark(linearised, errors, words)
