"""``slaeval plot``: one plot of the errors, as a file for a paper."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from slaeval.cli.options import (
    existing,
    needed,
    refuse_given,
    request_options,
    source_argument,
    tell_references,
)
from slaeval.console import warn
from slaeval.errors import InputError, UsageError, nearest
from slaeval.evaluation.overwriting import check_outputs
from slaeval.evaluation.score import Evaluation
from slaeval.extras import require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from slaeval.evaluation.request import Request
    from slaeval.evaluation.run_folder import Run
    from slaeval.scoring.score import Score
    from slaeval.scoring.segments import AlignedSegment

__all__ = ["plot"]

#: What can be drawn, and what it shows.
KINDS = {
    "confusions": "which glosses are confused with which",
    "signers": "error rate of each signer",
    "glosses": "glosses with the most errors",
    "length": "WER by sentence length",
    "frequency": "error rate by training frequency of the gloss",
    "position": "error rate at the start, middle and end of sentences",
    "segment": "alignment of one segment",
    "curves": "loss and WER of a training run, by epoch",
    "posteriors": "what the model saw over time, with frames of the video",
}


#: The options that some kinds alone know.
_OWN = {
    "segment": ("segment", "posteriors"),
    "top": ("confusions", "glosses"),
    "train": ("frequency",),
    "ckpt": ("posteriors",),
}


#: The options that the log of a training has no use for.
_OF_HYPOTHESES = (
    *("dataset", "split", "root", "ref", "setup"),
    *("protocol", "pred_format", "fix_ids"),
)


class _Wanted(NamedTuple):
    """The options of the command, as given."""

    kind: str
    source: str
    request: Request
    segment: str | None
    top: int | None
    train: str | None
    ckpt: str | None


@click.command(
    epilog="\b\nKIND is one of\n"
    + "\n".join(f"  {kind:<11} {what}" for kind, what in KINDS.items())
)
@click.argument("kind", type=click.Choice(list(KINDS)), metavar="KIND")
@source_argument
@click.option(
    "--out",
    required=True,
    type=existing(),
    metavar="FILE",
    help="Output file: .png, .svg or .pdf.",
)
@request_options()
@click.option(
    "--segment",
    metavar="ID",
    help="Segment to draw, for segment and posteriors.  [default: the one with the most errors]",
)
@click.option(
    "--top",
    type=click.IntRange(2, 200),
    metavar="N",
    help="Number of glosses, for confusions and glosses.  [default: 12; 20]",
)
@click.option(
    "--train",
    type=existing(),
    metavar="FILE",
    help="References of the training split, for frequency, if the corpus is not available.",
)
@click.option(
    "--ckpt",
    type=existing(),
    metavar="FILE",
    help="Checkpoint, for posteriors.  [default: the run's]",
)
def plot(out: str, **options: Any) -> None:
    """Draw a plot of a run, a hypothesis file or a training log.

    Sized for the column of a paper (3.3 inches), in colours that are safe for colour-blind
    readers and grey printing. The same input gives the same file. A run brings its references.

    \b
    slaeval plot confusions hyp.ctm --dataset phoenix2014t --out confusions.pdf
    slaeval plot signers runs/sla_lora --out signers.svg
    slaeval plot segment hyp.ctm --dataset csl-daily --segment S004_P0001_T00 --out s.png
    slaeval plot curves sla_lora.training --out curves.pdf
    slaeval plot posteriors runs/sla_lora --out posteriors.pdf
    """
    require("analysis", "slaeval plot")
    from slaeval.analysis.style import file_format, save

    options["source"] = needed(options["source"])
    wanted = _Wanted(**options)
    for option, kinds in _OWN.items():
        if getattr(wanted, option) is not None and wanted.kind not in kinds:
            raise UsageError(
                f"--{option} applies to {' and '.join(kinds)} only; leave it out for {wanted.kind}"
            )
    check_outputs([wanted.source, wanted.train, wanted.ckpt], [out], wanted.request)
    file_format(out)
    import matplotlib as mpl

    mpl.use("agg")  # a file, and never a window
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        drawn, about = _curves(wanted) if wanted.kind == "curves" else _errors(wanted)
        save(drawn, out, about)
    for message in dict.fromkeys(str(one.message) for one in said):
        warn(message)
    click.echo(f"{out}: {KINDS[wanted.kind]}")


def _curves(wanted: _Wanted) -> tuple[Figure, str]:
    from slaeval.analysis.curves import curves_figure

    refuse_given(_OF_HYPOTHESES, "curves are drawn from a training log:")
    return curves_figure(wanted.source), ""


def _errors(wanted: _Wanted) -> tuple[Axes, str]:
    """Score, then draw."""
    evaluation = Evaluation.open(wanted.source, wanted.request)
    if wanted.kind == "posteriors" and evaluation.run is None:
        raise UsageError(
            f"{wanted.source} has words only; posteriors need a run folder, and its video"
        )
    score = evaluation.score()
    tell_references(evaluation.references)
    for message in score.warnings:
        warn(message)
    return _draw(wanted, score, evaluation), score.signature


def _draw(wanted: _Wanted, score: Score, evaluation: Evaluation) -> Axes:
    from slaeval import analysis

    kind, top = wanted.kind, wanted.top
    if kind == "confusions":
        ax = analysis.confusion_map(score, top=top or 12)
    elif kind == "glosses":
        ax = analysis.error_bars(score, "gloss", top=top or 20)
    elif kind == "signers":
        ax = analysis.error_bars(score, "signer")
    elif kind == "position":
        ax = analysis.error_bars(score, "position")
    elif kind == "length":
        ax = analysis.error_curve(score, "length")
    elif kind == "frequency":
        ax = analysis.error_curve(score, "frequency", _training(wanted, evaluation))
    elif kind == "segment":
        segment = _segment(score, wanted.segment)
        ax = analysis.alignment_strip(segment, title=segment.id)
    else:
        assert evaluation.run is not None
        ax = _posteriors(wanted, evaluation.run, _segment(score, wanted.segment).id)
    return ax


def _segment(score: Score, name: str | None) -> AlignedSegment:
    """Return the segment asked for, else the shortest of those with the most errors."""
    if not len(score.segments):
        raise InputError("no segment to draw")
    if name is None:
        return min(score.segments, key=lambda mine: (-mine.errors, len(mine.reference), mine.id))
    for segment in score.segments:
        if segment.id == name:
            return segment
    ids = [segment.id for segment in score.segments]
    raise UsageError(
        f"no segment {name!r}{nearest(name, ids)}; there are {len(ids)}, such as {ids[0]!r}"
    )


def _training(wanted: _Wanted, evaluation: Evaluation) -> Mapping[str, int]:
    from slaeval.analysis.training_vocabulary import training_of

    counts, why = training_of(evaluation, wanted.train)
    if counts is None:
        raise InputError(f"no frequencies: {why}")
    return counts


def _posteriors(wanted: _Wanted, run: Run, name: str) -> Axes:
    """Recognise one segment of a run again, and draw what the model gives."""
    require("run", "slaeval plot posteriors")
    from dataclasses import replace

    import slaeval
    from slaeval.analysis import posterior_strip
    from slaeval.loaders.video import find_video_clips, read_frames
    from slaeval.recognition.model import FrameRateWarning

    settings = run.settings
    checkpoint = wanted.ckpt or settings["checkpoint"]["path"]
    if not os.path.exists(checkpoint):
        raise InputError("the checkpoint of the run is missing; name it with --ckpt", checkpoint)
    corpus = slaeval.load_corpus(
        settings["dataset"],
        wanted.request.root or settings.get("root"),
        settings.get("split"),
        settings.get("setup"),
    )
    one = replace(corpus, samples=tuple(sample for sample in corpus if sample.id == name))
    footage, _ = find_video_clips(one)
    if not footage:
        raise InputError(f"segment {name!r} of the run is not in the corpus", corpus.root)
    loaded = slaeval.load_checkpoint(checkpoint)
    clip = loaded.at_its_rate(footage[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FrameRateWarning)  # the run has said it
        found = loaded.recognise(clip)
    return posterior_strip(
        found.log_probs,
        loaded.vocabulary,
        glosses=found.glosses,
        spans=found.spans,
        frames=read_frames(clip),
    )
