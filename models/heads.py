"""The three-convolution block that GLM, ILM and Refine share, and the region proposal head."""

from typing import Tuple

import torch
from torch import nn
from torch.nn import functional as F

from models.config import Config


class LayerHead(nn.Module):
    """conv3x3-BN-ReLU, conv3x3-BN-ReLU, conv3x3 -> K + 1 logits."""

    def __init__(self, inputs: int, hidden: int, planes: int, eps: float):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, hidden, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden, eps=eps)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(hidden, eps=eps)
        self.conv3 = nn.Conv2d(hidden, planes, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (n, inputs, h, w) -> logits (n, K+1, h, w)."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.conv3(x)


class RegionProposalHead(nn.Module):
    """Average pool to the anchor grid, one shared 3x3, then objectness and deltas."""

    def __init__(self, config: Config):
        super().__init__()
        inputs = config.feature_channels + config.planes
        self.pool = config.rpn_stride // 4
        self.conv = nn.Conv2d(inputs, config.rpn_channels, 3, padding=1)
        self.objectness = nn.Conv2d(config.rpn_channels, config.anchors_per_cell, 1)
        self.deltas = nn.Conv2d(config.rpn_channels, 4 * config.anchors_per_cell, 1)

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """x (1, C+K+1, S/4, S/4) -> logits (1, A, g, g), deltas (1, 4A, g, g)."""
        x = F.relu(self.conv(F.avg_pool2d(x, self.pool, stride=self.pool)))
        return self.objectness(x), self.deltas(x)
