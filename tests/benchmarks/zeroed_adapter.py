"""A control of the learning proof: a trained model without what its adapter has learned."""

from __future__ import annotations

import torch

from slaeval.models.recogniser import Recogniser

__all__ = ["zero_adapter"]


def zero_adapter(model: Recogniser) -> None:
    """Set LoRA's B, or the adapter's up-projection, to zero; the temporal shift stays."""
    state = {
        name: torch.zeros_like(value)
        if ".lora_B." in name or ".up." in name or name == "adapter.temporal_weight"
        else value
        for name, value in model.adapter_state().items()
    }
    model.load_states(state, model.head_state())
