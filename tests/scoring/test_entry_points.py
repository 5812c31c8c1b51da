"""Protocols of other packages."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from typing import Any

import pytest

import slaeval
from slaeval.errors import UsageError
from slaeval.scoring import protocols


class _Point:
    """An entry point of another package."""

    def __init__(self, name: str, found: Any) -> None:
        self.name = name
        self.found = found

    def load(self) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Offer something in the group of protocols, for this test alone."""

    def offered(found: Any) -> None:
        monkeypatch.setattr(protocols, "_PROTOCOLS", dict(protocols._PROTOCOLS))
        points = {"slaeval.protocols": [_Point("house", found)]}
        monkeypatch.setattr(metadata, "entry_points", lambda group: points.get(group, []))
        protocols._register_entry_points.cache_clear()

    yield offered
    protocols._register_entry_points.cache_clear()


def test_a_protocol_of_another_package_is_known(offer) -> None:  # type: ignore[no-untyped-def]
    own = replace(protocols.protocol("none"), name="house", title="the rules of our house")
    offer(own)
    score = slaeval.score({"a": "REGEN"}, {"a": "regen"}, "house")
    assert (score.protocol, score.errors) == ("house", 1)
    assert "protocol:house.v1" in score.signature
    assert slaeval.protocols()[-1] is own


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (ImportError("no module"), "cannot be loaded: ImportError: no module"),
        ("a text", "is not a Protocol but 'a text'"),
        (replace(protocols.protocol("none"), name="official"), "'official' exists already"),
    ],
)
def test_what_is_no_protocol_is_named(offer, found: Any, message: str) -> None:  # type: ignore[no-untyped-def]
    offer(found)
    with pytest.raises(UsageError, match=message):
        slaeval.protocols()
