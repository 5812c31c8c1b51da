"""The evaluation run: a checkpoint over a corpus, into a folder that can be read again.

:func:`evaluate` does it, :class:`Run` is what comes of it, :func:`recognise_corpus` is the same
pass over footage without folder and score. Reading a finished run needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slaeval.running.folder import Alignment, Run

if TYPE_CHECKING:
    from slaeval.running.evaluating import evaluate as evaluate
    from slaeval.running.recognition import Recognised as Recognised
    from slaeval.running.recognition import recognise_corpus as recognise_corpus

_HOMES = {
    "Recognised": "recognition",
    "evaluate": "evaluating",
    "recognise_corpus": "recognition",
}

__all__ = ["Alignment", "Recognised", "Run", "evaluate", "recognise_corpus"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"slaeval.running.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'slaeval.running' has no attribute {name!r}")
