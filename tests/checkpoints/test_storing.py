"""What goes in comes out, and what does not belong in is refused."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from slaeval.checkpoints import describe, read_checkpoint, save_checkpoint, tower_hash
from slaeval.errors import InputError, SlaevalError, UsageError


def test_round_trip(make, same, file: Path) -> None:
    checkpoint = make()
    save_checkpoint(file, checkpoint)
    found = read_checkpoint(file)
    same(found, checkpoint)
    assert not found.slim
    assert found.recipe["milestones"] == [1, 2]
    assert found.vocabulary == ("HEUTE", "天气", "مرحبا")
    assert found.versions["torch"] == torch.__version__.split("+")[0]
    assert found.part("tower").keys() == {"conv1.weight", "ln_post.bias"}


def test_slim_leaves_the_tower_out(make, file: Path) -> None:
    checkpoint = make()
    save_checkpoint(file, checkpoint, slim=True)
    found = read_checkpoint(file)
    assert found.slim
    assert found.backbone == checkpoint.backbone
    assert found.part("tower") == {}
    assert found.hash == checkpoint.hash == found.without_tower().hash


def test_both_forms_have_one_hash(make, tmp_path: Path) -> None:
    for name in ("a.pt", "a.safetensors"):
        save_checkpoint(tmp_path / name, make())
    hashes = {read_checkpoint(tmp_path / name).hash for name in ("a.pt", "a.safetensors")}
    assert hashes == {make().hash}
    assert make(seed=1).hash not in hashes
    assert make(protocol="other").hash not in hashes


def test_the_same_content_gives_the_same_bytes(make, form: str, tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two with another name"):
        checkpoint = make()
        backwards = dict(reversed(checkpoint.tensors.items()))
        save_checkpoint(tmp_path / f"{name}.{form}", replace(checkpoint, tensors=backwards))
        digests.add(hashlib.sha256((tmp_path / f"{name}.{form}").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_any_torch_loads_it(make, tmp_path: Path) -> None:
    checkpoint = make()
    save_checkpoint(tmp_path / "a.pt", checkpoint)
    content = torch.load(tmp_path / "a.pt", weights_only=True)
    assert content["format"] == "slaeval-checkpoint"
    assert content["version"] == 1
    assert content["meta"]["vocabulary"] == list(checkpoint.vocabulary)
    assert torch.equal(
        content["tensors"]["head.classifier.weight"], checkpoint.tensors["head.classifier.weight"]
    )


def test_any_safetensors_loads_it(make, tmp_path: Path) -> None:
    from safetensors import safe_open

    save_checkpoint(tmp_path / "a.safetensors", make())
    with safe_open(tmp_path / "a.safetensors", framework="np") as stream:
        content = json.loads(stream.metadata()["slaeval"])
        assert content["meta"]["vocabulary"] == ["HEUTE", "天气", "مرحبا"]
        assert "head.classifier.weight" in stream.keys()  # noqa: SIM118


def test_views_and_gradients_are_made_safe(make, same, file: Path) -> None:
    whole = torch.randn(40, 6, requires_grad=True)
    tensors = {
        "head.classifier.weight": whole[:6, :4],
        "head.turned": whole.t(),
        "head.rows": whole[2:4],
        "head.same": whole[2:4],
        "head.expanded": whole[0, :1].expand(5),
        "head.parameter": torch.nn.Parameter(whole[:1]),
        "head.channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    }
    checkpoint = make(tensors=tensors)
    save_checkpoint(file, checkpoint)
    found = read_checkpoint(file)
    same(found, checkpoint)
    assert all(tensor.is_contiguous() for tensor in found.tensors.values())
    assert len({tensor.data_ptr() for tensor in found.tensors.values()}) == len(tensors)
    assert file.stat().st_size < 20_000  # not the whole storage for each row
    assert not any(tensor.requires_grad for tensor in found.tensors.values())


def test_read_weights_are_the_readers_own(make, file: Path) -> None:
    save_checkpoint(file, make())
    before = file.read_bytes()
    found = read_checkpoint(file)
    found.tensors["head.classifier.weight"].zero_()
    file.write_bytes(b"")
    assert float(found.tensors["head.classifier.weight"].sum()) == 0
    assert float(found.tensors["adapter.0.lora_a"].abs().sum()) > 0
    assert len(before) > 1000


def test_describe_reads_no_weights_and_no_torch(make, file: Path) -> None:
    save_checkpoint(file, make())
    code = (
        "import sys, json; from slaeval.checkpoints import describe; "
        f"out = describe({str(file)!r}); print(json.dumps([out, 'torch' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    found, loaded = json.loads(done.stdout)
    assert not loaded
    assert found == describe(file)
    assert found["parameters"] == {"adapter": 8, "head": 31, "tower": 52}
    assert found["tensors"]["head.brain"] == {"dtype": "bfloat16", "shape": [3]}
    assert found["bytes"] == file.stat().st_size
    assert found["hash"] == make().hash
    assert found["slim"] is False


def test_the_tower_must_be_the_one_it_names(make, file: Path) -> None:
    other = make().backbone | {"hash": "0" * 64}
    with pytest.raises(InputError, match="the tower inside has the hash"):
        make(backbone=other)
    slim = {k: v for k, v in make().tensors.items() if not k.startswith("tower.")}
    save_checkpoint(file, make(backbone=other, tensors=slim))
    assert read_checkpoint(file).backbone["hash"] == "0" * 64


def test_tower_hash_is_of_names_shapes_and_values() -> None:
    tower = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(2)}
    expected = hashlib.sha256(
        b"a [2]\n"
        + torch.ones(2).numpy().tobytes()
        + b"b [2, 3]\n"
        # the values of a row after those of the one before
        + torch.arange(6.0).numpy().tobytes()
    ).hexdigest()
    assert tower_hash(tower) == expected
    assert tower_hash(dict(reversed(tower.items()))) == expected
    assert tower_hash({k: v.double() for k, v in tower.items()}) == expected
    assert tower_hash({k: v.half() for k, v in tower.items()}) == expected
    assert tower_hash(tower | {"b": tower["b"].reshape(3, 2)}) != expected
    assert tower_hash(tower | {"b": tower["b"].t().contiguous().t()}) == expected
    assert tower_hash({"a": tower["a"], "c": tower["b"]}) != expected
    scalar = hashlib.sha256(b"a []\n" + torch.tensor(0.5).numpy().tobytes()).hexdigest()
    assert tower_hash({"a": torch.tensor(0.5)}) == scalar


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocabulary": ["A", "B"]}, "4 classes, the vocabulary 2 glosses"),
        ({"vocabulary": ["A", "B", "A"]}, "'A' twice, as classes 1 and 3"),
        ({"vocabulary": ["A", "B", ""]}, "class 3 of the vocabulary is ''"),
        ({"vocabulary": ["A", "B C", "D"]}, "class 2 of the vocabulary is 'B C'"),
        ({"vocabulary": ["A", 2, "D"]}, "not a list of glosses"),
        ({"model": {"classes": "4"}}, "model.classes is '4'"),
        ({"model": {}}, "model.classes is None"),
        ({"protocol": None}, "protocol is None"),
        ({"backbone": {"name": "ViT-T", "hash": "12"}}, "expected 64 hexadecimal digits"),
        ({"backbone": {}}, "backbone lacks its name"),
        (
            {"model": {"classes": 4, "backbone": "ViT-B-16"}},
            "built on 'ViT-B-16', but the backbone is 'ViT-T'",
        ),
        ({"recipe": {"lr": float("nan")}}, "recipe.lr is nan"),
        ({"recipe": {"path": Path("x")}}, "recipe.path is of type .*: not plain data"),
        ({"recipe": {1: 2}}, "recipe has the key 1"),
        ({"metrics": {"a": [{"b": {3}}]}}, r"metrics.a\[0\].b is of type set"),
        ({"kind": "tower"}, "unknown kind 'tower'"),
        ({"kind": "head"}, "a head alone that names a backbone"),
        ({"kind": "head", "backbone": {}}, "a head alone that contains adapter.0.lora_a"),
    ],
)
def test_what_does_not_fit_is_named(make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("head.x", torch.tensor([1.0, float("nan")]), "the tensor head.x contains nan"),
        ("head.x", torch.tensor([1.0, float("-inf")]), "the tensor head.x contains -inf"),
        ("head.x", torch.full((3,), float("inf"), dtype=torch.float16), "head.x contains inf"),
        ("head.x", torch.zeros(3, dtype=torch.float64), "head.x is of type float64"),
        ("head.x", torch.zeros(3, dtype=torch.complex64), "head.x is of type complex64"),
        ("head.x", torch.zeros(0), "head.x is empty"),
        ("head.x", torch.eye(3).to_sparse(), "head.x is not plain: sparse"),
        ("head.x", torch.zeros(3, device="meta"), "without data"),
        ("head.x", [1.0], "head.x is of type list"),
        ("classifier.weight", torch.zeros(3), "expected adapter"),
        ("head.", torch.zeros(3), "expected adapter"),
        (3, torch.zeros(3), "expected adapter"),
        ("head.classifier.weight", torch.zeros(6, 5), r"is \[6, 5\], but the model has 4"),
        ("head.tower_classifier.weight", torch.zeros(4, 6), r"is \[4, 6\], but the model"),
    ],
)
def test_wrong_tensors_are_named(make, name: Any, tensor: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(tensors=make().tensors | {name: tensor})


def test_a_checkpoint_made_by_hand_is_checked_at_saving(make, file: Path) -> None:
    checkpoint = make()
    checkpoint.tensors["head.x"] = torch.tensor([float("nan")])
    with pytest.raises(InputError, match=r"head\.x contains nan"):
        save_checkpoint(file, checkpoint)
    assert list(file.parent.iterdir()) == []
    with pytest.raises(InputError, match="without the weights of a head"):
        save_checkpoint(file, make(tensors={"adapter.x": torch.ones(1)}))


def test_a_head_alone_is_not_run(make, file: Path) -> None:
    tensors = {k: v for k, v in make().tensors.items() if k.startswith("head.")}
    head = make(kind="head", backbone={}, model={"classes": 4}, tensors=tensors)
    save_checkpoint(file, head)
    with pytest.raises(InputError, match="slaeval train --warm-start"):
        read_checkpoint(file)
    assert read_checkpoint(file, head=True).kind == "head"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(version=2), "version 2 of the format; this slaeval reads up to 1"),
        (lambda c: c.update(version="1"), "damaged"),
        (lambda c: c.update(format="other"), "the format is 'other'"),
        (lambda c: c["meta"].pop("recipe"), "without recipe"),
        (lambda c: c["meta"].pop("hash"), "without its hash"),
        (lambda c: c["meta"].update(extra=1), "unknown entry 'extra'"),
        (lambda c: c["meta"].update(recipe=3), "recipe is 3; expected named values"),
        (lambda c: c["meta"].update(vocabulary="ABC"), "not a list of glosses"),
        (lambda c: c["meta"].update(vocabulary=["A", "B"]), "4 classes, the vocabulary 2"),
        (lambda c: c["meta"]["metrics"].update(dev_wer=1.0), "not agree with its hash"),
        (lambda c: c["meta"]["backbone"].update(hash="0" * 64), "the tower inside has the hash"),
        (lambda c: c["tensors"]["head.half"].add_(1), "not agree with its hash"),
        (lambda c: c["tensors"]["tower.ln_post.bias"].add_(1), "the tower inside has the hash"),
        (lambda c: c["tensors"].update({"head.x": torch.zeros(2).double()}), "type (float64|F64)"),
        (lambda c: c["tensors"].update({"head.x": torch.tensor([float("nan")])}), "contains nan"),
        (lambda c: c["tensors"].update({"x": torch.zeros(2)}), "expected adapter"),
        (lambda c: c["tensors"].update({"head.x": torch.zeros(0)}), "empty|described wrongly"),
        (
            lambda c: c["tensors"].update({"head.classifier.weight": torch.zeros(6, 9)}),
            r"is \[6, 9\], but the model has 4",
        ),
    ],
)
def test_a_changed_file_is_refused(make, file: Path, form: str, change: Any, message: str) -> None:
    """Files as another program could write them."""
    save_checkpoint(file, make())
    if form == "pt":
        content = torch.load(file, weights_only=True)
        change(content)
        torch.save(content, file)
    else:
        from safetensors import safe_open
        from safetensors.torch import save_file

        with safe_open(file, framework="pt") as stream:
            content = json.loads(stream.metadata()["slaeval"])
            content["tensors"] = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118
        change(content)
        tensors = content.pop("tensors")
        save_file(tensors, file, metadata={"slaeval": json.dumps(content)})
    with pytest.raises(InputError, match=message) as caught:
        read_checkpoint(file)
    assert str(file) in str(caught.value)


def test_shared_bytes_are_refused(make, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", make())
    content = torch.load(tmp_path / "a.pt", weights_only=True)
    content["tensors"]["head.x"] = content["tensors"]["head.half"]
    torch.save(content, tmp_path / "b.pt")
    with pytest.raises(InputError, match=r"head\.(x|half) shares its bytes"):
        read_checkpoint(tmp_path / "b.pt")


def test_foreign_files_are_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "x"
    for content, message in [
        ({"conv.weight": torch.zeros(2)}, "only weights .a state dict."),
        ({"model": 3}, "not a checkpoint of slaeval"),
        ([torch.zeros(2)], "not a checkpoint of slaeval"),
        (
            {"epoch": 1, "model_state_dict": {"module.conv1d.fc.weight": torch.zeros(2)}},
            "slaeval ckpt convert",
        ),
        ({"conv1d.fc.weight": torch.zeros(2)}, "slaeval ckpt convert"),
    ]:
        torch.save(content, path)
        for read in (read_checkpoint, describe):
            with pytest.raises(InputError, match=message):
                read(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="only weights"):
        read_checkpoint(path)
    torch.save({"a": torch.zeros(2)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match=r"torch before 1\.6"):
        read_checkpoint(path)
    for data, message in [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"PK\x03\x04", "damaged or truncated"),
        (b"\xff" * 8 + b"{" + b"x" * 100, "not a safetensors file, or a damaged or truncated one"),
    ]:
        path.write_bytes(data)
        with pytest.raises(InputError, match=message):
            read_checkpoint(path)
    with pytest.raises(InputError, match="no such file"):
        read_checkpoint(tmp_path / "nothing.pt")
    with pytest.raises(InputError, match="this is a folder"):
        read_checkpoint(tmp_path)


def test_where_it_cannot_be_written(make, tmp_path: Path, form: str) -> None:
    checkpoint = make()
    with pytest.raises(UsageError, match=r"ends in \.pt or \.safetensors"):
        save_checkpoint(tmp_path / "a.pth", checkpoint)
    with pytest.raises(SlaevalError, match="cannot write"):
        save_checkpoint(tmp_path / "missing" / f"a.{form}", checkpoint)
    (tmp_path / f"folder.{form}").mkdir()
    with pytest.raises(SlaevalError, match="this is a folder"):
        save_checkpoint(tmp_path / f"folder.{form}", checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == [f"folder.{form}"]


def test_rights_and_links_are_kept(make, file: Path) -> None:
    checkpoint = make()
    save_checkpoint(file, checkpoint)
    plain = file.with_name("plain")
    plain.touch()
    assert file.stat().st_mode == plain.stat().st_mode
    os.chmod(file, 0o640)
    link = file.with_name("link" + file.suffix)
    link.symlink_to(file)
    save_checkpoint(link, make(seed=1))
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert read_checkpoint(file).hash == make(seed=1).hash
