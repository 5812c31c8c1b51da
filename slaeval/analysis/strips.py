"""One segment in detail: its alignment, and what a recogniser saw over time.

*Alignment strip*: reference above hypothesis, one column per pair. An error has a coloured
background and a sign: ≠ substitution, − deletion, + insertion. Long segments continue on
further lines. Glosses in a right-to-left script run from right to left.

*Posterior strip*: the probabilities that a CTC model gives over time. Each recognised gloss is a
curve, the blank a grey one; above them are pictures of the video where the glosses are. Time
runs from left to right in every script.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slaeval.analysis.fonts import families, right_to_left, shaped, shortened, width_of
from slaeval.analysis.style import COLOURS, COLUMN, INK, SIGNS, STYLE, canvas
from slaeval.errors import UsageError
from slaeval.extras import require

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from slaeval.scoring.segments import AlignedSegment

__all__ = ["alignment_strip", "posterior_strip"]

#: Background of each error: its colour, lightened so that black text on it is legible.
_GROUND = {"S": "#F7D9A0", "D": "#A9D0EA", "I": "#A5DCC9"}

#: Colours of gloss curves, Okabe and Ito; a gloss has the same one everywhere.
_CURVES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", INK)
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.2)), (0, (1, 0.8)))

# All in points.
_GAP, _PAD, _LINE, _BETWEEN = 3.0, 2.5, 11.0, 7.0


def alignment_strip(
    segment: AlignedSegment,
    *,
    title: str = "",
    ax: Axes | None = None,
    width: float = COLUMN,
) -> Axes:
    """Draw the alignment of a segment.

    Parameters
    ----------
    segment : AlignedSegment
        One of ``score.segments``.
    title : str
        Written above it, for instance the name of the segment; plain text.
    ax : Axes, optional
        Where to draw; by default a figure of the required height. Given axes get as many lines
        as their width requires, squeezed if there is too little height.
    width : float
        Width of a new figure, in inches.

    Returns
    -------
    Axes
        In points, without ticks. A gloss that is wider than a line is shortened in its middle.
    """
    require("analysis", "a plot")
    import matplotlib as mpl

    size = float(mpl.rcParams["font.size"]) if ax is not None else float(STYLE["font.size"])
    scale = size / 7
    steps = list(segment.pairs())
    fonts = families([shaped(word) for _, *both in steps for word in both] + [shaped(title)])
    pad = 2 * _PAD * scale
    head = max(width_of(name, fonts, 0.85 * size) for name in ("REF", "HYP")) + 5 * scale
    available = 72 * (width - 0.1)
    if ax is not None:
        available = 72 * ax.get_window_extent().width / ax.figure.dpi
    room = available - head - pad
    cells = [
        (_fitting(one, room, fonts, size), _fitting(other, room, fonts, size, SIGNS[op]))
        for op, one, other in steps
    ]
    words = [(one, other) for (one, _), (other, _) in cells]
    widths = [max(one, other, size) + pad for (_, one), (_, other) in cells]
    lines = _lines(widths, available - head, _GAP * scale)
    line, between = _LINE * scale, _BETWEEN * scale
    high = len(lines) * 2 * line + (len(lines) - 1) * between
    above = line if title else 0.0
    with canvas(ax, (high + above) / 72 + 0.1, width) as ax:
        backwards = right_to_left("".join(segment.reference + segment.hypothesis))
        top = high
        for places in lines:
            at = head
            _name_rows(ax, available if backwards else 0, top, line, 0.85 * size, backwards)
            for place in places:
                left = available - at - widths[place] if backwards else at
                if steps[place][0] != "C":
                    _ground(ax, steps[place][0], (left, top - 2 * line, widths[place], 2 * line))
                middle = left + widths[place] / 2
                for row, word in enumerate(words[place]):
                    where = (middle, top - line * (row + 0.5))
                    ax.text(*where, word, ha="center", va="center", family=fonts, fontsize=size)
                at += widths[place] + _GAP * scale
            top -= 2 * line + between
        ax.text(
            0,
            high + above / 2 + 1,
            _fitting(title, available, fonts, 0.85 * size)[0],
            va="center",
            family=fonts,
            fontsize=0.85 * size,
            color="#666666",
        )
        if not steps:
            ax.text(head, high - line, "(no words on either side)", va="center", fontsize=size)
        ax.set_xlim(0, available)
        ax.set_ylim(-1, high + above + 1)
        ax.set_axis_off()
    return ax


def _name_rows(
    ax: Axes, left: float, top: float, line: float, size: float, backwards: bool
) -> None:
    """Label the rows at the beginning of a line."""
    for row, name in enumerate(("REF", "HYP")):
        ax.text(
            left,
            top - line * (row + 0.5),
            name,
            ha="right" if backwards else "left",
            va="center",
            fontsize=size,
            color="#666666",
        )


def posterior_strip(
    log_probs: np.ndarray[Any, Any],
    vocabulary: Sequence[str],
    *,
    glosses: Sequence[str] = (),
    spans: Sequence[tuple[int, int]] = (),
    frames: np.ndarray[Any, Any] | None = None,
    num_frames: int | None = None,
    top: int = 8,
    ax: Axes | None = None,
) -> Axes:
    """Draw what a CTC model gives over time.

    Parameters
    ----------
    log_probs : array, float [T', V]
        Logarithms of probabilities; class 0 is the blank.
    vocabulary : sequence of str
        Class i+1 is ``vocabulary[i]``.
    glosses : sequence of str
        What was recognised, in order; written above the curves, with `spans`.
    spans : sequence of pairs of int
        Where each gloss is, ``[start, end)``, in frames if `frames` or `num_frames` is given,
        otherwise in steps of the output.
    frames : array, uint8 [T, H, W, 3], optional
        The video; a picture is shown above each span.
    num_frames : int, optional
        Its length, if it is not available.
    top : int
        How many glosses have a curve: those with the highest peaks, recognised ones first.
    ax : Axes, optional
        Where to draw; by default a figure of column width.

    Returns
    -------
    Axes
        Probability over time.

    Raises
    ------
    UsageError
        Shapes that do not match.
    """
    import numpy as np

    require("analysis", "a plot")
    from matplotlib.ticker import MaxNLocator

    values = np.asarray(log_probs, dtype=np.float64)
    _validate(values, vocabulary, glosses, spans, frames)
    probabilities = np.exp(values)
    steps = len(values)
    if frames is not None:
        num_frames = len(frames)
    length = num_frames or steps
    # Every step is the same number of frames; the last one may be shorter.
    stride = -(-length // steps)
    at = np.minimum((np.arange(steps) + 0.5) * stride, length)
    number = {gloss: place + 1 for place, gloss in enumerate(vocabulary)}
    known = [number[gloss] for gloss in glosses if gloss in number]
    drawn = _drawn_classes(probabilities, known, top)
    names = [shaped(shortened(gloss)) for gloss in glosses]
    fonts = families([shaped(vocabulary[k - 1]) for k in drawn] + names)
    looks = {
        k: {
            "color": _CURVES[place % len(_CURVES)],
            "linestyle": _DASHES[place // len(_CURVES) % len(_DASHES)],
        }
        for place, k in enumerate(drawn)
    }
    marks = _Marks(names, spans, frames, fonts, ax)
    with canvas(ax, marks.height) as ax:
        blank = ax.fill_between(at, probabilities[:, 0], color="#E4E4E4", linewidth=0)
        named: list[tuple[Any, str]] = [(blank, "blank")]
        for k in drawn:
            name = shaped(shortened(vocabulary[k - 1]))
            (curve,) = ax.plot(
                at,
                probabilities[:, k],
                **looks[k],
                linewidth=1.0,
                marker="o" if steps == 1 else None,
                label=name,
            )
            if not (spans and k in known):  # recognised glosses are named above
                named.append((curve, name))
        ax.set_xlim(0, length)
        ax.set_ylim(0, marks.top)
        ax.set_yticks([0, 0.5, 1])
        ax.spines["left"].set_bounds(0, 1)
        ax.set_xlabel("frame" if num_frames else "output step")
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        ax.set_ylabel("probability", y=0.5 / marks.top)
        lines = [looks.get(number.get(gloss, 0), {"color": INK}) for gloss in glosses]
        marks.draw(ax, lines)
        _legend(ax, named, fonts, marks.size)
    return ax


def _drawn_classes(probabilities: np.ndarray[Any, Any], known: list[int], top: int) -> list[int]:
    """Return the classes that get a curve: the highest peaks, recognised ones first."""
    peaks = probabilities.max(axis=0)
    order = sorted(range(1, len(peaks)), key=lambda k: (k not in known, -peaks[k], k))
    drawn = [k for k in order[: max(top, len(set(known)))] if peaks[k] >= 0.05 or k in known]
    # In the order of signing, so that neighbours differ in colour.
    return sorted(drawn, key=lambda k: (int(probabilities[:, k].argmax()), k))


def _legend(ax: Axes, named: list[tuple[Any, str]], fonts: list[str], size: float) -> None:
    """Name the blank and the curves that are not named above them."""
    legend = ax.legend(
        [handle for handle, _ in named],
        [""] * len(named),
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        prop={"family": fonts, "size": size},
        ncols=4,
        handlelength=1.6,
        columnspacing=1.2,
        borderaxespad=4,  # below the label of the axis
    )
    # Not as labels: matplotlib hides those that begin with an underscore, as __ON__ does.
    for text, (_, name) in zip(legend.get_texts(), named, strict=True):
        text.set_text(name)


def _fitting(
    word: str, room: float, fonts: list[str], size: float, sign: str = ""
) -> tuple[str, float]:
    """Return a word after its sign, shortened if wider than `room`, and its width."""
    longest = len(word)
    while True:
        text = f"{sign} {shaped(shortened(word, longest))}".strip()
        wide = width_of(text, fonts, size)
        if wide <= room or longest <= 3:
            return text, wide
        longest = max(3, min(longest - 1, int(longest * room / wide)))


def _lines(widths: list[float], available: float, gap: float) -> list[list[int]]:
    """Break columns into lines of at least one column."""
    lines: list[list[int]] = [[]]
    used = 0.0
    for place, width in enumerate(widths):
        if lines[-1] and used + width > available:
            lines.append([])
            used = 0.0
        lines[-1].append(place)
        used += width + gap
    return lines


def _ground(ax: Axes, op: str, box: tuple[float, float, float, float]) -> None:
    from matplotlib.patches import Rectangle

    left, bottom, width, height = box
    ax.add_patch(
        Rectangle(
            (left, bottom),
            width,
            height,
            facecolor=_GROUND[op],
            edgecolor=COLOURS[op],
            linewidth=0.6,
        )
    )


class _Marks:
    """The glosses above a posterior strip, each with a picture if there is a video.

    They are spread across the whole width, wherever their spans are, each connected to its
    place in time by a line. Lengths are in points; the axes continue above probability 1, up to
    `top`.
    """

    def __init__(
        self,
        names: list[str],
        spans: Sequence[tuple[int, int]],
        frames: np.ndarray[Any, Any] | None,
        fonts: list[str],
        ax: Axes | None,
    ) -> None:
        import matplotlib as mpl

        self.names, self.spans, self.frames, self.fonts = names, spans, frames, fonts
        width = COLUMN if ax is None else ax.get_window_extent().width / ax.figure.dpi / 0.84
        base = float(STYLE["font.size"]) if ax is None else float(mpl.rcParams["font.size"])
        self.size = 0.86 * base
        slot = 72 * 0.84 * width / max(1, len(spans))
        widest = max((width_of(name, fonts, self.size) for name in names), default=0.0)
        self.upright = widest > slot
        self.picture = 0.0
        if frames is not None:
            self.picture = min(0.95 * slot, 40.0, 60.0 * frames.shape[2] / frames.shape[1])
        above = 0.0
        if spans:
            self.label = 12.0 + (
                0 if frames is None else 2 + self.picture * frames.shape[1] / frames.shape[2]
            )
            above = self.label + 2 + (widest if self.upright else 1.3 * self.size)
        curves = 75.0
        if ax is not None:
            whole = 72 * ax.get_window_extent().height / ax.figure.dpi
            curves = max(0.3 * whole, whole - above)
        self.unit = 1 / curves
        self.top = 1.02 + above * self.unit
        self.height = (curves + above + 48) / 72

    def draw(self, ax: Axes, lines: list[dict[str, Any]]) -> None:
        from matplotlib.offsetbox import AnnotationBbox, OffsetImage

        length, count = ax.get_xlim()[1], len(self.spans)
        for place, (start, end) in enumerate(self.spans):
            middle, across = (start + end) / 2, length * (place + 0.5) / count
            colour = lines[place]["color"]
            ax.plot([start, end], [1, 1], color=colour, linewidth=2.5, solid_capstyle="butt")
            ax.plot([middle, across], [1, 1 + 10 * self.unit], color=colour, linewidth=0.7)
            if self.frames is not None:
                frame = self.frames[min(int(middle), len(self.frames) - 1)]
                ax.add_artist(
                    AnnotationBbox(
                        OffsetImage(frame, zoom=self.picture / frame.shape[1]),
                        (across, 1 + 11 * self.unit),
                        box_alignment=(0.5, 0),
                        frameon=False,
                        pad=0,
                    )
                )
            ax.text(
                across,
                1 + self.label * self.unit,
                self.names[place],
                ha="center",
                va="bottom",
                fontsize=self.size,
                family=self.fonts,
                rotation=90 if self.upright else 0,
            )


def _validate(
    values: np.ndarray[Any, Any],
    vocabulary: Sequence[str],
    glosses: Sequence[str],
    spans: Sequence[tuple[int, int]],
    frames: np.ndarray[Any, Any] | None,
) -> None:
    if values.ndim != 2 or not len(values):
        raise UsageError(f"log_probs must have shape [steps, classes], not {list(values.shape)}")
    if values.shape[1] != len(vocabulary) + 1:
        raise UsageError(
            f"log_probs has {values.shape[1]} classes, a vocabulary of {len(vocabulary)} needs "
            f"{len(vocabulary) + 1} (class 0 is the blank)"
        )
    if len(spans) not in (0, len(glosses)):
        raise UsageError(f"{len(glosses)} glosses, {len(spans)} spans: one for each, or none")
    if frames is not None and (frames.ndim != 4 or frames.shape[3] != 3 or not len(frames)):
        raise UsageError(f"frames must have shape [frames, height, width, 3], not {frames.shape}")
