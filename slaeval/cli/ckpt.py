"""``slaeval ckpt``: what is in a checkpoint, and changing its form."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from slaeval.cli.options import existing, path_option
from slaeval.console import isolated, paragraph, styled, table, warn, width
from slaeval.errors import SlaevalError, UsageError
from slaeval.evaluation.overwriting import check_outputs

if TYPE_CHECKING:
    from slaeval.checkpoints.foreign import ConvertedHead

__all__ = ["ckpt"]


@click.group()
def ckpt() -> None:
    """Show, convert and upload checkpoints."""


@ckpt.command()
@click.argument("file", type=existing(), metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def show(file: str, as_json: bool) -> None:
    """Show what is in a checkpoint.

    Model, backbone, corpus, vocabulary, preprocessing, decoding, recipe, metrics, sizes. The
    weights are not read, and nothing in the file is run.
    """
    from slaeval.checkpoints import describe

    described = describe(file)
    if as_json:
        import json

        click.echo(json.dumps(described, ensure_ascii=False, indent=2, allow_nan=False))
        return
    click.echo(render(described))


@ckpt.command()
@click.argument("source", type=existing(), metavar="IN")
@click.argument("target", type=existing(), metavar="OUT")
@click.option("--slim", is_flag=True, help="Leave the backbone out; its name and hash stay.")
@path_option(
    "--vocabulary",
    "FILE",
    "Glosses of a checkpoint of other code, in class order: gloss_dict.npy, or one per line.",
)
@click.option("--dataset", metavar="NAME", help="Corpus that a file of AdaptSign was trained on.")
def convert(
    source: str, target: str, slim: bool, vocabulary: str | None, dataset: str | None
) -> None:
    """Write a checkpoint in another form, or convert one of other code.

    Between .pt and .safetensors, by the suffix of OUT. A file of AdaptSign, with its
    --vocabulary and --dataset, becomes a whole checkpoint for 'slaeval run'. From a file of
    VAC, CorrNet or SEN the head is taken where shapes agree: OUT is then a head alone, to start
    a training with. Proven on files made in those layouts; no published file was at hand.

    \b
    slaeval ckpt convert sla_lora.pt sla_lora.safetensors --slim
    slaeval ckpt convert dev_18.50.pt adaptsign.pt --vocabulary gloss_dict.npy \\
        --dataset phoenix2014
    slaeval ckpt convert dev_18.90.pt head.pt --vocabulary gloss_dict.npy
    """
    from slaeval.checkpoints import read_checkpoint, save_checkpoint
    from slaeval.checkpoints.foreign import is_foreign, read_head, read_vocabulary
    from slaeval.checkpoints.storing import form_of
    from slaeval.extras import require

    check_outputs([source, vocabulary], [target])
    form_of(target)
    require("run", "slaeval ckpt convert")
    if vocabulary is None and is_foreign(source):
        raise UsageError(
            f"{source} has no vocabulary inside: add --vocabulary gloss_dict.npy, the one it was "
            "trained with"
        )
    if vocabulary is None:
        checkpoint = read_checkpoint(source, head=True)
        save_checkpoint(target, checkpoint, slim)
        if checkpoint.kind == "head":
            what = "a head alone"
        elif slim or checkpoint.slim:
            what = f"slim: {checkpoint.backbone['name']} is named, not inside"
        else:
            what = "with its backbone"
        click.echo(f"{target}: {what}, {_size(os.stat(target).st_size)}")
        return
    from slaeval.loaders import resolve
    from slaeval.recognition.conversion import is_adaptsign, read_adaptsign

    if is_adaptsign(source):
        if dataset is None:
            raise UsageError(
                f"{source} is a checkpoint of AdaptSign: say with --dataset which corpus it was "
                "trained on"
            )
        converted = read_adaptsign(source, read_vocabulary(vocabulary), resolve(dataset))
    elif slim:
        raise UsageError("--slim means nothing here: a head taken from other code has no tower")
    else:
        converted = read_head(source, read_vocabulary(vocabulary))
    save_checkpoint(target, converted.checkpoint, slim)
    click.echo(render_converted(converted, source, target))


@ckpt.command()
@click.argument("file", type=existing(), metavar="FILE")
@click.argument("repository", metavar="USER/NAME")
@click.option(
    "--run",
    "folders",
    type=existing(),
    multiple=True,
    metavar="DIR",
    help="Run of this checkpoint whose figures go into the model card; repeatable.",
)
@click.option(
    "--licence",
    "--license",
    "licence",
    metavar="ID",
    help="Licence as the Hub names it, such as mit or cc-by-nc-sa-4.0.",
)
@click.option("--private", is_flag=True, help="Make a private repository, if there is none yet.")
@click.option("--dry-run", is_flag=True, help="Print the model card; upload nothing.")
def push(
    file: str,
    repository: str,
    folders: tuple[str, ...],
    licence: str | None,
    private: bool,
    dry_run: bool,
) -> None:
    """Upload a checkpoint to the Hugging Face Hub, with a model card.

    The card (README.md) gives corpus, protocol, signature, figures and use. It replaces an
    earlier one of slaeval, but not one written by hand.

    \b
    slaeval run --ckpt sla_lora.pt --out test
    slaeval ckpt push sla_lora.pt me/sla-lora-phoenix --run test \\
        --licence cc-by-nc-sa-4.0
    slaeval run --ckpt hf://me/sla-lora-phoenix
    """
    from slaeval.checkpoints import hub, read_checkpoint
    from slaeval.evaluation.model_card import model_card
    from slaeval.evaluation.run_folder import Run

    if hub.is_address(file):
        raise UsageError(f"{file} is on the Hub already")
    name = os.path.basename(file)
    read_checkpoint(file)  # what is damaged is not sent
    card = model_card(file, repository, [Run.open(folder) for folder in folders], licence)
    if dry_run:
        click.echo(card, nl=False)
        return
    commit, written = hub.push(
        repository,
        {name: file, "README.md": card.encode()},
        private=private,
        message=f"Upload {name}",
    )
    if not written:
        warn("the README.md there was not written by slaeval: left as it is (see --dry-run)")
    if licence is None:
        warn("no licence is stated; --licence states one")
    click.echo(f"hf://{repository}@{commit}:{name}")


def render(described: Mapping[str, Any]) -> str:
    """Lay a description out for a person."""
    described = _harmless(described)
    backbone = described["backbone"]
    head_alone = described["kind"] == "head"
    if head_alone:
        tower = "none: a head alone, to start a training with"
    else:
        inside = "not inside (slim)" if described["slim"] else "inside"
        weights = backbone["pretrained"] or "random weights"
        tower = f"{backbone['name']}, {weights}, {inside}"
    counts = described["parameters"]
    rows = [
        ("variant", described["model"].get("variant", "-")),
        ("backbone", tower),
        ("backbone hash", backbone.get("hash", "-")),
        ("corpus", _line(described["corpus"]) or "unknown"),
        ("protocol", described["protocol"] or "-"),
        ("vocabulary", _vocabulary(described["vocabulary"])),
        ("decoding", _decoding(described["decoding"])),
        ("preprocessing", _line(described["preprocessing"]) or "-"),
        (
            "parameters",
            ", ".join(f"{part} {count:,}" for part, count in counts.items() if count),
        ),
        ("hash", described["hash"]),
        ("saved with", _line(described["versions"])),
    ]
    out = [
        f"{styled(described['path'], bold=True)}: {described['format']} "
        f"{described['version']}, {described['form']}, {_size(described['bytes'])}",
        "",
        _entries(rows),
    ]
    for name in ("model", "recipe", "metrics"):
        entries = _flat(described[name])
        if entries:
            out += [
                "",
                f"  {name}",
                table(entries, ("", ""), left=2, indent="    ").split("\n", 1)[1],
            ]
    return "\n".join(out)


def _harmless(value: Any) -> Any:
    """Return `value` with control characters written out: a file must not steer the terminal."""
    if isinstance(value, str):
        return "".join(repr(c)[1:-1] if unicodedata.category(c) == "Cc" else c for c in value)
    if isinstance(value, dict):
        return {_harmless(key): _harmless(item) for key, item in value.items()}
    return [_harmless(item) for item in value] if isinstance(value, list) else value


def render_converted(head: ConvertedHead, source: str, target: str) -> str:
    """Say what was taken from other code and what was not."""
    numbers = sum(tensor.numel() for tensor in head.checkpoint.tensors.values())
    whole = head.checkpoint.kind == "recogniser"
    what = "AdaptSign's recogniser" if whole else "a head alone"
    reasons: dict[str, list[str]] = {}
    for name, why in head.left.items():
        reasons.setdefault(why, []).append(name)
    out = [
        f"{target}: {what}, {len(head.checkpoint.vocabulary)} glosses, {numbers:,} numbers",
        "",
        f"  taken from {source}",
        table(list(head.taken.items()), ("theirs", "ours"), left=2, indent="    "),
    ]
    if reasons:
        out += ["", "  left out"]
    for why, names in reasons.items():
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        out.append(paragraph(f"{shown}: {why}", "    ", "      "))
    if whole:
        return "\n".join([*out, "", f"  slaeval run --ckpt {target}"])
    out += [
        "",
        paragraph(
            "The classifier of the tower's features, the tower and the adapter are not in it: "
            "train them."
        ),
        f"  slaeval train --warm-start {target} …",
    ]
    return "\n".join(out)


def _vocabulary(glosses: list[str]) -> str:
    shown = ", ".join(isolated(gloss) for gloss in glosses[:8])
    return f"{len(glosses)} glosses: {shown}" + (", …" if len(glosses) > 8 else "")


def _decoding(settings: Mapping[str, Any]) -> str:
    """Say decoding in its one word, with what that stands for."""
    if not settings:
        return "-"
    from slaeval.decoding import Decoding

    try:
        word = f"{Decoding.from_dict(settings)}: "
    except SlaevalError:
        word = ""  # of another version: shown as it is
    return word + _line(settings)


def _entries(rows: Sequence[tuple[str, str]], indent: str = "  ") -> str:
    """Lay out names and values in two columns."""
    wide = max(width(name) for name, _ in rows)
    return "\n".join(
        f"{indent}{name}{' ' * (wide - width(name))}  {value}".rstrip() for name, value in rows
    )


def _line(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items())


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Return nested entries as rows: ``dev.substitutions``."""
    rows = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{before}{name}.")
        else:
            rows.append((before + name, _value(value)))
    return rows


def _value(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(_value, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else isolated(str(value))


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count:,} bytes"
