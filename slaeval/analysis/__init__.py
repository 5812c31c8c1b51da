"""Analysis: where the errors of a score are, as numbers and as pictures.

:func:`attribute` and :func:`group` count, without anything but Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slaeval.analysis.attribution import Attribution as Attribution
    from slaeval.analysis.attribution import ErrorGroup as ErrorGroup
    from slaeval.analysis.attribution import attribute as attribute
    from slaeval.analysis.attribution import frequency_class as frequency_class
    from slaeval.analysis.attribution import group as group
    from slaeval.analysis.attribution import training_counts as training_counts

_HOMES = {
    "Attribution": "attribution",
    "ErrorGroup": "attribution",
    "attribute": "attribution",
    "frequency_class": "attribution",
    "group": "attribution",
    "training_counts": "attribution",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"slaeval.analysis.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'slaeval.analysis' has no attribute {name!r}")
