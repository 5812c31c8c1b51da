"""How clips are divided into batches, optimiser steps and epochs."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from slaeval.errors import UsageError
from slaeval.recognition.batches import Batch, LoadedBatch
from slaeval.recognition.distributed import World
from slaeval.training.recipe import Recipe

__all__ = ["Plan", "epoch_plan"]


class Plan:
    """The batches and steps of a run.

    Parameters
    ----------
    lengths : sequence of int
        Frames of every clip.
    recipe : Recipe
        Clips per batch and process, batches per step.
    world : World
        The processes that share a batch.

    Attributes
    ----------
    clips_per_batch : int
        Over all processes.
    batches, steps : int
        Per epoch.
    rate : float
        The learning rate, scaled as the recipe says.

    Raises
    ------
    UsageError
        There are fewer clips than one batch takes.
    """

    def __init__(self, lengths: Sequence[int], recipe: Recipe, world: World) -> None:
        self.lengths, self.recipe, self.world = lengths, recipe, world
        self.clips_per_batch = recipe.batch_size * world.size
        self.batches = len(epoch_plan(lengths, self.clips_per_batch, 0, recipe.seed))
        self.steps = math.ceil(self.batches / recipe.accumulate)
        self.rate = recipe.rate_for(self.clips_per_batch * recipe.accumulate)

    def epoch(self, epoch: int, done: int = 0) -> list[list[tuple[int, int]]]:
        """Return this process's part of each batch of an epoch after the first `done`.

        Clips are given as (epoch, index), the keys of
        :class:`~slaeval.training.examples.TrainingClips`.
        """
        rank, size = self.world.rank, self.world.size
        batches = epoch_plan(self.lengths, self.clips_per_batch, epoch, self.recipe.seed)[done:]
        return [[(epoch, index) for index in batch[rank::size]] for batch in batches]

    def grouped(self, batches: Iterable[LoadedBatch]) -> Iterator[list[Batch]]:
        """Yield the batches of each optimiser step; the last of an epoch may have fewer."""
        left = (loaded.batch for loaded in batches if loaded.batch is not None)
        while group := list(islice(left, self.recipe.accumulate)):
            yield group

    def frames(self, batch: Sequence[tuple[int, int]]) -> int:
        """Return the frames of a batch, before augmentation."""
        return sum(self.lengths[index] for _, index in batch)

    def steps_before(self, epoch: int, done: int) -> int:
        """Return the optimiser steps up to a position: whole epochs, and batches of the next."""
        return epoch * self.steps + math.ceil(done / self.recipe.accumulate)

    def described(self) -> Iterator[str]:
        """Yield lines that say what a step is."""
        recipe, size = self.recipe, self.world.size
        parts = [f"{recipe.batch_size} clips"]
        if size > 1:
            parts.append(f"{size} processes")
        if recipe.accumulate > 1:
            parts.append(f"{recipe.accumulate} batches")
        clips = self.clips_per_batch * recipe.accumulate
        product = f" ({' × '.join(parts)})" if len(parts) > 1 else ""
        yield (
            f"{clips} clips per step{product}, {self.steps} steps per epoch, "
            f"{self.steps * recipe.epochs} in all; learning rate {self.rate:g}, {recipe.schedule}"
        )
        if clips != recipe.lr_batch and recipe.lr_scaling == "none":
            yield (
                f"  Note: the learning rate is meant for {recipe.lr_batch} clips per step and is "
                "not scaled; --set lr_scaling=sqrt or linear scales it"
            )
        elif clips != recipe.lr_batch:
            yield (
                f"  {recipe.lr_scaling} scaling from {recipe.learning_rate:g} for "
                f"{recipe.lr_batch} clips per step"
            )


def epoch_plan(lengths: Sequence[int], batch_size: int, epoch: int, seed: int) -> list[list[int]]:
    """Deal clips into batches of similar length.

    Clips are shuffled, sorted by length within stretches of 32 batches, cut into batches, and
    the batches shuffled again. As in the field the clips left over at the end of an epoch (fewer
    than a batch) wait for the next one, which shuffles anew. The plan does not depend on the
    number of processes.

    Parameters
    ----------
    lengths : sequence of int
        Frames of every clip.
    batch_size : int
        Clips a batch, over all processes.
    epoch, seed : int
        Of the shuffling.

    Raises
    ------
    UsageError
        Fewer clips than one batch.
    """
    if len(lengths) < batch_size:
        raise UsageError(
            f"{len(lengths)} clips are fewer than one batch of {batch_size}: lower --batch-size"
        )
    dealer = random.Random(f"{seed} {epoch}")
    order = list(range(len(lengths)))
    dealer.shuffle(order)
    del order[len(order) - len(order) % batch_size :]
    stretch = 32 * batch_size
    batches = []
    for start in range(0, len(order), stretch):
        near = sorted(order[start : start + stretch], key=lambda index: (lengths[index], index))
        batches += [near[at : at + batch_size] for at in range(0, len(near), batch_size)]
    dealer.shuffle(batches)
    return batches
