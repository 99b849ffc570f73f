"""From the planes of the RoIs to objects, masks, levels and depth order: plain NumPy, one pixel grid at a time.

Independent of the engine: written from the description of the network (section 9) alone, without any
of its shortcuts. The canvas grid is the image's part of the canvas, scaled_w x scaled_h: the rest of
the canvas shows nothing. Each pixel that lies so near to a threshold that rounding may decide it is
marked as close, for the comparisons.
"""

import dataclasses
import math
from typing import Dict, List, Tuple

import numpy

MAX_CONFIDENCE = numpy.float32(1.0 - 2.0 ** -10)
CLOSE = 1e-5  # of C to c, of C_A * C_B to c * c, of the two best planes to each other
F32 = numpy.float32


@dataclasses.dataclass
class Planes:
    """What an implementation computed for the RoIs of one image."""

    boxes: numpy.ndarray  # (n, 4) canvas pixels
    scores: numpy.ndarray  # (n) objectness
    layers: numpy.ndarray  # (n, K+1, P, P) refined probabilities
    confidence: numpy.ndarray  # (n, P, P)
    anchors: numpy.ndarray  # (n) flat anchor index


@dataclasses.dataclass
class Frame:
    """Sizes of one image and the choices of the decoder."""

    width: int  # of the image, pixels
    height: int
    side: int  # S
    threshold: float = 0.5  # c
    mask_nms: float = 0.6
    visible_overlap: float = 1.0
    close: float = CLOSE  # how near to its threshold a pixel counts as close

    @property
    def scaled(self) -> Tuple[int, int]:
        """Width and height of the image's part of the canvas."""
        scale = self.side / max(self.width, self.height)
        return (max(1, math.floor(self.width * scale + 0.5)), max(1, math.floor(self.height * scale + 0.5)))


@dataclasses.dataclass
class Region:
    """One object on a grid, in its window: rows y.. and columns x.. of the grid."""

    x: int
    y: int
    confidence: numpy.ndarray  # (h, w) C
    amodal: numpy.ndarray  # (h, w) bool
    close: numpy.ndarray  # (h, w) bool: C is close to c
    level: numpy.ndarray = None  # (h, w) L
    level_close: numpy.ndarray = None  # (h, w) bool: the two best planes are close

    def paste(self, values: numpy.ndarray, width: int, height: int) -> numpy.ndarray:
        """Window values -> a bool plane of the whole grid."""
        out = numpy.zeros((height, width), bool)
        out[self.y:self.y + values.shape[0], self.x:self.x + values.shape[1]] = values
        return out


@dataclasses.dataclass
class Object:
    proposal: int
    anchor: int
    objectness: float
    mean_confidence: float
    score: float
    slack: float  # by how much the score may change with the cells that are close to c: in the mean, or not
    box: numpy.ndarray  # (4) image pixels, inside of the image
    canvas: Region
    image: Region = None


@dataclasses.dataclass
class Pair:
    order: int  # 1: first in front, -1: second in front, 0: undecided
    overlap: int  # pixels of Omega
    regions: int
    largest_region: int
    close: int  # pixels of Omega's window that rounding may decide


@dataclasses.dataclass
class Decoded:
    objects: List[Object]
    pairs: Dict[Tuple[int, int], Pair]
    candidates: List[Object]  # those with a mask, before the mask NMS, by score
    iou: numpy.ndarray  # (candidates, candidates) of their canvas masks
    dropped_empty: int
    dropped_by_nms: int  # or by the visible overlap


def _axis(low: numpy.float32, high: numpy.float32, size: int, cells: int):
    """Pixels of one axis in [low, high): first pixel, lower tap, upper tap, weight of the upper one."""
    centres = numpy.arange(size, dtype=F32) + F32(0.5)
    inside = numpy.flatnonzero((low <= centres) & (centres < high))
    begin = int(inside[0]) if len(inside) else 0
    u = (centres[inside] - low) / (high - low) * F32(cells) - F32(0.5)
    u = numpy.clip(u, F32(0), F32(cells - 1))
    lower = numpy.floor(u).astype(numpy.int64)
    return begin, lower, numpy.minimum(lower + 1, cells - 1), (u - lower.astype(F32)).astype(F32)


def sample(plane: numpy.ndarray, box: numpy.ndarray, width: int, height: int):
    """plane (P, P) -> (x, y, values (h, w)) in the window of the box on a width x height grid."""
    x, left, right, fx = _axis(box[0], box[2], width, plane.shape[1])
    y, above, below, fy = _axis(box[1], box[3], height, plane.shape[0])
    rows = plane[:, left] + fx * (plane[:, right] - plane[:, left])  # x first
    values = rows[above] + fy[:, None] * (rows[below] - rows[above])
    return x, y, values


def region_of(layers: numpy.ndarray, box: numpy.ndarray, width: int, height: int, frame: Frame) -> Region:
    x, y, not_object = sample(layers[0], box, width, height)
    confidence = numpy.clip(F32(1) - not_object, F32(0), MAX_CONFIDENCE)
    return Region(x, y, confidence, confidence > F32(frame.threshold),
                  numpy.abs(confidence - F32(frame.threshold)) <= frame.close)


def add_levels(region: Region, layers: numpy.ndarray, box: numpy.ndarray, width: int, height: int,
               close: float) -> None:
    planes = numpy.stack([sample(plane, box, width, height)[2] for plane in layers[1:]])
    region.level = numpy.where(region.amodal, planes.argmax(0), 0).astype(numpy.int8)
    if len(planes) == 1:
        region.level_close = numpy.zeros(region.amodal.shape, bool)
        return
    best = numpy.sort(planes, axis=0)[-2:]
    region.level_close = best[1] - best[0] <= close


def mean_confidence(cells: numpy.ndarray, frame: Frame) -> Tuple[float, float]:
    """Mean of C over the cells with C > c; and how far it can move if the close cells change sides."""
    values = cells.astype(numpy.float64)
    inside = values[cells > F32(frame.threshold)]
    mean = float(inside.mean()) if inside.size else 0.0
    close = int((numpy.abs(values - frame.threshold) <= frame.close).sum())
    sure = int((values > frame.threshold + frame.close).sum())
    # A cell at c that joins or leaves moves the mean by its distance to c over the count.
    return mean, close * max(mean - frame.threshold, 0.0) / max(sure, 1) if sure else float(close > 0)


def mask_ious(objects: List[Object], width: int, height: int) -> numpy.ndarray:
    """All pairs, in double, of exact pixel counts."""
    count = len(objects)
    inter = numpy.zeros((count, count))
    for top in range(0, height, 64):  # in strips, since all masks at once would take gigabytes
        strip = numpy.zeros((count, min(64, height - top), width), F32)
        for i, entry in enumerate(objects):
            region = entry.canvas
            first, last = max(top, region.y), min(top + strip.shape[1], region.y + region.amodal.shape[0])
            if first < last:
                strip[i, first - top:last - top, region.x:region.x + region.amodal.shape[1]] = \
                    region.amodal[first - region.y:last - region.y]
        flat = strip.reshape(count, -1)
        inter += flat @ flat.T  # sums of ones: exact below 2^24
    area = numpy.diag(inter)
    return inter / numpy.maximum(area[:, None] + area[None, :] - inter, 1)


def mask_nms(iou: numpy.ndarray, limit: float) -> List[int]:
    kept: List[int] = []
    for i in range(len(iou)):
        if not kept or float(iou[i, kept].max()) <= limit:
            kept.append(i)
    return kept


def visible_overlap(objects: List[Object], limit: float, width: int, height: int) -> List[Object]:
    """Those of the objects, whose levels are there, that stay: a pixel shows one object."""
    kept, shown = [], numpy.zeros((height, width), bool)
    for entry in objects:
        region = entry.canvas
        visible = region.paste(region.amodal & (region.level == 0), width, height)
        count = int(visible.sum())
        if count and int((visible & shown).sum()) / count > limit:
            continue
        kept.append(entry)
        shown |= visible
    return kept


def _runs(mask: numpy.ndarray) -> numpy.ndarray:
    """(m, 3) row, begin, end of the runs of ones, in row-major order."""
    padded = numpy.zeros((mask.shape[0], mask.shape[1] + 2), numpy.int8)
    padded[:, 1:-1] = mask
    step = numpy.diff(padded, axis=1)
    rows, begins = numpy.nonzero(step == 1)
    return numpy.stack((rows, begins, numpy.nonzero(step == -1)[1]), 1)


def components(mask: numpy.ndarray) -> List[Tuple[int, int]]:
    """4-connected components of ones: (pixels, number of the first pixel in row-major order) each."""
    runs = _runs(mask).tolist()
    parent = list(range(len(runs)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    above = 0
    for i, (row, begin, end) in enumerate(runs):
        while runs[above][0] < row - 1 or (runs[above][0] == row - 1 and runs[above][2] <= begin):
            above += 1
        j = above
        while j < i and runs[j][0] == row - 1 and runs[j][1] < end:
            a, b = root(i), root(j)
            parent[max(a, b)] = min(a, b)
            j += 1
    sizes: Dict[int, int] = {}
    for i, (_, begin, end) in enumerate(runs):
        sizes[root(i)] = sizes.get(root(i), 0) + end - begin
    return [(size, runs[i][0] * mask.shape[1] + runs[i][1]) for i, size in sizes.items()]


def _window(a: Region, b: Region):
    """The common window: slices into a's arrays and into b's, or None."""
    x0, y0 = max(a.x, b.x), max(a.y, b.y)
    x1 = min(a.x + a.amodal.shape[1], b.x + b.amodal.shape[1])
    y1 = min(a.y + a.amodal.shape[0], b.y + b.amodal.shape[0])
    if x0 >= x1 or y0 >= y1:
        return None
    return tuple((slice(y0 - r.y, y1 - r.y), slice(x0 - r.x, x1 - r.x)) for r in (a, b))


def depth_pair(a: Region, b: Region, frame: Frame):
    """The pair's order, or None where the masks share no pixel."""
    window = _window(a, b)
    if window is None or not (a.amodal[window[0]] & b.amodal[window[1]]).any():
        return None
    product = a.confidence[window[0]] * b.confidence[window[1]]
    limit = F32(frame.threshold) * F32(frame.threshold)
    omega = product > limit
    relative = b.level[window[1]].astype(numpy.int16) - a.level[window[0]]
    near = numpy.abs(product - limit) <= frame.close
    for region, part in ((a, window[0]), (b, window[1])):
        near |= (region.close[part] | (region.level_close[part] & region.amodal[part])) & omega
    found = [(size, -first, sign) for sign in (1, -1)
             for size, first in components(omega & (sign * relative > 0))]
    size, _, sign = max(found) if found else (0, 0, 0)
    return Pair(sign, int(omega.sum()), len(found), size, int(near.sum()))


def _image_box(box: numpy.ndarray, frame: Frame) -> numpy.ndarray:
    """Canvas -> image, each operation rounded to fp32; not clipped."""
    (w, h), out = frame.scaled, box.astype(F32)
    for i, (image, scaled) in enumerate(((frame.width, w), (frame.height, h)) * 2):
        out[i] = out[i] * F32(image) / F32(scaled)
    return out


def _candidates(planes: Planes, frame: Frame) -> Tuple[List[Object], int]:
    """Objects with a mask on the canvas, by score, ties in the order of the proposals; and how many have none."""
    objects, (w, h) = [], frame.scaled
    bounds = numpy.asarray([frame.width, frame.height] * 2, F32)
    for i, box in enumerate(planes.boxes.astype(F32)):
        region = region_of(planes.layers[i], box, w, h, frame)
        if not region.amodal.any():
            continue
        mean, slack = mean_confidence(planes.confidence[i], frame)
        objects.append(Object(i, int(planes.anchors[i]), float(planes.scores[i]), mean,
                              float(F32(planes.scores[i]) * F32(mean)), slack,
                              numpy.clip(_image_box(box, frame), F32(0), bounds), region))
    return sorted(objects, key=lambda entry: (-entry.score, entry.proposal)), len(planes.boxes) - len(objects)


def decode(planes: Planes, frame: Frame) -> Decoded:
    candidates, empty = _candidates(planes, frame)
    w, h = frame.scaled
    iou = mask_ious(candidates, w, h)
    kept = [candidates[i] for i in (mask_nms(iou, frame.mask_nms) if frame.mask_nms < 1 else range(len(candidates)))]
    for entry in kept:
        add_levels(entry.canvas, planes.layers[entry.proposal], planes.boxes[entry.proposal].astype(F32), w, h,
                   frame.close)
    kept = visible_overlap(kept, frame.visible_overlap, w, h)
    objects = []
    for entry in kept:
        layers, box = planes.layers[entry.proposal], planes.boxes[entry.proposal].astype(F32)
        size = (frame.width, frame.height)
        entry.image = region_of(layers, _image_box(box, frame), *size, frame)
        if not entry.image.amodal.any():
            empty += 1
            continue
        add_levels(entry.image, layers, _image_box(box, frame), *size, frame.close)
        objects.append(entry)
    pairs = {}
    for j in range(len(objects)):
        for i in range(j):
            pair = depth_pair(objects[i].canvas, objects[j].canvas, frame)
            if pair is not None:
                pairs[i, j] = pair
    return Decoded(objects, pairs, candidates, iou, empty, len(candidates) - len(kept))
