"""SLA-Adapter: a bottleneck beside the MLP of each block, with a convolution in time.

The paper says adapters with 3-D convolution in the visual encoder and no more. The slaeval
preset: parallel to the MLP and on the same normalised input, down to a quarter of the width,
depthwise convolution over frames and patches, GELU, up again. The way up starts at zero, so
that an untrained adapter changes nothing. The class token has no place on the grid of patches
and goes past the convolution; time reaches it through attention in the next block. Behind the
last block nobody reads the patches of a tower that pools by its class token: its adapter has
no convolution, whose weights could never learn.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slaeval.models.temporal import Bounds, depthwise_convolution
from slaeval.models.tower import Tower

__all__ = ["Adapter", "install_adapters"]


class Adapter(nn.Module):
    """Down, depthwise 3-D convolution over the patches, GELU, up.

    Parameters
    ----------
    width, bottleneck : int
        Channels of the tower and in between.
    kernel : tuple of int or None
        Frames, rows and columns, odd; None leaves the convolution out.
    """

    def __init__(self, width: int, bottleneck: int, kernel: tuple[int, int, int] | None) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.conv = (
            None if kernel is None else nn.Conv3d(bottleneck, bottleneck, kernel, groups=bottleneck)
        )
        self.activation = nn.GELU()
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor, bounds: Bounds, grid: tuple[int, int]) -> Tensor:
        """Return the shape of `x`, [ΣT, 1 + h·w, C], the class token first."""
        x = self.down(x)
        if self.conv is not None:
            # Channels stay last in memory: no copy on the way there and back.
            patches = x[:, 1:].reshape(len(x), *grid, -1).permute(0, 3, 1, 2)
            patches = depthwise_convolution(patches, self.conv.weight, self.conv.bias, bounds)
            x = torch.cat([x[:, :1], patches.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
        out: Tensor = self.up(self.activation(x))
        return out


def install_adapters(tower: Tower, ratio: float, kernel: tuple[int, int, int]) -> None:
    """Hang an adapter in each block of a tower.

    Parameters
    ----------
    tower : Tower
        Changed in place.
    ratio : float
        Width of the bottleneck over the width of the tower; at least one channel.
    kernel : tuple of int
        Of the convolution.
    """
    width = tower.shape.width
    bottleneck = max(1, round(width * ratio))
    last = len(tower.blocks) - 1
    for number, block in enumerate(tower.each_block()):
        unread = number == last and tower.shape.pool == "tok"
        block.adapter = Adapter(width, bottleneck, None if unread else kernel)
