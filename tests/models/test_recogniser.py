"""The whole recogniser against a plain one: one video at a time, token by token.

The reference reads nothing but the three states a checkpoint holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("peft")

import torch
from open_clip.transformer import VisionTransformer
from zeroed_adapter import zero_adapter

from slaeval.checkpoints import tower_hash
from slaeval.errors import InputError, SlaevalError
from slaeval.models.config import TINY, TRAINABLE_VARIANTS, ModelConfig, preset
from slaeval.models.losses import losses
from slaeval.models.recogniser import Output, Recogniser, build_recogniser, check_states
from slaeval.models.temporal import Bounds
from slaeval.models.tower import Shape, open_tower

Tensor = torch.Tensor
Make = Callable[..., Recogniser]

PLACES = {
    "q_proj": "attn.q_proj",
    "k_proj": "attn.k_proj",
    "v_proj": "attn.v_proj",
    "out_proj": "attn.out_proj",
    "c_fc": "mlp.c_fc",
    "c_proj": "mlp.c_proj",
}


class Plain:
    """The tower of one video, after the paper's words and our presets, with explicit loops."""

    def __init__(self, model: Recogniser, heads: int) -> None:
        self.config, self.heads = model.config, heads
        self.tower, self.adapter = model.tower_state(), model.adapter_state()

    def linear(self, block: int, name: str, x: Tensor) -> Tensor:
        """W x + b, with W + (alpha/r) B A where there is LoRA."""
        home = f"transformer.resblocks.{block}"
        if name in ("q_proj", "k_proj", "v_proj"):
            part = "qkv".index(name[0])
            weight = self.tower[f"{home}.attn.in_proj_weight"]
            size = len(weight) // 3
            weight = weight[part * size : (part + 1) * size]
            bias = self.tower[f"{home}.attn.in_proj_bias"][part * size : (part + 1) * size]
        else:
            weight = self.tower[f"{home}.{PLACES[name]}.weight"]
            bias = self.tower[f"{home}.{PLACES[name]}.bias"]
        a = self.adapter.get(f"blocks.{block}.{PLACES[name]}.lora_A.weight")
        if a is not None:
            b = self.adapter[f"blocks.{block}.{PLACES[name]}.lora_B.weight"]
            weight = weight + self.config.lora_alpha / self.config.lora_rank * (b @ a)
        return x @ weight.T + bias

    def normal(self, name: str, x: Tensor) -> Tensor:
        mean = x.mean(-1, keepdim=True)
        variance = (x - mean).square().mean(-1, keepdim=True)
        x = (x - mean) / (variance + 1e-5).sqrt()
        return x * self.tower[f"{name}.weight"] + self.tower[f"{name}.bias"]

    def shifted(self, x: Tensor) -> Tensor:
        if self.config.variant != "sla-lora":
            return x
        moved = int(x.shape[-1] * self.config.shift_fraction)
        out = x.clone()
        for t in range(len(x)):
            out[t, :, :moved] = x[t + 1, :, :moved] if t + 1 < len(x) else 0
            out[t, :, moved : 2 * moved] = x[t - 1, :, moved : 2 * moved] if t else 0
        return out

    def attention(self, block: int, x: Tensor) -> Tensor:
        q, k, v = (self.linear(block, name, x) for name in ("q_proj", "k_proj", "v_proj"))
        size = x.shape[-1] // self.heads
        mixed = torch.zeros_like(x)
        for t in range(len(x)):
            for head in range(self.heads):
                cut = slice(head * size, (head + 1) * size)
                scores = q[t, :, cut] @ k[t, :, cut].T / math.sqrt(size)
                mixed[t, :, cut] = scores.softmax(-1) @ v[t, :, cut]
        return self.linear(block, "out_proj", mixed)

    def bottleneck(self, block: int, x: Tensor) -> Tensor:
        """Down, convolution over frames and patches, GELU, up."""
        get = {key.removeprefix(f"blocks.{block}.adapter."): v for key, v in self.adapter.items()}
        x = x @ get["down.weight"].T + get["down.bias"]
        if f"blocks.{block}.adapter.conv.weight" in self.adapter:
            weight, bias = get["conv.weight"], get["conv.bias"]
            side = math.isqrt(x.shape[1] - 1)
            out = x.clone()
            for t in range(len(x)):
                for i in range(side):
                    for j in range(side):
                        total = bias.clone()
                        for a in (-1, 0, 1):
                            for b in (-1, 0, 1):
                                for c in (-1, 0, 1):
                                    if 0 <= t + a < len(x) and 0 <= i + b < side > j + c >= 0:
                                        token = 1 + (i + b) * side + j + c
                                        tap = weight[:, 0, a + 1, b + 1, c + 1]
                                        total += tap * x[t + a, token]
                        out[t, 1 + i * side + j] = total
            x = out
        x = 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))
        return x @ get["up.weight"].T + get["up.bias"]

    def features(self, frames: Tensor) -> Tensor:
        patch = self.tower["conv1.weight"].shape[-1]
        side = frames.shape[-1] // patch
        tokens = []
        for frame in frames:
            row = [self.tower["class_embedding"]]
            for i in range(side):
                for j in range(side):
                    piece = frame[:, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch]
                    row.append((self.tower["conv1.weight"] * piece).sum((1, 2, 3)))
            tokens.append(torch.stack(row))
        x = torch.stack(tokens) + self.tower["positional_embedding"]
        x = self.normal("ln_pre", x)
        blocks = 1 + max(int(key.split(".")[2]) for key in self.tower if "resblocks" in key)
        for block in range(blocks):
            home = f"transformer.resblocks.{block}"
            x = x + self.attention(block, self.shifted(self.normal(f"{home}.ln_1", x)))
            inner = self.normal(f"{home}.ln_2", x)
            wide = self.linear(block, "c_fc", inner)
            wide = 0.5 * wide * (1 + torch.erf(wide / math.sqrt(2)))
            after = x + self.linear(block, "c_proj", wide)
            if self.config.variant == "sla-adapter":
                after = after + self.bottleneck(block, inner)
            x = after
        return self.normal("ln_post", x[:, 0]) @ self.tower["proj"]


def _frames(count: int, side: int = 8, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, 3, side, side, dtype=dtype)


@pytest.mark.parametrize("variant", TRAINABLE_VARIANTS)
def test_tower_against_plain_loops(make: Make, small: Shape, variant: str) -> None:
    model = make(variant, shape=replace(small, layers=3)).eval()
    lengths = torch.tensor([4, 1, 3])
    frames = _frames(8)
    with torch.no_grad():
        found = model.tower(frames, Bounds.of(lengths))
        plain = Plain(model, small.heads)
        expected = torch.cat([plain.features(video) for video in frames.split([4, 1, 3])])
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("variant", TRAINABLE_VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_video_is_the_same_alone_and_in_any_batch(
    make: Make, variant: str, dtype: torch.dtype
) -> None:
    model = make(variant, dtype=dtype).eval()
    videos = [_frames(length, dtype=dtype) for length in (6, 1, 13, 4)]
    tolerance = {"rtol": 0, "atol": 1e-11 if dtype == torch.float64 else 1e-5}
    with torch.no_grad():
        alone = [model(video, torch.tensor([len(video)])) for video in videos]
        for order in ([0, 1, 2, 3], [2, 0, 3, 1], [3, 1]):
            lengths = torch.tensor([len(videos[i]) for i in order])
            out = model(torch.cat([videos[i] for i in order]), lengths)
            for row, i in enumerate(order):
                steps, frames = int(out.lengths[row]), int(out.frame_lengths[row])
                for name, size in (("sequence", steps), ("convolution", steps), ("tower", frames)):
                    found, expected = getattr(out, name)[row, :size], getattr(alone[i], name)[0]
                    torch.testing.assert_close(found, expected, **tolerance)


@pytest.mark.parametrize("variant", ["sla-lora", "sla-adapter"])
def test_a_spoilt_video_spoils_no_other(make: Make, variant: str) -> None:
    model = make(variant).eval()
    frames, lengths = _frames(9), torch.tensor([3, 2, 4])
    with torch.no_grad():
        before = model(frames, lengths)
        frames[3:5] = float("nan")
        after = model(frames, lengths)
    assert after.sequence[1, :1].isnan().any()
    for row in (0, 2):
        assert torch.equal(before.sequence[row, :1], after.sequence[row, :1])


def test_shapes(make: Make) -> None:
    out = make("sla-lora").eval()(_frames(12), torch.tensor([9, 1, 2]))
    assert isinstance(out, Output)
    assert out.sequence.shape == out.convolution.shape == (3, 3, 5)
    assert out.tower.shape == (3, 9, 5)
    assert out.lengths.tolist() == [3, 1, 1]
    assert out.frame_lengths.tolist() == [9, 1, 2]


def test_lengths_that_do_not_add_up(make: Make) -> None:
    model = make("frozen")
    with pytest.raises(InputError, match="8 frames came with lengths that add up to 9"):
        model(_frames(8), torch.tensor([5, 4]))
    with pytest.raises(InputError, match="video 1 of the batch has no frames"):
        model(_frames(8), torch.tensor([8, 0]))


# What learns


def _step(model: Recogniser, frames: Tensor, lengths: Tensor) -> Tensor:
    labels = torch.tensor([1, 2, 3, 4])
    return losses(model(frames, lengths), labels, torch.tensor([2, 1, 1]))["total"].mean()


#: As SigLIP's: no class token, a pool by attention.
_SIGLIP = Shape(8, 4, 12, 2, 3, 20, 12, norm_first=False, pool="map", epsilon=1e-6)


@pytest.mark.parametrize("variant", TRAINABLE_VARIANTS)
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("changes", [{}, {"shape": _SIGLIP}], ids=["clip", "siglip"])
def test_everything_that_should_learns_and_nothing_else(
    make: Make, variant: str, checkpointing: bool, changes: dict[str, Any]
) -> None:
    model = make(variant, rest=True, **changes).train()
    model.gradient_checkpointing = checkpointing
    parameters = model.trainable_parameters()
    before = {name: value.detach().clone() for name, value in parameters.items()}
    tower = tower_hash(model.tower_state())
    optimiser = torch.optim.Adam(parameters.values(), 1e-2)
    frames, lengths = _frames(17), torch.tensor([9, 3, 5])
    for _ in range(2):  # what stands in front of a zero has no gradient in the first step
        optimiser.zero_grad()
        _step(model, frames, lengths).backward()
        optimiser.step()
    for name, value in parameters.items():
        assert value.grad is not None, name
        assert value.grad.abs().sum() > 0, name
        assert not torch.equal(value, before[name]), name
    ours = {id(value) for value in parameters.values()}
    others = [value for value in model.parameters() if id(value) not in ours]
    assert others
    assert all(value.grad is None and not value.requires_grad for value in others)
    assert tower_hash(model.tower_state()) == tower


def test_adapters_of_siglip_do_not_mind_the_missing_class_token(make: Make) -> None:
    """With or without a class token in them, all tokens are patches; a pool has no LoRA."""
    frames, lengths = _frames(17), torch.tensor([9, 3, 5])
    with_token, without = (
        make("sla-adapter", shape=_SIGLIP, adapter_class_token=given).eval()
        for given in (True, False)
    )
    states = with_token.adapter_state(), with_token.head_state(), with_token.tower_state()
    without.load_states(*states)
    expected, _ = with_token.log_probs(frames, lengths)
    assert torch.equal(without.log_probs(frames, lengths)[0], expected)
    lora = make("sla-lora", shape=_SIGLIP).adapter_state()
    assert lora
    assert not [name for name in lora if "pool" in name]


@pytest.mark.parametrize("variant", TRAINABLE_VARIANTS)
def test_checkpointing_changes_no_gradient(make: Make, variant: str) -> None:
    model = make(variant, lora_dropout=0.5).train()
    frames, lengths = _frames(17), torch.tensor([9, 3, 5])
    found = []
    for on in (False, True):
        model.gradient_checkpointing = on
        assert model.gradient_checkpointing is on
        torch.manual_seed(5)  # dropout comes from the global generator
        parameters = list(model.trainable_parameters().values())
        found.append(torch.autograd.grad(_step(model, frames, lengths), parameters))
    for plain, checkpointed in zip(*found, strict=True):
        torch.testing.assert_close(plain, checkpointed, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("variant", ["sla-lora", "sla-adapter"])
def test_finite_differences_of_every_kind_of_factor(make: Make, variant: str) -> None:
    model = make(variant).train()
    frames, lengths = _frames(17), torch.tensor([9, 3, 5])
    adapter = {
        name: value
        for name, value in model.trainable_parameters().items()
        if name.startswith("adapter.")
    }

    def value_of_ctc() -> Tensor:
        # Distillation holds its teacher still, which a difference would move.
        found = losses(model(frames, lengths), torch.tensor([1, 2, 3, 4]), torch.tensor([2, 1, 1]))
        return (found["sequence"] + found["convolution"] + found["tower"]).sum()

    gradients = torch.autograd.grad(value_of_ctc(), list(adapter.values()))
    for (name, value), gradient in zip(adapter.items(), gradients, strict=True):
        # Along the gradient, as one direction sees every element.
        direction = gradient / gradient.norm()
        ends = []
        with torch.no_grad():
            for step in (1e-5, -2e-5):
                value.add_(direction, alpha=step)
                ends.append(value_of_ctc().item())
            value.add_(direction, alpha=1e-5)
        slope = (ends[0] - ends[1]) / 2e-5
        assert slope == pytest.approx(gradient.norm().item(), rel=1e-5), name


@pytest.mark.parametrize(
    ("values", "adapter", "convolution"),
    [
        ({"lora_targets": ("q_proj", "v_proj")}, 294_912, 0),
        ({"lora_targets": ("q_proj", "k_proj", "v_proj", "out_proj")}, 589_824, 0),
        ({}, 1_327_104, 0),
        # Eleven blocks have a convolution of 192 channels, 27 taps and a bias.
        ({"variant": "sla-adapter"}, 3_550_464, 11 * 192 * 28),
        ({"variant": "frozen"}, 0, 0),
    ],
)
def test_counts_of_vit_b_16(values: dict[str, Any], adapter: int, convolution: int) -> None:
    config = ModelConfig(
        **{"variant": "sla-lora", "backbone": "ViT-B-16", "pretrained": None, "classes": 1296}
        | values
    )
    with torch.device("meta"):
        model = build_recogniser(config)
    counts: dict[str, int] = {}
    for name, value in model.trainable_parameters().items():
        part = name.split(".")[0] + (".conv" if ".adapter.conv." in name else "")
        counts[part] = counts.get(part, 0) + value.numel()
    assert counts.get("adapter", 0) == adapter
    assert counts.get("adapter.conv", 0) == convolution
    # Convolution 7.87 M, BiLSTM 12.6 M, the two classifiers 1024 V and 512 V.
    assert counts["head"] == 7_870_464 + 12_599_296 + 1024 * 1296 + 512 * 1296
    frozen = sum(value.numel() for value in model.parameters() if not value.requires_grad)
    assert frozen == 86_192_640
    assert f"{adapter + convolution + counts['head']:,}" in model.summary()


def test_summary(make: Make) -> None:
    lines = make("sla-adapter").summary().splitlines()
    cells = {" ".join(line.split()[:-2]): line.split()[-2:] for line in lines}
    assert cells["adapter: adapter.up"] == ["4", str(2 * (12 * 6 + 12))]
    assert cells["adapter: adapter.conv"] == ["2", str(6 * 28)]
    assert cells["frozen: small"][0] == "40"


def test_what_learns_is_asserted(make: Make) -> None:
    model = make("sla-lora")
    model.tower.proj.requires_grad_(True)
    with pytest.raises(SlaevalError, match=r"not adapter and head: tower\.proj"):
        model.trainable_parameters()
    model = make("sla-lora")
    model.tower.blocks[0].attn.q_proj.lora_B["default"].weight.requires_grad_(False)
    with pytest.raises(SlaevalError, match=r"q_proj\.lora_B"):
        model.trainable_parameters()
    model = make("sla-adapter")
    model.tower.blocks[1].adapter = None
    with pytest.raises(SlaevalError, match=r"blocks\.1\.adapter\.down\.weight"):
        model.trainable_parameters()


# States


@pytest.mark.parametrize("variant", TRAINABLE_VARIANTS)
def test_states_make_the_same_model(make: Make, variant: str) -> None:
    first, second = make(variant).eval(), make(variant).eval()
    frames, lengths = _frames(9), torch.tensor([5, 4])
    states = first.adapter_state(), first.head_state(), first.tower_state()
    with torch.no_grad():
        expected = first(frames, lengths)
        assert not torch.equal(second(frames, lengths).sequence, expected.sequence)
        second.load_states(*states[:2])
        assert torch.equal(second.tower.proj, first.tower.proj) is False
        second.load_states(*states)
        assert torch.equal(second(frames, lengths).sequence, expected.sequence)
    names = first.adapter_state() | first.head_state()
    assert not [name for name in names if "default" in name or "base_layer" in name]


@pytest.mark.parametrize("merged", [False, True])
def test_tower_state_is_open_clips(make: Make, small: Shape, merged: bool) -> None:
    model = make("sla-lora", dtype=torch.float32).eval()
    if merged:
        model.merge()
    theirs = VisionTransformer(8, 4, 12, 2, 3, 20 / 12, output_dim=6).eval()
    theirs.load_state_dict(model.tower_state(), strict=True)
    plain = make("frozen", dtype=torch.float32).eval()
    plain.load_states({}, model.head_state(), model.tower_state())
    frames = _frames(3, dtype=torch.float32)
    with torch.no_grad():
        found = plain.tower(frames, Bounds.of(torch.tensor([3])))
        torch.testing.assert_close(found, theirs(frames), rtol=1e-4, atol=1e-5)


def test_states_that_do_not_fit(make: Make) -> None:
    model = make("sla-lora")
    adapter, head, tower = model.adapter_state(), model.head_state(), model.tower_state()
    first = next(iter(adapter))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    short = {name: value + 1 for name, value in adapter.items() if name != first}
    other = make("sla-lora", classes=7).head_state()
    with pytest.raises(InputError, match=f"the adapter does not belong.*lacks {first}.*1 missing"):
        model.load_states(short, head)
    with pytest.raises(InputError, match=r"adapter does not belong.*the unknown more"):
        model.load_states(adapter | {"more": torch.zeros(1)}, head)
    with pytest.raises(
        InputError, match=r"head.*classifier\.weight is \[8, 7\], expected \[8, 5\]"
    ):
        model.load_states({name: value + 1 for name, value in adapter.items()}, other)
    with pytest.raises(InputError, match=r"the tower does not belong.*lacks proj"):
        model.load_states(adapter, head, {k: v for k, v in tower.items() if k != "proj"})
    for rows in (35, 1):
        name = "transformer.resblocks.0.attn.in_proj_weight"
        with pytest.raises(InputError, match=r"tower does not belong.*[qv]_proj\.weight is"):
            model.load_states(adapter, head, tower | {name: tower[name][:rows]})
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("variant", "changes"),
    [
        ("sla-lora", {"lora_rank": 4_096}),
        ("sla-lora", {"hidden": 65_536}),
        ("sla-lora", {"lstm_layers": 64}),
        ("sla-adapter", {"adapter_kernel": (99, 99, 99)}),
    ],
)
def test_what_a_file_claims_takes_no_memory(
    make: Make, variant: str, changes: dict[str, Any]
) -> None:
    model = make(variant)
    states = model.adapter_state(), model.head_state()
    check_states(model.config, model.tower, *states)
    with pytest.raises(InputError, match="does not belong to this model"):
        check_states(replace(model.config, **changes), model.tower, *states)


# Merging and zeroing


@pytest.mark.parametrize("variant", TRAINABLE_VARIANTS)
def test_merged_is_unmerged_and_back_to_the_bit(make: Make, variant: str) -> None:
    model = make(variant, dtype=torch.float32).eval()
    frames, lengths = _frames(9, dtype=torch.float32), torch.tensor([5, 4])
    states = model.tower_state(), model.adapter_state()
    states = tuple({k: v.clone() for k, v in state.items()} for state in states)
    with torch.no_grad():
        plain = model(frames, lengths)
        for _ in range(2):
            model.merge()
        merged = model(frames, lengths)
        for found, kept in zip((model.tower_state(), model.adapter_state()), states, strict=True):
            assert all(torch.equal(found[name], value) for name, value in kept.items())
        if variant == "sla-lora":
            weight = model.tower.blocks[0].attn.q_proj.base_layer.weight
            packed = states[0]["transformer.resblocks.0.attn.in_proj_weight"]
            assert not torch.equal(weight, packed[:12])
        model.unmerge()
        again = model(frames, lengths)
    torch.testing.assert_close(merged.sequence, plain.sequence, rtol=0, atol=1e-5)
    assert torch.equal(again.sequence, plain.sequence)


@pytest.mark.parametrize(
    ("variant", "undone"), [("sla-lora", "lora_B"), ("sla-adapter", "adapter.up"), ("frozen", "-")]
)
@pytest.mark.parametrize("merged", [False, True])
def test_zeroed_adapter_is_the_tower_it_was(
    make: Make, variant: str, undone: str, merged: bool
) -> None:
    model = make(variant).eval()
    if merged:
        model.merge()
    control = make("frozen").eval()
    control.load_states({}, model.head_state(), model.tower_state())
    for block in control.tower.each_block():
        block.shift_fraction = 0.25 if variant == "sla-lora" else 0.0
    frames, lengths = _frames(9), torch.tensor([5, 4])
    with torch.no_grad():
        expected = control(frames, lengths).sequence
        differs = not torch.allclose(model(frames, lengths).sequence, expected, atol=1e-3)
        assert differs is (variant != "frozen")
        kept = {name: value.clone() for name, value in model.adapter_state().items()}
        zero_adapter(model)
        torch.testing.assert_close(model(frames, lengths).sequence, expected, rtol=0, atol=1e-12)
    for name, value in model.adapter_state().items():
        assert torch.equal(value, torch.zeros_like(value) if undone in name else kept[name])


@pytest.mark.parametrize("variant", ["sla-lora", "sla-adapter"])
def test_untrained_adapter_is_a_zeroed_one(make: Make, variant: str) -> None:
    model = make(variant, rest=True)
    kept = {name: value.clone() for name, value in model.adapter_state().items()}
    zero_adapter(model)
    assert all(torch.equal(kept[name], value) for name, value in model.adapter_state().items())


# Building


def test_new_weights_come_from_the_seed() -> None:
    before = torch.random.get_rng_state()
    config = preset("sla-lora", TINY, 12)
    models = [build_recogniser(config, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(before, torch.random.get_rng_state())
    hashes = [tower_hash(model.state_dict()) for model in models]
    assert hashes[0] == hashes[1] != hashes[2]
    tower = open_tower(TINY, seed=9)
    kept = tower_hash({name: value.clone() for name, value in tower.state_dict().items()})
    own = build_recogniser(config, tower, seed=1)
    assert own.tower is tower
    assert kept == tower_hash(
        {
            name.replace(".base_layer", ""): value
            for name, value in tower.state_dict().items()
            if "lora" not in name
        }
    )


@pytest.mark.parametrize("variant", TRAINABLE_VARIANTS)
def test_head_stays_in_float32(make: Make, variant: str) -> None:
    model = make(variant, dtype=torch.float32).eval()
    frames, lengths = _frames(9, dtype=torch.float32), torch.tensor([5, 4])
    with torch.no_grad():
        exact = model(frames, lengths).sequence
        with torch.autocast("cpu", torch.bfloat16):
            mixed = model(frames, lengths).sequence
        model.tower.to(torch.bfloat16)
        model.merge()
        low = model(frames, lengths).sequence
    assert mixed.dtype == low.dtype == torch.float32
    for found in (mixed, low):
        assert not torch.equal(found, exact)
        torch.testing.assert_close(found, exact, rtol=0, atol=0.1)


@pytest.mark.parametrize("variant", ["sla-lora", "sla-adapter"])
def test_tower_compiles_whole(make: Make, variant: str) -> None:
    """One graph without breaks, for any number of frames and of videos."""
    model = make(variant, dtype=torch.float32).eval()
    model.merge()
    graphs = []

    def count(graph: torch.fx.GraphModule, _: Any) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    batches = [[5, 4], [3, 1, 7], [2, 2, 2, 6]]
    videos = [(_frames(sum(sizes), dtype=torch.float32), torch.tensor(sizes)) for sizes in batches]
    with torch.no_grad():
        expected = [model(*video).sequence for video in videos]
        model.tower.compile(backend=count, fullgraph=True, dynamic=True)
        found = [model(*video).sequence for video in videos]
    for compiled, plain in zip(found, expected, strict=True):
        torch.testing.assert_close(compiled, plain)
    assert len(graphs) == 1
    assert set(model.state_dict()) == set(make(variant).state_dict())
