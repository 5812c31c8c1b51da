from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("peft")

import torch

from slaeval.models.config import LINEAR_LAYERS
from slaeval.models.lora import lora_layers
from slaeval.models.recogniser import Recogniser
from slaeval.models.temporal import Bounds

Make = Callable[..., Recogniser]

BOUNDS = Bounds.of(torch.tensor([3, 2]))


def _frames() -> torch.Tensor:
    return torch.randn(5, 3, 8, 8, dtype=torch.float64)


@pytest.mark.parametrize("target", LINEAR_LAYERS)
def test_one_product_is_added_once(make: Make, target: str) -> None:
    """peft on ``nn.MultiheadAttention`` adds the product of ``out_proj`` twice, merged too."""
    model = make("sla-lora", lora_targets=(target,)).eval()
    assert len([*lora_layers(model.tower)]) == model.tower.shape.layers
    plain = make("frozen").eval()
    adapter, tower = model.adapter_state(), model.tower_state()
    for block in range(model.tower.shape.layers):
        layer = f"blocks.{block}.{LINEAR_LAYERS[target]}"
        change = 3.0 / 2 * adapter[f"{layer}.lora_B.weight"] @ adapter[f"{layer}.lora_A.weight"]
        home = f"transformer.resblocks.{block}"
        if target in ("q_proj", "k_proj", "v_proj"):
            first = 12 * "qkv".index(target[0])
            packed = tower[f"{home}.attn.in_proj_weight"].clone()
            packed[first : first + 12] += change
            tower[f"{home}.attn.in_proj_weight"] = packed
        else:
            name = f"{home}.{LINEAR_LAYERS[target]}.weight"
            tower[name] = tower[name] + change
    plain.load_states({}, plain.head_state(), tower)
    for changed in plain.tower.each_block():
        changed.shift_fraction = 0.25
    frames = _frames()
    with torch.no_grad():
        expected = plain.tower(frames, BOUNDS)
        exact = {"rtol": 0, "atol": 1e-12}
        torch.testing.assert_close(model.tower(frames, BOUNDS), expected, **exact)
        model.merge()
        torch.testing.assert_close(model.tower(frames, BOUNDS), expected, **exact)


@pytest.mark.parametrize("target", LINEAR_LAYERS)
@pytest.mark.parametrize("factor", ["lora_A", "lora_B"])
def test_gradients_of_single_elements(make: Make, target: str, factor: str) -> None:
    """Half the finite difference is what peft gives on a packed ``out_proj``."""
    model = make("sla-lora", lora_targets=(target,)).train()
    frames = _frames()
    weights = torch.randn(5, 6, dtype=torch.float64)
    name = f"adapter.blocks.0.{LINEAR_LAYERS[target]}.{factor}.weight"
    parameter = model.trainable_parameters()[name]

    def value() -> torch.Tensor:
        return (model.tower(frames, BOUNDS) * weights).sum()

    (gradient,) = torch.autograd.grad(value(), parameter)
    for place in ((0, 0), (parameter.shape[0] - 1, parameter.shape[1] - 1)):
        ends = []
        with torch.no_grad():
            for step in (1e-6, -2e-6):
                parameter[place] += step
                ends.append(value().item())
            parameter[place] += 1e-6
        slope = (ends[0] - ends[1]) / 2e-6
        assert gradient[place].item() == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_dropout_comes_from_the_global_generator(make: Make) -> None:
    model = make("sla-lora", lora_dropout=0.5).train()
    frames = _frames()
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(model.tower(frames, BOUNDS))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    model.eval()
    assert torch.equal(model.tower(frames, BOUNDS), model.tower(frames, BOUNDS))


def test_inputs_are_kept_once_under_autocast(make: Make) -> None:
    """peft would keep a twin of every input, from its way through float32 and back."""
    model = make("sla-lora", dtype=torch.float32).train()
    frames = _frames().float()

    def kept() -> int:
        storages: dict[int, torch.Tensor] = {}

        def save(value: torch.Tensor) -> torch.Tensor:
            storages[value.untyped_storage().data_ptr()] = value
            return value

        with (
            torch.autograd.graph.saved_tensors_hooks(save, lambda value: value),
            torch.autocast("cpu", torch.bfloat16),
        ):
            model.tower(frames, BOUNDS)
        return sum(value.untyped_storage().nbytes() for value in storages.values())

    ours = kept()
    for _, layer in lora_layers(model.tower):
        assert layer.cast_input_dtype_enabled is False
        layer.cast_input_dtype_enabled = True
    assert ours < kept()
