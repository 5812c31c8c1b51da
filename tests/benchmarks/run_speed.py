"""``slaeval run`` from files to hypotheses beside the bare tower, its padding and its memory.

``python tests/benchmarks/run_speed.py [--backbone ViT-B-32] [--sentences 4] [--budget 128]``

Speed: ``evaluate`` reads, recognises, decodes, aligns and journals a rendered split; beside it
open_clip's own tower sees the same batches, decoded and normalised beforehand. They take turns
and the best round counts. On a CPU the share is that of this process's processor time, which
other work on the machine does not touch, and which the readers, in processes of their own, are
no part of: what is asked is what a run costs where decoding is not the limit. The aim is 90 %.

Padding: the tower sees none. The share of the head's places that only fill up a batch, for the
lengths of a split (``--lengths FILE``, any annotation with frame numbers, PHOENIX-2014-T's
test split for one); the aim is 10 %.

Memory: resident size above that of the loaded model at its highest, for growing budgets and for
a corpus of several times the size.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import dataclasses
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import torch

from slaeval.checkpoints import new_checkpoint, save_checkpoint, tower_hash
from slaeval.console import table
from slaeval.decoding import Decoding
from slaeval.decoding.steps import output_length
from slaeval.loaders import load_corpus, read_references_file, write_sample
from slaeval.loaders.records import Corpus
from slaeval.loaders.video import find_video_clips
from slaeval.models.config import preset
from slaeval.models.recogniser import build_recogniser
from slaeval.recognition.batches import (
    ClipDataset,
    FrameLoader,
    Preprocessing,
    plan_batches,
    prepare,
)
from slaeval.recognition.checkpoint_loading import LoadedCheckpoint, load_checkpoint
from slaeval.recognition.devices import choose_precision, numerics
from slaeval.recognition.run import evaluate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="ViT-B-32")
    parser.add_argument("--sentences", type=int, default=4)
    parser.add_argument("--budget", type=int, default=128, help="frames at once")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--lengths", help="an annotation with numbers of frames")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # open_clip warns that the weights are random
    if options.lengths:
        padding(options.lengths)
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "corpus")
        sizes = {"train": 2 * options.sentences, "dev": 1, "test": options.sentences}
        write_sample("phoenix2014t", root, video=True, sizes=sizes)
        checkpoint = os.path.join(folder, "checkpoint.pt")
        write_checkpoint(checkpoint, options.backbone, root)
        loaded = load_checkpoint(checkpoint, options.device)
        loaded.recognise(np.zeros((8, 32, 32, 3), np.uint8))  # compiles what decodes
        memory(loaded, root, folder, options)
        speed(loaded, load_corpus("phoenix2014t", root, "test"), folder, options)


def write_checkpoint(path: str, backbone: str, root: str) -> None:
    """Write an SLA-LoRA checkpoint with random weights."""
    vocabulary = load_corpus("phoenix2014t", root).vocabulary
    model = build_recogniser(preset("sla-lora", backbone, classes=len(vocabulary) + 1))
    side = model.tower.shape.image
    states = {
        "adapter": model.adapter_state(),
        "head": model.head_state(),
        "tower": model.tower_state(),
    }
    checkpoint = new_checkpoint(
        model=model.config.to_dict(),
        vocabulary=vocabulary,
        preprocessing=Preprocessing(side * 8 // 7, side).to_dict(),
        decoding=Decoding().to_dict(),
        corpus={"name": "phoenix2014t", "setup": "multisigner", "labels": "raw"},
        protocol="official",
        recipe={},
        metrics={},
        backbone={"name": backbone, "pretrained": None, "hash": tower_hash(states["tower"])},
        tensors={f"{part}.{key}": v for part, state in states.items() for key, v in state.items()},
    )
    save_checkpoint(path, checkpoint)


def speed(
    loaded: LoadedCheckpoint, corpus: Corpus, folder: str, options: argparse.Namespace
) -> None:
    """Print frames a second of the bare tower and of a run."""
    device = loaded.device
    precision = choose_precision(options.precision, device)
    bare = open_clip.create_model(options.backbone).visual.eval().to(device)
    footage, _ = find_video_clips(corpus)
    plan = plan_batches([clip.num_frames for clip in footage], options.budget)
    with FrameLoader(ClipDataset(footage, loaded.preprocessing.resize)) as reading:
        batches = [
            prepare(one.batch.frames.to(device), loaded.preprocessing)
            for one in reading.batches(plan)
            if one.batch is not None
        ]
    frames = sum(map(len, batches))
    seconds: dict[str, list[float]] = {"open_clip's tower": [], "slaeval run": []}
    work: dict[str, list[float]] = {name: [] for name in seconds}
    for number in range(options.rounds + 1):
        start, busy = time.perf_counter(), time.process_time()
        with numerics(device, precision):
            for batch in batches:
                bare(batch)
            if device.type == "cuda":
                torch.cuda.synchronize()
        if number:
            seconds["open_clip's tower"].append(time.perf_counter() - start)
            work["open_clip's tower"].append(time.process_time() - busy)
        busy = time.process_time()
        run = evaluate(
            loaded,
            corpus,
            out=os.path.join(folder, f"run{number}"),
            precision=precision,
            frame_budget=options.budget,
            workers=options.workers,
        )
        if number:
            seconds["slaeval run"].append(run.settings["timings"]["seconds"])
            work["slaeval run"].append(time.process_time() - busy)
    measure = work if device.type == "cpu" else seconds
    best = min(measure["open_clip's tower"])
    print(f"\n{options.backbone}, {device}, {precision}, {frames} frames, {len(plan)} batches")
    print(
        table(
            [
                (name, f"{frames / min(took):.1f}", f"{100 * best / min(measure[name]):.1f} %")
                for name, took in seconds.items()
            ],
            ("", "frames/s", "share"),
        )
    )


def padding(path: str) -> None:
    """Print which share of the head's places is padding."""
    samples = read_references_file(path, "phoenix2014t", "test")
    lengths = [sample.num_frames for sample in samples if sample.num_frames]
    rows = []
    for budget in (256, 512, 1024, 2048):
        plan = plan_batches(lengths, budget)
        places = steps = places_in = steps_in = 0
        for batch in plan:
            mine = [output_length(lengths[index]) for index in batch]
            steps += sum(mine)
            places += len(mine) * max(mine)
            # What the temporal convolution goes over, VAC's copies of edge frames among it.
            inputs = [4 * length + 12 for length in mine]
            steps_in += sum(inputs)
            places_in += len(inputs) * max(inputs)
        rows.append(
            (
                budget,
                len(plan),
                "0.0 %",
                f"{100 * (1 - steps_in / places_in):.1f} %",
                f"{100 * (1 - steps / places):.1f} %",
            )
        )
    print(f"\npadding: {len(lengths)} videos, {sum(lengths)} frames, the longest {max(lengths)}")
    print(
        table(rows, ("budget", "batches", "tower", "temporal convolution", "BiLSTM, classifier"), 0)
    )


def memory(loaded: LoadedCheckpoint, root: str, folder: str, options: argparse.Namespace) -> None:
    """Print the highest resident size above the loaded model's."""
    test = load_corpus("phoenix2014t", root, "test")
    everything = dataclasses.replace(load_corpus("phoenix2014t", root), split="all")
    if resident() is None:
        print("memory: only measured on Linux")
        return
    rows = []
    for budget, corpus in (
        (options.budget // 8, test),
        (options.budget // 8, everything),
        (options.budget // 2, test),
        (options.budget, test),
    ):
        # What was freed while loading would serve for free.
        ctypes.CDLL(None).malloc_trim(0)
        start = resident() or 0
        with highest() as peak:
            run = evaluate(
                loaded,
                corpus,
                out=os.path.join(folder, f"memory-{budget}-{corpus.split}"),
                precision=options.precision,
                frame_budget=budget,
                workers=options.workers,
            )
        frames = [mine.frames for mine in run.alignments.values()]
        rows.append((budget, sum(frames), max(frames), f"{(peak[0] - start) / 2**20:.0f} MiB"))
    print("\nmemory above that of the loaded model")
    print(table(rows, ("budget", "frames of the corpus", "longest video", "highest"), 0))


def resident() -> int | None:
    """Return the resident size of this process in bytes, where the system says."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def highest() -> Iterator[list[int]]:
    """Watch the resident size; the list holds the highest seen."""
    peak = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], resident() or 0)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    main()
