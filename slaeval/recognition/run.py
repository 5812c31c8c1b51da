"""Evaluating a model on a corpus: the steps of a run, from the footage to the run folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from slaeval._version import __version__
from slaeval.console import warn
from slaeval.decoding import Decoding
from slaeval.errors import (
    InputError,
    ScoreWarning,
    SlaevalError,
    UsageError,
    renamed_parameter,
)
from slaeval.evaluation.references import ReferenceSet, corpus_references
from slaeval.evaluation.run_folder import Alignment, Run, claim, clear, journals, lock, write_run
from slaeval.formats.words import split_words
from slaeval.recognition.batches import ClipDataset, FrameLoader, plan_batches
from slaeval.recognition.distributed import World, joined, share_out
from slaeval.recognition.journal import Journal, read_journals, repair
from slaeval.recognition.predictor import Predictor, Recognised, frame_budget_for
from slaeval.recognition.progress import progress
from slaeval.scoring.protocols import protocol as named_protocol

if TYPE_CHECKING:
    from slaeval.loaders import Corpus
    from slaeval.loaders.frame_cache import FrameCache
    from slaeval.loaders.video import VideoClip
    from slaeval.recognition.model import CSLRModel, LoadedModel

__all__ = ["evaluate"]


@renamed_parameter("backbone", "backbone_weights")
def evaluate(
    model: str | os.PathLike[str] | LoadedModel | CSLRModel,
    corpus: str | Corpus | None = None,
    split: str = "test",
    *,
    root: str | os.PathLike[str] | None = None,
    setup: str | None = None,
    out: str | os.PathLike[str] | None = None,
    device: str = "auto",
    precision: str = "auto",
    frame_budget: int | None = None,
    workers: int = 0,
    decoding: Decoding | None = None,
    exact: bool = False,
    compile: bool = False,
    on_error: str = "stop",
    protocol: str = "official",
    backbone_weights: str | os.PathLike[str] | None = None,
    frame_cache: str | os.PathLike[str] | None = None,
    restart: bool = False,
) -> Run:
    """Recognise a split of a corpus and score it.

    An interrupted run resumes when it is started again, and ends with the same bytes. Under
    ``torchrun`` the processes divide the split among themselves.

    Parameters
    ----------
    model : path-like, LoadedModel or CSLRModel
        What to evaluate: a checkpoint file, a loaded checkpoint, or any model with the
        interface of :class:`~slaeval.recognition.model.CSLRModel`.
    corpus : str or Corpus, optional
        Name of a corpus, or a loaded one; by default the model's.
    split : str
        Split of a corpus given by name.
    root, setup : optional
        As for :func:`slaeval.load_corpus`; by default the model's setup.
    out : path-like, optional
        Folder of the run; by default ``runs/<model>-<corpus>-<split>``.
    device, precision : str
        Device and precision; ``"auto"`` picks what suits the machine, and float32 for your own
        model. A loaded model keeps its device.
    frame_budget : int, optional
        Maximum frames per batch.
    workers : int
        Processes that read frames; 0 reads in this one. With more, a script must guard its code
        with ``if __name__ == "__main__":``.
    decoding : Decoding, optional
        Decoding settings; by default the model's.
    exact : bool
        One video at a time with deterministic kernels: bitwise reproducible.
    compile : bool
        Compile the tower, or your own model, with ``torch.compile``.
    on_error : {"stop", "skip"}
        For samples with missing or unreadable frames: stop the run, or score them as empty and
        list them in the warnings.
    protocol : str
        The evaluation protocol.
    backbone_weights : path-like, optional
        The tower's weights, for a slim checkpoint.
    frame_cache : path-like, optional
        Folder of a cache of resized frames to read, as ``slaeval corpus cache`` makes it;
        ``"auto"`` for the one in the usual place.
    restart : bool
        Start over, overwriting an earlier run in the folder.

    Raises
    ------
    UsageError
        Unknown names, no model, or a folder that holds other things than a run.
    InputError
        Model, corpus or footage cannot be read, or do not fit; or the folder holds another run.
    SlaevalError
        No such device, one video alone is too much for the memory, another run is at work in
        the folder, or another process of a ``torchrun`` failed.

    Warns
    -----
    ScoreWarning
        What a reader of the result should know, also in :attr:`Run.warnings`.
    """
    _check_settings(on_error, frame_budget, workers)
    named_protocol(protocol)  # fail before recognising, not after
    loaded = _loaded(model, device, backbone_weights)
    chosen = loaded.precision(precision)
    data = _corpus(corpus, loaded, split, root, setup)
    from slaeval.loaders.frame_cache import open_frame_cache
    from slaeval.loaders.video import find_video_clips

    cache = None
    if frame_cache is not None:
        side = loaded.preprocessing.resize
        cache = open_frame_cache(frame_cache, data.name, data.setup, side)
    found, missing = find_video_clips(data, "skip" if on_error == "skip" else "stop", cache)
    job = _Job(
        loaded=loaded,
        corpus=data,
        footage=[loaded.at_its_rate(clip) for clip in found],
        missing=missing,
        folder=os.fspath(out) if out is not None else _default_folder(loaded, data),
        decoding=decoding or loaded.decoding,
        precision=chosen,
        frame_budget=frame_budget or frame_budget_for(loaded.device),
        workers=workers,
        exact=exact,
        compile=compile,
        on_error=on_error,
        cache=cache,
    )
    header = job.header()
    if compile:
        loaded.compile()

    with joined(loaded.device) as world, contextlib.ExitStack() as stack:
        world.check_same({**header, "samples without pictures": sorted(missing)})
        done = _resume(job, header, world, stack, restart)
        name = f"journal-{world.rank}.jsonl" if world.rank else "journal.jsonl"
        journal = stack.enter_context(Journal(os.path.join(job.folder, name), header))
        predictor = job.predictor(done)
        begun = time.monotonic()
        _recognise(job, job.share(world), done, predictor, journal)
        world.wait()
        seconds = time.monotonic() - begun
        if world.first:
            budget = predictor.frame_budget
            run = _write(job, header, done, protocol, seconds, budget, world.size)
        world.wait()
    if not world.first:
        return Run.open(job.folder)
    for message in run.warnings:
        warnings.warn(message, ScoreWarning, stacklevel=3)  # beyond the decorator
    return run


def _check_settings(on_error: str, frame_budget: int | None, workers: int) -> None:
    if on_error not in ("stop", "skip"):
        raise UsageError(f"on_error is {on_error!r}; expected 'stop' or 'skip'")
    if frame_budget is not None and frame_budget < 1:
        raise UsageError("the frame budget must be 1 or more")
    if workers < 0:
        raise UsageError("the number of workers cannot be negative")


class _Job(NamedTuple):
    """What a run recognises, with which model and settings."""

    loaded: LoadedModel
    corpus: Corpus
    footage: list[VideoClip]
    missing: dict[str, str]
    folder: str
    decoding: Decoding
    precision: str
    frame_budget: int
    workers: int
    exact: bool
    compile: bool
    on_error: str
    cache: FrameCache | None

    def header(self) -> dict[str, Any]:
        """Return all that decides the hypotheses; a run only resumes where it is the same."""
        loaded, corpus = self.loaded, self.corpus
        return {
            "slaeval": __version__,
            "checkpoint": loaded.hash,
            "corpus": [corpus.name, corpus.setup, corpus.split, _hash(s.id for s in corpus)],
            "footage": _hash(_described(self.footage)),
            "frame cache": None if self.cache is None else self.cache.record(),
            "fps": loaded.fps,
            "preprocessing": loaded.preprocessing.to_dict(),
            "decoding": self.decoding.to_dict(),
            "device": loaded.device.type,
            "precision": self.precision,
            "exact": self.exact,
            "compile": self.compile,
        }

    def predictor(self, done: _Done) -> Predictor:
        """Return a predictor with the frame budget that earlier calls found to fit."""
        return self.loaded.predictor(
            self.decoding,
            self.precision,
            min(self.frame_budget, done.frame_budget or self.frame_budget),
            exact=self.exact,
            on_smaller=_say_smaller,
        )

    def share(self, world: World) -> list[VideoClip]:
        """Return the clips this process recognises."""
        share = share_out([clip.num_frames for clip in self.footage], world.size)[world.rank]
        return [self.footage[index] for index in share]


def _resume(
    job: _Job,
    header: Mapping[str, Any],
    world: World,
    stack: contextlib.ExitStack,
    restart: bool,
) -> _Done:
    """Claim and lock the run folder, and read on all processes what its journals hold."""
    records: list[dict[str, Any]] = []
    if world.first:
        claim(job.folder)
        stack.enter_context(lock(job.folder))
        if restart:
            clear(job.folder)
        for path in journals(job.folder):
            repair(path)
        records = read_journals(job.folder, header)
    done = _Done.of(world.agree(records))
    # Retry what an earlier run with on_error="skip" skipped.
    return done._replace(skipped={}) if job.on_error == "stop" else done


def _write(
    job: _Job,
    header: Mapping[str, Any],
    before: _Done,
    protocol: str,
    seconds: float,
    frame_budget: int,
    processes: int,
) -> Run:
    """Write the run folder from the journals of all processes."""
    loaded, data = job.loaded, job.corpus
    everything = _Done.of(read_journals(job.folder, header))
    skipped = job.missing | everything.skipped
    references = None if _withheld(data) else corpus_references(data)
    return write_run(
        job.folder,
        _alignments(data, everything, skipped, references),
        references,
        protocol,
        {
            "dataset": data.name,
            "setup": data.setup,
            "split": data.split,
            "root": os.path.abspath(data.root),
            "checkpoint": {"path": loaded.where, "hash": loaded.hash},
            "decoding": job.decoding.to_dict(),
            "preprocessing": loaded.preprocessing.to_dict(),
            "frame_cache": None if job.cache is None else job.cache.record(),
            "device": _device_name(loaded.device),
            "precision": job.precision,
            "versions": _versions(),
            "timings": _timings(job.folder, before, everything, seconds, loaded.device),
            "settings": {
                "frame_budget": frame_budget,
                "workers": job.workers,
                "exact": job.exact,
                "compile": job.compile,
                "on_error": job.on_error,
                "processes": processes,
            },
            "skipped": {s.id: skipped[s.id] for s in data if s.id in skipped},
            "notes": [
                *_notes(data, loaded, references, job.footage),
                *([] if job.cache is None else job.cache.notes()),
            ],
        },
    )


def _say_smaller(frames: int) -> None:
    warn(f"out of memory; continuing with at most {frames} frames per batch")


class _Done(NamedTuple):
    """What journals record as done."""

    segments: dict[str, dict[str, Any]]
    skipped: dict[str, str]
    frame_budget: int | None

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]]) -> _Done:
        segments: dict[str, dict[str, Any]] = {}
        skipped: dict[str, str] = {}
        budgets = []
        for record in records:
            if "frame_budget" in record:
                budgets.append(record["frame_budget"])
            segments.update((segment["id"], segment) for segment in record["segments"])
            skipped.update(record["skipped"])
        skipped = {name: why for name, why in skipped.items() if name not in segments}
        return cls(segments, skipped, min(budgets, default=None))

    @property
    def frames(self) -> int:
        return sum(segment["frames"] for segment in self.segments.values())


def _recognise(
    job: _Job, footage: list[VideoClip], done: _Done, predictor: Predictor, journal: Journal
) -> None:
    """Recognise the clips that are not done, and record each batch in the journal."""
    known = done.segments.keys() | done.skipped.keys()
    # Planned over all clips, done or not, so that batches are the same when a run is resumed.
    plan = [
        [index for index in batch if footage[index].id not in known]
        for batch in plan_batches([clip.num_frames for clip in footage], job.frame_budget)
    ]
    plan = [batch for batch in plan if batch]
    if not plan:
        return
    left = [footage[index] for batch in plan for index in batch]
    by_id = {clip.id: clip for clip in footage}
    clips = ClipDataset(footage, predictor.preprocessing.resize)
    with (
        FrameLoader(clips, workers=job.workers, pin=predictor.device.type == "cuda") as reading,
        progress(len(left), sum(clip.num_frames for clip in left), "recognising") as advance,
    ):
        for loaded, recognised in predictor.over(reading.batches(plan, on_error=job.on_error)):
            record: dict[str, Any] = {
                "segments": [_record(clip.in_film(by_id[clip.id])) for clip in recognised],
                "skipped": {name: str(error) for name, error in loaded.failures.items()},
            }
            if predictor.frame_budget < job.frame_budget:
                record["frame_budget"] = predictor.frame_budget  # what memory allows
            journal.append(record)
            advance(len(loaded.keys), sum(footage[key].num_frames for key in loaded.keys))


def _record(found: Recognised) -> dict[str, Any]:
    return {
        "id": found.id,
        "frames": found.frames,
        "glosses": found.glosses,
        "spans": found.spans,
        "confidences": [round(value, 4) for value in found.confidences],
    }


def _loaded(
    model: str | os.PathLike[str] | LoadedModel | CSLRModel,
    device: str,
    backbone_weights: str | os.PathLike[str] | None,
) -> LoadedModel:
    from slaeval.recognition.checkpoint_loading import load_checkpoint
    from slaeval.recognition.model import LoadedModel, load_model

    if isinstance(model, (str, os.PathLike)):
        return load_checkpoint(model, device, backbone_weights)
    if backbone_weights is not None:
        raise UsageError("backbone_weights is for a slim checkpoint given as a file; leave it out")
    return model if isinstance(model, LoadedModel) else load_model(model, device)


def _corpus(
    corpus: str | Corpus | None,
    loaded: LoadedModel,
    split: str,
    root: str | os.PathLike[str] | None,
    setup: str | None,
) -> Corpus:
    from slaeval import loaders

    own = loaded.corpus.get("name")
    name = own if corpus is None else corpus
    if name is None:
        raise UsageError(f"{loaded.path} does not say which corpus it is for: give --dataset")
    if isinstance(name, str):
        if setup is None and own is not None and loaders.resolve(name) == own:
            setup = loaded.corpus.get("setup")
        return loaders.load_corpus(name, root, split, setup)
    if root is not None or setup is not None:
        raise UsageError("a loaded corpus has its root and setup; name a corpus to choose them")
    if not len(name):
        raise InputError("the corpus has no sample")
    if len({sample.id for sample in name}) != len(name):
        raise InputError("the corpus has duplicate ids: load one split of it")
    return name


def _default_folder(loaded: LoadedModel, corpus: Corpus) -> str:
    task = corpus_references(corpus)
    label = (task.dataset or corpus.name).replace("/", "-")
    return os.path.join("runs", f"{loaded.name}-{label}-{corpus.split or 'all'}")


def _withheld(corpus: Corpus) -> bool:
    return any(sample.glosses_raw is None for sample in corpus)


def _hash(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def _described(footage: Iterable[VideoClip]) -> Iterator[str]:
    """Name every file with its size."""
    for clip in footage:
        yield clip.id
        for name in clip.files or ("",):
            path = os.path.join(clip.path, name) if name else clip.path
            try:
                size = os.stat(path).st_size
            except OSError:
                size = -1  # reading it will report the error
            yield f"{name} {size}"


def _alignments(
    corpus: Corpus, done: _Done, skipped: Mapping[str, str], task: ReferenceSet | None
) -> list[Alignment]:
    """Put the records in the order of the corpus, with the references beside them."""
    lost = [s.id for s in corpus if s.id not in done.segments and s.id not in skipped]
    if lost:
        raise SlaevalError(
            f"{len(lost)} segments are in no journal ({', '.join(lost[:3])}): do all processes "
            "write into the same folder?"
        )
    references = {} if task is None else {one.id: one.words for one in task.references}
    found = []
    for sample in corpus:
        segment = done.segments.get(sample.id)
        found.append(
            Alignment(
                sample.id,
                segment["frames"] if segment else 0,
                segment["glosses"] if segment else [],
                [(start, end) for start, end in segment["spans"]] if segment else [],
                segment["confidences"] if segment else [],
                sample.signer or "",
                references.get(sample.id),
            )
        )
    return found


def _timings(
    folder: str, before: _Done, after: _Done, seconds: float, device: torch.device
) -> dict[str, Any]:
    """Return the timings of this call, or of the last one if this had nothing to do."""
    segments = len(after.segments) - len(before.segments)
    frames = after.frames - before.frames
    timings = {
        "segments": segments,
        "frames": frames,
        "seconds": round(seconds, 3),
        "frames_per_second": round(frames / max(1e-9, seconds), 1),
        "segments_resumed": len(before.segments),
    }
    path = os.path.join(folder, "run.json")
    if not segments and os.path.exists(path):
        try:
            with open(path, encoding="utf-8") as stream:
                earlier: dict[str, Any] = json.load(stream)["timings"]
            if earlier.keys() >= timings.keys():
                return earlier
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # it is about to be rewritten
    if device.type == "cuda":
        timings["peak_memory"] = torch.cuda.max_memory_allocated(device)
    return timings


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return device.type


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"slaeval": __version__, "python": platform.python_version()}
    for name in ("torch", "open_clip_torch", "peft", "decord2", "decord", "numpy", "numba"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _notes(
    corpus: Corpus,
    loaded: LoadedModel,
    task: ReferenceSet | None,
    footage: Sequence[VideoClip],
) -> list[str]:
    """Return notes on how checkpoint, corpus and footage fit together."""
    from slaeval.loaders.video import miscount_note, rate_note

    rates = rate_note(footage, loaded.fps) if loaded.fps else ""
    notes = [note for note in (miscount_note(corpus, footage), loaded.fps_note, rates) if note]
    if task is None:
        notes.append(
            f"the references of {corpus.name} {corpus.split} are withheld by its owners: "
            "hypotheses only, no score"
        )
        return notes
    known = set(loaded.vocabulary)
    raw = [word for sample in corpus for word in split_words(sample.glosses_raw or "")]
    cleaned = [word for sample in corpus for word in sample.glosses]
    missing = min(([w for w in words if w not in known] for words in (raw, cleaned)), key=len)
    if missing:
        notes.append(
            f"{len(missing)} of the {len(cleaned)} reference words are not in the model's "
            f"vocabulary ({', '.join(sorted(set(missing))[:3])}): it cannot recognise them"
        )
    return notes
