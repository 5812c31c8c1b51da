"""Forward pass and training step of the recogniser on a card, in each precision."""

from __future__ import annotations

import pytest

pytest.importorskip("peft")

import torch
from card_scale import REHEARSAL, new_model, pixels

from slaeval.models.losses import losses
from slaeval.recognition.devices import numerics

LENGTHS = torch.tensor([9, 16, 12])
LABELS, LABEL_LENGTHS = torch.tensor([3, 4, 5, 6, 7]), torch.tensor([1, 2, 2])

#: How far logits may be from float32 on the CPU, in their own standard deviations.
NEAR = {"fp32": 1e-3, "bf16": 0.15, "fp16": 0.05}


@pytest.mark.parametrize("precision", NEAR)
@pytest.mark.parametrize("variant", ["sla-lora", "sla-adapter"])
def test_forward_is_near_the_cpu(card: torch.device, variant: str, precision: str) -> None:
    if card.type == "cpu" and precision == "fp16":
        pytest.skip("no fp16 on a CPU")
    model = new_model(variant).eval()
    frames = pixels(int(LENGTHS.sum()))
    with numerics(torch.device("cpu"), "fp32"):
        expected = model(frames, LENGTHS).sequence
    model.to(card)
    with numerics(card, precision):
        found = model(frames.to(card), LENGTHS).sequence.float().cpu()
    for place, steps in enumerate(-(-LENGTHS // 4)):
        apart = (found[place, :steps] - expected[place, :steps]).abs().max()
        assert float(apart / expected.std()) < NEAR[precision]


@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("variant", ["sla-lora", "sla-adapter"])
def test_a_training_step_moves_everything_that_learns(
    card: torch.device, variant: str, precision: str, checkpointing: bool
) -> None:
    if card.type == "cpu" and precision == "fp16":
        pytest.skip("no fp16 on a CPU")
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    model = new_model(variant).to(card).train()
    model.gradient_checkpointing = checkpointing
    learned = model.trainable_parameters()
    before = {name: value.detach().clone() for name, value in learned.items()}
    optimiser = torch.optim.Adam(learned.values(), lr=1e-3)
    scaler = torch.amp.GradScaler(card.type, enabled=precision == "fp16")
    with torch.autocast(card.type, dtype, enabled=precision != "fp32"):
        output = model(pixels(int(LENGTHS.sum())).to(card), LENGTHS)
    terms = losses(output, LABELS, LABEL_LENGTHS)
    loss = torch.stack([value.mean() for value in terms.values()]).sum()
    assert bool(torch.isfinite(loss))
    scaler.scale(loss).backward()
    scaler.unscale_(optimiser)
    unused = [name for name, value in learned.items() if value.grad is None]
    assert not unused
    scaler.step(optimiser)
    still = [name for name, value in learned.items() if torch.equal(value, before[name])]
    assert not still


@pytest.mark.skipif(REHEARSAL, reason="the CPU has no out-of-memory error of its own")
def test_running_out_of_memory_is_recognised(card: torch.device) -> None:
    from slaeval.recognition.predictor import out_of_memory

    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 50, dtype=torch.uint8, device=card)
    assert out_of_memory(error.value)
