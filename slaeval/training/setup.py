"""Before the first step: what is trained, on what, and how."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from slaeval.checkpoints import read_checkpoint, tower_hash
from slaeval.decoding import Decoding
from slaeval.errors import InputError
from slaeval.evaluation.references import ReferenceSet, load_references
from slaeval.loaders.frame_cache import FrameCache, open_frame_cache
from slaeval.loaders.reading import load_corpus
from slaeval.loaders.records import Corpus
from slaeval.loaders.video import VideoClip, find_video_clips
from slaeval.models.config import TINY, preset
from slaeval.models.recogniser import Recogniser, build_recogniser
from slaeval.models.tower import open_tower
from slaeval.recognition.batches import ClipDataset, FrameLoader
from slaeval.recognition.distributed import World
from slaeval.recognition.progress import progress
from slaeval.training.augmentation import Array
from slaeval.training.examples import Examples, prepare_examples
from slaeval.training.options import Options
from slaeval.training.recipe import Recipe
from slaeval.training.state import TrainingFolder, clips_digest, digest
from slaeval.training.warm_start import warm_start

__all__ = ["BuiltModel", "Job", "TrainingData", "build_model", "open_data", "read_frames"]

Log = Callable[[str], None]


@dataclass(frozen=True)
class TrainingData:
    """The training clips, and the dev split that scores each epoch.

    Attributes
    ----------
    corpus : Corpus
        The training split.
    examples : Examples
        Its clips with their labels.
    references : ReferenceSet
        Of the dev split.
    dev : tuple of VideoClip
        Its clips; those that are missing count as recognised empty.
    cache : FrameCache or None
        What frames are read from instead of the corpus.
    """

    corpus: Corpus
    examples: Examples
    references: ReferenceSet
    dev: tuple[VideoClip, ...]
    cache: FrameCache | None = None

    @property
    def footage(self) -> list[VideoClip]:
        """All clips, of training and dev."""
        return [clip.footage for clip in self.examples.clips] + list(self.dev)

    @property
    def digest(self) -> str:
        """A short hash of all clips and labels."""
        return clips_digest(self.footage, [clip.labels for clip in self.examples.clips])

    def without(self, unreadable: Mapping[str, InputError]) -> TrainingData:
        """Return the data without some clips.

        Raises
        ------
        InputError
            Nothing is left to train on, or to score.
        """
        clips = tuple(c for c in self.examples.clips if c.footage.id not in unreadable)
        if not clips:
            raise InputError("no sample to train on: none can be read", self.corpus.root)
        lost = {clip.id: unreadable[clip.id] for clip in self.dev if clip.id in unreadable}
        dev = tuple(clip for clip in self.dev if clip.id not in lost)
        self.check_dev(lost, dev)
        return replace(self, examples=replace(self.examples, clips=clips), dev=dev)

    def check_dev(self, lost: Mapping[str, Any], dev: tuple[VideoClip, ...]) -> None:
        """Make sure that some dev clips are left to choose the best epoch by."""
        if not dev:
            why = next(iter(lost.values()), "it is empty")
            split = self.references.split
            raise InputError(f"no sample of {split} to evaluate on: {why}", self.corpus.root)


def open_data(
    dataset: str,
    root: str | os.PathLike[str] | None,
    setup: str | None,
    dev_split: str,
    recipe: Recipe,
    options: Options,
    log: Log,
) -> TrainingData:
    """Find the clips of both splits and number their glosses, without reading a frame.

    Raises
    ------
    InputError
        Something in the corpus cannot be trained on.
    """
    corpus = load_corpus(dataset, root, "train", setup, exclude_broken=True)
    cache = None
    if options.frame_cache is not None:
        cache = open_frame_cache(options.frame_cache, corpus.name, corpus.setup, recipe.resize)
    examples = prepare_examples(
        corpus,
        recipe,
        vocabulary=options.vocabulary,
        on_error=options.on_error,
        shuffle_labels=options.shuffle_labels,
        cache=cache,
    )
    references = load_references(corpus.name, dev_split, root=root, setup=setup)
    dev, lost = find_video_clips(
        load_corpus(dataset, root, dev_split, setup), options.on_error, cache
    )
    if examples.fps is not None:
        dev = [clip.at_rate(examples.fps) for clip in dev]
    data = TrainingData(corpus, examples, references, tuple(dev), cache)
    data.check_dev(lost, data.dev)
    log(
        f"{corpus.name} ({corpus.setup}): {len(examples.clips)} clips, {examples.frames} frames, "
        f"{len(examples.vocabulary)} glosses; {dev_split} {len(dev)} clips"
    )
    if cache is not None:
        log(f"  frames from the cache {cache.folder} ({cache})")
    for note in examples.notes:
        log(f"  {note}")
    for what, left_out in (
        ("left out by the community", corpus.excluded),
        ("skipped", examples.skipped),
        (f"skipped on {dev_split}, counted as recognised empty", lost),
    ):
        for id, reason in list(left_out.items())[:5]:
            log(f"  {what}: {id} ({reason})")
        if len(left_out) > 5:
            log(f"  … and {len(left_out) - 5} more {what}")
    known = set(examples.vocabulary)
    unknown = {word for one in references.references for word in one.words} - known
    if unknown:
        shown = ", ".join(sorted(unknown)[:5])
        log(f"  {len(unknown)} glosses of {dev_split} are in no training clip: {shown}")
    return data


@dataclass(frozen=True)
class BuiltModel:
    """The model to train.

    Attributes
    ----------
    recogniser : Recogniser
        On the CPU.
    tower_hash : str
        Of its frozen weights.
    started_from : str or None
        Hash of the checkpoint it started from.
    """

    recogniser: Recogniser
    tower_hash: str
    started_from: str | None


def build_model(
    recipe: Recipe, changes: Mapping[str, Any], data: TrainingData, options: Options, log: Log
) -> BuiltModel:
    """Open the backbone, add adapter and head, and load a warm start if one is given.

    Raises
    ------
    SlaevalError
        The backbone's weights are not there or do not fit.
    """
    vocabulary = data.examples.vocabulary
    standard = preset(recipe.variant, recipe.backbone, len(vocabulary) + 1, recipe.pretrained)
    weights = options.backbone_weights or recipe.pretrained
    tower = open_tower(recipe.backbone, weights, recipe.seed)
    if weights is None and recipe.backbone != TINY:
        log(f"{recipe.backbone}: no weights were named, so this backbone is random")
    model = build_recogniser(replace(standard, **changes), tower, seed=recipe.seed)
    model.gradient_checkpointing = recipe.gradient_checkpointing
    frozen = tower_hash(model.tower_state())
    log(model.summary())
    started_from = None
    if options.warm_start is not None:
        source = read_checkpoint(options.warm_start, head=True)
        started_from = source.hash
        log(warm_start(model, source, vocabulary, tower=frozen))
    return BuiltModel(model, frozen, started_from)


@dataclass(frozen=True)
class Job:
    """Everything a run consists of.

    Attributes
    ----------
    recipe, options, decoding
        As given to :func:`slaeval.training.train`.
    device : torch.device
        Where it computes.
    precision : {"fp32", "bf16", "fp16"}
        What it computes in.
    folder : TrainingFolder
        Where it is written.
    data : TrainingData
        What is trained on.
    built : BuiltModel
        What is trained.
    cache : dict
        Id to resized frames; empty where they are read anew each epoch.
    """

    recipe: Recipe
    options: Options
    decoding: Decoding
    device: torch.device
    precision: str
    folder: TrainingFolder
    data: TrainingData
    built: BuiltModel
    cache: dict[str, Array] = field(default_factory=dict)

    def described(self) -> Iterator[str]:
        """Yield lines on preprocessing, device, precision and averaging, for the log."""
        frames = self.recipe.preprocessing()
        yield (
            f"frames: resized to {frames.resize} × {frames.resize}, cropped to {frames.crop} × "
            f"{frames.crop}, normalised as {frames.normalisation}"
        )
        yield f"training on {self.device} in {self.precision}"
        if self.recipe.ema:
            yield f"evaluated and saved: a moving average of the weights, decay {self.recipe.ema:g}"
        elif self.recipe.average > 1:
            yield f"evaluated and saved: the mean weights of the last {self.recipe.average} epochs"

    def settings(self, processes: int) -> dict[str, Any]:
        """Return the settings that all processes, and a run and its resumption, must share."""
        recipe, data = self.recipe.to_dict(), self.data
        # Twice the processes with half the clips each do the same.
        recipe["clips_per_batch"] = recipe.pop("batch_size") * processes
        return {
            **self.built.recogniser.config.to_dict(),
            **recipe,
            "precision": self.precision,
            **{f"decoding_{name}": value for name, value in self.decoding.to_dict().items()},
            "backbone weights": self.built.tower_hash,
            "warm start": self.built.started_from,
            "corpus": [data.corpus.name, data.corpus.setup, data.references.split],
            "frame cache": None if data.cache is None else str(data.cache),
            "vocabulary": digest(data.examples.vocabulary),
        }


def read_frames(
    data: TrainingData, recipe: Recipe, options: Options, world: World, log: Log
) -> tuple[TrainingData, dict[str, Array]]:
    """Read all frames once, if they fit into memory or if unreadable ones are to be skipped.

    Returns
    -------
    TrainingData
        Without the clips that cannot be read.
    dict
        Id to resized frames, uint8 (T, H, W, 3); empty where they do not fit.

    Raises
    ------
    InputError
        A clip cannot be read, and `options` does not say to skip it.
    SlaevalError
        Processes differ in what they can read.
    """
    footage = data.footage
    size = sum(clip.num_frames for clip in footage) * recipe.resize**2 * 3
    kept = size * world.on_this_machine <= options.cache_gb * 1e9
    if kept:
        log(f"reading all frames into memory ({size / 1e6:.0f} MB)")
    elif options.on_error == "skip":
        log("reading all frames once, to find those that cannot be read")
    else:
        return data, {}
    cache: dict[str, Array] = {}
    unreadable: dict[str, InputError] = {}
    clips = ClipDataset(footage, recipe.resize)
    frames = sum(clip.num_frames for clip in footage)
    with (
        FrameLoader(clips, workers=options.workers) as reader,
        progress(len(footage), frames, "reading", shown=world.first) as advance,
    ):
        plan = [[index] for index in range(len(footage))]
        for loaded in reader.batches(plan, on_error=options.on_error):
            advance(1, footage[loaded.keys[0]].num_frames)
            unreadable |= loaded.failures
            if kept and loaded.batch is not None:
                pixels = loaded.batch.frames.permute(0, 2, 3, 1)
                cache[loaded.batch.ids[0]] = np.array(pixels.numpy())
    # A fault that comes and goes would leave processes with different clips.
    reasons = {id: str(error) for id, error in sorted(unreadable.items())}
    world.check_same({"samples that cannot be read": reasons})
    for id, error in unreadable.items():
        log(f"  skipped: {id} ({error})")
    return (data.without(unreadable) if unreadable else data), cache
