"""slaeval: evaluate continuous sign language recognition.

``slaeval.score`` gives the official word error rate of hypotheses against references,
``slaeval.load_corpus`` reads a corpus, ``slaeval.compare`` compares systems,
``slaeval.audit`` gives the number under every protocol in use, ``slaeval.analysis`` says and draws
where the errors are. ``slaeval.train`` makes a CLIP-SLA checkpoint, ``slaeval.load_checkpoint``
opens one and ``slaeval.evaluate`` runs it over a corpus; these need the extra ``run``.
Everything is imported when first used, so that ``import slaeval`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slaeval._version import __version__

if TYPE_CHECKING:
    from slaeval.evaluation.audit import audit as audit
    from slaeval.evaluation.compare import compare as compare
    from slaeval.evaluation.published import published as published
    from slaeval.evaluation.references import load_corpus as load_corpus
    from slaeval.evaluation.score import score as score
    from slaeval.loaders import find_video_clips as find_video_clips
    from slaeval.loaders import read_frames as read_frames
    from slaeval.loaders import write_sample as write_sample
    from slaeval.recognition import Run as Run
    from slaeval.recognition import evaluate as evaluate
    from slaeval.recognition.checkpoint_loading import load_checkpoint as load_checkpoint
    from slaeval.recognition.model import CSLRModel as CSLRModel
    from slaeval.recognition.model import load_model as load_model
    from slaeval.scoring.protocols import protocols as protocols
    from slaeval.scoring.text.protocols import text_protocols as text_protocols
    from slaeval.training import recipe_for as recipe_for
    from slaeval.training import train as train

__all__ = [
    "CSLRModel",
    "Run",
    "__version__",
    "audit",
    "compare",
    "evaluate",
    "find_video_clips",
    "load_checkpoint",
    "load_corpus",
    "load_model",
    "protocols",
    "published",
    "read_frames",
    "recipe_for",
    "score",
    "text_protocols",
    "train",
    "write_sample",
]

_HOMES = {
    "CSLRModel": "slaeval.recognition.model",
    "Run": "slaeval.recognition",
    "audit": "slaeval.evaluation.audit",
    "compare": "slaeval.evaluation.compare",
    "evaluate": "slaeval.recognition",
    "find_video_clips": "slaeval.loaders",
    "load_checkpoint": "slaeval.recognition.checkpoint_loading",
    "load_corpus": "slaeval.evaluation.references",
    "load_model": "slaeval.recognition.model",
    "protocols": "slaeval.scoring.protocols",
    "published": "slaeval.evaluation.published",
    "read_frames": "slaeval.loaders",
    "recipe_for": "slaeval.training",
    "score": "slaeval.evaluation.score",
    "text_protocols": "slaeval.scoring.text.protocols",
    "train": "slaeval.training",
    "write_sample": "slaeval.loaders",
}

#: Names of an earlier version, for one version more.
_RENAMED = {"find_footage": "find_video_clips"}

#: Names that need torch and its company.
_NEED_TORCH = ("CSLRModel", "evaluate", "load_checkpoint", "load_model", "train")


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        import warnings

        new = _RENAMED[name]
        warnings.warn(
            f"slaeval.{name} is now slaeval.{new}; the old name goes in version 0.2",
            DeprecationWarning,
            stacklevel=2,
        )
        name = new
    if name in _HOMES:
        import importlib

        if name in _NEED_TORCH:
            from slaeval.extras import require

            require("run", f"slaeval.{name}")
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'slaeval' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
