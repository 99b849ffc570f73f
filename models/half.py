"""Weights small enough to ship: BN folded into the convolutions, whose weights are then rounded to halves.

The rounding is part of the network from then on: PyTorch's own run of the folded network is what the
fingerprint describes, and whoever stores these weights in half precision stores them exactly.
"""

import re

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

LARGEST_HALF = 65504.0


class HalfError(ValueError):
    """A weight that no half can stand for; the text names it."""


def convolution_before(name: str) -> str:
    """Name of the convolution that a BN layer follows: bn1 follows conv1, stem_bn follows stem."""
    return re.sub(r"bn(\d+)$", r"conv\1", name) if re.search(r"bn\d+$", name) else re.sub(r"_bn$", "", name)


@torch.no_grad()
def fold_and_round(network: nn.Module) -> None:
    """Folds every BatchNorm2d of a network in eval mode and rounds convolution weights to the nearest half.

    Biases stay float32: they are few. A BN layer is an nn.Identity afterwards, so the state dict is
    no longer that of the config's network. Raises HalfError.
    """
    network.eval()
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            parent = network.get_submodule(name.rpartition(".")[0])
            convolution = convolution_before(name.rpartition(".")[2])
            setattr(parent, convolution, fuse_conv_bn_eval(getattr(parent, convolution), module))
            setattr(parent, name.rpartition(".")[2], nn.Identity())
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            if float(module.weight.abs().max()) > LARGEST_HALF:
                raise HalfError(f"{name}.weight: expected values of at most {LARGEST_HALF:g}, "
                                f"found {float(module.weight.abs().max()):g}")
            module.weight.copy_(module.weight.half().float())
