"""Open what a report is about and collect what it shows."""

from __future__ import annotations

import os
from typing import Any

from slaeval.evaluation.request import Request
from slaeval.evaluation.score import Evaluation
from slaeval.report import ReportData, collect


def find(
    source: str | os.PathLike[str],
    dataset: str | None = None,
    *,
    against: str | os.PathLike[str] | None = None,
    train: str | os.PathLike[str] | None = None,
    pictures: int = 0,
    **request: Any,
) -> ReportData:
    """Collect for a hypothesis file or a run; the other options are those of a request."""
    sources = [source] if against is None else [source, against]
    systems = Evaluation.open_all(sources, Request(dataset, **request))
    return collect(*systems, train=train, pictures=pictures)
