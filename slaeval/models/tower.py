"""The CLIP visual tower, with separate linear layers.

open_clip's blocks use ``nn.MultiheadAttention`` with one packed weight, on which peft's LoRA
is wrong: it applies the delta of ``out_proj`` twice, in forward and merged alike (peft 0.21,
https://github.com/huggingface/peft/pull/3774), and q and v cannot be selected. The tower here has
the same weights in plain ``nn.Linear`` layers (``q_proj, k_proj, v_proj, out_proj``) around
``scaled_dot_product_attention`` and gives the same output. :func:`to_open_clip` and
:func:`from_open_clip` convert the weights both ways, so that files keep open_clip's names.

Temporal shift and adapters are two attributes of the blocks; frames come ragged
(:mod:`slaeval.models.temporal`).

SigLIP's towers, which open_clip takes from timm, have the same blocks without a class token and
with an attention pool at the end; their weights keep timm's names in files.

Nothing is ever downloaded. Weights come from a file, or from the local caches of open_clip or
the Hugging Face Hub.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from slaeval.checkpoints.archive import RefusedError
from slaeval.checkpoints.weights import WeightsFile
from slaeval.errors import InputError, SlaevalError, UsageError, nearest
from slaeval.models.config import TINY
from slaeval.models.temporal import Bounds, shift

__all__ = [
    "TINY",
    "Block",
    "Shape",
    "Tower",
    "from_open_clip",
    "open_tower",
    "read_weights",
    "to_open_clip",
    "tower_names",
    "tower_shape",
]


@dataclass(frozen=True)
class Shape:
    """Everything that determines a tower except its weights.

    Attributes
    ----------
    image, patch : int
        Side of the pictures the tower was made for, and of a patch, in pixels.
    width, layers, heads, hidden : int
        Channels, blocks, attention heads, width of the MLP.
    output : int
        Length of a feature.
    quick_gelu : bool
        ``x·sigmoid(1.702x)`` instead of GELU; OpenAI's weights need it.
    tanh_gelu : bool
        GELU by its approximation with tanh.
    layer_scale : float or None
        Initial value of the factors of a block's branches; None if it has none.
    norm_first : bool
        Whether there is a normalisation before the blocks.
    pool : {"tok", "avg", "map"}
        Feature from the class token, the mean of the patches, or attention over the patches;
        with the last there is no class token.
    norm_after_pool : bool
        Whether the mean comes before the last normalisation.
    epsilon : float
        Epsilon of the normalisations.
    """

    image: int
    patch: int
    width: int
    layers: int
    heads: int
    hidden: int
    output: int
    quick_gelu: bool = False
    tanh_gelu: bool = False
    layer_scale: float | None = None
    norm_first: bool = True
    pool: str = "tok"
    norm_after_pool: bool = False
    epsilon: float = 1e-5

    @property
    def first_tokens(self) -> int:
        """Number of tokens before the patches: the class token or none."""
        return 0 if self.pool == "map" else 1


#: Settings of open_clip's visual transformer that the blocks here do not support.
_USUAL = {
    "act_kwargs": None,
    "block_type": None,
    "patch_dropout": 0.0,
    "pos_embed_type": "learnable",
    "qk_norm": False,
    "scale_attn": False,
    "scale_attn_inner": False,
    "scale_fc": False,
    "scale_heads": False,
    "scaled_cosine_attn": False,
}

_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")

#: Name of a weights file on the Hub unless its tag says otherwise.
_HUB_FILE = "open_clip_pytorch_model.bin"

_TINY = Shape(image=32, patch=8, width=96, layers=3, heads=3, hidden=384, output=64)


class LayerNorm(nn.LayerNorm):
    """Layer normalisation in the type of its input, even under autocast.

    The kernels accumulate in float32 anyway; autocast would keep a float32 copy of every input
    for the backward pass.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension."""
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        with torch.autocast(x.device.type, enabled=False):
            return functional.layer_norm(x, self.normalized_shape, weight, bias, self.eps)


class QuickGELU(nn.Module):
    """The activation of OpenAI's CLIP."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x·sigmoid(1.702x)``."""
        return x * torch.sigmoid(1.702 * x)


class LayerScale(nn.Module):
    """One learned factor per channel."""

    def __init__(self, width: int, start: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), start))

    def forward(self, x: Tensor) -> Tensor:
        """Scale the last dimension."""
        return x * self.gamma


class Attention(nn.Module):
    """Multi-head attention with four separate linear layers."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        # As in nn.MultiheadAttention, which draws the first three as one packed matrix.
        bound = (1.5 / width) ** 0.5
        for layer in (self.q_proj, self.k_proj, self.v_proj):
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, queries: Tensor, tokens: Tensor, values: Tensor | None = None) -> Tensor:
        """Attend from `queries` [N, Q, C] to `tokens` [N, L, C]; return [N, Q, C].

        With `values` [N, L, C] the tokens are only keys.
        """
        q = self._split(self.q_proj(queries))
        k = self._split(self.k_proj(tokens))
        v = self._split(self.v_proj(tokens if values is None else values))
        mixed = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class MLP(nn.Module):
    """The two linear layers of a block."""

    def __init__(self, width: int, hidden: int, activation: nn.Module) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, hidden)
        self.gelu = activation
        self.c_proj = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor shaped as `x`, [N, L, C]."""
        out: Tensor = self.c_proj(self.gelu(self.c_fc(x)))
        return out


class Block(nn.Module):
    """One block of the tower, with room for an adapter.

    Attributes
    ----------
    shift_fraction : float
        Share of the channels that attention sees from each neighbouring frame.
    adapter : nn.Module or None
        Called with the normalised input of the MLP, the videos and the grid of patches; its
        output is added to the MLP's.
    adapter_first : bool
        Instead the adapter gets the block's input, and its output is added to that.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(shape.width, eps=shape.epsilon)
        self.attn = Attention(shape.width, shape.heads)
        self.ls_1 = _scale(shape)
        self.ln_2 = LayerNorm(shape.width, eps=shape.epsilon)
        self.mlp = MLP(shape.width, shape.hidden, _activation(shape))
        self.ls_2 = _scale(shape)
        self.shift_fraction = 0.0
        self.adapter: nn.Module | None = None
        self.adapter_first = False

    def forward(self, x: Tensor, bounds: Bounds, grid: tuple[int, int], kept: int | None) -> Tensor:
        """Run the block.

        Parameters
        ----------
        x : Tensor
            [ΣT, 1 + h·w, C], the class token first, if there is one.
        bounds : Bounds
            Where the videos end.
        grid : tuple of int
            Rows and columns of patches, h and w.
        kept : int or None
            How many tokens, from the first, are used afterwards; None for all. The others are
            still attended to.

        Returns
        -------
        Tensor
            [ΣT, kept, C].
        """
        if self.adapter is not None and self.adapter_first:
            x = x + self.adapter(x, bounds, grid)
        normal = shift(self.ln_1(x), self.shift_fraction, bounds)
        x = x[:, :kept] + self.ls_1(self.attn(normal[:, :kept], normal))
        normal = self.ln_2(x)
        x = x + self.ls_2(self.mlp(normal))
        if self.adapter is not None and not self.adapter_first:
            x = x + self.adapter(normal, bounds, grid)
        return x


class AttentionPool(nn.Module):
    """Pooling of a frame's patches by attention from one learned query, and an MLP."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.latent = nn.Parameter(shape.width**-0.5 * torch.randn(1, shape.width))
        self.attn = Attention(shape.width, shape.heads)
        self.norm = LayerNorm(shape.width, eps=shape.epsilon)
        self.mlp = MLP(shape.width, shape.hidden, _activation(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Pool patches [N, h·w, C]; return [N, C]."""
        x = self.attn(self.latent.to(x.dtype).expand(len(x), 1, -1), x)
        x = x + self.mlp(self.norm(x))
        return x[:, 0]


def _activation(shape: Shape) -> nn.Module:
    return QuickGELU() if shape.quick_gelu else nn.GELU("tanh" if shape.tanh_gelu else "none")


def _scale(shape: Shape) -> nn.Module:
    if shape.layer_scale is None:
        return nn.Identity()
    return LayerScale(shape.width, shape.layer_scale)


class Tower(nn.Module):
    """A CLIP visual transformer over the frames of several videos.

    Attributes
    ----------
    name : str
        open_clip's name, or ``"slaeval-tiny"``.
    pretrained : str or None
        Where the weights came from; None for random ones.
    shape : Shape
        Its sizes.
    gradient_checkpointing : bool
        Whether training keeps only the input of each block and recomputes the rest.
    """

    def __init__(self, name: str, shape: Shape, pretrained: str | None = None) -> None:
        super().__init__()
        self.name = name
        self.pretrained = pretrained
        self.shape = shape
        self.gradient_checkpointing = False
        side = shape.image // shape.patch
        width, first = shape.width, shape.first_tokens
        scale = width**-0.5
        self.conv1 = nn.Conv2d(3, width, shape.patch, stride=shape.patch, bias=not first)
        if first:
            self.class_embedding = nn.Parameter(scale * torch.randn(width))
        self.positional_embedding = nn.Parameter(scale * torch.randn(side * side + first, width))
        self.ln_pre = LayerNorm(width, eps=shape.epsilon) if shape.norm_first else nn.Identity()
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.ln_post = LayerNorm(width, eps=shape.epsilon)
        if shape.pool == "map":
            self.pool = AttentionPool(shape)
        else:
            self.proj = nn.Parameter(scale * torch.randn(width, shape.output))
        self.requires_grad_(False)

    #: Whether a video's features come out padded as the head requires.
    pads_features = False

    def forward(self, frames: Tensor, bounds: Bounds) -> Tensor:
        """Return one feature per frame.

        Parameters
        ----------
        frames : Tensor
            [ΣT, 3, H, W], normalised; sides must be multiples of the patch.
        bounds : Bounds
            Where the videos end.

        Returns
        -------
        Tensor
            [ΣT, output].

        Raises
        ------
        InputError
            The patch does not divide the pictures.
        """
        x, grid = self.embed(frames)
        by_class = self.shape.pool == "tok"
        for number, block in enumerate(self.blocks, 1):
            kept = 1 if by_class and number == len(self.blocks) else None
            # Blocks below the first trainable one keep nothing, so there is nothing to save.
            if (
                self.gradient_checkpointing
                and torch.is_grad_enabled()
                and (x.requires_grad or any(p.requires_grad for p in block.parameters()))
            ):
                x = checkpoint(block, x, bounds, grid, kept, use_reentrant=False)
            else:
                x = block(x, bounds, grid, kept)
        if self.shape.pool == "map":
            pooled: Tensor = self.pool(self.ln_post(x))
            return pooled
        if by_class:
            x = self.ln_post(x[:, 0])
        elif self.shape.norm_after_pool:
            x = self.ln_post(x[:, 1:].mean(1))
        else:
            x = self.ln_post(x)[:, 1:].mean(1)
        features: Tensor = x @ self.proj.to(x.dtype)
        return features

    def embed(self, frames: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the tokens before the first block and the rows and columns of patches.

        Parameters
        ----------
        frames : Tensor
            [ΣT, 3, H, W], normalised.

        Returns
        -------
        tokens : Tensor
            [ΣT, 1 + h·w, C], the class token first, if there is one.
        grid : tuple of int
            h and w.

        Raises
        ------
        InputError
            The patch does not divide the pictures.
        """
        patch = self.shape.patch
        height, width = frames.shape[-2:]
        if height % patch or width % patch:
            raise InputError(
                f"pictures of {height}x{width} pixels do not divide into patches of {patch}"
            )
        grid = (height // patch, width // patch)
        x = self.conv1(frames.to(self.conv1.weight.dtype)).flatten(2).transpose(1, 2)
        if self.shape.first_tokens:
            first = self.class_embedding.to(x.dtype).expand(len(x), 1, -1)
            x = torch.cat([first, x], dim=1)
        return self.ln_pre(x + self._positions(grid).to(x.dtype)), grid

    def each_block(self) -> Iterator[Block]:
        """Yield the blocks from first to last."""
        for block in self.blocks:
            assert isinstance(block, Block)
            yield block

    def _positions(self, grid: tuple[int, int]) -> Tensor:
        """Return the positional embedding, resized as by open_clip for other picture sizes."""
        side = self.shape.image // self.shape.patch
        if grid == (side, side):
            return self.positional_embedding
        first, patches = self.positional_embedding.tensor_split([self.shape.first_tokens])
        if patches.device.type == "mps":  # has no antialiased resizing
            patches = patches.cpu()
        resized = functional.interpolate(
            patches.float().T.reshape(1, -1, side, side), size=grid, mode="bicubic", antialias=True
        )
        return torch.cat([first, resized.flatten(2)[0].T.to(first)])


def open_tower(
    name: str,
    pretrained: str | None = None,
    seed: int = 0,
    *,
    state: Mapping[str, Tensor] | None = None,
) -> Tower:
    """Build a tower, in float32 on the CPU, all of it frozen.

    Parameters
    ----------
    name : str
        open_clip's name of the model (``"ViT-B-16"``), or ``"slaeval-tiny"``.
    pretrained : str, optional
        An open_clip tag whose file is on this machine, or the path of a ``.pt``, ``.bin`` or
        ``.safetensors`` file of the whole CLIP model or of its visual tower. None draws random
        weights.
    seed : int
        Seed of the random weights.
    state : mapping, optional
        The weights themselves, under open_clip's names without ``visual.``; `pretrained` then
        only records their origin.

    Raises
    ------
    UsageError
        The name or the tag is unknown, the model has no visual transformer of open_clip's own,
        or the weights were trained with another activation.
    InputError
        The weights do not fit.
    SlaevalError
        The file of the tag is not on this machine.
    """
    shape = tower_shape(name)
    path = None
    if state is None and pretrained is not None:
        path = _find_weights(name, pretrained, shape)
        state = read_weights(path, quick_gelu=shape.quick_gelu)
    if state is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tower = Tower(name, shape)
        if name == TINY:
            # A random tower must distinguish its patches: positions as strong as content.
            tower.positional_embedding.mul_(shape.width**0.5)
        return tower
    with torch.device("meta"):
        tower = Tower(name, shape, pretrained)
    own = from_open_clip(state)
    _check_fit(own, tower, name, path)
    # Copies: merging LoRA writes into the weights, and the caller's must not change.
    copies = {key: value.to(torch.float32, copy=True) for key, value in own.items()}
    tower.load_state_dict(copies, assign=True)
    return tower.requires_grad_(False)


def tower_names() -> tuple[str, ...]:
    """Return the names :func:`open_tower` knows, the tiny tower first."""
    import open_clip

    fit = [
        name
        for name in open_clip.list_models()
        if _is_siglip(open_clip.get_model_config(name)["vision_cfg"])
        or isinstance(_translate(name), Shape)
    ]
    return (TINY, *fit)


#: timm's names in a SigLIP tower, and those of :class:`Tower`.
_TIMM = (
    ("trunk.patch_embed.proj.", "conv1."),
    ("trunk.pos_embed", "positional_embedding"),
    ("trunk.norm.", "ln_post."),
    ("trunk.attn_pool.norm.", "pool.norm."),
    ("trunk.attn_pool.mlp.", "pool.mlp."),
    ("trunk.attn_pool.latent", "pool.latent"),
    ("trunk.attn_pool.q.", "pool.attn.q_proj."),
    ("trunk.attn_pool.kv.", "pool.attn.in_proj_"),
    ("trunk.attn_pool.proj.", "pool.attn.out_proj."),
    ("trunk.blocks.", "blocks."),
    (".norm1.", ".ln_1."),
    (".norm2.", ".ln_2."),
    (".attn.qkv.", ".attn.in_proj_"),
    (".attn.proj.", ".attn.out_proj."),
    (".fc1.", ".c_fc."),
    (".fc2.", ".c_proj."),
)


def from_open_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under the names of :class:`Tower`, from open_clip's."""
    own: dict[str, Tensor] = {}
    for key, value in state.items():
        key = key.replace("transformer.resblocks.", "blocks.", 1)
        if key.startswith("trunk."):
            for theirs, ours in _TIMM:
                key = key.replace(theirs, ours, 1)
            if key in _WITH_BATCH:
                value = value[0]
        head, packed, kind = key.rpartition("in_proj_")
        if packed and value.ndim:
            parts = _packed(key)
            for part, piece in zip(parts, value.tensor_split(len(parts)), strict=True):
                own[f"{head}{part}_proj.{kind}"] = piece.clone()
        else:
            own[key] = value
    return own


def to_open_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under open_clip's names, from those of :class:`Tower`."""
    of_timm = "pool.latent" in state
    packed: dict[str, Tensor] = {}
    for key, value in state.items():
        first, *others = (f".{part}_proj." for part in _packed(key))
        if any(other in key for other in others):
            continue
        if first in key:
            value = torch.cat([state[key.replace(first, part)] for part in (first, *others)])
            key = key.replace(first, ".in_proj_")
        packed[key] = value
    if not of_timm:
        return {k.replace("blocks.", "transformer.resblocks.", 1): v for k, v in packed.items()}
    found: dict[str, Tensor] = {}
    for key, value in packed.items():
        value = value[None] if key in _WITH_BATCH else value
        for theirs, ours in _TIMM:
            key = key.replace(ours, theirs, 1)
        found[key] = value
    return found


#: Tensors that timm stores with a batch dimension.
_WITH_BATCH = ("positional_embedding", "pool.latent")


def _packed(key: str) -> str:
    """Return which projections share a matrix: the query of a pool has a separate one."""
    return "kv" if key.startswith("pool.") else "qkv"


def read_weights(
    path: str | os.PathLike[str], *, quick_gelu: bool | None = None
) -> dict[str, Tensor]:
    """Read the visual tower from a file of CLIP weights; nothing in the file is executed.

    Parameters
    ----------
    path : path-like
        ``.safetensors``, or a file of ``torch.save``: a state dict, or a training checkpoint
        with one in it.
    quick_gelu : bool, optional
        Whether the tower has QuickGELU; without it OpenAI's weights are refused.

    Returns
    -------
    dict
        open_clip's names, without ``visual.``.

    Raises
    ------
    InputError
        The file is missing, damaged, not a file of weights, or has more than weights.
    UsageError
        The weights need QuickGELU and the tower does not have it.
    """
    path = os.fspath(path)
    try:
        with WeightsFile(path, "a file of CLIP weights") as file:
            # Only OpenAI's own files have this besides the weights.
            if quick_gelu is False and "input_resolution" in file.weights:
                raise UsageError(
                    f"{path}: OpenAI's weights were trained with QuickGELU; choose the backbone "
                    "whose name ends in -quickgelu"
                )
            names = [name for name in file.weights if name.startswith("visual.")] or file.weights
            plain = {name.removeprefix("visual."): name for name in names}
            if not {"conv1.weight", "trunk.patch_embed.proj.weight"} & plain.keys():
                shown = ", ".join(sorted(file.weights)[:3]) or "no tensors"
                raise InputError(
                    f"no CLIP visual tower under open_clip's names: found {shown}; expected "
                    "visual.conv1.weight, visual.transformer.resblocks.0.…",
                    path,
                )
            for name in plain.values():
                if "float" not in file.weights[name].dtype:
                    raise InputError(
                        f"{name} is of type {file.weights[name].dtype}: weights that were "
                        "quantised are not read",
                        path,
                    )
            return {key: file.tensor(name) for key, name in plain.items()}
    except RefusedError as error:
        if error.name != "TorchScript":
            raise
        raise InputError(
            "a TorchScript program, which slaeval does not run; write its weights out once, if "
            'you trust it: python -c "import torch; torch.save(torch.jit.load('
            f"'{path}', 'cpu').state_dict(), 'weights.pt')\"",
            path,
        ) from None


def _check_fit(own: Mapping[str, Tensor], tower: Tower, name: str, path: str | None) -> None:
    """Make sure that weights have the tower's names and shapes."""
    expected = tower.state_dict()
    where = f"not the weights of {name}: "
    missing = [key for key in expected if key not in own]
    if missing:
        raise InputError(f"{where}{len(missing)} tensors are missing, the first {missing[0]}", path)
    unexpected = [key for key in own if key not in expected]
    if unexpected:
        raise InputError(
            f"{where}{len(unexpected)} tensors are unknown, the first {unexpected[0]}", path
        )
    for key, value in expected.items():
        if own[key].shape != value.shape:
            raise InputError(
                f"{where}{key} is {list(own[key].shape)}, expected {list(value.shape)}", path
            )


def tower_shape(name: str) -> Shape:
    """Return the sizes of a tower.

    Raises
    ------
    UsageError
        There is no tower of this name, or slaeval cannot adapt it; the message says why.
    """
    if name == TINY:
        return _TINY
    found = _translate(name)
    if isinstance(found, Shape):
        return found
    if found is None:
        raise UsageError(f"unknown backbone {name!r}{nearest(name, tower_names())}")
    raise UsageError(
        f"backbone {name!r} cannot be used: {found}; slaeval adapts the visual transformers "
        "that open_clip builds itself, ViT-B-16 for one, and SigLIP's"
    )


def _translate(name: str) -> Shape | str | None:
    """Return the sizes for open_clip's name, why it cannot be used, or None if unknown."""
    import open_clip

    config = open_clip.get_model_config(name) if name in open_clip.list_models() else None
    if config is None:
        return None
    vision = config["vision_cfg"]
    if _is_siglip(vision):
        return _siglip(vision["timm_model_name"])
    if vision.get("timm_model_name"):
        return f"its tower is timm's {vision['timm_model_name']}"
    vision = open_clip.CLIPVisionCfg(**vision)
    if not isinstance(vision.layers, int):
        return "its tower is a ResNet"
    if vision.attentional_pool:
        return "its tower pools by attention"
    usual = {key: value for key, value in _USUAL.items() if hasattr(vision, key)}
    unusual = [key for key, value in usual.items() if getattr(vision, key) != value]
    if unusual:
        return f"its blocks are not the usual ones ({', '.join(unusual)})"
    if not isinstance(vision.image_size, int) or not isinstance(vision.patch_size, int):
        return "its pictures or patches are not square"
    if vision.pool_type not in ("tok", "avg"):
        return f"its tower pools by {vision.pool_type!r}"
    norm = getattr(vision, "norm_kwargs", None) or {}
    if set(norm) - {"eps"}:
        return "its normalisations are not the usual ones"
    return Shape(
        image=vision.image_size,
        patch=vision.patch_size,
        width=vision.width,
        layers=vision.layers,
        heads=vision.width // vision.head_width,
        hidden=int(vision.width * vision.mlp_ratio),
        output=config["embed_dim"],
        quick_gelu=bool(config.get("quick_gelu", False)),
        layer_scale=vision.ls_init_value,
        norm_first=not getattr(vision, "no_ln_pre", False),
        pool=vision.pool_type,
        norm_after_pool=getattr(vision, "final_ln_after_pool", False),
        epsilon=float(norm.get("eps", 1e-5)),
    )


def _is_siglip(vision: Mapping[str, Any]) -> bool:
    """Say whether a tower is one of timm's for SigLIP, unmodified."""
    return (
        "_siglip_" in (vision.get("timm_model_name") or "")
        and vision.get("timm_pool") == "map"
        and vision.get("timm_proj") == "none"
    )


@cache
def _siglip(name: str) -> Shape:
    """Return the sizes of timm's tower, read from one built without allocating memory."""
    import timm

    with torch.device("meta"):
        trunk: Any = timm.create_model(name, num_classes=0, global_pool="map")
    block = trunk.blocks[0]
    return Shape(
        image=trunk.patch_embed.img_size[0],
        patch=trunk.patch_embed.patch_size[0],
        width=trunk.embed_dim,
        layers=len(trunk.blocks),
        heads=block.attn.num_heads,
        hidden=block.mlp.fc1.out_features,
        output=trunk.num_features,
        tanh_gelu="tanh" in repr(block.mlp.act).lower(),
        norm_first=False,
        pool="map",
        epsilon=block.norm1.eps,
    )


def _find_weights(name: str, pretrained: str, shape: Shape) -> str:
    """Return the file on this machine that a tag or a path names."""
    looks_like_path = os.sep in pretrained or pretrained.endswith(_SUFFIXES)
    if looks_like_path or os.path.isfile(pretrained):
        return pretrained
    if name == TINY:
        raise UsageError(f"{TINY} has no pretrained weights: leave out {pretrained!r}")
    import open_clip

    tag = open_clip.get_pretrained_cfg(name, pretrained)
    if not tag:
        known = open_clip.list_pretrained_tags_by_model(name)
        raise UsageError(
            f"no weights {pretrained!r} for {name}{nearest(pretrained, known)}: neither a file "
            f"nor a tag of open_clip, which are {', '.join(known) or 'none'}"
        )
    needs_quick = bool(tag.get("quick_gelu", False)) or pretrained.lower() == "openai"
    other = f"{name}-quickgelu" if needs_quick else name.removesuffix("-quickgelu")
    # A model without a -quickgelu twin (roberta-ViT-B-32) was trained with its own activation.
    twin_has_tag = other != name and open_clip.get_pretrained_cfg(other, pretrained)
    if needs_quick != shape.quick_gelu and twin_has_tag:
        raise UsageError(
            f"the weights {pretrained!r} were trained with {'QuickGELU' if needs_quick else 'GELU'}"
            f", which {name} does not have: choose the backbone {other}"
        )
    return _find_in_caches(name, pretrained, tag)


def _find_in_caches(name: str, pretrained: str, tag: Mapping[str, Any]) -> str:
    """Return where the weights of a tag are in the caches of open_clip or the Hub."""
    from huggingface_hub import try_to_load_from_cache

    advice = []
    repository, _, filename = (tag.get("hf_hub") or "").rpartition("/")
    if repository:
        names = [filename] if filename else ["open_clip_model.safetensors", _HUB_FILE]
        if filename.endswith((".bin", ".pth")):
            names.append(filename[:-4] + ".safetensors")
        for candidate in names:
            cached = try_to_load_from_cache(repository, candidate)
            if isinstance(cached, str):
                return cached
        advice.append(f"{names[0]} from https://huggingface.co/{repository}")
    if tag.get("url"):
        target = os.path.join("~", ".cache", "clip", os.path.basename(tag["url"]))
        if os.path.isfile(os.path.expanduser(target)):
            return os.path.expanduser(target)
        advice.append(f"{tag['url']} to {target}")
    if not advice:
        raise SlaevalError(f"open_clip does not say where {pretrained!r} of {name} comes from")
    raise SlaevalError(
        f"the weights {pretrained!r} of {name} are not on this machine, and slaeval downloads "
        f"nothing. Fetch {', or '.join(advice)}; a file anywhere else works too: give its path "
        f"instead of {pretrained!r}"
    )
