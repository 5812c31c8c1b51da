"""SLA-Adapter: a bottleneck in each block, with a convolution in time.

The paper specifies only adapters with 3-D convolution in the visual encoder. The slaeval preset:
parallel to the MLP and on the same normalised input, down-projection to a quarter of the width,
depthwise convolution over frames and patches, GELU, up-projection. The up-projection starts at
zero, so that an untrained adapter changes nothing. The class token has no place on the grid of
patches and bypasses the convolution; temporal information reaches it through attention in the
next block. After the last block of a tower that pools by its class token the patches are unused,
so that block's adapter has no convolution: its weights could never learn. Position and shape are
settings; :data:`slaeval.models.config.ADAPTERS` names two sets of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from slaeval.models.config import ModelConfig
from slaeval.models.temporal import Bounds, depthwise_convolution
from slaeval.models.tower import Shape, Tower

__all__ = ["Adapter", "bottleneck_of", "has_adapter", "has_convolution", "install_adapters"]


class Adapter(nn.Module):
    """Down, depthwise 3-D convolution over the patches, GELU or nothing, up.

    Parameters
    ----------
    width, bottleneck : int
        Channels of the tower and in between.
    kernel : tuple of int or None
        Frames, rows and columns, odd; None leaves the convolution out.
    activation : {"gelu", "none"}
        Before the up-projection.
    class_token : bool
        Whether the class token passes through too, without the convolution; otherwise its
        output is zero.
    """

    def __init__(
        self,
        width: int,
        bottleneck: int,
        kernel: tuple[int, int, int] | None,
        activation: str = "gelu",
        class_token: bool = True,
    ) -> None:
        super().__init__()
        self.class_token = class_token
        self.down = nn.Linear(width, bottleneck)
        self.conv = (
            None if kernel is None else nn.Conv3d(bottleneck, bottleneck, kernel, groups=bottleneck)
        )
        self.activation = nn.GELU() if activation == "gelu" else nn.Identity()
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor, bounds: Bounds, grid: tuple[int, int]) -> Tensor:
        """Return a tensor shaped as `x`, [ΣT, 1 + h·w, C], the class token first, if any."""
        first = x.shape[1] - grid[0] * grid[1]
        before = first if self.class_token else 0
        x = self.down(x[:, first - before :])
        if self.conv is not None:
            # Channels stay last in memory, which avoids copies in both directions.
            patches = x[:, before:].reshape(len(x), *grid, -1).permute(0, 3, 1, 2)
            patches = depthwise_convolution(patches, self.conv.weight, self.conv.bias, bounds)
            x = torch.cat([x[:, :before], patches.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
        out: Tensor = self.up(self.activation(x))
        return functional.pad(out, (0, 0, first - before, 0)) if first > before else out


def bottleneck_of(config: ModelConfig, shape: Shape) -> int:
    """Return the channels inside an adapter; at least one."""
    return max(1, round(shape.width * config.adapter_ratio))


def has_convolution(config: ModelConfig, shape: Shape, block: int) -> bool:
    """Say whether the patches that a block's adapter changes are used afterwards."""
    last = block == shape.layers - 1
    return config.adapter_position == "attention" or not last or shape.pool != "tok"


def has_adapter(config: ModelConfig, shape: Shape, block: int) -> bool:
    """Say whether an adapter in a block can learn anything."""
    return config.adapter_class_token or has_convolution(config, shape, block)


def install_adapters(tower: Tower, config: ModelConfig) -> None:
    """Install an adapter in each block of a tower, in place."""
    shape = tower.shape
    for number, block in enumerate(tower.each_block()):
        block.adapter_first = config.adapter_position == "attention"
        if has_adapter(config, shape, number):
            block.adapter = Adapter(
                shape.width,
                bottleneck_of(config, shape),
                config.adapter_kernel if has_convolution(config, shape, number) else None,
                config.adapter_activation,
                config.adapter_class_token,
            )
