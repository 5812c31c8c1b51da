"""Small pictures of what was signed where a gloss was recognised.

A run records the frames of each recognised gloss. For the segments with most errors, three of
them (the middle of each third of the gloss) are joined into one small JPEG per gloss, so that a
page with pictures can still be sent by e-mail.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slaeval.errors import InputError, SlaevalError, counted
from slaeval.extras import require

if TYPE_CHECKING:
    import os

    from slaeval.evaluation.run_folder import Run
    from slaeval.scoring.score import Score

__all__ = ["LARGEST", "Thumbnails", "take", "worst"]

#: Most bytes of JPEG in a page.
LARGEST = 10_000_000

#: Height of a picture in pixels; twice what the page shows, for sharp screens.
_HEIGHT = 112
_FRAMES = 3


@dataclass(frozen=True)
class Thumbnails:
    """Pictures of some segments.

    Attributes
    ----------
    pictures : dict
        By segment, one JPEG in base64 per recognised gloss, ``""`` if there is none.
    note : str
        What was left out and why; ``""`` if there was nothing to show.
    """

    pictures: Mapping[str, Sequence[str]] = field(default_factory=dict)
    note: str = ""


def worst(score: Score, count: int) -> list[str]:
    """Return the ids of the segments with most errors; ties: the shorter, then the earlier."""
    order = sorted(
        range(len(score.segments)),
        key=lambda index: (
            -score.segments[index].errors,
            len(score.segments[index].reference),
            index,
        ),
    )
    return [score.segments[index].id for index in order[:count]]


def take(
    score: Score,
    run: Run,
    count: int,
    root: str | os.PathLike[str] | None = None,
) -> Thumbnails:
    """Take thumbnails of the worst segments of a run.

    Parameters
    ----------
    score : Score
        Determines which segments are worst.
    run : Run
        Gives the corpus and the frames of each gloss.
    count : int
        Number of segments.
    root : path-like, optional
        The folder of the corpus; by default the one the run was made on.

    Returns
    -------
    Thumbnails
        Empty, with the reason, if the pictures are not available: a report is useful without
        them.
    """
    if not count:
        return Thumbnails({}, "Pictures are turned off (--pictures 0).")
    wanted = [
        name for name in worst(score, count) if run.alignments.get(name) and _spans(run, name)
    ]
    if not wanted:
        return Thumbnails({}, "The run has no frames to show.")
    try:
        require("run", "showing pictures")
        footage = run.clips(wanted, root, on_missing="skip")
    except InputError:
        return Thumbnails(
            {}, "No pictures: those of the corpus were not found (name its folder with --root DIR)."
        )
    except SlaevalError as error:  # what to install
        return Thumbnails({}, f"No pictures: {error}.")
    pictures: dict[str, list[str]] = {}
    size = 0
    unread: list[str] = []
    full = False
    for name in wanted:
        if name not in footage:
            unread.append(name)
            continue
        try:
            strips = _strips(footage[name], _spans(run, name))
        except InputError:
            unread.append(name)
            continue
        size += sum(map(len, strips))
        if size * 3 // 4 > LARGEST:
            full = True
            break
        pictures[name] = strips
    if not pictures:
        why = f"those of one segment would take more than {LARGEST // 1_000_000} MB"
        if unread:
            why = f"those of {counted(len(unread), 'segment')} could not be read ({unread[0]})"
        return Thumbnails({}, f"No pictures: {why}.")
    left = len(score.segments) - len(pictures)
    note = f"Pictures of {counted(len(pictures), 'segment')}, those with the most errors first"
    note += f"; {left} without (--pictures N for more)" if left else ""
    note += f"; stopped at {LARGEST // 1_000_000} MB" if full else ""
    note += f"; the pictures of {len(unread)} could not be read ({unread[0]})" if unread else ""
    return Thumbnails(pictures, note + ".")


def _spans(run: Run, name: str) -> list[tuple[int, int]]:
    return run.alignments[name].spans


def _strips(footage: Any, spans: Sequence[tuple[int, int]]) -> list[str]:
    """Return one JPEG per gloss, in base64."""
    from slaeval.loaders.video import read_frames

    chosen = [_chosen(start, min(end, footage.num_frames)) for start, end in spans]
    indices = sorted({index for span in chosen for index in span})
    if not indices:
        return [""] * len(spans)
    frames = dict(zip(indices, read_frames(footage, indices=indices), strict=True))
    return [_strip([frames[index] for index in span]) for span in chosen]


def _chosen(start: int, end: int) -> list[int]:
    """Return the frames that represent a span: the middle of each third."""
    length = end - start
    if length < 1:
        return []
    parts = min(_FRAMES, length)
    return [start + (2 * part + 1) * length // (2 * parts) for part in range(parts)]


def _strip(frames: Sequence[Any]) -> str:
    """Return frames side by side as JPEG in base64; ``""`` for none."""
    from PIL import Image

    if not frames:
        return ""
    pictures = [Image.fromarray(frame) for frame in frames]
    wide = max(1, round(pictures[0].width * _HEIGHT / pictures[0].height))
    strip = Image.new("RGB", (wide * len(pictures), _HEIGHT))
    for place, picture in enumerate(pictures):
        strip.paste(picture.resize((wide, _HEIGHT), Image.Resampling.BILINEAR), (place * wide, 0))
    stream = io.BytesIO()
    strip.save(stream, "JPEG", quality=60, optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")
