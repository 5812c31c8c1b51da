"""``slaeval ckpt``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from sample_checkpoint import make_checkpoint
from vac_layout import Vac, trained, write, write_gloss_dict

from slaeval.checkpoints import read_checkpoint, save_checkpoint


@pytest.fixture
def here(slaeval_here: Any) -> Callable[..., tuple[int, str, str]]:
    """Run ``slaeval ARG…`` in this process, where torch is loaded already."""

    def run(*arguments: object) -> tuple[int, str, str]:
        done = slaeval_here(*arguments)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "sla_lora.pt"
    save_checkpoint(path, make_checkpoint())
    return path


def test_a_file_does_not_steer_the_terminal(here: Any, tmp_path: Path) -> None:
    recipe = {"note": "\x1b[2Jgone\r\n\x9b31m"}
    save_checkpoint(
        tmp_path / "a.pt", make_checkpoint(recipe=recipe, vocabulary=["A\x1b[8m", "B", "C"])
    )
    code, out, _ = here("ckpt", "show", tmp_path / "a.pt")
    assert code == 0
    assert "\\x1b[2Jgone\\r\\n\\x9b31m" in out
    assert "A\\x1b[8m" in out
    assert "\x1b[2J" not in out
    assert "\x1b[8m" not in out
    assert "\x9b" not in out


def test_show(slaeval: Any, saved: Path) -> None:
    done = slaeval("ckpt", "show", saved)
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for line in (
        f"{saved}: slaeval-checkpoint 1, pt, {saved.stat().st_size:,} bytes",
        "variant sla-lora",
        "backbone ViT-T, random weights, inside",
        f"backbone hash {make_checkpoint().backbone['hash']}",
        "corpus name phoenix2014t, setup multisigner, labels cleaned",
        "protocol rwth-2014",
        "vocabulary 3 glosses: HEUTE, 天气, \u2068مرحبا\u2069",
        "decoding beam10+merged: method beam, width 10, tokens 20, merge_repeats yes",
        "preprocessing resize 256, crop 224, normalisation clip",
        "parameters adapter 8, head 31, tower 52",
        f"hash {make_checkpoint().hash}",
        "lora_rank 2",
        "milestones 1 2",
        "note -",
        "dev_wer 20.25",
        "dev.substitutions 3",
        "signature wer|p:rwth",
    ):
        assert line in lines
    found = json.loads(slaeval("ckpt", "show", saved, "--json").stdout)
    assert found["vocabulary"] == ["HEUTE", "天气", "مرحبا"]
    assert found["tensors"]["head.half"] == {"dtype": "float16", "shape": [3]}
    assert found["metrics"]["dev_wer"] == 20.25


def test_convert_between_forms(here: Any, saved: Path, tmp_path: Path) -> None:
    code, out, err = here("ckpt", "convert", saved, "a.safetensors")
    assert code == 0, err
    size = (tmp_path / "a.safetensors").stat().st_size
    assert out == f"a.safetensors: with its backbone, {size:,} bytes\n"
    assert not read_checkpoint(tmp_path / "a.safetensors").slim
    code, out, err = here("ckpt", "convert", "a.safetensors", "b.pt", "--slim")
    assert out.startswith("b.pt: slim: ViT-T is named, not inside, ")
    slim = read_checkpoint(tmp_path / "b.pt")
    assert slim.slim
    assert slim.hash == make_checkpoint().hash
    assert "not inside (slim)" in here("ckpt", "show", "b.pt")[1]
    assert here("ckpt", "convert", "b.pt", "d.safetensors")[1].startswith("d.safetensors: slim")
    assert here("ckpt", "convert", "a.safetensors", "c.pt")[0] == 0
    assert (tmp_path / "c.pt").read_bytes() == saved.read_bytes()


def test_take_over_a_head(here: Any, tmp_path: Path) -> None:
    write(tmp_path / "vac.pt", trained(Vac()), parallel=True)
    write_gloss_dict(tmp_path / "gloss_dict.npy")
    code, out, err = here("ckpt", "convert", "vac.pt", "head.pt")
    assert (code, out) == (2, "")
    assert "add --vocabulary gloss_dict.npy" in err
    code, out, err = here("ckpt", "convert", "vac.pt", "head.pt", "--vocabulary", "gloss_dict.npy")
    assert code == 0, err
    assert out.startswith("head.pt: a head alone, 4 glosses, ")
    rows = [line.split() for line in out.splitlines()]
    assert [
        "module.conv1d.temporal_conv.0.weight",
        "temporal_convolution.conv1.weight",
    ] in rows
    text = " ".join(out.split())
    assert "scheduler_state_dict, rng_state: only needed to continue their training" in text
    assert "and 3 more: their image encoder" in text
    assert out.splitlines()[-1] == "  slaeval train --warm-start head.pt …"
    shown = here("ckpt", "show", "head.pt")[1]
    assert "none: a head alone, to start a training with" in shown
    assert "converted_from  vac.pt" in shown
    assert here("ckpt", "convert", "head.pt", "head.safetensors")[1].startswith(
        "head.safetensors: a head alone, "
    )
    code, out, err = here("ckpt", "show", "vac.pt")
    assert code == 1
    assert "slaeval ckpt convert … --vocabulary gloss_dict.npy" in err
    (tmp_path / "three.txt").write_text("A\nB\nC\n")
    code, out, err = here("ckpt", "convert", "vac.pt", "x.pt", "--vocabulary", "three.txt")
    assert code == 1
    assert "made for 5 classes" in err
    assert not (tmp_path / "x.pt").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show"], 2, "missing argument 'FILE'; see 'slaeval ckpt show --help'"),
        (["show", "nothing.pt"], 1, "nothing.pt: no such file; expected a checkpoint"),
        (["show", "."], 1, "this is a folder"),
        (["show", "text"], 1, "not a checkpoint"),
        (["convert", "sla_lora.pt", "sla_lora.pt"], 2, "would be overwritten"),
        (["convert", "sla_lora.pt", "x.pth"], 2, "ends in .pt or .safetensors"),
        (["convert", "sla_lora.pt", "x/y.pt"], 1, "cannot write"),
        (
            ["convert", "sla_lora.pt", "x.pt", "--vocabulary", "text"],
            1,
            "convert it without --vocabulary",
        ),
        (["convert", "sla_lora.pt", "x.pt", "--slim", "--vocabulary", "text"], 2, "--slim means"),
    ],
)
def test_misuse(
    here: Any, saved: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "text").write_text("just\ntext\n")
    found, out, err = here("ckpt", *arguments)
    assert found == code
    assert message in err
    assert out == ""
    assert not (tmp_path / "x.pt").exists()
