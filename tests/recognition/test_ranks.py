"""How processes divide a corpus."""

from __future__ import annotations

import random

import pytest
import torch

from slaeval.recognition.distributed import joined, share_out


@pytest.mark.parametrize("seed", range(20))
def test_shares_lose_nothing_double_nothing_and_are_even(seed: int) -> None:
    rng = random.Random(seed)
    lengths = [rng.randint(1, 300) for _ in range(rng.randint(0, 300))]
    ranks = rng.randint(1, 9)
    shares = share_out(lengths, ranks)
    assert len(shares) == ranks
    assert sorted(index for share in shares for index in share) == list(range(len(lengths)))
    frames = [sum(lengths[index] for index in share) for share in shares]
    # Greedy division leaves no process more than one clip behind another.
    assert max(frames) - min(frames) <= max(lengths, default=0)


def test_shares_are_the_same_every_time() -> None:
    lengths = [5, 5, 5, 9, 1, 1]
    assert share_out(lengths, 2) == share_out(lengths, 2) == [[2, 3], [0, 1, 4, 5]]


def test_alone_there_is_nothing_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    with joined(torch.device("cpu")) as world:
        assert (world.rank, world.size, world.first) == (0, 1, True)
        assert world.agree([1, 2]) == [1, 2]
        world.wait()
