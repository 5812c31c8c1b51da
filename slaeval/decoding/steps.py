"""Frames, steps and labels: how many of each the others require.

The head halves time twice, so a step of its output covers four frames. CTC needs a step for
each label and one for the blank between two adjacent equal labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["FRAMES_PER_STEP", "frames_needed", "output_length", "steps_needed"]

#: The head halves time twice.
FRAMES_PER_STEP = 4


def output_length(frames: int) -> int:
    """Return the number of output steps for a clip: ``ceil(frames/4)``, at least 1."""
    return max(1, -(-frames // FRAMES_PER_STEP))


def steps_needed(labels: Sequence[int]) -> int:
    """Return the fewest steps on which CTC can emit some labels; on fewer its loss is infinite."""
    return len(labels) + sum(first == second for first, second in pairwise(labels))


def frames_needed(labels: Sequence[int]) -> int:
    """Return the fewest frames whose steps suffice for some labels; at least 1."""
    return max(1, FRAMES_PER_STEP * (steps_needed(labels) - 1) + 1)
