"""What an installation without the extras lacks, said in one message.

Scoring needs neither torch nor matplotlib; training, running and plotting do. Commands call
:func:`require` before they import anything heavy.
"""

from __future__ import annotations

import importlib.util
from typing import Literal

from slaeval.errors import SlaevalError

__all__ = ["install_command", "require"]

_MODULES = {
    "run": ("torch", "open_clip", "peft", "decord", "av", "PIL", "safetensors"),
    "analysis": ("matplotlib",),
}


def install_command(*extras: str) -> str:
    """Return the command that installs extras, to be run in a checkout of slaeval.

    slaeval is on no package index yet: what this returns is the one place that changes when it is.
    """
    return f'pip install ".[{",".join(extras)}]"'


def require(extra: Literal["run", "analysis"], what: str = "this") -> None:
    """Make sure that the packages of an extra can be imported.

    Parameters
    ----------
    extra : {"run", "analysis"}
        Which extra.
    what : str
        What needs it, for the message.

    Raises
    ------
    SlaevalError
        One is missing; the message says what to install.
    """
    missing = [name for name in _MODULES[extra] if importlib.util.find_spec(name) is None]
    if missing:
        raise SlaevalError(
            f"{what} needs {', '.join(missing)}: in your checkout of slaeval, "
            + install_command(extra)
        )
