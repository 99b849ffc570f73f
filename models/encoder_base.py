"""What every encoder shares: four maps at strides 4, 8, 16, 32, fused at stride 4."""

from typing import List

import torch
from torch import nn
from torch.nn import functional as F

from models.config import Config


class FusedEncoder(nn.Module):
    """The low-resolution fuse. A subclass gives maps() and calls add_fuse() when it has its layers."""

    def __init__(self, config: Config):
        super().__init__()
        self.map_side = config.map_side

    def add_fuse(self, inputs: int, config: Config) -> None:
        """inputs: channels of C2..C5 together."""
        self.fuse = nn.Conv2d(inputs, config.feature_channels, 1, bias=False)
        self.fuse_bn = nn.BatchNorm2d(config.feature_channels, eps=config.bn_eps)

    def maps(self, canvas: torch.Tensor) -> List[torch.Tensor]:
        """canvas (n, 3, S, S) -> C2..C5, each (n, channels, S/stride, S/stride)."""
        raise NotImplementedError

    def forward(self, canvas: torch.Tensor) -> torch.Tensor:
        """canvas (n, 3, S, S) -> features (n, C, S/4, S/4)."""
        maps = self.maps(canvas)
        size = (self.map_side, self.map_side)
        # The first map is at stride 4 already.
        resized = maps[:1] + [F.interpolate(m, size=size, mode="bilinear", align_corners=False)
                              for m in maps[1:]]
        return F.relu(self.fuse_bn(self.fuse(torch.cat(resized, 1))))
