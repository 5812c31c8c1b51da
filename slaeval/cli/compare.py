"""``slaeval compare``: systems against each other, and against the literature."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from slaeval.cli.options import (
    dev_evaluations,
    evaluations,
    format_options,
    is_given,
    on_error_option,
    path_option,
    refuse_given,
    request_options,
    resampling_options,
    sources_argument,
    tell_references,
    text_option,
    top_option,
)
from slaeval.console import beside, paragraph, styled, table, warn
from slaeval.errors import UsageError, counted
from slaeval.evaluation.base import system_names
from slaeval.evaluation.compare import compare as hold
from slaeval.evaluation.leaderboard import Unreadable, not_scored, open_each
from slaeval.evaluation.overwriting import check_outputs
from slaeval.evaluation.tables import (
    PaperRow,
    Printed,
    as_csv,
    as_json,
    as_latex,
    as_markdown,
    as_printed,
    latex_notes,
    markdown_escaped,
    p_value,
    score_row,
)
from slaeval.files import write_whole
from slaeval.scoring.score import finite, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slaeval.evaluation.compare import Comparison, Pair
    from slaeval.evaluation.request import Request
    from slaeval.evaluation.score import Evaluation
    from slaeval.evaluation.tables import Format
    from slaeval.scoring.score import Counts, Score

__all__ = ["compare", "pasted"]

#: Ends of file names that say nothing about a system; what else has a dot may be a version.
_HYPOTHESES = (".ctm", ".trn", ".csv", ".tsv", ".json", ".jsonl", ".txt", ".gz")

#: Of so many systems every pair is tested and spelled out; of more those with the leader.
_FEW = 4


@click.command()
@sources_argument
@request_options()
@path_option(
    "--dev",
    "RUN|FILE",
    "Also score these hypotheses on the dev split, one for each system, in the same order: "
    "more rows, or the dev cells in LaTeX.",
    multiple=True,
)
@click.option(
    "--against",
    type=click.Choice(["published"]),
    help="Also show published results on the corpus.",
)
@on_error_option(
    "What a system does that cannot be read: end the command, or be left out and named; the "
    "exit code is 1 either way.",
)
@resampling_options("Bootstrap resamples for the interval of the difference.")
@top_option(5, "Number of segments to show, those that differ most first.")
@click.option(
    "--all-pairs",
    is_flag=True,
    help="Of more than four systems, test every pair and not only those with the leader.",
)
@text_option
@format_options
@path_option("--csv", "FILE", "Write one row per segment.")
def compare(
    sources: tuple[str, ...],
    request: Request,
    dev: tuple[str, ...],
    against: str | None,
    on_error: str,
    bootstrap: int,
    seed: int,
    top: int,
    all_pairs: bool,
    text: bool,
    form: Format,
    csv: str | None,
) -> None:
    """Compare two or more hypothesis files or runs.

    Prints the difference in WER with its interval, the matched-pairs test of sc_stats and the
    exact paired permutation test, segments won and lost, and both WERs by signer. More than
    four systems are ranked, each tested against the leader, the one with the lowest WER. Runs
    bring their references with them.

    \b
    slaeval compare a.ctm b.ctm --dataset phoenix2014t
    slaeval compare runs/sla_lora runs/sla_adapter
    slaeval compare mine.ctm --dataset phoenix2014t --against published
    slaeval compare a.ctm b.ctm --dev a_dev.ctm --dev b_dev.ctm \\
        --dataset csl-daily --format latex
    """
    if text:
        glosses_only = ("against", "on_error", "seed", "all_pairs")
        refuse_given(glosses_only, "that is for glosses, not --text:")
    if len(sources) < 2 and (against is None or not sources):
        also = "" if text else ", or add --against published"
        raise UsageError(f"name at least two systems{also}")
    check_outputs([*sources, *dev], [csv], request)
    systems: list[Any]
    unreadable: list[Unreadable] = []
    if on_error == "stop":
        systems = evaluations(text).open_all(sources, request)
    elif dev:
        raise UsageError("--on-error skip takes one split: leave out --dev")
    else:
        systems, unreadable = _readable(sources, request, 2 if against is None else 1)
    if len(systems) > _FEW and not text:
        leader = min(range(len(systems)), key=lambda place: systems[place].score().errors)
        systems = [systems[leader], *systems[:leader], *systems[leader + 1 :]]
        dev = (*dev[leader : leader + 1], *dev[:leader], *dev[leader + 1 :])
    names = system_names(systems)
    others = [one.score() for one in dev_evaluations(dev, systems, form)]
    scores = [one.score() for one in systems]
    rows = [row for score in (*others[:1], scores[0]) for row in _literature(score, against)]
    result: Any = None
    if len(scores) > 1:
        result = hold(
            *scores,
            names=names,
            resamples=bootstrap if is_given("bootstrap") else None,
            seed=seed,
            against_first=len(scores) > _FEW and not all_pairs,
        )
    if csv is not None:
        if result is None:
            raise UsageError("--csv needs at least two systems")
        write_whole(csv, result.to_pandas().to_csv(index=False))
    tell_references(systems[0].references)
    for name, score in zip(names, scores, strict=True):
        for message in score.warnings:
            warn(f"{name}: {message}")
    for name, other in zip(names, others, strict=False):
        for message in other.warnings:
            warn(f"{name}, dev: {message}")
    if form == "json":
        shown = as_json(_as_dict(names, scores, result, rows, top))
    elif text:
        from slaeval.cli.text import show_comparison

        shown = show_comparison(result, others, top, form)
    elif form == "table":
        shown = _render(names, scores, result, rows, top)
    else:
        shown = pasted(names, scores, result, rows, form, others)
    click.echo(shown, nl=form != "csv")
    if unreadable:
        raise not_scored(unreadable, len(systems))


def _readable(
    sources: Sequence[str], request: Request, least: int
) -> tuple[list[Evaluation], list[Unreadable]]:
    """Open what can be scored, saying what cannot; of fewer than `least` nothing is compared."""
    systems, unreadable = open_each(sources, request)
    for one in unreadable:
        warn(f"left out {one.name}: {one.reason}")
    if len(systems) < least:
        raise not_scored(unreadable, len(systems))
    return systems, unreadable


def _as_dict(
    names: list[str],
    scores: list[Score],
    result: Comparison | None,
    literature: list[dict[str, Any]],
    top: int,
) -> dict[str, Any]:
    out: dict[str, Any] = result.to_dict(top) if result else {}
    if result is None:
        out["systems"] = [{"name": names[0], **scores[0].to_dict()}]
    if literature:
        out["published"] = literature
    return out


def _render(
    names: list[str],
    scores: list[Score],
    result: Comparison | None,
    literature: list[dict[str, Any]],
    top: int,
) -> str:
    """Lay systems out for a person, with what was asked for of the literature."""
    if result is not None and len(scores) > _FEW:
        lines = _ranking(names, scores, result)
    else:
        lines = [_systems(names, scores)]
        for pair in result.pairs if result else ():
            lines += ["", *_pair(pair, result, top)]
    if literature:
        lines += ["", *_published(names, scores, literature)]
    return "\n".join([*lines, "", f"  {scores[0].signature}"])


def pasted(
    names: list[str],
    scores: list[Score],
    result: Comparison | None,
    literature: list[dict[str, Any]],
    form: Format,
    dev: Sequence[Score] = (),
) -> str:
    """Write systems as Markdown, LaTeX or CSV: one row per system (and split, except in LaTeX).

    Differences are each WER minus that of the first system, tests are against it, on the split
    that was asked for; published results follow with what is known of them.
    """
    if form == "latex":
        return _latex(names, scores, result, literature, dev)
    rows = [score_row(name, score) for name, score in zip(names, dev, strict=False)]
    for name, score in zip(names, scores, strict=True):
        row = score_row(name, score)
        for pair in result.pairs if result else ():
            if (pair.first, pair.second) == (names[0], name):
                low, high = pair.interval or (None, None)
                row |= {
                    "difference": finite(pair.difference),
                    "difference_low": low,
                    "difference_high": high,
                    "mapsswe_p": pair.matched_pairs_p,
                    "permutation_p": pair.permutation_p,
                }
        rows.append(row)
    if form == "csv":
        return as_csv([*rows, *map(_csv_row, literature)])
    counts = ("substitutions", "deletions", "insertions", "reference_words")
    split = ["split"] if dev else []
    columns = ["system", *split, "wer", "wer_low", "wer_high", *counts]
    if result is not None:
        columns += ["difference", "difference_low", "difference_high"]
        columns += ["mapsswe_p", "permutation_p"]
    parts = [as_markdown(rows, columns)]
    if literature:
        columns = ["system", *split, "protocol", "printed", "modality", "stated", "first_hand"]
        parts.append(as_markdown([*map(_markdown_row, literature)], [*columns, "paper", "source"]))
    verdicts = [markdown_escaped(pair.verdict) for pair in _spelled_out(names, result)]
    signatures = [f"`{score.signature}`" for score in (*dev[:1], scores[0])]
    return "\n\n".join([*parts, *verdicts, *signatures])


def _csv_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a published result under the names of our own columns; rates, for counts."""
    rates = {f"{part}_rate": row[part] for part in ("deletions", "insertions")}
    skipped = ("corpus", "deletions", "insertions", "first_hand")
    kept = {key: value for key, value in row.items() if key not in skipped}
    return {**kept, "dataset": row["corpus"], **rates, "first_hand": _yes(row["first_hand"])}


def _markdown_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "protocol": row["protocol"] or "unknown",
        "printed": as_printed(row["wer"]),
        "first_hand": _yes(row["first_hand"]),
    }


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _latex(
    names: list[str],
    scores: list[Score],
    result: Comparison | None,
    literature: list[dict[str, Any]],
    dev: Sequence[Score],
) -> str:
    cells: dict[tuple[str, str], dict[str, Counts | Printed]] = {}
    for row in literature:
        printed = Printed(row["wer"], row["deletions"], row["insertions"])
        system = row["system"] if row["first_hand"] else f"{row['system']}*"
        cells.setdefault((system, row["protocol"] or "unknown"), {})[row["split"]] = printed
    rows = [PaperRow(name, by_split, rules) for (name, rules), by_split in cells.items()]
    notes = [
        f"{row['system']}, {row['split']}: {as_printed(row['wer'])} by {row['paper']}; scored by: "
        f"{row['stated']}; read at {row['source']}" + (f"; {row['note']}" if row["note"] else "")
        for row in literature
    ]
    if not all(row["first_hand"] for row in literature):
        notes.append("*: as listed by someone other than the authors")
    for number, name in enumerate(names):
        of_system = [*dev[number : number + 1], scores[number]]
        own: dict[str, Counts | Printed] = {score.split or "": score.total for score in of_system}
        stem, end = os.path.splitext(name)
        rows.append(PaperRow(stem if end in _HYPOTHESES else name, own, scores[number].protocol))
        notes += [note for score in of_system for note in latex_notes(name, score)]
    notes += [pair.verdict for pair in _spelled_out(names, result)]
    return as_latex(rows, notes=notes)


def _spelled_out(names: list[str], result: Comparison | None) -> list[Pair]:
    """Return the pairs to say a sentence about."""
    if result is None:
        return []
    if len(names) <= _FEW:
        return result.pairs
    return [pair for pair in result.pairs if pair.first == names[0]]


def _literature(score: Score, against: str | None) -> list[dict[str, Any]]:
    """Return published results on the score's corpus and split, where they are asked for.

    Raises
    ------
    UsageError
        The references are of no known corpus, or nothing is on record for it.
    """
    from slaeval.evaluation.published import published

    if against is None:
        return []
    if score.dataset is None or score.split is None:
        raise UsageError(
            "--against published needs --dataset (and --split where references come with "
            "--ref), to know which results to show"
        )
    rows = published(score.dataset, score.split)
    if not rows:
        raise UsageError(f"no published result on record for {score.dataset} {score.split}")
    return [row._asdict() for row in rows]


def _systems(names: list[str], scores: list[Score]) -> str:
    rows = []
    for name, score in zip(names, scores, strict=True):
        interval = score.wer_ci
        rows.append(
            (
                name,
                percent(score.wer),
                "-" if interval is None else f"[{interval[0]:.2f}, {interval[1]:.2f}]",
                score.substitutions,
                score.deletions,
                score.insertions,
                score.reference_words,
            )
        )
    return table(rows, ("system", "WER %", "95 %", "S", "D", "I", "words"))


def _ranking(names: list[str], scores: list[Score], result: Comparison) -> list[str]:
    """Lay out many systems, the lowest WER first, each tested against it."""
    against = {pair.second: pair for pair in _spelled_out(names, result)}
    rows = []
    for name, score in sorted(zip(names, scores, strict=True), key=lambda row: row[1].errors):
        wer, total = percent(score.wer), score.total
        counts = (total.substitutions, total.deletions, total.insertions)
        pair = against.get(name)
        if pair is None:
            rows.append((f"> {name}", wer, *counts, "", "", "", ""))
            continue
        between = "-"
        if pair.interval is not None:
            between = f"[{pair.interval[0]:+.2f}, {pair.interval[1]:+.2f}]"
        tests = (p_value(pair.matched_pairs_p), p_value(pair.permutation_p))
        rows.append((name, wer, *counts, percent(pair.difference, "+"), between, *tests))
    heads = ("system", "WER %", "S", "D", "I", "diff", "95 %", "MAPSSWE p", "permutation p")
    return [
        table(rows, heads),
        "",
        paragraph(
            f"Differences are each WER minus that of {names[0]}, the leader, tests are against it; "
            f"p-values are adjusted (Holm) over {len(result.pairs)} pairs. Name two systems to see "
            "a pair in detail; --all-pairs tests every pair, --json contains them."
        ),
    ]


def _pair(pair: Pair, result: Comparison | None, top: int) -> list[str]:
    interval = pair.interval
    between = ""
    if interval is not None:
        between = f"; 95 % [{interval[0]:+.2f}, {interval[1]:+.2f}], paired bootstrap"
    test = pair.matched_pairs
    adjusted = ", adjusted (Holm)" if result is not None and len(result.pairs) > 1 else ""
    out = [
        styled(paragraph(pair.verdict), bold=True),
        *(
            paragraph(line, "    ", "      ")
            for line in (
                f"difference ({pair.second} minus {pair.first}) "
                f"{percent(pair.difference, '+', ' points')}{between}",
                f"matched pairs (MAPSSWE): p {p_value(pair.matched_pairs_p)}{adjusted}, "
                f"Z {test.z:+.3f} over {test.segments} stretches, mean {test.mean:+.3f} "
                f"({pair.first} minus {pair.second}, as sc_stats)",
                f"permutation (exact): p {p_value(pair.permutation_p)}{adjusted}",
                f"segments: {pair.first} better in {pair.won}, {pair.second} in {pair.lost}, "
                f"tied in {pair.tied}",
            )
        ),
        table(
            [
                (name, percent(one), percent(other), percent(other - one, "+"))
                for name, (one, other) in pair.by_signer.items()
            ],
            ("signer", pair.first, pair.second, f"minus {pair.first}"),
            indent="    ",
        ),
    ]
    for segment in pair.segments[:top]:
        out.append(
            f"    {segment.id}: {counted(int(segment.first), 'error')} against {segment.second}"
        )
        out += [
            beside("REF", segment.reference),
            beside(f"{pair.first}:", segment.first_hypothesis),
            beside(f"{pair.second}:", segment.second_hypothesis),
        ]
    return out


def _published(names: list[str], scores: list[Score], rows: list[dict[str, Any]]) -> list[str]:
    """Insert the user's systems into the table of the literature."""
    entries = []
    for row in rows:
        rates = (row["deletions"], row["insertions"])
        parts = "/".join(as_printed(rate) for rate in rates if rate is not None)
        system = f"{row['system']}{'' if row['first_hand'] else ' *'}"
        cells = (row["protocol"] or "unknown", parts, as_printed(row["wer"]), "")
        entries.append((row["wer"], (system, *cells)))
    for name, score in zip(names, scores, strict=True):
        interval = score.wer_ci
        shown = "" if interval is None else f"[{interval[0]:.2f}, {interval[1]:.2f}]"
        total = score.total
        parts = "/".join(f"{total.rate(n):.1f}" for n in (total.deletions, total.insertions))
        entries.append((score.wer, (f"> {name}", score.protocol, parts, percent(score.wer), shown)))
    entries.sort()
    within = [
        row["system"]
        for row in rows
        if scores[0].wer_ci and scores[0].wer_ci[0] <= row["wer"] <= scores[0].wer_ci[1]
    ]
    lines = [
        f"  published results on {scores[0].dataset} {scores[0].split}",
        table(
            [cells for _, cells in entries],
            ("system", "protocol", "del/ins", "WER %", "95 %"),
            left=2,
            indent="    ",
        ),
        paragraph(
            "*: read in a listing, not at the authors' own page; unknown: the source does not say "
            "how it was scored. Papers, addresses and what contradicts a figure: --format csv.",
            "    ",
        ),
        paragraph(
            "Published numbers come without their segments: no paired test is possible. Within "
            f"the interval of {names[0]}: {', '.join(within) or 'none'}. Protocols differ: "
            "'slaeval audit' shows your score under each.",
            "    ",
            "    ",
        ),
    ]
    if notes := [row for row in rows if row["note"]]:
        lines += [
            "    notes",
            *(paragraph(f"{row['system']}: {row['note']}", "      ", "        ") for row in notes),
        ]
    return lines
