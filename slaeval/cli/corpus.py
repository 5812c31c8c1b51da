"""``slaeval corpus``: which corpora there are, where they are, what is in them."""

from __future__ import annotations

import json
import os
from statistics import median
from typing import Any

import click

from slaeval.cli.options import existing
from slaeval.console import beside, paragraph, styled, table, warn
from slaeval.errors import counted

__all__ = ["corpus"]


@click.group()
def corpus() -> None:
    """List, register, inspect, verify and sample corpora."""


@corpus.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_(as_json: bool) -> None:
    """List the corpora and their registered folders."""
    from slaeval import loaders
    from slaeval.loaders.registry import layout

    folders = loaders.registered()
    rows = []
    for name in loaders.names():
        described = layout(name)
        rows.append(
            {
                "name": name,
                "title": described.title,
                "setups": list(described.setups),
                "licence": described.licence,
                "source": described.source,
                "folder": folders.get(name),
            }
        )
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    click.echo(
        table(
            [(row["name"], row["title"], row["folder"] or "not registered") for row in rows],
            ("name", "corpus", "folder"),
            left=3,
        )
    )


@corpus.command()
@click.argument("name")
@click.argument("directory", type=existing(), metavar="DIR")
def add(name: str, directory: str) -> None:
    """Register a corpus folder, after checking its layout."""
    from slaeval.loaders import register
    from slaeval.loaders.registry import layout

    described = layout(name)
    path, _ = described.locate(directory, described.setups[0], described.splits[-1])
    folder = register(described.name, directory)
    click.echo(
        f"{described.name} registered at {folder} (found {os.path.relpath(path, directory)})"
    )


@corpus.command()
@click.argument("name")
@click.option("--root", type=existing(), metavar="DIR", help="Folder of the corpus.")
@click.option("--setup", metavar="NAME", help="Setup, where the corpus has several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def show(name: str, root: str | None, setup: str | None, as_json: bool) -> None:
    """Show counts, vocabulary, signers and lengths of every split."""
    from slaeval.errors import InputError
    from slaeval.loaders import find, load_corpus
    from slaeval.loaders.registry import layout

    described = layout(name)
    chosen = described.setup_of(setup)
    folder = find(described.name, root)
    seen: set[str] = set()
    rows: list[dict[str, Any]] = []
    failures = []
    for split in described.splits:
        try:
            loaded = load_corpus(described.name, folder, split, chosen)
        except InputError as error:
            failures.append(error)
            continue
        lengths = [len(sample.glosses) for sample in loaded]
        known = set(loaded.vocabulary)
        rows.append(
            {
                "split": split,
                "samples": len(loaded),
                "glosses": sum(lengths),
                "vocabulary": len(known),
                "unseen": len(known - seen) if seen else 0,
                "signers": list(loaded.signers),
                "shortest": min(lengths),
                "median": median(lengths),
                "longest": max(lengths),
                "withheld": sum(sample.glosses_raw is None for sample in loaded),
            }
        )
        seen |= known
    if not rows:
        raise failures[0]
    for failure in failures:
        warn(str(failure))
    if as_json:
        out = {
            "name": described.name,
            "setup": chosen,
            "root": folder,
            "vocabulary": len(seen),
            "splits": rows,
        }
        click.echo(json.dumps(out, ensure_ascii=False, indent=2))
        return
    head = paragraph(f"{described.name} ({chosen}): {described.title}", "")
    click.echo(styled(head, bold=True))
    click.echo(f"  {folder}")
    click.echo(paragraph(f"{described.licence}, {described.source}") + "\n")
    click.echo(
        table(
            [
                (
                    row["split"],
                    row["samples"],
                    row["glosses"],
                    row["vocabulary"],
                    row["unseen"],
                    len(row["signers"]),
                    f"{row['shortest']} / {row['median']:g} / {row['longest']}",
                )
                for row in rows
            ],
            (
                "split",
                "samples",
                "glosses",
                "vocabulary",
                "new",
                "signers",
                "length min/med/max",
            ),
        )
    )
    click.echo(f"\n  vocabulary of all splits: {len(seen)} raw glosses")
    for row in rows:
        signers = ", ".join(row["signers"]) or "unknown"
        click.echo(paragraph(f"signers of {row['split']}: {signers}"))
        if row["withheld"]:
            click.echo(f"  the references of {row['split']} are withheld")


@corpus.command()
@click.argument("name")
@click.option("--root", type=existing(), metavar="DIR", help="Folder of the corpus.")
@click.option("--setup", metavar="NAME", help="Setup, where the corpus has several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def verify(name: str, root: str | None, setup: str | None, as_json: bool) -> None:
    """Check a corpus folder against its published statistics.

    Exits with 1 if a deviation affects scores.
    """
    from slaeval.loaders import find, resolve
    from slaeval.loaders import verify as check

    name = resolve(name)
    deviations = check(name, find(name, root), setup)
    errors = sum(row.severity == "error" for row in deviations)
    if as_json:
        click.echo(json.dumps([row._asdict() for row in deviations], ensure_ascii=False, indent=2))
    else:
        colours = {"error": "red", "warning": "yellow", "note": "blue"}
        for row in deviations:
            text = paragraph(f"{row.severity}: {row.what}", "").removeprefix(row.severity)
            click.echo(styled(row.severity, fg=colours[row.severity]) + text)
            for label in ("expected", "found", "effect"):
                click.echo(beside(f"{label}:".ljust(9), getattr(row, label), "    "))
        counts = ", ".join(
            counted(sum(row.severity == kind for row in deviations), kind) for kind in colours
        )
        click.echo(f"{name}: {counts if deviations else 'all as published'}")
    if errors:
        raise click.exceptions.Exit(1)


@corpus.command()
@click.argument("name")
@click.argument("directory", type=existing(), metavar="DIR")
@click.option("--seed", default=0, show_default=True, help="Random seed.")
@click.option("--video", is_flag=True, help="Film the sentences, so that a model can be trained.")
def sample(name: str, directory: str, seed: int, video: bool) -> None:
    """Write a small invented corpus in the exact layout of NAME.

    Two invented hypothesis files for its test split come with it, so that everything can be
    tried without a licence or a download.

    With --video (needs the extra 'run') it includes pictures, and a smaller vocabulary that a
    model learns on a CPU in minutes.
    """
    import shlex
    import sys

    from slaeval.loaders import resolve, write_sample

    if video:
        with click.progressbar(length=1, label="rendering", file=sys.stderr, show_pos=True) as bar:

            def progress(done: int, of: int) -> None:
                bar.length = of
                bar.update(done - bar.pos)

            files = write_sample(name, directory, seed, video=True, progress=progress)
    else:
        files = write_sample(name, directory, seed)
    name = resolve(name)
    where = shlex.quote(directory.rstrip("/") or "/")
    with_pictures = ", with pictures" if video else ""
    click.echo(
        f"{len(files)} files in {directory}: an invented corpus laid out as {name}{with_pictures}"
    )
    click.echo(f"try: slaeval score {where}/hyp.ctm --dataset {name} --root {where}")
    if video:
        click.echo(
            f"or:  slaeval train --dataset {name} --root {where} --backbone slaeval-tiny "
            "--out sla_lora.pt"
        )
