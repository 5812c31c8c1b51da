"""slaeval: evaluate continuous sign language recognition.

``slaeval.score`` gives the official word error rate of hypotheses against references,
``slaeval.load_corpus`` reads a corpus, ``slaeval.compare`` holds systems against each other.
Everything is imported when first used, so that ``import slaeval`` costs nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from slaeval._version import __version__

if TYPE_CHECKING:
    from slaeval.comparison import compare as compare
    from slaeval.evaluation import load_corpus as load_corpus
    from slaeval.evaluation import score as score

__all__ = ["__version__", "compare", "load_corpus", "score"]

_HOMES = {
    "compare": "slaeval.comparison",
    "load_corpus": "slaeval.evaluation",
    "score": "slaeval.evaluation",
}

# In a checkout that is not installed, the sister folders stand beside this one.
if not os.path.isdir(os.path.join(__path__[0], "scoring")):
    __path__.append(os.path.dirname(__path__[0]))


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'slaeval' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
