"""How far a run is, on stderr: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import click

__all__ = ["progress"]


@contextlib.contextmanager
def progress(
    segments: int, frames: int, label: str, *, shown: bool = True
) -> Iterator[Callable[[int, int], None]]:
    """Show a bar over frames with segments, speed and the time left.

    Parameters
    ----------
    segments, frames : int
        All there is to do.
    label : str
        What is being done.
    shown : bool
        Whether to show anything; of several processes only one should.

    Yields
    ------
    callable
        Told the segments and frames of each piece that is done.
    """
    if not shown or not sys.stderr.isatty():
        yield lambda segments, frames: None
        return
    begun = time.monotonic()
    done = [0, 0]

    def state(_: object) -> str:
        speed = done[1] / max(1e-9, time.monotonic() - begun)
        return f"{done[0]}/{segments} segments  {speed:,.0f} frames/s"

    with click.progressbar(
        length=frames, label=label, file=sys.stderr, item_show_func=state, show_eta=True
    ) as bar:

        def advance(segments: int, frames: int) -> None:
            done[0] += segments
            done[1] += frames
            bar.update(frames, done[1])

        yield advance
