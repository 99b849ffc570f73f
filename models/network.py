"""The whole network, canvas in, objects out; one line per stage."""

from typing import Dict, NamedTuple, Tuple, Union

import torch
from torch import nn

from models import heads
from models.arcnn import AmodalMaskNetwork
from models.config import Config
from models.encoder import make_encoder
from models.heads import MAX_CONFIDENCE, SAMPLING_RATIO, LayerHead, RegionProposalHead
from models.proposals import make_anchors, propose

__all__ = ["DEBUG_OUTPUTS", "MAX_CONFIDENCE", "OUTPUTS", "SAMPLING_RATIO", "ExportedNetwork", "Network",
           "SemanticsLayeringNetwork", "Stages", "make_network"]

OUTPUTS = ("boxes", "scores", "layers", "confidence", "level", "global_layers")
DEBUG_OUTPUTS = ("features", "rpn_objectness", "rpn_deltas", "instance_layers")


class Stages(NamedTuple):
    """Every named stage tensor of one image. n boxes, K+1 planes, P x P cells per RoI."""

    boxes: torch.Tensor  # (n, 4) x0 y0 x1 y1, canvas pixels
    scores: torch.Tensor  # (n) objectness
    layers: torch.Tensor  # (n, K+1, P, P) refined probabilities
    confidence: torch.Tensor  # (n, P, P)
    level: torch.Tensor  # (n, P, P) whole numbers 0..K-1 as float32
    global_layers: torch.Tensor  # (K+1, S/4, S/4)
    features: torch.Tensor  # (C, S/4, S/4)
    rpn_objectness: torch.Tensor  # (A, g, g) logits
    rpn_deltas: torch.Tensor  # (4A, g, g)
    instance_layers: torch.Tensor  # (n, K+1, P, P) probabilities before the refinement


class SemanticsLayeringNetwork(nn.Module):
    """ENC, GLM, RPN, proposals, RoIAlign, ILM and Refine of the `paper` profile."""

    outputs, debug_outputs = OUTPUTS, DEBUG_OUTPUTS  # names of Stages that a graph has

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        eps, hidden, planes = config.bn_eps, config.head_channels, config.planes
        roi_channels = config.context_channels
        self.encoder = make_encoder(config)
        self.glm = LayerHead(config.feature_channels, hidden, planes, eps)
        self.rpn = RegionProposalHead(config)
        self.ilm = LayerHead(roi_channels, hidden, planes, eps)
        self.refine = LayerHead(roi_channels + 1, hidden, planes, eps)
        # Not weights: both follow from the config, so they stay out of the state dict.
        self.register_buffer("anchors", make_anchors(config), persistent=False)
        # 1 - l for the plane of level l, 0 for "not this object".
        gains = [0.0] + [1.0 - level for level in range(config.layers)]
        self.register_buffer("level_gains", torch.tensor(gains).reshape(1, planes, 1, 1),
                             persistent=False)

    def forward(self, canvas: torch.Tensor) -> Stages:
        """canvas (1, 3, S, S), normalised RGB -> Stages."""
        features = self.encoder(canvas)
        global_layers = torch.softmax(self.glm(features), 1)
        context = torch.cat((features, global_layers), 1)
        objectness, deltas = self.rpn(context)
        boxes, scores = propose(self.config, self.anchors, objectness, deltas)
        rois = self.align(context, boxes)
        instance_logits = self.ilm(rois)
        instance_layers = torch.softmax(instance_logits, 1)
        logits = instance_logits + self.refine(torch.cat((rois, self.sem_dist(instance_layers)), 1))
        layers, confidence, level = self.split(logits)
        return Stages(boxes, scores, layers, confidence, level, global_layers[0], features[0],
                      objectness[0], deltas[0], instance_layers)

    def align(self, context: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """context (1, C+K+1, S/4, S/4), boxes (n, 4) in canvas pixels -> (n, C+K+1, P, P)."""
        return heads.align(context, boxes, self.config.roi_side)

    def sem_dist(self, instance_layers: torch.Tensor) -> torch.Tensor:
        """p (n, K+1, P, P) -> M = sum of (1 - l) * p_(1+l), (n, 1, P, P)."""
        return torch.sum(instance_layers * self.level_gains, 1, keepdim=True)

    @staticmethod
    def split(logits: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """logits (n, K+1, P, P) -> layers (n, K+1, P, P), confidence (n, P, P), level (n, P, P)."""
        layers = torch.softmax(logits, 1)
        confidence = heads.object_confidence(layers)
        level = torch.argmax(logits[:, 1:], 1).to(logits.dtype)
        return layers, confidence, level


Network = Union[SemanticsLayeringNetwork, AmodalMaskNetwork]


def make_network(config: Config) -> Network:
    """Returns the network that the config names, in training mode, with PyTorch's random weights."""
    return SemanticsLayeringNetwork(config) if config.network == "sln" else AmodalMaskNetwork(config)


class ExportedNetwork(nn.Module):
    """The network with a plain tuple of outputs, in the order of `names`."""

    def __init__(self, network: Network, debug_outputs: bool):
        super().__init__()
        self.network = network
        self.names = network.outputs + (network.debug_outputs if debug_outputs else ())

    def forward(self, image: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """image (1, 3, S, S) -> one tensor per name."""
        stages: Dict[str, torch.Tensor] = self.network(image)._asdict()
        return tuple(stages[name] for name in self.names)
