"""Anchors and the way from RPN outputs to boxes."""

import math
from typing import Tuple

import numpy
import torch
from torchvision.ops import nms

from models.config import Config

FIRST_CANDIDATES = 1500  # mostly enough of them for all boxes that NMS may keep
MAX_LOG_SCALE = math.log(1000.0 / 16.0)  # a box grows at most 62.5-fold


def make_anchors(config: Config) -> torch.Tensor:
    """Returns (g*g*A, 4) fp32 rows (cx, cy, w, h) in canvas pixels.

    Row i = (y*g + x)*A + a with a = ratio_index * n_scales + scale_index. Computed in double and
    rounded once, so that every implementation holds the same bits.
    """
    sizes = []
    for ratio in config.anchor_ratios:
        for scale in config.anchor_scales:
            q = scale * config.side
            sizes.append((q / math.sqrt(ratio), q * math.sqrt(ratio)))
    t, g = config.rpn_stride, config.grid
    centres = t * numpy.arange(g, dtype=numpy.float64) + t / 2.0
    anchors = numpy.empty((g, g, len(sizes), 4), numpy.float64)
    anchors[..., 0] = centres[None, :, None]
    anchors[..., 1] = centres[:, None, None]
    anchors[..., 2:] = numpy.asarray(sizes)
    return torch.from_numpy(anchors.reshape(-1, 4).astype(numpy.float32))


def sort_candidates(logits: torch.Tensor, count: int) -> torch.Tensor:
    """Indices of the `count` largest logits, descending, equal ones by ascending index."""
    if torch.onnx.is_in_onnx_export():
        # ONNX TopK itself puts the lower index first among equals; PyTorch's topk promises no order.
        return torch.topk(logits, count, dim=0, largest=True, sorted=True)[1]
    return torch.sort(logits, dim=0, descending=True, stable=True)[1][:count]


def move_boxes(anchors: torch.Tensor, deltas: torch.Tensor) -> torch.Tensor:
    """anchors (m, 4) cx cy w h, deltas (m, 4) dx dy dw dh -> (m, 4) x0 y0 x1 y1, wherever they lie."""
    sizes = anchors[:, 2:]
    centres = anchors[:, :2] + deltas[:, :2] * sizes
    half = 0.5 * (sizes * torch.exp(torch.clamp(deltas[:, 2:], max=MAX_LOG_SCALE)))
    return torch.cat((centres - half, centres + half), 1)


def decode_boxes(anchors: torch.Tensor, deltas: torch.Tensor, side: int) -> torch.Tensor:
    """The same boxes clipped to the canvas, [0, S]."""
    return torch.clamp(move_boxes(anchors, deltas), min=0.0, max=float(side))


def select_candidates(config: Config, anchors: torch.Tensor, objectness: torch.Tensor,
                      deltas: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """Decodes the boxes of the largest logits and drops the too small ones.

    anchors (g*g*A, 4); objectness (1, A, g, g) logits; deltas (1, 4A, g, g).
    Returns boxes (m, 4) x0 y0 x1 y1 in canvas pixels and logits (m), in the order logit
    descending, anchor ascending; m <= min(pre_nms, A*g*g).
    """
    a, g = config.anchors_per_cell, config.grid
    logits = objectness.reshape(a, g * g).permute(1, 0).reshape(-1)
    rows = deltas.reshape(a, 4, g * g).permute(2, 0, 1).reshape(-1, 4)
    order = sort_candidates(logits, config.candidates)
    logits = logits[order]
    boxes = decode_boxes(anchors[order], rows[order], config.side)
    # Too small boxes leave before NMS, so that they suppress nothing.
    sides = boxes[:, 2:] - boxes[:, :2]
    large = torch.nonzero(torch.amin(sides, 1) >= config.min_box * config.side).squeeze(1)
    return boxes[large], logits[large]


def first_kept(boxes: torch.Tensor, logits: torch.Tensor, overlap: float, count: int) -> torch.Tensor:
    """nms(boxes, logits, overlap)[:count] of boxes (m, 4) whose logits (m) descend.

    Which boxes are kept follows from those before them alone, so a beginning that keeps enough will do.
    """
    considered = FIRST_CANDIDATES
    while True:
        keep = nms(boxes[:considered], logits[:considered], overlap)[:count]
        if len(keep) == count or considered >= len(boxes):
            return keep
        considered *= 2


def propose(config: Config, anchors: torch.Tensor, objectness: torch.Tensor,
            deltas: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """Turns RPN outputs (see select_candidates) into at most N boxes.

    Returns boxes (n, 4) x0 y0 x1 y1 in canvas pixels and scores (n) = sigmoid of their logits.
    """
    boxes, logits = select_candidates(config, anchors, objectness, deltas)
    # NMS takes logits: the sigmoid makes ties among large ones.
    if torch.onnx.is_in_onnx_export():  # a graph has no loop that depends on what it finds
        keep = nms(boxes, logits, config.nms_iou)[:config.max_rois]
    else:
        keep = first_kept(boxes, logits, config.nms_iou, config.max_rois)
    return boxes[keep], torch.sigmoid(logits[keep])
