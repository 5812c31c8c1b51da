"""The folder of a run: what is written there, and how it is read back.

========================  ==========================================================
``hyp.ctm``               the hypotheses, in the order of the corpus; no line for a
                          segment without words
``score.json``            what ``slaeval score --json`` prints
``segments.csv``          one row per segment: alignment and counts
``alignment.jsonl``       one line per segment: glosses, the frames they were signed in,
                          the model's confidence, and the reference
``run.json``              checkpoint, corpus, settings, machine and speed; written last,
                          so a folder that has it is finished
``journal*.jsonl``        progress, so that an interrupted run can resume
``report.html``           where the errors are; written by the commands ``slaeval run``
                          and ``slaeval report``, never read back
========================  ==========================================================

If references are withheld there is no ``score.json``, ``segments.csv`` or ``report.html``.
Everything but ``run.json``, which has the times, is byte-identical for identical runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.files import read_start, read_text, write_whole

if TYPE_CHECKING:
    from slaeval.evaluation.references import ReferenceSet
    from slaeval.evaluation.score import Evaluation
    from slaeval.loaders.video import VideoClip
    from slaeval.scoring.score import Score

__all__ = [
    "REPORT",
    "RESULTS",
    "Alignment",
    "Run",
    "claim",
    "clear",
    "is_segment",
    "journals",
    "lock",
    "settings_of",
    "write_run",
]

_FORMAT = {"format": "slaeval-run", "version": 1}

#: Start of journals and run.json, ignoring blanks.
_START = b'{"format":"slaeval-'

#: The files of a finished run.
RESULTS = ("run.json", "hyp.ctm", "score.json", "segments.csv", "alignment.jsonl")

#: The page about it.
REPORT = "report.html"


class Alignment(NamedTuple):
    """What was recognised in one segment, and where.

    Attributes
    ----------
    id : str
        The segment.
    frames : int
        Number of frames read; 0 for a segment that was skipped.
    glosses : list of str
        The hypothesis.
    spans : list of (int, int)
        Frames [start, end) in which each gloss was signed; empty, like the confidences, if a
        model gave only glosses.
    confidences : list of float
        Mean posterior probability of each gloss over its span, 0 to 1.
    signer : str
        Who signs; empty where unknown.
    reference : list of str or None
        The glosses of the corpus, before the protocol's cleanup; None where withheld.
    """

    id: str
    frames: int
    glosses: list[str]
    spans: list[tuple[int, int]]
    confidences: list[float]
    signer: str = ""
    reference: list[str] | None = None


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    folder : str
        Where it is.
    settings : dict
        What ``run.json`` holds.
    alignments : dict
        :class:`Alignment` by segment, in the order of the corpus.
    """

    folder: str
    settings: dict[str, Any]
    alignments: dict[str, Alignment]

    @cached_property
    def evaluation(self) -> Evaluation:
        """The hypotheses of the run with its references, under its protocol."""
        from slaeval.evaluation.request import Request
        from slaeval.evaluation.score import Evaluation

        protocol = self.settings["protocol"]
        request = Request() if protocol is None else Request(protocol=protocol)
        return Evaluation(request=request, source=self.folder, run=self)

    @property
    def score(self) -> Score | None:
        """The score, as ``slaeval score`` gives it; None where references are withheld."""
        return None if self.withheld else self.evaluation.score()

    @property
    def withheld(self) -> bool:
        """Whether the references of this split are withheld by the owners of the corpus."""
        return any(alignment.reference is None for alignment in self.alignments.values())

    @property
    def references(self) -> ReferenceSet:
        """The references of the run.

        Raises
        ------
        InputError
            They are withheld.
        """
        from slaeval.evaluation.references import ReferenceSet
        from slaeval.scoring.segments import Reference

        found = []
        for alignment in self.alignments.values():
            if alignment.reference is None:
                raise InputError(
                    f"the references of this run are withheld ({alignment.id!r} has none): name "
                    "some with --ref FILE",
                    self.folder,
                )
            found.append(Reference(alignment.id, alignment.signer, list(alignment.reference)))
        return ReferenceSet(found, self.settings["label"], self.settings["split"], "the run")

    @property
    def hypotheses(self) -> dict[str, list[str]]:
        """Glosses by segment, in the order of the corpus; an empty list for none."""
        return {name: alignment.glosses for name, alignment in self.alignments.items()}

    @property
    def wer(self) -> float:
        """Word error rate in percent, unrounded; nan where references are withheld."""
        return float("nan") if self.score is None else self.score.wer

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know about model, corpus and footage, then about the score."""
        notes: list[str] = self.settings["notes"]
        return (*notes, *(() if self.score is None else self.score.warnings))

    @property
    def skipped(self) -> dict[str, str]:
        """Segments whose pictures could not be read, and why; scored as empty."""
        skipped: dict[str, str] = self.settings["skipped"]
        return skipped

    def clips(
        self,
        names: Sequence[str],
        root: str | os.PathLike[str] | None = None,
        on_missing: Literal["stop", "skip"] = "stop",
    ) -> dict[str, VideoClip]:
        """Return the videos of some segments, where the corpus of the run has them.

        Parameters
        ----------
        names : sequence of str
            The segments.
        root : path-like, optional
            Folder of the corpus; by default the one the run was made on.
        on_missing : {"stop", "skip"}
            What to do with a segment whose pictures are missing.

        Raises
        ------
        InputError
            The corpus, or required pictures, cannot be read.
        """
        from slaeval import loaders
        from slaeval.loaders.video import find_video_clips

        corpus = loaders.load_corpus(
            self.settings["dataset"],
            root or self.settings.get("root"),
            self.settings.get("split"),
            self.settings.get("setup"),
        )
        wanted = set(names)
        samples = tuple(sample for sample in corpus if sample.id in wanted)
        found, _ = find_video_clips(replace(corpus, samples=samples), on_missing)
        return {clip.id: clip for clip in found}

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Run:
        """Read a finished run.

        Raises
        ------
        InputError
            The folder does not exist, or has no run, or one that is unfinished or damaged.
        """
        folder = os.fspath(folder)
        settings = settings_of(folder)
        try:
            return _opened(folder, settings)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"damaged run ({type(error).__name__} {error}); run 'slaeval run' again with "
                "--restart",
                folder,
            ) from None

    def __repr__(self) -> str:
        result = "references withheld" if self.score is None else str(self.score)
        notes = "".join(f"\n  warning: {note}" for note in self.settings["notes"])
        return f"<Run {self.folder}: {result}{notes}>"

    def _repr_html_(self) -> str:
        from html import escape

        shown = "" if self.score is None else self.score._repr_html_()
        shown += "".join(f"<p>{escape(message)}</p>" for message in self.warnings)
        return f"<div><code>{escape(self.folder)}</code>{shown}</div>"


def settings_of(folder: str) -> dict[str, Any]:
    """Return what the ``run.json`` of a finished run holds; errors as :meth:`Run.open`."""
    if not os.path.isdir(folder):
        what = "this is a file" if os.path.exists(folder) else "no such folder"
        raise InputError(f"{what}; expected a run folder", folder)
    path = os.path.join(folder, "run.json")
    if not os.path.exists(path):
        if journals(folder):
            raise InputError(
                "not finished: resume this run with the same 'slaeval run' command", folder
            )
        raise InputError("no run here (no run.json); expected the folder of a run", folder)
    settings = _read_json(path, read_text(path, "the settings of a run"))
    if settings.get("format") != _FORMAT["format"]:
        raise InputError("this is not the run.json of a slaeval run", path)
    if settings.get("version") != _FORMAT["version"]:
        raise InputError(
            f"written by a newer slaeval (run format {settings.get('version')!r}, known: "
            f"{_FORMAT['version']}); update slaeval",
            path,
        )
    return settings


def _read_json(path: str, text: str, line: int | None = None) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"not JSON: {error}", path, line) from None
    if not isinstance(value, dict):
        raise InputError("expected a JSON object", path, line)
    return value


def _opened(folder: str, settings: dict[str, Any]) -> Run:
    path = os.path.join(folder, "alignment.jsonl")
    alignments = {}
    lines = read_text(path, "the alignments of a run").rstrip("\n").split("\n")
    for number, line in enumerate(lines, 1):
        value = _read_json(path, line, number)
        if not is_segment(value):
            raise InputError(
                "damaged run: not a segment written by a run; run 'slaeval run' again with "
                "--restart",
                path,
                number,
            )
        alignment = Alignment(**value)
        alignment = alignment._replace(spans=[(start, end) for start, end in alignment.spans])
        alignments[alignment.id] = alignment
    if settings["segments"] != len(alignments):
        raise InputError(
            f"{settings['segments']} segments were recognised, but {len(alignments)} are in this "
            "file",
            path,
        )
    texts = [settings[key] for key in ("label", "split", "protocol", "signature")]
    if not all(isinstance(text, (str, type(None))) for text in texts):
        raise ValueError("label, split, protocol and signature must be text or null")
    if not isinstance(settings["skipped"], dict):
        raise ValueError("skipped must be an object")
    return Run(folder, settings, alignments)


def write_run(
    folder: str,
    alignments: Sequence[Alignment],
    references: ReferenceSet | None,
    protocol: str,
    settings: Mapping[str, Any],
) -> Run:
    """Write the results of a run, ``run.json`` last.

    Parameters
    ----------
    folder : str
        The folder to write to.
    alignments : sequence of Alignment
        One per segment, in the order of the corpus.
    references : ReferenceSet or None
        The references, which the alignments have too; None if they are withheld.
    protocol : str
        The evaluation protocol.
    settings : mapping
        The rest of ``run.json``; needs ``"skipped"``.
    """
    from slaeval.evaluation.tables import as_csv
    from slaeval.formats.ctm import write_ctm
    from slaeval.scoring.protocols import protocol as named_protocol

    settings = {
        **_FORMAT,
        "segments": len(alignments),
        "label": None if references is None else references.dataset,
        "protocol": None if references is None else named_protocol(protocol).name,
        "signature": None,
        **settings,
    }
    run = Run(folder, settings, {alignment.id: alignment for alignment in alignments})
    score = run.score  # first, since this can fail
    if score is not None:
        settings["signature"] = score.signature

    def put(name: str, text: str) -> None:
        write_whole(os.path.join(folder, name), text)

    put("hyp.ctm", write_ctm({alignment.id: list(alignment.glosses) for alignment in alignments}))
    put("alignment.jsonl", "".join(_line(alignment) for alignment in alignments))
    if score is not None:
        put("segments.csv", as_csv(score.rows()))
        put("score.json", _json(score.to_dict()))
    put("run.json", _json(settings))
    return run


def _line(alignment: Alignment) -> str:
    return json.dumps(alignment._asdict(), ensure_ascii=False, allow_nan=False) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def claim(folder: str) -> None:
    """Create the folder of a run, or make sure that it is one.

    Raises
    ------
    UsageError
        It has other content than a run.
    SlaevalError
        It cannot be created.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        there = [name for name in os.listdir(folder) if not name.startswith(".")]
        signs = [*journals(folder), os.path.join(folder, "run.json")]
        if there and not any(map(_is_ours, signs)):
            raise UsageError(
                f"{folder} is not empty and is not a run folder; name another with --out"
            )
    except OSError as error:
        raise SlaevalError(f"{folder}: cannot write: {error.strerror or error}") from None


def _is_ours(path: str) -> bool:
    """Tell a journal or run.json, even a truncated one, from another program's file."""
    if not os.path.isfile(path):
        return False
    start = read_start(path, "a file of a run", 100)
    start = start.rstrip(b"\0").translate(None, b" \r\n")
    return start[: len(_START)] == _START[: len(start)]


def clear(folder: str) -> None:
    """Remove what an earlier run left; call only while holding the :func:`lock`.

    Raises
    ------
    SlaevalError
        It cannot be removed.
    """
    # The journals last: the files they describe never exist without them.
    for path in [*(os.path.join(folder, name) for name in (*RESULTS, REPORT)), *journals(folder)]:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise SlaevalError(f"{path}: cannot remove: {error.strerror or error}") from None


@contextlib.contextmanager
def lock(folder: str) -> Iterator[None]:
    """Lock a folder against other runs; the system unlocks it however the process ends.

    Raises
    ------
    SlaevalError
        Another run is using it.
    """
    from filelock import FileLock, Timeout

    held = FileLock(os.path.join(folder, ".lock"))
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise SlaevalError(
            f"{folder}: another run is writing here; wait for it, or name another --out"
        ) from None
    except OSError as error:
        raise SlaevalError(f"{folder}: cannot write: {error.strerror or error}") from None
    try:
        yield
    finally:
        held.release()


def journals(folder: str) -> list[str]:
    """Return the journals in a folder, sorted."""
    if not os.path.isdir(folder):
        return []
    return [
        os.path.join(folder, name)
        for name in sorted(os.listdir(folder))
        if re.fullmatch(r"journal(-[0-9]+)?\.jsonl", name)
    ]


def is_segment(value: Any) -> bool:
    """Say whether a value is a run's record of one segment."""
    if not isinstance(value, dict):
        return False
    glosses, spans, sure = (value.get(name) for name in ("glosses", "spans", "confidences"))
    return (
        isinstance(value.get("id"), str)
        and type(value.get("frames")) is int
        and isinstance(glosses, list)
        and isinstance(spans, list)
        and isinstance(sure, list)
        and len(spans) == len(sure)
        and len(spans) in (0, len(glosses))
        and all(isinstance(gloss, str) for gloss in glosses)
        and all(
            isinstance(span, list)
            and len(span) == 2
            and all(type(end) is int for end in span)
            and 0 <= span[0] <= span[1] <= value["frames"]
            for span in spans
        )
        and all(type(one) in (int, float) and 0 <= one <= 1 for one in sure)
    )
