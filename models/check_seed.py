"""Shows what seeded weights do on the probe canvas: python3 -m models.check_seed --config NAME

Exits with 1 where a stage does no real work.
"""

import argparse
import sys
from typing import Dict, List, Optional, Union

import torch
from torchvision.ops import nms

from models import config as configs
from models.arcnn import MaskStages
from models.fingerprint import run_probe
from models.network import Network, Stages, make_network
from models.proposals import select_candidates
from models.seeding import seed_weights

COVER = 0.5  # c: a cell belongs to the object above this confidence


def layer_statistics(config: configs.Config, stages: Stages) -> Dict[str, object]:
    """The figures of the stages that only `sln` has."""
    counts = [float((stages.global_layers.argmax(0) == k).double().mean()) for k in range(config.planes)]
    instance = torch.log(stages.instance_layers.double())
    return {
        "global_argmax_shares": counts,
        "instance_log_std": float(instance.std(dim=(0, 2, 3), unbiased=False).mean()),
    }


def statistics(network: Network, stages: Union[Stages, MaskStages]) -> Dict[str, object]:
    """Returns the figures that requirements() judges, all shares in 0..1."""
    config = network.config
    boxes, logits = select_candidates(config, network.anchors, stages.rpn_objectness[None],
                                      stages.rpn_deltas[None])
    kept = len(nms(boxes, logits, config.nms_iou))
    covered = stages.confidence > COVER
    levels = [float((stages.level[covered] == level).double().mean()) for level in range(config.layers)]
    return {
        **(layer_statistics(config, stages) if config.network == "sln" else {}),
        "candidates": config.candidates,
        "large_enough": len(boxes),
        "nms_kept": kept,
        "nms_dropped_share": 1.0 - kept / max(1, len(boxes)),
        "boxes": len(stages.boxes),
        "objectness_mean": float(stages.rpn_objectness.double().mean()),
        "objectness_std": float(stages.rpn_objectness.double().std(unbiased=False)),
        "deltas_std": float(stages.rpn_deltas.double().std(unbiased=False)),
        "score_first_last": [float(stages.scores[0]), float(stages.scores[-1])] if len(boxes) else [],
        "covered_share": float(covered.double().mean()),
        "level_shares": levels,
    }


def requirements(network: Network, figures: Dict[str, object]) -> List[str]:
    """Returns one line per figure that shows an idle stage."""
    config, faults = network.config, []

    def require(condition: bool, text: str) -> None:
        if not condition:
            faults.append(text)

    covered = figures["covered_share"]
    require(0.2 <= covered <= 0.8, f"RoI cells over c: expected 20-80 %, found {100 * covered:.1f} %")
    for level, share in enumerate(figures["level_shares"]):
        require(share >= 0.01, f"level {level}: expected at least 1 % of the cells over c, "
                               f"found {100 * share:.2f} %")
    for count, share in enumerate(figures.get("global_argmax_shares", ())):
        require(share >= 0.01, f"overlap count {count}: expected at least 1 % of the pixels, "
                               f"found {100 * share:.2f} %")
    dropped = figures["nms_dropped_share"]
    require(dropped >= 0.3, f"NMS: expected at least 30 % dropped, found {100 * dropped:.1f} %")
    require(figures["boxes"] == config.max_rois,
            f"boxes: expected {config.max_rois}, found {figures['boxes']}")
    require(abs(figures["objectness_mean"]) < 0.5,
            f"objectness: expected mean 0, found {figures['objectness_mean']:.3f}")
    require(3.5 < figures["objectness_std"] < 4.5,
            f"objectness: expected standard deviation 4, found {figures['objectness_std']:.3f}")
    return faults


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m models.check_seed", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, choices=sorted(configs.CONFIGS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, metavar="T", help="PyTorch's threads")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    network = make_network(configs.named(options.config)).eval()
    seed_weights(network, options.seed)
    figures = statistics(network, run_probe(network))
    for name, value in figures.items():
        values = value if isinstance(value, list) else [value]
        print(f"{name}: " + " ".join(f"{v:.4f}" if isinstance(v, float) else str(v) for v in values))
    faults = requirements(network, figures)
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
