"""Scores to draw, and figures that are closed again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import matplotlib as mpl
import pytest

import slaeval
from slaeval.scoring.score import Score

mpl.use("agg")

Invented = Callable[[list[str]], Score]


@pytest.fixture(autouse=True)
def _no_figure_stays_open() -> Iterator[None]:
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def _invented(words: list[str]) -> Score:
    """Return a score with every kind of error; a word is mostly taken for its neighbour."""
    rng = random.Random(7)
    references, hypotheses, signers = {}, {}, {}
    for number in range(120):
        name = f"s{number:03d}"
        signed = rng.choices(words, k=rng.randint(1, 12))
        said = []
        for word in signed:
            fate = rng.random()
            if fate < 0.12:
                said.append(words[words.index(word) ^ 1])
            elif fate > 0.2:
                said.append(word)
            if rng.random() < 0.05:
                said.append(rng.choice(words))
        references[name], hypotheses[name] = signed, said
        signers[name] = f"Signer{number % 5:02d}"
    return slaeval.score(references, hypotheses, "sclite", signers=signers)


@pytest.fixture(scope="session")
def invented() -> Invented:
    """Make a score over some glosses."""
    return _invented
