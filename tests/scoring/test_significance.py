"""Significance tests against sc_stats, enumeration and common sense."""

from __future__ import annotations

import itertools
import os
import random
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slaeval.evaluation.tables import p_value
from slaeval.formats.hypotheses import Hypotheses
from slaeval.scoring import intervals
from slaeval.scoring.scorer import score_segments
from slaeval.scoring.segments import Reference
from slaeval.scoring.significance import SMALLEST, holm, mapsswe, paired_bootstrap, permutation

# Paths of two systems, and what a stretch is: errors up to two words right in both.
STRETCHES = [
    ("CCC", "CCC", []),
    ("SCC", "CCC", [(1, 0)]),
    ("CCS", "CCC", [(1, 0)]),
    ("CSCCCDC", "CCCCCCC", [(1, 0), (1, 0)]),
    ("CSCSC", "CCCCC", [(2, 0)]),  # one word right between them does not end a stretch
    ("SCCC", "CCSC", [(1, 1)]),
    ("SCCCC", "CCCSC", [(1, 0), (0, 1)]),
    ("SCSC", "CCCC", [(2, 0)]),
    ("ICCC", "CCC", [(1, 0)]),
    ("CCCI", "CCC", [(1, 0)]),
    ("CSCIC", "CCCC", [(2, 0)]),
    ("CSCICC", "CCCCC", [(2, 0)]),
    ("CCCC", "CSCCII", [(0, 1), (0, 2)]),
    ("", "II", [(0, 2)]),
]


@pytest.mark.parametrize(("one", "other", "stretches"), STRETCHES)
def test_where_a_stretch_ends(one: str, other: str, stretches: list[tuple[int, int]]) -> None:
    differences = [a - b for a, b in stretches]
    found = mapsswe([one], [other])
    assert found.segments == len(stretches)
    assert found.mean == pytest.approx(sum(differences) / max(1, len(differences)))


def test_what_sc_stats_answered() -> None:
    """Recorded from sc_stats 1.3 on these invented sentences."""
    rng = random.Random(20)
    references = [
        Reference(f"s{n:03d}", f"p{n % 3}", rng.choices("ABCDE", k=rng.randint(1, 12)))
        for n in range(40)
    ]
    one, other = (
        {row.id: _noisy(rng, row.words, rate) for row in references} for rate in (0.05, 0.15)
    )
    found = mapsswe(_paths(references, one), _paths(references, other))
    assert (found.segments, round(found.mean, 3), round(found.sd, 3), round(found.z, 3)) == (
        RECORDED
    )
    assert found.p < 0.001


RECORDED = (63, -1.048, 1.313, -6.334)


def _noisy(rng: random.Random, words: list[str], rate: float) -> list[str]:
    said = []
    for word in words:
        chance = rng.random()
        if chance < rate:
            continue
        said.append(rng.choice("ABCDE") if chance < 2 * rate else word)
        if rng.random() < rate:
            said.append(rng.choice("ABCDE"))
    return said or ["X"]


def _paths(references: list[Reference], words: dict[str, list[str]]) -> list[str]:
    return [s.ops for s in score_segments(references, Hypotheses(words), "sclite").segments]


@pytest.mark.skipif(
    not os.environ.get("SLAEVAL_SC_STATS") or not os.environ.get("SLAEVAL_SCLITE"),
    reason="SLAEVAL_SCLITE and SLAEVAL_SC_STATS name no binaries",
)
@pytest.mark.parametrize("seed", range(25))
def test_against_sc_stats(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    references = [
        Reference(f"s{n:03d}", f"p{n % 3}", rng.choices("ABCDE", k=rng.randint(1, 12)))
        for n in range(rng.randint(3, 40))
    ]
    (tmp_path / "r.stm").write_text(
        "".join(
            f"{row.id} 1 {row.signer} 0.0 1.79769e+308 {' '.join(row.words)}\n"
            for row in references
        )
    )
    paths, sgml = [], b""
    for name in ("one", "other"):
        rate = rng.choice([0.03, 0.1, 0.2])
        words = {row.id: _noisy(rng, row.words, rate) for row in references}
        (tmp_path / name).write_text(
            "".join(
                f"{id} 1 {place / 100:.2f} 0.01 {word}\n"
                for id, mine in words.items()
                for place, word in enumerate(mine)
            )
        )
        paths.append(_paths(references, words))
        sgml += subprocess.run(
            [
                *(os.environ["SLAEVAL_SCLITE"], "-h", tmp_path / name, "ctm"),
                *("-r", tmp_path / "r.stm", "stm", "-f", "0", "-o", "sgml", "stdout"),
            ],
            capture_output=True,
            check=True,
        ).stdout
    told = subprocess.run(
        [os.environ["SLAEVAL_SC_STATS"], *"-p -t mapsswe -r -v -n -".split()],
        input=sgml,
        capture_output=True,
        check=True,
        cwd=tmp_path,
    ).stdout.decode()
    match = re.search(
        r"# segs: (\d+)\).*?mean:\s*(\S+)\) \(std dev:\s*(\S+)\) \(Z Stat:\s*(\S+)\)", told, re.S
    )
    assert match is not None, told
    found = mapsswe(*paths)
    assert found.segments == int(match[1])
    for mine, theirs in zip(found[1:4], match.groups()[1:], strict=True):
        assert mine == pytest.approx(float(theirs), abs=0.0011)


DIFFERENCES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=9)


@given(DIFFERENCES)
def test_permutation_is_the_enumeration(pairs: list[tuple[int, int]]) -> None:
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    sizes = [a - b for a, b in pairs if a != b]
    found = abs(sum(sizes))
    sums = [
        abs(sum(sign * size for sign, size in zip(signs, sizes, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(sizes))
    ]
    share = sum(value >= found for value in sums) / len(sums)
    assert permutation(one, other) == pytest.approx(share, abs=1e-12)


def test_equal_systems_do_not_differ() -> None:
    assert permutation([1, 2, 3], [1, 2, 3]) == 1
    assert mapsswe(["CSC"], ["CSC"]).p == 1
    assert paired_bootstrap([[1, 2], [1, 2]], [5, 5], resamples=100) == [(0, 0)]
    assert paired_bootstrap([[1], [2]], [5], resamples=100) == [None]


def test_a_pair_has_the_interval_it_has_alone() -> None:
    rng = random.Random(3)
    words = [rng.randint(1, 12) for _ in range(80)]
    errors = [[rng.randint(0, size) for size in words] for _ in range(3)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    together = paired_bootstrap(errors, words, pairs, 500, seed=7)
    for (a, b), interval in zip(pairs, together, strict=True):
        assert paired_bootstrap([errors[a], errors[b]], words, resamples=500, seed=7) == [interval]
    # By its definition, slowly.
    import numpy as np

    # Two places a draw: one of 80 times 80.
    drawn = np.hstack(divmod(np.random.default_rng(7).integers(0, 80 * 80, (500, 40)), 80))
    points = [
        100 * sum(errors[0][i] - errors[1][i] for i in row) / sum(words[i] for i in row)
        for row in drawn
    ]
    assert together[0] == pytest.approx(np.quantile(points, [0.025, 0.975]))


def test_many_segments_are_no_trouble() -> None:
    rng = random.Random(0)
    one = [rng.randint(0, 3) for _ in range(30_000)]
    other = [rng.randint(0, 3) for _ in range(30_000)]
    assert 0 < permutation(one, other) <= 1
    assert permutation([a + 1 for a in one], other) < 1e-6


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5]) == [0.5]


def test_linearised_interval_covers() -> None:
    """About 95 of 100 samples from a known population hold its WER."""
    rng = random.Random(7)
    population = [(rng.randint(0, 4), rng.randint(4, 12)) for _ in range(4000)]
    truth = 100 * sum(e for e, _ in population) / sum(w for _, w in population)
    held = 0
    for _ in range(300):
        sample = rng.choices(population, k=120)
        interval = intervals.linearised([e for e, _ in sample], [w for _, w in sample])
        assert interval is not None
        held += interval[0] <= truth <= interval[1]
    assert 0.91 <= held / 300 <= 0.99


def test_both_intervals_agree_on_many_segments() -> None:
    rng = random.Random(1)
    words = [rng.randint(3, 15) for _ in range(642)]
    errors = [min(w, rng.randint(0, 4)) for w in words]
    exact, drawn = intervals.linearised(errors, words), intervals.bootstrap(errors, words, 4000)
    assert exact is not None
    assert drawn is not None
    assert drawn == pytest.approx(exact, abs=0.25)
    assert intervals.bootstrap(errors, words, 500, seed=3) == intervals.bootstrap(
        errors, words, 500, seed=3
    )
    narrow = intervals.linearised(errors, words, level=0.5)
    assert narrow is not None
    assert exact[0] < narrow[0] < narrow[1] < exact[1]


def test_intervals_that_make_no_sense() -> None:
    assert intervals.linearised([1], [2]) is None
    assert intervals.linearised([1, 1], [0, 0]) is None
    assert intervals.bootstrap([1], [2], 10) is None
    assert intervals.linearised([0, 0], [5, 6]) is None  # no error is no certainty
    assert intervals.bootstrap([0, 0], [5, 6], 10) is None
    low, _ = intervals.linearised([0, 1], [50, 1]) or (None, None)
    assert low == 0


def test_noise_of_the_transform_is_no_probability() -> None:
    """Hundred segments all won: 2⁻⁹⁹, far below what the sum can resolve."""
    assert permutation([0] * 100, [1] * 100) == SMALLEST
    assert p_value(permutation([0] * 100, [1] * 100)) == "< 1e-12"
    assert p_value(0.0) == "< 1e-12"
    assert p_value(3e-7) == "< 0.0001"
    assert p_value(0.04567) == "0.0457"
