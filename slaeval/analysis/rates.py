"""Error rates by group: bars of substitutions, deletions and insertions, and curves of rates.

The bars of a rate are stacked, so that a bar ends at the error rate of its group; the whisker is
its 95 % interval over segments. For the groups and where insertions belong, see
:mod:`slaeval.analysis.attribution`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from slaeval.analysis.attribution import ErrorGroup, binned, group
from slaeval.analysis.fonts import families, shaped, shortened
from slaeval.analysis.style import COLOURS, HATCHES, INK, NAMES, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from slaeval.scoring.score import Score

__all__ = ["error_bars", "error_curve"]

_GROUPS = {
    "signer": "signer",
    "length": "length of sentence",
    "frequency": "in training",
    "position": "place in sentence",
}


def error_bars(
    score: Score,
    by: str = "signer",
    training: Mapping[str, int] | None = None,
    *,
    parts: int = 3,
    top: int = 20,
    ax: Axes | None = None,
) -> Axes:
    """Draw the errors of each group as a bar.

    Parameters
    ----------
    score : Score
        What to look at.
    by : {"signer", "length", "frequency", "position", "gloss"}
        As for :func:`~slaeval.analysis.group`.
    training : mapping, optional
        Gloss to its count in training, for ``"frequency"``.
    parts : int
        Number of parts of a sentence, for ``"position"``.
    top : int
        By gloss: number of glosses, those with the most errors. Other groups are all drawn.
    ax : Axes, optional
        Where to draw; by default a figure of column width.

    Returns
    -------
    Axes
        By gloss the bars are numbers of errors, otherwise percent of the reference words of
        the group, with intervals and a line at the overall word error rate. At the right the
        reference words of each group.

    Raises
    ------
    UsageError
        As for :func:`~slaeval.analysis.group`.
    """
    every = group(score, by, training, parts=parts)
    shown = [one for one in every if one.errors][:top] if by == "gloss" else every
    rates = by != "gloss"
    with canvas(ax, 0.75 + 0.16 * max(len(shown), 2)) as ax:
        if not shown:
            return _nothing(ax, "no errors")
        if rates and not score.reference_words:
            return _nothing(ax, "no reference words, so no rates")
        from matplotlib.ticker import MaxNLocator

        ends = _stacked(ax, shown, rates)
        if rates:
            _whiskers(ax, shown, ends)
            if score.reference_words:
                ax.axvline(score.wer, color=INK, linewidth=0.7, linestyle=(0, (4, 2)), zorder=0)
        names = [shaped(shortened(one.name)) for one in shown]
        ax.set_yticks(range(len(shown)), names, family=families(names))
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(len(shown) - 0.5, -0.6)
        ax.set_xlim(left=0)
        ax.set_xlabel(
            "errors, % of the group's reference words"
            if rates
            else f"errors ({len(shown)} of {len(every)} glosses)"
        )
        if rates:
            ax.set_ylabel(_GROUPS[by])
        else:
            ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        _words_at_right(ax, shown, "words" if rates else "signed")
        ax.legend(
            # Overlapping the names of the groups rather than the numbers at the right.
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=3,
            columnspacing=1.0,
            handlelength=1.2,
            borderaxespad=0.2,
            frameon=False,
        )
    return ax


def error_curve(
    score: Score,
    by: Literal["length", "frequency"] = "length",
    training: Mapping[str, int] | None = None,
    *,
    bins: int = 8,
    ax: Axes | None = None,
) -> Axes:
    """Draw the error rate by the length of sentences or the frequency of glosses.

    Parameters
    ----------
    score : Score
        What to look at.
    by : {"length", "frequency"}
        Reference words of the segment, or how often the gloss occurs in training.
    training : mapping, optional
        Gloss to its count in training, for ``"frequency"``.
    bins : int
        By length, number of points, with about equally many words each; frequencies have one
        point per class. See :func:`~slaeval.analysis.binned`.
    ax : Axes, optional
        Where to draw; by default a figure of column width.

    Returns
    -------
    Axes
        Points at the mean of each bin with their 95 % interval over segments, and a line at
        the overall word error rate, labelled with its protocol. Frequencies are logarithmic,
        with unseen glosses set apart at the left. A bin without reference words has no rate
        and no point; its insertions count only in the overall rate.

    Raises
    ------
    UsageError
        As for :func:`~slaeval.analysis.binned`.
    """
    points = [point for point in binned(score, by, training, bins=bins) if point[1].reference_words]
    with canvas(ax, 1.7) as ax:
        if not points:
            return _nothing(ax, "no reference words, so no rates")
        from matplotlib.ticker import MaxNLocator

        at = [mean for mean, _ in points]
        if by == "frequency":
            ax.set_xscale("log")
            # Unseen glosses have no place on a logarithmic axis: they are set apart at its left.
            seen = [mean for mean in at if mean] or [1.0]
            gap = max(2.0, (max(seen) / min(seen)) ** 0.22)
            at = [mean or min(seen) / gap for mean in at]
        wers = [one.wer for _, one in points]
        apart = by == "frequency" and not points[0][0]
        ax.plot(at[apart:], wers[apart:], color="#0072B2", linewidth=0.9)
        ax.plot(at, wers, color="#0072B2", marker="o", linestyle="none")
        for x, (_, one) in zip(at, points, strict=True):
            if one.interval is not None:
                ax.plot([x, x], one.interval, color="#0072B2", linewidth=0.8, zorder=1)
        ax.axhline(score.wer, color=INK, linewidth=0.7, linestyle=(0, (4, 2)), zorder=0)
        ax.annotate(
            f"all {score.wer:.1f} %\n{score.protocol}",  # no number without its protocol
            (1, score.wer),
            xycoords=ax.get_yaxis_transform(),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
        )
        if by == "frequency":
            _counts(ax, at, apart)
            ax.set_xlabel("times in training")
            ax.set_ylabel("errors [% of words]")
        else:
            ax.set_xlim(left=0)
            ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
            ax.set_xlabel("reference words of the segment")
            ax.set_ylabel("WER [%]")
        ax.set_ylim(bottom=0)
    return ax


def _nothing(ax: Axes, why: str) -> Axes:
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center")
    ax.set_axis_off()
    return ax


def _stacked(ax: Axes, shown: list[ErrorGroup], rates: bool) -> list[float]:
    """Draw a bar per group, stacked by kind of error; return where the bars end."""
    ends = [0.0] * len(shown)
    for op in "SDI":
        lengths = [_length(one, op, rates) for one in shown]
        ax.barh(
            range(len(shown)),
            lengths,
            left=ends,
            height=0.72,
            color=COLOURS[op],
            hatch=HATCHES[op],
            edgecolor="white",
            linewidth=0,
            label=NAMES[op],
        )
        ends = [end + length for end, length in zip(ends, lengths, strict=True)]
    return ends


def _length(one: ErrorGroup, op: str, rates: bool) -> float:
    count = {"S": one.substitutions, "D": one.deletions, "I": one.insertions}[op]
    if not rates:
        return count
    return one.rate(count) if one.reference_words else 0.0


def _words_at_right(ax: Axes, shown: list[ErrorGroup], heading: str) -> None:
    """Write the number of reference words beside each bar."""
    import matplotlib as mpl

    room = 3.2 * float(mpl.rcParams["font.size"])
    for place, one in enumerate(shown):
        ax.annotate(
            f"{one.reference_words:,}",
            (1, place),
            xytext=(room, 0),
            xycoords=ax.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize="small",
        )
    ax.annotate(
        heading,
        (1, 1),
        xytext=(room, 2),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        fontsize="small",
        style="italic",
    )


def _whiskers(ax: Axes, shown: list[ErrorGroup], ends: list[float]) -> None:
    for place, (one, end) in enumerate(zip(shown, ends, strict=True)):
        if one.interval is not None:
            low, high = one.interval
            ax.errorbar(
                end,
                place,
                # A bar's end is a sum of rounded parts, so it can fall just outside the interval.
                xerr=[[max(0.0, end - low)], [max(0.0, high - end)]],
                color=INK,
                elinewidth=0.8,
                capsize=1.8,
                capthick=0.8,
            )


def _counts(ax: Axes, at: list[float], unseen: bool) -> None:
    """Write frequencies as plain numbers, and "unseen" under the point set apart."""
    from matplotlib.ticker import NullFormatter

    seen = (at[1:] if unseen else at) or [1.0]
    low, high = min(seen) / 1.2, 1.3 * max(seen)
    steps = (1, 2, 5) if high < 50 * low else (1,)
    ticks: list[float] = [
        step * 10**power for power in range(8) for step in steps if low <= step * 10**power <= high
    ] or [seen[0]]
    labels = [f"{tick:,.0f}" for tick in ticks]
    if unseen:
        ticks, labels = [at[0], *ticks], ["unseen", *labels]
    ax.set_xticks(ticks, labels)
    ax.set_xlim(min(at) / 1.3, 1.3 * max(at))
    ax.xaxis.set_minor_formatter(NullFormatter())
