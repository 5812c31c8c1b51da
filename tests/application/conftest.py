"""The command line as users meet it: a process with arguments, two streams and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def slaeval(tmp_path: Path) -> Run:
    """Run ``slaeval ARG…`` in an empty folder with an empty configuration."""

    def run(*args: object, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("SLAEVAL_") and key != "NO_COLOR"
        }
        env |= {
            "SLAEVAL_CONFIG_DIR": str(tmp_path / "config"),
            "PYTHONUTF8": "1",
            **environment,
        }
        done = subprocess.run(
            [sys.executable, "-m", "slaeval", *map(str, args)],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


STM = """\
;; invented
t-1 1 Anna 0.0 1.79769e+308 HEUTE NORD REGEN
t-2 1 Anna 0.0 1.79769e+308 MORGEN SONNE poss-EUCH
t-3 1 Ben 0.0 1.79769e+308 WIND STARK KOMMEN
t-4 1 Ben 0.0 1.79769e+308 ABEND KALT
"""

CTM = """\
t-1 1 0.00 0.01 HEUTE
t-1 1 0.01 0.01 loc-NORD
t-1 1 0.02 0.01 SCHNEE
t-2 1 0.00 0.01 MORGEN
t-2 1 0.01 0.01 SONNE
t-2 1 0.02 0.01 poss-EUCH
t-2 1 0.03 0.01 IX
t-3 1 0.00 0.01 WIND
t-3 1 0.01 0.01 KOMMEN
"""


@pytest.fixture
def task(tmp_path: Path) -> tuple[Path, Path]:
    """Write a hypothesis and a reference file: 11 words, 2 S, 2 D, 1 I, t-4 is missing."""
    hypothesis, reference = tmp_path / "hyp.ctm", tmp_path / "ref.stm"
    hypothesis.write_text(CTM)
    reference.write_text(STM)
    return hypothesis, reference
