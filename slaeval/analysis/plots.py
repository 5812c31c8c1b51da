"""The plots of ``slaeval plot``, one function each.

A plot is a function decorated with :func:`plot`, which gives its name, description and specific
options. The command line draws, saves and lists what is registered.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from slaeval.errors import InputError, UsageError, nearest
from slaeval.evaluation.score import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from slaeval.evaluation.request import Request
    from slaeval.scoring.score import Score
    from slaeval.scoring.segments import AlignedSegment

__all__ = ["PLOTS", "Plot", "PlotInput", "plot"]


@dataclass(frozen=True)
class PlotInput:
    """The input of a plot.

    Attributes
    ----------
    source : str
        Hypothesis file, run folder, or the log of a training.
    request : Request
        What the hypotheses are scored against.
    segment : str or None
        Id of the segment to draw.
    top : int or None
        Number of glosses.
    train : str or None
        File with the references of the training split.
    ckpt : str or None
        Checkpoint.
    """

    source: str
    request: Request
    segment: str | None = None
    top: int | None = None
    train: str | None = None
    ckpt: str | None = None

    @cached_property
    def evaluation(self) -> Evaluation:
        """The hypotheses, scored when that is needed."""
        return Evaluation.open(self.source, self.request)

    @property
    def score(self) -> Score:
        """Their score."""
        return self.evaluation.score()

    @property
    def chosen_segment(self) -> AlignedSegment:
        """The requested segment, or the shortest of those with the most errors."""
        segments, name = self.score.segments, self.segment
        if not len(segments):
            raise InputError("no segment to draw")
        if name is None:
            return min(segments, key=lambda one: (-one.errors, len(one.reference), one.id))
        found = next((segment for segment in segments if segment.id == name), None)
        if found is None:
            ids = [segment.id for segment in segments]
            raise UsageError(
                f"no segment {name!r}{nearest(name, ids)}; there are {len(ids)}, such as {ids[0]!r}"
            )
        return found


class Plot(NamedTuple):
    """A registered plot.

    Attributes
    ----------
    name, what : str
        What users type, and what it shows.
    options : tuple of str
        The options of :class:`PlotInput` that only it uses.
    scored : bool
        It is drawn from hypotheses, not from the log of a training run.
    draw : callable
        Draws it.
    """

    name: str
    what: str
    options: tuple[str, ...]
    scored: bool
    draw: Callable[[PlotInput], Axes | Figure]


#: Every plot by its name, in the order of the help.
PLOTS: dict[str, Plot] = {}

_Draw = Callable[[PlotInput], "Axes | Figure"]


def plot(name: str, what: str, *options: str, scored: bool = True) -> Callable[[_Draw], _Draw]:
    """Register the decorated function as a plot; see :class:`Plot`."""

    def register(draw: _Draw) -> _Draw:
        PLOTS[name] = Plot(name, what, options, scored, draw)
        return draw

    return register


@plot("confusions", "which glosses are confused with which", "top")
def _confusions(given: PlotInput) -> Axes:
    from slaeval.analysis.confusions import confusion_map

    return confusion_map(given.score, top=given.top or 12)


@plot("signers", "error rate of each signer")
def _signers(given: PlotInput) -> Axes:
    from slaeval.analysis.rates import error_bars

    return error_bars(given.score, "signer")


@plot("glosses", "glosses with the most errors", "top")
def _glosses(given: PlotInput) -> Axes:
    from slaeval.analysis.rates import error_bars

    return error_bars(given.score, "gloss", top=given.top or 20)


@plot("length", "WER by sentence length")
def _length(given: PlotInput) -> Axes:
    from slaeval.analysis.rates import error_curve

    return error_curve(given.score, "length")


@plot("frequency", "error rate by training frequency of the gloss", "train")
def _frequency(given: PlotInput) -> Axes:
    from slaeval.analysis.rates import error_curve
    from slaeval.analysis.training_vocabulary import training_of

    counts, why = training_of(given.evaluation, given.train)
    if counts is None:
        raise InputError(f"no frequencies: {why}")
    return error_curve(given.score, "frequency", counts)


@plot("position", "error rate at the start, middle and end of sentences")
def _position(given: PlotInput) -> Axes:
    from slaeval.analysis.rates import error_bars

    return error_bars(given.score, "position")


@plot("segment", "alignment of one segment", "segment")
def _segment(given: PlotInput) -> Axes:
    from slaeval.analysis.strips import alignment_strip

    segment = given.chosen_segment
    return alignment_strip(segment, title=segment.id)


@plot("curves", "loss and WER of a training run, by epoch", scored=False)
def _curves(given: PlotInput) -> Figure:
    from slaeval.analysis.curves import curves_figure

    return curves_figure(given.source)


@plot("posteriors", "what the model saw over time, with frames of the video", "segment", "ckpt")
def _posteriors(given: PlotInput) -> Axes:
    """Recognise one segment of a run again, and draw what the model gives."""
    run = given.evaluation.run
    if run is None:
        raise UsageError(
            f"{given.source} has words only; posteriors need a run folder, and its video"
        )
    from slaeval.extras import require

    require("run", "slaeval plot posteriors")
    from slaeval import analysis
    from slaeval.checkpoints.hub import is_address
    from slaeval.loaders.video import read_frames
    from slaeval.recognition.checkpoint_loading import load_checkpoint

    checkpoint = given.ckpt or run.settings["checkpoint"]["path"]
    if not is_address(checkpoint) and not os.path.exists(checkpoint):
        raise InputError("the checkpoint of the run is missing; name it with --ckpt", checkpoint)
    name = given.chosen_segment.id
    clips = run.clips([name], given.request.root)
    if name not in clips:
        raise InputError(f"segment {name!r} of the run is not in the corpus", given.source)
    loaded = load_checkpoint(checkpoint)
    clip = loaded.at_its_rate(clips[name])
    found = loaded.recognise(clip)
    return analysis.posterior_strip(
        found.log_probs,
        loaded.vocabulary,
        glosses=found.glosses,
        spans=found.spans,
        frames=read_frames(clip),
    )
