"""Functions compiled to machine code by numba.

Imported only by modules that are imported where the input is large enough to pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

__all__ = ["compiled"]


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function, keeping the machine code on disk where a folder can be written."""
    try:
        return numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # numba found no place for its cache
        return numba.njit(function, nogil=True)
