"""Recognised glosses with their times, for ELAN, video players and spreadsheets.

=====================  =============================================================
``eaf/ID.eaf``         one file per segment for ELAN: tiers hypothesis and reference
``srt/ID.srt``         subtitles, one file per segment
``glosses.tsv``        one line per gloss of all segments: frames, seconds, confidence
=====================  =============================================================

Times are those of the video: from the timestamps of a video file, or else from the frame rate of
the corpus. Glosses that a model gave without frames span the whole clip.
"""

from __future__ import annotations

import mimetypes
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slaeval.errors import SlaevalError, UsageError, nearest
from slaeval.files import write_whole
from slaeval.formats.elan import Annotation, Tier, write_eaf
from slaeval.formats.subtitles import write_srt

if TYPE_CHECKING:
    from slaeval.evaluation.run_folder import Alignment, Run

__all__ = ["KINDS", "export_run", "parse_kinds"]

#: What can be written.
KINDS = ("eaf", "srt", "tsv")


class _Film(NamedTuple):
    """When the frames of a clip begin, and its video file, if it is one."""

    fps: float | None
    times: Sequence[float] | None
    video: str | None

    def seconds(self, frame: int) -> float:
        if self.times is not None:
            return float(self.times[min(frame, len(self.times) - 1)])
        assert self.fps is not None
        return frame / self.fps


def parse_kinds(text: str) -> tuple[str, ...]:
    """Read ``eaf,srt,tsv``.

    Raises
    ------
    UsageError
        An unknown kind, or none.
    """
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(
                f"cannot write {kind!r}{nearest(kind, KINDS)}; known: {', '.join(KINDS)}"
            )
    if not kinds:
        raise UsageError(f"nothing to write; name some of {', '.join(KINDS)}")
    return kinds


def export_run(
    run: Run,
    kinds: Sequence[str],
    out: str | os.PathLike[str] | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    fps: float | None = None,
) -> list[str]:
    """Write the recognised glosses of a run with their times.

    Parameters
    ----------
    run : Run
        A finished run.
    kinds : sequence of {"eaf", "srt", "tsv"}
        What to write.
    out : path-like, optional
        Folder to write into; by default that of the run.
    root : path-like, optional
        Folder of the corpus; by default the one the run was made on.
    fps : float, optional
        Frames per second, if neither the videos nor the corpus give them.

    Returns
    -------
    list of str
        Files and folders that were written.

    Raises
    ------
    SlaevalError
        A frame rate is unknown, a file exists with other content, or the disk is full.
    """
    folder = run.folder if out is None else os.fspath(out)
    films = _films(run, root, fps)
    names = _file_names(run.alignments)
    texts: dict[str, str] = {}
    for kind in kinds:
        if kind == "tsv":
            texts[os.path.join(folder, "glosses.tsv")] = _table(run, films)
            continue
        for alignment in run.alignments.values():
            path = os.path.join(folder, kind, f"{names[alignment.id]}.{kind}")
            film = films[alignment.id]
            texts[path] = (
                _elan(alignment, film, path) if kind == "eaf" else write_srt(_cues(alignment, film))
            )
    for path, text in texts.items():
        if os.path.exists(path) and Path(path).read_bytes() != text.encode("utf-8"):
            raise SlaevalError(
                f"{path}: exists with other content, perhaps edited by hand; move it, or name "
                "another folder with --out"
            )
    for path, text in texts.items():
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        write_whole(path, text)
    return [os.path.join(folder, "glosses.tsv" if kind == "tsv" else kind) for kind in kinds]


def _films(run: Run, root: str | os.PathLike[str] | None, fps: float | None) -> dict[str, _Film]:
    """Find out when frames begin: from `fps`, the videos, or the corpus."""
    if fps is not None:
        if not 0 < fps < float("inf"):
            raise UsageError(f"--fps {fps:g}: expected frames per second above 0")
        return dict.fromkeys(run.alignments, _Film(fps, None, None))
    found = _filmed(run, root)
    known = _rate_of_corpus(run)
    films = {}
    for name in run.alignments:
        film = found.get(name, _Film(known, None, None))
        if film.fps is None and film.times is None:
            raise SlaevalError(
                f"{run.folder}: the frame rate of {name!r} is unknown: name the folder "
                "of its corpus with --root, or give --fps"
            )
        films[name] = film
    return films


def _filmed(run: Run, root: str | os.PathLike[str] | None) -> dict[str, _Film]:
    """Return the times of the corpus's clips; nothing if it is not available."""
    from slaeval import loaders
    from slaeval.loaders.video import find_video_clips

    settings = run.settings
    try:
        corpus = loaders.load_corpus(
            settings["dataset"],
            root or settings.get("root"),
            settings.get("split"),
            settings.get("setup"),
        )
        clips, _ = find_video_clips(corpus, "skip")
    except SlaevalError:
        if root is not None:
            raise
        return {}  # the rate of the corpus may still be known
    return {
        clip.id: _Film(
            clip.fps,
            None if clip.times is None else clip.times.tolist(),
            None if clip.files else clip.path,
        )
        for clip in clips
    }


def _rate_of_corpus(run: Run) -> float | None:
    from slaeval.loaders.registry import layout

    try:
        return layout(run.settings["dataset"]).fps
    except UsageError:  # a corpus of another package, which is not installed
        return None


def _cues(alignment: Alignment, film: _Film) -> list[Annotation]:
    """Return the glosses with times; as one text over the clip if they have no frames."""
    if alignment.glosses and not alignment.spans:
        return [Annotation(0.0, film.seconds(alignment.frames), " ".join(alignment.glosses))]
    return [
        Annotation(film.seconds(start), film.seconds(end), gloss)
        for gloss, (start, end) in zip(alignment.glosses, alignment.spans, strict=True)
    ]


def _elan(alignment: Alignment, film: _Film, path: str) -> str:
    tiers = [Tier("hypothesis", _cues(alignment, film), alignment.signer)]
    if alignment.reference:
        whole = Annotation(0.0, film.seconds(alignment.frames), " ".join(alignment.reference))
        tiers.append(Tier("reference", [whole], alignment.signer))
    if film.video is None:
        return write_eaf(tiers)
    video = Path(film.video).absolute()
    near = os.path.relpath(video, os.path.dirname(os.path.abspath(path))).replace(os.sep, "/")
    kind = mimetypes.guess_type(video.name)[0] or "video/*"
    return write_eaf(tiers, video.as_uri(), near, kind)


def _table(run: Run, films: Mapping[str, _Film]) -> str:
    rows = ["id\tsigner\tgloss\tstart_frame\tend_frame\tstart_s\tend_s\tconfidence\n"]
    for alignment in run.alignments.values():
        film = films[alignment.id]
        for place, gloss in enumerate(alignment.glosses):
            cells = ["", "", "", "", ""]
            if alignment.spans:
                start, end = alignment.spans[place]
                cells = [str(start), str(end), f"{film.seconds(start):.3f}"]
                cells += [f"{film.seconds(end):.3f}", f"{alignment.confidences[place]:g}"]
            rows.append("\t".join([alignment.id, alignment.signer, gloss, *cells]) + "\n")
    return "".join(rows)


def _file_names(ids: Mapping[str, object]) -> dict[str, str]:
    """Return a file name for every id: the id itself if it is a valid name."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for name in ids:
        plain = re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", name).lstrip(".") or "_"
        chosen, number = plain, 1
        while chosen.casefold() in taken:  # some file systems ignore letter case
            number += 1
            chosen = f"{plain}-{number}"
        taken.add(chosen.casefold())
        names[name] = chosen
    return names
