"""Clips that need no files. A module of its own: reading processes must be able to import it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slaeval.errors import InputError
from slaeval.loaders.video import VideoClip
from slaeval.recognition.batches import ClipDataset


class Invented(ClipDataset):
    """Clips out of nothing: the frames of clip k are all k; some break, one kills its reader."""

    def read(self, key: int) -> NDArray[np.uint8]:
        footage = self.footage[key]
        if footage.id.startswith("broken"):
            raise InputError(f"sample {footage.id!r}: not a picture", "frames/7.png")
        if footage.id.startswith("deadly"):
            os._exit(9)
        return np.full((footage.num_frames, self.resize, self.resize, 3), key, np.uint8)


class Noting(ClipDataset):
    """Leaves a file for each clip it reads."""

    def __init__(self, count: int, folder: Path) -> None:
        super().__init__(
            [VideoClip(f"clip-{index}", "nowhere", (), 1) for index in range(count)], 4
        )
        self.folder = folder

    def read(self, key: int) -> NDArray[np.uint8]:
        (self.folder / str(key)).touch()
        return np.zeros((1, 4, 4, 3), np.uint8)


class Interrupting(Invented):
    """Sends Ctrl-C to its own process whenever a reader is being given the clips."""

    handed_over = 0

    def __reduce__(self) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        Interrupting.handed_over += 1  # a Ctrl-C that gets through has ended this before
        return Invented, (self.footage, self.resize)
