"""Where the real annotation files are, for the tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Shared machines stall: how long an example takes says nothing about what is tested.
settings.register_profile("slaeval", deadline=None)
settings.load_profile("slaeval")


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Folder of the real annotation files, from ``SLAEVAL_TEST_CORPORA``."""
    folder = os.environ.get("SLAEVAL_TEST_CORPORA")
    if not folder:
        pytest.skip("SLAEVAL_TEST_CORPORA is not set")
    return Path(folder)
