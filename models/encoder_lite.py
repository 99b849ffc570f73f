"""EfficientNet-lite encoder (`encoder` "efficientnet-lite0").

EfficientNet without squeeze-and-excite and with ReLU6, whose published weights are free. Its strided
convolutions pad as TensorFlow does: less before than after, so that the canvas' even sides need k - 2
in all.
"""

from collections import OrderedDict
from typing import List, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from models.config import Config
from models.encoder_base import FusedEncoder

PUBLISHED_STEM = 32  # channels of the stem for which the stage widths below are given


class StageShape(NamedTuple):
    """The blocks of a stage; only its first one has the stride."""

    expansion: int  # channels of the depthwise convolution over those of the block's input
    channels: int  # at its output, for a stem of 32
    stride: int
    kernel: int  # side of the depthwise convolution


STAGES = (
    StageShape(1, 16, 1, 3),
    StageShape(6, 24, 2, 3),
    StageShape(6, 40, 2, 5),
    StageShape(6, 80, 2, 3),
    StageShape(6, 112, 1, 5),
    StageShape(6, 192, 2, 5),
    StageShape(6, 320, 1, 3),
)
MAP_STAGES = (2, 3, 5, 7)  # 1-based: the last stages at strides 4, 8, 16, 32 are C2..C5


def stage_channels(published: int, stem_channels: int) -> int:
    """published * stem_channels / 32, rounded half up, at least 1; in integers, so that it is the
    same number in every language."""
    return max(1, (2 * published * stem_channels + PUBLISHED_STEM) // (2 * PUBLISHED_STEM))


def pad_strided(x: torch.Tensor, kernel: int) -> torch.Tensor:
    """The padding of a convolution of stride 2: k - 2 zeros in all, (k - 2) // 2 of them before."""
    before = (kernel - 2) // 2
    after = kernel - 2 - before
    return F.pad(x, (before, after, before, after))


class MobileBottleneck(nn.Module):
    """1x1 expand -> depthwise -> 1x1 project, each with BN; ReLU6 after the first two (MBConv)."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int, eps: float):
        super().__init__()
        width = inputs * expansion
        self.stride, self.kernel = stride, kernel
        self.has_expand = expansion != 1
        if self.has_expand:
            self.expand = nn.Conv2d(inputs, width, 1, bias=False)
            self.expand_bn = nn.BatchNorm2d(width, eps=eps)
        self.depthwise = nn.Conv2d(width, width, kernel, stride=stride, groups=width, bias=False,
                                   padding=kernel // 2 if stride == 1 else 0)
        self.depthwise_bn = nn.BatchNorm2d(width, eps=eps)
        self.project = nn.Conv2d(width, outputs, 1, bias=False)
        self.project_bn = nn.BatchNorm2d(outputs, eps=eps)
        self.has_residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (n, inputs, h, w) -> (n, outputs, h / stride, w / stride); h and w even where strided."""
        y = F.relu6(self.expand_bn(self.expand(x))) if self.has_expand else x
        y = pad_strided(y, self.kernel) if self.stride == 2 else y
        y = F.relu6(self.depthwise_bn(self.depthwise(y)))
        y = self.project_bn(self.project(y))
        return x + y if self.has_residual else y


class EfficientNetLiteEncoder(FusedEncoder):
    """Stem, seven stages, of which four are at the strides 4, 8, 16, 32, and the fuse."""

    def __init__(self, config: Config):
        super().__init__(config)
        eps, inputs, concatenated = config.bn_eps, config.stem_channels, 0
        self.stem = nn.Conv2d(3, inputs, 3, stride=2, bias=False)
        self.stem_bn = nn.BatchNorm2d(inputs, eps=eps)
        for s, (shape, count) in enumerate(zip(STAGES, config.blocks), 1):
            outputs = stage_channels(shape.channels, config.stem_channels)
            stage = OrderedDict()
            for b in range(count):
                stride = shape.stride if b == 0 else 1
                stage[f"block{b}"] = MobileBottleneck(inputs, outputs, shape.expansion, stride,
                                                      shape.kernel, eps)
                inputs = outputs
            setattr(self, f"stage{s}", nn.Sequential(stage))
            concatenated += outputs if s in MAP_STAGES else 0
        self.add_fuse(concatenated, config)

    def maps(self, canvas: torch.Tensor) -> List[torch.Tensor]:
        """canvas (n, 3, S, S) -> C2..C5, each (n, channels, S/stride, S/stride)."""
        x = F.relu6(self.stem_bn(self.stem(pad_strided(canvas, self.stem.kernel_size[0]))))
        maps = []
        for s in range(1, len(STAGES) + 1):
            x = getattr(self, f"stage{s}")(x)
            if s in MAP_STAGES:
                maps.append(x)
        return maps
