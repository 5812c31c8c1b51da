"""The interface of ``ctcdecode`` (parlance), which no longer builds.

Instead of ``import ctcdecode`` write ``import slaeval.decoding as ctcdecode``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from slaeval.decoding.ctc import HIGHEST, checked, likeliest_classes, refuse
from slaeval.errors import InputError, UsageError

__all__ = ["CTCBeamDecoder"]

Array = np.ndarray[Any, Any]


class CTCBeamDecoder:
    """Prefix beam search that returns every prefix kept.

    Parameters
    ----------
    labels : sequence of str
        One per class, in the order of the model's output; only their number matters.
    model_path : None
        A language model is not supported.
    alpha, beta : float
        Weights of a language model; ignored without one, as in ctcdecode.
    cutoff_top_n : int
        How many classes are considered in a step, the most likely first; the blank and the last
        gloss of a prefix can be cut off too.
    cutoff_prob : float
        Only 1.0, no pruning by probability.
    beam_width : int
        Prefixes kept from step to step, and returned.
    num_processes : int
        Accepted; the batch is decoded in this process.
    blank_id : int
        The class of the blank.
    log_probs_input : bool
        Whether probabilities are given as natural logarithms.

    Raises
    ------
    UsageError
        A setting that is not supported or makes no sense.
    """

    def __init__(
        self,
        labels: Sequence[str],
        model_path: str | None = None,
        alpha: float = 0,
        beta: float = 0,
        cutoff_top_n: int = 40,
        cutoff_prob: float = 1.0,
        beam_width: int = 100,
        num_processes: int = 4,
        blank_id: int = 0,
        log_probs_input: bool = False,
    ) -> None:
        if model_path:
            raise UsageError("CTCBeamDecoder: a language model (model_path) is not supported")
        if cutoff_prob != 1.0:
            raise UsageError("CTCBeamDecoder: cutoff_prob is not supported; leave it at 1.0")
        for name, value in (("cutoff_top_n", cutoff_top_n), ("beam_width", beam_width)):
            if value < 1:
                raise UsageError(f"CTCBeamDecoder: {name} is {value}; expected 1 or more")
        if not 0 <= blank_id < len(labels):
            raise UsageError(
                f"CTCBeamDecoder: blank_id is {blank_id}; expected 0 to {len(labels) - 1}"
            )
        self._classes = len(labels)
        self._tried = min(cutoff_top_n, len(labels))
        self._width = beam_width
        self._blank = blank_id
        self._logarithms = log_probs_input

    def decode(self, probs: Any, seq_lens: Any = None) -> tuple[Any, Any, Any, Any]:
        """Decode a batch.

        Parameters
        ----------
        probs : array or torch tensor (B, T, V)
            Probabilities (after the softmax), or their logarithms with `log_probs_input`.
        seq_lens : array or torch tensor of int (B,), optional
            Steps of each sequence, at most and by default T.

        Returns
        -------
        beam_results : int32 (B, beam_width, T)
            Classes of each prefix, the most likely prefix first; 0 after its end.
        beam_scores : float32 (B, beam_width)
            Minus the logarithm of its probability; inf where there are fewer prefixes.
        timesteps : int32 (B, beam_width, T)
            The step at which each class was most likely while the prefix before it was kept.
        out_lens : int32 (B, beam_width)
            Length of each prefix.

            Tensors if `probs` is one, otherwise arrays.

        Raises
        ------
        InputError
            A wrong number of classes, nan, or values that contradict `log_probs_input`.
        """
        values, steps = self._prepared(probs, seq_lens)
        from slaeval.decoding.kernels import search

        found, when, sizes, logarithms, place = search(
            values,
            steps,
            self._width,
            max(self._classes - 1, 1),
            -np.inf,
            False,
            HIGHEST,
            self._width,
        )
        if place[0] >= 0:
            refuse(values[place[0], place[1]], f"sequence {place[0]}", int(place[1]))
        # There, class 0 is the blank; classes below the original blank were moved up by one.
        found = np.where((found > 0) & (found <= self._blank), found - 1, found)
        out = (
            found.astype(np.int32),
            (-logarithms).astype(np.float32),
            when,
            sizes.astype(np.int32),
        )
        if not _is_tensor(probs):
            return out
        torch = sys.modules["torch"]
        return tuple(torch.from_numpy(array) for array in out)

    def _prepared(self, probs: Any, seq_lens: Any) -> tuple[Array, Array]:
        """Return logarithms with the blank first and only the most likely classes of each step."""
        values = np.asarray(_array(probs), np.float32)
        if values.ndim != 3 or values.shape[2] != self._classes:
            raise InputError(
                f"probs has the shape {values.shape}; expected (sequences, steps, {self._classes})"
            )
        if not self._logarithms:
            if values.size and not (np.nanmin(values) >= 0 and np.nanmax(values) <= 1 + HIGHEST):
                raise InputError(
                    "probs has values outside 0 to 1; apply a softmax, or set "
                    "log_probs_input=True for logarithms"
                )
            values = np.log(values + np.finfo(np.float32).tiny)
        lengths = None
        if seq_lens is not None:  # the repositories pass whole numbers of any type
            lengths = np.minimum(np.asarray(_array(seq_lens)).astype(np.int64), values.shape[1])
        values = likeliest_classes(values, self._tried)
        blank = values[:, :, self._blank : self._blank + 1]
        rest = np.delete(values, self._blank, axis=2)
        return checked(np.concatenate([blank, rest], axis=2), lengths, None)


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _array(value: Any) -> Any:
    if not _is_tensor(value):
        return value
    tensor = value.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()
