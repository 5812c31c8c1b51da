"""What is trained on, and what is found before the first step."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slaeval.decoding.steps import frames_needed, output_length, steps_needed
from slaeval.errors import InputError, UsageError
from slaeval.loaders import load_corpus
from slaeval.loaders.records import Corpus, Sample
from slaeval.training.examples import (
    TrainingClips,
    glosses_of,
    prepare_examples,
    vocabulary_of,
)
from slaeval.training.plan import epoch_plan
from slaeval.training.recipe import Recipe


@given(st.lists(st.integers(1, 3), max_size=12))
def test_frames_needed_is_the_least_that_ctc_can_use(labels: list[int]) -> None:
    needed = frames_needed(labels)
    assert steps_needed(labels) <= output_length(needed)
    assert needed == 1 or steps_needed(labels) > output_length(needed - 1)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=80), st.integers(1, 9), st.integers(0, 3))
def test_a_plan_deals_every_clip_once_or_leaves_it_for_the_next_epoch(
    lengths: list[int], size: int, epoch: int
) -> None:
    if len(lengths) < size:
        with pytest.raises(UsageError, match="fewer than one batch"):
            epoch_plan(lengths, size, epoch, 0)
        return
    plan = epoch_plan(lengths, size, epoch, 0)
    assert all(len(batch) == size for batch in plan)
    dealt = Counter(index for batch in plan for index in batch)
    assert set(dealt.values()) <= {1}
    assert len(lengths) - len(dealt) == len(lengths) % size
    assert plan == epoch_plan(lengths, size, epoch, 0)


def test_epochs_differ_and_batches_hold_similar_lengths() -> None:
    lengths = [(7 * index) % 200 + 10 for index in range(320)]
    plan = epoch_plan(lengths, 4, 0, 0)
    assert plan != epoch_plan(lengths, 4, 1, 0)
    assert plan != epoch_plan(lengths, 4, 0, 1)
    padded = sum(4 * max(lengths[index] for index in batch) for batch in plan)
    assert padded / sum(lengths) < 1.05
    mixed = [list(range(at, at + 4)) for at in range(0, 320, 4)]
    assert padded < sum(4 * max(lengths[index] for index in batch) for batch in mixed)


def _changed(corpus: Corpus, index: int, **values: object) -> Corpus:
    samples = list(corpus.samples)
    samples[index] = replace(samples[index], **values)  # type: ignore[arg-type]
    return replace(corpus, samples=tuple(samples))


@pytest.fixture(scope="module")
def corpus(root: Path) -> Corpus:
    return load_corpus("phoenix2014t", root, "train")


def test_labels_are_numbers_of_glosses(corpus: Corpus, small_recipe: Recipe) -> None:
    examples = prepare_examples(corpus, small_recipe)
    assert examples.vocabulary == corpus.vocabulary
    for sample, clip in zip(corpus, examples.clips, strict=True):
        assert clip.footage.id == sample.id
        words = tuple(examples.vocabulary[label - 1] for label in clip.labels)
        assert words == sample.glosses
    assert examples.frames == sum(clip.footage.num_frames for clip in examples.clips)


def test_raw_and_cleaned_labels() -> None:
    sample = Sample("a", "c", "s", "train", None, "loc-NORD __PU__ REGEN", ("NORD", "REGEN"))
    assert glosses_of(sample, "raw") == ("loc-NORD", "__PU__", "REGEN")
    assert glosses_of(sample, "cleaned") == ("NORD", "REGEN")
    assert vocabulary_of([sample], "cleaned") == ("NORD", "REGEN")
    with pytest.raises(InputError, match="withheld"):
        glosses_of(replace(sample, glosses_raw=None), "raw")


def test_too_many_labels_are_named_before_training(corpus: Corpus, small_recipe: Recipe) -> None:
    long = _changed(corpus, 3, glosses_raw="REGEN " * 80)
    name = corpus[3].id
    with pytest.raises(InputError, match=rf"{name}: 80 glosses need 633 frames, the clip has"):
        prepare_examples(long, small_recipe)
    examples = prepare_examples(long, small_recipe, on_error="skip")
    assert list(examples.skipped) == [name]
    assert len(examples.clips) == len(corpus) - 1


def test_a_cap_on_frames_counts_too(corpus: Corpus, small_recipe: Recipe) -> None:
    with pytest.raises(InputError, match="the clip has 5: CTC"):
        prepare_examples(corpus, replace(small_recipe, max_frames=5))


def test_a_gloss_outside_the_vocabulary_is_named(corpus: Corpus, small_recipe: Recipe) -> None:
    words = tuple(gloss for gloss in corpus.vocabulary if gloss != corpus[0].glosses[0])
    with pytest.raises(InputError, match=f"'{corpus[0].glosses[0]}' is not in the vocabulary"):
        prepare_examples(corpus, small_recipe, vocabulary=words)


def test_an_empty_annotation_is_named(corpus: Corpus, small_recipe: Recipe) -> None:
    with pytest.raises(InputError, match="no gloss to train on"):
        prepare_examples(_changed(corpus, 0, glosses_raw=""), small_recipe)


def test_nothing_left_to_train_on(corpus: Corpus, small_recipe: Recipe) -> None:
    with pytest.raises(InputError, match="no sample to train on"):
        prepare_examples(corpus, small_recipe, vocabulary=("NIE",), on_error="skip")


def test_shuffled_labels_are_the_same_labels_elsewhere(
    corpus: Corpus, small_recipe: Recipe
) -> None:
    plain = prepare_examples(corpus, small_recipe)
    shuffled = prepare_examples(corpus, small_recipe, shuffle_labels=True)
    before = {clip.footage.id: clip.labels for clip in plain.clips}
    after = {clip.footage.id: clip.labels for clip in shuffled.clips}
    moved = sum(before[name] != labels for name, labels in after.items())
    assert moved > len(after) / 2
    assert not Counter(after.values()) - Counter(before.values())


def test_cached_frames_give_the_same_clip(corpus: Corpus, small_recipe: Recipe) -> None:
    import numpy as np

    from slaeval.loaders.video import read_frames

    examples = prepare_examples(corpus, small_recipe)
    side = small_recipe.resize
    cache = {
        clip.footage.id: read_frames(clip.footage, (side, side)) for clip in examples.clips[:2]
    }
    plain = TrainingClips(examples, small_recipe)
    cached = TrainingClips(examples, small_recipe, cache)
    for key in ((0, 0), (5, 1), (5, 2)):
        assert np.array_equal(plain.read(key), cached.read(key))
        assert plain.read(key).shape[1:] == (small_recipe.crop, small_recipe.crop, 3)


def test_frame_counts_other_than_annotated_are_noted(rendered: Path) -> None:
    corpus = load_corpus("phoenix2014t", rendered, "train")
    assert prepare_examples(corpus, Recipe()).notes == ()
    said = replace(corpus.samples[0], num_frames=3)
    [note] = prepare_examples(replace(corpus, samples=(said, *corpus.samples[1:])), Recipe()).notes
    assert "1 of 12 samples have a different number of frames from the annotation" in note
    assert said.id in note
