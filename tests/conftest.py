"""Where the real annotation files are, for the tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Folder of the real annotation files, from ``SLAEVAL_TEST_CORPORA``."""
    folder = os.environ.get("SLAEVAL_TEST_CORPORA")
    if not folder:
        pytest.skip("SLAEVAL_TEST_CORPORA is not set")
    return Path(folder)
