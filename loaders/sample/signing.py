"""Invented signs: which movement a gloss has, and how a sentence of them moves in time.

A sign is the path of the dominant hand beside the body, the shape of that hand, and what the
other hand does: it hangs, mirrors the movement, or is the place of it. Signs come in pairs with
the same frames in opposite order (up and down, clockwise and counter-clockwise, opening and
closing), so neither one frame nor a bag of frames tells them apart. Between two signs the
hands travel, and each end of a sign is blended with its neighbour, as in real signing.

Coordinates are relative to the signer, not the picture: ``x`` points outward on the dominant side,
``y`` up, the origin is between the shoulders, and 1 is about the width of the picture. So a
left-right mirror of a sign is the same sign by a left-handed signer. Nothing is drawn here.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slaeval.loaders.sample.scenes import Difficulty

__all__ = [
    "Lexicon",
    "Manner",
    "Movement",
    "Poses",
    "generator",
    "lexicon",
    "perform",
    "word_of",
]

Floats = NDArray[np.float64]


def generator(*names: object) -> np.random.Generator:
    """Return a random generator that depends only on the names, not on earlier draws."""
    digest = hashlib.sha256(" ".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


# Hand shapes as numbers that can be blended: half width and half height of the palm, roundness
# of its corners, radius of a hole, length and spread (radians) of two fingers, length of a middle
# one. Lengths are in radii of a hand.
_SHAPES = {
    "disc": (1.0, 1.0, 1.0, 0.0, 0.0, 0.5, 0.0),
    "flat": (1.35, 0.5, 1.0, 0.0, 0.0, 0.5, 0.0),
    "tall": (0.5, 1.35, 1.0, 0.0, 0.0, 0.5, 0.0),
    "fist": (0.72, 0.72, 0.3, 0.0, 0.0, 0.5, 0.0),
    "ring": (1.1, 1.1, 1.0, 0.6, 0.0, 0.5, 0.0),
    "fork": (0.6, 0.6, 1.0, 0.0, 1.7, 0.5, 0.0),
    "star": (0.65, 0.65, 1.0, 0.0, 1.6, 1.0, 1.7),
}
#: Where a hand hangs when it does nothing.
_REST = (0.14, -0.43)


def _line(*points: tuple[float, float]) -> Floats:
    return np.array(points)


def _arc(x: float, y: float, radius: float, start: float, end: float) -> Floats:
    """Return points on a circle; angles in degrees from outward, by way of up."""
    angles = np.radians(np.linspace(start, end, 17))
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def _zigzag(start: tuple[float, float], end: tuple[float, float], width: float) -> Floats:
    """Return a zigzag that begins and ends on its axis but is lopsided: three strokes."""
    a, b = np.array(start), np.array(end)
    across = np.array([-(b - a)[1], (b - a)[0]])
    across = across / np.hypot(*across) * width
    return np.stack([a, a + (b - a) * 0.3 + across, a + (b - a) * 0.6 - across, b])


class Movement(NamedTuple):
    """What the hands do in a sign.

    Attributes
    ----------
    path : float array [K, 2]
        Path of the dominant hand, followed at even speed except at its ends.
    shape, to : str
        Hand shape at the start and at the end.
    other : {"hangs", "mirrors", "is the place"}
        What the other hand does.
    place : tuple of float
        Where the other hand is, if it is the place.
    """

    path: Floats
    shape: str
    to: str
    other: Literal["hangs", "mirrors", "is the place"] = "hangs"
    place: tuple[float, float] = (-0.04, -0.24)

    def reversed(self) -> Movement:
        """Return the movement with its frames in the opposite order."""
        return self._replace(path=self.path[::-1], shape=self.to, to=self.shape)


#: Each gives two signs, itself and its reverse, in this order. The path of a mirroring hand
#: stays on that hand's side of the body.
_MOVEMENTS = (
    Movement(_line((0.30, -0.32), (0.30, 0.10)), "disc", "disc"),
    Movement(_line((0.00, -0.12), (0.34, -0.12)), "tall", "tall"),
    Movement(_line((0.15, -0.34), (0.15, 0.02)), "flat", "flat", "mirrors"),
    Movement(_arc(0.22, -0.10, 0.12, 90, 450), "fist", "fist"),
    Movement(_line((0.02, -0.34), (0.32, 0.14)), "fork", "fork"),
    Movement(_line((0.07, -0.14), (0.33, -0.14)), "disc", "disc", "mirrors"),
    Movement(_arc(0.10, -0.06, 0.24, 100, -40), "ring", "ring"),
    Movement(_line((0.00, -0.18), (0.02, 0.10)), "fist", "fist", "is the place", (-0.02, -0.30)),
    Movement(_zigzag((0.26, 0.14), (0.26, -0.30), 0.09), "flat", "flat"),
    Movement(_arc(0.20, -0.14, 0.11, -90, 270), "disc", "disc", "mirrors"),
    Movement(_line((0.14, 0.22), (0.34, 0.22), (0.34, -0.06)), "star", "star"),
    Movement(_line((0.06, 0.16), (0.06, -0.26)), "ring", "ring"),
    Movement(_line((-0.10, -0.16), (0.26, -0.16)), "flat", "flat", "is the place", (-0.05, -0.30)),
    Movement(_line((0.24, -0.08), (0.24, 0.02)), "fist", "star"),
    Movement(_arc(0.24, 0.12, 0.11, 0, 360), "fork", "fork"),
    Movement(_line((0.08, 0.14), (0.32, -0.28)), "tall", "tall", "mirrors"),
    Movement(_zigzag((-0.06, -0.30), (0.32, -0.30), 0.08), "star", "star"),
    Movement(_arc(0.04, -0.18, 0.14, 180, 0), "tall", "tall", "is the place", (0.04, -0.34)),
    Movement(_line((0.13, -0.14), (0.17, -0.10)), "star", "fist", "mirrors"),
    Movement(_line((0.16, 0.20), (0.16, -0.08), (0.34, -0.08)), "disc", "disc"),
)
#: Markers in the annotation that are not signs: hands go up, go down, stay while the head
#: tilts, open low before the body.
_MARKERS = {
    "__ON__": Movement(_line(_REST, (0.12, -0.20)), "fist", "fist", "mirrors"),
    "__OFF__": Movement(_line((0.12, -0.20), _REST), "fist", "fist", "mirrors"),
    "__PU__": Movement(_line((0.10, -0.36), (0.16, -0.34)), "star", "star", "mirrors"),
    "__EMOTION__": None,
}
_ANNOTATED = re.compile(r"^(?:loc-|cl-|qu-|poss-|lh-|rh-)+|(?:-?PLUSPLUS|RAUM)$")


def word_of(gloss: str) -> str:
    """Return the word of a raw gloss: ``NORD`` for ``loc-NORD`` and for ``NORD-PLUSPLUS``."""
    return _ANNOTATED.sub("", _ANNOTATED.sub("", gloss)) or gloss


Lexicon = dict[str, Movement]


def lexicon(glosses: Iterable[str]) -> Lexicon:
    """Give each word of a list of glosses a distinct sign, pairs to neighbours in the list.

    Raises
    ------
    ValueError
        There are more words than signs.
    """
    words = [word for word in dict.fromkeys(map(word_of, glosses)) if word not in _MARKERS]
    signs = [sign for one in _MOVEMENTS for sign in (one, one.reversed())]
    if len(words) > len(signs):
        raise ValueError(f"{len(words)} words, but only {len(signs)} signs")
    return dict(zip(words, signs, strict=False))


class Manner(NamedTuple):
    """How one signer moves: factors of 1."""

    tempo: float = 1.0
    amplitude: float = 1.0


class Poses(NamedTuple):
    """Where everything is in each of T frames.

    Attributes
    ----------
    hands : float array [T, 2, 2]
        Dominant and other hand, each outward from its own side, and up.
    shapes : float array [T, 2, 7]
        Their shapes: palm (half width, half height, roundness), hole, fingers.
    tilt : float array [T]
        Tilt of the head, radians.
    spans : list of (int, int)
        Frames [start, end) of each gloss.
    """

    hands: Floats
    shapes: Floats
    tilt: Floats
    spans: list[tuple[int, int]]


def _walk(path: Floats, steps: int) -> Floats:
    """Follow a path in `steps` frames, slower at both ends."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    time = np.linspace(0.0, 1.0, steps)
    eased = 0.5 * time + 0.5 * time * time * (3 - 2 * time)
    return np.stack([np.interp(eased * along[-1], along, path[:, axis]) for axis in (0, 1)], axis=1)


def _durations(
    count: int, rng: np.random.Generator, difficulty: Difficulty, tempo: float, total: int | None
) -> list[int]:
    """Draw the frames of rest, sign, transition, sign, …, transition, rest.

    With a `total` they are stretched to it, at least one frame each.
    """
    ranges = [difficulty.rest_frames, difficulty.transition_frames]
    ranges += [difficulty.sign_frames, difficulty.transition_frames] * count
    ranges += [difficulty.rest_frames]
    drawn = [int(rng.integers(low, high + 1)) for low, high in ranges]
    if total is None:
        total = max(round(sum(drawn) / tempo), len(drawn))
    parts = [frames * (total - len(drawn)) / sum(drawn) for frames in drawn]
    whole = [1 + math.floor(part) for part in parts]
    # The largest remainders get the frames left over.
    order = sorted(range(len(parts)), key=lambda i: parts[i] - math.floor(parts[i]), reverse=True)
    for index in order[: total - sum(whole)]:
        whole[index] += 1
    return whole


def perform(
    glosses: Sequence[str],
    signs: Lexicon,
    rng: np.random.Generator,
    difficulty: Difficulty,
    manner: Manner | None = None,
    frames: int | None = None,
) -> Poses:
    """Sign a sentence.

    Parameters
    ----------
    glosses : sequence of str
        Raw glosses, markers included.
    signs : mapping
        See :func:`lexicon`.
    rng : numpy Generator
        For what differs from instance to instance.
    difficulty : Difficulty
        How much that is.
    manner : Manner, optional
        How the signer moves.
    frames : int, optional
        Exact number of frames; else as many as it takes at the signer's pace.

    Raises
    ------
    KeyError
        A gloss has no sign.
    """
    manner = manner or Manner()
    rest_hands = np.array([_REST, _REST])
    rest_shapes = np.array([_SHAPES["fist"], _SHAPES["fist"]])
    durations = _durations(len(glosses), rng, difficulty, manner.tempo, frames)
    hands = [np.repeat(rest_hands[None], durations[0], axis=0)]
    shapes = [np.repeat(rest_shapes[None], durations[0], axis=0)]
    tilt = [np.zeros(durations[0])]
    spans: list[tuple[int, int]] = []

    def travel(steps: int, to_hands: Floats, to_shapes: Floats) -> None:
        time = np.arange(1, steps + 1) / (steps + 1)
        eased = (time * time * (3 - 2 * time))[:, None, None]
        hands.append(hands[-1][-1] + eased * (to_hands - hands[-1][-1]))
        shapes.append(shapes[-1][-1] + eased * (to_shapes - shapes[-1][-1]))
        tilt.append(np.zeros(steps))

    for index, gloss in enumerate(glosses):
        between, steps = durations[1 + 2 * index : 3 + 2 * index]
        word = word_of(gloss)
        movement = _MARKERS[word] if word in _MARKERS else signs[word]
        if movement is None:  # the hands stay, the head tilts
            own = np.repeat(hands[-1][-1:], steps, axis=0)
            own_shapes = np.repeat(shapes[-1][-1:], steps, axis=0)
            own_tilt = 0.25 * np.sin(np.linspace(0, 2 * np.pi, steps))
        else:
            own, own_shapes = _instance(movement, steps, rng, difficulty, manner.amplitude)
            own_tilt = np.zeros(steps)
        travel(between, own[0], own_shapes[0])
        start = sum(map(len, tilt))
        spans.append((start, start + steps))
        hands.append(own)
        shapes.append(own_shapes)
        tilt.append(own_tilt)
    travel(durations[-2], rest_hands, rest_shapes)
    hands.append(np.repeat(rest_hands[None], durations[-1], axis=0))
    shapes.append(np.repeat(rest_shapes[None], durations[-1], axis=0))
    tilt.append(np.zeros(durations[-1]))

    placed = _smooth(np.concatenate(hands), difficulty.coarticulation)
    placed += rng.normal(0.0, difficulty.tremor, placed.shape)
    return Poses(
        placed,
        _smooth(np.concatenate(shapes), difficulty.coarticulation),
        np.concatenate(tilt),
        spans,
    )


def _instance(
    movement: Movement,
    steps: int,
    rng: np.random.Generator,
    difficulty: Difficulty,
    amplitude: float,
) -> tuple[Floats, Floats]:
    """Return hands [steps, 2, 2] and shapes [steps, 2, 7] of a sign signed once."""
    path = movement.path
    middle = (path.max(axis=0) + path.min(axis=0)) / 2
    scale = amplitude * (1 + rng.uniform(-1, 1) * difficulty.amplitude_jitter)
    angle = rng.uniform(-1, 1) * difficulty.angle_jitter
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = rng.uniform(-1, 1, 2) * difficulty.place_jitter
    walked = _walk((path - middle) @ turn.T * scale + middle + shift, steps)
    blend = np.linspace(0, 1, steps)[:, None]
    first, last = np.array(_SHAPES[movement.shape]), np.array(_SHAPES[movement.to])
    shape = first + blend * (last - first)
    if movement.other == "mirrors":
        other, other_shape = walked, shape
    else:
        # A place is given on the dominant side; the other hand's own outward is opposite.
        spot = _REST
        if movement.other == "is the place":
            spot = (-movement.place[0] - shift[0], movement.place[1] + shift[1])
        other = np.repeat(np.array(spot)[None], steps, axis=0)
        still = _SHAPES["fist" if movement.other == "hangs" else "flat"]
        other_shape = np.repeat(np.array(still)[None], steps, axis=0)
    return np.stack([walked, other], axis=1), np.stack([shape, other_shape], axis=1)


def _smooth(values: Floats, weight: float) -> Floats:
    """Blend each frame with its two neighbours."""
    padded = np.concatenate([values[:1], values, values[-1:]])
    blended: Floats = (1 - 2 * weight) * values + weight * (padded[:-2] + padded[2:])
    return blended
