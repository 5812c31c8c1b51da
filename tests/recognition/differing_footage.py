"""A run over several processes, of which one does not see all clips.

The tests run this file under torchrun: ``differing_footage.py CHECKPOINT ROOT OUT RANK``.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from slaeval.errors import SlaevalError
from slaeval.loaders import video
from slaeval.recognition.run import evaluate


def main() -> None:
    checkpoint, root, out, rank = sys.argv[1:5]
    find = video.find_video_clips

    def blinded(*arguments: Any, **settings: Any) -> Any:
        clips, missing = find(*arguments, **settings)
        return clips[1:], {**missing, clips[0].id: "no such folder"}

    if os.environ["RANK"] == rank:
        video.find_video_clips = blinded  # type: ignore[assignment]
    try:
        evaluate(checkpoint, root=root, out=out, device="cpu", on_error="skip")
    except SlaevalError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
