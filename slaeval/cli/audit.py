"""``slaeval audit``: one hypothesis file under every protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from slaeval.cli.options import (
    dev_evaluations,
    evaluations,
    format_options,
    needed,
    path_option,
    request_options,
    source_argument,
    tell_references,
    text_option,
    top_option,
)
from slaeval.console import beside, paragraph, styled, table, warn
from slaeval.errors import UsageError, counted
from slaeval.evaluation.audit import audit_evaluation
from slaeval.evaluation.claims import WAYS, as_fraction, check_claim, parse_claim
from slaeval.evaluation.overwriting import check_outputs
from slaeval.evaluation.tables import (
    PaperRow,
    as_csv,
    as_json,
    as_latex,
    as_markdown,
    latex_notes,
    score_row,
)
from slaeval.files import write_whole
from slaeval.scoring.protocols import protocols
from slaeval.scoring.score import finite, percent

if TYPE_CHECKING:
    from slaeval.evaluation.audit import Audit, AuditRow
    from slaeval.evaluation.claims import Claim
    from slaeval.evaluation.request import Request
    from slaeval.evaluation.tables import Format, Printed
    from slaeval.scoring.score import Counts

__all__ = ["audit", "pasted", "render"]


@click.command()
@source_argument
@request_options(protocol=False)
@click.option(
    "--protocol",
    "names",
    multiple=True,
    metavar="NAME",
    help="Score under this protocol besides official; repeatable.  [default: all]",
)
@path_option(
    "--dev",
    "RUN|FILE",
    "Also audit these hypotheses on the dev split: more rows, or the dev cells in LaTeX.",
)
@top_option(3, "Number of changed segments to show per protocol.")
@text_option
@click.option(
    "--claimed",
    metavar="FIGURE",
    help="A published WER in percent, as printed: show which protocols, roundings and splits of "
    "this file give it. With --text a BLEU-4, or another figure: rouge=38.7.",
)
@format_options
@path_option("--csv", "FILE", "Write one row per protocol.")
@click.option("--list", "list_", is_flag=True, help="List the protocols and exit.")
def audit(
    source: str | None,
    request: Request,
    names: tuple[str, ...],
    dev: str | None,
    top: int,
    claimed: str | None,
    text: bool,
    form: Format,
    csv: str | None,
    list_: bool,
) -> None:
    """Score one file under every protocol in use.

    Shows how much the scores differ, what a perfect transcript would score under each
    protocol, how often each cleanup rule applied and which segments change most, so that you
    can tell which protocol a published number used.

    \b
    slaeval audit hyp.ctm --dataset phoenix2014t
    slaeval audit hyp.ctm --dataset phoenix2014t --dev dev.ctm --claimed 24.3
    """
    shown = _translations() if text else _GLOSSES
    if list_:
        click.echo(shown.list_protocols())
        return
    source = needed(source)
    check_outputs([source, dev], [csv], request)
    if claimed is not None and form not in ("table", "json"):
        raise UsageError(f"--claimed is answered as a table or JSON, not as {form}")
    if claimed is not None:
        shown.parse_claim(claimed)  # better now than after the scoring
    evaluation = evaluations(text).open(source, request)
    # A claim is held to both splits in one table; other tables of two splits are pasted.
    side_by_side = "markdown" if claimed is not None and not text else form
    others = dev_evaluations([dev] if dev is not None else [], [evaluation], side_by_side)
    results = [shown.audit(one, names or None) for one in (*others, evaluation)]
    if csv is not None:
        write_whole(csv, shown.pasted(results, "csv"))
    for one in (*others, evaluation):
        tell_references(one.references)
    for result in results:
        for message in result.warnings:
            warn(message if dev is None else f"{result.split}: {message}")
    if form == "json":
        out = results[-1].to_dict(top)
        if claimed is not None:
            out["claimed"] = [claim.to_dict() for claim in shown.check_claim(results, claimed)]
        click.echo(as_json(out))
    elif form == "table":
        click.echo(shown.render(results, top, claimed))
    else:
        click.echo(shown.pasted(results, form), nl=form != "csv")


class _Shown(NamedTuple):
    """What differs between an audit of glosses and one of translations."""

    audit: Callable[[Any, Sequence[str] | None], Any]
    list_protocols: Callable[[], str]
    parse_claim: Callable[[str], object]
    check_claim: Callable[[Sequence[Any], str], Sequence[Any]]
    render: Callable[[Sequence[Any], int, str | None], str]
    pasted: Callable[[Sequence[Any], Format], str]


def _translations() -> _Shown:
    from slaeval.cli import text
    from slaeval.evaluation.text.audit import audit_text, check_figure, parse_figure

    return _Shown(
        audit_text,
        text.list_protocols,
        parse_figure,
        check_figure,
        text.render_audit,
        text.pasted_audit,
    )


def _list_protocols() -> str:
    out = []
    for rules in protocols():
        out.append(f"{styled(rules.name, bold=True)} (version {rules.version})")
        out.append(paragraph(rules.title, "    ", "      "))
        out.append(paragraph(f"used by: {rules.used_by}", "    ", "      "))
        if rules.caveat:
            out.append(paragraph(f"Note: {rules.caveat}", "    ", "      "))
    return "\n".join(out)


def pasted(results: Sequence[Audit], form: Format) -> str:
    """Write audits of the same protocols as Markdown, LaTeX or CSV.

    Parameters
    ----------
    results : sequence of Audit
        One per split.
    form : {"markdown", "latex", "csv"}
        LaTeX has one row per protocol, the others one per protocol and split.
    """
    if form == "latex":
        cells: dict[str, dict[str, Counts | Printed]] = {}
        for result in results:
            for row in result.rows:
                by_split = cells.setdefault(row.protocol.name, {})
                by_split[result.split or ""] = row.score.total
        return as_latex(
            [PaperRow(name, by_split) for name, by_split in cells.items()],
            first="Protocol",
            notes=[
                note
                for result in results
                for row in result.rows
                for note in latex_notes(row.protocol.name, row.score)
            ],
        )
    rows = [
        {
            **{key: value for key, value in score_row("", row.score).items() if key != "system"},
            "difference": finite(row.difference),
            "floor": finite(row.floor.wer),
            "moved_segments": len(row.moved),
        }
        for result in results
        for row in result.rows
    ]
    if form == "csv":
        return as_csv(rows)
    counts = ("substitutions", "deletions", "insertions", "reference_words")
    splits = ("split",) if len(results) > 1 else ()
    columns = (*splits, "protocol", "wer", "difference", *counts, "floor", "moved_segments")
    signatures = [f"`{result.rows[0].score.signature}`" for result in results]
    return "\n\n".join([as_markdown(rows, columns), *signatures])


def render(results: Sequence[Audit], top: int, claimed: str | None = None) -> str:
    """Lay an audit out for a person: the first, or all held to what was claimed."""
    if claimed is not None:
        return "\n".join(_claims(results, claimed))
    result = results[0]
    what = " ".join(filter(None, (result.dataset, result.split))) or "own references"
    out = [
        paragraph(
            f"{what}: one file under {counted(len(result.rows), 'protocol')}, {_spread(result)}",
            "",
        ),
        "",
        table(
            [
                (
                    row.protocol.name + (" (official)" if index == 0 else ""),
                    percent(row.score.wer),
                    percent(row.difference, "+") if index else "",
                    row.score.substitutions,
                    row.score.deletions,
                    row.score.insertions,
                    row.score.reference_words,
                    percent(row.floor.wer),
                    len(row.moved) if index else "",
                )
                for index, row in enumerate(result.rows)
            ],
            ("protocol", "WER %", "diff", "S", "D", "I", "words", "floor %", "changed"),
        ),
        "",
        paragraph(
            "floor: score of a perfect transcript; changed: segments whose error count differs "
            "from the official one"
        ),
    ]
    for row in result.rows:
        out += ["", *_details(row, top)]
    return "\n".join(out)


def _spread(result: Audit) -> str:
    """Say how far the readings are apart."""
    defined = [row.protocol.name for row in result.rows if row.score.reference_words]
    if not defined:
        return "no WER: there are no reference words"
    if len(defined) == 1:
        return f"a WER under {defined[0]} only"
    return f"{percent(result.spread)} points between lowest and highest"


def _claims(results: Sequence[Audit], claimed: str) -> list[str]:
    """Lay out which readings are the number that was claimed."""
    claims = check_claim(results, claimed)
    number, _ = parse_claim(claimed)
    several = len(results) > 1
    names = [f"{one.protocol} on {one.split}" if several else one.protocol for one in claims]
    giving = [pair for pair in zip(names, claims, strict=True) if pair[1].matches]
    what = " ".join(filter(None, (results[-1].dataset, "" if several else results[-1].split)))
    rows = [
        (
            ("> " if claim.matches else "  ") + name,
            percent(claim.wer),
            *(("* " if way in claim.matches else "") + claim.printed.get(way, "") for way in WAYS),
        )
        for name, claim in zip(names, claims, strict=True)
    ]
    out = [
        f"{what or 'own references'}: {number} matches {len(giving) or 'none'} of "
        f"{counted(len(claims), 'reading')}",
        "",
        table(rows, ("protocol", "WER %", *WAYS)),
        "",
    ]
    if giving:
        matching = "; ".join(f"{name} ({_ways(claim)})" for name, claim in giving)
        return [*out, paragraph(f"{number} matches {matching}.")]
    return [
        *out,
        paragraph(
            f"No protocol, rounding or split gives {number}. The nearest is {names[0]}: "
            f"{percent(claims[0].wer)}.{as_fraction(number)}"
        ),
    ]


def _ways(claim: Claim) -> str:
    return "however rounded" if claim.matches == WAYS else ", ".join(claim.matches)


def _details(row: AuditRow, top: int) -> list[str]:
    rules = row.protocol
    out = [styled(f"  {rules.name}", bold=True)]
    out.append(paragraph(rules.title, "    "))
    out.append(paragraph(f"used by {rules.used_by}", "    ", "      "))
    if rules.caveat:
        out.append(paragraph(f"Note: {rules.caveat}", "    ", "      "))
    for side, fired in (
        ("reference", row.reference_rules),
        ("hypothesis", row.hypothesis_rules),
    ):
        if fired:
            shown = ", ".join(f"{name} {count}" for name, count in fired.items())
            out.append(paragraph(f"{side} rules applied: {shown}", "    ", "      "))
    for segment in row.moved[:top]:
        out.append(
            f"    {segment.id}: {counted(segment.official, 'error')} under official, "
            f"{segment.errors} here"
        )
        for whose, reference, hypothesis in (
            ("official", segment.official_reference, segment.official_hypothesis),
            ("here", segment.reference, segment.hypothesis),
        ):
            out.append(beside(f"{whose:8} REF", reference))
            out.append(beside(f"{'':8} HYP", hypothesis))
    return out


_GLOSSES = _Shown(audit_evaluation, _list_protocols, parse_claim, check_claim, render, pasted)
