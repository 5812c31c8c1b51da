"""``python -m slaeval`` is the command ``slaeval``."""

from __future__ import annotations

import gc

__all__ = ["main"]


def main() -> None:
    """Run the command line; see :mod:`slaeval.cli.main`."""
    # Until a command is known that lives long, looking for cycles is time lost.
    gc.disable()
    from slaeval.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
