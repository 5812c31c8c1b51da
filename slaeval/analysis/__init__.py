"""Analysis: where the errors of a score are, as numbers and as pictures.

:func:`attribute` and :func:`group` count in pure Python. The other functions draw with matplotlib
(the extra ``analysis``): each returns the Axes it drew on, which can be given with ``ax=``;
:func:`save` writes a plot as PNG, SVG or PDF. ``STYLE`` is the look of these plots, for
``plt.rcParams.update`` or ``plt.rc_context``; :func:`shaped` and :func:`families` give the text
and the fonts for glosses in any script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slaeval.analysis.attribution import Attribution as Attribution
    from slaeval.analysis.attribution import ErrorGroup as ErrorGroup
    from slaeval.analysis.attribution import attribute as attribute
    from slaeval.analysis.attribution import binned as binned
    from slaeval.analysis.attribution import frequency_class as frequency_class
    from slaeval.analysis.attribution import group as group
    from slaeval.analysis.confusions import ConfusionTable as ConfusionTable
    from slaeval.analysis.confusions import confusion_map as confusion_map
    from slaeval.analysis.confusions import confusion_table as confusion_table
    from slaeval.analysis.curves import curves_figure as curves_figure
    from slaeval.analysis.curves import draw_curves as draw_curves
    from slaeval.analysis.curves import loss_curve as loss_curve
    from slaeval.analysis.curves import read_log as read_log
    from slaeval.analysis.curves import wer_curve as wer_curve
    from slaeval.analysis.fonts import MissingGlyphs as MissingGlyphs
    from slaeval.analysis.fonts import families as families
    from slaeval.analysis.fonts import shaped as shaped
    from slaeval.analysis.rates import error_bars as error_bars
    from slaeval.analysis.rates import error_curve as error_curve
    from slaeval.analysis.strips import alignment_strip as alignment_strip
    from slaeval.analysis.strips import posterior_strip as posterior_strip
    from slaeval.analysis.style import STYLE as STYLE
    from slaeval.analysis.style import save as save
    from slaeval.analysis.training_vocabulary import training_counts as training_counts

_HOMES = {
    "Attribution": "attribution",
    "ConfusionTable": "confusions",
    "ErrorGroup": "attribution",
    "MissingGlyphs": "fonts",
    "STYLE": "style",
    "alignment_strip": "strips",
    "attribute": "attribution",
    "binned": "attribution",
    "confusion_map": "confusions",
    "confusion_table": "confusions",
    "curves_figure": "curves",
    "draw_curves": "curves",
    "error_bars": "rates",
    "error_curve": "rates",
    "families": "fonts",
    "frequency_class": "attribution",
    "group": "attribution",
    "loss_curve": "curves",
    "posterior_strip": "strips",
    "read_log": "curves",
    "save": "style",
    "shaped": "fonts",
    "training_counts": "training_vocabulary",
    "wer_curve": "curves",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"slaeval.analysis.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'slaeval.analysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
