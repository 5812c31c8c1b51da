"""Each set of weights gets pixels as it was trained on them."""

from __future__ import annotations

import open_clip
import pytest
import torch

from slaeval.errors import UsageError
from slaeval.models.config import TINY
from slaeval.models.normalisation import NORMALISATIONS, normalisation_of
from slaeval.models.tower import tower_names
from slaeval.recognition.batches import Preprocessing, prepare
from slaeval.training import recipe_for


def test_every_tag_of_every_backbone_has_its_own() -> None:
    fit = set(tower_names())
    found = set()
    for backbone, tag in open_clip.list_pretrained():
        if backbone in fit:
            name = normalisation_of(backbone, tag)
            given = open_clip.get_pretrained_cfg(backbone, tag)
            assert NORMALISATIONS[name] == (tuple(given["mean"]), tuple(given["std"]))
            found.add(name)
    assert found == {"clip", "half", "imagenet"}


@pytest.mark.parametrize(
    ("backbone", "tag", "name"),
    [
        ("ViT-B-16-quickgelu", "openai", "clip"),
        ("ViT-L-14", "laion2b_s32b_b82k", "half"),
        ("ViT-L-14-CLIPA", "datacomp1b", "imagenet"),
        ("ViT-L-14", "weights.pt", "clip"),
        (TINY, None, "clip"),
    ],
)
def test_some(backbone: str, tag: str | None, name: str) -> None:
    assert normalisation_of(backbone, tag) == name


def test_one_without_a_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"mean": (0.1, 0.1, 0.1), "std": (1.0, 1.0, 1.0)}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda *names: given)
    with pytest.raises(UsageError, match="--set normalisation=NAME"):
        normalisation_of("ViT-B-16", "new")


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_pixels(name: str) -> None:
    frames = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    mean, deviation = (torch.tensor(some)[:, None, None] for some in NORMALISATIONS[name])
    expected = (frames / 255 - mean) / deviation
    torch.testing.assert_close(prepare(frames, Preprocessing(4, 4, name)), expected)


@pytest.mark.parametrize(
    ("backbone", "resize", "crop"),
    [("ViT-B-16-quickgelu", 256, 224), ("ViT-L-14-336-quickgelu", 384, 336), (TINY, 32, 32)],
)
def test_a_backbone_sees_pictures_of_its_own_size(backbone: str, resize: int, crop: int) -> None:
    recipe = recipe_for("sla-lora", backbone)
    assert (recipe.resize, recipe.crop) == (resize, crop)
