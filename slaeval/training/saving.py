"""From the weights of a run to a checkpoint that holds all that is needed to use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slaeval.checkpoints import new_checkpoint, save_checkpoint
from slaeval.scoring.protocols import OFFICIAL
from slaeval.scoring.score import Score
from slaeval.training.averaging import WeightAverage
from slaeval.training.setup import Job

__all__ = ["save_trained"]


def save_trained(
    path: str,
    job: Job,
    average: WeightAverage,
    row: Mapping[str, float],
    score: Score | None = None,
) -> None:
    """Write a checkpoint.

    Parameters
    ----------
    path : str
        ``.pt`` or ``.safetensors``.
    job : Job
        What was trained.
    average : WeightAverage
        Its weights.
    row : mapping
        Of ``log.csv``, of the epoch they are from.
    score : Score, optional
        On dev.
    """
    model, recipe, data = job.built.recogniser, job.recipe, job.data
    tower = {f"tower.{name}": value for name, value in model.tower_state().items()}
    metrics: dict[str, Any] = {
        "epoch": int(row["epoch"]),
        "weights": average.described(),
        "dev_wer": row["dev_wer"],
        "dev_wer_convolution": row["dev_wer_convolution"],
    }
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
            **({} if data.cache is None else {"frames": str(data.cache)}),
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
            name: value.detach().cpu() for name, value in {**average.weights(), **tower}.items()
        },
    )
    save_checkpoint(path, checkpoint, slim=job.options.slim)
