"""Where the corpora are on this machine.

Looked up in this order: the folder a user names, the folder registered with ``slaeval corpus
add``, a subfolder of the folder in the environment variable ``SLAEVAL_DATA``. Registered folders
are kept in ``corpora.json`` in the user's configuration folder (``SLAEVAL_CONFIG_DIR`` overrides
it).
"""

from __future__ import annotations

import json
import os

from slaeval.errors import InputError, SlaevalError
from slaeval.files import write_whole
from slaeval.loaders.registry import layout, resolve

__all__ = ["config_file", "find", "register", "registered"]


def config_file() -> str:
    """Return the path of the file that holds the registered folders."""
    folder = os.environ.get("SLAEVAL_CONFIG_DIR")
    if not folder:
        import platformdirs

        folder = platformdirs.user_config_dir("slaeval")
    return os.path.join(folder, "corpora.json")


def registered() -> dict[str, str]:
    """Return the registered folder of each corpus.

    Raises
    ------
    InputError
        The configuration file is damaged.
    """
    path = config_file()
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(
            f"the list of registered corpora cannot be read ({error}); delete the file and "
            "register them again",
            path,
        ) from None
    if not isinstance(content, dict) or not all(
        isinstance(item, str) for pair in content.items() for item in pair
    ):
        raise InputError(
            "the list of registered corpora is damaged; delete the file and register them again",
            path,
        )
    return content


def register(name: str, folder: str) -> str:
    """Register the folder of a corpus; returns it as an absolute path.

    Raises
    ------
    SlaevalError
        The configuration cannot be written.
    """
    known = registered()
    known[resolve(name)] = os.path.abspath(folder)
    path = config_file()
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except OSError as error:
        raise SlaevalError(f"{path}: cannot write: {error.strerror or error}") from None
    write_whole(path, json.dumps(known, indent=2, sort_keys=True) + "\n")
    return known[resolve(name)]


def find(name: str, root: str | os.PathLike[str] | None = None) -> str:
    """Return the folder of a corpus.

    Parameters
    ----------
    name : str
        The corpus, in any spelling.
    root : path-like, optional
        The folder a user named; it takes precedence and need not exist.

    Raises
    ------
    InputError
        Nothing was found; the message lists what was tried and how to register.
    """
    name = resolve(name)
    if root is not None:
        return os.path.expanduser(os.fspath(root))
    tried = ["--root DIR: not given"]
    known = registered()
    if name in known:
        if os.path.isdir(known[name]):
            return known[name]
        tried.append(f"the registered folder {known[name]}: gone")
    else:
        tried.append(f"a registered folder (in {config_file()}): none for {name}")
    data = os.environ.get("SLAEVAL_DATA")
    if data:
        found = _subfolder(data, name)
        if found is not None:
            return found
        tried.append(f"SLAEVAL_DATA={data}: no subfolder for {name}")
    else:
        tried.append("the environment variable SLAEVAL_DATA: not set")
    raise InputError(
        f"corpus {name} not found; looked in\n    "
        + "\n    ".join(tried)
        + f"\n  register it once:  slaeval corpus add {name} DIR\n"
        f"  or try a sample:   slaeval corpus sample {name} DIR"
    )


def _subfolder(data: str, name: str) -> str | None:
    """Find the subfolder of a corpus, under any spelling of its name."""
    try:
        entries = sorted(entry.path for entry in os.scandir(data) if entry.is_dir())
    except OSError as error:
        raise InputError(
            f"SLAEVAL_DATA names this folder, which cannot be read: {error.strerror}", data
        ) from None
    from slaeval.errors import UsageError

    by_name: dict[str, str] = {}
    for path in entries:
        try:
            by_name.setdefault(resolve(os.path.basename(path)), path)
        except UsageError:
            continue  # a folder of something other than a corpus
    exact = os.path.join(data, name)
    if os.path.isdir(exact):
        return exact
    container = layout(name).container
    if name not in by_name and container is not None:
        named = (path for path in entries if os.path.basename(path).casefold() == container)
        return next(named, None) or by_name.get(container)
    return by_name.get(name)
