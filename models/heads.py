"""What the networks share: their heads, and the way from the maps to an RoI and to its confidence."""

from typing import Tuple

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import roi_align

from models.config import Config

# C stays below 1, so that floor(C - L) never jumps a level.
MAX_CONFIDENCE = 1.0 - 2.0 ** -10
SAMPLING_RATIO = 2  # bilinear samples per RoI cell along an axis


def align(context: torch.Tensor, boxes: torch.Tensor, side: int) -> torch.Tensor:
    """RoIAlign of one image: context (1, c, S/4, S/4), boxes (n, 4) in canvas pixels -> (n, c, P, P)."""
    batch = torch.zeros_like(boxes[:, :1])
    return roi_align(context, torch.cat((batch, boxes), 1), (side, side), spatial_scale=0.25,
                     sampling_ratio=SAMPLING_RATIO, aligned=True)


def object_confidence(layers: torch.Tensor) -> torch.Tensor:
    """layers (n, K+1, P, P) -> C = 1 - p_0 (n, P, P), 0 <= C < 1."""
    return torch.clamp(1.0 - layers[:, 0], min=0.0, max=MAX_CONFIDENCE)


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
        inputs = config.context_channels
        self.pool = config.rpn_stride // 4
        self.conv = nn.Conv2d(inputs, config.rpn_channels, 3, padding=1)
        self.objectness = nn.Conv2d(config.rpn_channels, config.anchors_per_cell, 1)
        self.deltas = nn.Conv2d(config.rpn_channels, 4 * config.anchors_per_cell, 1)

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """x (n, context channels, S/4, S/4) -> logits (n, A, g, g), deltas (n, 4A, g, g)."""
        x = F.relu(self.conv(F.avg_pool2d(x, self.pool, stride=self.pool)))
        return self.objectness(x), self.deltas(x)
