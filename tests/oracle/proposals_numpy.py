"""From RPN tensors to candidates, and whether a list of kept anchors is a right one for them.

Independent of the engine and of models/: plain NumPy in double, from the description of the network
(section 5) alone. Two implementations see slightly different logits and boxes, so their lists may
differ where a decision is a close one. Instead of comparing two lists, check_keep_list() holds one
list against one set of numbers: every decision must be right, or within a tolerance of its
threshold. What follows from a close decision needs no rule of its own: the list is judged as it is.

Beside a photo that is not square the canvas is empty. Along that padding the cells of the anchor grid
see the same nothing, so that a whole row or column of boxes has one logit but for the last bits of
fp32: there ties are the rule, and have a tolerance and a count of their own.
"""

import dataclasses
import math
from typing import Dict, List, Optional, Tuple

import numpy

TOLERANCE = 1e-5  # of an IoU or a logit to its threshold
PADDING_TOLERANCE = 4e-5  # of a logit to another where both anchors lie in the padding; logits have an RMS of 4
SIZE_TOLERANCE = 1e-5  # of a box side to min_box, relative to min_box


@dataclasses.dataclass
class Candidates:
    """All anchors of one image, by flat anchor index."""

    logits: numpy.ndarray  # (m)
    boxes: numpy.ndarray  # (m, 4) x0 y0 x1 y1, canvas pixels


@dataclasses.dataclass
class KeepReport:
    close: Dict[str, int]  # decisions that needed the tolerance, by kind
    violations: List[str]
    margins: Dict[str, float]  # smallest distance of any decision to its threshold, by kind


def anchors_of(config: dict) -> numpy.ndarray:
    """(g*g*A, 4) cx cy w h, fp32 values."""
    t, side = config["rpn_stride"], config["side"]
    grid = side // t
    rows = []
    for y in range(grid):
        for x in range(grid):
            for ratio in config["anchor_ratios"]:
                for scale in config["anchor_scales"]:
                    q = scale * side
                    rows.append((t * x + t / 2, t * y + t / 2, q / math.sqrt(ratio), q * math.sqrt(ratio)))
    return numpy.asarray(rows, numpy.float64).astype(numpy.float32)


def padding_of(config: dict, scaled: Tuple[int, int]) -> numpy.ndarray:
    """(g*g*A) bool: the anchor's centre lies beside the image, whose part of the canvas is scaled = (w, h)."""
    anchors = anchors_of(config)
    return (anchors[:, 0] > scaled[0]) | (anchors[:, 1] > scaled[1])


def decode(config: dict, objectness: numpy.ndarray, deltas: numpy.ndarray) -> Candidates:
    """objectness (A, g, g) logits, deltas (4A, g, g) -> Candidates."""
    anchors = anchors_of(config).astype(numpy.float64)
    count, grid = objectness.shape[0], objectness.shape[1]
    logits = objectness.transpose(1, 2, 0).reshape(-1).astype(numpy.float64)
    d = deltas.reshape(count, 4, grid, grid).transpose(2, 3, 0, 1).reshape(-1, 4).astype(numpy.float64)
    centre = anchors[:, :2] + d[:, :2] * anchors[:, 2:]
    size = anchors[:, 2:] * numpy.exp(numpy.minimum(d[:, 2:], math.log(1000.0 / 16.0)))
    boxes = numpy.concatenate((centre - size / 2, centre + size / 2), 1)
    return Candidates(logits, numpy.clip(boxes, 0.0, float(config["side"])))


def iou_of(box: numpy.ndarray, boxes: numpy.ndarray) -> numpy.ndarray:
    """box (4), boxes (m, 4) -> (m); an empty union has IoU 0."""
    size = numpy.minimum(box[2:], boxes[:, 2:]) - numpy.maximum(box[:2], boxes[:, :2])
    inter = numpy.maximum(size, 0).prod(1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - inter
    return numpy.where(union > 0, inter / numpy.where(union > 0, union, 1), 0.0)


def recover_anchors(candidates: Candidates, boxes: numpy.ndarray, scores: numpy.ndarray) -> numpy.ndarray:
    """Flat anchor index of every row of boxes (n, 4), scores (n), which carry none.

    A row's anchor is the unused one of the nearest box and score. Twins (anchors whose boxes and
    scores are equal to rounding) cannot be told apart here, nor does it matter: NMS keeps one.
    """
    with numpy.errstate(over="ignore"):
        objectness = 1.0 / (1.0 + numpy.exp(-candidates.logits))
    used = numpy.zeros(len(objectness), bool)
    found = numpy.empty(len(boxes), numpy.int64)
    for i, (box, score) in enumerate(zip(boxes.astype(numpy.float64), scores.astype(numpy.float64))):
        # A score differs by 1e-5 where a box differs by 0.01 px: both weigh the same.
        distance = numpy.abs(candidates.boxes - box).max(1) / 0.01 + numpy.abs(objectness - score) / 1e-5
        distance[used] = numpy.inf
        found[i] = int(distance.argmin())
        used[found[i]] = True
        if distance[found[i]] > 2.0:
            raise ValueError(f"box {i}: expected an anchor whose box and score it is, found distance "
                             f"{distance[found[i]]:.3g} at anchor {found[i]}")
    return found


class _Judge:
    """Collects decisions: right ones, close ones, wrong ones."""

    def __init__(self) -> None:
        self.report = KeepReport({"order": 0, "cut": 0, "size": 0, "iou": 0, "padding": 0}, [], {})

    def note(self, kind: str, excess: float) -> None:
        self.report.margins[kind] = min(self.report.margins.get(kind, math.inf), abs(excess))

    def decide(self, kind: str, excess: float, tolerance: float, text: str) -> None:
        """excess > 0: on the wrong side of its threshold by so much."""
        self.note(kind, excess)
        if excess <= 0:
            return
        if excess <= tolerance:
            self.report.close[kind] += 1
        else:
            self.report.violations.append(f"{kind}: {text}, beyond its threshold by {excess:.3g}")


def _check_members(judge: _Judge, config: dict, c: Candidates, kept: numpy.ndarray,
                   order: numpy.ndarray, in_order: bool) -> None:
    least = config["min_box"] * config["side"]
    taken, cut = set(order.tolist()), float(c.logits[order[-1]])
    for place, anchor in enumerate(kept):
        box = c.boxes[anchor]
        if int(anchor) not in taken:
            judge.decide("cut", max(cut - c.logits[anchor], 1e-300), TOLERANCE,
                         f"anchor {anchor} kept, but not a candidate")
        side = float((box[2:] - box[:2]).min())
        judge.decide("size", (least - side) / max(least, 1e-9), SIZE_TOLERANCE,
                     f"anchor {anchor} kept, but too small")
        if place:
            before = kept[:place]
            worst = float(iou_of(box, c.boxes[before]).max())
            judge.decide("iou", worst - config["nms_iou"], TOLERANCE,
                         f"anchor {anchor} kept, but suppressed by a kept one")
            if not in_order:
                continue
            last = kept[place - 1]
            excess = c.logits[anchor] - c.logits[last]
            if excess > 0 or (excess == 0 and anchor < last):
                judge.decide("order", max(excess, 1e-300), TOLERANCE, f"anchor {anchor} after {last}")


def _suppression(box: numpy.ndarray, c: Candidates, by: numpy.ndarray) -> float:
    return float(iou_of(box, c.boxes[by]).max()) if len(by) else 0.0


def _check_dropped(judge: _Judge, config: dict, c: Candidates, kept: numpy.ndarray, order: numpy.ndarray,
                   cut: float, padding: numpy.ndarray) -> None:
    """Every candidate that is not kept must have a reason: its size, a kept box before it, or a full list.

    order: the candidates; cut: the first logit that is not among them.
    """
    least = config["min_box"] * config["side"]
    full = len(kept) == config["max_rois"]
    last = kept[c.logits[kept].argmin()] if full else -1
    end = c.logits[last] if full else -math.inf
    members = set(kept.tolist())
    for anchor in order:
        logit = c.logits[anchor]
        if int(anchor) in members or (full and logit < end):
            continue
        box = c.boxes[anchor]
        suppression = _suppression(box, c, kept[c.logits[kept] >= logit])
        # How far each reason is from holding; any one is enough.
        reasons = {
            "size": ((float((box[2:] - box[:2]).min()) - least) / max(least, 1e-9), SIZE_TOLERANCE),
            "iou": (config["nms_iou"] - suppression, TOLERANCE),
            "cut": (logit - cut, TOLERANCE),
        }
        if full:
            tie = "padding" if padding[anchor] and padding[last] else "order"
            reasons[tie] = (logit - end, PADDING_TOLERANCE if tie == "padding" else TOLERANCE)
        if all(excess >= 0 for kind, (excess, _) in reasons.items() if kind != "iou"):
            judge.note("iou", reasons["iou"][0])
        if any(excess < 0 for excess, _ in reasons.values()):
            continue
        kind = min(reasons, key=lambda k: reasons[k][0] / reasons[k][1])
        excess, tolerance = reasons[kind]
        ties = kept[c.logits[kept] >= logit - TOLERANCE]
        wide = kept[(c.logits[kept] >= logit - PADDING_TOLERANCE) & padding[kept] & padding[anchor]]
        for name, by in (("padding", wide), ("order", ties)):
            if _suppression(box, c, by) > config["nms_iou"]:
                kind, excess = name, 0.0  # by one of an equal logit, to rounding
        judge.decide(kind, max(excess, 1e-300), tolerance, f"anchor {anchor} dropped without a reason")


def check_keep_list(config: dict, candidates: Candidates, kept: numpy.ndarray,
                    padding: Optional[numpy.ndarray] = None, in_order: bool = True) -> KeepReport:
    """kept: anchor indices in the order of the boxes. padding: by anchor, see padding_of(); default: none.

    in_order: the order within the list is judged, too.
    """
    judge = _Judge()
    if padding is None:
        padding = numpy.zeros(len(candidates.logits), bool)
    count = min(config["pre_nms"], len(candidates.logits))
    ranked = numpy.lexsort((numpy.arange(len(candidates.logits)), -candidates.logits))
    order = ranked[:count]
    cut = float(candidates.logits[ranked[count]]) if count < len(ranked) else -math.inf
    if len(set(kept.tolist())) != len(kept) or len(kept) > config["max_rois"]:
        judge.report.violations.append(f"expected at most {config['max_rois']} different anchors, found {len(kept)}")
    _check_members(judge, config, candidates, kept, order, in_order)
    _check_dropped(judge, config, candidates, kept, order, cut, padding)
    return judge.report
