"""Training: a minimal, real trainer for CLIP-SLA.

:class:`~slaeval.training.recipe.Recipe` is every number that decides the result,
:mod:`~slaeval.training.examples` what is trained on, :mod:`~slaeval.training.trainer` the run.
"""

from __future__ import annotations

from slaeval.training.recipe import Recipe, recipe_for
from slaeval.training.trainer import Options, Trained, train

__all__ = ["Options", "Recipe", "Trained", "recipe_for", "train"]
