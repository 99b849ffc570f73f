"""The network's pass over a batch, with the losses of Eq. 6.

It calls the network's own modules, in the order of its forward(), but for many images at once and
for the sampled RoIs in place of the proposals.
"""

import contextlib
import dataclasses
from typing import Dict, List, Tuple

import numpy
import torch
from torch import nn
from torch.nn import functional as F

from models import losses
from models.config import Config
from models.proposals import propose
from models.targets import SAMPLED_ANCHORS
from models.training.batches import Batch, roi_random, roi_targets, sample_rois
from models.training.roi_align import align

ALL_LOSSES = ("rpn", "global", "instance", "final")


@dataclasses.dataclass(frozen=True)
class LossOptions:
    """Weights of Eq. 6 and what is drawn for it."""

    weights: Tuple[Tuple[str, float], ...] = tuple((name, 1.0) for name in ALL_LOSSES)
    binary_global: bool = False  # l_G as the paper's binary cross entropy
    rois: int = 8  # RoIs per image
    seed: int = 0
    shared_weight: float = losses.SHARED_VISIBLE  # see losses.layer_loss


def flatten_rpn(config: Config, objectness: torch.Tensor,
                deltas: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """(b, A, g, g), (b, 4A, g, g) -> logits (b*g*g*A), deltas (b*g*g*A, 4), in anchor order."""
    b, a, cells = objectness.shape[0], config.anchors_per_cell, config.grid ** 2
    logits = objectness.reshape(b, a, cells).permute(0, 2, 1).reshape(-1)
    return logits, deltas.reshape(b, a, 4, cells).permute(0, 3, 1, 2).reshape(-1, 4)


@torch.no_grad()
def draw_rois(network: nn.Module, batch: Batch, objectness: torch.Tensor, deltas: torch.Tensor,
              scenes: List[int], options: LossOptions) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """RoIs of the whole batch: (r, 5) image index and box, target planes (r, P, P) int64, and which
    cells their objects share with others (r, P, P) bool."""
    config, boxes, planes, shared = network.config, [], [], []
    for i, (sample, scene) in enumerate(zip(batch.samples, scenes)):
        found, _ = propose(config, network.anchors, objectness[i:i + 1], deltas[i:i + 1])
        chosen, owners = sample_rois(sample, found.cpu().numpy(), options.rois, config,
                                     roi_random(options.seed, scene))
        boxes.append(numpy.concatenate((numpy.full((len(chosen), 1), i, numpy.float32), chosen), axis=1))
        targets = roi_targets(sample, chosen, owners, config)
        planes.append(targets[0])
        shared.append(targets[1])
    return tuple(torch.from_numpy(numpy.concatenate(v)).to(objectness.device) for v in (boxes, planes, shared))


@torch.no_grad()
def choose_negatives(logits: torch.Tensor, pool: torch.Tensor, count: int) -> torch.Tensor:
    """At most `count` of an image's negative anchors, pool (m) int64 in random order; logits of all anchors.

    Half of them are the pool's first ones, the other half the surest of the rest: most of the canvas is
    plain background, from which nothing is learnt any more.
    """
    first = count - count // 2
    rest = pool[first:]
    order = torch.sort(logits[rest], descending=True, stable=True)[1]
    return torch.cat((pool[:first], rest[order[:count // 2]]))


def _proposal_loss(config: Config, batch: Batch, objectness: torch.Tensor, deltas: torch.Tensor) -> torch.Tensor:
    """l_R: a positive anchor's label is the IoU of its box as it is now, a negative one's 0."""
    logits, rows = flatten_rpn(config, objectness, deltas)
    positive = torch.cat(batch.positive)
    found = rows[positive]
    iou, giou = losses.delta_overlaps(found, batch.deltas)
    negative = torch.cat([choose_negatives(logits, pool, SAMPLED_ANCHORS - len(own))
                          for own, pool in zip(batch.positive, batch.negative)])
    labels = torch.cat((iou.detach(), torch.zeros_like(negative, dtype=iou.dtype)))
    return (losses.objectness_loss(logits[torch.cat((positive, negative))], labels)
            + losses.delta_loss(found, batch.deltas, giou))


def _float32(device: torch.device):
    """Losses, boxes and softmax are computed in fp32 also under autocast."""
    return torch.autocast(device.type, enabled=False)


def encode(encoder: nn.Module, canvas: torch.Tensor) -> torch.Tensor:
    """encoder(canvas), canvas (b, 3, S, S) -> F (b, C, S/4, S/4), up to rounding.

    The fuse is linear and acts on each cell alone, so it may come before the resize, map by map: on
    fewer cells, and C channels are resized and kept for the gradient instead of all that are fused.
    """
    fused, first = 0.0, 0
    for x in encoder.maps(canvas):
        weight = encoder.fuse.weight[:, first:first + x.shape[1]]
        first += x.shape[1]
        part = F.conv2d(x, weight)
        if part.shape[-1] != encoder.map_side:
            part = F.interpolate(part, size=(encoder.map_side,) * 2, mode="bilinear", align_corners=False)
        fused = fused + part
    return F.relu(encoder.fuse_bn(fused))


def _head_losses(network: nn.Module, context: torch.Tensor, rois: torch.Tensor, planes: torch.Tensor,
                 shared: torch.Tensor, shared_weight: float) -> Dict[str, torch.Tensor]:
    """Losses of the instance heads of whichever network it is."""
    features = align(context, rois, network.config.roi_side)
    features = features.contiguous(memory_format=torch.channels_last)
    kind = network.config.network
    if kind != "sln":
        logits = network.mask(features)
        with _float32(context.device):
            logits = logits.float()
            loss = losses.mask_loss(logits[:, 0], (planes > 0).float())
            if kind == "arcnn-visible":
                loss = loss + losses.mask_loss(logits[:, 1], (planes == 1).float())
        return {"final": loss}
    instance = network.ilm(features)
    with _float32(context.device):
        instance = instance.float()
        sem_dist = network.sem_dist(torch.softmax(instance, 1))
    refined = network.refine(torch.cat((features, sem_dist.to(features.dtype)), 1))
    with _float32(context.device):
        refined = refined.float() + instance
        return {"instance": losses.layer_loss(instance, planes, shared, shared_weight),
                "final": losses.layer_loss(refined, planes, shared, shared_weight)}


def batch_losses(network: nn.Module, batch: Batch, scenes: List[int],
                 options: LossOptions) -> Dict[str, torch.Tensor]:
    """The losses named in options.weights that the network has, each a scalar before its weight.

    scenes: the number of each image's scene, from which its RoIs are drawn.
    """
    wanted, device = {name for name, _ in options.weights}, batch.canvas.device
    result: Dict[str, torch.Tensor] = {}
    context = encode(network.encoder, batch.canvas)
    if hasattr(network, "glm"):
        logits = network.glm(context)
        with _float32(device):
            logits = logits.float()
            if "global" in wanted:
                result["global"] = losses.global_loss(logits, batch.counts, options.binary_global)
            probability = torch.softmax(logits, 1)
        context = torch.cat((context, probability.to(context.dtype)), 1)
    heads = bool(wanted & {"instance", "final"})
    if "rpn" not in wanted and not heads:
        return result
    objectness, deltas = network.rpn(context)
    with _float32(device):
        objectness, deltas = objectness.float(), deltas.float()
        if "rpn" in wanted:
            result["rpn"] = _proposal_loss(network.config, batch, objectness, deltas)
        if heads:
            rois = draw_rois(network, batch, objectness, deltas, scenes, options)
    if heads:
        result.update(_head_losses(network, context, *rois, options.shared_weight))
    return {name: value for name, value in result.items() if name in wanted}


def total_loss(parts: Dict[str, torch.Tensor], options: LossOptions) -> torch.Tensor:
    """Eq. 6: the weighted sum."""
    return sum(weight * parts[name] for name, weight in options.weights if name in parts)


def precision_context(device: torch.device, precision: str):
    """Autocast for "bf16" and "fp16", nothing for "fp32"."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype={"bf16": torch.bfloat16, "fp16": torch.float16}[precision])
