"""``slaeval train`` as a process: what it shows and what it refuses before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

Run = Callable[..., Any]


def _sources(text: str) -> dict[str, tuple[str, str]]:
    """Return value and source of each line of ``--show-recipe``."""
    rows = [line.split("  ") for line in text.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    return {row[0]: (row[1], row[2]) for row in cells if len(row) == 3}


def test_each_value_of_the_recipe_has_a_true_source(slaeval: Run) -> None:
    arguments = ("train", "--dataset", "phoenix2014t", "--show-recipe")
    shown = _sources(slaeval(*arguments, "--lr", "0.001", "--ema", "0.999").stdout)
    assert shown["ema"] == ("0.999", "this command")
    assert shown["patience"] == ("0", "AdaptSign")
    assert shown["epochs"] == ("40", "AdaptSign")
    assert shown["learning_rate"] == ("0.001", "this command")
    assert shown["lora_rank"] == ("8", "slaeval preset")
    tiny = _sources(slaeval(*arguments, "--backbone", "slaeval-tiny").stdout)
    assert tiny["backbone"] == ("slaeval-tiny", "this command")
    assert tiny["epochs"] == ("28", "slaeval preset")
    assert tiny["hidden"] == ("256", "slaeval preset")
    assert tiny["temperature"] == ("8.0", "AdaptSign")


def test_differences_from_the_predecessor_are_listed_with_reasons(slaeval_here: Run) -> None:
    shown = slaeval_here("train", "--show-recipe").stdout
    assert shown == slaeval_here("train", "--dataset", "phoenix2014t", "--show-recipe").stdout
    for part in ("batch normalisation: ", "distillation: ", "resizing: ", "ends of a clip: "):
        entry = shown.partition(part)[2]
        assert "AdaptSign: " in entry


@pytest.mark.parametrize("name", ["mine.toml", "mine.yaml"])
def test_a_recipe_goes_into_a_file_and_back(slaeval_here: Run, tmp_path: Path, name: str) -> None:
    if name.endswith(".toml"):
        pytest.importorskip("tomllib")
    start = ("train", "--dataset", "phoenix2014t")
    changes = ("--variant", "sla-adapter", "--set", "adapter=st-adapter", "--set", "lr=0.003")
    done = slaeval_here(*start, *changes, "--set", "milestones=3,5", "--save-recipe", name)
    assert done.returncode == 0, done.stderr
    assert "# AdaptSign" in (tmp_path / name).read_text()
    again = _sources(
        slaeval_here(*start, "--recipe", name, "--epochs", "7", "--show-recipe").stdout
    )
    assert again["learning_rate"] == ("0.003", "the recipe's file")
    assert again["variant"][0] == "sla-adapter"
    assert again["adapter_kernel"][0] == "3, 1, 1"
    assert again["adapter_class_token"][0] == "False"
    assert again["milestones"][0] == "3, 5"
    assert again["epochs"] == ("7", "this command")


def test_the_recipe_of_a_checkpoint(slaeval_here: Run, checkpoint: Callable[..., Path]) -> None:
    recipe = {"variant": "sla-adapter", "backbone": "slaeval-tiny", "epochs": 3, "milestones": [2]}
    path = checkpoint("sla-adapter", recipe=recipe)
    shown = slaeval_here("train", "--dataset", "phoenix2014t", "--recipe", path, "--show-recipe")
    values = _sources(shown.stdout)
    assert values["epochs"][0] == "3"
    assert values["hidden"][0] == "32"
    assert values["backbone"][0] == "slaeval-tiny"


@pytest.mark.parametrize(
    ("name", "text", "code", "part"),
    [
        ("a.toml", "epochs 3", 1, "not TOML"),
        ("a.yaml", "epochs: [3", 1, "a.yaml:1: not YAML: expected ',' or ']'"),
        ("a.yaml", "- 3", 1, "one 'name: value' per line"),
        ("a.yaml", "epochs: {a: 3}", 1, "epochs is not a single value"),
        ("a.yaml", "epoch: 3", 2, "did you mean 'epochs'"),
        ("a.json", "{}", 2, "a .toml or .yaml file, or a checkpoint"),
    ],
)
def test_a_recipe_that_cannot_be_read(
    slaeval_here: Run, tmp_path: Path, name: str, text: str, code: int, part: str
) -> None:
    if name.endswith(".toml"):
        pytest.importorskip("tomllib")
    (tmp_path / name).write_text(text)
    done = slaeval_here("train", "--dataset", "phoenix2014t", "--recipe", name, "--show-recipe")
    assert done.returncode == code
    assert part in done.stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "--out sla_lora.pt"),
        (("--out", "a.pt", "--backbone", "ViT-B-16"), "no weights given for ViT-B-16"),
        (("--out", "a.txt", "--backbone", "slaeval-tiny"), "ends in .pt or .safetensors"),
        (("--out", "hf://me/a:a.pt", "--backbone", "slaeval-tiny"), "'slaeval ckpt push' uploads"),
        (("--out", "a.pt", "--set", "epoch=3"), "did you mean 'epochs'"),
        (("--out", "a.pt", "--set", "epochs"), "KEY=VALUE"),
        (("--out", "a.pt", "--epochs", "3", "--set", "epochs=4"), "epochs is given twice"),
        (("--out", "a.pt", "--set", "flip=0", "--set", "flip=1"), "flip is given twice"),
        (("--out", "a.pt", "--set", "backbone=slaeval-tiny"), "use --backbone"),
        (("--out", "a.pt", "--backbone", "slaeval-tiny", "--root", "no"), "no such folder"),
        (("--out", "a.pt", "--variant", "sla-loar"), "did you mean 'sla-lora'"),
        (("--out", "a.pt", "--device", "tpu"), "unknown device 'tpu'"),
        (("--out", "a.pt", "--epochs", "3", "--average", "5"), "more than the 3 epochs"),
    ],
)
def test_what_cannot_be_meant(
    slaeval_here: Run, tmp_path: Path, arguments: tuple[str, ...], part: str
) -> None:
    done = slaeval_here("train", "--dataset", "phoenix2014t", *arguments)
    assert done.returncode == (1 if "--root" in arguments else 2)
    assert part in done.stderr
    assert not list(tmp_path.glob("a.*"))
