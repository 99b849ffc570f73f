"""The two baselines of the paper, as this project defines them: ARCNN and ARCNN + visible mask.

Both share encoder, proposals and RoIAlign with the semantics layering network, but nothing in them
knows of layers: there is no GLM, RPN and RoI head see the features alone, and the six convolutions
that ILM and Refine have together are one chain that ends in one mask (`arcnn`: amodal) or two
(`arcnn-visible`: amodal and visible). The masks are written as planes of `layers`, so that decode,
score, suppression and depth order are those of the semantics layering network.
"""

from typing import NamedTuple, Tuple

import torch
from torch import nn
from torch.nn import functional as F

from models import heads
from models.config import Config
from models.encoder import make_encoder
from models.heads import RegionProposalHead
from models.proposals import make_anchors, propose

CONVOLUTIONS = 6  # as many as ILM and Refine have together


class MaskStages(NamedTuple):
    """Every named stage tensor of one image. n boxes, K = 1 or 2 masks, P x P cells per RoI."""

    boxes: torch.Tensor  # (n, 4) x0 y0 x1 y1, canvas pixels
    scores: torch.Tensor  # (n) objectness
    layers: torch.Tensor  # (n, K+1, P, P) probabilities: not this object, visible, hidden
    confidence: torch.Tensor  # (n, P, P)
    level: torch.Tensor  # (n, P, P) 0 or 1 as float32
    features: torch.Tensor  # (C, S/4, S/4)
    rpn_objectness: torch.Tensor  # (A, g, g) logits
    rpn_deltas: torch.Tensor  # (4A, g, g)


class MaskHead(nn.Module):
    """Six conv3x3, BN and ReLU after all but the last, which gives one logit per mask."""

    def __init__(self, inputs: int, hidden: int, masks: int, eps: float):
        super().__init__()
        for i in range(1, CONVOLUTIONS):
            setattr(self, f"conv{i}", nn.Conv2d(inputs, hidden, 3, padding=1, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(hidden, eps=eps))
            inputs = hidden
        self.conv6 = nn.Conv2d(hidden, masks, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (n, inputs, P, P) -> logits (n, masks, P, P)."""
        for i in range(1, CONVOLUTIONS):
            x = F.relu(getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x)))
        return self.conv6(x)


class AmodalMaskNetwork(nn.Module):
    """ENC, RPN, proposals, RoIAlign and the mask head of `arcnn` and `arcnn-visible`."""

    outputs = ("boxes", "scores", "layers", "confidence", "level")  # names of MaskStages in a graph
    debug_outputs = ("features", "rpn_objectness", "rpn_deltas")

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.encoder = make_encoder(config)
        self.rpn = RegionProposalHead(config)
        self.mask = MaskHead(config.context_channels, config.head_channels, config.layers, config.bn_eps)
        # Not a weight: it follows from the config, so it stays out of the state dict.
        self.register_buffer("anchors", make_anchors(config), persistent=False)

    def forward(self, canvas: torch.Tensor) -> MaskStages:
        """canvas (1, 3, S, S), normalised RGB -> MaskStages."""
        features = self.encoder(canvas)
        objectness, deltas = self.rpn(features)
        boxes, scores = propose(self.config, self.anchors, objectness, deltas)
        logits = self.mask(self.align(features, boxes))
        layers, confidence, level = self.split(logits)
        return MaskStages(boxes, scores, layers, confidence, level, features[0], objectness[0], deltas[0])

    def align(self, features: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """features (1, C, S/4, S/4), boxes (n, 4) in canvas pixels -> (n, C, P, P)."""
        return heads.align(features, boxes, self.config.roi_side)

    @staticmethod
    def split(logits: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """logits (n, K, P, P): amodal and, for K = 2, visible given amodal.

        Returns layers (n, K+1, P, P), which sum to 1, confidence (n, P, P), level (n, P, P).
        """
        amodal = torch.sigmoid(logits[:, :1])
        if logits.shape[1] == 1:
            layers = torch.cat((1.0 - amodal, amodal), 1)
            level = torch.zeros_like(logits[:, 0])
        else:
            visible = torch.sigmoid(logits[:, 1:])
            layers = torch.cat((1.0 - amodal, amodal * visible, amodal * (1.0 - visible)), 1)
            # From the logit, where the sigmoid has no ties: visible from 0 on.
            level = (logits[:, 1] < 0.0).to(logits.dtype)
        return layers, heads.object_confidence(layers), level
