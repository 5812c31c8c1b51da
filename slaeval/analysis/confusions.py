"""Which glosses are mistaken for which: a heat map of the most confused ones.

A row is a gloss that was signed, a column what was recognised, a cell the percentage of the
row's occurrences. With the last two columns, all other glosses and nothing at all, a row adds up
to 100. Only errors are coloured: next to a diagonal of 90 % no confusion would be visible.
Insertions were never signed and are in no row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slaeval.analysis.attribution import attribute, gloss_key, gloss_names
from slaeval.analysis.fonts import families, shaped, shortened
from slaeval.analysis.style import INK, canvas
from slaeval.errors import UsageError
from slaeval.scoring.protocols import EMPTY

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

    from slaeval.scoring.score import Score

__all__ = ["ConfusionTable", "confusion_map", "confusion_table"]

#: From this many glosses on the cells are too small for numbers.
_NUMBERS_UP_TO = 16


@dataclass(frozen=True)
class ConfusionTable:
    """How often some glosses were mistaken for each other.

    Attributes
    ----------
    glosses : list of str
        Those most often confused with each other, similar ones side by side.
    counts : list of list of int
        Row: signed, column: recognised; the diagonal is what was correct.
    elsewhere : list of int
        How often each was mistaken for a gloss that is not in the table.
    deleted : list of int
        How often each was not recognised as anything.
    """

    glosses: list[str]
    counts: list[list[int]]
    elsewhere: list[int]
    deleted: list[int]

    def shares(self) -> list[list[float]]:
        """Return the table, with the last two columns, in percent per row; nan for an empty row."""
        rows = [
            [*row, other, gone]
            for row, other, gone in zip(self.counts, self.elsewhere, self.deleted, strict=True)
        ]
        return [
            [100 * count / total if (total := sum(row)) else float("nan") for count in row]
            for row in rows
        ]


def confusion_table(score: Score, top: int = 12) -> ConfusionTable:
    """Count how often the most confused glosses are mistaken for each other.

    Parameters
    ----------
    score : Score
        What to look at.
    top : int
        Number of glosses: those of the most frequent confusions.

    Raises
    ------
    UsageError
        `top` is less than two.
    """
    if top < 2:
        raise UsageError(f"a confusion needs two glosses, not {top}")
    key, names = gloss_key(score), gloss_names(score)
    pairs: Counter[tuple[str, str]] = Counter()
    deleted: Counter[str] = Counter()
    for step in attribute(score):
        if step.op in "CS":
            pairs[key(step.reference), key(step.hypothesis)] += 1
        elif step.op == "D":
            deleted[key(step.reference)] += 1
    chosen: list[str] = []
    for one, other in sorted(pairs, key=lambda pair: (-pairs[pair], pair)):
        if one != other and names[other] != EMPTY:
            new = [gloss for gloss in (one, other) if gloss not in chosen]
            if len(chosen) + len(new) <= top:
                chosen += new
    chosen = _ordered(chosen, pairs)
    signed: Counter[str] = Counter()
    for (one, _), count in pairs.items():
        signed[one] += count
    counts = [[pairs[one, other] for other in chosen] for one in chosen]
    return ConfusionTable(
        [names[gloss] for gloss in chosen],
        counts,
        [signed[gloss] - sum(row) for gloss, row in zip(chosen, counts, strict=True)],
        [deleted[gloss] for gloss in chosen],
    )


def confusion_map(score: Score, *, top: int = 12, ax: Axes | None = None) -> Axes:
    """Draw the most confused glosses as a heat map.

    Parameters
    ----------
    score : Score
        What to look at.
    top : int
        Number of glosses, as for :func:`confusion_table`.
    ax : Axes, optional
        Where to draw; by default a figure of column width.

    Returns
    -------
    Axes
        Rows in percent of the times a gloss was signed, as whole numbers; a dash marks a gloss
        that was never signed.

    Raises
    ------
    UsageError
        `top` is less than two.
    """
    table = confusion_table(score, top)
    size = len(table.glosses)
    with canvas(ax, min(3.6, 1.2 + 0.19 * size)) as ax:
        if not size:
            ax.text(0.5, 0.5, "no confusions", transform=ax.transAxes, ha="center")
            ax.set_axis_off()
            return ax
        import numpy as np
        from matplotlib.colors import PowerNorm

        shares = np.array(table.shares())
        errors = shares.copy()
        errors[np.arange(size), np.arange(size)] = np.nan
        errors[errors == 0] = np.nan
        high = float(np.nanmax(errors)) if np.isfinite(errors).any() else 1.0
        # The square root, so that one frequent confusion leaves colours for the others.
        scale = PowerNorm(0.5, vmin=0, vmax=high)
        image = ax.imshow(errors, cmap="cividis_r", norm=scale, aspect="auto")
        _diagonal(ax, size)
        if size <= _NUMBERS_UP_TO:
            _numbers(ax, shares, scale)
        glosses = [shaped(shortened(gloss, 20)) for gloss in table.glosses]
        fonts = families(glosses)
        columns = [*glosses, "other", "deleted"]
        ax.set_xticks(range(size + 2), columns, rotation=90, family=fonts)
        ax.set_yticks(range(size), glosses, family=fonts)
        for label in ax.get_xticklabels()[-2:]:
            label.set_fontstyle("italic")
        ax.axvline(size - 0.5, color="white", linewidth=2)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_xlabel("recognised")
        ax.set_ylabel("signed")
        bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.03, 0, 0.03, 1)))
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=2)
        bar.set_label("% of times signed")
    return ax


def _diagonal(ax: Axes, size: int) -> None:
    from matplotlib.patches import Rectangle

    for place in range(size):
        ax.add_patch(Rectangle((place - 0.5, place - 0.5), 1, 1, facecolor="#EBEBEB", linewidth=0))


def _numbers(ax: Axes, shares: np.ndarray[Any, Any], scale: Normalize) -> None:
    import matplotlib as mpl
    import numpy as np

    size = 0.76 * float(mpl.rcParams["font.size"])
    for (row, column), share in np.ndenumerate(shares):
        if share > 0 or (row == column and np.isnan(share)):
            ax.text(
                column,
                row,
                "–" if np.isnan(share) else f"{share:.0f}" if share >= 0.5 else "<1",
                ha="center",
                va="center",
                fontsize=size,
                color="white" if row != column and scale(share) > 0.5 else INK,
            )


def _ordered(glosses: list[str], pairs: Counter[tuple[str, str]]) -> list[str]:
    """Order glosses so that those confused with each other are adjacent.

    Groups without any confusion between them are kept apart, the one with the most confusions
    first. Within a group the order is that of the Fiedler vector, which minimises the squared
    distance between glosses weighted by their confusions (Atkins, Boman and Hendrickson, *SIAM
    Journal on Computing* 28, 1998).
    """
    import numpy as np

    size = len(glosses)
    weights = np.zeros((size, size))
    for i, one in enumerate(glosses):
        for j, other in enumerate(glosses):
            if i != j:
                weights[i, j] = pairs[one, other] + pairs[other, one]
    groups: list[list[int]] = []
    left = list(range(size))
    while left:
        group, frontier = [], [left[0]]
        while frontier:
            here = frontier.pop()
            if here in left:
                left.remove(here)
                group.append(here)
                frontier += [there for there in left if weights[here, there]]
        groups.append(sorted(group))
    groups.sort(key=lambda group: (-weights[np.ix_(group, group)].sum(), group))
    order: list[int] = []
    for group in groups:
        within = weights[np.ix_(group, group)]
        if len(group) > 2:
            vector = np.linalg.eigh(np.diag(within.sum(axis=1)) - within)[1][:, 1].round(9)
            # The sign of an eigenvector is arbitrary: put the first gloss first.
            vector *= -1.0 if vector[0] > 0 else 1.0
            group = [group[k] for k in np.lexsort((np.arange(len(group)), vector))]
        order += group
    return [glosses[place] for place in order]
