"""The look of every plot of this package, and how it is saved.

Plots are made for a column of a paper: 3.3 inches wide, text of 6 to 7 points, dark on white.
Colours are those of Okabe and Ito (*Color Universal Design*, 2008), which people with any colour
vision can tell apart; a sign, a hatch or a marker repeats what a colour says, so nothing is lost
in grey print. The same input gives the same bytes: no file contains a date.
"""

from __future__ import annotations

import io
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from slaeval.analysis.fonts import quiet
from slaeval.errors import UsageError
from slaeval.extras import require
from slaeval.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "COLUMN",
    "FORMATS",
    "HATCHES",
    "INK",
    "NAMES",
    "SIGNS",
    "STYLE",
    "canvas",
    "file_format",
    "new_figure",
    "picture",
    "save",
]

#: Width of a column, in inches.
COLUMN = 3.3

#: Formats in which a plot can be saved.
FORMATS = ("png", "svg", "pdf")

INK = "#222222"

#: Colour of each step of an alignment.
COLOURS = {"C": "#9A9A9A", "S": "#E69F00", "D": "#0072B2", "I": "#009E73"}

#: Hatches that accompany the colours in bars.
HATCHES = {"C": "", "S": "", "D": "//////", "I": "......"}

#: Signs that accompany the colours in text.
SIGNS = {"C": "", "S": "≠", "D": "−", "I": "+"}

NAMES = {"C": "correct", "S": "substitutions", "D": "deletions", "I": "insertions"}

#: Settings of matplotlib for a new figure; a plot drawn into given axes keeps theirs.
STYLE: Any = {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 300,
    "figure.dpi": 200,
}

# Ids in SVG that do not change.
_FILES: Any = {"svg.hashsalt": "slaeval"}

#: Font types in a PDF. Publishers require TrueType; most fonts of East Asian scripts are not
#: TrueType, and some readers reject them if embedded as such.
_TRUETYPE, _TYPE3 = 42, 3


@contextmanager
def canvas(ax: Axes | None, height: float, width: float = COLUMN) -> Iterator[Axes]:
    """Yield the axes to draw on: those given, or new ones in a new figure.

    Parameters
    ----------
    ax : Axes or None
        The axes given by the caller, if any.
    height, width : float
        Size of a new figure, in inches.

    Raises
    ------
    SlaevalError
        matplotlib is not installed; says how to install it.
    """
    require("analysis", "a plot")
    if ax is not None:
        yield ax
        return
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    # The figure first: pyplot then loads its backend, which may set what rc_context would undo.
    figure = plt.figure(
        figsize=(width, height),
        dpi=STYLE["figure.dpi"],
        facecolor=STYLE["figure.facecolor"],
        layout="constrained",
    )
    with mpl.rc_context(STYLE):
        yield figure.add_subplot()


def new_figure(height: float, width: float = COLUMN) -> Figure:
    """Return a figure for saving, without a window and not managed by pyplot."""
    require("analysis", "a plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def file_format(path: str | os.PathLike[str]) -> str:
    """Return the format given by a file's extension.

    Raises
    ------
    UsageError
        The extension is none of :data:`FORMATS`.
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower().removeprefix(".")
    if suffix not in FORMATS:
        raise UsageError(
            f"{os.fspath(path)}: a plot is saved as .png, .svg or .pdf; give the file one of "
            "these extensions"
        )
    return suffix


def picture(figure: Figure, format: str = "png", about: str = "") -> bytes:
    """Return a figure as the bytes of a file; the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
        What was drawn.
    format : {"png", "svg", "pdf"}
        Kind of file.
    about : str
        Stored in the file: what it shows, for instance the signature of a score.
    """
    import matplotlib as mpl

    dates: dict[str, dict[str, Any]] = {
        "png": {"Description": about},
        "svg": {"Date": None, "Description": about},
        "pdf": {"CreationDate": None, "Subject": about},
    }
    metadata = {key: value for key, value in dates[format].items() if value != ""}
    stream = io.BytesIO()
    fonts = _TYPE3 if _east_asian(figure) else _TRUETYPE
    with mpl.rc_context({**STYLE, **_FILES, "pdf.fonttype": fonts}), quiet():
        figure.savefig(stream, format=format, metadata=metadata)
    return stream.getvalue()


def _east_asian(figure: Figure) -> bool:
    from matplotlib.text import Text

    texts = "".join(text.get_text() for text in figure.findobj(Text))
    return any(unicodedata.east_asian_width(character) in "WF" for character in texts)


def save(plot: Axes | Figure, path: str | os.PathLike[str], about: str = "") -> None:
    """Write a plot to a file, completely or not at all.

    Parameters
    ----------
    plot : Axes or Figure
        What was drawn; for axes their whole figure is saved.
    path : path-like
        The file; its extension gives the format.
    about : str
        As for :func:`picture`.

    Raises
    ------
    UsageError
        A format other than PNG, SVG or PDF.
    SlaevalError
        The file cannot be written.
    """
    format = file_format(path)
    figure: Any = plot.figure.figure  # the whole figure, even for axes in a subfigure
    write_whole(path, picture(figure, format, about))
