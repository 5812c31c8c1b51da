"""Curves of a training run: loss and word error rate by epoch, from the trainer's table."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slaeval.analysis.style import COLUMN, INK, STYLE, canvas, new_figure, picture
from slaeval.errors import InputError
from slaeval.files import read_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Log = str | os.PathLike[str] | Iterable[Mapping[str, Any]]

__all__ = ["curves_figure", "draw_curves", "loss_curve", "read_log", "wer_curve"]

#: By column of the trainer's table: name, colour, dashes and width of the line.
_LINES: dict[str, tuple[str, str, Any, float]] = {
    "loss": ("total", INK, "-", 1.6),
    "loss_sequence": ("CTC, sequence", "#0072B2", "-", 1.0),
    "loss_convolution": ("CTC, convolution", "#E69F00", (0, (5, 1.5)), 1.0),
    "loss_tower": ("CTC, tower", "#009E73", (0, (3, 1, 1, 1)), 1.0),
    "loss_distillation": ("distillation", "#CC79A7", (0, (1, 1)), 1.2),
}


def read_log(path: str | os.PathLike[str]) -> list[dict[str, float]]:
    """Read the table of a training run.

    Parameters
    ----------
    path : path-like
        ``log.csv``, the trainer's folder that contains it (``sla_lora.training``), or the
        checkpoint beside that folder.

    Returns
    -------
    list of dict
        One per epoch; ``nan`` where a cell is empty.

    Raises
    ------
    InputError
        The file does not exist, is not a table, lacks the columns ``epoch`` and ``loss``, or
        has a value that is not a number or has no heading.
    """
    path = os.fspath(path)
    stem, suffix = os.path.splitext(path)
    if suffix in (".pt", ".safetensors"):
        path = f"{stem.removesuffix('.last')}.training"  # the best and the last share it
        if not os.path.isdir(path):
            raise InputError("no such folder; the trainer keeps its log.csv there", path)
    if os.path.isdir(path):
        path = os.path.join(path, "log.csv")
    reader = csv.DictReader(io.StringIO(read_text(path, "the log.csv of a training run")))
    rows = []
    try:
        missing = [name for name in ("epoch", "loss") if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError(
                f"no column {' and '.join(missing)}: not the log.csv of a training run", path, 1
            )
        for row in reader:
            if None in row:
                raise InputError("more cells than headings", path, reader.line_num)
            rows.append({name: _number(name, row[name], path, reader.line_num) for name in row})
    except csv.Error as error:
        raise InputError(f"not a table: {error}", path, reader.line_num + 1) from None
    if not rows:
        raise InputError("the table holds no epoch yet", path)
    return rows


def _number(name: str, value: str | None, path: str, line: int) -> float:
    try:
        return float(value) if value else math.nan
    except ValueError:
        raise InputError(f"{value!r} under {name!r} is not a number", path, line) from None


def loss_curve(log: Log, *, ax: Axes | None = None) -> Axes:
    """Draw the training loss and its terms by epoch.

    Parameters
    ----------
    log : path-like or iterable of mappings
        What :func:`read_log` reads, or its rows.
    ax : Axes, optional
        Where to draw; by default a figure of column width.

    Returns
    -------
    Axes
        Logarithmic if the values span a factor of ten or more.
    """
    rows = _rows(log)
    with canvas(ax, 1.8) as ax:
        epochs = _column(rows, "epoch")
        for name, (label, colour, dashes, width) in _LINES.items():
            values = _column(rows, name)
            if any(math.isfinite(value) for value in values):
                ax.plot(
                    epochs,
                    values,
                    color=colour,
                    linestyle=dashes,
                    linewidth=width,
                    marker="o" if len(epochs) == 1 else None,
                    label=label,
                    zorder=3 if name == "loss" else 2,
                )
        every = [value for name in _LINES for value in _column(rows, name)]
        drawn = [value for value in every if math.isfinite(value)]
        if drawn and min(drawn) > 0 and max(drawn) >= 10 * min(drawn):
            ax.set_yscale("log")
        ax.set_ylabel("training loss")
        _epochs(ax)
        if not drawn:
            ax.text(0.5, 0.5, "no loss that is a number", transform=ax.transAxes, ha="center")
            return ax
        ax.legend(
            frameon=False,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=3,
            columnspacing=1.2,
            borderaxespad=0.3,
        )
    return ax


def wer_curve(log: Log, *, ax: Axes | None = None) -> Axes:
    """Draw the dev WER by epoch, with the best epoch marked, and that of the convolution head.

    Parameters and result as for :func:`loss_curve`; epochs without evaluation are left out.
    """
    rows = _rows(log)
    with canvas(ax, 1.5) as ax:
        points = [
            (epoch, wer)
            for epoch, wer in zip(_column(rows, "epoch"), _column(rows, "dev_wer"), strict=True)
            if math.isfinite(wer)
        ]
        ax.set_ylabel("dev WER [%]")
        _epochs(ax)
        if not points:
            ax.text(0.5, 0.5, "no evaluation yet", transform=ax.transAxes, ha="center")
            return ax
        epochs, wers = zip(*points, strict=True)
        ax.plot(epochs, wers, color="#0072B2", marker="o", markersize=2.5)
        convolution = _column(rows, "dev_wer_convolution")
        drawn = [wer for wer in convolution if math.isfinite(wer)]
        if drawn:
            _, colour, dashes, width = _LINES["loss_convolution"]
            style = {"color": colour, "linestyle": dashes, "linewidth": width}
            ax.plot(_column(rows, "epoch"), convolution, label="convolution head", **style)
            ax.legend(
                frameon=False,
                loc="lower right",
                bbox_to_anchor=(1, 1),
                borderaxespad=0.1,
                fontsize="small",
            )
        best = min(points, key=lambda point: (point[1], point[0]))
        ax.plot(*best, marker="o", markersize=6, markerfacecolor="none", color="#D55E00")
        # Above the axes, where no curve can cross it.
        ax.annotate(
            f"○ best: {best[1]:.1f} % in epoch {best[0]:.0f}",
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 3),
            textcoords="offset points",
            fontsize="small",
            color="#A04700",
        )
        ax.set_ylim(0, 1.08 * max([*wers, *drawn]) or 1)
    return ax


def curves_figure(log: Log, width: float = COLUMN) -> Figure:
    """Return a figure for saving, with the loss above the word error rate."""
    import matplotlib as mpl

    rows = _rows(log)
    figure = new_figure(0.97 * width, width)
    with mpl.rc_context(STYLE):
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.25, 1])
        loss_curve(rows, ax=upper)
        wer_curve(rows, ax=lower)
        upper.set_xlabel("")
        figure.align_ylabels()
    return figure


def draw_curves(log: Log) -> bytes:
    """Return :func:`curves_figure` as the bytes of a PNG file."""
    return picture(curves_figure(log), "png")


def _rows(log: Log) -> Sequence[Mapping[str, Any]]:
    return read_log(log) if isinstance(log, (str, os.PathLike)) else list(log)


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    values = [row.get(name) for row in rows]
    return [math.nan if value is None else float(value) for value in values]


def _epochs(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True, min_n_ticks=1))
