"""Heads of VAC, taken over from files in its layout."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from vac_layout import GLOSSES, Vac, trained, write, write_gloss_dict

from slaeval.checkpoints import read_checkpoint, save_checkpoint
from slaeval.checkpoints.foreign import is_foreign, read_head, read_vocabulary
from slaeval.errors import InputError

#: What VAC has and every head taken from it.
TENSORS = 2 + 5 + 2 + 5 + 16 + 1


@pytest.mark.parametrize("parallel", [False, True])
def test_a_head_is_taken_over(tmp_path: Path, parallel: bool) -> None:
    model = trained(Vac())
    path = write(tmp_path / "dev_18.90_epoch39_model.pt", model, parallel)
    glosses = read_vocabulary(write_gloss_dict(tmp_path / "gloss_dict.npy"))
    assert glosses == GLOSSES
    head = read_head(path, glosses)
    assert len(head.taken) == TENSORS
    module = "module." if parallel else ""
    assert head.taken[f"{module}conv1d.temporal_conv.4.weight"] == (
        "temporal_convolution.conv2.weight"
    )
    reasons = {name.removeprefix(module): why for name, why in head.left.items()}
    assert "image encoder" in reasons["conv2d.0.weight"]
    assert "one classifier serves both" in reasons["conv1d.fc.weight"]
    assert "continue their training" in reasons["rng_state"]
    assert reasons.keys() == {
        *(name for name in model.state_dict() if name.startswith("conv2d.")),
        "conv1d.fc.weight",
        *("epoch", "optimizer_state_dict", "scheduler_state_dict", "rng_state"),
    }
    own = dict(model.state_dict())
    for theirs, ours in head.taken.items():
        value = own[theirs.removeprefix("module.")]
        assert torch.equal(head.checkpoint.tensors[f"head.{ours}"], value)
    save_checkpoint(tmp_path / "head.pt", head.checkpoint)
    found = read_checkpoint(tmp_path / "head.pt", head=True)
    assert found.kind == "head"
    assert found.vocabulary == GLOSSES
    assert found.recipe == {"converted_from": path.name, "epoch": 39}
    assert found.hash == head.checkpoint.hash


def test_it_computes_what_theirs_does(tmp_path: Path) -> None:
    models = pytest.importorskip("slaeval.models.head")
    theirs = trained(Vac())
    head = read_head(write(tmp_path / "vac.pt", theirs), GLOSSES).checkpoint.part("head")
    ours = models.Head(6, 8, 2, 0.3, 5).eval()
    missing = ours.load_state_dict(head, strict=False)
    assert missing.missing_keys == ["tower_classifier.weight"]
    assert missing.unexpected_keys == []
    for length in (1, 4, 7, 30):
        features = torch.randn(length, 6)
        sequence, convolution = theirs.head(features)
        found = ours(features, torch.tensor([length]))
        torch.testing.assert_close(found.sequence[0], sequence)
        torch.testing.assert_close(found.convolution[0], convolution)


def test_a_training_starts_from_it(tmp_path: Path) -> None:
    pytest.importorskip("open_clip")
    from slaeval.models.config import TINY, ModelConfig
    from slaeval.models.recogniser import build_recogniser
    from slaeval.training.warm_start import warm_start

    theirs = trained(Vac(inputs=64))
    checkpoint = read_head(write(tmp_path / "vac.pt", theirs), GLOSSES).checkpoint
    model = build_recogniser(ModelConfig("frozen", TINY, None, 4, hidden=8))
    said = warm_start(model, checkpoint, ("SONNE", "NEU", "HEUTE"), tower="0")
    assert "Note:" not in said  # it brings no adapter
    assert "2 of 3 glosses" in said
    head = model.head_state()
    assert torch.equal(head["recurrent.weight_hh_l1"], theirs.temporal_model.rnn.weight_hh_l1)
    columns = theirs.classifier.weight[:, [0, 4, 1]]
    assert torch.equal(head["classifier.weight"][:, [0, 1, 3]], columns)


def test_flattened_recurrent_weights(tmp_path: Path) -> None:
    """On a GPU all weights of an LSTM are views of one storage."""
    model = trained(Vac())
    rnn = model.temporal_model.rnn
    whole = torch.cat([weight.detach().reshape(-1) for weight in rnn.parameters()])
    place = 0
    for weight in rnn.parameters():
        weight.data = whole[place : place + weight.numel()].view(weight.shape)
        place += weight.numel()
    model.conv1d.temporal_conv[0].weight.data = (
        model.conv1d.temporal_conv[0].weight.detach().transpose(0, 2).contiguous().transpose(0, 2)
    )
    head = read_head(write(tmp_path / "vac.pt", model), GLOSSES).checkpoint
    assert torch.equal(
        head.tensors["head.recurrent.weight_hh_l1_reverse"], rnn.weight_hh_l1_reverse
    )
    assert torch.equal(
        head.tensors["head.temporal_convolution.conv1.weight"],
        model.conv1d.temporal_conv[0].weight,
    )
    save_checkpoint(tmp_path / "head.pt", head)
    assert (tmp_path / "head.pt").stat().st_size < 40_000


def test_what_does_not_fit_is_left_out(tmp_path: Path) -> None:
    model = trained(Vac(kernel=3))
    head = read_head(write(tmp_path / "vac.pt", model), GLOSSES)
    assert head.left["conv1d.temporal_conv.0.weight"] == "is [8, 6, 3]; expected [8, 6, 5]"
    assert len(head.taken) == TENSORS - 2
    model = trained(Vac())
    model.classifier = torch.nn.Linear(8, 5)  # type: ignore[assignment]
    head = read_head(write(tmp_path / "vac.pt", model), GLOSSES)
    assert head.left["classifier.weight"] == "no such weight in this head"
    assert head.left["classifier.bias"] == "no such weight in this head"
    weights = {"conv1d.fc.weight": torch.zeros(8, 5)}
    torch.save(weights, tmp_path / "bare.pt")
    with pytest.raises(InputError, match=r"nothing of its head fits .conv1d\.fc.weight: one class"):
        read_head(tmp_path / "bare.pt", GLOSSES)


def test_a_bare_state_dict_and_other_types(tmp_path: Path) -> None:
    model = trained(Vac()).half()
    torch.save(model.state_dict(), tmp_path / "bare.pt")
    head = read_head(tmp_path / "bare.pt", GLOSSES)
    assert len(head.taken) == TENSORS
    assert head.checkpoint.tensors["head.classifier.weight"].dtype == torch.float16
    torch.save(trained(Vac()).double().state_dict(), tmp_path / "bare.pt")
    head = read_head(tmp_path / "bare.pt", GLOSSES)
    assert len(head.taken) == TENSORS
    own = trained(Vac()).state_dict()
    for theirs, ours in head.taken.items():
        value = head.checkpoint.tensors[f"head.{ours}"]
        assert value.dtype in (torch.float32, torch.int64)
        assert torch.equal(value, own[theirs])
    torch.save({n: v.to(torch.int8) for n, v in own.items()}, tmp_path / "bare.pt")
    with pytest.raises(InputError, match=r"nothing of its head fits .*is of type int8"):
        read_head(tmp_path / "bare.pt", GLOSSES)


@pytest.mark.parametrize("share", ["num_batches_tracked", "bias", "running_"])
def test_what_fits_any_head_is_no_head(tmp_path: Path, share: str) -> None:
    """Counters, biases and statistics alone are nothing to start from."""
    state = trained(Vac()).state_dict()
    few = {name: value for name, value in state.items() if share in name}
    torch.save(few | {"conv1d.fc.weight": torch.zeros(8, 5)}, tmp_path / "few.pt")
    with pytest.raises(InputError, match="nothing of its head fits"):
        read_head(tmp_path / "few.pt", GLOSSES)


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "model.module."],
)
@pytest.mark.parametrize(
    "wrappers", [(), ("state_dict",), ("model",), ("model_state_dict",), ("model", "state_dict")]
)
def test_what_a_model_was_wrapped_in(
    tmp_path: Path, prefix: str, wrappers: tuple[str, ...]
) -> None:
    state = trained(Vac()).state_dict()
    content: dict[str, Any] = {prefix + name: value for name, value in state.items()}
    for wrapper in wrappers:
        content = {"epoch": 7, "best": torch.tensor(18.9), wrapper: content}
    torch.save(content, tmp_path / "wrapped.pt")
    assert is_foreign(str(tmp_path / "wrapped.pt"))
    head = read_head(tmp_path / "wrapped.pt", GLOSSES)
    assert len(head.taken) == TENSORS
    assert f"{prefix}classifier.weight" in head.taken
    assert ("epoch" in head.left) == bool(wrappers)
    assert head.checkpoint.recipe.get("epoch") == (7 if wrappers else None)
    assert torch.equal(
        head.checkpoint.tensors["head.classifier.weight"], state["classifier.weight"]
    )


def test_a_part_may_be_wrapped_by_itself(tmp_path: Path) -> None:
    state = trained(Vac()).state_dict()
    renamed = {n.replace("conv1d.", "conv1d._orig_mod.module."): v for n, v in state.items()}
    torch.save(renamed, tmp_path / "parts.pt")
    assert len(read_head(tmp_path / "parts.pt", GLOSSES).taken) == TENSORS
    twice = renamed | {"module.classifier.weight": state["classifier.weight"]}
    torch.save(twice, tmp_path / "twice.pt")
    with pytest.raises(InputError, match=r"duplicate tensor classifier\.weight, as classifier"):
        read_head(tmp_path / "twice.pt", GLOSSES)


@pytest.mark.parametrize("kind", ["float", "half", "double"])
def test_safetensors(tmp_path: Path, kind: str) -> None:
    model = getattr(trained(Vac()), kind)()
    state = {f"module.{name}": value.clone() for name, value in model.state_dict().items()}
    save_file(state, tmp_path / "vac.safetensors")
    assert is_foreign(str(tmp_path / "vac.safetensors"))
    head = read_head(tmp_path / "vac.safetensors", GLOSSES)
    assert len(head.taken) == TENSORS
    expected = state["module.classifier.weight"]
    expected = expected.float() if kind == "double" else expected
    assert torch.equal(head.checkpoint.tensors["head.classifier.weight"], expected)
    with pytest.raises(InputError, match=r"checkpoint of VAC.*slaeval ckpt convert"):
        read_checkpoint(tmp_path / "vac.safetensors")


def test_files_of_old_torch_are_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    torch.save(trained(Vac()).state_dict(), path, _use_new_zipfile_serialization=False)
    for read in (read_checkpoint, lambda path: read_head(path, GLOSSES)):
        with pytest.raises(InputError, match=r"torch before 1\.6.*torch\.load\('.*old\.pt'"):
            read(path)


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "vac.pt", trained(Vac()))
    with pytest.raises(InputError, match=r"5 classes .4 glosses and the blank., but the vocab.* 3"):
        read_head(path, GLOSSES[:3])
    with pytest.raises(InputError, match="'A' twice"):
        read_head(path, ["A", "B", "A", "C"])


def test_other_files_are_refused(make: Any, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "ours.pt", make())
    with pytest.raises(InputError, match="without --vocabulary"):
        read_head(tmp_path / "ours.pt", GLOSSES)
    torch.save({"model": {"a": torch.zeros(2)}}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="not in the layout of VAC"):
        read_head(tmp_path / "other.pt", GLOSSES)
    assert not is_foreign(str(tmp_path / "ours.pt"))
    assert not is_foreign(str(tmp_path / "other.pt"))
    model = trained(Vac())
    model.classifier.weight.data[0, 0] = float("nan")
    path = write(tmp_path / "vac.pt", model)
    assert is_foreign(str(path))
    with pytest.raises(
        InputError, match=r"vac\.pt: the tensor head\.classifier\.weight contains nan"
    ):
        read_head(path, GLOSSES)


def test_only_numpy_is_let_through(tmp_path: Path) -> None:
    """``rng_state`` holds numpy arrays: named in the file, never made."""
    path = write(tmp_path / "vac.pt", trained(Vac()))
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)  # torch alone does not read it
    read_head(path, GLOSSES)
    torch.save({"conv1d.fc.weight": torch.zeros(8, 5), "scalar": np.float64(1)}, path)
    with pytest.raises(InputError, match=r"asks for numpy.*\.scalar: .* nothing in it has run"):
        read_head(path, GLOSSES)


def test_vocabularies(tmp_path: Path) -> None:
    path = tmp_path / "glosses.txt"
    path.write_text("HEUTE\r\nNORD\n天气\n\n", "utf-8")
    assert read_vocabulary(path) == ("HEUTE", "NORD", "天气")
    for text, message in [
        ("A\n\nB\n", r"glosses.txt:2: expected one gloss per line, found ''"),
        ("A\nB 3\n", r"glosses.txt:2: expected one gloss per line, found 'B 3'"),
        ("A\nB\nA\n", r"duplicate gloss 'A' \(2 times\)"),
        ("", "the file is empty"),
    ]:
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_vocabulary(path)
    path = tmp_path / "gloss_dict.npy"
    for content, message in [
        ({"A": [1, 2], "B": [3, 1]}, "2 glosses, but none is class 2"),
        ({"A": [0, 2], "B": [1, 1]}, "none is class 2"),
        ({"A": [1, 2], "B": [1, 1]}, "class 1 is both 'A' and 'B'"),
        ({"A": "x"}, "expected .gloss: .class, count.., found 'A': 'x'"),
        ({1: [1, 2]}, "expected .gloss: .class, count.., found 1"),
        ({}, "expected .gloss"),
        (["A"], "expected .gloss|holds"),
    ]:
        np.save(path, np.array(content, dtype=object))
        with pytest.raises(InputError, match=message):
            read_vocabulary(path)
    np.save(path, np.array({"B": 2, "A": 1}, dtype=object))
    assert read_vocabulary(path) == ("A", "B")
