"""``python -m slaeval`` is the command ``slaeval``."""

from __future__ import annotations

from slaeval.cli import main

if __name__ == "__main__":
    main()
