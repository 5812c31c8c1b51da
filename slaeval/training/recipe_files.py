"""Recipes as files: TOML, YAML, or the recipe stored in a checkpoint."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from slaeval.errors import InputError, UsageError
from slaeval.files import read_text, write_whole
from slaeval.training.recipe import MODEL_SOURCES, SOURCES

__all__ = ["read_recipe", "write_recipe"]

_WHAT = "a recipe"


def read_recipe(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read settings as the text that ``--set KEY=VALUE`` takes.

    Parameters
    ----------
    path : path-like
        ``.toml``, ``.yaml`` or ``.yml`` with one value a line, or a checkpoint.

    Raises
    ------
    InputError
        It cannot be read, or holds something else than single values.
    UsageError
        The name says none of these.
    """
    path = os.fspath(path)
    suffix = os.path.splitext(path)[1].lower()
    if suffix in (".pt", ".safetensors"):
        values = _of_checkpoint(path)
    elif suffix == ".toml":
        values = _of_toml(path)
    elif suffix in (".yaml", ".yml"):
        values = _of_yaml(path)
    else:
        raise UsageError(f"{path}: a recipe is a .toml or .yaml file, or a checkpoint")
    if not isinstance(values, dict):
        raise InputError("expected one 'name: value' per line", path)
    return {str(name): _as_text(value, str(name), path) for name, value in values.items()}


def write_recipe(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Write the values of a recipe and of its model, each with its source as a comment.

    Raises
    ------
    UsageError
        The name ends neither in .toml nor in .yaml.
    """
    path = os.fspath(path)
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".toml", ".yaml", ".yml"):
        raise UsageError(f"{path}: a recipe is written as .toml or .yaml")
    between = " = " if suffix == ".toml" else ": "
    sources = {**SOURCES, **MODEL_SOURCES}
    lines = [
        f"{name}{between}{json.dumps('none' if values[name] is None else values[name])}  # {source}"
        for name, source in sources.items()
    ]
    write_whole(path, "\n".join(lines) + "\n")


def _of_checkpoint(path: str) -> dict[str, Any]:
    from slaeval.checkpoints import read_checkpoint

    checkpoint = read_checkpoint(path, head=True)
    if not checkpoint.recipe:
        raise InputError("this checkpoint does not say how it was trained", path)
    model = {name: checkpoint.model[name] for name in MODEL_SOURCES if name in checkpoint.model}
    return {**checkpoint.recipe, **model}


def _of_toml(path: str) -> Any:
    if sys.version_info < (3, 11):
        raise UsageError(f"{path}: TOML needs Python 3.11 or newer; write the recipe as .yaml")
    import tomllib

    try:
        return tomllib.loads(read_text(path, _WHAT))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML: {error}", path) from None


def _of_yaml(path: str) -> Any:
    import yaml  # type: ignore[import-untyped]

    try:
        return yaml.safe_load(read_text(path, _WHAT))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)  # of all but an odd character
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        line = mark.line + 1 if mark else None
        raise InputError(f"not YAML: {reason}", path, line) from None


def _as_text(value: Any, name: str, path: str) -> str:
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return ",".join(map(str, value))
    if isinstance(value, dict | list):
        raise InputError(f"{name} is not a single value", path)
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
