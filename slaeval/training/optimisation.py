"""The optimiser, its learning rate from step to step, and gradients over several processes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler, MultiStepLR, OneCycleLR

from slaeval.recognition.distributed import World
from slaeval.training.recipe import Recipe

__all__ = ["advance", "optimiser_of", "schedule_of", "sum_gradients"]


def optimiser_of(
    recipe: Recipe, parameters: Mapping[str, Tensor], rate: float
) -> torch.optim.Optimizer:
    """Return the recipe's optimiser; ``"adamw"`` does not decay biases and norms."""
    if recipe.optimiser == "adam":
        return torch.optim.Adam(parameters.values(), rate, weight_decay=recipe.weight_decay)
    flat = [parameter for parameter in parameters.values() if parameter.ndim < 2]
    deep = [parameter for parameter in parameters.values() if parameter.ndim >= 2]
    return torch.optim.AdamW(
        [
            {"params": deep, "weight_decay": recipe.weight_decay},
            {"params": flat, "weight_decay": 0.0},
        ],
        rate,
    )


def schedule_of(
    recipe: Recipe, optimiser: torch.optim.Optimizer, rate: float, steps_per_epoch: int
) -> LRScheduler:
    """Return torch's schedule of the learning rate, to be stepped after each optimiser step.

    ``"multistep"`` multiplies by `gamma` from each milestone on; ``"one-cycle"`` goes up from
    1/25 of the peak in the first 30 % of all steps, then down to 1/250,000 of it, both along a
    cosine (Smith and Topin 2019).
    """
    if recipe.schedule == "multistep":
        milestones = [milestone * steps_per_epoch for milestone in recipe.milestones]
        return MultiStepLR(optimiser, milestones, recipe.gamma)
    total = max(2, recipe.epochs * steps_per_epoch)
    return OneCycleLR(optimiser, rate, total_steps=total, cycle_momentum=False)


def advance(schedule: LRScheduler) -> None:
    """Advance a schedule by one step."""
    with warnings.catch_warnings():
        # With fp16 the first steps may overflow and be left out; the schedule goes on.
        warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
        schedule.step()


def sum_gradients(parameters: Iterable[torch.nn.Parameter], world: World) -> None:
    """Sum the gradients of all processes with one all-reduce.

    The loss of every clip is divided by the clips of the whole batch, so that n processes with b
    clips each do what one does with n·b.
    """
    if world.size == 1:
        return
    gradients = [
        torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for parameter in parameters
    ]
    flat = torch._utils._flatten_dense_tensors(gradients)  # type: ignore[no-untyped-call]
    dist.all_reduce(flat)
    together = torch._utils._unflatten_dense_tensors(flat, gradients)  # type: ignore[no-untyped-call]
    for parameter, gradient in zip(parameters, together, strict=True):
        parameter.grad = gradient
