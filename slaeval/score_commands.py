"""``slaeval score``: one hypothesis file, its WER and what the number means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from slaeval.console import isolated, paragraph, styled, table, warn
from slaeval.options import check_outputs, existing, reference_options

if TYPE_CHECKING:
    from slaeval.scoring.score import Group, Score

__all__ = ["score"]


@click.command()
@click.option(
    "--pred",
    required=True,
    type=existing(),
    metavar="FILE",
    help="Hypotheses: CTM, TRN, TSV, JSON lines.",
)
@reference_options
@click.option(
    "--protocol",
    default="official",
    show_default=True,
    metavar="NAME",
    help="What exactly is compared; see 'slaeval audit --list'.",
)
@click.option(
    "--format",
    "format_",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Format of --pred: auto, ctm, trn, tsv, jsonl.",
)
@click.option(
    "--fix-ids",
    is_flag=True,
    help="Accept ids with a path around them or in another letter case.",
)
@click.option(
    "--by",
    "groupings",
    multiple=True,
    metavar="GROUP",
    help="Counts by signer, length or sentence; may be given several times.  [default: signer]",
)
@click.option(
    "--top",
    default=10,
    show_default=True,
    type=click.IntRange(0),
    metavar="N",
    help="How many confusions to show.",
)
@click.option(
    "--bootstrap",
    default=0,
    type=click.IntRange(0, 1_000_000),
    metavar="N",
    help="Interval from N bootstrap resamples instead of the linearised estimator.",
)
@click.option("--bleu", is_flag=True, help="Also BLEU and chrF over glosses, by sacrebleu.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--csv", type=existing(), metavar="FILE", help="Write one row a segment.")
@click.option(
    "--pra",
    type=existing(),
    metavar="FILE",
    help="Write the alignments as sclite does (-o pra).",
)
@click.option(
    "--dtl",
    type=existing(),
    metavar="FILE",
    help="Write the detailed report as sclite does (-o dtl).",
)
def score(
    pred: str,
    dataset: str | None,
    split: str | None,
    root: str | None,
    ref: str | None,
    setup: str | None,
    protocol: str,
    format_: str,
    fix_ids: bool,
    groupings: tuple[str, ...],
    top: int,
    bootstrap: int,
    bleu: bool,
    as_json: bool,
    csv: str | None,
    pra: str | None,
    dtl: str | None,
) -> None:
    """Score a hypothesis file.

    Prints the word error rate with its 95 % interval, substitutions, deletions and
    insertions, counts by signer, the most frequent confusions and the signature.

    \b
    slaeval score --pred hyp.ctm --dataset phoenix2014t
    slaeval score --pred hyp.ctm --dataset csl-daily --split dev --root ~/data/CSL-Daily
    slaeval score --pred hyp.ctm --ref phoenix2014-groundtruth-test.stm
    """
    from slaeval.evaluation import score_file

    check_outputs([pred, ref], [csv, pra, dtl])
    result = score_file(
        pred,
        dataset,
        split,
        root=root,
        ref=ref,
        setup=setup,
        protocol=protocol,
        format=format_,
        fix_ids=fix_ids,
    )
    groups = {name: result.by(name) for name in groupings or ("signer",)}
    if bootstrap:
        result = result.with_bootstrap(bootstrap)
    if bleu:
        from slaeval.overlap import with_bleu

        result = with_bleu(result)
    _write(result, csv, pra, dtl)
    for message in result.warnings:
        warn(message)
    if as_json:
        import json

        out = result.to_dict()
        for name in groupings:
            if name != "signer":
                out[f"by_{name}"] = {group.name: group.to_dict() for group in groups[name]}
        click.echo(json.dumps(out, ensure_ascii=False, indent=2, allow_nan=False))
        return
    click.echo(render(result, groups, top))


def _write(result: Score, csv: str | None, pra: str | None, dtl: str | None) -> None:
    """Write the files asked for, each whole or not at all."""
    from slaeval.files import write_whole

    if csv is not None:
        write_whole(csv, rows_as_csv(result))
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


def rows_as_csv(result: Score) -> str:
    """Return the segments as CSV text, the columns of ``Score.to_pandas``."""
    import csv
    import io

    stream = io.StringIO()
    rows = result.rows()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else ["id"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def render(result: Score, groups: dict[str, list[Group]], top: int) -> str:
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
    wer = f"{total.wer:.2f} %" if total.reference_words else "undefined: no reference words"
    out = [
        f"{what}, protocol {name}: {rules.title}",
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
        f"  {total.segment_errors} of {total.segments} segments hold an error "
        f"({100 * total.segment_errors / max(1, total.segments):.1f} %)",
    ]
    if result.floor is not None and result.floor.errors:
        out.append(
            paragraph(
                f"A perfect transcript scores {result.floor.wer:.2f} % under this protocol "
                f"({result.floor.errors} errors): {rules.caveat or 'only one side is changed'}."
            )
        )
    for other in result.other_readings:
        out += ["", _other_reading(result, other)]
    for grouping, rows in groups.items():
        out += ["", f"  by {grouping}", group_table(rows, grouping)]
    confusions = result.confusions()
    if top and confusions:
        out += ["", f"  most frequent of {len(confusions)} confusions"]
        out.append(
            table(
                [(c.reference, c.hypothesis, c.count) for c in confusions[:top]],
                ("reference", "hypothesis", "count"),
                left=2,
                indent="    ",
            )
        )
    for label, words in (
        ("deleted", [(pair.reference, pair.count) for pair in result.deleted()]),
        ("inserted", [(pair.hypothesis, pair.count) for pair in result.inserted()]),
    ):
        if top and words:
            shown = ", ".join(f"{isolated(word)} {count}" for word, count in words[:top])
            out += ["", f"  most often {label}: {shown}"]
    if result.bleu:
        out += [
            "",
            f"  BLEU {result.bleu['bleu']:.2f}  {result.bleu['bleu_signature']}",
            f"  chrF {result.bleu['chrf']:.2f}  {result.bleu['chrf_signature']}",
        ]
    out += ["", f"  {result.signature}"]
    return "\n".join(out)


def _other_reading(result: Score, other: Score) -> str:
    from slaeval.scoring.protocols import protocol

    difference = other.wer - result.wer
    rules = protocol(other.protocol)
    return (
        f"  {other.protocol}: {other.wer:.2f} % ({difference:+.2f})  S {other.substitutions}  "
        f"D {other.deletions}  I {other.insertions}  of {other.reference_words} words\n"
        + paragraph(
            f"{rules.title}: {rules.caveat}. Most papers report {result.protocol} on this "
            "corpus too: say which one you print.",
            "    ",
        )
    )


def group_table(rows: list[Group], grouping: str) -> str:
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
                f"{row.wer:.2f}" if row.reference_words else "-",
            )
            for row in shown
        ],
        (grouping, "segments", "words", "S", "D", "I", "WER %"),
        indent="    ",
    )
