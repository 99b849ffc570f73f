"""ResNet encoder with bottleneck blocks (`encoder` "resnet")."""

from collections import OrderedDict
from typing import List

import torch
from torch import nn
from torch.nn import functional as F

from models.config import Config
from models.encoder_base import FusedEncoder

EXPANSION = 4  # output channels of a bottleneck over its width


class Bottleneck(nn.Module):
    """1x1 -> 3x3 (carries stride and dilation) -> 1x1, each with BN, plus the shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, dilation: int, eps: float):
        super().__init__()
        outputs = width * EXPANSION
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, eps=eps)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=dilation, dilation=dilation,
                               bias=False)
        self.bn2 = nn.BatchNorm2d(width, eps=eps)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs, eps=eps)
        self.has_shortcut = stride != 1 or inputs != outputs
        if self.has_shortcut:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.shortcut_bn = nn.BatchNorm2d(outputs, eps=eps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (n, inputs, h, w) -> (n, 4 * width, ceil(h / stride), ceil(w / stride))."""
        identity = self.shortcut_bn(self.shortcut(x)) if self.has_shortcut else x
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + identity)


class ResNetEncoder(FusedEncoder):
    """Stem, four stages at strides 4, 8, 16, 32, and the fuse to `feature_channels` at stride 4."""

    def __init__(self, config: Config):
        super().__init__(config)
        eps = config.bn_eps
        self.stem = nn.Conv2d(3, config.stem_channels, 7, stride=2, padding=3, bias=False)
        self.stem_bn = nn.BatchNorm2d(config.stem_channels, eps=eps)
        inputs, concatenated = config.stem_channels, 0
        for s, count in enumerate(config.blocks):
            width = config.stem_channels << s
            # "Dilated" in the paper, whose own stage sizes keep the strides: dilation 2 in the
            # 3x3 convolutions of the last stage, the strided one included.
            dilation = 2 if s == 3 else 1
            stage = OrderedDict()
            for b in range(count):
                stride = 2 if s > 0 and b == 0 else 1
                stage[f"block{b}"] = Bottleneck(inputs, width, stride, dilation, eps)
                inputs = width * EXPANSION
            setattr(self, f"stage{s + 1}", nn.Sequential(stage))
            concatenated += inputs
        self.add_fuse(concatenated, config)

    def maps(self, canvas: torch.Tensor) -> List[torch.Tensor]:
        """canvas (n, 3, S, S) -> C2..C5, each (n, channels, S/stride, S/stride)."""
        x = F.relu(self.stem_bn(self.stem(canvas)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        maps = []
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
            maps.append(x)
        return maps
