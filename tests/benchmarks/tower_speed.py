"""The recogniser's tower beside open_clip's own, and what training it keeps in memory.

``python tests/benchmarks/tower_speed.py [--backbone ViT-B-16] [--frames 16] [--rounds 5]``

Speed: frames a second at inference, the same frames, weights, threads and type, the towers
taking turns; LoRA is merged and the best round counts. open_clip's tower knows no time: it is the
ceiling, and at least 90 % of it is the aim. Memory: bytes that autograd saves for the backward
pass, counted as they are saved under bfloat16 autocast; from them follows whether a training
batch fits a GPU.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable

import open_clip
import torch

from slaeval.console import table
from slaeval.models.config import ModelConfig
from slaeval.models.recogniser import Recogniser, build_recogniser
from slaeval.models.temporal import Bounds
from slaeval.models.tower import open_tower

#: What the memory has to fit: frames a video, videos a batch, bytes of a GPU.
LENGTH, BATCH, GPU = 200, 2, 24e9

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="ViT-B-16")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=TYPES, default="fp32")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # open_clip warns that the weights are random
    speed(options)
    memory(options.backbone)


def speed(options: argparse.Namespace) -> None:
    """Print frames a second of each tower and its share of open_clip's."""
    device, dtype = torch.device(options.device), TYPES[options.precision]
    theirs = open_clip.create_model(options.backbone).visual.eval()
    lengths = _lengths(options.frames)
    bounds = Bounds.of(lengths, device)
    runs: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "open_clip": theirs.to(device, dtype)
    }
    for variant in ("frozen", "sla-lora", "sla-adapter"):
        tower = open_tower(options.backbone, state=theirs.state_dict())
        model = build_recogniser(_config(variant, options.backbone), tower).eval()
        side = tower.shape.image
        model.merge()
        tower.to(device, dtype)
        runs[variant] = lambda x, tower=tower: tower(x, bounds)
    frames = torch.randn(options.frames, 3, side, side, device=device, dtype=dtype)
    # On a CPU, processor time a thread: other work on the machine does not touch it.
    threads = torch.get_num_threads()
    clock = time.perf_counter if device.type != "cpu" else lambda: time.process_time() / threads
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    with torch.inference_mode():
        for number in range(options.rounds + 1):
            for name, run in runs.items():
                _wait(device)
                start = clock()
                out = run(frames)
                _wait(device)
                if number:
                    seconds[name].append(clock() - start)
                elif name == "open_clip":
                    expected = out
                elif name == "frozen" and options.precision == "fp32":
                    torch.testing.assert_close(out, expected, rtol=1e-3, atol=1e-4)
    best = {name: min(values) for name, values in seconds.items()}
    where = torch.cuda.get_device_name() if device.type == "cuda" else device.type
    print(
        f"{options.backbone}, {options.frames} frames of {side} pixels in {len(lengths)} videos, "
        f"{options.precision}, {where}, {threads} threads, best of {options.rounds} rounds"
    )
    rows = [
        (name, f"{options.frames / value:.2f}", f"{best['open_clip'] / value:.1%}")
        for name, value in best.items()
    ]
    print(table(rows, ["tower", "frames/s", "of open_clip"]))


def memory(backbone: str) -> None:
    """Print saved activations a frame, and what a training batch needs."""
    rows = []
    for variant in ("sla-lora", "sla-adapter"):
        model = build_recogniser(_config(variant, backbone)).train()
        trained = sum(value.numel() for value in model.trainable_parameters().values())
        frozen = sum(value.numel() for value in model.parameters()) - trained
        # float32: trained weights, gradients, two moments of Adam. Frozen weights in float32
        # and in the bfloat16 that autocast keeps.
        fixed = 16 * trained + 6 * frozen
        whole = _saved_per_frame(model)
        model.gradient_checkpointing = True
        inputs = _saved_per_frame(model)
        # While a block is computed again, its inside is there as well.
        again = whole / model.tower.shape.layers
        for name, kept, most in (("no", whole, whole), ("yes", inputs, inputs + again)):
            total = LENGTH * BATCH * most + fixed
            rows.append(
                (
                    variant,
                    name,
                    f"{kept / 1e6:.1f}",
                    f"{total / 1e9:.1f}",
                    "yes" if total < GPU else "no",
                )
            )
    print(
        f"\nsaved for the backward pass of {backbone} under bf16 autocast; a batch of {BATCH} "
        f"videos of {LENGTH} frames\nwith weights, gradients and Adam, by calculation"
    )
    headers = ["variant", "checkpointing", "MB a frame", "GB a batch", f"fits {GPU / 1e9:.0f} GB"]
    print(table(rows, headers))


def _saved_per_frame(model: Recogniser) -> float:
    """Return the bytes one more frame keeps; what autocast keeps of weights drops out."""
    few, more = (_saved(model, frames) for frames in (1, 2))
    return float(more - few)


def _saved(model: Recogniser, frames: int) -> int:
    """Count what one forward pass keeps, each storage once and no parameters."""
    side = model.tower.shape.image
    pictures = torch.randn(frames, 3, side, side)
    weights = {value.untyped_storage().data_ptr() for value in model.parameters()}
    kept: dict[int, int] = {}
    alive = []

    def save(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(value)  # a freed address would stand for two tensors
        return value

    with (
        torch.autograd.graph.saved_tensors_hooks(save, lambda value: value),
        torch.autocast("cpu", torch.bfloat16),
    ):
        model.tower(pictures, Bounds.of(torch.tensor([frames])))
    return sum(kept.values())


def _config(variant: str, backbone: str) -> ModelConfig:
    return ModelConfig(variant, backbone, None, classes=1296)  # type: ignore[arg-type]


def _lengths(frames: int) -> torch.Tensor:
    """Cut the frames into up to four videos of unlike length."""
    ends = sorted({frames, *(max(1, round(frames * share)) for share in (0.1, 0.35, 0.6))})
    return torch.tensor(ends).diff(prepend=torch.zeros(1, dtype=torch.int64))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()


if __name__ == "__main__":
    main()
