"""setuptools' build backend, with what it writes on the way in a temporary folder.

Left to itself it leaves ``build/`` and ``slaeval.egg-info/`` in the checkout.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from typing import Any

from setuptools import build_meta


def _elsewhere(hook: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(hook)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            settings = os.path.join(folder, "setup.cfg")
            with open(settings, "w", encoding="utf-8") as stream:
                stream.write(f"[build]\nbuild_base = {folder}\n[egg_info]\negg_base = {folder}\n")
            os.environ["DIST_EXTRA_CONFIG"] = settings
            return hook(*args, **kwargs)

    return wrapped


for _name in build_meta.__all__:
    if _name.startswith(("get_requires_for_", "prepare_metadata_for_", "build_")):
        globals()[_name] = _elsewhere(getattr(build_meta, _name))
