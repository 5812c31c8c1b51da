"""``slaeval score``: one hypothesis file, its WER and what the number means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from slaeval.cli.options import (
    dev_evaluations,
    evaluations,
    format_options,
    in_groups,
    needed,
    path_option,
    refuse_given,
    request_options,
    source_argument,
    tell_references,
    text_option,
    top_option,
)
from slaeval.console import isolated, paragraph, styled, table, warn
from slaeval.errors import UsageError, counted
from slaeval.evaluation.overwriting import check_outputs
from slaeval.evaluation.tables import as_json, bleu_lines
from slaeval.files import write_whole
from slaeval.scoring.score import percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slaeval.evaluation.base import BaseEvaluation
    from slaeval.evaluation.request import Request
    from slaeval.evaluation.tables import Format
    from slaeval.scoring.score import Counts, Score

__all__ = ["pasted", "render", "score"]


@click.command(
    cls=in_groups(
        {
            "Hypotheses": ("pred", "dev", "pred_format", "fix_ids", "text"),
            "References": ("dataset", "split", "root", "setup", "ref"),
            "Scoring": ("protocol", "bootstrap", "bleu"),
            "Output": (
                *("groupings", "top", "format_", "as_json"),
                *("csv", "alignments", "pra", "dtl", "html"),
            ),
        }
    )
)
@source_argument
@request_options()
@path_option(
    "--dev",
    "RUN|FILE",
    "Also score these hypotheses on the dev split: a second row, or the dev cells in LaTeX.",
)
@click.option(
    "--by",
    "groupings",
    multiple=True,
    metavar="GROUP",
    help="Show counts by signer, length or sentence; repeatable.  [default: signer]",
)
@top_option(10, "Number of confusions to show.")
@click.option(
    "--bootstrap",
    default=0,
    type=click.IntRange(0, 1_000_000),
    metavar="N",
    help="Compute the interval from N bootstrap resamples instead of the linearised estimator.",
)
@click.option("--bleu", is_flag=True, help="Also BLEU and chrF over glosses, by sacrebleu.")
@text_option
@format_options
@path_option("--csv", "FILE", "Write one row per segment.")
@path_option(
    "--alignments", "FILE", "Write the aligned words of every segment in error, for reading."
)
@path_option("--pra", "FILE", "Write alignments in sclite's format (-o pra).")
@path_option("--dtl", "FILE", "Write sclite's detailed report (-o dtl).")
@path_option("--html", "FILE", "Also write the page of 'slaeval report'.")
def score(
    source: str | None,
    request: Request,
    dev: str | None,
    groupings: tuple[str, ...],
    top: int,
    bootstrap: int,
    bleu: bool,
    text: bool,
    form: Format,
    csv: str | None,
    alignments: str | None,
    pra: str | None,
    dtl: str | None,
    html: str | None,
) -> None:
    """Score a hypothesis file or a run folder.

    Prints the word error rate with its 95 % interval, substitutions, deletions and
    insertions, counts by signer, the most frequent confusions and the signature.

    \b
    slaeval score hyp.ctm --dataset phoenix2014t
    slaeval score hyp.ctm --dataset csl-daily --split dev --root ~/data/CSL-Daily
    slaeval score hyp.ctm --ref phoenix2014-groundtruth-test.stm
    slaeval score test.ctm --dev dev.ctm --dataset phoenix2014t --format latex
    slaeval score runs/sla_lora

    With --text: BLEU-1 to -4, chrF, ROUGE-L and WER of translations, with bootstrap intervals.

    \b
    slaeval score --text --pred hyp.txt --dataset phoenix2014t
    """
    source = needed(source)
    if groupings and form == "csv":
        raise UsageError(
            "--format csv writes one row per file: leave out --by, or use --format json"
        )
    if text:
        refuse_given(("bleu", "alignments", "pra", "dtl"), "that is for glosses, not --text:")
    check_outputs([source, dev], [csv, alignments, pra, dtl, html], request)
    evaluation = evaluations(text).open(source, request)
    others = dev_evaluations([dev] if dev is not None else [], [evaluation], form)
    systems = [(one.name, _score(one, bootstrap, bleu)) for one in (evaluation, *others)]
    result = systems[0][1]
    groups = {name: result.by(name) for name in groupings or (() if text else ("signer",))}
    _write(result, csv, alignments, pra, dtl)
    if html is not None:
        write_whole(html, _page(evaluation, text, bootstrap))
    for one in (evaluation, *others):
        tell_references(one.references)
    for (_, scored), prefix in zip(systems, ("", "dev: "), strict=False):
        for message in scored.warnings:
            warn(prefix + message)
    if form == "json":
        out = result.to_dict()
        for name in groupings:
            out[f"by_{name}"] = {group.name: group.to_dict() for group in groups[name]}
        shown = as_json(out)
    elif text:
        from slaeval.cli.text import show_score

        shown = show_score(systems, groups, top, form)
    elif form == "table":
        shown = render(result, groups, top)
    else:
        listed = groups if groupings or form == "markdown" else {}
        shown = pasted(systems, listed, top, form)
    click.echo(shown, nl=form != "csv")


def _page(evaluation: Any, text: bool, bootstrap: int) -> str:
    """Return the page of ``slaeval report``."""
    if text:
        from slaeval.report.translations import collect_translations, render_translations

        return render_translations(collect_translations(evaluation, bootstrap=bootstrap))
    from slaeval.report import collect
    from slaeval.report import render as as_html

    return as_html(collect(evaluation, bootstrap=bootstrap))


def _score(evaluation: BaseEvaluation[Any, Any], bootstrap: int, bleu: bool) -> Any:
    result = evaluation.score()
    if bootstrap:
        result = result.with_bootstrap(bootstrap)
    if bleu:
        from slaeval.evaluation.overlap import with_bleu

        result = with_bleu(result)
    return result


def pasted(
    systems: Sequence[tuple[str, Score]],
    groups: Mapping[str, list[Counts]],
    top: int,
    form: Format,
) -> str:
    """Write a score as Markdown, LaTeX or CSV.

    Parameters
    ----------
    systems : sequence of (str, Score)
        Name and score: of what was scored, then of the dev split.
    groups : mapping
        Grouping to the counts of the first.
    top : int
        Number of confusions in Markdown.
    form : {"markdown", "latex", "csv"}
        CSV has one row per file and protocol, LaTeX one row for both splits.
    """
    import os

    from slaeval.evaluation.tables import (
        PaperRow,
        as_csv,
        as_latex,
        as_markdown,
        group_row,
        latex_notes,
        score_row,
    )

    name, result = systems[0]
    rows = [
        score_row(system, reading)
        for system, score in systems
        for reading in (score, *score.other_readings)
    ]
    if form == "csv":
        return as_csv(rows)
    if form == "latex":
        notes = [line for system, score in systems for line in latex_notes(system, score)]
        cells = {score.split or "": score.total for _, score in systems}
        row = PaperRow(os.path.splitext(name)[0], cells, result.protocol)
        parts = [as_latex([row], notes=notes)]
        for grouping, rows_of in groups.items():
            by = [PaperRow(group.name, {result.split or "": group}) for group in rows_of]
            parts.append(as_latex(by, first=grouping.capitalize()))
        return "\n\n".join(parts)
    counts = ("substitutions", "deletions", "insertions", "reference_words")
    parts = [
        as_markdown(rows, ("system", "split", "protocol", "wer", "wer_low", "wer_high", *counts))
    ]
    for grouping, rows_of in groups.items():
        by_rows = [group_row(grouping, group) for group in rows_of]
        parts.append(as_markdown(by_rows, (grouping, "segments", "wer", *counts)))
    confusions = [
        {"reference": pair.reference, "hypothesis": pair.hypothesis, "count": pair.count}
        for pair in result.confusions()[:top]
    ]
    if confusions:
        parts.append(as_markdown(confusions, ("reference", "hypothesis", "count")))
    parts += [
        f"`{score.split}: {line}`" if len(systems) > 1 else f"`{line}`"
        for _, score in systems
        for line in bleu_lines(score)
    ]
    signatures = [f"`{score.signature}`" for _, score in systems]
    return "\n\n".join([*parts, *signatures])


def _write(
    result: Score, csv: str | None, alignments: str | None, pra: str | None, dtl: str | None
) -> None:
    """Write the files asked for, each whole or not at all."""
    if csv is not None:
        from slaeval.evaluation.tables import as_csv

        write_whole(csv, as_csv(result.rows()))
    if alignments is not None:
        write_whole(alignments, result.alignments() + "\n")
    if pra is not None or dtl is not None:
        from slaeval.scoring import sclite_reports
        from slaeval.scoring.protocols import protocol

        fold = protocol(result.protocol).fold
        # The scripts sort the references, so sclite's reports are in the order of ids.
        segments = sorted(result.segments, key=lambda segment: segment.id)
        if pra is not None:
            write_whole(pra, sclite_reports.pra(segments, fold=fold))
        if dtl is not None:
            write_whole(dtl, sclite_reports.dtl(segments, fold=fold))


def render(result: Score, groups: Mapping[str, list[Counts]], top: int) -> str:
    """Lay a score out for a person."""
    from slaeval.scoring.protocols import OFFICIAL, protocol

    total = result.total
    rules = protocol(result.protocol)
    what = " ".join(filter(None, (result.dataset, result.split))) or "own references"
    name = f"official ({OFFICIAL})" if result.protocol == OFFICIAL else result.protocol
    interval = result.wer_ci
    between = ""
    if interval is not None:
        how = f"bootstrap, {result.bootstrap} resamples" if result.bootstrap else "over segments"
        between = f"   95 % [{interval[0]:.2f}, {interval[1]:.2f}] {how}"
    wer = percent(total.wer, unit=" %")
    if not total.reference_words:
        wer += ": no reference words"
    out = [
        paragraph(f"{what}, protocol {name}: {rules.title}", "", "  "),
        "",
        styled(f"  WER {wer}", bold=True) + between,
        "",
        table(
            [
                (label, count, f"{total.rate(count):.2f}" if total.reference_words else "-")
                for label, count in (
                    ("substitutions", total.substitutions),
                    ("deletions", total.deletions),
                    ("insertions", total.insertions),
                    ("errors", total.errors),
                    ("correct", total.correct),
                    ("reference words", total.reference_words),
                    ("hypothesis words", total.hypothesis_words),
                )
            ],
            ("", "count", "% of reference"),
        ),
        "",
        f"  {total.segment_errors} of {total.segments} segments contain an error "
        f"({100 * total.segment_errors / max(1, total.segments):.1f} %)",
    ]
    if result.floor is not None and result.floor.errors and result.floor.reference_words:
        out.append(
            paragraph(
                f"A perfect transcript scores {result.floor.wer:.2f} % under this protocol "
                f"({counted(result.floor.errors, 'error')}): "
                f"{rules.caveat or 'only one side is changed'}."
            )
        )
    for other in result.other_readings:
        out += ["", _other_reading(result, other)]
    for grouping, rows in groups.items():
        out += ["", f"  by {grouping}", group_table(rows, grouping)]
    if top:
        out += _most_frequent(result, top)
    if result.bleu:
        out += ["", *(f"  {line}" for line in bleu_lines(result))]
    out += ["", f"  {result.signature}"]
    return "\n".join(out)


def _most_frequent(result: Score, top: int) -> list[str]:
    """Lay out the most frequent confusions, and the words most often deleted and inserted."""
    out = []
    if confusions := result.confusions():
        shown = [(pair.reference, pair.hypothesis, pair.count) for pair in confusions[:top]]
        heads = ("reference", "hypothesis", "count")
        out += ["", f"  most frequent of {len(confusions)} confusions"]
        out.append(table(shown, heads, left=2, indent="    "))
    for label, words in (
        ("deleted", [(pair.reference, pair.count) for pair in result.deleted()]),
        ("inserted", [(pair.hypothesis, pair.count) for pair in result.inserted()]),
    ):
        if words:
            listed = ", ".join(f"{isolated(word)} {count}" for word, count in words[:top])
            out += ["", paragraph(f"most often {label}: {listed}")]
    return out


def _other_reading(result: Score, other: Score) -> str:
    from slaeval.scoring.protocols import protocol

    difference = other.wer - result.wer
    rules = protocol(other.protocol)
    return (
        f"  {other.protocol}: {other.wer:.2f} % ({difference:+.2f})  S {other.substitutions}  "
        f"D {other.deletions}  I {other.insertions}  of {other.reference_words} words\n"
        + paragraph(
            f"{rules.title}: {rules.caveat}. Most papers report {result.protocol} on this "
            "corpus too: state which you report.",
            "    ",
        )
    )


def group_table(rows: list[Counts], grouping: str) -> str:
    """Lay out counts by group, the table of ``--by``."""
    shown = rows
    if grouping == "sentence":
        shown = sorted(rows, key=lambda row: (-row.errors, row.name))[:20]
    return table(
        [
            (
                row.name if len(row.name) <= 60 else row.name[:59] + "…",
                row.segments,
                row.reference_words,
                row.substitutions,
                row.deletions,
                row.insertions,
                percent(row.wer),
            )
            for row in shown
        ],
        (grouping, "segments", "words", "S", "D", "I", "WER %"),
        indent="    ",
    )
