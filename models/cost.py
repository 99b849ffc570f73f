"""Parameters and multiply-accumulates of a network: python3 -m models.cost [CONFIG ...]"""

import argparse
import sys
from typing import List, NamedTuple, Optional

import torch
from torch import nn

from models import config as configs
from models.config import Config
from models.network import make_network

ROI_HEADS = ("ilm", "refine", "mask")  # modules that run once per RoI


class Cost(NamedTuple):
    """What a network needs. MACs are those of its convolutions for one canvas and N RoIs."""

    parameters: int
    map_macs: int  # encoder, GLM and RPN
    roi_macs: int  # all N RoIs together

    @property
    def macs(self) -> int:
        return self.map_macs + self.roi_macs


@torch.no_grad()
def cost(config: Config) -> Cost:
    """Counts by running every module once on zeros, an RoI head on one RoI."""
    network = make_network(config).eval()
    counts = {}

    def count(name: str):
        def hook(conv: nn.Conv2d, _inputs, output: torch.Tensor) -> None:
            counts[name] = conv.weight.numel() * output.shape[2] * output.shape[3]
        return hook

    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count(name))
    network(torch.zeros(1, 3, config.side, config.side))
    roi = {name for name in counts if name.split(".")[0] in ROI_HEADS}
    return Cost(sum(parameter.numel() for parameter in network.parameters()),
                sum(macs for name, macs in counts.items() if name not in roi),
                config.max_rois * sum(counts[name] for name in roi))


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m models.cost", description=__doc__)
    parser.add_argument("config", nargs="*", default=["demo", "demo-arcnn", "demo-arcnn-visible"],
                        metavar="CONFIG", help="default: demo and the baselines beside it")
    parser.add_argument("--side", type=int, metavar="PX", help="the canvas' side (default: the config's)")
    options = parser.parse_args(arguments)
    names, first = options.config, None
    print(f"{'config':20} {'parameters':>12} {'GMAC':>9} {'of maps':>9} {'of RoIs':>9}  against {names[0]}")
    for name in names:
        try:
            found = cost(configs.named(name, options.side))
        except configs.ConfigError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        first = first or found
        print(f"{name:20} {found.parameters:12,} {found.macs / 1e9:9.3f} {found.map_macs / 1e9:9.3f} "
              f"{found.roi_macs / 1e9:9.3f}  parameters {found.parameters / first.parameters - 1.0:+.1%}, "
              f"MACs {found.macs / first.macs - 1.0:+.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
