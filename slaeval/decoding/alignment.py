"""Where in time the glosses of a sequence are: CTC forced alignment.

The most likely single path (Viterbi) that spells the given labels: blanks anywhere, each label one
run of steps, at least one blank between equal labels. The runs of the labels are returned; steps
on a blank belong to no label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from slaeval.decoding.ctc import HIGHEST
from slaeval.decoding.steps import steps_needed
from slaeval.errors import InputError

__all__ = ["InfeasibleError", "align", "confidences"]

Array = np.ndarray[Any, Any]


class InfeasibleError(InputError, ValueError):
    """No path of the given steps spells the labels."""


def align(log_probs: Any, labels: Sequence[int]) -> list[tuple[int, int]]:
    """Find the steps of each label on the most likely path that spells them all.

    Parameters
    ----------
    log_probs : array (T, V)
        Natural log probabilities of one sequence; class 0 is the blank.
    labels : sequence of int
        L classes, each from 1 to V - 1.

    Returns
    -------
    list of (int, int)
        L spans [start, end) of steps, in order, none empty, none overlapping; between adjacent
        equal labels there is at least one step.

    Raises
    ------
    InfeasibleError
        There are too few steps for the labels and the blanks between equal ones, or every such
        path has probability zero. It is an :class:`InputError` and a :class:`ValueError`.
    InputError
        nan or a value above 0; invalid shapes or labels.

    Notes
    -----
    Of equally likely paths, the one that ends on the last label rather than a blank and, from
    the end backwards, stays rather than moves on; so labels begin as early as possible.
    """
    values, wanted = _checked(log_probs, labels)
    steps = len(values)
    needed = steps_needed(wanted.tolist())
    if needed > steps:
        raise InfeasibleError(
            f"{len(wanted)} labels need at least {needed} steps (adjacent equal labels need a "
            f"blank between them); there are {steps}"
        )
    from slaeval.decoding.kernels import viterbi

    score, path = viterbi(values, wanted)
    if score == -np.inf:
        raise InfeasibleError(
            f"every path of {steps} steps that spells the {len(wanted)} labels has probability 0"
        )
    states = 2 * np.arange(len(wanted)) + 1
    starts = np.searchsorted(path, states, "left").tolist()
    ends = np.searchsorted(path, states, "right").tolist()
    return list(zip(starts, ends, strict=True))


def confidences(
    log_probs: Any, labels: Sequence[int], spans: Sequence[tuple[int, int]]
) -> list[float]:
    """Return the mean posterior probability of each label over its span, 0 to 1.

    Parameters
    ----------
    log_probs : array (T, V)
        As for :func:`align`.
    labels : sequence of int
        L classes.
    spans : sequence of (int, int)
        L spans of steps, as :func:`align` returns them.

    Raises
    ------
    InputError
        As for :func:`align`; also invalid spans.
    """
    values, wanted = _checked(log_probs, labels)
    if len(spans) != len(wanted):
        raise InputError(f"{len(spans)} spans for {len(wanted)} labels")
    means = []
    for label, (start, end) in zip(wanted.tolist(), spans, strict=True):
        if not 0 <= start < end <= len(values):
            raise InputError(f"span [{start}, {end}) is not within {len(values)} steps")
        mean = np.exp(values[start:end, label].astype(np.float64)).mean()
        means.append(min(1.0, float(mean)))
    return means


def _checked(log_probs: Any, labels: Sequence[int]) -> tuple[Array, Array]:
    values = np.asarray(log_probs)
    if values.ndim != 2 or values.shape[1] < 1 or not np.issubdtype(values.dtype, np.floating):
        raise InputError(
            f"log_probs is {values.dtype} {values.shape}; expected floats (steps, classes)"
        )
    with np.errstate(over="ignore"):  # values below float32's range become -inf
        values = np.ascontiguousarray(values, np.float32)
    wrong = ~(values <= HIGHEST)
    if wrong.any():
        step, label = np.argwhere(wrong)[0].tolist()
        found = values[step, label]
        advice = "" if np.isnan(found) else ", above 0: pass the logits through log-softmax first"
        raise InputError(
            f"step {step}: class {label} has log probability {found:g}{advice}",
        )
    wanted = np.asarray(labels)
    if wanted.size == 0:
        wanted = np.empty(0, np.int64)
    if wanted.ndim != 1 or not np.issubdtype(wanted.dtype, np.integer):
        raise InputError(f"labels is {wanted.dtype} {wanted.shape}; expected whole numbers")
    for label in wanted[(wanted < 1) | (wanted >= values.shape[1])][:1]:
        raise InputError(f"label {label} is not a gloss; expected 1 to {values.shape[1] - 1}")
    return values, wanted.astype(np.int64)
