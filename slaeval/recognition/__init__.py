"""The evaluation run: a checkpoint over a corpus, into a folder that can be read again.

:func:`evaluate` does it, :class:`Run` is what comes of it, :func:`recognise_corpus` is the same
pass over footage without folder and score. Reading a finished run needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slaeval.evaluation.run_folder import Alignment, Run

if TYPE_CHECKING:
    from slaeval.recognition.predictor import Recognised as Recognised
    from slaeval.recognition.predictor import recognise_corpus as recognise_corpus
    from slaeval.recognition.run import evaluate as evaluate

_HOMES = {
    "Recognised": "predictor",
    "evaluate": "run",
    "recognise_corpus": "predictor",
}

__all__ = ["Alignment", "Recognised", "Run", "evaluate", "recognise_corpus"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"slaeval.recognition.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'slaeval.recognition' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
