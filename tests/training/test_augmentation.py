"""What training does to a clip."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slaeval.training.augmentation import Augmentation, random_view, view_of


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


def _view(id: str, epoch: int, seed: int = 0, **changes: float) -> Augmentation:
    settings = {"flip": 0.5, "rescale": 0.2, **changes}
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
