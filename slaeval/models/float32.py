"""Float32 that is float32: without TF32, which cuDNN takes by default for convolutions and LSTM.

torch has an older switch for this and, from 2.9 on, newer ones for each operation; it is an error
to read one after the other was set. So all of slaeval sets them here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["setting", "without_tf32"]


@contextlib.contextmanager
def without_tf32(device: torch.device) -> Iterator[None]:
    """Compute convolutions and LSTM of a CUDA device in full float32; nothing elsewhere."""
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
    """Set an attribute, and set it back at the end."""
    before = getattr(where, name)
    setattr(where, name, value)
    try:
        yield
    finally:
        setattr(where, name, before)
