"""AdaptSign's picture encoder, so that its published checkpoints can be evaluated.

AdaptSign (Hu et al. 2024, arXiv 2404.08226, https://github.com/hulianyuyy/AdaptSign) is the
documented predecessor of CLIP-SLA: the same CLIP tower under the same head. It adds to the frozen
tower, according to the public code at commit 58ce6be:

* in each block, a bottleneck a quarter as wide parallel to the attention and one parallel to the
  MLP, both on the block's stream before normalisation;
* in each attention, eight learned prefix tokens among the keys and eight among the values;
* one query per frame that attends to all tokens of each block in turn (aggregation);
* after the last block, the class token looks at the patches of the two frames before and after
  it and of its own frame: each patch is weighted by ``sigmoid(q·k/√C) − 1/2``;
* the feature is a learned mixture of the class token and the query, each separately normalised.

The code pads pictures: six copies of the first frame at the start, copies of the last one at the
end, up to ``4·ceil(T/4) + 12``. Copies have the same tokens as the original frame, so here tokens
are copied instead, before frames are mixed; the features come out padded. A clip is computed
independently: in the code, with two clips per batch, the shorter one sees copies of its last
frame beyond its end where the longer one sees nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slaeval.models.head import padded_index
from slaeval.models.temporal import Bounds, neighbour
from slaeval.models.tower import MLP, Attention, Block, LayerNorm, QuickGELU, Shape, Tower

__all__ = ["AdaptSignTower", "adapter_shapes"]

#: Prefix tokens of each attention, and frames on each side that the class token looks at.
_PREFIX, _NEIGHBOURS = 8, 2


class Bottleneck(nn.Module):
    """Down-projection, QuickGELU, up-projection, which starts at zero."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.activation = QuickGELU()
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor shaped as `x`, [N, L, C]."""
        out: Tensor = self.up(self.activation(self.down(x)))
        return out


class BlockAdapter(nn.Module):
    """The additions to one block: two bottlenecks and the prefixes of its attention."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.attention = Bottleneck(width, bottleneck)
        self.mlp = Bottleneck(width, bottleneck)
        self.prefix_keys = nn.Parameter(width**-0.5 * torch.randn(_PREFIX, width))
        self.prefix_values = nn.Parameter(width**-0.5 * torch.randn(_PREFIX, width))


class AdaptedBlock(nn.Module):
    """A block of the tower with its adapter.

    Parameters
    ----------
    block : Block
        Its layers become this one's.
    adapter : BlockAdapter
        The additions.
    """

    def __init__(self, block: Block, adapter: BlockAdapter) -> None:
        super().__init__()
        self.ln_1, self.attn, self.ls_1 = block.ln_1, block.attn, block.ls_1
        self.ln_2, self.mlp, self.ls_2 = block.ln_2, block.mlp, block.ls_2
        self.adapter = adapter

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor shaped as `x`, [ΣT, 1 + h·w, C]."""
        normal = self.ln_1(x)
        keys, values = (
            torch.cat([normal, prefix.to(normal.dtype).expand(len(x), -1, -1)], dim=1)
            for prefix in (self.adapter.prefix_keys, self.adapter.prefix_values)
        )
        x = x + self.ls_1(self.attn(normal, keys, values)) + self.adapter.attention(x)
        out: Tensor = x + self.ls_2(self.mlp(self.ln_2(x))) + self.adapter.mlp(x)
        return out


class AggregationBlock(nn.Module):
    """The query of each frame attends to all output tokens of one block."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(shape.width)
        self.attn = Attention(shape.width, shape.heads)
        self.ln_2 = LayerNorm(shape.width)
        self.mlp = MLP(shape.width, shape.width, QuickGELU())

    def forward(self, query: Tensor, tokens: Tensor) -> Tensor:
        """Return a tensor shaped as `query`, [ΣT, 1, C]; `tokens` is [ΣT, 1 + h·w, C]."""
        query = query + self.attn(self.ln_1(query), self.ln_1(tokens))
        out: Tensor = query + self.mlp(self.ln_2(query))
        return out


class Aggregation(nn.Module):
    """What is added parallel to and after the blocks.

    Attributes
    ----------
    query : Parameter
        [C], the query of every frame before the first block.
    temporal_weight : Parameter
        [1], the share of the neighbouring frames.
    mixture : Parameter
        [2], the shares of class token and query in the feature.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.rand(shape.width))
        self.blocks = nn.ModuleList(AggregationBlock(shape) for _ in range(shape.layers))
        self.ln_temporal = LayerNorm(shape.width)
        self.temporal_weight = nn.Parameter(torch.zeros(1))
        self.ln_query = LayerNorm(shape.width)
        self.mixture = nn.Parameter(torch.tensor([0.5, 0.5]))

    def neighbouring(self, tokens: Tensor, index: Tensor, bounds: Bounds) -> Tensor:
        """Return what the class token of each padded frame sees around it.

        Parameters
        ----------
        tokens : Tensor
            [ΣT, 1 + h·w, C], after the last block.
        index : Tensor
            int64 [P], the frame that each padded frame is a copy of.
        bounds : Bounds
            Where the padded videos end.

        Returns
        -------
        Tensor
            [P, C].
        """
        normal = self.ln_temporal(tokens)
        query = normal[index, :1]
        seen = torch.zeros_like(query)
        for offset in range(-_NEIGHBOURS, _NEIGHBOURS + 1):
            # Zeros beyond the video have weight 1/2 − 1/2, so they contribute nothing.
            patches = neighbour(normal[index, 1:], offset, bounds)
            weights = torch.sigmoid(query @ patches.transpose(1, 2) / query.shape[-1] ** 0.5) - 0.5
            seen = seen + weights @ patches
        return seen[:, 0]


class AdaptSignTower(Tower):
    """The tower with all of AdaptSign's additions; its features come out padded.

    Parameters
    ----------
    tower : Tower
        A tower that pools by its class token; its layers become this one's.
    ratio : float
        Width of the bottlenecks over the width of the tower.
    """

    #: Each video is padded by six frames at the start and up to 4·ceil(T/4) + 12 in all; the
    #: head adds none.
    pads_features = True

    def __init__(self, tower: Tower, ratio: float) -> None:
        nn.Module.__init__(self)
        self.name, self.pretrained, self.shape = tower.name, tower.pretrained, tower.shape
        self.gradient_checkpointing = False
        self.conv1, self.ln_pre, self.ln_post = tower.conv1, tower.ln_pre, tower.ln_post
        self.class_embedding, self.proj = tower.class_embedding, tower.proj
        self.positional_embedding = tower.positional_embedding
        adapters = _block_adapters(tower.shape, ratio)
        self.blocks = nn.ModuleList(map(AdaptedBlock, tower.each_block(), adapters))
        self.adapter = Aggregation(tower.shape)

    def forward(self, frames: Tensor, bounds: Bounds) -> Tensor:
        """Return one feature per padded frame, [Σ(4·ceil(T/4) + 12), output]."""
        x, _ = self.embed(frames)
        query = self.adapter.query.to(x.dtype).expand(len(x), 1, -1)
        for block, aggregation in zip(self.blocks, self.adapter.blocks, strict=True):
            x = block(x)
            query = aggregation(query, x)
        lengths = bounds.lengths()
        sizes = 4 * ((lengths + 3) // 4) + 12
        rectangle = padded_index(lengths, int(sizes.max()), 6)
        real = torch.arange(rectangle.shape[1]) < sizes[:, None]
        index = rectangle[real].to(x.device)
        seen = self.adapter.neighbouring(x, index, Bounds.of(sizes, x.device))
        first = x[index, 0] + seen * self.adapter.temporal_weight.to(x.dtype)
        by_class, by_query = self.adapter.mixture.to(x.dtype)
        mixed = by_class * self.ln_post(first) + by_query * self.adapter.ln_query(query[index, 0])
        features: Tensor = mixed @ self.proj.to(x.dtype)
        return features


def _block_adapters(shape: Shape, ratio: float) -> list[BlockAdapter]:
    return [BlockAdapter(shape.width, int(shape.width * ratio)) for _ in range(shape.layers)]


def adapter_shapes(shape: Shape, ratio: float) -> dict[str, tuple[int, ...]]:
    """Return name and shape of everything added to a tower, without allocating it."""
    with torch.device("meta"):
        parts: list[tuple[str, nn.Module]] = [
            (f"blocks.{number}.adapter", adapter)
            for number, adapter in enumerate(_block_adapters(shape, ratio))
        ]
        parts.append(("adapter", Aggregation(shape)))
    return {
        f"{place}.{name}": tuple(value.shape)
        for place, part in parts
        for name, value in part.named_parameters()
    }
