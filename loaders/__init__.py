"""Loaders: four corpora, one record.

``load_corpus`` reads a corpus's official release, ``read_references_file`` the formats in
circulation; both give :class:`~slaeval.loaders.records.Sample`. ``find_video_clips`` and
``read_frames`` turn samples into pictures. This package knows nothing of scoring, models or torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slaeval.loaders.community import read_references_file as read_references_file
    from slaeval.loaders.folders import find as find
    from slaeval.loaders.folders import register as register
    from slaeval.loaders.folders import registered as registered
    from slaeval.loaders.reading import glosses as glosses
    from slaeval.loaders.reading import load_corpus as load_corpus
    from slaeval.loaders.reading import load_references as load_references
    from slaeval.loaders.reading import read_references as read_references
    from slaeval.loaders.reading import split_ids as split_ids
    from slaeval.loaders.records import Corpus as Corpus
    from slaeval.loaders.records import Sample as Sample
    from slaeval.loaders.reference_columns import read_reference_columns as read_reference_columns
    from slaeval.loaders.registry import names as names
    from slaeval.loaders.registry import resolve as resolve
    from slaeval.loaders.sample.corpus import write_sample as write_sample
    from slaeval.loaders.verification import Issue as Issue
    from slaeval.loaders.verification import verify as verify
    from slaeval.loaders.video import VideoClip as VideoClip
    from slaeval.loaders.video import find_video_clips as find_video_clips
    from slaeval.loaders.video import open_footage as open_footage
    from slaeval.loaders.video import read_frames as read_frames

_HOMES = {
    "Corpus": "records",
    "Issue": "verification",
    "VideoClip": "video",
    "Sample": "records",
    "find": "folders",
    "find_video_clips": "video",
    "glosses": "reading",
    "load_corpus": "reading",
    "load_references": "reading",
    "names": "registry",
    "open_footage": "video",
    "read_frames": "video",
    "read_reference_columns": "reference_columns",
    "read_references": "reading",
    "read_references_file": "community",
    "register": "folders",
    "registered": "folders",
    "resolve": "registry",
    "split_ids": "reading",
    "verify": "verification",
    "write_sample": "sample.corpus",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"slaeval.loaders.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'slaeval.loaders' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
