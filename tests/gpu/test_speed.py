"""Figures of a card, gathered for the table; nothing here fails for being slow."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("peft")

import numpy as np
import torch
from card_scale import FIGURES, REHEARSAL, SCALE, new_model, pixels, wait
from torch.utils.flop_counter import FlopCounterMode

from slaeval.decoding import Decoding
from slaeval.loaders.video import VideoClip, open_footage
from slaeval.models.losses import losses
from slaeval.models.temporal import Bounds
from slaeval.recognition.batches import Preprocessing
from slaeval.recognition.devices import choose_precision, choose_workers
from slaeval.recognition.predictor import recognise_corpus

GLOSSES = tuple(f"G{number}" for number in range(1295))


def _best(work: Callable[[], object], device: torch.device, rounds: int = 3) -> float:
    """Return the shortest time of some rounds, in seconds, after one to warm up."""
    work()
    took = []
    for _ in range(rounds):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        took.append(time.perf_counter() - start)
    return min(took)


@pytest.fixture(scope="module")
def ceiling(card: torch.device) -> float:
    """Operations a second of the card's own matrix product in bfloat16."""
    side = 512 if REHEARSAL else 8192
    left = torch.randn(side, side, device=card, dtype=torch.bfloat16)
    right = torch.randn(side, side, device=card, dtype=torch.bfloat16)
    times = 2 if REHEARSAL else 20

    def work() -> None:
        for _ in range(times):
            left @ right

    rate = times * 2 * side**3 / _best(work, card)
    FIGURES.append(("matrix product, bf16", f"{rate / 1e12:.1f} TFLOP/s", ""))
    return rate


@pytest.fixture(scope="module")
def operations(card: torch.device) -> float:
    """Operations of one frame through the tower, counted."""
    tower = new_model("frozen").tower.eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        tower(pixels(1), Bounds.of(torch.tensor([1])))
    return float(counter.get_total_flops())


@pytest.mark.parametrize("variant", ["sla-lora", "sla-adapter"])
def test_the_tower(card: torch.device, ceiling: float, operations: float, variant: str) -> None:
    model = new_model(variant).eval()
    model.merge()
    model.to(card)
    frames = 16 if REHEARSAL else 1024
    lengths = torch.full((frames // 8,), 8)
    batch = pixels(8).repeat(frames // 8, 1, 1, 1).to(card)
    with torch.inference_mode(), torch.autocast(card.type, torch.bfloat16):
        seconds = _best(lambda: model(batch, lengths), card)
    rate = frames / seconds
    share = rate * operations / ceiling
    FIGURES.append(
        (f"forward, {variant}, bf16", f"{rate:,.0f} frames/s, {share:.0%} of the product", "45 %")
    )
    assert rate > 0


@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize("variant", ["sla-lora", "sla-adapter"])
def test_a_training_step(
    card: torch.device, ceiling: float, operations: float, variant: str, checkpointing: bool
) -> None:
    model = new_model(variant).to(card).train()
    model.gradient_checkpointing = checkpointing
    learned = list(model.trainable_parameters().values())
    optimiser = torch.optim.Adam(learned, lr=1e-4)
    lengths = torch.tensor([SCALE.long, SCALE.long])
    batch = pixels(SCALE.long).repeat(2, 1, 1, 1).to(card)
    labels, label_lengths = torch.tensor([3, 4, 5, 6]), torch.tensor([2, 2])

    def step() -> None:
        with torch.autocast(card.type, torch.bfloat16):
            output = model(batch, lengths)
        terms = losses(output, labels, label_lengths)
        torch.stack([value.mean() for value in terms.values()]).sum().backward()
        optimiser.step()
        optimiser.zero_grad()

    if card.type == "cuda":
        torch.cuda.reset_peak_memory_stats(card)
    seconds = _best(step, card)
    # Forward and the gradients of the activations; what is computed again is not useful work.
    share = 2 * 2 * SCALE.long * operations / seconds / ceiling
    memory = torch.cuda.max_memory_allocated(card) / 1e9 if card.type == "cuda" else float("nan")
    FIGURES.append(
        (
            f"step of 2 x {SCALE.long} frames, {variant}"
            + (", checkpointing" if checkpointing else ""),
            f"{seconds:.2f} s, {share:.0%} of the product, {memory:.1f} GB",
            "35 %, 24 GB",
        )
    )
    assert seconds > 0


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "decoding"])
def test_a_whole_split(card: torch.device, filmed: Path, cached: bool) -> None:
    """As many clips as the test split of 2014 T, each of its average length."""
    folder = next(path for path in sorted((filmed).rglob("test/*")) if path.is_dir())
    shot = open_footage(folder)
    names = (shot.files * SCALE.frames)[: SCALE.frames]
    clips = [
        VideoClip(f"clip-{number}", shot.path, names, SCALE.frames) for number in range(SCALE.clips)
    ]
    shape = (SCALE.frames, SCALE.resize, SCALE.resize, 3)
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    model = new_model("sla-lora").eval()
    model.merge()
    model.to(card)
    workers = 0 if cached or REHEARSAL else choose_workers(card)
    precision = choose_precision("auto", card)

    def work(count: int) -> None:
        recognise_corpus(
            model,
            clips[:count],
            Preprocessing(SCALE.resize, SCALE.crop),
            Decoding(),
            GLOSSES,
            card,
            precision,
            workers=workers,
            cache={clip.id: frames for clip in clips} if cached else None,
        )

    work(10)
    wait(card)
    start = time.perf_counter()
    work(SCALE.clips)
    wait(card)
    seconds = time.perf_counter() - start
    how = "decoded before" if cached else f"decoding, {workers} readers of {os.cpu_count()} cores"
    FIGURES.append(
        (
            f"{SCALE.clips} clips of {SCALE.frames} frames, {how}",
            f"{seconds:.1f} s, {SCALE.clips * SCALE.frames / seconds:,.0f} frames/s",
            "8 s" if cached else "as without decoding",
        )
    )
    assert seconds > 0
