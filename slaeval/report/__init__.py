"""The report: one HTML page that shows where the errors of a system are.

:func:`find` collects what there is to say about a hypothesis file or a run, :func:`render` says
it. The page needs nothing but itself: no network, no other file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slaeval.report.findings import ReportData as ReportData
    from slaeval.report.findings import find as find
    from slaeval.report.page import render as render

_HOMES = {"ReportData": "findings", "find": "findings", "render": "page"}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"slaeval.report.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'slaeval.report' has no attribute {name!r}")
