"""Heads of VAC and of the code made from it."""

from __future__ import annotations

import zipfile

__all__ = ["looks_like_vac"]


def looks_like_vac(path: str) -> bool:
    """Tell whether a file of torch.save says ``model_state_dict``, without unpickling it."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("/data.pkl"):
                    return b"model_state_dict" in archive.read(name)
    except Exception:
        return False
    return False
