"""The page: a report laid out as one self-contained HTML file.

The essential content is HTML from the templates beside this module and works without JavaScript
and on paper. The script adds the list of all segments, search, sorting and filters. Style sheet
and script are embedded in the page; its security policy names them by hash, so that nothing else
can run, whatever the glosses contain. There are no style attributes and no handlers. The same
findings give the same bytes.

Templates escape everything that is not marked as safe; only the style sheet, the script and
:func:`~slaeval.report.segment_data.as_script` are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from slaeval._version import __version__
from slaeval.report.filters import FILTERS, LONGEST, OPERATIONS, language, without_controls
from slaeval.report.segment_data import as_script, segment_data
from slaeval.report.thumbnails import worst
from slaeval.scoring.protocols import OFFICIAL
from slaeval.scoring.score import percent

if TYPE_CHECKING:
    from jinja2 import Environment

    from slaeval.report.findings import ReportData

__all__ = ["Section", "asset", "environment", "render"]

#: Rows of the tables of words; of the segments on paper; of those won and lost; of a table of
#: groups that is shown whole.
_ROWS, _WORST, _DIFFERENT, _GROUP_ROWS = 60, 20, 8, 16

#: Heading, first column and note of each grouping.
_GROUPS = {
    "signer": ("By signer", "signer", ""),
    "length": ("By reference length", "glosses", ""),
    "frequency": (
        "By frequency in training",
        "in training",
        "A substitution or deletion counts for the gloss that was signed, an insertion for the "
        "gloss that was inserted.",
    ),
    "position": (
        "By position in the sentence",
        "part",
        "An insertion counts for the word that follows it.",
    ),
}


class Section(NamedTuple):
    """A part of the page; its template is named after the id unless given."""

    id: str
    title: str
    template: str = ""


def render(found: ReportData) -> str:
    """Return the report as HTML text.

    Parameters
    ----------
    found : ReportData
        What :func:`slaeval.report.collect` gathered.
    """
    sections = [
        Section("summary", "Summary"),
        Section("where", "Where the errors are"),
        Section("confusions", "Confusions"),
        Section("words", "Deleted and inserted"),
    ]
    if found.comparison is not None:
        sections.append(Section("comparison", "Comparison"))
    sections += [Section("audit", "Protocols"), Section("segments", "Segments")]
    score = found.score
    tag = language(score.dataset)
    names = [found.name] if found.comparison is None else list(found.comparison.names)
    by_id = {segment.id: segment for segment in score.segments}
    return (
        environment()
        .get_template("page.html")
        .render(
            rate=f"WER {percent(score.wer, unit=' %')}",
            found=found,
            score=score,
            sections=sections,
            groupings=_GROUPS,
            tag=tag,
            signed=_count(segment.reference for segment in score.segments),
            recognised=_count(segment.hypothesis for segment in score.segments),
            worst=[by_id[name] for name in worst(score, _WORST) if by_id[name].errors],
            data=as_script({"lang": tag, "names": names, **segment_data(found)}),
            style=asset("page.css"),
            script=asset("tables.js") + asset("page.js"),
        )
    )


def environment() -> Environment:
    """Return the template environment: everything is escaped, undefined names are errors."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("slaeval.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=without_controls,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(FILTERS)
    made.globals.update(
        version=__version__,
        official=OFFICIAL,
        op_names=OPERATIONS,
        longest=LONGEST,
        rows=_ROWS,
        different=_DIFFERENT,
        group_rows=_GROUP_ROWS,
    )
    return made


def asset(name: str) -> str:
    """Return the text of a file beside the templates."""
    return files("slaeval.report").joinpath("templates", name).read_text("utf-8")


def _count(sentences: Iterable[Iterable[str]]) -> Counter[str]:
    return Counter(word for words in sentences for word in words)
