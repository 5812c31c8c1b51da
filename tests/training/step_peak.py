"""What a training step is predicted to take, and what it takes.

``python step_peak.py BACKBONE VARIANT FRAMES CHECKPOINTING`` prints both in bytes, measured as
the resident memory of this process (Linux only); the tests run it for a small backbone.
"""

from __future__ import annotations

import gc
import sys

import torch

from slaeval.models.config import preset
from slaeval.models.recogniser import Recogniser, build_recogniser
from slaeval.models.tower import tower_shape
from slaeval.training.memory import give_back_freed_memory, peak_of


def _resident(key: str) -> int:
    with open("/proc/self/status", encoding="ascii") as stream:
        line = next(line for line in stream if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


def _forget_peak() -> None:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as stream:
        stream.write("5")


def _steps(model: Recogniser, frames: int, crop: int) -> None:
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(learned, 1e-4)
    for _ in range(2):
        lengths = torch.tensor([frames // 2, frames - frames // 2])
        output = model(torch.randn(frames, 3, crop, crop), lengths)
        total = output.sequence.sum() + output.convolution.sum() + output.tower.sum()
        total.backward()
        del output, total
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


def main() -> None:
    backbone, variant, frames, checkpointing = sys.argv[1:5]
    torch.set_num_threads(1)
    crop = tower_shape(backbone).image
    model = build_recogniser(preset(variant, backbone, 1200))
    model.gradient_checkpointing = checkpointing == "on"
    give_back_freed_memory()
    model.eval()
    cpu = torch.device("cpu")
    gc.collect()
    before = _resident("VmRSS")
    _forget_peak()
    predicted = peak_of(model, int(frames), crop, cpu, "fp32")
    probing = _resident("VmHWM") - before
    model.train()
    gc.collect()
    before = _resident("VmRSS")
    _forget_peak()
    _steps(model, int(frames), crop)
    print(int(predicted), _resident("VmHWM") - before, probing)


if __name__ == "__main__":
    main()
