"""From the weights of a run to a checkpoint that holds all that is needed to use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slaeval.checkpoints import new_checkpoint, save_checkpoint
from slaeval.scoring.protocols import OFFICIAL
from slaeval.scoring.score import Score
from slaeval.training.setup import Job

__all__ = ["save_trained"]


def save_trained(path: str, job: Job, row: Mapping[str, float], score: Score | None = None) -> None:
    """Write a checkpoint.

    Parameters
    ----------
    path : str
        ``.pt`` or ``.safetensors``.
    job : Job
        What was trained.
    row : mapping
        Of ``log.csv``, of the epoch the weights are from.
    score : Score, optional
        On dev.
    """
    model, recipe, data = job.built.recogniser, job.recipe, job.data
    parts = {
        "adapter": model.adapter_state(),
        "head": model.head_state(),
        "tower": model.tower_state(),
    }
    metrics: dict[str, Any] = {"epoch": int(row["epoch"]), "dev_wer": row["dev_wer"]}
    if score is not None:
        metrics |= {"dev": score.total.to_dict(), "signature": score.signature}
    checkpoint = new_checkpoint(
        model=model.config.to_dict(),
        vocabulary=data.examples.vocabulary,
        preprocessing=recipe.preprocessing().to_dict(),
        decoding=job.decoding.to_dict(),
        corpus={
            "name": data.corpus.name,
            "setup": data.corpus.setup,
            "labels": recipe.labels,
            "fps": data.examples.fps,
        },
        protocol=OFFICIAL,
        recipe=recipe.to_dict(),
        metrics=metrics,
        backbone={
            "name": recipe.backbone,
            "pretrained": recipe.pretrained,
            "hash": job.built.tower_hash,
        },
        tensors={
            f"{part}.{name}": value.detach().cpu()
            for part, state in parts.items()
            for name, value in state.items()
        },
    )
    save_checkpoint(path, checkpoint, slim=job.options.slim)
