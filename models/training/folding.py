"""Trains a normalisation layer of fixed statistics as part of the convolution before it.

With fixed mean and variance BN is a factor and a shift per channel, so they can be put into the
convolution's weights and bias, as an engine does, while their gradients still reach the layer's own
scale and bias. What is saved is a pass over each activation and back, and the memory of one.
"""

import types
from typing import Iterator, Tuple

import torch
from torch import nn

from models.training.depthwise import convolve


def pairs(module: nn.Module) -> Iterator[Tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Every convolution with the BN that follows it, by the names that they have in all networks here.

    Not the fuse: training applies its weights map by map (forward.encode), not by its forward.
    """
    for parent in module.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d) and name != "fuse":
                bn = getattr(parent, f"{name}_bn", None) or getattr(parent, name.replace("conv", "bn"), None)
                if isinstance(bn, nn.BatchNorm2d):
                    yield child, bn


def fold(module: nn.Module) -> None:
    """From now on every BN within `module` that is in eval mode is computed with its convolution."""
    for conv, bn in pairs(module):
        unfold_pair(conv, bn)
        if bn.training or conv.bias is not None:
            continue

        def folded(self: nn.Conv2d, x: torch.Tensor, bn: nn.BatchNorm2d = bn) -> torch.Tensor:
            scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
            return convolve(self, x, self.weight * scale.reshape(-1, 1, 1, 1),
                            bn.bias - bn.running_mean * scale)

        conv.forward = types.MethodType(folded, conv)
        bn.forward = types.MethodType(lambda self, x: x, bn)


def unfold_pair(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> None:
    """Gives both their own forward back."""
    for layer in (conv, bn):
        layer.__dict__.pop("forward", None)
