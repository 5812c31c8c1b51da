"""``score --text``, ``audit --text``, ``compare --text`` and ``report --text``: translations."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from slaeval.cli.options import is_given, tell_references
from slaeval.console import beside, paragraph, styled, table, warn
from slaeval.errors import counted
from slaeval.evaluation.claims import as_fraction
from slaeval.evaluation.tables import (
    TEXT_HEADS,
    PaperRow,
    as_csv,
    as_latex,
    as_markdown,
    markdown_escaped,
    p_value,
    text_notes,
    text_row,
)
from slaeval.evaluation.text.audit import check_figure
from slaeval.evaluation.text.checks import stop_on_one_side
from slaeval.evaluation.text.evaluation import TextEvaluation
from slaeval.files import write_whole

if TYPE_CHECKING:
    from slaeval.evaluation.request import Request
    from slaeval.evaluation.tables import Format
    from slaeval.evaluation.text.audit import TextAudit, TextAuditRow
    from slaeval.evaluation.text.compare import TextComparison, TextPair
    from slaeval.loaders.records import CorpusDefault
    from slaeval.scoring.text.score import TextGroup, TextScore

__all__ = [
    "list_protocols",
    "pasted_audit",
    "pasted_comparison",
    "pasted_score",
    "render_audit",
    "render_comparison",
    "render_score",
    "report_text",
    "show_comparison",
    "show_score",
]

#: Sentences shown unless --top says how many.
_TOP = 3

_COLUMNS = ("rouge", "bleu1", "bleu2", "bleu3", "bleu4", "bleu4_low", "bleu4_high", "chrf", "wer")


def _what(score: TextScore) -> str:
    return " ".join(filter(None, (score.dataset, score.split))) or "own references"


# ---------------------------------------------------------------- score


def show_score(
    systems: Sequence[tuple[str, TextScore]],
    groups: Mapping[str, list[TextGroup]],
    top: int,
    form: Format,
) -> str:
    """Lay out a score of translations, and that of the dev split where one is pasted."""
    name, result = systems[0]
    if form != "table":
        return pasted_score([(name, score) for _, score in systems], form)
    return render_score(result, groups, top if is_given("top") else min(top, _TOP))


def pasted_score(systems: Sequence[tuple[str, TextScore]], form: Format) -> str:
    """Format named scores as Markdown, LaTeX (one row per system, with both splits) or CSV."""
    if form == "latex":
        cells: dict[tuple[str, str], dict[str, TextScore]] = {}
        for name, score in systems:
            # An audit names its rows by their protocols.
            rules = "" if name == score.protocol else score.protocol
            cells.setdefault((os.path.splitext(name)[0], rules), {})[score.split or ""] = score
        notes = [note for name, score in systems for note in text_notes(name, score)]
        return as_latex(
            [PaperRow(name, by_split, rules) for (name, rules), by_split in cells.items()],
            notes=notes,
            heads=TEXT_HEADS,
        )
    rows = [text_row(name, score) for name, score in systems]
    if form == "csv":
        return as_csv(rows)
    parts = [as_markdown(rows, ("system", "split", "protocol", *_COLUMNS))]
    return "\n\n".join([*parts, *(f"`{score.signature}`" for _, score in systems)])


def render_score(result: TextScore, groups: Mapping[str, list[TextGroup]], top: int) -> str:
    """Format a score of translations for the terminal."""
    from slaeval.loaders.registry import corpus_default

    form = result.form
    units = [
        sum(len(words) for words in side)
        for side in (
            (segment.reference for segment in result.aligned),
            (segment.hypothesis for segment in result.aligned),
        )
    ]
    notes = {"rouge": f", beta {form.rouge.beta}", "wer": f" over {result.unit}"}
    rows = []
    for key, figure in result.figures.items():
        between = "" if figure.interval is None else "[{:.2f}, {:.2f}]".format(*figure.interval)
        rows.append((figure.name + notes.get(key, ""), f"{figure.value:.2f}", between))
    default = corpus_default(result.dataset)
    out = [
        paragraph(
            f"{_what(result)}, translations, protocol {result.protocol}: {result.rules.title}",
            "",
            "  ",
        ),
        "",
        table(rows, ("", "%", "95 %")),
        "",
        paragraph(
            f"{len(result.segments)} segments, {units[0]} reference {result.unit}, "
            f"{units[1]} in the hypotheses (ratio {units[1] / units[0]:.3f}). Intervals: "
            f"bootstrap, {result.bootstrap} resamples. References: {result.source}."
            if units[0]
            else f"{len(result.segments)} segments without reference {result.unit}."
        ),
    ]
    if result.rules.caveat:
        out.append(paragraph(f"Note: {result.rules.caveat}."))
    if result.dataset is not None and default.protocol == result.protocol:
        out.append(paragraph(f"Default on this corpus: {default.reason}."))
    if result.other_readings:
        out += ["", "  the same file under other protocols in use"]
        out += _readings(result, result.other_readings)
    for grouping, rows_of in groups.items():
        out += ["", f"  by {grouping}", _group_table(grouping, rows_of)]
    if top:
        out += ["", f"  lowest of {len(result.segments)} sentences (sentence BLEU, smoothed)"]
        out += _worst(result, top)
    out += ["", f"  {result.signature}"]
    return "\n".join(out)


#: Below a table in which a protocol has the mark ``*``.
_ONE_SIDE = (
    "* final punctuation on one side only: scores lower than a system built for this protocol"
)


def _readings(base: TextScore, others: Sequence[TextScore]) -> list[str]:
    one_sided = [stop_on_one_side(other) for other in others]
    rows = [
        (
            other.protocol + "*" * marked,
            f"{other.bleu():.2f}",
            f"{other.bleu() - base.bleu():+.2f}",
            f"{other.rouge:.2f}",
            other.form.rouge.beta,
        )
        for other, marked in zip(others, one_sided, strict=True)
    ]
    lines = [table(rows, ("protocol", "BLEU-4", "diff", "ROUGE-L", "beta"), indent="    ")]
    return [*lines, paragraph(_ONE_SIDE, "    ", "      ")] if any(one_sided) else lines


def _group_table(grouping: str, groups: Sequence[TextGroup]) -> str:
    return table(
        [
            (
                group.name,
                group.segments,
                *(f"{value:.2f}" for value in (group.bleu, group.chrf, group.rouge, group.wer)),
                f"{group.hypothesis_units / max(1, group.reference_units):.2f}",
            )
            for group in groups
        ],
        (grouping, "segments", "BLEU-4", "chrF2", "ROUGE-L", "WER", "length"),
        indent="    ",
    )


def _worst(result: TextScore, top: int) -> list[str]:
    ranked = sorted(
        zip(result.sentence_bleu, result.segments, strict=True),
        key=lambda row: (row[0], -len(row[1].reference), row[1].id),
    )
    return [
        f"    {segment.id}: {bleu:.1f}\n"
        + "\n".join([beside("REF", segment.reference), beside("HYP", segment.hypothesis)])
        for bleu, segment in ranked[:top]
    ]


# ---------------------------------------------------------------- report


def report_text(sources: Sequence[str], request: Request, glosses: str | None, out: str) -> None:
    """Write the report page for translations; see :func:`slaeval.cli.report.report`."""
    from slaeval.evaluation.score import Evaluation
    from slaeval.report.translations import collect_translations, render_translations

    evaluation, *others = TextEvaluation.open_all(sources, request)
    recognised = None
    if glosses is not None:
        # The options for reading translations do not apply to glosses.
        asked = request._replace(protocol="official", format="auto")
        recognised = Evaluation.open(glosses, asked)
    found = collect_translations(evaluation, others[0] if others else None, recognised)
    tell_references(evaluation.references)
    for message in found.score.warnings:
        warn(message)
    text = render_translations(found)
    write_whole(out, text)
    click.echo(
        f"{out}: BLEU-4 {found.score.bleu():.2f} ({found.score.protocol}), "
        f"{len(found.sentences)} sentences, {len(text.encode()) / 1e3:.0f} kB"
    )


# ---------------------------------------------------------------- audit


def list_protocols() -> str:
    """Describe the text protocols and the default of each corpus."""
    from slaeval.loaders.registry import layouts
    from slaeval.scoring.text.protocols import text_protocols

    out = []
    for rules in text_protocols():
        scripts = " and ".join(
            name
            for name, form in (("words", rules.words), ("Chinese", rules.chinese))
            if form is not None
        )
        out.append(f"{styled(rules.name, bold=True)} (version {rules.version}), {scripts}")
        out.append(paragraph(rules.title, "    ", "      "))
        out.append(paragraph(f"used by {rules.used_by}", "    ", "      "))
        out.append(paragraph(f"source: {rules.source}", "    ", "      "))
        if rules.caveat:
            out.append(paragraph(f"Note: {rules.caveat}", "    ", "      "))
    corpora: dict[CorpusDefault, list[str]] = {}
    for name, described in layouts().items():
        if described.translations is not None:
            corpora.setdefault(described.translations, []).append(name)
    for default, names in corpora.items():
        what = f"{', '.join(names)}: {default.protocol}"
        out.append(paragraph(f"{what}, because {default.reason}", "", "  "))
    return "\n".join(out)


def pasted_audit(results: Sequence[TextAudit], form: Format) -> str:
    """Format audits of the same protocols as Markdown, LaTeX or CSV."""
    scored = [(row.protocol.name, row.score) for result in results for row in result.rows]
    if form == "latex":
        return pasted_score(scored, form)
    rows = [
        {
            **{key: value for key, value in text_row("", row.score).items() if key != "system"},
            "difference": row.difference,
            "moved_segments": len(row.moved),
        }
        for result in results
        for row in result.rows
    ]
    if form == "csv":
        return as_csv(rows)
    splits = ("split",) if len(results) > 1 else ()
    columns = (*splits, "protocol", *_COLUMNS, "difference", "moved_segments")
    return "\n\n".join([as_markdown(rows, columns), f"`{results[0].rows[0].score.signature}`"])


def render_audit(results: Sequence[TextAudit], top: int, claimed: str | None = None) -> str:
    """Format an audit of translations for the terminal."""
    result = results[0]
    apart = f", BLEU-4 {result.spread:.2f} points apart" if len(result.rows) > 1 else ""
    what = " ".join(filter(None, (result.dataset, result.split))) or "own references"
    out = [
        paragraph(
            f"{what}, translations: one file under {counted(len(result.rows), 'protocol')}"
            f"{apart}. References: {result.source}.",
            "",
            "  ",
        ),
        "",
        table(
            [
                (
                    row.protocol.name + "*" * row.one_sided + " (default)" * (index == 0),
                    *(f"{row.score.bleu(order):.2f}" for order in (1, 4)),
                    f"{row.difference:+.2f}" if index else "",
                    f"{row.score.chrf:.2f}",
                    f"{row.score.rouge:.2f}",
                    f"{row.score.wer:.2f}",
                    len(row.moved) if index else "",
                )
                for index, row in enumerate(result.rows)
            ],
            ("protocol", "BLEU-1", "BLEU-4", "diff", "chrF2", "ROUGE-L", "WER", "moved"),
        ),
        "",
        paragraph(
            "diff: BLEU-4 points; moved: sentences whose sentence BLEU changes. ROUGE-L is "
            "computed in three ways: see beta below."
        ),
    ]
    if any(row.one_sided for row in result.rows):
        out.append(paragraph(_ONE_SIDE))
    if result.undefined:
        out.append(paragraph(f"Not defined for this text: {', '.join(result.undefined)}."))
    if claimed is not None:
        out += ["", *_claims(result, claimed)]
    for row in result.rows:
        out += ["", *_details(row, top)]
    return "\n".join([*out, "", f"  {result.rows[0].score.signature}"])


def _claims(result: TextAudit, claimed: str) -> list[str]:
    claims = check_figure([result], claimed)
    name = result.rows[0].score.figures[claims[0].figure].name
    found = [claim.protocol for claim in claims if claim.matches]
    if found:
        verdict = f"{name} {claims[0].claimed} matches {', '.join(found)}."
    else:
        nearest = claims[0]
        verdict = (
            f"{name} {nearest.claimed} matches no protocol. The nearest is {nearest.protocol} "
            f"with {nearest.value:.2f} ({nearest.value - float(nearest.claimed):+.2f})."
            f"{as_fraction(nearest.claimed)}"
        )
    return [
        styled(paragraph(verdict), bold=True),
        *(f"    {claim.protocol}: {claim.value:.4f}" for claim in claims),
    ]


def _details(row: TextAuditRow, top: int) -> list[str]:
    rules, form = row.protocol, row.score.form
    out = [
        paragraph(f"{rules.name}: {rules.title}", "  ", "    "),
        paragraph(f"used by {rules.used_by}", "    ", "      "),
        paragraph(
            f"over {form.unit}, tokeniser {form.tokenizer}, smoothing {form.smoothing}, ROUGE-L "
            f"beta {form.rouge.beta}",
            "    ",
            "      ",
        ),
    ]
    if rules.caveat:
        out.append(paragraph(f"Note: {rules.caveat}", "    ", "      "))
    for side, fired in (("reference", row.reference_rules), ("hypothesis", row.hypothesis_rules)):
        if fired:
            shown = ", ".join(f"{name} {count}" for name, count in fired.items())
            out.append(paragraph(f"{side} rules applied: {shown}", "    ", "      "))
    for segment in row.moved[:top]:
        out.append(f"    {segment.id}: {segment.default:.1f} by default, {segment.bleu:.1f} here")
        out += [beside("REF", segment.reference), beside("HYP", segment.hypothesis)]
    return out


# ---------------------------------------------------------------- compare


def show_comparison(
    result: TextComparison, dev: Sequence[TextScore], top: int, form: Format
) -> str:
    """Lay out a comparison, with the scores of the dev split where it is pasted."""
    if form == "table":
        return render_comparison(result, top)
    return pasted_comparison(result, dev, form)


def pasted_comparison(result: TextComparison, dev: Sequence[TextScore], form: Format) -> str:
    """Format a comparison as Markdown, LaTeX or CSV, with the scores of the dev split."""
    if form == "latex":
        systems = zip(result.names, result.scores, strict=True)
        return pasted_score([*zip(result.names, dev, strict=False), *systems], form)
    rows = [text_row(name, score) for name, score in zip(result.names, dev, strict=False)]
    against = {pair.second: pair for pair in result.pairs}
    for name, score in zip(result.names, result.scores, strict=True):
        row, pair = text_row(name, score), against.get(name)
        if pair is not None:
            low, high = pair.intervals.get("bleu4", (None, None))
            row |= {
                "difference": -pair.differences["bleu4"],
                "difference_low": None if high is None else -high,
                "difference_high": None if low is None else -low,
                "bootstrap_p": pair.bootstrap_p["bleu4"],
                "randomisation_p": pair.randomisation_p["bleu4"],
            }
        rows.append(row)
    if form == "csv":
        return as_csv(rows)
    tests = ("difference", "difference_low", "difference_high", "bootstrap_p", "randomisation_p")
    columns = ("system", *(("split",) if dev else ()), *_COLUMNS, *tests)
    verdicts = [markdown_escaped(pair.verdict) for pair in result.pairs]
    signature = f"`{result.scores[0].signature}`"
    return "\n\n".join([as_markdown(rows, columns), *verdicts, signature, f"`{result.signature}`"])


def render_comparison(result: TextComparison, top: int) -> str:
    """Format a comparison of translations for the terminal."""
    first = result.scores[0]
    rows = []
    for name, score in zip(result.names, result.scores, strict=True):
        bleu = score.figures["bleu4"]
        between = "-" if bleu.interval is None else "[{:.2f}, {:.2f}]".format(*bleu.interval)
        others = (f"{score.figures[key].value:.2f}" for key in ("bleu1", "chrf", "rouge", "wer"))
        rows.append((name, f"{bleu.value:.2f}", between, *others))
    out = [
        f"{_what(first)}, translations, protocol {first.protocol}",
        "",
        table(rows, ("system", "BLEU-4", "95 %", "BLEU-1", "chrF2", "ROUGE-L", "WER")),
    ]
    for pair in result.pairs:
        out += ["", *_pair(pair, len(result.pairs) > 1, top)]
    return "\n".join([*out, "", f"  {first.signature}", paragraph(result.signature)])


def _pair(pair: TextPair, several: bool, top: int) -> list[str]:
    rows = []
    for key, name in (("bleu4", "BLEU-4"), ("chrf", "chrF2"), ("rouge", "ROUGE-L")):
        between = ""
        if key in pair.intervals:
            between = "[{:+.2f}, {:+.2f}]".format(*pair.intervals[key])
        tests = [p_value(found[key]) if key in found else "" for found in _tests(pair)]
        rows.append((name, f"{pair.differences[key]:+.2f}", between, *tests))
    heads = ("", "difference", "95 %", "bootstrap p", "randomisation p")
    out = [
        styled(paragraph(pair.verdict), bold=True),
        table(rows, heads, indent="    "),
        *(["    p-values are Holm-adjusted"] if several else []),
        paragraph(
            f"sentences: {pair.first} better in {pair.won}, {pair.second} in {pair.lost}, "
            f"tied in {pair.tied}",
            "    ",
            "      ",
        ),
    ]
    for segment in pair.segments[:top]:
        out.append(
            f"    {segment.id}: sentence BLEU {segment.first:.1f} against {segment.second:.1f}"
        )
        out += [
            beside("REF", segment.reference),
            beside(f"{pair.first}:", segment.first_hypothesis),
            beside(f"{pair.second}:", segment.second_hypothesis),
        ]
    return out


def _tests(pair: TextPair) -> tuple[dict[str, float], dict[str, float]]:
    return pair.bootstrap_p, pair.randomisation_p
