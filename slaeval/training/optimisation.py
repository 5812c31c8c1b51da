"""The optimiser, and the learning rate as a function of the step: there is no state to save."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from slaeval.training.recipe import Recipe

__all__ = ["learning_rate", "optimiser_of"]


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of an optimiser step.

    Parameters
    ----------
    recipe : Recipe
        ``"multistep"``: times `gamma` from each milestone on; ``"one-cycle"``: up from 1/25 in
        the first 30 % of all steps, then down to 1/10,000, both along a cosine (Smith and Topin
        2019, as torch's ``OneCycleLR``).
    step : int
        Steps done, from 0.
    steps_per_epoch : int
        Optimiser steps an epoch.
    """
    peak = recipe.learning_rate
    if recipe.schedule == "multistep":
        passed = sum(step >= milestone * steps_per_epoch for milestone in recipe.milestones)
        return peak * recipe.gamma**passed
    total = max(2, recipe.epochs * steps_per_epoch)
    top = max(1.0, 0.3 * total - 1)
    if step <= top:
        low, high, share = peak / 25, peak, step / top
    else:
        low, high, share = peak, peak / 1e4, min(1.0, (step - top) / (total - 1 - top))
    return high + (low - high) * (1 + math.cos(math.pi * share)) / 2


def optimiser_of(recipe: Recipe, parameters: Mapping[str, Tensor]) -> torch.optim.Optimizer:
    """Return the recipe's optimiser; with ``"adamw"`` biases and norms do not decay."""
    if recipe.optimiser == "adam":
        return torch.optim.Adam(
            parameters.values(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
    flat = [parameter for parameter in parameters.values() if parameter.ndim < 2]
    deep = [parameter for parameter in parameters.values() if parameter.ndim >= 2]
    return torch.optim.AdamW(
        [
            {"params": deep, "weight_decay": recipe.weight_decay},
            {"params": flat, "weight_decay": 0.0},
        ],
        recipe.learning_rate,
    )
