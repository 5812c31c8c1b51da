"""Stopping on request: clusters send a signal some time before they end a job.

SLURM sends SIGTERM, or with ``--signal=USR1@120`` SIGUSR1 two minutes ahead. Within an optimiser
step the signal waits for the end of the step; anywhere else it takes effect at once.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from slaeval.errors import SlaevalError

__all__ = ["StopRequested", "StopSignals", "stop_signals"]

_NAMES = ("SIGTERM", "SIGUSR1")


class StopRequested(SlaevalError):  # noqa: N818 (it is no error)
    """A signal asked this run to stop. Exit code 75, EX_TEMPFAIL of sysexits: try again."""

    exit_code = 75


class StopSignals:
    """Whether a signal has asked this process to stop."""

    def __init__(self) -> None:
        self._received: str | None = None
        self._waits = False

    @property
    def received(self) -> bool:
        """Whether a signal has come."""
        return self._received is not None

    @contextlib.contextmanager
    def postponed(self) -> Iterator[None]:
        """Defer signals to the end of the block; code in it can ask :attr:`received`."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False
        if self.received:
            raise self.request()

    def request(self) -> StopRequested:
        """Return the error that ends the run."""
        name = self._received or "a signal to another process"
        return StopRequested(f"stopped by {name}; the same command goes on from here")

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        self._received = signal.Signals(number).name
        if not self._waits:
            raise self.request()


@contextlib.contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Handle SIGTERM and SIGUSR1 in the main thread; elsewhere do nothing."""
    signals = StopSignals()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, name, None) for name in _NAMES):
            if number is not None:
                before[number] = signal.signal(number, signals.handle)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
