"""The character error rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from slaeval.errors import UsageError
from slaeval.scoring.alignment import FOLD
from slaeval.scoring.protocols import protocol

if TYPE_CHECKING:
    from slaeval.scoring.score import Score

__all__ = ["character_errors", "distance"]


def character_errors(score: Score) -> float:
    """Return the character error rate of a score in percent; see :attr:`Score.cer`."""
    try:
        fold = protocol(score.protocol).fold
    except UsageError:  # the protocol was never registered
        fold = False
    errors = characters = 0
    for segment in score.segments:
        reference, hypothesis = " ".join(segment.reference), " ".join(segment.hypothesis)
        if fold:
            reference, hypothesis = reference.translate(FOLD), hypothesis.translate(FOLD)
        errors += distance(reference, hypothesis)
        characters += len(reference)
    return 100 * errors / characters if characters else float("nan")


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the Levenshtein distance: substitution, insertion and deletion cost 1.

    A column of the matrix is held as the bits of two integers: where it goes up and where it
    goes down (G. Myers, "A Fast Bit-Vector Algorithm for Approximate String Matching Based on
    Dynamic Programming", J. ACM 46, 1999).
    """
    if one == other:
        return 0
    if not one or not other:
        return len(one) + len(other)
    places: dict[str, int] = {}
    for place, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << place
    last = 1 << (len(one) - 1)
    every = (1 << len(one)) - 1
    up, down, result = every, 0, len(one)
    for character in other:
        equal = places.get(character, 0)
        vertical = equal | down
        horizontal = (((equal & up) + up) ^ up) | equal
        right_up = down | ~(horizontal | up) & every
        right_down = up & horizontal
        result += bool(right_up & last) - bool(right_down & last)
        right_up = right_up << 1 & every | 1
        right_down = right_down << 1 & every
        up = right_down | ~(vertical | right_up) & every
        down = right_up & vertical
    return result
