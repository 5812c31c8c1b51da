"""Training clips with class numbers, checked before the first step.

Everything that would stop a run hours later is found before the first step: samples without
pictures, glosses outside the vocabulary, clips too short for their labels (CTC has no path
then, and the loss is infinite). Each is named; the user chooses to stop or to go on without.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from slaeval.decoding.steps import frames_needed
from slaeval.errors import InputError, UsageError
from slaeval.formats.words import split_words
from slaeval.loaders.frame_cache import FrameCache
from slaeval.loaders.records import Corpus, Sample
from slaeval.loaders.video import (
    VideoClip,
    common_rate,
    find_video_clips,
    miscount_note,
    rate_note,
    read_frames,
)
from slaeval.recognition.batches import ClipDataset
from slaeval.training.augmentation import random_view, view_of
from slaeval.training.recipe import Recipe

__all__ = [
    "Clip",
    "Examples",
    "TrainingClips",
    "glosses_of",
    "prepare_examples",
    "vocabulary_of",
]

Array = np.ndarray[Any, Any]


def glosses_of(sample: Sample, labels: str) -> tuple[str, ...]:
    """Return what a sample is trained on: the annotation as written, or cleaned.

    Raises
    ------
    InputError
        The references are withheld.
    """
    if sample.glosses_raw is None:
        raise InputError(
            f"the references of {sample.corpus} {sample.split} are withheld: {sample.id!r} has "
            "no glosses to train on",
            sample.source,
        )
    return tuple(split_words(sample.glosses_raw)) if labels == "raw" else sample.glosses


def vocabulary_of(corpus: Iterable[Sample], labels: str) -> tuple[str, ...]:
    """Return the distinct glosses of some samples, sorted: class i + 1 is gloss i."""
    return tuple(sorted({gloss for sample in corpus for gloss in glosses_of(sample, labels)}))


class Clip(NamedTuple):
    """One training sample.

    Attributes
    ----------
    footage : VideoClip
        Its pictures.
    labels : tuple of int
        Its glosses as class numbers, from 1.
    """

    footage: VideoClip
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Examples:
    """The clips of a training split.

    Attributes
    ----------
    clips : tuple of Clip
        In the order of the corpus.
    vocabulary : tuple of str
        Class i + 1 is gloss i.
    skipped : mapping
        Id to the reason it was left out.
    fps : float or None
        Frames a second that all clips are seen at: what most were filmed at.
    notes : tuple of str
        Remarks for the log.
    """

    clips: tuple[Clip, ...]
    vocabulary: tuple[str, ...]
    skipped: Mapping[str, str]
    fps: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Frames of all clips."""
        return sum(clip.footage.num_frames for clip in self.clips)


def prepare_examples(
    corpus: Corpus,
    recipe: Recipe,
    *,
    vocabulary: Sequence[str] | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    shuffle_labels: bool = False,
    cache: FrameCache | None = None,
) -> Examples:
    """Match samples with their video clips and number their glosses.

    Parameters
    ----------
    corpus : Corpus
        The training split.
    recipe : Recipe
        Which labels, how long a clip may be.
    vocabulary : sequence of str, optional
        Glosses in the order of their classes; those of the corpus itself without it.
    on_error : {"stop", "skip"}
        What to do about a sample that cannot be trained on.
    shuffle_labels : bool
        Give every clip the labels of another one: a control that must not learn.
    cache : FrameCache, optional
        Where frames are read from.

    Raises
    ------
    InputError
        A sample that cannot be trained on (with ``"stop"``), or none that can.
    UsageError
        The vocabulary has a gloss twice.
    """
    words = vocabulary_of(corpus, recipe.labels) if vocabulary is None else tuple(vocabulary)
    number = {gloss: index for index, gloss in enumerate(words, 1)}
    if len(number) < len(words):
        raise UsageError("the vocabulary names a gloss twice")
    found, absent = find_video_clips(corpus, on_error, cache)
    fps = common_rate(found)
    footage = [shot.at_rate(fps) for shot in found] if fps else found
    skipped = dict(absent)
    samples = {sample.id: sample for sample in corpus}
    annotated = {shot.id: glosses_of(samples[shot.id], recipe.labels) for shot in footage}
    if shuffle_labels:
        given = list(annotated.values())
        random.Random(recipe.seed).shuffle(given)
        annotated = dict(zip(annotated, given, strict=True))
    clips = []
    for shot in footage:
        glosses = annotated[shot.id]
        reason = _why_not(glosses, number, min(shot.num_frames, recipe.max_frames))
        if reason is None:
            clips.append(Clip(shot, tuple(number[gloss] for gloss in glosses)))
        elif on_error == "skip" or shuffle_labels:
            # Shuffled labels are a control: a clip too short for its new labels is left out.
            skipped[shot.id] = reason
        else:
            raise InputError(
                f"{shot.id}: {reason}; mend the sample, or leave such samples out with "
                "--on-error skip",
                samples[shot.id].source,
            )
    if not clips:
        why = next(iter(skipped.values()), "the corpus is empty")
        raise InputError(f"no sample to train on: {why}", corpus.root)
    rates = rate_note(footage, fps) if fps else ""
    notes = tuple(filter(None, [miscount_note(corpus, footage), rates]))
    return Examples(tuple(clips), words, skipped, fps, notes)


def _why_not(glosses: Sequence[str], number: Mapping[str, int], frames: int) -> str | None:
    """Return why a clip of so many frames cannot be trained on; None where it can."""
    if not glosses:
        return "no gloss to train on"
    if unknown := [gloss for gloss in glosses if gloss not in number]:
        return f"the gloss {unknown[0]!r} is not in the vocabulary of {len(number)} glosses"
    if (needed := frames_needed([number[gloss] for gloss in glosses])) > frames:
        return (
            f"{len(glosses)} glosses need {needed} frames, the clip has {frames}: CTC has no path "
            "and the loss is infinite"
        )
    return None


class TrainingClips(ClipDataset):
    """The clips of a training split; a key is (epoch, clip).

    Parameters
    ----------
    examples : Examples
        What is trained on.
    recipe : Recipe
        How clips are seen.
    cache : mapping, optional
        Id to resized frames, uint8 (T, H, W, 3); clips in it are not read again.
    """

    def __init__(
        self, examples: Examples, recipe: Recipe, cache: Mapping[str, Array] | None = None
    ) -> None:
        super().__init__([clip.footage for clip in examples.clips], recipe.resize)
        self.needed = [frames_needed(clip.labels) for clip in examples.clips]
        self.recipe = recipe
        self.cache = cache or {}

    def name(self, key: tuple[int, int]) -> str:
        """Return the id of a key's clip."""
        return super().name(key[1])

    def read(self, key: tuple[int, int]) -> Array:
        """Read a key's frames, augmented; uint8 (T, H, W, 3)."""
        epoch, index = key
        shot, recipe = self.footage[index], self.recipe
        view = random_view(
            shot.id,
            shot.num_frames,
            epoch,
            seed=recipe.seed,
            resize=recipe.resize,
            crop=recipe.crop,
            flip=recipe.flip,
            rescale=recipe.rescale,
            sampling=recipe.sampling,
            max_frames=recipe.max_frames,
            min_frames=self.needed[index],
        )
        return view_of(self._chosen(shot, view.indices), view)

    def _chosen(self, shot: VideoClip, indices: Array) -> Array:
        if shot.id in self.cache:
            return self.cache[shot.id][indices]
        once, back = np.unique(indices, return_inverse=True)
        return read_frames(shot, (self.resize, self.resize), once.tolist())[back]
