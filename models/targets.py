"""Training targets of one scene on the canvas: what each output of the network should have said.

All coordinates are continuous canvas pixels (pixel i covers [i, i + 1)). The scene lies at the top
left of the canvas at its own size, so its longer side is at most S; what the canvas adds to it holds
no object. Everything here is NumPy and depends on the scene, the config and the given random
generator alone, so that it can be made ahead in another process and made again after a resume.
"""

import dataclasses
from typing import Tuple

import numpy

from models.config import Config
from models.scene import OUTSIDE, Scene, count_map, level_maps

POSITIVE_IOU = 0.5  # an anchor or RoI at or above it belongs to its best object
NEGATIVE_IOU = 0.3  # an anchor below it belongs to none; between the two it is left out
SAMPLED_ANCHORS = 256  # that count per image, at most half of them positive
NEGATIVE_POOL = 4096  # negative ones that those of an image are chosen from
CELL = 4  # canvas pixels along a side of a cell of the global layers


class TargetError(ValueError):
    """A scene that does not fit the canvas; the text says what was expected and found."""


@dataclasses.dataclass
class Sample:
    """One scene, ready for the trainer. n objects; all arrays are the canvas' size, not the image's."""

    image: numpy.ndarray  # (S, S, 3) uint8 RGB; only the top left (height, width) is the image
    width: int  # pixels of the image within the canvas
    height: int
    levels: numpy.ndarray  # (n, S, S) uint8, level of object i at the pixel, OUTSIDE off it
    boxes: numpy.ndarray  # (n, 4) float32 x0 y0 x1 y1, tight around the amodal masks
    shared: numpy.ndarray  # (S, S) bool, pixels of more than one object: who is in front is decided there
    overlapping: numpy.ndarray  # (n) bool, whether the object has such pixels
    counts: numpy.ndarray  # (S/4, S/4) uint8, 0..K
    positive: numpy.ndarray  # (p) int64, the sampled positive anchors
    deltas: numpy.ndarray  # (p, 4) float32, from them to their objects
    negative: numpy.ndarray  # (m) int64, negative anchors in random order, of which some will count


def tight_box(mask: numpy.ndarray) -> Tuple[int, int, int, int]:
    """The smallest x0 y0 x1 y1 that holds every pixel of a non-empty (H, W) bool mask."""
    rows, columns = numpy.flatnonzero(mask.any(1)), numpy.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def box_iou(a: numpy.ndarray, b: numpy.ndarray) -> numpy.ndarray:
    """IoU of boxes a (m, 4) and b (n, 4), x0 y0 x1 y1 -> (m, n); 0 for an empty union."""
    # Boxes of b, which are few, go first: so the inner loops run over the many of a.
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = a.astype(numpy.float64).T, b.astype(numpy.float64).T[:, :, None]
    inter = (numpy.minimum(ax1, bx1) - numpy.maximum(ax0, bx0)).clip(min=0.0)
    inter *= (numpy.minimum(ay1, by1) - numpy.maximum(ay0, by0)).clip(min=0.0)
    union = (ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - inter
    return numpy.divide(inter, union, out=numpy.zeros_like(inter), where=union > 0).T


def cell_counts(counts: numpy.ndarray, layers: int) -> numpy.ndarray:
    """Objects per pixel (S, S) uint8 -> per stride-4 cell (S/4, S/4) uint8, capped at K = layers.

    A cell has the most frequent count of its 4 x 4 pixels, the lowest of equally frequent ones: its
    centre is a corner of four pixels, so there is no pixel that could stand for it.
    """
    side = counts.shape[0] // CELL
    cells = numpy.minimum(counts, layers).reshape(side, CELL, side, CELL)
    votes = [(cells == k).sum(axis=(1, 3)) for k in range(layers + 1)]
    return numpy.argmax(numpy.stack(votes), axis=0).astype(numpy.uint8)


def encode_boxes(anchors: numpy.ndarray, boxes: numpy.ndarray) -> numpy.ndarray:
    """Inverse of proposals.decode_boxes: anchors (m, 4) cx cy w h, boxes (m, 4) -> deltas (m, 4)."""
    anchors, boxes = anchors.astype(numpy.float64), boxes.astype(numpy.float64)
    sizes = boxes[:, 2:] - boxes[:, :2]
    centres = boxes[:, :2] + 0.5 * sizes
    return numpy.concatenate(((centres - anchors[:, :2]) / anchors[:, 2:],
                              numpy.log(sizes / anchors[:, 2:])), axis=1).astype(numpy.float32)


def assign_anchors(anchors: numpy.ndarray, boxes: numpy.ndarray) -> numpy.ndarray:
    """Which object each anchor belongs to: its index, -1 for none, -2 for "leave it out".

    anchors (m, 4) cx cy w h, boxes (n, 4) x0 y0 x1 y1. An anchor is positive from POSITIVE_IOU with
    its best object; and the best anchors of an object (all equal ones) are its own in any case, so
    that a shape that no anchor resembles still has some. Negative below NEGATIVE_IOU with all.
    """
    owner = numpy.full(len(anchors), -1, numpy.int64)
    if len(boxes) == 0:
        return owner
    corners = numpy.concatenate((anchors[:, :2] - 0.5 * anchors[:, 2:],
                                 anchors[:, :2] + 0.5 * anchors[:, 2:]), axis=1)
    iou = box_iou(corners, boxes)
    best, best_iou = iou.argmax(1), iou.max(1)
    owner[best_iou >= NEGATIVE_IOU] = -2
    positive = best_iou >= POSITIVE_IOU
    owner[positive] = best[positive]
    for i in range(len(boxes)):
        if iou[:, i].max() > 0.0:
            owner[iou[:, i] == iou[:, i].max()] = i
    return owner


def take_turns(owner: numpy.ndarray, weight: numpy.ndarray, random: numpy.random.Generator) -> numpy.ndarray:
    """An order of entries, (m) their objects, in which every object comes once before any comes twice.

    Within a turn objects are drawn by their weights (n): the order of their entries would favour those with many.
    """
    turns, seen = numpy.empty(len(owner), numpy.int64), {}
    for k, i in enumerate(owner):
        turns[k] = seen[i] = seen.get(i, -1) + 1
    # The smallest of exponential times of these rates is drawn first, and so on: sampling without replacement.
    times = random.exponential(size=len(weight)) / weight
    return numpy.lexsort((times[owner], turns))


def sample_anchors(owner: numpy.ndarray, random: numpy.random.Generator) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Draws positive anchors, at most half of SAMPLED_ANCHORS, and negative ones, at most NEGATIVE_POOL.

    Objects take turns: a large one has hundreds of positive anchors, a small one three, and drawn at random
    those of the small one would hardly ever count.
    """
    positive = random.permutation(numpy.flatnonzero(owner >= 0))
    weight = numpy.ones(int(owner.max(initial=-1)) + 1)
    positive = positive[take_turns(owner[positive], weight, random)][:SAMPLED_ANCHORS // 2]
    return positive, random.permutation(numpy.flatnonzero(owner == -1))[:NEGATIVE_POOL]


def make_sample(scene: Scene, config: Config, anchors: numpy.ndarray,
                random: numpy.random.Generator) -> Sample:
    """Targets of a scene with an image whose longer side is at most S.

    anchors (m, 4) float32 from proposals.make_anchors; `random` draws the anchors that count.
    Objects without a pixel inside of the image are left out. Raises TargetError.
    """
    side = config.side
    if scene.image is None:
        raise TargetError(f"{scene.file_name}: expected a scene with its image, found none")
    if max(scene.width, scene.height) > side:
        raise TargetError(f"{scene.file_name}: expected a longer side of at most {side}, "
                          f"found {scene.width}x{scene.height}")
    inside = numpy.s_[..., :scene.height, :scene.width]
    kept = [i for i, item in enumerate(scene.objects) if item.amodal.any()]
    levels = numpy.full((len(kept), side, side), OUTSIDE, numpy.uint8)
    levels[inside] = level_maps(scene)[kept]
    boxes = numpy.array([tight_box(scene.objects[i].amodal) for i in kept],
                        numpy.float32).reshape(-1, 4)
    image = numpy.zeros((side, side, 3), numpy.uint8)
    image[:scene.height, :scene.width] = scene.image
    counts = numpy.zeros((side, side), numpy.uint8)
    counts[inside] = count_map(scene)
    owner = assign_anchors(anchors, boxes)
    positive, negative = sample_anchors(owner, random)
    shared = counts > 1
    overlapping = ((levels != OUTSIDE) & shared).any(axis=(1, 2))
    return Sample(image, scene.width, scene.height, levels, boxes, shared, overlapping,
                  cell_counts(counts, config.layers), positive,
                  encode_boxes(anchors[positive], boxes[owner[positive]]), negative)


def roi_cells(pixels: numpy.ndarray, box: numpy.ndarray, side: int) -> numpy.ndarray:
    """Values of the canvas' pixels (S, S) in the cells of an RoI: (P, P), P = side.

    box x0 y0 x1 y1 in canvas pixels, inside of the canvas. Cell (row, column) is read at its centre,
    x0 + (column + 1/2) * (x1 - x0) / P: where the decoder, which inverts it, returns exactly that
    cell's values.
    """
    centres = (numpy.arange(side) + 0.5) / side
    x0, y0, x1, y1 = (float(v) for v in box)
    columns = numpy.clip(numpy.floor(x0 + centres * (x1 - x0)), 0, pixels.shape[1] - 1).astype(numpy.int64)
    rows = numpy.clip(numpy.floor(y0 + centres * (y1 - y0)), 0, pixels.shape[0] - 1).astype(numpy.int64)
    return pixels[numpy.ix_(rows, columns)]


def roi_planes(levels: numpy.ndarray, box: numpy.ndarray, side: int, layers: int) -> numpy.ndarray:
    """The target planes of one object in an RoI: (P, P) int64 classes.

    levels (S, S) uint8 of the object; box as in roi_cells. Class 0 = not this object, 1 + l = this
    object at level l, levels from K - 1 = layers - 1 on together.
    """
    cells = roi_cells(levels, box, side).astype(numpy.int64)
    return numpy.where(cells == OUTSIDE, 0, 1 + numpy.minimum(cells, layers - 1))
