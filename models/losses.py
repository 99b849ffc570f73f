"""The losses of the four targets: region proposals, global layers, instance layers, sem-dist map."""

from typing import List, Tuple

import torch
from torch.nn import functional as F

from models.proposals import move_boxes

SMOOTH_L1_BETA = 1.0 / 9.0  # deltas below it are pulled quadratically
GIOU_WEIGHT = 2.0  # of a box' 1 - GIoU beside smooth L1
DICE_WEIGHT = 0.5
# Cells of the hidden levels are rare: without more weight they are never predicted.
FIRST_PLANES = (1.0, 1.0, 4.0)  # not this object, visible, hidden by one
FURTHER_PLANES = 8.0  # hidden by more
SHARED_VISIBLE = FIRST_PLANES[2]  # visible, in a cell of another object too


def plane_weights(layers: int) -> List[float]:
    """Weights of the K + 1 planes of ILM and Refine: 1, 1, 4, 8, 8 for K = 4."""
    return ([*FIRST_PLANES] + [FURTHER_PLANES] * max(0, layers - 2))[:layers + 1]


def dice(probability: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 - soft Dice per RoI; both (n, P, P), target 0 or 1 -> (n). One pixel of each is added, so
    that nothing predicted for an empty target costs nothing."""
    both = (probability * target).sum(dim=(1, 2))
    return 1.0 - (2.0 * both + 1.0) / (probability.sum(dim=(1, 2)) + target.sum(dim=(1, 2)) + 1.0)


def mean_where(values: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Mean of values (n) over the chosen (n) bool ones, 0 if none is."""
    chosen = chosen.to(values.dtype)
    return (values * chosen).sum() / chosen.sum().clamp(min=1.0)


def delta_overlaps(deltas: torch.Tensor, targets: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """IoU and generalised IoU (Rezatofighi et al., CVPR 2019) of the boxes that deltas and targets
    (p, 4) make of the same anchors -> (p), (p). Where an anchor lies and how large it is does not matter."""
    anchor = deltas.new_tensor([[0.0, 0.0, 1.0, 1.0]])
    (low, high), (target_low, target_high) = (move_boxes(anchor, d).split(2, 1) for d in (deltas, targets))

    def area(first: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        return (last - first).clamp(min=0.0).prod(1)

    both = area(torch.maximum(low, target_low), torch.minimum(high, target_high))
    union = area(low, high) + area(target_low, target_high) - both
    hull = area(torch.minimum(low, target_low), torch.maximum(high, target_high))
    iou = both / union.clamp(min=1e-9)
    return iou, iou - (hull - union) / hull.clamp(min=1e-9)


def objectness_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Binary cross entropy over the sampled anchors; both (m), labels 0 to 1: the IoU of a positive anchor's
    box, since NMS keeps the box of the largest objectness, which should be the one that fits best."""
    return F.binary_cross_entropy_with_logits(logits, labels)


def delta_loss(deltas: torch.Tensor, targets: torch.Tensor, giou: torch.Tensor) -> torch.Tensor:
    """Smooth L1, summed over the 4 deltas, + GIOU_WEIGHT (1 - GIoU) of the box; mean over the positive
    anchors; deltas, targets (p, 4), giou (p) from delta_overlaps of them; 0 if p = 0."""
    if len(deltas) == 0:
        return deltas.sum()
    return (F.smooth_l1_loss(deltas, targets, beta=SMOOTH_L1_BETA, reduction="sum") / len(deltas)
            + GIOU_WEIGHT * (1.0 - giou).mean())


def global_loss(logits: torch.Tensor, counts: torch.Tensor, binary: bool = False) -> torch.Tensor:
    """logits (b, K+1, h, w), counts (b, h, w) int64 0..K.

    Cross entropy over the planes or, with `binary`, the paper's binary cross entropy of each plane's
    softmax output, mean over cells (and planes).
    """
    if not binary:
        return F.cross_entropy(logits, counts)
    planes = F.one_hot(counts, logits.shape[1]).permute(0, 3, 1, 2).to(logits.dtype)
    # Bounded away from 0 and 1, where the logarithm's gradient is infinite.
    return F.binary_cross_entropy(torch.softmax(logits, 1).clamp(1e-6, 1.0 - 1e-6), planes)


def layer_loss(logits: torch.Tensor, planes: torch.Tensor, shared: torch.Tensor,
               shared_weight: float = SHARED_VISIBLE) -> torch.Tensor:
    """Loss of instance layers: logits (n, K+1, P, P), planes (n, P, P) int64 classes, shared (n, P, P)
    bool, cells of another object too.

    Cross entropy with plane_weights + half the Dice losses of C = 1 - p_0 against the amodal mask
    (over RoIs that have one) and of the summed hidden planes against the hidden part (likewise).
    A visible cell in front of another object weighs shared_weight, by default as much as a hidden one: of
    the cells that a pair shares, one RoI has the former and the other the latter, and with less weight both
    would be called hidden and the order be left to chance.
    """
    weights = torch.tensor(plane_weights(logits.shape[1] - 1), dtype=logits.dtype, device=logits.device)
    probability = torch.softmax(logits, 1)
    amodal, hidden = (planes > 0).to(logits.dtype), (planes > 1).to(logits.dtype)
    cells = weights[planes]
    if len(weights) > 2:
        cells = torch.where(shared & (planes == 1), weights.new_tensor(shared_weight), cells)
    loss = (cells * F.cross_entropy(logits, planes, reduction="none")).sum() / cells.sum()
    loss = loss + DICE_WEIGHT * mean_where(dice(1.0 - probability[:, 0], amodal), amodal.amax((1, 2)) > 0)
    return loss + DICE_WEIGHT * mean_where(dice(probability[:, 2:].sum(1), hidden),
                                           hidden.amax((1, 2)) > 0)


def mask_loss(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Loss of one mask of the baselines: both (n, P, P), mask 0 or 1; binary cross entropy + half the
    Dice loss over the RoIs in which the mask is not empty."""
    loss = F.binary_cross_entropy_with_logits(logits, mask)
    return loss + DICE_WEIGHT * mean_where(dice(torch.sigmoid(logits), mask), mask.amax((1, 2)) > 0)
