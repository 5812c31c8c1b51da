"""Training: a minimal, real trainer for CLIP-SLA.

:class:`~slaeval.training.recipe.Recipe` is every number that decides the result,
:mod:`~slaeval.training.examples` what is trained on, :mod:`~slaeval.training.trainer` the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slaeval.training.options import Options as Options
    from slaeval.training.recipe import Recipe as Recipe
    from slaeval.training.recipe import recipe_for as recipe_for
    from slaeval.training.trainer import Trained as Trained
    from slaeval.training.trainer import train as train

_HOMES = {
    "Options": "options",
    "Recipe": "recipe",
    "Trained": "trainer",
    "recipe_for": "recipe",
    "train": "trainer",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"slaeval.training.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'slaeval.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
