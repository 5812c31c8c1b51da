"""Weights of AdaptSign's code, drawn as they were when its answers were recorded."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def drawn_weight(name: str, shape: list[int]) -> torch.Tensor:
    """Draw a weight from the CRC-32 of its name."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    drawn = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    drawn = drawn.astype(np.float32)
    norm = "ln_" in name or ("temporal_conv" in name and len(shape) == 1)
    if name.endswith("running_var"):
        drawn = 1 + np.abs(drawn)
    elif norm and name.endswith("weight"):
        drawn = 1 + 0.1 * drawn
    else:
        drawn = drawn * (0.5 if len(shape) < 2 else min(0.5, 2.0 / np.sqrt(shape[-1])))
    return torch.from_numpy(np.asarray(drawn, dtype=np.float32))
