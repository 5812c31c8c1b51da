"""Two steps of training a head on one process's share of a batch.

The tests call :func:`train` alone, and run this file once for each of several processes:
``python distributed_norm.py RANK SIZE STORE IN OUT``.
"""

from __future__ import annotations

import sys
from typing import Any

import torch

from slaeval.models.head import Head


def train(given: dict[str, Any], rank: int, size: int) -> dict[str, Any]:
    """Return weights, a gradient, the gradients of the inputs and the logits."""
    head = Head(6, 8, 1, 0.0, 5).double().train()
    head.load_state_dict(given["head"])
    share = len(given["videos"]) // size
    videos = [video.clone().requires_grad_() for video in given["videos"][rank * share :][:share]]
    lengths = torch.tensor([len(video) for video in videos])
    for _ in range(2):
        out = head(torch.cat(videos), lengths)
        steps = [out.sequence[i, :n] for i, n in enumerate(out.lengths.tolist())]
        also = [out.convolution[i, :n] for i, n in enumerate(out.lengths.tolist())]
        # Each process takes the mean over its videos, and the gradients are averaged.
        terms = [a.square().mean() + b.cos().mean() for a, b in zip(steps, also, strict=True)]
        torch.stack(terms).mean().backward()
        for name, value in head.named_parameters():
            if value.grad is None:  # the tower's classifier is not in the loss
                continue
            if size > 1:
                torch.distributed.all_reduce(value.grad)
            with torch.no_grad():
                value -= 0.1 * value.grad / size
            if name.endswith("conv1.weight"):
                gradient = value.grad / size
        head.zero_grad()
    return {
        "head": head.state_dict(),
        "gradient": gradient,
        "inputs": [video.grad / size for video in videos],
        "steps": [step.detach() for step in steps],
    }


def main() -> None:
    rank, size = int(sys.argv[1]), int(sys.argv[2])
    store, source, target = sys.argv[3:6]
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=size
    )
    torch.save(train(torch.load(source, weights_only=True), rank, size), target)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
