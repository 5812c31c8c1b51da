"""The report: one HTML page that shows where the errors of a system are.

:func:`collect` gathers the findings about an evaluation, :func:`render` lays them out.
The page is self-contained: it needs no network and no other file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slaeval.report.findings import ReportData as ReportData
    from slaeval.report.findings import collect as collect
    from slaeval.report.page import render as render

_HOMES = {"ReportData": "findings", "collect": "findings", "render": "page"}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"slaeval.report.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'slaeval.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
