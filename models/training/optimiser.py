"""Recipes: which parts learn when, how fast, and the averaged weights that are kept in the end."""

import copy
import dataclasses
import math
from typing import Dict, List, Tuple

import torch
from torch import nn

from models.training.folding import fold
from models.training.forward import ALL_LOSSES

ENCODER_SHARE = 0.2  # learning rate of a pretrained encoder over that of the rest


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of a run: what is frozen in it and which losses it minimises."""

    name: str
    share: float  # of the run's images
    frozen: Tuple[str, ...]  # prefixes of parameter names; their modules are in eval mode
    losses: Tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The stages of a run and its optimiser."""

    optimiser: str  # "adamw" or "sgd"
    rate: float
    decay: float  # weight decay; none on normalisation layers and biases
    cosine: bool  # the rate falls to 1 % by a half cosine; else it stays
    stages: Tuple[Stage, ...]


JOINT = (Stage("joint", 1.0, (), ALL_LOSSES),)
RECIPES = {
    "default": Recipe("adamw", 1e-3, 0.02, True, JOINT),
    # Section 4.6 of the paper: one module after another, those before it fixed, then all together.
    "paper": Recipe("sgd", 0.2, 5e-4, False, (
        Stage("glm", 0.2, ("rpn.", "ilm.", "refine.", "mask."), ("global",)),
        Stage("rpn", 0.2, ("encoder.", "glm.", "ilm.", "refine.", "mask."), ("rpn",)),
        Stage("ilm", 0.2, ("encoder.", "glm.", "rpn."), ("instance", "final")),
        Stage("joint", 0.4, (), ALL_LOSSES))),
}


def stage_starts(stages: Tuple[Stage, ...], total: int) -> List[int]:
    """First step of each stage of a run of `total` steps, and `total` itself at the end."""
    starts, passed = [0], 0.0
    for stage in stages:
        passed += stage.share
        starts.append(int(round(total * passed / sum(s.share for s in stages))))
    return starts


def network_stages(recipe: Recipe, network: nn.Module) -> Tuple[Stage, ...]:
    """The recipe's stages for this network: without a GLM the encoder learns with the RPN."""
    if hasattr(network, "glm"):
        return recipe.stages
    stages = [s for s in recipe.stages if s.losses != ("global",)]
    return tuple(dataclasses.replace(s, frozen=tuple(p for p in s.frozen if p != "encoder."))
                 if s.name == "rpn" else s for s in stages)


def early_layers(stages: int) -> Tuple[str, ...]:
    """Prefixes of the names of an encoder's stem and its first `stages` stages; none of them if 0."""
    return ("encoder.stem", *(f"encoder.stage{s}." for s in range(1, stages + 1))) if stages else ()


def apply_stage(network: nn.Module, stage: Stage, fixed_encoder_statistics: bool,
                frozen_stages: int = 0) -> None:
    """Freezes what the stage freezes, and the encoder's first layers, and sets every module's mode.

    Frozen modules run in eval mode, so that their BN statistics stay too. With
    fixed_encoder_statistics the encoder's pretrained BN layers stay in eval mode while their weights
    learn; its fuse, which is never pretrained, does not.
    """
    network.train()
    frozen = stage.frozen + early_layers(frozen_stages)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not name.startswith(frozen) if frozen else True)
    for name, module in network.named_modules():
        inner = name + "."
        if frozen and inner.startswith(frozen):
            module.eval()
        elif fixed_encoder_statistics and isinstance(module, nn.BatchNorm2d) \
                and name.startswith("encoder.") and not name.startswith("encoder.fuse"):
            module.eval()
    fold(network.encoder)


def make_optimiser(network: nn.Module, recipe: Recipe, encoder_share: float) -> torch.optim.Optimizer:
    """Parameters in four groups: encoder or not, with weight decay or not.

    The encoder's fuse counts as "not": it is new. Each group holds its share of the rate ("share").
    """
    groups: Dict[Tuple[bool, bool], List[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        encoder = name.startswith("encoder.") and not name.startswith("encoder.fuse")
        # Vectors are biases and the scales of normalisation layers.
        groups.setdefault((encoder, parameter.dim() > 1), []).append(parameter)
    listed = [{"params": members, "weight_decay": recipe.decay if decayed else 0.0,
               "share": encoder_share if encoder else 1.0}
              for (encoder, decayed), members in sorted(groups.items(), key=lambda item: item[0])]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(listed, lr=recipe.rate, momentum=0.9)
    return torch.optim.AdamW(listed, lr=recipe.rate)


def learning_rate(recipe: Recipe, step: int, begin: int, end: int, warmup: int) -> float:
    """The rate of a step of a stage that spans [begin, end): linear warm-up, then cosine or constant."""
    warmup = min(warmup, max(1, (end - begin) // 4))
    done = step - begin
    rate = recipe.rate * min(1.0, (done + 1) / warmup)
    if not recipe.cosine or done < warmup:
        return rate
    phase = (done - warmup) / max(1, end - begin - warmup)
    return recipe.rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, phase))))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Gives every group its share of the rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["share"]


class Average:
    """Exponential moving average of the weights and BN statistics; what is validated and exported."""

    def __init__(self, network: nn.Module, decay: float):
        self.decay = decay
        self.network = copy.deepcopy(network).eval()
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Takes in the weights after `step` steps; early on it follows faster, being mostly noise yet."""
        decay = min(self.decay, (1.0 + step) / (10.0 + step))
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values()))
        floats = [(a, b) for a, b in pairs if a.is_floating_point()]
        mine, theirs = [a for a, _ in floats], [b for _, b in floats]
        torch._foreach_mul_(mine, decay)
        torch._foreach_add_(mine, theirs, alpha=1.0 - decay)
        for a, b in pairs:
            if not a.is_floating_point():
                a.copy_(b)
