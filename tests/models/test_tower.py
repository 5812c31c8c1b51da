from __future__ import annotations

import collections
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("open_clip")

import open_clip
import timm
import torch
from open_clip.model import resize_pos_embed
from open_clip.timm_model import TimmModel
from open_clip.transformer import QuickGELU, VisionTransformer
from safetensors.torch import save_file

from slaeval.checkpoints import tower_hash
from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.models.temporal import Bounds
from slaeval.models.tower import (
    TINY,
    Shape,
    Tower,
    from_open_clip,
    open_tower,
    read_weights,
    to_open_clip,
    tower_names,
    tower_shape,
)

TINY_SHAPE = Shape(image=32, patch=8, width=96, layers=3, heads=3, hidden=384, output=64)


def _theirs(shape: Shape) -> VisionTransformer:
    """open_clip's own tower of a shape, its weights stirred."""
    tower = VisionTransformer(
        image_size=shape.image,
        patch_size=shape.patch,
        width=shape.width,
        layers=shape.layers,
        heads=shape.heads,
        mlp_ratio=shape.hidden / shape.width,
        ls_init_value=shape.layer_scale,
        output_dim=shape.output,
        no_ln_pre=not shape.norm_first,
        pool_type=shape.pool,
        final_ln_after_pool=shape.norm_after_pool,
        act_layer=QuickGELU if shape.quick_gelu else torch.nn.GELU,
    )
    with torch.no_grad():
        for value in tower.parameters():
            value.add_(torch.randn_like(value), alpha=0.1)
    return tower.eval()


def _ours(shape: Shape, state: dict[str, torch.Tensor]) -> Tower:
    tower = Tower("ours", shape)
    tower.load_state_dict(from_open_clip(state))
    return tower


def _alone(frames: torch.Tensor) -> Bounds:
    return Bounds.of(torch.ones(len(frames), dtype=torch.int64))


VARIATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "quick gelu": {"quick_gelu": True},
    "layer scale": {"layer_scale": 0.3},
    "mean of patches": {"pool": "avg", "norm_first": False, "norm_after_pool": True},
    "mean of normalised patches": {"pool": "avg"},
}


@pytest.mark.parametrize("changes", VARIATIONS.values(), ids=VARIATIONS.keys())
def test_same_output_as_open_clip(small: Shape, changes: dict[str, Any]) -> None:
    shape = replace(small, **changes)
    theirs = _theirs(shape).double()
    ours = _ours(shape, theirs.state_dict()).double()
    frames = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        expected = theirs(frames)
        torch.testing.assert_close(ours(frames, _alone(frames)), expected, rtol=1e-9, atol=1e-9)


def test_tiny_is_open_clips(tmp_path: Path) -> None:
    theirs = _theirs(TINY_SHAPE)
    torch.save(theirs.state_dict(), tmp_path / "tiny.pt")
    ours = open_tower(TINY, str(tmp_path / "tiny.pt"))
    frames = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(frames, _alone(frames)), theirs(frames), rtol=1e-4, atol=1e-5)


def test_vit_b_32_is_open_clips() -> None:
    # Built as open_clip's factory does, without the text side.
    config = open_clip.get_model_config("ViT-B-32-quickgelu")
    vision = config["vision_cfg"]
    theirs = VisionTransformer(
        image_size=vision["image_size"],
        patch_size=vision["patch_size"],
        width=vision["width"],
        layers=vision["layers"],
        heads=vision["width"] // 64,
        mlp_ratio=4.0,
        output_dim=config["embed_dim"],
        act_layer=QuickGELU,
    ).eval()
    state = theirs.state_dict()
    ours = open_tower("ViT-B-32-quickgelu", state=state)
    assert ours.pretrained is None
    frames = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        expected = theirs(frames)
        found = ours(frames, _alone(frames))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
    assert sum(value.numel() for value in ours.parameters()) == 87_849_216
    back = to_open_clip(ours.state_dict())
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)


def _siglip(shape: Shape) -> TimmModel:
    """Return open_clip's SigLIP tower with timm's transformer of a shape, its weights stirred."""
    theirs = TimmModel.__new__(TimmModel)
    torch.nn.Module.__init__(theirs)
    theirs.trunk = timm.models.vision_transformer.VisionTransformer(
        img_size=shape.image,
        patch_size=shape.patch,
        embed_dim=shape.width,
        depth=shape.layers,
        num_heads=shape.heads,
        mlp_ratio=shape.hidden / shape.width,
        class_token=False,
        global_pool="map",
        num_classes=0,
        act_layer="gelu_tanh" if shape.tanh_gelu else None,
    )
    theirs.head = torch.nn.Sequential()
    with torch.no_grad():
        for value in theirs.parameters():
            value.add_(torch.randn_like(value), alpha=0.1)
    return theirs.eval()


@pytest.mark.parametrize("tanh", [False, True])
def test_siglip_is_open_clips(small: Shape, tanh: bool, tmp_path: Path) -> None:
    shape = replace(
        small, pool="map", output=small.width, norm_first=False, tanh_gelu=tanh, epsilon=1e-6
    )
    theirs = _siglip(shape)
    state = theirs.state_dict()
    save_file(
        {f"visual.{name}": value for name, value in state.items()}, tmp_path / "a.safetensors"
    )
    ours = _ours(shape, read_weights(tmp_path / "a.safetensors")).double()
    frames = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    expected = theirs.double()(frames)
    torch.testing.assert_close(ours(frames, _alone(frames)), expected, rtol=1e-9, atol=1e-9)
    # Other pictures, as timm resizes positions for them.
    theirs.trunk.set_input_size(img_size=16)
    frames = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(ours(frames, _alone(frames)), theirs(frames), rtol=1e-4, atol=1e-4)
    back = to_open_clip(ours.float().state_dict())
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], value) for name, value in state.items())


def test_sizes_of_siglip() -> None:
    assert tower_shape("ViT-B-32-SigLIP2-256") == Shape(
        *(256, 32, 768, 12, 12, 3072, 768),
        tanh_gelu=True,
        norm_first=False,
        pool="map",
        epsilon=1e-6,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    "ViT-B-32-SigLIP2-256 ViT-B-16-SigLIP ViT-L-16-SigLIP2-512 ViT-SO400M-14-SigLIP".split(),
)
def test_named_siglip_is_open_clips(name: str) -> None:
    config = open_clip.get_model_config(name)
    vision = config["vision_cfg"]
    theirs = TimmModel(
        vision["timm_model_name"],
        config["embed_dim"],
        image_size=vision["image_size"],
        pool=vision["timm_pool"],
        proj=vision["timm_proj"],
    ).eval()
    ours = open_tower(name, state=theirs.state_dict())
    assert ours.shape.output == config["embed_dim"]
    frames = torch.randn(2, 3, vision["image_size"], vision["image_size"])
    with torch.inference_mode():
        expected = theirs(frames)
        found = ours(frames, _alone(frames))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_weights_go_back(small: Shape) -> None:
    ours = Tower("ours", small)
    theirs = _theirs(small)
    theirs.load_state_dict(to_open_clip(ours.state_dict()), strict=True)
    frames = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(ours(frames, _alone(frames)), theirs(frames), rtol=1e-4, atol=1e-5)
    again = from_open_clip(theirs.state_dict())
    assert again.keys() == ours.state_dict().keys()
    assert all(torch.equal(again[key], value) for key, value in ours.state_dict().items())


@pytest.mark.parametrize("side", [4, 12, 20])
def test_other_picture_sizes_as_open_clip_resizes(small: Shape, side: int) -> None:
    theirs = _theirs(small)
    ours = _ours(small, theirs.state_dict())
    larger = _theirs(replace(small, image=side))
    state = {f"visual.{key}": value for key, value in theirs.state_dict().items()}
    model = torch.nn.Module()
    model.visual = larger
    resize_pos_embed(state, model)
    model.load_state_dict(state)
    frames = torch.randn(2, 3, side, side)
    torch.testing.assert_close(ours(frames, _alone(frames)), larger(frames), rtol=1e-4, atol=1e-5)


def test_pictures_that_do_not_divide(small: Shape) -> None:
    with pytest.raises(InputError, match="10x8 pixels do not divide into patches of 4"):
        Tower("ours", small)(torch.randn(1, 3, 10, 8), Bounds.of(torch.tensor([1])))


def test_random_weights_come_from_the_seed() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (open_tower(TINY, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    hashes = [tower_hash(to_open_clip(tower.state_dict())) for tower in (first, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert not any(value.requires_grad for value in first.parameters())
    # As wide as open_clip draws them, but for the positions: those have deviation 1.
    expected = VisionTransformer(32, 8, 96, 3, 3, 4.0, output_dim=64).state_dict()
    expected["positional_embedding"] *= 96**0.5
    for key, value in to_open_clip(first.state_dict()).items():
        assert value.std(correction=0) == pytest.approx(
            float(expected[key].std(correction=0)), rel=0.3, abs=1e-6
        ), key


# Names


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("RN50", "its tower is a ResNet"),
        ("convnext_base", "its tower is timm's convnext_base"),
        ("ViTamin-S", "its tower is timm's vitamin_small_224"),
        ("coca_ViT-B-32", "its tower pools by attention"),
    ],
)
def test_other_towers_are_refused(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        open_tower(name)


def test_unknown_name() -> None:
    with pytest.raises(UsageError, match=r"unknown backbone 'ViT-B16' \(did you mean 'ViT-B-16'"):
        open_tower("ViT-B16")


def test_names() -> None:
    names = tower_names()
    assert names[0] == TINY
    assert {"ViT-B-16", "ViT-B-16-quickgelu", "ViT-B-32", "ViT-L-14", "ViT-H-14-CLIPA"} <= {*names}
    assert "RN50" not in names
    assert {"ViT-B-16-SigLIP", "ViT-SO400M-14-SigLIP2"} <= {*names}


# Files


def _clip_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What a file of the whole CLIP model holds."""
    whole = {f"visual.{key}": value for key, value in state.items()}
    return whole | {"logit_scale": torch.tensor(1.0), "positional_embedding": torch.zeros(7, 5)}


FORMS = "whole visual trainer compiled lightning nested half double safetensors bin".split()


@pytest.mark.parametrize("form", FORMS)
def test_files_of_weights(tmp_path: Path, form: str) -> None:
    state = _theirs(TINY_SHAPE).state_dict()
    path = tmp_path / f"weights{ {'safetensors': '.safetensors', 'bin': '.bin'}.get(form, '.pt') }"
    whole = _clip_state(state)
    if form == "safetensors":
        save_file(whole, path)
    elif form == "visual":
        torch.save(state, path)
    elif form == "trainer":
        torch.save(
            {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in whole.items()}},
            path,
        )
    elif form == "compiled":
        torch.save({f"_orig_mod.module.{key}": value for key, value in whole.items()}, path)
    elif form == "lightning":
        torch.save({"state_dict": {f"model.{key}": value for key, value in whole.items()}}, path)
    elif form == "nested":
        torch.save({"epoch": 3, "model": {"step": 7, "model_state_dict": whole}}, path)
    elif form in ("half", "double"):
        torch.save({key: getattr(value, form)() for key, value in whole.items()}, path)
    else:
        torch.save(whole, path)
    tower = open_tower(TINY, str(path))
    assert tower.pretrained == str(path)
    expected = {key: value.half() if form == "half" else value for key, value in state.items()}
    assert tower_hash(to_open_clip(tower.state_dict())) == tower_hash(expected)
    assert {value.dtype for value in tower.parameters()} == {torch.float32}


class _Harm:
    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_is_run(tmp_path: Path, zipped: bool) -> None:
    target = tmp_path / "ran"
    torch.save(
        {"conv1.weight": _Harm(str(target))},
        tmp_path / "bad.pt",
        _use_new_zipfile_serialization=zipped,
    )
    message = r"(posix|nt)\.mkdir.*nothing in it has run" if zipped else r"torch before 1\.6"
    with pytest.raises(InputError, match=message):
        read_weights(tmp_path / "bad.pt")
    (tmp_path / "worse.pt").write_bytes(pickle.dumps(_Harm(str(target))))
    with pytest.raises(InputError, match=r"a pickle, not .*nothing in it has run"):
        read_weights(tmp_path / "worse.pt")
    assert not target.exists()


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_a_program_is_not_run(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(tmp_path / "ViT-B-16.pt"))
    with pytest.raises(InputError, match=r"TorchScript program.*state_dict"):
        read_weights(tmp_path / "ViT-B-16.pt")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("damage", ["cut", "foreign", "empty"])
def test_damaged_files(tmp_path: Path, suffix: str, damage: str) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save({"conv1.weight": torch.zeros(100)}, path)
    else:
        save_file({"conv1.weight": torch.zeros(100)}, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    else:
        path.write_bytes(b"" if damage == "empty" else b"these are no weights\n" * 20)
    told = {"cut": "damaged", "foreign": "neither a torch.save", "empty": "the file is empty"}
    with pytest.raises(InputError, match=f"^{path}: .*{told[damage]}"):
        read_weights(path)


def test_quantised_weights_are_not_taken_for_weights(tmp_path: Path) -> None:
    state = _theirs(TINY_SHAPE).state_dict()
    torch.save(state | {"proj": state["proj"].to(torch.int8)}, tmp_path / "x.pt")
    with pytest.raises(InputError, match="proj is of type int8"):
        read_weights(tmp_path / "x.pt")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; expected a file of CLIP weights"):
        open_tower(TINY, str(tmp_path / "nothing.pt"))
    with pytest.raises(InputError, match="this is a folder"):
        open_tower(TINY, str(tmp_path))


@pytest.mark.parametrize("content", [[torch.zeros(2)], torch.zeros(2)])
def test_no_state_dict(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(InputError, match="expected a state dict"):
        read_weights(tmp_path / "x.pt")


def test_weights_of_something_else(tmp_path: Path) -> None:
    torch.save({"vision_model.embeddings.class_embedding": torch.zeros(2)}, tmp_path / "hf.pt")
    with pytest.raises(InputError, match=r"found vision_model\.embeddings\.class_embedding"):
        read_weights(tmp_path / "hf.pt")
    state = _theirs(TINY_SHAPE).state_dict()
    for changed, message in (
        ({k: v for k, v in state.items() if k != "proj"}, "1 tensors are missing.*proj"),
        (state | {"attn_pool.query": torch.zeros(1)}, r"1 tensors are unknown.*attn_pool\.query"),
        (state | {"proj": torch.zeros(96, 32)}, r"proj is \[96, 32\], expected \[96, 64\]"),
    ):
        torch.save(changed, tmp_path / "x.pt")
        with pytest.raises(InputError, match=f"not the weights of slaeval-tiny: {message}"):
            open_tower(TINY, str(tmp_path / "x.pt"))


def test_weights_given_are_not_shared() -> None:
    state = to_open_clip(open_tower(TINY).state_dict())
    kept = {key: value.clone() for key, value in state.items()}
    tower = open_tower(TINY, state=state)
    with torch.no_grad():
        for value in tower.parameters():
            value.zero_()
    assert all(torch.equal(state[key], kept[key]) for key in state)


# Tags


def test_openai_weights_need_quick_gelu(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose the backbone ViT-B-16-quickgelu"):
        open_tower("ViT-B-16", "openai")
    # OpenAI's own file says so by itself.
    state = collections.OrderedDict(_clip_state(_theirs(TINY_SHAPE).state_dict()))
    state["input_resolution"] = torch.tensor(32)
    torch.save(state, tmp_path / "openai.pt")
    with pytest.raises(UsageError, match="QuickGELU"):
        open_tower(TINY, str(tmp_path / "openai.pt"))
    assert "conv1.weight" in read_weights(tmp_path / "openai.pt", quick_gelu=True)


@pytest.mark.usefixtures("no_network")
def test_no_backbone_is_advised_to_be_itself(tmp_path: Path) -> None:
    fit = set(tower_names())
    refused = 0
    for name, tag in open_clip.list_pretrained():
        if name in fit:
            with pytest.raises(SlaevalError) as caught:
                open_tower(name, tag)
            if isinstance(caught.value, UsageError):
                advised = str(caught.value).rpartition("choose the backbone ")[2]
                assert advised in fit - {name}
                refused += 1
            else:
                assert "not on this machine" in str(caught.value)
    assert refused > 10
    with pytest.raises(SlaevalError, match="not on this machine"):
        open_tower("roberta-ViT-B-32", "laion2b_s12b_b32k")


def test_unknown_tag() -> None:
    with pytest.raises(UsageError, match=r"no weights 'laion' for ViT-B-32.*laion2b_e16"):
        open_tower("ViT-B-32", "laion")
    with pytest.raises(UsageError, match="slaeval-tiny has no pretrained weights"):
        open_tower(TINY, "openai")


@pytest.mark.usefixtures("no_network")
def test_absent_weights_are_named_and_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SlaevalError) as caught:
        open_tower("ViT-B-16-quickgelu", "openai")
    message = str(caught.value)
    assert "open_clip_model.safetensors from https://huggingface.co/timm/" in message
    assert "ViT-B-16.pt to ~/.cache/clip/ViT-B-16.pt" in message
    assert "give its path instead of 'openai'" in message


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("place", ["hub", "url"])
def test_weights_in_a_cache_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    # Too small for the tower: that the shapes are refused shows which file was read.
    state = _clip_state(_theirs(TINY_SHAPE).state_dict())
    if place == "hub":
        home = tmp_path / "hub" / "models--timm--vit_base_patch32_clip_224.openai"
        path = home / "snapshots" / "0123" / "open_clip_model.safetensors"
        path.parent.mkdir(parents=True)
        (home / "refs").mkdir()
        (home / "refs" / "main").write_text("0123")
        save_file(state, path)
    else:
        path = tmp_path / ".cache" / "clip" / "ViT-B-32.pt"
        path.parent.mkdir(parents=True)
        torch.save(state, path)
    with pytest.raises(InputError, match=f"^{path}: not the weights of ViT-B-32-quickgelu"):
        open_tower("ViT-B-32-quickgelu", "openai")


# Training


@pytest.mark.parametrize("checkpointing", [False, True])
def test_nothing_is_kept_below_what_learns(small: Shape, checkpointing: bool) -> None:
    tower = Tower("ours", replace(small, layers=4))
    tower.gradient_checkpointing = checkpointing
    frames = torch.randn(2, 3, 8, 8)
    saved: list[torch.Size] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda value: saved.append(value.shape) or value, lambda value: value
    ):
        assert not tower(frames, _alone(frames)).requires_grad
        assert not saved
        tower.blocks[3].mlp.c_proj.weight.requires_grad_(True)
        assert tower(frames, _alone(frames)).requires_grad
    # Only the last block: its input if it is computed again, else what its MLP needs.
    assert saved
    if checkpointing:
        assert torch.Size([2, 5, 12]) in saved
    else:
        assert all(shape[:2] != (2, 5) for shape in saved)
