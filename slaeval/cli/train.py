"""``slaeval train``: from a corpus on disk to a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from slaeval.cli.options import (
    existing,
    frame_cache_option,
    in_groups,
    is_given,
    on_error_option,
    resumable,
    workers_option,
)
from slaeval.console import table
from slaeval.errors import UsageError
from slaeval.extras import require

if TYPE_CHECKING:
    from slaeval.training.options import Options
    from slaeval.training.recipe import Recipe
    from slaeval.training.trainer import Trained

__all__ = ["train"]


@click.command(
    cls=in_groups(
        {
            "Corpus": ("dataset", "root", "setup", "dev_split", "labels", "vocabulary", "on_error"),
            "Model": ("variant", "backbone", "pretrained", "backbone_weights", "warm_start"),
            "Recipe": (
                *("epochs", "batch_size", "accumulate", "learning_rate", "seed", "precision"),
                *("ema", "average", "patience"),
                *("settings", "recipe_file", "save_recipe", "show_recipe", "shuffle_labels"),
            ),
            "Output": ("out", "slim", "save_every", "restart", "track", "as_json"),
            "Machine": ("device", "workers", "cache_gb", "frame_cache"),
        },
        renamed={"--init": "--warm-start"},
    )
)
@click.option("--dataset", metavar="NAME", help="Corpus to train on; needed to train.")
@click.option(
    "--root", type=existing(), metavar="DIR", help="Folder of the corpus, if not registered."
)
@click.option("--setup", metavar="NAME", help="Setup, where the corpus has several, such as SI.")
@click.option(
    "--variant",
    default="sla-lora",
    show_default=True,
    metavar="NAME",
    help="sla-lora, sla-adapter, or frozen (a control without adapter).",
)
@click.option(
    "--backbone",
    default="ViT-B-16-quickgelu",
    show_default=True,
    metavar="NAME",
    help="Backbone by its open_clip name, or slaeval-tiny for the sample corpora.",
)
@click.option(
    "--pretrained",
    metavar="TAG",
    help="open_clip tag of the backbone's weights, or none for random ones.",
)
@click.option(
    "--backbone-weights", type=existing(), metavar="FILE", help="File with the backbone's weights."
)
@click.option(
    "--out", type=existing(), metavar="FILE", help="Checkpoint to write: .pt or .safetensors."
)
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Number of epochs.")
@click.option(
    "--batch-size", type=click.IntRange(1), metavar="N", help="Clips per batch and process."
)
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    metavar="N",
    help="Batches accumulated per optimiser step.",
)
@click.option("--lr", "learning_rate", type=float, metavar="X", help="Learning rate.")
@click.option("--seed", type=int, metavar="N", help="Random seed.")
@click.option("--precision", metavar="NAME", help="auto, fp32, bf16 or fp16.")
@click.option(
    "--ema",
    type=float,
    metavar="DECAY",
    help="Evaluate and save an exponential moving average of the weights, such as 0.999.",
)
@click.option(
    "--average",
    type=click.IntRange(1),
    metavar="K",
    help="Evaluate and save the mean weights of the last K epochs.",
)
@click.option(
    "--patience",
    type=click.IntRange(0),
    metavar="N",
    help="Stop after N epochs without a better dev WER.",
)
@click.option(
    "--labels",
    metavar="NAME",
    help="Labels to train on: raw (as annotated) or cleaned (as in references).",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set any other value listed by --show-recipe; repeatable.",
)
@click.option(
    "--recipe",
    "recipe_file",
    type=existing(),
    metavar="FILE",
    help="Recipe to start from: .toml, .yaml, or a checkpoint's own; other options override it.",
)
@click.option(
    "--save-recipe", type=existing(), metavar="FILE", help="Write the recipe to .toml or .yaml."
)
@click.option("--show-recipe", is_flag=True, help="Print the recipe with its sources and exit.")
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="cuda, mps, cpu.")
@workers_option()
@click.option(
    "--cache-gb",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0),
    metavar="X",
    help="Keep resized frames in memory if they take no more than this.",
)
@frame_cache_option
@on_error_option("What to do with a sample that cannot be trained on.")
@click.option(
    "--dev-split",
    default="dev",
    show_default=True,
    metavar="NAME",
    help="Split evaluated after each epoch.",
)
@click.option(
    "--warm-start",
    type=existing(),
    metavar="FILE",
    help="Checkpoint to start from; what fits is taken over.",
)
@click.option(
    "--vocabulary",
    type=existing(),
    metavar="FILE",
    help="Glosses in class order: one per line, or VAC's gloss_dict.npy.  [default: those of the "
    "training split]",
)
@click.option("--slim", is_flag=True, help="Leave the backbone out of the checkpoint.")
@click.option(
    "--save-every",
    default="30m",
    show_default=True,
    metavar="N|TIME",
    help="Also save the state within an epoch: every N steps, or every 90s, 30m, 2h; 0 for never.",
)
@click.option("--restart", is_flag=True, help="Start over, overwriting an earlier run.")
@click.option(
    "--shuffle-labels", is_flag=True, help="Control experiment: shuffle labels between clips."
)
@click.option(
    "--track",
    metavar="NAME",
    help="Also log to wandb or trackio, if installed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(
    dataset: str | None,
    root: str | None,
    setup: str | None,
    dev_split: str,
    out: str | None,
    settings: tuple[str, ...],
    recipe_file: str | None,
    save_recipe: str | None,
    show_recipe: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Train SLA-LoRA or SLA-Adapter on a corpus.

    After every epoch the dev split is scored under the official protocol, and the best epoch
    is kept. An interrupted run resumes when the same command is given again.

    \b
    slaeval train --dataset phoenix2014t --variant sla-lora --out sla_lora.pt
    slaeval train --dataset phoenix2014t --backbone slaeval-tiny --out tiny.pt
    torchrun --nproc-per-node 8 -m slaeval train --dataset csl-daily --out my.pt
    """
    # The other options have the names that a recipe or slaeval.training.Options has for them.
    require("run", "training")
    of_recipe = {name: str(given[name]) for name in _RECIPE if is_given(name)}
    chosen = _Chosen.of(_pairs(settings, of_recipe), recipe_file)
    if save_recipe is not None:
        from slaeval.training.recipe_files import write_recipe

        write_recipe(save_recipe, chosen.values)
    if show_recipe:
        click.echo(chosen.shown())
    if show_recipe or (save_recipe is not None and out is None):
        return
    if dataset is None:
        raise UsageError("missing --dataset: the corpus to train on, such as --dataset csl-daily")
    if out is None:
        raise UsageError("missing --out: where to write the checkpoint, such as --out sla_lora.pt")
    chosen.check_weights(given["backbone_weights"])
    from slaeval.recognition.distributed import launched
    from slaeval.training import train as run

    with resumable():
        done = run(
            dataset,
            out,
            chosen.recipe,
            model=chosen.model,
            root=root,
            setup=setup,
            dev_split=dev_split,
            options=_options(given),
            log=lambda text: click.echo(text, err=True),
        )
    if launched()[0] == 0:  # other ranks have the same result
        _show(done, as_json)


def _options(given: Mapping[str, Any]) -> Options:
    """Return what does not change the result, or belongs to this machine."""
    from slaeval.checkpoints.foreign import read_vocabulary
    from slaeval.recognition.devices import choose_device, choose_workers
    from slaeval.training import Options

    values = {field.name: given[field.name] for field in fields(Options)}
    if values["workers"] is None:
        values["workers"] = choose_workers(choose_device(values["device"]))
    if values["vocabulary"] is not None:
        values["vocabulary"] = read_vocabulary(values["vocabulary"])
    return Options(**values)


def _show(done: Trained, as_json: bool) -> None:
    if not as_json:
        click.echo(f"{done.checkpoint}: {done.score}")
        return
    import json

    result = {"checkpoint": done.checkpoint, "history": done.history, "dev": done.score.to_dict()}
    click.echo(json.dumps(result, ensure_ascii=False, indent=2, allow_nan=False))


#: Options that are values of the recipe.
_RECIPE = (
    *("variant", "backbone", "pretrained", "labels", "epochs", "batch_size", "accumulate"),
    *("learning_rate", "seed", "precision", "ema", "average", "patience"),
)

#: Short for a value of the recipe, as its option is.
_SHORT = {"lr": "learning_rate"}


def _pairs(settings: tuple[str, ...], options: dict[str, str]) -> dict[str, str]:
    """Merge ``--set`` and the options into values by their names in the recipe."""
    pairs = dict(options)
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise UsageError(f"--set takes KEY=VALUE, found {setting!r}")
        key = key.replace("-", "_")
        key = _SHORT.get(key, key)
        if key in ("variant", "backbone"):
            raise UsageError(f"the recipe depends on the {key}: use --{key}")
        if key in options:
            raise UsageError(f"{key} is given twice: with --set and with its own option")
        if key in pairs:
            raise UsageError(f"--set {key} is given twice")
        pairs[key] = value
    return pairs


class _Chosen(NamedTuple):
    """The recipe of this command and the values given for it."""

    recipe: Recipe
    model: dict[str, Any]
    given: dict[str, str]
    from_file: set[str]

    @classmethod
    def of(cls, given: dict[str, str], path: str | None) -> _Chosen:
        from slaeval.training.recipe import model_changes, recipe_for
        from slaeval.training.recipe_files import read_recipe

        read = {} if path is None else read_recipe(path)
        changes = {**read, **given}
        own = {name: changes.pop(name) for name in ("variant", "backbone") if name in changes}
        recipe = recipe_for(**own)
        names = recipe.to_dict()
        recipe = recipe.changed({key: value for key, value in changes.items() if key in names})
        model = model_changes({key: value for key, value in changes.items() if key not in names})
        return cls(recipe, model, given, read.keys() - given.keys())

    def check_weights(self, backbone_weights: str | None) -> None:
        """Refuse a backbone for which neither weights nor random ones were asked for."""
        from slaeval.models.config import TINY

        backbone = self.recipe.backbone
        named = self.recipe.pretrained is not None or "pretrained" in self.given
        if not named and backbone_weights is None and backbone != TINY:
            raise UsageError(
                f"no weights given for {backbone}: use --pretrained TAG (open_clip), "
                "--backbone-weights FILE, or --pretrained none for random ones"
            )

    @property
    def values(self) -> dict[str, Any]:
        from slaeval.models.config import preset

        config = preset(self.recipe.variant, self.recipe.backbone, 2)
        return {**config.to_dict(), **self.model, **self.recipe.to_dict()}

    def shown(self) -> str:
        """Return each value with its source, and other differences from AdaptSign."""
        from slaeval.models.config import preset
        from slaeval.training.recipe import DEVIATIONS, MODEL_SOURCES, SOURCES, recipe_for

        usual = recipe_for()
        usual_values = {**preset(usual.variant, usual.backbone, 2).to_dict(), **usual.to_dict()}
        values, rows = self.values, []
        for name, source in {**SOURCES, **MODEL_SOURCES}.items():
            if name in self.given or ("adapter" in self.given and name in self.model):
                source = "this command"
            elif name in self.from_file:
                source = "the recipe's file"
            elif values[name] != usual_values[name]:
                # SOURCES describes the usual recipe; other values are our presets (tiny tower).
                source = "slaeval preset"
            rows.append((name, _shown(values[name]), source))
        if self.recipe.normalisation == "auto":
            found = self.recipe.preprocessing().normalisation
            rows = [(n, f"{v} ({found})" if n == "normalisation" else v, s) for n, v, s in rows]
        entries = [
            f"{what}: {here}; AdaptSign: {there}. {why[0].upper()}{why[1:]}."
            for what, there, here, why in DEVIATIONS
        ]
        return "\n".join(
            [
                table(rows, ("value", "", "source"), left=3),
                "\nDifferences from AdaptSign's code in every recipe:",
                *(click.wrap_text(entry, 78, "  ", "    ") for entry in entries),
            ]
        )


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
