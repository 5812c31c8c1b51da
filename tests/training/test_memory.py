"""What a step will take is known before it is tried."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from slaeval.models.config import TINY, preset
from slaeval.models.recogniser import build_recogniser
from slaeval.training.memory import peak_of

CPU = torch.device("cpu")


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="the system does not measure it"
)
@pytest.mark.slow
@pytest.mark.parametrize("variant", ["sla-lora", "sla-adapter"])
def test_the_prediction_is_near_the_peak(variant: str) -> None:
    script = Path(__file__).with_name("step_peak.py")
    done = subprocess.run(
        [sys.executable, str(script), "ViT-B-32", variant, "48", "on"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    predicted, measured, _ = map(int, done.stdout.split())
    assert 2 / 3 < predicted / measured < 1.5


@pytest.mark.parametrize("variant", ["sla-lora", "sla-adapter", "frozen"])
def test_more_frames_take_more_and_checkpointing_less(variant: str) -> None:
    model = build_recogniser(preset(variant, TINY, 20)).eval()
    found = {}
    for checkpointing in (False, True):
        model.gradient_checkpointing = checkpointing
        for frames in (100, 200, 400):
            found[checkpointing, frames] = peak_of(model, frames, 32, CPU, "fp32")
    plain = [found[False, frames] for frames in (100, 200, 400)]
    assert plain[0] < plain[1] < plain[2] < 4 * plain[0]
    if variant != "frozen":  # whose tower keeps nothing
        assert found[True, 400] < 0.9 * found[False, 400]
    assert all(parameter.grad is None for parameter in model.parameters())


def test_nothing_is_tried_that_cannot_fit() -> None:
    model = build_recogniser(preset("sla-lora", TINY, 20)).eval()
    assert peak_of(model, 100, 32, CPU, "fp32", limit=1e5) == float("inf")
