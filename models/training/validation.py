"""Quick figures on unseen scenes while a network is trained.

Objects are decoded on the canvas by the rules of the engine; the figures follow the evaluator's, but
on few scenes, few boxes and at one IoU, so they steer a run and are not to be quoted.
"""

import dataclasses
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy
import torch
from torch import nn

from models.config import Config
from models.pieces import pieces, sizes
from models.scene import Scene, hidden_masks
from models.training.batches import normalise

THRESHOLD = 0.5  # c of the decoder
NMS_IOU = 0.6  # of masks
BOXES = 50  # per image, the best by objectness
MATCH_IOU = 0.5


class Detection(NamedTuple):
    """One decoded object on the canvas grid."""

    score: float
    confidence: numpy.ndarray  # (H, W) float32, 0 outside of its window
    level: numpy.ndarray  # (H, W) uint8, 0 outside of its mask
    mask: numpy.ndarray  # (H, W) bool, confidence > c


def _taps(low: float, high: float, cells: int, size: int) -> Tuple[slice, numpy.ndarray]:
    """The pixels of a window along an axis, and the (pixels, P) bilinear weights that read them."""
    centres = numpy.arange(size) + 0.5
    inside = numpy.flatnonzero((centres >= low) & (centres < high))
    if len(inside) == 0:
        return slice(0, 0), numpy.zeros((0, cells), numpy.float32)
    at = numpy.clip((centres[inside] - low) / (high - low) * cells - 0.5, 0.0, cells - 1.0)
    weights = numpy.maximum(0.0, 1.0 - numpy.abs(at[:, None] - numpy.arange(cells)))
    return slice(int(inside[0]), int(inside[-1]) + 1), weights.astype(numpy.float32)


def decode(box: numpy.ndarray, objectness: float, layers: numpy.ndarray, height: int,
           width: int) -> Detection:
    """box x0 y0 x1 y1 in canvas pixels, layers (K+1, P, P) -> the object on the top left (height, width)."""
    cells = layers.shape[1]
    columns, x_weights = _taps(float(box[0]), float(box[2]), cells, width)
    rows, y_weights = _taps(float(box[1]), float(box[3]), cells, height)
    planes = y_weights @ (layers @ x_weights.T)  # (K+1, window)
    confidence, level = numpy.zeros((height, width), numpy.float32), numpy.zeros((height, width), numpy.uint8)
    own = numpy.clip(1.0 - planes[0], 0.0, 1.0 - 2.0 ** -10)
    confidence[rows, columns] = own
    level[rows, columns] = numpy.where(own > THRESHOLD, planes[1:].argmax(0), 0)
    cell_confidence = 1.0 - layers[0]
    belongs = cell_confidence > THRESHOLD
    score = objectness * float(cell_confidence[belongs].mean()) if belongs.any() else 0.0
    return Detection(score, confidence, level, confidence > THRESHOLD)


def mask_iou(a: numpy.ndarray, b: numpy.ndarray) -> numpy.ndarray:
    """IoU of masks a (m, H, W) and b (n, H, W) bool -> (m, n)."""
    a, b = (x.reshape(len(x), -1).astype(numpy.float32) for x in (a, b))
    inter = a @ b.T
    union = a.sum(1)[:, None] + b.sum(1)[None] - inter
    return numpy.divide(inter, union, out=numpy.zeros_like(inter), where=union > 0)


def mask_nms(found: List[Detection]) -> List[Detection]:
    """Greedy NMS by score over those with a mask; equal scores keep their order."""
    found = sorted((d for d in found if d.mask.any()), key=lambda d: -d.score)
    if not found:
        return []
    iou = mask_iou(*[numpy.stack([d.mask for d in found])] * 2)
    kept: List[int] = []
    for i in range(len(found)):
        if not (iou[i, kept] > NMS_IOU).any():
            kept.append(i)
    return [found[i] for i in kept]


def largest_region(mask: numpy.ndarray) -> Tuple[int, int]:
    """(size, -first pixel in row-major order) of the largest 4-connected region; (0, 0) if none.

    Compares as the depth order does: of equally large regions the one that begins earlier is more.
    """
    runs = pieces(mask)
    if len(runs.row) == 0:
        return 0, 0
    size = sizes(runs)
    largest = int(size.argmax())  # the first of equals
    first = int(numpy.argmax(runs.piece == largest))
    return int(size[largest]), -int(runs.row[first] * mask.shape[1] + runs.begin[first])


def depth_order(a: Detection, b: Detection) -> int:
    """1 if a is in front of b, -1 if b is, 0 if that is undecided."""
    both = a.confidence * b.confidence > THRESHOLD * THRESHOLD
    difference = b.level.astype(numpy.int16) - a.level
    front, behind = largest_region(both & (difference > 0)), largest_region(both & (difference < 0))
    return 0 if front == behind else (1 if front > behind else -1)


def _pairs(scene: Scene) -> List[Tuple[int, int]]:
    """(front, behind) of the objects that overlap."""
    return [(int(i), int(j)) for i, j in numpy.argwhere(scene.front)
            if (scene.objects[i].amodal & scene.objects[j].amodal).any()]


@dataclasses.dataclass
class Tally:
    """Sums over scenes."""

    best: List[float] = dataclasses.field(default_factory=list)  # per object: IoU of its best detection
    occluded: List[bool] = dataclasses.field(default_factory=list)
    hidden: List[float] = dataclasses.field(default_factory=list)  # IoU of hidden parts, matched ones
    detections: int = 0
    pairs: int = 0
    decided: int = 0
    right: int = 0

    def add(self, scene: Scene, found: List[Detection]) -> None:
        """Takes in one scene of at least one object and what was found in it."""
        self.detections += len(found)
        pairs = _pairs(scene)
        self.pairs += len(pairs)
        hidden = hidden_masks(scene)
        if not found:
            self.best += [0.0] * len(scene.objects)
            self.occluded += [bool(h.any()) for h in hidden]
            return
        # `found` is sorted by score, so argmax takes the higher score of equal IoUs.
        iou = mask_iou(numpy.stack([o.amodal for o in scene.objects]), numpy.stack([d.mask for d in found]))
        match = [int(row.argmax()) if row.max() >= MATCH_IOU else -1 for row in iou]
        for row, part, k in zip(iou, hidden, match):
            self.best.append(float(row.max()))
            self.occluded.append(bool(part.any()))
            if part.any() and k >= 0:
                said = found[k].mask & (found[k].level > 0)
                self.hidden.append(float((said & part).sum() / (said | part).sum()))
        for i, j in pairs:
            if match[i] < 0 or match[j] < 0 or match[i] == match[j]:
                continue
            order = depth_order(found[match[i]], found[match[j]])
            self.decided += order != 0
            self.right += order > 0

    def figures(self, scenes: int) -> Dict[str, float]:
        """The means; NaN never: 0 where there is nothing to take a mean of."""
        best, occluded = numpy.array(self.best), numpy.array(self.occluded, bool)
        mean = (lambda values: float(numpy.mean(values)) if len(values) else 0.0)
        return {"best_iou": mean(best), "best_iou_occluded": mean(best[occluded]),
                "recall50": mean(best >= 0.5), "hidden_iou": mean(self.hidden),
                "order_accuracy_decided": self.right / max(1, self.decided),
                "order_coverage": self.decided / max(1, self.pairs),
                "detections_per_image": self.detections / max(1, scenes)}


class Validator:
    """Fixed scenes, and a network of few boxes that takes the weights to be judged."""

    def __init__(self, network: nn.Module, scenes: List[Scene], device: torch.device):
        """network: of the same class and config as those to come; scenes: on the canvas, with images."""
        config: Config = network.config
        self.config = dataclasses.replace(config, max_rois=min(config.max_rois, BOXES))
        self.network = type(network)(self.config).to(device).eval()
        self.scenes = [scene for scene in scenes if scene.objects]
        self.device = device

    @torch.no_grad()
    def detect(self, scene: Scene) -> List[Detection]:
        """What the network finds in one scene, after the mask NMS, by score."""
        side = self.config.side
        image = numpy.zeros((1, side, side, 3), numpy.uint8)
        image[0, :scene.height, :scene.width] = scene.image
        images = torch.from_numpy(image).to(self.device)
        canvas = normalise(images, [(scene.width, scene.height)], self.config)
        stages = self.network(canvas)
        boxes, scores, layers = (value.float().cpu().numpy()
                                 for value in (stages.boxes, stages.scores, stages.layers))
        return mask_nms([decode(box, float(score), planes, scene.height, scene.width)
                         for box, score, planes in zip(boxes, scores, layers)])

    def run(self, weights: Dict[str, torch.Tensor],
            stopped: Callable[[], bool] = lambda: False) -> Optional[Dict[str, float]]:
        """Figures of a state dict; None if `stopped` came to say so before the last scene."""
        self.network.load_state_dict(weights)
        tally = Tally()
        for scene in self.scenes:
            if stopped():
                return None
            tally.add(scene, self.detect(scene))
        return tally.figures(len(self.scenes))
