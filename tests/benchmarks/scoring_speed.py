"""Speed of scoring, side by side in one run: this checkout, an older one, sclite, rapidfuzz.

``python tests/benchmarks/scoring_speed.py [--before CHECKOUT] [--sclite BINARY] [--stm FILE]``

Whole processes are started in turn, so that a busy moment meets all of them, and the median and
the least are printed; inside a process it is the best of several calls. Processor time is the one
to compare on a machine that has other work to do. The sentences are invented; ``--stm`` adds a row
for real references, with errors made up. ``--long`` adds the pair of 200,000 words to the older
checkout (a minute and a half), ``--rounds`` is how often a process is started.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).parents[2]

_PREPARED = """
import json, random, sys, time
def once(call):
    spent, wall = time.process_time(), time.perf_counter()
    call()
    return 1000 * (time.process_time() - spent), 1000 * (time.perf_counter() - wall)
def best(call, rounds=5):
    call()
    return map(min, zip(*(once(call) for _ in range(rounds))))
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
def lists(pairs):
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
def numbers(pairs, mean):
    import numpy as np
    rng = np.random.default_rng(0)
    first = np.concatenate([[0], np.cumsum(rng.poisson(mean - 1, pairs) + 1)])
    left = rng.integers(0, 1100, first[-1]).astype(np.int32)
    kept = rng.random(left.size) > 0.08
    other = rng.integers(0, 1100, left.size)
    right = np.where(rng.random(left.size) < 0.1, other, left).astype(np.int32)[kept]
    return left, first, right, np.concatenate([[0], np.cumsum(kept)])[first]
def long(words):
    left, first, right, second = numbers(1, words)
    return left[:words], right
"""

#: Row: code that prints milliseconds, in either checkout.
_INSIDE = {
    "slaeval.score, 31,168 pairs of lists, full Score": """
import slaeval
one, other = lists(31_168)
references = {f"segment-{n:05d}": words for n, words in enumerate(one)}
hypotheses = {f"segment-{n:05d}": words for n, words in enumerate(other)}
def call():
    score = slaeval.score(references, hypotheses)
    return score.wer, score.signature, score.total
print(*best(call, 25))
""",
    "slaeval.score, DataFrames of 31,168 lists": """
import pandas as pd
import slaeval
one, other = lists(31_168)
ids = [f"segment-{n:05d}" for n in range(len(one))]
references = pd.DataFrame({"id": ids, "gloss": one})
hypotheses = pd.DataFrame({"id": ids, "gloss": other})
print(*best(lambda: slaeval.score(references, hypotheses).wer))
""",
    "1 M pairs of 8 words as ids, S/D/I, one thread": """
from slaeval.scoring import kernels
task = numbers(1_000_000, 8)
new = not hasattr(kernels, "align_long")
if new:
    print(*best(lambda: kernels.count_many(*task, True)))
else:
    print(*best(lambda: kernels.count_many(*task, parallel=False)))
""",
    "1 M pairs of 8 words as ids, paths": """
from slaeval.scoring import kernels
task = numbers(1_000_000, 8)
print(*best(lambda: kernels.align_many(*task, True)))
""",
    "one pair of 20,000 words": """
from slaeval.scoring import kernels
import numpy as np
left, right = long(20_000)
if hasattr(kernels, "align_long"):
    print(*best(lambda: kernels.align_long(left, right), 3))
else:
    ends = np.array([0, left.size]), np.array([0, right.size])
    print(*best(lambda: kernels.align_many(left, ends[0], right, ends[1], True), 3))
""",
    "one pair of 200,000 words": """
from slaeval.scoring import kernels
import numpy as np
for words in (300, 200_000):
    left, right = long(words)
    ends = np.array([0, left.size]), np.array([0, right.size])
    before = peak()
    if hasattr(kernels, "align_long"):
        times = once(lambda: kernels.align_long(left, right))
    else:
        times = once(lambda: kernels.align_many(left, ends[0], right, ends[1], True))
print(*times, (peak() - before) / 1024)
""",
    "10,000 bootstrap resamples of 642 segments": """
from slaeval.scoring.intervals import bootstrap
rng = random.Random(0)
words = [rng.randint(3, 15) for _ in range(642)]
errors = [rng.randint(0, 4) for _ in words]
print(*best(lambda: bootstrap(errors, words, 10_000)))
""",
    "a reference of 2,000 words with 200 alternatives": """
from slaeval.scoring.alternatives import align_alternatives
rng = random.Random(0)
words = [f"W{n}" for n in range(500)]
reference = [rng.choice(words) for _ in range(2000)]
hypothesis = [word if rng.random() < 0.8 else rng.choice(words) for word in reference]
offered = []
for place, word in enumerate(reference):
    offered += ["{", word, "/", rng.choice(words), "}"] if place % 10 == 0 else [word]
before = peak()
print(*once(lambda: align_alternatives(offered, hypothesis)), (peak() - before) / 1024)
""",
    "import slaeval and score 20 pairs, the first cell of a notebook": """
references, hypotheses = (dict(zip("abcdefghijklmnopqrst", side)) for side in lists(20))
def call():
    import slaeval
    str(slaeval.score(references, hypotheses))
print(*once(call))
""",
}

_RAPIDFUZZ = {
    "slaeval.score, 31,168 pairs of lists, full Score": """
from rapidfuzz.distance import Levenshtein
pairs = list(zip(*lists(31_168)))
def call():
    for one, other in pairs:
        tags = [step.tag for step in Levenshtein.editops(one, other)]
        tags.count("replace"), tags.count("delete"), tags.count("insert")
print(*best(call))
""",
    "one pair of 20,000 words": """
from rapidfuzz.distance import Levenshtein
one, other = (side.tolist() for side in long(20_000))
print(*best(lambda: Levenshtein.editops(one, other), 3))
""",
}


def _environment(checkout: Path) -> dict[str, str]:
    # Python's own variables may forbid it to keep what it compiles.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return kept | {"PYTHONPATH": str(checkout)}


def _inside(code: str, checkout: Path) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", _PREPARED + code],
        env=_environment(checkout),
        cwd=tempfile.gettempdir(),  # Python looks for modules here first
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stderr.splitlines()[-1], file=sys.stderr)
        return []
    return [float(part) for part in done.stdout.split()]


def _whole(command: list[str], checkout: Path, folder: Path) -> tuple[float, float]:
    """Return wall time and processor time of a process in milliseconds."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command,
        cwd=folder,
        env=_environment(checkout),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * wall, 1000 * spent


def _invented(segments: int) -> Iterator[tuple[str, list[str]]]:
    """Yield ids and references of about eight words."""
    rng = random.Random(0)
    words = [f"GLOSS{n}" for n in range(1100)]
    for number in range(segments):
        id = f"01April_2010_Thursday_heute_default-{number:06d}"
        yield id, rng.choices(words, k=max(1, min(30, round(rng.gauss(8, 3)))))


def _of(stm: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield ids and references of a file."""
    for line in stm.read_text("utf-8").splitlines():
        id, *_, reference = [*line.split(maxsplit=5), ""][:6]
        if not line.startswith(";;"):
            yield id, reference.split()


def _write(folder: Path, name: str, references: Iterable[tuple[str, list[str]]], seed: int) -> None:
    """Write the CTM of an invented recogniser, and the STM of the references."""
    rng = random.Random(seed)
    rows = list(references)
    words = sorted({word for _, reference in rows for word in reference})
    place_of = {word: place for place, word in enumerate(words)}
    with open(folder / f"{name}.stm", "w") as stm, open(folder / f"{name}.ctm", "w") as ctm:
        for number, (id, reference) in enumerate(rows):
            stm.write(f"{id} 1 Signer{number % 9} 0.0 1.79769e+308 {' '.join(reference)}\n")
            said = []
            for word in reference:
                chance = rng.random()
                if chance >= 0.08:
                    # A word is mistaken for one of a few.
                    other = words[(place_of[word] + rng.randint(1, 5)) % len(words)]
                    said.append(other if chance < 0.18 else word)
                if rng.random() < 0.06:
                    said.append(rng.choice(words))
            for place, word in enumerate(said or words[:1]):
                ctm.write(f"{id} 1 {place / 100:.2f} 0.01 {word}\n")


def _in_turn(name: str, rivals: dict[str, tuple[list[str], Path, int]], folder: Path) -> None:
    """Start each rival as often as it says, one after the other, and print their times."""
    found: dict[str, list[tuple[float, float]]] = {rival: [] for rival in rivals}
    for turn in range(max(rounds for _, _, rounds in rivals.values())):
        for rival, (command, checkout, rounds) in rivals.items():
            if turn < rounds:
                found[rival].append(_whole(command, checkout, folder))
    for rival, times in found.items():
        wall, spent = (statistics.median(column) for column in zip(*times, strict=True))
        least = min(spent for _, spent in times)
        print(
            f"{name:62} {rival:12} processor {spent:8.0f} ms, least {least:8.0f} ms   "
            f"wall {wall:8.0f} ms",
            flush=True,
        )


def _processes(options: argparse.Namespace, folder: Path) -> None:
    rounds = options.rounds
    rows = [
        ("score, 642 segments, fresh process", _invented(642), 4 * rounds),
        ("31,168 segments, fresh process", _invented(31_168), rounds),
        ("CTM of 1 M words (123,000 segments), fresh process", _invented(123_000), rounds),
    ]
    if options.stm:
        rows.insert(1, (f"score, {options.stm.name}, fresh process", _of(options.stm), 4 * rounds))
    for name, references, often in rows:
        _write(folder, "x", references, 0)
        score = [sys.executable, "-m", "slaeval", "score", "--pred", "x.ctm", "--ref", "x.stm"]
        rivals = {"now": (score, HERE, often)}
        if options.before:
            rivals["before"] = (score, options.before, often)
        small = often > rounds
        if options.sclite and "1 M" not in name:
            files = ["-h", "x.ctm", "ctm", "-r", "x.stm", "stm", "-f", "0"]
            command = [options.sclite, *files, "-o", "sgml", "dtl", "-n", "out"]
            rivals["sclite"] = (command, HERE, often if small else 2)
        if small:
            rivals["import click"] = ([sys.executable, "-c", "import click"], HERE, often)
        _in_turn(name, rivals, folder)
    submissions = []
    for number in range(100):
        _write(folder, f"s{number}", _invented(642), number)
        submissions.append(f"s{number}.ctm")
    compare = [sys.executable, "-m", "slaeval", "compare", *submissions, "--ref", "s0.stm"]
    contenders = {"now": (compare, HERE, 2)}
    if options.before:
        contenders["before"] = (compare, options.before, 1)
    _in_turn("compare, 100 files of 642 segments, fresh process", contenders, folder)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="an older checkout")
    parser.add_argument("--sclite", default=os.environ.get("SLAEVAL_SCLITE"))
    parser.add_argument("--stm", type=Path, help="real references to score against")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--long", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _processes(options, Path(folder))
    for name, code in _INSIDE.items():
        rivals = {"now": (code, HERE)}
        if options.before and ("200,000" not in name or options.long):
            rivals["before"] = (code, options.before)
        if name in _RAPIDFUZZ:
            rivals["rapidfuzz"] = (_RAPIDFUZZ[name], HERE)
        for rival, (mine, checkout) in rivals.items():
            _inside(mine, checkout)  # compiles what is not yet on disk
            spent, wall, *memory = _inside(mine, checkout) or [float("nan")] * 2
            more = f", {memory[0]:.0f} MB more" if memory else ""
            print(
                f"{name:62} {rival:12} processor {spent:8.1f} ms, wall {wall:8.1f} ms{more}",
                flush=True,
            )


if __name__ == "__main__":
    main()
