"""Speed and memory of alignment where a fresh process matters, side by side in one run.

``pytest tests/benchmarks/test_alignment_speed.py --benchmark-enable --benchmark-disable-gc -s``

The kernels themselves are in ``test_speed.py``. What is measured inside a process of its own is
printed, and kept as ``extra_info`` in ``--benchmark-json``. ``SLAEVAL_BENCH_LONG=1`` adds a pair
of 200,000 words.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest

from slaeval.scoring.alignment import align

levenshtein = pytest.importorskip("rapidfuzz.distance").Levenshtein

Pairs = tuple[list[list[str]], list[list[str]]]


def _pairs(number: int) -> Pairs:
    """Return sentences of about seven words with a quarter of errors."""
    rng = random.Random(0)
    words = [f"GLOSS{n}" for n in range(1100)]
    references = [
        rng.choices(words, k=max(1, min(30, round(rng.gauss(7, 3))))) for _ in range(number)
    ]
    hypotheses = []
    for reference in references:
        hypothesis = []
        for word in reference:
            chance = rng.random()
            if chance >= 0.08:
                hypothesis.append(rng.choice(words) if chance < 0.18 else word)
            if rng.random() < 0.07:
                hypothesis.append(rng.choice(words))
        hypotheses.append(hypothesis)
    return references, hypotheses


@pytest.mark.benchmark(group="642 pairs from lists")
def test_small_set(benchmark) -> None:
    pairs = _pairs(642)

    benchmark(align, *pairs, engine="python")


@pytest.mark.benchmark(group="642 pairs from lists")
def test_small_set_rapidfuzz(benchmark) -> None:
    pairs = _pairs(642)

    def run() -> list[list[str]]:
        return [
            [step.tag for step in levenshtein.editops(one, other)]
            for one, other in zip(*pairs, strict=True)
        ]

    benchmark(run)


@pytest.mark.benchmark(group="1,000,000 pairs from lists")
def test_million_rapidfuzz(benchmark) -> None:
    """Compare with ``test_count_kernel`` of ``test_speed.py``: the same job from numbers."""
    references, hypotheses = _pairs(1_000_000 if benchmark.enabled else 1_000)

    def run() -> int:
        return sum(
            len(levenshtein.editops(one, other))
            for one, other in zip(references, hypotheses, strict=True)
        )

    benchmark.pedantic(run, rounds=2)


def _fresh(code: str, *arguments: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


_LOADING = """
import json, sys, time
begin = time.perf_counter()
from slaeval.scoring.alignment import align, count
found = {"module": time.perf_counter() - begin}
if sys.argv[1] == "numba":
    for name in ("numpy", "numba"):
        start = time.perf_counter()
        __import__(name)
        found[name] = time.perf_counter() - start
{"align": align, "count": count}[sys.argv[2]]([["A", "B"]], [["A", "C"]], engine=sys.argv[1])
print(json.dumps(found | {"total": time.perf_counter() - begin}))
"""


@pytest.mark.benchmark(group="first answer, process included")
@pytest.mark.parametrize("engine", ["python", "numpy", "numba"])
@pytest.mark.parametrize("function", ["align", "count"])
def test_loading(benchmark, engine, function) -> None:
    """What the choice of an engine weighs; the compiled code comes from its cache."""
    arguments = (_LOADING, engine, function)
    found = benchmark.pedantic(_fresh, arguments, rounds=5, warmup_rounds=1)
    benchmark.extra_info.update(found)
    print(engine, function, found)


# The peak is the kernel's VmHWM: getrusage's maximum is inherited from the process that started
# this one, here a pytest that has grown larger than what is measured.
_LONG = """
import json, re, sys, time
import numpy as np
from slaeval.scoring.kernels import align_many
def peak():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\\s*(\\d+)", status.read())[1])
rng = np.random.default_rng(1)
words = int(sys.argv[1])
left = rng.integers(0, 1000, words).astype(np.int32)
right = np.where(rng.random(words) < 0.2, rng.integers(0, 1000, words), left).astype(np.int32)
right = right[rng.random(words) > 0.05]
def aligned(left, right):
    ends = np.array([0, left.size]), np.array([0, right.size])
    ops, begin = align_many(left, ends[0], right, ends[1], True)
    return ops[begin[0]:].tobytes()
aligned(left[:300], right[::-1][:300].copy())
before = peak()
begin = time.perf_counter()
path = aligned(left, right)
seconds = time.perf_counter() - begin
extra = (peak() - before) / 1024
assert len(path) - path.count(b"I") == words
print(json.dumps({"seconds": seconds, "extra_megabytes": extra}))
"""


@pytest.mark.benchmark(group="one long pair, process included")
@pytest.mark.parametrize("words", [20_000, 200_000])
def test_long_pair_in_little_memory(benchmark, words) -> None:
    if not os.path.exists("/proc/self/status"):
        pytest.skip("no /proc here")
    if words > 20_000 and not (benchmark.enabled and os.environ.get("SLAEVAL_BENCH_LONG")):
        pytest.skip("SLAEVAL_BENCH_LONG is not set")
    found = benchmark.pedantic(_fresh, (_LONG, str(words)), rounds=1)
    benchmark.extra_info.update(found)
    print(words, found)
    assert found["extra_megabytes"] < (50 if words <= 20_000 else 80)
