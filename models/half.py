"""Weights small enough to ship: python3 -m models.half runs/demo/weights.pt -o weights.pt

stores the averaged weights of a training run in half precision, BN as it is: a run can start from them
(models.train --init). For an exported graph (models.export --half) BN is folded into the convolutions
first, and their weights are rounded after it. That rounding is part of the network from then on:
PyTorch's own run of the folded network is what the fingerprint describes, and whoever stores these
weights in half precision stores them exactly.
"""

import argparse
import re
import sys
from typing import Dict, List, Optional

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.training import checkpoint

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


def halved(path: str, state: Dict[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
    """A state dict with the weights of its convolutions as float16, everything else as it is. Raises HalfError."""
    result = {}
    for name, tensor in state.items():
        wide = tensor.dim() == 4
        if wide and not bool((tensor.abs() <= LARGEST_HALF).all()):
            raise HalfError(f"{path}: {name}: expected finite values of at most {LARGEST_HALF:g}, found others")
        result[name] = tensor.half() if wide else tensor
    return result


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m models.half", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", metavar="WEIGHTS", help="weights.pt or checkpoint.pt of a training run")
    parser.add_argument("-o", "--output", required=True, metavar="OUT.pt")
    options = parser.parse_args(arguments)
    try:
        content = checkpoint.read(options.weights)
        if "config" not in content:
            raise HalfError(f"{options.weights}: expected the weights of a training run with their config, "
                            f"found {', '.join(sorted(map(str, content))[:5])}")
        state = halved(options.weights, checkpoint.weights_of(content))
        checkpoint.write(options.output, {"config": content["config"], "images": content.get("images", 0),
                                          "state_dict": state})
    except (HalfError, checkpoint.CheckpointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
