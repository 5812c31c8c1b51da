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
    shown = _sources(slaeval(*arguments, "--lr", "0.001").stdout)
    assert shown["epochs"] == ("40", "AdaptSign")
    assert shown["learning_rate"] == ("0.001", "this command")
    assert shown["lora_rank"] == ("8", "slaeval preset")
    tiny = _sources(slaeval(*arguments, "--backbone", "slaeval-tiny").stdout)
    assert tiny["backbone"] == ("slaeval-tiny", "this command")
    assert tiny["epochs"] == ("28", "slaeval preset")
    assert tiny["hidden"] == ("256", "slaeval preset")
    assert tiny["temperature"] == ("8.0", "AdaptSign")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "--out sla_lora.pt"),
        (("--out", "a.pt", "--backbone", "ViT-B-16"), "no weights named for ViT-B-16"),
        (("--out", "a.txt", "--backbone", "slaeval-tiny"), "ends in .pt or .safetensors"),
        (("--out", "a.pt", "--set", "epoch=3"), "did you mean 'epochs'"),
        (("--out", "a.pt", "--set", "epochs"), "KEY=VALUE"),
        (("--out", "a.pt", "--epochs", "3", "--set", "epochs=4"), "epochs is given twice"),
        (("--out", "a.pt", "--set", "flip=0", "--set", "flip=1"), "flip is given twice"),
        (("--out", "a.pt", "--set", "backbone=slaeval-tiny"), "use --backbone"),
        (("--out", "a.pt", "--backbone", "slaeval-tiny", "--root", "no"), "no such folder"),
        (("--out", "a.pt", "--variant", "sla-loar"), "did you mean 'sla-lora'"),
        (("--out", "a.pt", "--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_what_cannot_be_meant(
    slaeval: Run, tmp_path: Path, arguments: tuple[str, ...], part: str
) -> None:
    done = slaeval("train", "--dataset", "phoenix2014t", *arguments)
    assert done.returncode == (1 if "--root" in arguments else 2)
    assert part in done.stderr
    assert not list(tmp_path.glob("a.*"))
