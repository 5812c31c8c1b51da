"""Names of corpora, and where each is described.

Another package can add a corpus with an entry point in the group ``slaeval.corpora`` that names
a :class:`slaeval.loaders.layout.Layout` subclass.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

from slaeval.errors import UsageError, nearest

if TYPE_CHECKING:
    from slaeval.loaders.layout import Layout
    from slaeval.loaders.records import CorpusDefault

__all__ = [
    "NAMES",
    "corpora_of",
    "corpus_default",
    "labelled",
    "layout",
    "layouts",
    "names",
    "resolve",
]

#: Canonical name: module and class.
_LAYOUTS = {
    "phoenix2014": ("slaeval.loaders.phoenix2014", "Phoenix2014"),
    "phoenix2014-si5": ("slaeval.loaders.phoenix2014", "Phoenix2014SI5"),
    "phoenix2014t": ("slaeval.loaders.phoenix2014t", "Phoenix2014T"),
    "csl-daily": ("slaeval.loaders.csl_daily", "CSLDaily"),
    "isharah500": ("slaeval.loaders.isharah", "Isharah500"),
    "isharah1000": ("slaeval.loaders.isharah", "Isharah1000"),
    "isharah2000": ("slaeval.loaders.isharah", "Isharah2000"),
}

#: Canonical names of our own corpora.
NAMES = tuple(_LAYOUTS)

#: Corpora of other packages that cannot be loaded, and why.
_BROKEN: dict[str, str] = {}


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _entry_points() -> dict[str, type[Layout]]:
    from importlib.metadata import entry_points

    found: dict[str, type[Layout]] = {}
    for point in entry_points(group="slaeval.corpora"):
        try:
            found[point.name] = point.load()
        except Exception as error:  # another package's defect must not stop ours
            _BROKEN[point.name] = f"{type(error).__name__}: {error}"
    return found


def resolve(name: str) -> str:
    """Return the canonical name of a corpus in any common spelling.

    Raises
    ------
    UsageError
        No such corpus; the message suggests the nearest.
    """
    key = _key(name)
    for known in _LAYOUTS:
        if key == _key(known):
            return known
    others = _entry_points()
    if name in others:
        return name
    for known, described in layouts().items():
        if key in map(_key, described.spellings):
            return known
    known_names = (*_LAYOUTS, *others)
    broken = "".join(f"; {other!r} cannot be loaded ({why})" for other, why in _BROKEN.items())
    raise UsageError(
        f"unknown dataset {name!r}{nearest(name, known_names)}; known: "
        f"{', '.join(known_names)}{broken}"
    )


def layouts() -> dict[str, type[Layout]]:
    """Return the descriptions of all corpora, those of other packages included."""
    own = {
        name: getattr(importlib.import_module(module), attribute)
        for name, (module, attribute) in _LAYOUTS.items()
    }
    return own | _entry_points()


def corpora_of(id: str) -> list[str]:
    """Return the corpora whose segment ids look like this one."""
    return [
        name
        for name, described in layouts().items()
        if described.ids is not None and re.fullmatch(described.ids, id)
    ]


def names() -> list[str]:
    """Return the names of all corpora, those of other packages included."""
    return [*_LAYOUTS, *sorted(_entry_points())]


def labelled(label: str | None) -> Layout | None:
    """Return the description of the corpus in a score's label, such as ``"isharah500/US"``.

    None if the label names no corpus.
    """
    name = (label or "").split("/")[0]
    return layout(name) if name and (name in _LAYOUTS or name in _entry_points()) else None


def corpus_default(label: str | None) -> CorpusDefault:
    """Return the text protocol of a corpus's translations, by the label of a score."""
    from slaeval.loaders.records import UNPUBLISHED

    described = labelled(label)
    return (described and described.translations) or UNPUBLISHED


def layout(name: str) -> Layout:
    """Return the description of a corpus.

    Raises
    ------
    UsageError
        No such corpus.
    """
    name = resolve(name)
    if name in _LAYOUTS:
        module, attribute = _LAYOUTS[name]
        described: Layout = getattr(importlib.import_module(module), attribute)()
        return described
    return _entry_points()[name]()
