"""``slaeval corpus``: which corpora there are, where they are, what is in them."""

from __future__ import annotations

import json
import os
import shlex
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from slaeval.cli.options import (
    existing,
    is_given,
    on_error_option,
    path_option,
    resumable,
    workers_option,
)
from slaeval.console import beside, paragraph, styled, table, warn
from slaeval.errors import UsageError, counted

if TYPE_CHECKING:
    from slaeval.loaders.frame_index import Header
    from slaeval.loaders.layout import Layout

__all__ = ["corpus"]


@click.group()
def corpus() -> None:
    """List, register, inspect, verify, sample and cache corpora."""


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
    found = os.path.relpath(path, directory)
    click.echo(paragraph(f"{described.name} registered at {folder} (found {found})", "", "  "))


@corpus.command()
@click.argument("name")
@path_option("--root", "DIR", "Folder of the corpus.")
@click.option("--setup", metavar="NAME", help="Setup, where the corpus has several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def show(name: str, root: str | None, setup: str | None, as_json: bool) -> None:
    """Show counts, vocabulary, signers and lengths of every split."""
    from slaeval.loaders import find
    from slaeval.loaders.registry import layout

    described = layout(name)
    chosen = described.setup_of(setup)
    folder = find(described.name, root)
    rows, glosses = _counted(described, folder, chosen)
    if as_json:
        out = {
            "name": described.name,
            "setup": chosen,
            "root": folder,
            "vocabulary": glosses,
            "splits": rows,
        }
        click.echo(json.dumps(out, ensure_ascii=False, indent=2))
        return
    head = paragraph(f"{described.name} ({chosen}): {described.title}", "")
    click.echo(styled(head, bold=True))
    click.echo(f"  {folder}")
    click.echo(paragraph(f"{described.licence}, {described.source}") + "\n")
    heads = ("split", "samples", "glosses", "vocabulary", "new", "signers", "length min/med/max")
    cells = [
        (
            *(row[key] for key in ("split", "samples", "glosses", "vocabulary", "unseen")),
            len(row["signers"]),
            f"{row['shortest']} / {row['median']:g} / {row['longest']}",
        )
        for row in rows
    ]
    click.echo(table(cells, heads))
    click.echo(f"\n  vocabulary of all splits: {glosses} raw glosses")
    for row in rows:
        signers = ", ".join(row["signers"]) or "unknown"
        click.echo(paragraph(f"signers of {row['split']}: {signers}"))
        if row["withheld"]:
            click.echo(f"  the references of {row['split']} are withheld")


def _counted(described: Layout, folder: str, setup: str) -> tuple[list[dict[str, Any]], int]:
    """Count what each split holds, and the glosses of all; warn of those that are not there."""
    from slaeval.errors import InputError
    from slaeval.loaders import load_corpus

    seen: set[str] = set()
    rows: list[dict[str, Any]] = []
    failures = []
    for split in described.splits:
        try:
            loaded = load_corpus(described.name, folder, split, setup)
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
    return rows, len(seen)


@corpus.command()
@click.argument("name")
@path_option("--root", "DIR", "Folder of the corpus.")
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


@corpus.command()
@click.argument("name")
@path_option("--root", "DIR", "Folder of the corpus.")
@click.option("--setup", metavar="NAME", help="Setup, where the corpus has several.")
@click.option(
    "--split",
    "splits",
    multiple=True,
    metavar="NAME",
    help="Split to cache; repeatable.  [default: all]",
)
@click.option(
    "--size",
    type=click.IntRange(1, 4096),
    default=256,
    show_default=True,
    metavar="N",
    help="Side of the frames in pixels, as the model resizes them before it crops.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["jpeg", "webp", "png"]),
    default="jpeg",
    show_default=True,
    help="How frames are stored; png changes nothing, and takes several times the room.",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Quality of jpeg and webp.  [default: 95]",
)
@path_option(
    "--out",
    "DIR",
    "Folder of the cache.  [default: one for each corpus, size and format below "
    "SLAEVAL_CACHE_DIR, or the user's cache folder]",
)
@workers_option("Processes that read and code.  [default: one per core]")
@on_error_option("What to do with a sample whose pictures are missing or unreadable.")
@click.option("--restart", is_flag=True, help="Make it again.")
@click.option(
    "--verify",
    "checking",
    is_flag=True,
    help="Read a cache, and compare it with its hashes and with the corpus.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def cache(
    name: str,
    root: str | None,
    setup: str | None,
    splits: tuple[str, ...],
    size: int,
    kind: str,
    quality: int | None,
    out: str | None,
    workers: int | None,
    on_error: str,
    restart: bool,
    checking: bool,
    as_json: bool,
) -> None:
    """Store the resized frames of NAME in one file, for 'train' and 'run' --frame-cache.

    Training reads it instead of a million pictures or of videos, and all processes share it. A
    build that was stopped goes on when the same command is given again. jpeg and webp change
    pixels a little: runs say so, and keep the hash of what they read.

    \b
    slaeval corpus cache phoenix2014t
    slaeval train --dataset phoenix2014t --frame-cache auto --out sla_lora.pt
    """
    from slaeval.extras import require

    require("run", "slaeval corpus cache")
    from slaeval.loaders import find
    from slaeval.loaders.frame_cache import cache_folder
    from slaeval.loaders.frame_index import Coding
    from slaeval.loaders.reading import load_corpus
    from slaeval.loaders.registry import layout
    from slaeval.recognition.frame_caching import make_frame_cache, verify_frame_cache

    described = layout(name)
    chosen = described.setup_of(setup)
    names = [described.split_of(split) for split in splits] or described.splits
    place = find(described.name, root)
    coding = Coding(kind, quality)  # type: ignore[arg-type]  # click has seen to it
    folder = out or cache_folder(described.name, chosen, size, coding)
    rows = []
    for split in dict.fromkeys(names):
        data = load_corpus(described.name, place, split, chosen)
        if checking:
            header, skipped = verify_frame_cache(data, folder)
            _check_asked(folder, header)
        else:
            with resumable():
                header, skipped = make_frame_cache(
                    data,
                    folder,
                    size,
                    coding,
                    workers=_cores() if workers is None else workers,
                    on_error="skip" if on_error == "skip" else "stop",
                    restart=restart,
                    remade=names if restart else (),
                )
        rows.append({**header.to_dict(), "skipped": skipped})
        for id, reason in list(skipped.items())[:5]:
            warn(f"skipped: {id} ({reason})")
        if len(skipped) > 5:
            warn(f"… and {len(skipped) - 5} more skipped")
        if not as_json:
            click.echo(
                f"{described.name} ({chosen}) {split}: {header.frames:,} frames, "
                f"{header.bytes / 1e6:,.1f} MB, {header}" + (", as it was made" * checking)
            )
    if as_json:
        click.echo(json.dumps({"folder": folder, "splits": rows}, ensure_ascii=False, indent=2))
    elif not checking:
        where = "auto" if out is None else shlex.quote(out)
        click.echo(f"in {folder}; use it with --frame-cache {where}")


def _check_asked(folder: str, header: Header) -> None:
    """Check that a cache has the size and coding that were given, if any were."""
    there = {"size": header.side, "kind": header.coding.format, "quality": header.coding.quality}
    given = click.get_current_context().params
    if any(is_given(name) and given[name] != value for name, value in there.items()):
        raise UsageError(
            f"{folder} holds frames of {header.split} as {header.coding}, {header.side} pixels: "
            "give these or none with --verify, or name another folder with --out"
        )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
