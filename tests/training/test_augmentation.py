"""What training does to a clip."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slaeval.training.augmentation import Augmentation, longest_view, random_view, view_of


@given(
    st.integers(1, 300),
    st.integers(0, 99),
    st.integers(0, 5),
    st.integers(8, 40),
    st.floats(0, 0.9),
    st.integers(1, 400),
    st.integers(1, 60),
)
def test_a_view_is_within_the_clip_and_the_bounds(
    frames: int, epoch: int, seed: int, resize: int, rescale: float, longest: int, least: int
) -> None:
    view = random_view(
        "a",
        frames,
        epoch,
        seed=seed,
        resize=resize,
        crop=8,
        flip=0.5,
        rescale=rescale,
        sampling="even",
        max_frames=longest,
        min_frames=least,
    )
    assert view.indices.min() >= 0
    assert view.indices.max() < frames
    assert (np.diff(view.indices) >= 0).all()
    length = len(view.indices)
    assert 1 <= length <= longest
    assert length >= min(least, longest)
    if least == 1 and longest == 400:
        assert abs(length - frames) <= rescale * frames + 1
    assert 0 <= view.top <= resize - 8
    assert 0 <= view.left <= resize - 8


def _view(id: str, epoch: int, seed: int = 0, **changes: Any) -> Augmentation:
    settings: dict[str, Any] = {"flip": 0.5, "rescale": 0.2, "sampling": "even", **changes}
    return random_view(id, 50, epoch, seed=seed, resize=36, crop=32, max_frames=230, **settings)


def test_seed_epoch_and_clip_decide_alone() -> None:
    def key(view: Augmentation) -> tuple[object, ...]:
        return (tuple(view.indices), *view[1:])

    assert key(_view("a", 3)) == key(_view("a", 3))
    others = [_view("a", 4), _view("b", 3), _view("a", 3, seed=1)]
    assert all(key(other) != key(_view("a", 3)) for other in others)


def test_all_of_it_happens() -> None:
    views = [_view("a", epoch) for epoch in range(200)]
    assert 60 < sum(view.mirrored for view in views) < 140
    assert {view.top for view in views} == set(range(5))
    lengths = {len(view.indices) for view in views}
    assert min(lengths) <= 42
    assert max(lengths) >= 58
    assert {len(_view("a", epoch, rescale=0.0).indices) for epoch in range(20)} == {50}
    assert not any(_view("a", epoch, flip=0.0).mirrored for epoch in range(20))


def test_cut_and_mirror() -> None:
    frames = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    view = Augmentation(np.arange(2), 1, 2, 3, False)
    assert (view_of(frames, view) == frames[:, 1:4, 2:5]).all()
    mirrored = view_of(frames, view._replace(mirrored=True))
    assert (mirrored[:, :, 0] == frames[:, 1:4, 4]).all()
    assert mirrored.flags.c_contiguous


def _drawn(frames: int, epoch: int, longest: int = 230, least: int = 1) -> list[int]:
    view = random_view(
        "a",
        frames,
        epoch,
        seed=0,
        resize=8,
        crop=8,
        flip=0.0,
        rescale=0.2,
        sampling="random",
        max_frames=longest,
        min_frames=least,
    )
    indices: list[int] = view.indices.tolist()
    return indices


@given(st.integers(1, 600), st.integers(0, 99), st.integers(1, 60))
def test_the_fields_sampling(frames: int, epoch: int, least: int) -> None:
    indices = _drawn(frames, epoch, least=least)
    length = len(indices)
    assert indices == sorted(indices)
    assert indices[0] >= 0
    assert indices[-1] < frames
    assert length % 4 == 0
    assert max(32, least) <= length <= 232  # 230, rounded up
    assert length <= longest_view(max(frames, least), 0.2, "random", 230)
    bounds = (int(0.8 * frames), int(1.2 * frames) + 4)
    assert length >= min(bounds[0], 230)
    assert length <= max(bounds[1], 32, least + 4)
    if length <= frames:  # a subset
        assert len(set(indices)) == length


def test_the_fields_sampling_is_another_draw_each_epoch() -> None:
    # Above the cap too, where evenly spread frames would be the same ones every time.
    views = [_drawn(300, epoch) for epoch in range(20)]
    assert {len(view) for view in views} == {232}
    assert len({tuple(view) for view in views}) == 20
    assert len({index for view in views for index in view}) == 300
    # Measured on the field's code at 140 frames: 80 % distinct ones, mean largest gap 3.8.
    views = [_drawn(140, epoch) for epoch in range(400)]
    distinct = np.mean([len(set(view)) / 140 for view in views])
    gaps = np.mean([np.diff(view).max() for view in views])
    assert 0.77 < distinct < 0.83
    assert 3.4 < gaps < 4.2
