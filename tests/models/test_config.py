from __future__ import annotations

import json
from typing import Any

import pytest

from slaeval.errors import InputError, UsageError
from slaeval.models.config import LINEAR_LAYERS, TINY, VARIANTS, ModelConfig, preset


def _values(**changes: Any) -> dict[str, Any]:
    return ModelConfig("sla-lora", "ViT-B-16", "openai", 1296).to_dict() | changes


@pytest.mark.parametrize("backbone", ["ViT-B-16", TINY])
@pytest.mark.parametrize("variant", VARIANTS)
def test_round_trip_through_json(variant: str, backbone: str) -> None:
    config = preset(variant, backbone, 30)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_defaults_of_real_towers() -> None:
    config = preset("sla-lora", "ViT-B-16-quickgelu", 1296, "openai")
    assert (config.lora_rank, config.lora_alpha, config.shift_fraction) == (8, 16, 1 / 8)
    assert (config.hidden, config.lstm_layers, config.dropout) == (1024, 2, 0.3)
    assert config.lora_targets == tuple(LINEAR_LAYERS)
    assert config.pretrained == "openai"


def test_unknown_variant() -> None:
    with pytest.raises(UsageError, match=r"unknown variant 'sla-lra' \(did you mean 'sla-lora'"):
        preset("sla-lra", TINY, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("variant", "lora"),
        ("backbone", ""),
        ("backbone", None),
        ("pretrained", 3),
        ("classes", 1),
        ("classes", True),
        ("classes", 10.0),
        ("lora_rank", 0),
        ("lora_alpha", 0),
        ("lora_alpha", float("nan")),
        ("lora_dropout", 1.0),
        ("lora_targets", []),
        ("lora_targets", "q_proj"),
        ("lora_targets", ["q_proj", "q_proj"]),
        ("lora_targets", ["in_proj"]),
        ("lora_targets", [["q_proj"]]),
        ("hidden", 10**9),
        ("lora_rank", 10**9),
        ("adapter_kernel", (10**6 + 1, 3, 3)),
        ("lstm_layers", 10**6),
        ("shift_fraction", 0.6),
        ("shift_fraction", -0.1),
        ("adapter_ratio", 0),
        ("adapter_kernel", [3, 3]),
        ("adapter_kernel", [3, 2, 3]),
        ("hidden", 7),
        ("lstm_layers", 0),
        ("dropout", "0.3"),
    ],
)
def test_bad_values(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"the model configuration has {name} = "):
        ModelConfig.from_dict(_values(**{name: value}))


def test_unknown_and_missing_keys() -> None:
    with pytest.raises(InputError, match=r"unknown key 'lora_rnk' \(did you mean 'lora_rank'"):
        ModelConfig.from_dict(_values(lora_rnk=3))
    values = _values()
    del values["hidden"], values["classes"]
    with pytest.raises(InputError, match="lacks classes, hidden"):
        ModelConfig.from_dict(values)
    with pytest.raises(InputError, match="not a mapping but list"):
        ModelConfig.from_dict([])  # type: ignore[arg-type]
