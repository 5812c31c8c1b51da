"""Alignment: sclite's paths, whatever computes them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_alignment import cost_of, reference_path

from slaeval.scoring.alignment import align, count

ENGINES = ("python", "numpy", "numba")
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
    *found, words = count(references, hypotheses, engine=engine)
    assert [list(map(int, column)) for column in found] == [
        [answer.count(op) for answer in answers] for op in "SDI"
    ]
    assert list(map(int, words)) == list(map(len, references))


@settings(max_examples=300, deadline=None)
@given(PAIRS, st.booleans(), TIES)
def test_every_engine_gives_the_definition(pairs, fold, ties) -> None:
    references, hypotheses = [a for a, _ in pairs], [b for _, b in pairs]
    expected = [reference_path(a, b, fold, ties == "insertion") for a, b in pairs]
    for engine in ENGINES:
        options = {"fold": fold, "ties": ties, "engine": engine}
        assert align(references, hypotheses, **options) == expected
        *found, words = count(references, hypotheses, **options)
        for column, op in zip(found, "SDI", strict=True):
            assert list(column) == [path.count(op) for path in expected]
        assert list(words) == list(map(len, references))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from("ABC"), min_size=25, max_size=140),
    st.lists(st.sampled_from("ABC"), min_size=25, max_size=140),
    TIES,
)
def test_longer_pairs_give_the_definition(one, other, ties) -> None:
    expected = reference_path(one, other, True, ties == "insertion")
    for engine in ENGINES:
        assert align([one], [other], ties=ties, engine=engine) == [expected]
        *found, _ = count([one], [other], ties=ties, engine=engine)
        assert [int(column[0]) for column in found] == [expected.count(op) for op in "SDI"]


@settings(max_examples=50, deadline=None)
@given(PAIRS, st.randoms(use_true_random=False), TIES)
def test_the_order_of_pairs_does_not_matter(pairs, rng, ties) -> None:
    order = list(range(len(pairs)))
    rng.shuffle(order)
    for engine in ENGINES:
        plain = align([a for a, _ in pairs], [b for _, b in pairs], ties=ties, engine=engine)
        moved = align(
            [pairs[k][0] for k in order], [pairs[k][1] for k in order], ties=ties, engine=engine
        )
        assert moved == [plain[k] for k in order]


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
    for engine in ("auto", *ENGINES):
        with pytest.raises(ValueError):
            align([["A"]], [], engine=engine)


def _random_pairs(rng: random.Random, lengths) -> tuple[list[list[str]], list[list[str]]]:
    return tuple(
        [[rng.choice("ABCDEFG") for _ in range(length)] for length in lengths] for _ in range(2)
    )


#: Around one and two numbers of 64 bits, and both sides of empty.
_BORDERS = (0, 1, 2, 8, 31, 32, 62, 63, 64, 65, 66, 127, 128, 129, 200)


def _at_the_borders(rng: random.Random) -> tuple[list[str], list[str]]:
    vocabulary = [f"W{n}" for n in range(rng.choice([1, 2, 3, 8, 100, 1000]))]
    reference = rng.choices(vocabulary, k=rng.choice(_BORDERS))
    if rng.random() < 0.5:
        return reference, rng.choices(vocabulary, k=rng.choice(_BORDERS))
    changed = [word if rng.random() < 0.8 else rng.choice(vocabulary) for word in reference]
    return reference, [word for word in changed if rng.random() < 0.9]


def test_both_engines_agree_at_the_borders_of_numbers() -> None:
    rng = random.Random(3)
    pairs = [_at_the_borders(rng) for _ in range(1500)]
    # Nothing is equal, everything is, and one word stands in the way of the rest.
    alike = [str(n) for n in range(200)]
    pairs += [(["A"] * n, ["B"] * m) for n in _BORDERS for m in _BORDERS]
    pairs += [(alike[:n], alike[::-1][:m]) for n in _BORDERS for m in _BORDERS]
    pairs += [(alike[:n], [*alike[: n // 2], "X", *alike[n // 2 : n]]) for n in _BORDERS]
    references, hypotheses = [a for a, _ in pairs], [b for _, b in pairs]
    for ties in ("insertion", "deletion"):
        paths = align(references, hypotheses, engine="python", ties=ties)
        assert align(references, hypotheses, engine="numpy", ties=ties) == paths
        assert align(references, hypotheses, engine="numba", ties=ties) == paths
        *found, _ = count(references, hypotheses, engine="numba", ties=ties)
        for column, op in zip(found, "SDI", strict=True):
            assert column == [path.count(op) for path in paths]


@pytest.mark.parametrize("ties", ["insertion", "deletion"])
def test_both_engines_agree_on_many_pairs(ties) -> None:
    rng = random.Random(ties)
    for _ in range(5):
        lengths = [(rng.randint(0, 14), rng.randint(0, 14)) for _ in range(10_000)]
        letters = [rng.choice(("A", "AB", "ABCD", "ABCDEFGHIJ")) for _ in lengths]
        references = [rng.choices(v, k=n) for v, (n, _) in zip(letters, lengths, strict=True)]
        hypotheses = [rng.choices(v, k=m) for v, (_, m) in zip(letters, lengths, strict=True)]
        paths = align(references, hypotheses, ties=ties, engine="python")
        assert align(references, hypotheses, ties=ties, engine="numpy") == paths
        assert align(references, hypotheses, ties=ties, engine="numba") == paths
        counted = count(references, hypotheses, ties=ties, engine="numba")
        assert counted == count(references, hypotheses, ties=ties, engine="python")


@pytest.mark.parametrize("ties", ["insertion", "deletion"])
@pytest.mark.parametrize("words", [2, 40, 100_000])
def test_a_long_pair_takes_the_same_path(ties, words) -> None:
    rng = random.Random(words)
    reference = [str(rng.randrange(words)) for _ in range(3000)]
    hypothesis = [word if rng.random() < 0.7 else str(rng.randrange(words)) for word in reference]
    hypothesis = [word for word in hypothesis if rng.random() < 0.9] + hypothesis[:200]
    task = ([reference, ["A"], reference[:70]], [hypothesis, ["B"], hypothesis[5:90]])
    expected = align(*task, ties=ties, engine="python")
    assert align(*task, ties=ties, engine="numpy") == expected
    assert align(*task, ties=ties, engine="numba") == expected
    assert [column[0] for column in count(*task, ties=ties, engine="numba")[:3]] == [
        expected[0].count(op) for op in "SDI"
    ]


def _far_apart(rng: random.Random, kind: str) -> tuple[list[str], list[str]]:
    """Draw a pair that is aligned in a band, by how far its best path leaves the diagonal."""
    words = [str(n) for n in range(rng.choice((1, 2, 10, 1000, 5000)))]
    reference = rng.choices(words, k=rng.choice((4097, 4160, 4161, 4224, 5000, 6401)))
    cut, stop = sorted(rng.sample(range(len(reference)), 2))
    if kind == "similar":
        changed = [word if rng.random() < 0.85 else rng.choice(words) for word in reference]
        hypothesis = [word for word in changed if rng.random() < 0.9]
    elif kind == "a piece is missing":
        hypothesis = reference[:cut] + reference[stop:]
    elif kind == "two pieces change places":
        hypothesis = reference[cut:] + reference[:cut]
    elif kind == "one in ten":
        hypothesis = [word for word in reference if rng.random() < 0.1]
    else:
        hypothesis = rng.choices(words, k=rng.randint(1, 8000))
    # Their ends differ, so nothing is cut off.
    return ["x", *reference, "y"], ["p", *hypothesis, "q"]


@pytest.mark.parametrize("ties", ["insertion", "deletion"])
@pytest.mark.parametrize(
    "kind",
    ["similar", "a piece is missing", "two pieces change places", "one in ten", "unrelated"],
)
def test_a_pair_in_a_band_takes_the_same_path(kind, ties) -> None:
    rng = random.Random(f"{kind} {ties}")
    pairs = [_far_apart(rng, kind)[:: rng.choice((1, -1))] for _ in range(12)]
    references, hypotheses = [a for a, _ in pairs], [b for _, b in pairs]
    expected = align(references, hypotheses, ties=ties, engine="python")
    assert align(references, hypotheses, ties=ties, engine="numba") == expected


@pytest.mark.parametrize("option", [{"engine": "Numba"}, {"ties": "substitution"}])
def test_unknown_options_are_refused(option) -> None:
    for function in (align, count):
        with pytest.raises(ValueError, match=next(iter(option))):
            function([["A"]], [["B"]], **option)


def test_auto_takes_the_engine_that_pays() -> None:
    code = (
        "import sys\n"
        "from slaeval.scoring.alignment import align\n"
        "words = [str(n) for n in range(30_000)]\n"
        "loaded = []\n"
        "for n in (30, 3000, 30_000, 3):\n"
        "    paths = align([words[:n]], [words[1:n]])\n"
        "    loaded.append('numba' in sys.modules)\n"
        "    assert paths == ['D' + 'C' * (n - 1)]\n"
        "print(loaded)\n"
    )
    # Once the compiled code is there, it is used.
    assert _run(code) == "[False, False, True, True]\n"


def test_without_a_place_for_compiled_code_it_still_runs() -> None:
    code = (
        "import numba.core.caching as caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "from slaeval.scoring.alignment import align\n"
        "print(align([['A', 'B']], [['A', 'C']], engine='numba'))\n"
    )
    # Compiled for once: without optimisation that takes two thirds of the time.
    assert _run(code, NUMBA_OPT="0") == "['CS']\n"


def _run(code: str, **environment: str) -> str:
    """Run code in a fresh process that must end well and say nothing on the side."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_an_unusable_cache_folder_is_not_an_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    code = (
        "from slaeval.scoring.alignment import align\n"
        "print(align([['A', 'B']], [['A', 'C']], engine='numba'))\n"
    )
    assert _run(code, NUMBA_CACHE_DIR=str(file / "below"), NUMBA_OPT="0") == "['CS']\n"


def test_small_inputs_load_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from slaeval.scoring.alignment import align, count\n"
        "align([['A', 'B']], [['A', 'C']]), count([['A', 'B']], [['A', 'C']])\n"
        "print(sorted({'numpy', 'numba', 'pandas', 'torch'} & set(sys.modules)))\n"
    )
    assert _run(code) == "[]\n"


def _layers() -> list[str]:
    """Return the threading layers of numba that this machine has."""
    from importlib.util import find_spec

    modules = {"omp": "omppool", "workqueue": "workqueue"}
    return [layer for layer, name in modules.items() if find_spec(f"numba.np.ufunc.{name}")]


_COUNTING = (
    "from slaeval.scoring.alignment import count\n"
    "def work():\n"
    "    found = count([['A', 'B'] * 4] * 9000, [['A', 'C'] * 4] * 9000, engine='numba')\n"
    "    return int(sum(found.substitutions))\n"
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("layer", _layers())
def test_a_forked_worker_can_count(layer) -> None:
    # GNU OpenMP ends a forked process that uses threads after its parent did.
    code = _COUNTING + (
        "import multiprocessing, sys\n"
        "def child():\n"
        "    sys.exit(work() != 36000)\n"
        "assert work() == 36000\n"
        "forked = [multiprocessing.get_context('fork').Process(target=child) for _ in '12']\n"
        "[one.start() for one in forked]\n"
        "[one.join(60) for one in forked]\n"
        "print([one.exitcode for one in forked])\n"
    )
    assert _run(code, NUMBA_THREADING_LAYER=layer) == "[0, 0]\n"


@pytest.mark.parametrize("layer", _layers())
def test_two_threads_can_count(layer) -> None:
    # numba's workqueue ends a process that enters it from two threads.
    code = _COUNTING + (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    print(set(pool.map(lambda _: work(), range(40))))\n"
    )
    assert _run(code, NUMBA_THREADING_LAYER=layer) == "{36000}\n"


def test_the_number_of_threads_is_the_users() -> None:
    code = _COUNTING + "import numba\nprint(work(), numba.get_num_threads())\n"
    assert _run(code, NUMBA_NUM_THREADS="1") == "36000 1\n"
