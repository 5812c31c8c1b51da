"""A small checkpoint of invented weights."""

from __future__ import annotations

from typing import Any

import torch

from slaeval.checkpoints import Checkpoint, new_checkpoint, tower_hash

__all__ = ["assert_same", "make_checkpoint"]


def make_checkpoint(seed: int = 0, **changes: Any) -> Checkpoint:
    """Return a checkpoint of invented weights; `changes` replace its parts."""
    generator = torch.Generator().manual_seed(seed)

    def weights(*shape: int) -> Any:
        return torch.randn(shape, generator=generator)

    tower = {"conv1.weight": weights(4, 3, 2, 2), "ln_post.bias": weights(4)}
    parts: dict[str, Any] = {
        "model": {"variant": "sla-lora", "backbone": "ViT-T", "classes": 4, "lora_rank": 2},
        "vocabulary": ["HEUTE", "天气", "مرحبا"],
        "preprocessing": {"resize": 256, "crop": 224, "normalisation": "clip"},
        "decoding": {"method": "beam", "width": 10, "tokens": 20, "merge_repeats": True},
        "corpus": {"name": "phoenix2014t", "setup": "multisigner", "labels": "cleaned"},
        "protocol": "rwth-2014",
        "recipe": {"epochs": 3, "lr": 1e-4, "milestones": (1, 2), "note": None},
        "metrics": {"dev_wer": 20.25, "dev": {"substitutions": 3}, "signature": "wer|p:rwth"},
        "backbone": {"name": "ViT-T", "pretrained": None, "hash": tower_hash(tower)},
        "tensors": {
            "adapter.0.lora_a": weights(2, 4),
            "head.classifier.weight": weights(6, 4),
            "head.norm1.num_batches_tracked": torch.tensor(7),
            "head.half": weights(3).half(),
            "head.brain": weights(3).bfloat16(),
            **{f"tower.{name}": value for name, value in tower.items()},
        },
    }
    return new_checkpoint(**(parts | changes))


def assert_same(left: Checkpoint, right: Checkpoint) -> None:
    """See that two checkpoints are equal to the last bit."""
    assert left.meta() == right.meta()
    assert left.tensors.keys() == right.tensors.keys()
    for name, tensor in left.tensors.items():
        other = right.tensors[name]
        assert tensor.dtype == other.dtype
        assert torch.equal(tensor, other), name
    assert left.hash == right.hash
