"""Full float32: without TF32, which cuDNN uses by default for convolutions and LSTMs.

torch has an older switch for this and, from 2.9 on, newer ones per operation; reading one after
setting the other is an error. So all of slaeval sets them here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["setting", "without_tf32"]


@contextlib.contextmanager
def without_tf32(device: torch.device) -> Iterator[None]:
    """Compute convolutions and LSTMs in full float32 on CUDA; do nothing on other devices."""
    with contextlib.ExitStack() as stack:
        if device.type == "cuda":
            cudnn: Any = torch.backends.cudnn
            if hasattr(cudnn, "conv"):
                stack.enter_context(setting(cudnn.conv, "fp32_precision", "ieee"))
                stack.enter_context(setting(cudnn.rnn, "fp32_precision", "ieee"))
            else:
                stack.enter_context(setting(cudnn, "allow_tf32", False))
        yield


@contextlib.contextmanager
def setting(where: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute, and restore it at the end."""
    before = getattr(where, name)
    setattr(where, name, value)
    try:
        yield
    finally:
        setattr(where, name, before)
