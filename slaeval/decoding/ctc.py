"""CTC decoding of a batch: greedy, and prefix beam search.

Greedy decoding takes the most likely class of each step, merges runs and drops blanks. Beam search
adds up the probabilities of all paths that spell a gloss sequence (A. Hannun et al., "First-Pass
Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs", 2014, without
a language model). Each sequence is decoded independently of the rest of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal

import numpy as np

from slaeval.decoding.settings import Decoding
from slaeval.errors import InputError

__all__ = ["decode"]

Array = np.ndarray[Any, Any]

#: Largest valid log probability; rounding alone gives at most a few 1e-3 in 16 bits.
HIGHEST = 0.01


def decode(
    log_probs: Any,
    lengths: Any = None,
    method: Literal["beam", "greedy"] = "beam",
    width: int = 10,
    tokens: int | None = 20,
    merge_repeats: bool = True,
    token_log_prob: float | None = None,
    pruning: Literal["glosses", "ctcdecode"] = "glosses",
    ids: Sequence[str] | None = None,
) -> list[list[int]]:
    """Find the gloss sequence of each sequence of a batch.

    Parameters
    ----------
    log_probs : array (B, T, V)
        Natural log probabilities (log-softmax) of B sequences, up to T steps, V classes of
        which 0 is the blank; any float type, converted to float32. -inf is allowed.
    lengths : array of int (B,), optional
        Steps of each sequence, by default T each. Later steps are ignored.
    method : {"beam", "greedy"}
        Prefix beam search, or the best class of each step.
    width : int
        Prefixes kept from step to step.
    tokens : int or None
        How many glosses may extend a prefix at one step, the most likely first; None for all.
        The blank and the repetition of a prefix's last gloss are always tried.
    merge_repeats : bool
        Collapse repeated adjacent glosses after decoding.
    token_log_prob : float or None
        A gloss below this log probability extends no prefix; the most likely one always may.
    pruning : {"glosses", "ctcdecode"}
        Whether `tokens` counts glosses, as described above, or all classes considered in a step,
        including blank and repetition.
    ids : sequence of str, optional
        Names of the sequences, for error messages.

    Returns
    -------
    list of list of int
        Classes without blanks, each from 1 to V - 1; empty if there were only blanks.

    Raises
    ------
    InputError
        nan, a value above 0 or a step at which every class is -inf, naming sequence and
        step; invalid shapes or lengths.
    UsageError
        An invalid setting.

    Notes
    -----
    At equal probability the beam prefers the prefix that ranked higher one step before, staying
    to extending, and the smaller class; greedy takes the smaller class.
    """
    settings = Decoding(method, width, tokens, merge_repeats, token_log_prob, pruning)
    values, steps = checked(log_probs, lengths, ids)
    if settings.method == "greedy":
        return [
            _greedy(values[row, :length], _name(row, ids), merge_repeats)
            for row, length in enumerate(steps.tolist())
        ]
    from slaeval.decoding.kernels import search

    classes = values.shape[2]
    if pruning == "ctcdecode" and tokens is not None:
        values, tokens = likeliest_classes(values, tokens), None
    found, _, sizes, _, place = search(
        values,
        steps,
        width,
        classes - 1 if tokens is None else min(tokens, classes - 1),
        -np.inf if token_log_prob is None else float(token_log_prob),
        merge_repeats,
        HIGHEST,
        1,
    )
    if place[0] >= 0:
        refuse(values[place[0], place[1]], _name(int(place[0]), ids), int(place[1]))
    return [found[row, 0, :size].tolist() for row, size in enumerate(sizes[:, 0].tolist())]


def likeliest_classes(values: Array, count: int) -> Array:
    """Return probabilities with all but the most likely classes of each step at -inf."""
    place = values.shape[2] - count
    if place <= 0:
        return values
    least = np.partition(values, place, axis=2)[:, :, place, None]
    kept: Array = np.where(values < least, np.float32(-np.inf), values)
    return kept


def checked(log_probs: Any, lengths: Any, ids: Sequence[str] | None) -> tuple[Array, Array]:
    """Return the probabilities as float32 and the lengths as int64, or raise if invalid."""
    values = np.asarray(log_probs)
    if values.ndim != 3 or values.shape[2] < 1 or not np.issubdtype(values.dtype, np.floating):
        raise InputError(
            f"log_probs is {values.dtype} {values.shape}; expected floats "
            "(sequences, steps, classes)"
        )
    with np.errstate(over="ignore"):  # values below float32's range become -inf
        values = np.ascontiguousarray(values, np.float32)
    if lengths is None:
        lengths = np.full(values.shape[0], values.shape[1])
    steps = np.asarray(lengths)
    if steps.size == 0:
        steps = steps.astype(np.int64)
    if steps.shape != values.shape[:1] or not np.issubdtype(steps.dtype, np.integer):
        raise InputError(
            f"lengths is {steps.dtype} {steps.shape}; expected {values.shape[0]} whole numbers"
        )
    if ids is not None and len(ids) != len(values):
        raise InputError(f"{len(ids)} ids for {len(values)} sequences")
    for row in np.flatnonzero((steps < 0) | (steps > values.shape[1]))[:1]:
        raise InputError(
            f"{_name(row, ids)} has length {steps[row]}; expected 0 to {values.shape[1]}"
        )
    return values, np.ascontiguousarray(steps, np.int64)


def _greedy(values: Array, name: str, merge_repeats: bool) -> list[int]:
    if not len(values):
        return []
    best = values.argmax(1)  # the first nan if there is one
    top = values[np.arange(len(values)), best]
    wrong = np.flatnonzero(~((top > -np.inf) & (top <= HIGHEST)))
    if wrong.size:
        refuse(values[wrong[0]], name, int(wrong[0]))
    classes = [int(key) for key, _ in groupby(best.tolist()) if key]
    return [key for key, _ in groupby(classes)] if merge_repeats else classes


def _name(row: int, ids: Sequence[str] | None) -> str:
    return f"sequence {row}" if ids is None else f"sequence {ids[row]!r}"


def refuse(frame: Array, name: str, step: int) -> None:
    """Raise an error that says what is wrong with one step."""
    where = f"{name}, step {step}: "
    if np.isnan(frame).any():
        raise InputError(f"{where}class {int(np.isnan(frame).argmax())} has log probability nan")
    if frame.max() == -np.inf:
        raise InputError(f"{where}every class has log probability -inf")
    raise InputError(
        f"{where}class {int(frame.argmax())} has log probability {frame.max():g}, above 0: "
        "pass the logits through log-softmax first"
    )
