"""Rendered samples: their layout, their signs, what they are hard by, their repeatability."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from slaeval import loaders
from slaeval.cli.corpus import corpus as corpus_command
from slaeval.errors import SlaevalError, UsageError
from slaeval.loaders.sample import corpus as synthetic
from slaeval.loaders.sample import rendering, signing
from slaeval.loaders.sample.draft import Draft
from slaeval.loaders.sample.scenes import Difficulty, Scene

FILMED = {
    "phoenix2014": ("PNG", (210, 260)),
    "phoenix2014-si5": ("PNG", (210, 260)),
    "phoenix2014t": ("PNG", (210, 260)),
    "csl-daily": ("JPEG", (512, 512)),
}
SIZES = {"train": 1, "dev": 1, "test": 1}
NAMES = [*FILMED, "isharah500", "isharah1000", "isharah2000"]
#: Nothing but the signs.
BARE = Difficulty(
    tempo=0,
    size=0,
    amplitude=0,
    amplitude_jitter=0,
    place_jitter=0,
    angle_jitter=0,
    tremor=0,
    coarticulation=0,
    sway=0,
    camera_shift=0,
    camera_drift=0,
    background_contrast=0,
    light=0,
    flicker=0,
    noise=0,
    dapple=0,
    distractors=0,
)


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def signs_of(name: str) -> signing.Lexicon:
    """Give a sign to all words of a corpus, not only to those of its filmed sample."""
    words = [gloss for slot in synthetic.maker_of(name).slots for gloss, _ in slot]
    return signing.lexicon([*words, *synthetic.maker_of("phoenix2014t").beside])


def _draft(
    name: str,
    seed: int,
    sizes: Mapping[str, int] = synthetic.FILMED_SIZES,
    filmed: bool = True,
) -> Draft:
    return synthetic._drafted(name, seed, sizes, filmed)


# The layouts


@pytest.mark.parametrize("name", FILMED)
def test_frames_lie_where_the_release_has_them(filmed, name: str) -> None:
    kind, size = FILMED[name]
    corpus = loaders.load_corpus(name, filmed(name))
    footage, skipped = loaders.find_video_clips(corpus)
    assert skipped == {}
    assert [shot.id for shot in footage] == [sample.id for sample in corpus]
    base = Path(filmed(name)) if name == "csl-daily" else next(Path(filmed(name)).glob("*/"))
    for sample, shot in zip(corpus, footage, strict=True):
        assert sample.frames is not None
        # As any tool of the field would list them: the annotation's pattern, sorted.
        assert [path.name for path in sorted(base.glob(sample.frames))] == list(shot.files)
        assert sample.num_frames in (None, shot.num_frames)
        with Image.open(os.path.join(shot.path, shot.files[0])) as picture:
            assert (picture.format, picture.size, picture.mode) == (kind, size, "RGB")


def test_isharah_has_one_video_a_sample_in_both_setups(filmed) -> None:
    ids: list[str] = []
    sizes = set()
    for setup in ("SI", "US"):
        corpus = loaders.load_corpus("isharah500", filmed("isharah500"), setup=setup)
        for shot in loaders.find_video_clips(corpus)[0]:
            assert shot.path == str(filmed("isharah500") / "Videos" / f"{shot.id}.mp4")
            ids.append(shot.id)
            sizes.add(loaders.read_frames(shot, indices=[0]).shape[1:3])
    assert len(set(ids)) == len(ids)
    assert len(sizes) > 1


@pytest.mark.parametrize("name", ["phoenix2014", "csl-daily", "isharah500"])
def test_verify_sees_the_pictures(filmed, sample_of, name: str) -> None:
    def about_pictures(folder: Path) -> list[str]:
        return [row.found for row in loaders.verify(name, folder) if "pictures" in row.what]

    assert about_pictures(filmed(name)) == []
    assert about_pictures(sample_of(name)) == ["no such folder: annotations only"]


@pytest.mark.parametrize("name", ["phoenix2014t", "csl-daily", "isharah500"])
def test_a_filmed_sample_has_few_words_and_each_often(name: str) -> None:
    draft = _draft(name, 0)
    words = set(synthetic.maker_of(name).filmed_words)
    per_setup = 2 if name == "isharah500" else 1
    assert len(draft.scenes) == per_setup * sum(synthetic.FILMED_SIZES.values())
    counts = Counter(gloss for scene in draft.scenes for gloss in scene.glosses)
    assert set(counts) <= words
    assert len(counts) == 12
    assert min(counts.values()) > 25
    first = Counter(scene.glosses[0] for scene in draft.scenes)
    assert set(first) == set(counts)  # any order: every word may begin


# Repeatability


def test_the_same_seed_gives_the_same_pictures(filmed, tmp_path: Path) -> None:
    for name in ("phoenix2014t", "csl-daily", "isharah500"):
        scene = _draft(name, 0, SIZES).scenes[-1]
        rendering.render_scenes(
            [scene], str(tmp_path / name), name, 0, synthetic.maker_of(name).filmed_words
        )
        drawn = content(tmp_path / name)
        assert len(drawn) == (1 if name == "isharah500" else len(drawn)) > 0
        there = content(filmed(name))
        assert drawn == {path: there[path] for path in drawn}


def test_all_that_is_drawn_hangs_on_corpus_seed_and_sample() -> None:
    signs, scene = signs_of("phoenix2014t"), Scene("a", "S1", ("NORD",), "", width=42, height=52)
    first = next(rendering.render(scene, "c", 0, signs, Difficulty()))
    same = next(rendering.render(scene, "c", 0, signs, Difficulty()))
    np.testing.assert_array_equal(first, same)
    other = dataclasses.replace(scene, id="b")
    for frame in (
        next(rendering.render(scene, "d", 0, signs, Difficulty())),
        next(rendering.render(scene, "c", 1, signs, Difficulty())),
        next(rendering.render(other, "c", 0, signs, Difficulty())),
    ):
        assert (frame != first).any()


def _many(folder: str) -> list[Scene]:
    return [
        Scene(f"s{n}", "S1", ("NORD",), f"{folder}/{n}/{{:03d}}.png", 0, 30, 40, frames=6)
        for n in range(30)
    ]


def test_workers_draw_what_one_process_draws(tmp_path: Path, monkeypatch) -> None:
    words = synthetic.maker_of("phoenix2014t").filmed_words
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    rendering.render_scenes(
        _many("x"), str(tmp_path / "two"), "c", 0, words, lambda *at: seen.append(at)
    )
    assert seen == [(n, 30) for n in range(1, 31)]
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    rendering.render_scenes(_many("x"), str(tmp_path / "one"), "c", 0, words)
    assert content(tmp_path / "two") == content(tmp_path / "one")


def test_a_worker_that_fails_is_reported(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    scenes = _many("x")
    scenes[3] = dataclasses.replace(scenes[3], glosses=("UNBEKANNT",))
    with pytest.raises(SlaevalError, match=r"rendering failed: KeyError: 'UNBEKANNT'"):
        rendering.render_scenes(scenes, str(tmp_path), "c", 0, ["NORD"])


# The signs


def test_each_word_has_a_sign_of_its_own() -> None:
    for name in NAMES:
        words = list(dict.fromkeys(map(signing.word_of, synthetic.maker_of(name).filmed_words)))
        signs = signing.lexicon(words)
        assert list(signs) == words
        seen = [
            (sign.path.tobytes(), sign.shape, sign.to, sign.other, sign.place)
            for sign in signs.values()
        ]
        assert len(set(seen)) == len(words)


@pytest.mark.parametrize("name", NAMES)
def test_every_gloss_of_every_sample_can_be_signed(name: str) -> None:
    glosses = {
        gloss for seed in range(5) for scene in _draft(name, seed).scenes for gloss in scene.glosses
    }
    assert len(glosses) >= 10
    signs = signing.lexicon(synthetic.maker_of(name).filmed_words)
    for gloss in glosses:
        signing.perform([gloss], signs, signing.generator(gloss), BARE)


def test_more_words_than_signs_is_an_error() -> None:
    with pytest.raises(ValueError, match="100 words, but only 40 signs"):
        signing.lexicon([f"W{number}" for number in range(100)])


@pytest.mark.parametrize(
    ("gloss", "word"),
    [
        ("loc-NORD", "NORD"),
        ("cl-WOLKE", "WOLKE"),
        ("REGEN-PLUSPLUS", "REGEN"),
        ("NORDRAUM", "NORD"),
        ("loc-SUEDRAUM", "SUED"),
        ("poss-EUCH", "EUCH"),
        ("RAUM", "RAUM"),
        ("loc-__OFF__-PLUSPLUS", "__OFF__"),
        ("HABEN2", "HABEN2"),
        ("椅子", "椅子"),
        ("لون_احمر", "لون_احمر"),
    ],
)
def test_markers_do_not_change_a_sign(gloss: str, word: str) -> None:
    assert signing.word_of(gloss) == word


def test_pairs_share_their_frames_in_the_opposite_order() -> None:
    words = synthetic.maker_of("phoenix2014t").filmed_words[:12]
    for word, back in zip(words[::2], words[1::2], strict=True):
        there, again = (
            signing.perform([gloss], signing.lexicon(words), signing.generator("x"), BARE)
            for gloss in (word, back)
        )
        (start, end), _ = there.spans[0], again.spans[0]
        assert there.spans == again.spans
        np.testing.assert_allclose(there.hands[start:end], again.hands[start:end][::-1])
        np.testing.assert_allclose(there.shapes[start:end], again.shapes[start:end][::-1])
        assert (
            np.abs(there.hands[start:end] - again.hands[start:end]).max()
            + np.abs(there.shapes[start:end] - again.shapes[start:end]).max()
            > 0.05
        )


@pytest.mark.parametrize("frames", [15, 40, 41, 77, 200])
def test_a_sentence_lasts_as_long_as_its_annotation_says(frames: int) -> None:
    glosses = ("NORD", "REGEN", "__EMOTION__", "KALT")
    poses = signing.perform(
        glosses, signs_of("phoenix2014t"), signing.generator("x"), Difficulty(), frames=frames
    )
    assert poses.hands.shape == (frames, 2, 2)
    assert poses.shapes.shape == (frames, 2, 7)
    assert poses.tilt.shape == (frames,)
    flat = [edge for span in poses.spans for edge in span]
    assert flat == sorted(flat)
    assert 0 < flat[0] < flat[-1] < frames


def test_signs_flow_into_each_other() -> None:
    glosses = ("HEUTE", "NORD", "REGEN", "STARK", "KALT")
    poses = signing.perform(glosses, signs_of("phoenix2014t"), signing.generator("x"), Difficulty())
    assert np.abs(np.diff(poses.hands, axis=0)).max() < 0.3
    alone, among = (
        signing.perform(words, signs_of("phoenix2014t"), signing.generator("x"), still)
        for words, still in (
            (("REGEN",), dataclasses.replace(BARE, coarticulation=0.15)),
            (("SCHNEE", "REGEN"), dataclasses.replace(BARE, coarticulation=0.15)),
        )
    )
    # The first frame of a sign leans towards what was before it.
    assert np.abs(alone.hands[alone.spans[0][0]] - among.hands[among.spans[1][0]]).max() > 0.003


def test_a_left_handed_signer_is_a_mirror_image() -> None:
    signs = signs_of("phoenix2014t")
    look = rendering.look_of("c", 0, "S1", BARE)
    scene = Scene("a", "S1", ("REGION", "KALT", "__EMOTION__"), "")
    poses = signing.perform(scene.glosses, signs, signing.generator("x"), BARE)
    films = [
        list(
            rendering._film(
                scene,
                poses,
                dataclasses.replace(look, left_handed=left),
                signing.generator("y"),
                dataclasses.replace(BARE, background_contrast=0),
            )
        )
        for left in (False, True)
    ]
    for right, left in zip(*films, strict=True):
        assert np.abs(right.astype(int) - left[:, ::-1]).mean() < 0.5
    assert np.abs(films[0][10].astype(int) - films[1][10]).mean() > 1


@pytest.mark.parametrize(("width", "height"), [(210, 260), (512, 512), (270, 360)])
def test_hands_are_seen_in_36_pixels(width: int, height: int) -> None:
    """Two signs that differ in the hands alone look different once shrunk."""
    signs = signs_of("phoenix2014t")
    shrunk = []
    for gloss in ("NORD", "WIND"):
        scene = Scene("a", "S1", (gloss,), "", width=width, height=height)
        poses = signing.perform(scene.glosses, signs, signing.generator("x"), BARE)
        look = rendering.look_of("c", 0, "S1", BARE)
        frames = list(rendering._film(scene, poses, look, signing.generator("y"), BARE))
        middle = Image.fromarray(frames[sum(poses.spans[0]) // 2])
        shrunk.append(np.asarray(middle.resize((36, 36), Image.Resampling.BILINEAR), dtype=int))
    apart = np.abs(shrunk[0] - shrunk[1]).max(axis=-1)
    assert (apart > 30).sum() >= 12


def test_signers_look_different_and_keep_their_look() -> None:
    looks = [rendering.look_of("c", 0, f"Signer{n:02d}", Difficulty()) for n in range(9)]
    assert len({(look.skin, look.shirt) for look in looks}) == 9
    assert looks[5] == rendering.look_of("c", 0, "Signer05", Difficulty())
    assert looks[5] != rendering.look_of("c", 1, "Signer05", Difficulty())
    assert {look.left_handed for look in looks} == {False, True}
    for look in looks:
        assert rendering._distance(look.skin, look.shirt) >= Difficulty().hand_contrast


# What tells learning from memorising


@pytest.mark.parametrize("name", NAMES)
def test_no_held_out_sentence_is_in_train(tmp_path: Path, name: str) -> None:
    for seed in range(5):
        loaders.write_sample(name, tmp_path / f"{seed}", seed)
        for setup in loaders.load_corpus(name, tmp_path / f"{seed}").setup, "US":
            if setup == "US" and "isharah" not in name:
                continue
            spoken = {
                split: {
                    tuple(g for g in sample.glosses if not g.startswith("__"))
                    for sample in loaders.load_corpus(name, tmp_path / f"{seed}", split, setup)
                }
                for split in ("train", "dev", "test")
            }
            assert not spoken["train"] & (spoken["dev"] | spoken["test"])


@pytest.mark.parametrize("name", ["phoenix2014-si5", "isharah500"])
def test_signer_independent_setups_hold_a_signer_out(filmed, name: str) -> None:
    train, test = (loaders.load_corpus(name, filmed(name), split) for split in ("train", "test"))
    assert not set(train.signers) & set(test.signers)


# Errors, and the command line


@pytest.mark.parametrize("sizes", [{}, {"train": 1}, {"train": 1, "dev": 0, "test": 1}])
def test_impossible_sizes_are_misuse(tmp_path: Path, sizes: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="one sentence each at least"):
        loaders.write_sample("phoenix2014t", tmp_path / "x", sizes=sizes)


def test_without_the_extra_nothing_is_written(tmp_path: Path, monkeypatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "av" else find(name, *rest)
    )
    with pytest.raises(SlaevalError, match=r'rendering needs av: .*pip install "\.\[run\]"'):
        loaders.write_sample("isharah500", tmp_path / "x", video=True)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(SlaevalError, match="No space left"):
        loaders.write_sample("phoenix2014t", tmp_path / "x", video=True, sizes=SIZES)
    assert list(tmp_path.iterdir()) == []


def test_the_command_renders(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(synthetic, "FILMED_SIZES", SIZES)
    target = str(tmp_path / "sample")
    done = CliRunner().invoke(corpus_command, ["sample", "phoenix2014t", target, "--video"])
    assert done.exit_code == 0, done.output
    assert "with pictures" in done.stdout
    assert f"slaeval train --dataset phoenix2014t --root {target} " in done.stdout
    assert "rendering" in done.stderr
    assert "rendering" not in done.stdout
    footage, _ = loaders.find_video_clips(loaders.load_corpus("phoenix2014t", target))
    assert len(footage) == 3
