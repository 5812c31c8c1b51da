"""The learning proof in full: from nothing to a trained, evaluated checkpoint, with its controls.

``python tests/benchmarks/learning_proof.py [--seeds 5] [--root sample] [--out folder]``

Renders the filmed sample once, trains both variants on it with the tiny recipe for each seed and
runs them on the held-out sentences. Beside each: the untrained model, the trained one with its
adapter zeroed and, as controls that are trained alike, shuffled labels and a frozen tower without
an adapter. Aims: WER at most 10 % on 4 of 5 seeds in under 5 minutes each; over 70 % untrained
and with shuffled labels; at least 30 points lost with the adapter; the frozen tower clearly worse.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from zeroed_adapter import zero_adapter

from slaeval.console import table
from slaeval.loaders import write_sample
from slaeval.models.recogniser import build_recogniser
from slaeval.recognition.checkpoint_loading import LoadedCheckpoint, load_checkpoint
from slaeval.recognition.run import evaluate
from slaeval.training import Options, recipe_for, train

_ADAPTED = ("sla-lora", "sla-adapter")
_CORPUS = "phoenix2014t"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--root", type=Path, help="a filmed sample; without it one is rendered")
    parser.add_argument("--out", type=Path, help="folder to keep the checkpoints in")
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = options.out or Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        root = options.root
        if root is None:
            root = Path(folder) / "sample"
            begun = time.monotonic()
            write_sample(_CORPUS, root, video=True)
            print(f"rendering: {time.monotonic() - begun:.0f} s", flush=True)
        rows = []
        for seed in range(options.seeds):
            for variant in (*_ADAPTED, "frozen"):
                rows.append(_row(root, out, variant, seed, options.workers))
                print(*rows[-1], flush=True)  # an hour is long to wait for a table
            rows.append(_row(root, out, "sla-lora", seed, options.workers, shuffled=True))
            print(*rows[-1], flush=True)
    heads = ("variant", "seed", "train s", "run s", "dev", "test", "zeroed", "untrained")
    print("\nWER in percent; dev of the epoch that was kept")
    print(table(rows, heads))
    for variant in _ADAPTED:
        test = [float(row[5]) for row in rows if row[0] == variant]
        print(f"{variant}: at most 10 % on {sum(wer <= 10 for wer in test)} of {len(test)} seeds")


def _row(
    root: Path, out: Path, variant: str, seed: int, workers: int, shuffled: bool = False
) -> tuple[str, ...]:
    """Train, run and take away: one row of the table."""
    name = f"{variant}, shuffled" if shuffled else variant
    stem = out / f"{variant}{'-shuffled' if shuffled else ''}-{seed}"
    begun = time.monotonic()
    done = train(
        _CORPUS,
        f"{stem}.pt",
        replace(recipe_for(variant, "slaeval-tiny"), seed=seed),
        root=root,
        options=Options(device="cpu", workers=workers, restart=True, shuffle_labels=shuffled),
    )
    trained = time.monotonic()
    loaded = load_checkpoint(done.checkpoint)
    wer = _wer(loaded, root, f"{stem}.run")
    ran = time.monotonic()
    cells = [name, str(seed), f"{trained - begun:.0f}", f"{ran - trained:.0f}"]
    cells += [f"{done.score.wer:.2f}", f"{wer:.2f}"]
    if variant == "frozen" or shuffled:
        return (*cells, "", "")
    zero_adapter(loaded.model)
    cells.append(f"{_wer(loaded, root, f'{stem}.zeroed'):.2f}")
    fresh = build_recogniser(loaded.model.config, seed=seed)
    loaded.model.load_states(fresh.adapter_state(), fresh.head_state())
    cells.append(f"{_wer(loaded, root, f'{stem}.untrained'):.2f}")
    return tuple(cells)


def _wer(loaded: LoadedCheckpoint, root: Path, out: str) -> float:
    return evaluate(loaded, root=root, out=out, restart=True).wer


if __name__ == "__main__":
    main()
