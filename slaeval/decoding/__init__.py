"""From the probabilities of a CTC model to glosses, and to the steps where they are signed.

:func:`decode` finds the gloss sequences, :func:`align` the steps of each gloss of a sequence,
:func:`confidences` the model's confidence in them, and :class:`Decoding` holds the settings.
:class:`CTCBeamDecoder` has the interface of ``ctcdecode``.
numpy in, plain lists out; class 0 is the blank; no language model.
"""

from __future__ import annotations

from slaeval.decoding.alignment import InfeasibleError, align, confidences
from slaeval.decoding.ctc import decode
from slaeval.decoding.ctcdecode import CTCBeamDecoder
from slaeval.decoding.settings import CTCDECODE, Decoding

__all__ = [
    "CTCDECODE",
    "CTCBeamDecoder",
    "Decoding",
    "InfeasibleError",
    "align",
    "confidences",
    "decode",
]
