"""Options of a training run that do not belong to its recipe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from slaeval.errors import UsageError

__all__ = ["Options"]

_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Options:
    """Options of a run that do not belong to its recipe.

    Attributes
    ----------
    device : str
        ``"auto"``, ``"cuda"``, ``"mps"`` or ``"cpu"``.
    workers : int
        Processes that decode; 0 decodes in this one. With more, a script must guard its code
        with ``if __name__ == "__main__":``.
    cache_gb : float
        Keep all resized frames in memory where they take no more than this, over all processes.
    frame_cache : str or None
        Folder of a cache of resized frames to read, as ``slaeval corpus cache`` makes it;
        ``"auto"`` for the one in the usual place.
    on_error : {"stop", "skip"}
        What to do about a sample that cannot be trained on, or not be read: end the run, or
        leave it out and name it; on dev it then counts as recognised empty.
    slim : bool
        Leave the tower out of the checkpoint.
    restart : bool
        Start over where an unfinished run, or a checkpoint, is there.
    save_every : int or str
        Also save the state within an epoch: after so many steps (``500``), or when so much time
        has passed (``"90s"``, ``"30m"``, ``"2h"``); 0 for never.
    warm_start : str or None
        A checkpoint to start from: tensors that fit are taken over, classes matched by gloss.
    backbone_weights : str or None
        File with the backbone's weights, instead of `pretrained`.
    vocabulary : tuple of str or None
        Glosses in the order of their classes; those of the training split without it.
    shuffle_labels : bool
        Control experiment: shuffle labels between clips.
    track : {"wandb", "trackio"} or None
        Also log every step and epoch to this tracker, if it is installed.
    """

    device: str = "auto"
    workers: int = 0
    cache_gb: float = 2.0
    frame_cache: str | None = None
    on_error: Literal["stop", "skip"] = "stop"
    slim: bool = False
    restart: bool = False
    save_every: int | str = "30m"
    warm_start: str | None = None
    backbone_weights: str | None = None
    vocabulary: tuple[str, ...] | None = None
    shuffle_labels: bool = False
    track: str | None = None

    def __post_init__(self) -> None:
        if self.on_error not in ("stop", "skip"):
            raise UsageError(f"on_error is {self.on_error!r}; expected 'stop' or 'skip'")
        for name in ("workers", "cache_gb"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} must not be negative, found {getattr(self, name)}")
        self.save_interval()

    def save_interval(self) -> tuple[int, int]:
        """Return after how many steps and after how many seconds to save; 0 for never."""
        found = re.fullmatch(r"(\d{1,9})([smh]?)", str(self.save_every))
        if found is None:
            raise UsageError(
                f"save_every is {self.save_every!r}; expected a number of steps, such as 500, or a "
                "time, such as 90s, 30m or 2h"
            )
        number, unit = int(found[1]), found[2]
        return (0, number * _SECONDS[unit]) if unit else (number, 0)
