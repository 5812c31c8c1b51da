"""Where sclite's recorded answers are, for the tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def golden(corpora: Path) -> Path:
    """Folder of the answers: ``SLAEVAL_TEST_GOLDEN``, else ``golden`` beside the corpora."""
    folder = Path(os.environ.get("SLAEVAL_TEST_GOLDEN") or corpora.parent / "golden")
    if not folder.is_dir():
        pytest.skip(f"no recorded answers in {folder}")
    return folder
