"""CTC by definition: every path is walked, or prefixes are kept in a plain dictionary."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Labels = tuple[int, ...]


def spelled(path: Labels) -> Labels:
    """Return what a path spells: runs made one, blanks dropped."""
    return tuple(key for key, _ in itertools.groupby(path) if key)


def probabilities(log_probs: Array) -> dict[Labels, float]:
    """Return the probability of every gloss sequence, summed over all V**T paths."""
    steps, classes = log_probs.shape
    values = np.exp(log_probs.astype(np.float64))
    found: dict[Labels, list[float]] = defaultdict(list)
    for path in itertools.product(range(classes), repeat=steps):
        found[spelled(path)].append(math.prod(values[t, c] for t, c in enumerate(path)))
    return {labels: math.fsum(parts) for labels, parts in found.items()}


def best_path(log_probs: Array, labels: Labels) -> tuple[float, list[Labels]]:
    """Return the highest log probability of a path that spells `labels`, and all such paths."""
    steps, classes = log_probs.shape
    values = log_probs.astype(np.float64)
    scores: dict[Labels, float] = {}
    for path in itertools.product(range(classes), repeat=steps):
        if spelled(path) == labels:
            scores[path] = float(sum(values[t, c] for t, c in enumerate(path)))
    best = max(scores.values(), default=-math.inf)
    return best, [path for path, score in scores.items() if score == best]


def spans_of(path: Labels) -> list[tuple[int, int]]:
    """Return where the runs of a path's labels lie."""
    found, start = [], 0
    for label, run in itertools.groupby(path):
        end = start + len(list(run))
        if label:
            found.append((start, end))
        start = end
    return found


def probability(log_probs: Array, labels: Labels) -> float:
    """Return log p(labels) by the forward recursion, in plain numpy."""
    states = [0]
    for label in labels:
        states += [label, 0]
    alpha = np.full(len(states), -np.inf)
    alpha[0] = 0.0
    for step, frame in enumerate(log_probs.astype(np.float64)):
        before = alpha.copy()
        for state, label in enumerate(states):
            parts = [before[state]] if step or state == 0 else []
            if state and (step or state == 1):
                parts.append(before[state - 1])
            if step and state > 1 and label and label != states[state - 2]:
                parts.append(before[state - 2])
            with np.errstate(divide="ignore"):
                top = max(parts, default=-np.inf)
                alpha[state] = frame[label] + (
                    -np.inf
                    if top == -np.inf
                    else top + math.log(sum(math.exp(part - top) for part in parts))
                )
    return float(np.logaddexp.reduce(alpha[-2:]))


def beam(log_probs: Array, width: int) -> Labels:
    """Prefix beam search over a dictionary of prefixes, in probabilities of Python."""
    prefixes: dict[Labels, tuple[float, float]] = {(): (1.0, 0.0)}
    for frame in np.exp(log_probs.astype(np.float64)).tolist():
        grown: dict[Labels, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for prefix, (blank, gloss) in prefixes.items():
            grown[prefix][0] += (blank + gloss) * frame[0]
            if prefix:
                grown[prefix][1] += gloss * frame[prefix[-1]]
            for label in range(1, len(frame)):
                before = blank if prefix and prefix[-1] == label else blank + gloss
                grown[(*prefix, label)][1] += before * frame[label]
        kept = sorted(grown.items(), key=lambda item: -sum(item[1]))[:width]
        prefixes = {prefix: (blank, gloss) for prefix, (blank, gloss) in kept}
    return max(prefixes, key=lambda prefix: sum(prefixes[prefix]))
