"""The recipe: every value has a source, travels whole, and refuses what cannot be meant."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
import torch

from slaeval.errors import InputError, UsageError
from slaeval.models.config import ADAPTERS, TINY, ModelConfig
from slaeval.training.optimisation import schedule_of
from slaeval.training.recipe import MODEL_SOURCES, SOURCES, Recipe, model_changes, recipe_for


def test_every_value_says_where_it_comes_from() -> None:
    assert list(SOURCES) == [field.name for field in fields(Recipe)]
    own = {"variant", "backbone", "pretrained", "classes"}
    assert set(MODEL_SOURCES) == {field.name for field in fields(ModelConfig)} - own


@pytest.mark.parametrize("backbone", ["ViT-B-16-quickgelu", "ViT-B-32", TINY])
@pytest.mark.parametrize("variant", ["sla-lora", "sla-adapter", "frozen"])
def test_round_trip_through_json(variant: str, backbone: str) -> None:
    recipe = recipe_for(variant, backbone)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_the_documented_predecessor_is_the_default() -> None:
    recipe = recipe_for()
    assert (recipe.learning_rate, recipe.epochs, recipe.milestones) == (1e-4, 40, (20, 30))
    assert (recipe.distillation, recipe.temperature, recipe.batch_size) == (25.0, 8.0, 2)


def test_the_predecessors_own_ways_are_the_default_and_ours_have_names() -> None:
    recipe = recipe_for()
    assert (recipe.sampling, recipe.clip_norm, recipe.lr_scaling) == ("random", 0.0, "none")
    assert recipe.changed({"sampling": "even"}).sampling == "even"
    assert (recipe.most_frames(100), recipe.most_frames(10), recipe.most_frames(500)) == (
        *(120, 32, 232),
    )
    even = recipe.changed({"sampling": "even"})
    assert (even.most_frames(100), even.most_frames(10), even.most_frames(500)) == (120, 12, 230)


@pytest.mark.parametrize(
    ("scaling", "rate"), [("none", 1e-4), ("linear", 8e-4), ("sqrt", 1e-4 * 8**0.5)]
)
def test_the_rate_of_a_larger_step(scaling: str, rate: float) -> None:
    recipe = recipe_for().changed({"lr_scaling": scaling})
    assert recipe.rate_for(2) == pytest.approx(1e-4)
    assert recipe.rate_for(16) == pytest.approx(rate)


def test_a_named_adapter_and_changes_to_it() -> None:
    assert model_changes({"adapter_ratio": "0.25", "adapter": "st-adapter"}) == {
        **ADAPTERS["st-adapter"],
        "adapter_ratio": 0.25,
    }
    with pytest.raises(UsageError, match="did you mean 'st-adapter'"):
        model_changes({"adapter": "stadapter"})


def test_values_from_the_command_line() -> None:
    recipe = recipe_for().changed(
        {"milestones": "5,9", "flip": "0", "gradient-checkpointing": "off", "pretrained": "none"}
    )
    assert recipe.milestones == (5, 9)
    assert recipe.flip == 0.0
    assert recipe.gradient_checkpointing is False
    assert recipe.pretrained is None
    assert model_changes({"lora_targets": "q_proj,v_proj", "adapter_kernel": "3,1,1"}) == {
        "lora_targets": ("q_proj", "v_proj"),
        "adapter_kernel": (3, 1, 1),
    }


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"epoch": "3"}, "did you mean 'epochs'"),
        ({"epochs": "many"}, "epochs takes a value of type int"),
        ({"epochs": "0"}, "at least 1"),
        ({"crop": "300"}, "larger than resize"),
        ({"flip": "2"}, "flip must lie in"),
        ({"learning_rate": "-1"}, "above 0"),
        ({"learning_rate": "nan"}, "above 0"),
        ({"schedule": "one_cycle"}, "did you mean 'one-cycle'"),
        ({"gradient_checkpointing": "maybe"}, "type bool"),
        ({"learning_rate": "inf"}, "finite"),
        ({"clip_norm": "-1"}, "not negative"),
        ({"clip_norm": "inf"}, "finite"),
        ({"seed": "99999999999999999999"}, "64 bits"),
        ({"ema": "1"}, "at least 0 and below 1"),
        ({"ema": "-0.1"}, "at least 0 and below 1"),
        ({"ema": "nan"}, "at least 0 and below 1"),
        ({"average": "0"}, "at least 1"),
        ({"average": "41"}, "more than the 40 epochs"),
        ({"average": "2", "ema": "0.9"}, "set one"),
        ({"patience": "-1"}, "not negative"),
    ],
)
def test_what_cannot_be_meant(settings: dict[str, str], part: str) -> None:
    with pytest.raises(UsageError, match=part):
        recipe_for().changed(settings)


def test_unknown_model_setting() -> None:
    with pytest.raises(UsageError, match="did you mean 'lora_rank'"):
        model_changes({"lora_ranks": "3"})


def test_a_recipe_of_a_newer_version_is_refused() -> None:
    with pytest.raises(InputError, match="no 'warp'"):
        Recipe.from_dict({"warp": 9})


def _rates(recipe: Recipe, steps_per_epoch: int) -> list[float]:
    """Return the learning rate of each step of a run."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], recipe.learning_rate)
    schedule = schedule_of(recipe, optimiser, recipe.learning_rate, steps_per_epoch)
    rates = []
    for _ in range(recipe.epochs * steps_per_epoch):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return rates


def test_multistep_schedule() -> None:
    recipe = recipe_for()
    every = _rates(recipe, 10)
    rates = [every[step] for step in (0, 199, 200, 299, 300, 399)]
    assert rates == pytest.approx([1e-4, 1e-4, 2e-5, 2e-5, 4e-6, 4e-6])


def test_one_cycle_is_that_of_torch() -> None:
    recipe = recipe_for("sla-lora", TINY).changed({"epochs": "5"})
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=35, cycle_momentum=False
    )
    theirs = []
    for _ in range(35):
        theirs.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert _rates(recipe, 7) == pytest.approx(theirs, rel=1e-6)
    assert theirs[-1] == pytest.approx(recipe.learning_rate / 25 / 1e4)
