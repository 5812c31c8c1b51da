"""``slaeval compare``: systems against each other, and against the literature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from slaeval.console import isolated, paragraph, styled, table, warn
from slaeval.errors import UsageError
from slaeval.options import check_outputs, existing, reference_options
from slaeval.result_tables import (
    PaperRow,
    as_csv,
    as_latex,
    as_markdown,
    chosen_format,
    format_options,
    latex_notes,
    markdown_escaped,
    p_value,
    score_row,
)

if TYPE_CHECKING:
    from slaeval.comparison import Comparison, Pair
    from slaeval.result_tables import Format
    from slaeval.scoring.score import Score

__all__ = ["compare", "pasted"]

#: So many pairs are spelled out, all of four systems; of more only those with the first.
_SPELLED_OUT = 6


@click.command()
@click.argument("files", nargs=-1, required=True, type=existing(), metavar="FILE…")
@reference_options
@click.option("--protocol", default="official", show_default=True, metavar="NAME")
@click.option(
    "--against",
    type=click.Choice(["published"]),
    help="Also hold the files against published results on the corpus.",
)
@click.option(
    "--bootstrap",
    default=10_000,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    metavar="N",
    help="Resamples for the interval of the difference.",
)
@click.option("--seed", default=0, show_default=True, help="Of the resamples.")
@click.option("--fix-ids", is_flag=True, help="Accept ids written another way.")
@click.option(
    "--top",
    default=5,
    show_default=True,
    type=click.IntRange(0),
    metavar="N",
    help="How many segments to show that differ most.",
)
@format_options
@click.option("--csv", type=existing(), metavar="OUT", help="Write one row a segment.")
def compare(
    files: tuple[str, ...],
    dataset: str | None,
    split: str | None,
    root: str | None,
    ref: str | None,
    setup: str | None,
    protocol: str,
    against: str | None,
    bootstrap: int,
    seed: int,
    fix_ids: bool,
    top: int,
    format_: str | None,
    as_json: bool,
    csv: str | None,
) -> None:
    """Hold two or more hypothesis files against each other.

    Prints the difference in WER with its interval, the matched-pairs test of sc_stats and the
    exact paired permutation test, segments won and lost, and both WERs by signer. More than
    four files are ranked, each tested against the first; --json holds every pair.

    \b
    slaeval compare a.ctm b.ctm --dataset phoenix2014t
    slaeval compare mine.ctm --dataset phoenix2014t --against published
    """
    from slaeval.comparison import compare as hold
    from slaeval.comparison import file_names
    from slaeval.evaluation import score_file

    form = chosen_format(format_, as_json)
    if len(files) < 2 and against is None:
        raise UsageError("name two files or more, or add --against published")
    check_outputs([*files, ref], [csv])
    names = file_names(files)
    scores = [
        score_file(
            path,
            dataset,
            split,
            root=root,
            ref=ref,
            setup=setup,
            protocol=protocol,
            fix_ids=fix_ids,
        )
        for path in files
    ]
    rows = _literature(scores[0]) if against else []
    result = hold(*scores, names=names, resamples=bootstrap, seed=seed) if len(files) > 1 else None
    if csv is not None:
        from slaeval.files import write_whole

        if result is None:
            raise UsageError("--csv needs two files or more")
        write_whole(csv, result.to_pandas().to_csv(index=False))
    for name, score in zip(names, scores, strict=True):
        for message in score.warnings:
            warn(f"{name}: {message}")
    if form in ("markdown", "latex", "csv"):
        click.echo(pasted(names, scores, result, rows, form), nl=form != "csv")
        return
    if form == "json":
        import json

        out: dict[str, Any] = result.to_dict(top) if result else {}
        if result is None:
            out["systems"] = [{"name": names[0], **scores[0].to_dict()}]
        if against:
            out["published"] = rows
        click.echo(json.dumps(out, ensure_ascii=False, indent=2))
        return
    if result is not None and len(result.pairs) > _SPELLED_OUT:
        out_lines = _ranking(names, scores, result)
    else:
        out_lines = [_systems(names, scores)]
        for pair in result.pairs if result else ():
            out_lines += ["", *_pair(pair, result, top)]
    if against:
        out_lines += ["", *_published(names, scores, rows)]
    out_lines += ["", f"  {scores[0].signature}"]
    click.echo("\n".join(out_lines))


def pasted(
    names: list[str],
    scores: list[Score],
    result: Comparison | None,
    literature: list[dict[str, Any]],
    form: Format,
) -> str:
    """Write systems as Markdown, LaTeX or CSV: one row a system.

    Differences and tests are those of each system against the first; published results
    follow with what is known of them.
    """
    import os

    if form == "latex":
        split = scores[0].split or ""
        return as_latex(
            [PaperRow(row["system"], {split: row["wer"]}) for row in literature]
            + [
                PaperRow(os.path.splitext(name)[0], {split: score.total})
                for name, score in zip(names, scores, strict=True)
            ],
            notes=[
                *(
                    note
                    for name, score in zip(names, scores, strict=True)
                    for note in latex_notes(name, score)
                ),
                *(pair.verdict for pair in _spelled_out(names, result)),
            ],
        )
    rows = []
    for name, score in zip(names, scores, strict=True):
        row = score_row(name, score)
        for pair in result.pairs if result else ():
            if (pair.first, pair.second) == (names[0], name):
                low, high = pair.interval or (None, None)
                row |= {
                    "difference": -pair.difference,
                    "difference_low": None if high is None else -high,
                    "difference_high": None if low is None else -low,
                    "mapsswe_p": pair.matched_pairs_p,
                    "permutation_p": pair.permutation_p,
                }
        rows.append(row)
    keys = ("system", "protocol", "dataset", "split", "wer", "paper", "source")
    published = [
        {key: value for key, value in {**row, "dataset": row["corpus"]}.items() if key in keys}
        for row in literature
    ]
    if form == "csv":
        return as_csv([*rows, *published])
    counts = ("substitutions", "deletions", "insertions", "reference_words")
    columns = ["system", "wer", "wer_low", "wer_high", *counts]
    if result is not None:
        columns += ["difference", "difference_low", "difference_high"]
        columns += ["mapsswe_p", "permutation_p"]
    parts = [as_markdown(rows, columns)]
    if published:
        printed = [{**row, "printed": row["wer"]} for row in published]
        parts.append(as_markdown(printed, ("system", "protocol", "printed", "paper")))
    verdicts = [markdown_escaped(pair.verdict) for pair in _spelled_out(names, result)]
    return "\n\n".join([*parts, *verdicts, f"`{scores[0].signature}`"])


def _spelled_out(names: list[str], result: Comparison | None) -> list[Pair]:
    """Return the pairs to say a sentence about."""
    if result is None:
        return []
    if len(result.pairs) <= _SPELLED_OUT:
        return result.pairs
    return [pair for pair in result.pairs if pair.first == names[0]]


def _literature(score: Score) -> list[dict[str, Any]]:
    """Return published results on the score's corpus and split.

    Raises
    ------
    UsageError
        The references are of no known corpus, or nothing is on record for it.
    """
    from slaeval.literature import published

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
                f"{score.wer:.2f}",
                "-" if interval is None else f"[{interval[0]:.2f}, {interval[1]:.2f}]",
                score.substitutions,
                score.deletions,
                score.insertions,
                score.reference_words,
            )
        )
    return table(rows, ("system", "WER %", "95 %", "S", "D", "I", "words"))


def _ranking(names: list[str], scores: list[Score], result: Comparison) -> list[str]:
    """Lay out many systems, the lowest WER first, each tested against the first file."""
    against = {pair.second: pair for pair in _spelled_out(names, result)}
    rows = []
    for name, score in sorted(zip(names, scores, strict=True), key=lambda row: row[1].errors):
        wer, total = f"{score.wer:.2f}", score.total
        counts = (total.substitutions, total.deletions, total.insertions)
        pair = against.get(name)
        if pair is None:
            rows.append((f"> {name}", wer, *counts, "", "", "", ""))
            continue
        between = "-"
        if pair.interval is not None:
            between = f"[{-pair.interval[1]:+.2f}, {-pair.interval[0]:+.2f}]"
        tests = (p_value(pair.matched_pairs_p), p_value(pair.permutation_p))
        rows.append((name, wer, *counts, f"{-pair.difference:+.2f}", between, *tests))
    heads = ("system", "WER %", "S", "D", "I", "diff", "95 %", "MAPSSWE p", "permutation p")
    return [
        table(rows, heads),
        "",
        paragraph(
            f"Differences and tests are those against {names[0]}; p-values are adjusted (Holm) "
            f"over all {len(result.pairs)} pairs. Name two files to see a pair from close by; "
            "--json holds every pair."
        ),
    ]


def _pair(pair: Pair, result: Comparison | None, top: int) -> list[str]:
    interval = pair.interval
    between = (
        ""
        if interval is None
        else f"   95 % [{interval[0]:+.2f}, {interval[1]:+.2f}] paired bootstrap"
    )
    test = pair.matched_pairs
    adjusted = ", adjusted (Holm)" if result is not None and len(result.pairs) > 1 else ""
    out = [
        styled(f"  {pair.verdict}", bold=True),
        f"    difference {pair.difference:+.2f} points{between}",
        f"    matched pairs (MAPSSWE): {test.segments} stretches, mean {test.mean:+.3f}, "
        f"Z {test.z:+.3f}, p {p_value(pair.matched_pairs_p)}{adjusted}",
        f"    permutation (exact): p {p_value(pair.permutation_p)}{adjusted}",
        f"    segments: {pair.first} better in {pair.won}, {pair.second} in {pair.lost}, "
        f"as good in {pair.tied}",
        table(
            [
                (name, f"{one:.2f}", f"{other:.2f}", f"{one - other:+.2f}")
                for name, (one, other) in pair.by_signer.items()
            ],
            ("signer", pair.first, pair.second, "difference"),
            indent="    ",
        ),
    ]
    for segment in pair.segments[:top]:
        out.append(
            f"    {segment.id}: {segment.first} errors against {segment.second}\n"
            f"      REF {isolated(segment.reference)}\n"
            f"      {pair.first}: {isolated(segment.first_hypothesis)}\n"
            f"      {pair.second}: {isolated(segment.second_hypothesis)}"
        )
    return out


def _published(names: list[str], scores: list[Score], rows: list[dict[str, Any]]) -> list[str]:
    """Insert the user's systems into the table of the literature."""
    entries = [
        (row["wer"], row["system"], "", row["protocol"] or "unknown", row["paper"]) for row in rows
    ]
    for name, score in zip(names, scores, strict=True):
        interval = score.wer_ci
        shown = "" if interval is None else f"[{interval[0]:.2f}, {interval[1]:.2f}]"
        entries.append((score.wer, f"> {name}", shown, score.protocol, "this file"))
    entries.sort(key=lambda row: (row[0], row[1]))
    within = [
        row["system"]
        for row in rows
        if scores[0].wer_ci and scores[0].wer_ci[0] <= row["wer"] <= scores[0].wer_ci[1]
    ]
    return [
        f"  published results on {scores[0].dataset} {scores[0].split}",
        table(
            [
                (system, paper, protocol, f"{wer:.2f}" if "this" in paper else f"{wer:.1f}", shown)
                for wer, system, shown, protocol, paper in entries
            ],
            ("system", "paper", "protocol", "WER %", "95 %"),
            left=3,
            indent="    ",
        ),
        paragraph(
            "Published numbers come without their segments: no paired test is possible. Within "
            f"the interval of {names[0]}: {', '.join(within) or 'none'}. Mind the protocols: "
            "'slaeval audit' shows what yours would be under each.",
            "    ",
        ),
    ]
