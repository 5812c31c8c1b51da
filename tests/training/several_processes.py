"""``slaeval train`` in one of several processes, one of which is asked to stop.

The tests run this file under torchrun, or alone: ``several_processes.py STEP RANK ARGUMENTS…``. The
process of that rank gets SIGTERM before so many steps are done, as one machine of a cluster may.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from slaeval.cli.main import main
from slaeval.training import trainer


def _stopping(step: int) -> None:
    whole, calls = trainer.losses, []

    def losses(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole(*arguments)

    trainer.losses = losses


if __name__ == "__main__":
    step, rank = map(int, sys.argv[1:3])
    sys.argv[1:] = sys.argv[3:]
    if os.environ.get("RANK", "0") == str(rank):
        _stopping(step)
    main()
