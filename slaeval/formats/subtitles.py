"""SRT, the subtitle file that every player shows: numbered texts between two times."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["write_srt"]


def write_srt(cues: Iterable[tuple[float, float, str]]) -> str:
    """Return the text of an SRT file.

    Parameters
    ----------
    cues : iterable of (float, float, str)
        Start and end in seconds, and the text, in the order of time.
    """
    return "".join(
        f"{number}\n{_time(start)} --> {_time(end)}\n{text}\n\n"
        for number, (start, end, text) in enumerate(cues, 1)
    )


def _time(seconds: float) -> str:
    whole, milliseconds = divmod(round(1000 * seconds), 1000)
    minutes, second = divmod(whole, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d},{milliseconds:03d}"
