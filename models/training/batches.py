"""Batches and the RoIs that the instance heads are trained on.

Whatever is drawn here is drawn from a generator that is made anew from (seed, step or scene), never
carried on from one step to the next: so a run that was interrupted draws the same as one that was not.
"""

import dataclasses
from typing import List, Sequence, Tuple

import numpy
import torch

from models.config import Config
from models.targets import POSITIVE_IOU, Sample, box_iou, roi_cells, roi_planes, take_turns

NEGATIVE_SHARE = 0.25  # of an image's RoIs: such that hold no object, or less than half of one
OVERLAPPING_WEIGHT = 2.0  # of objects that overlap others when RoIs are drawn
JITTER_SHIFT = 0.1  # centres of jittered boxes move by at most this share of the side
JITTER_SCALE = 0.18  # and the logarithms of their sides by at most this
_ANCHOR_STREAM, _ROI_STREAM = 1, 2


def anchor_random(seed: int, scene: int) -> numpy.random.Generator:
    """The stream that samples the anchors of a scene."""
    return numpy.random.Generator(numpy.random.PCG64([seed, _ANCHOR_STREAM, scene]))


def roi_random(seed: int, scene: int) -> numpy.random.Generator:
    """The stream that samples the RoIs of a scene."""
    return numpy.random.Generator(numpy.random.PCG64([seed, _ROI_STREAM, scene]))


@dataclasses.dataclass
class Batch:
    """b samples as tensors; the lists have one entry per image."""

    canvas: torch.Tensor  # (b, 3, S, S) normalised
    counts: torch.Tensor  # (b, S/4, S/4) int64
    positive: List[torch.Tensor]  # (p) int64 into the b * g*g*A anchors of the batch
    negative: List[torch.Tensor]  # (m) int64 likewise
    deltas: torch.Tensor  # (p of all, 4) float32
    samples: List[Sample]


def normalise(images: torch.Tensor, sizes: Sequence[Tuple[int, int]], config: Config) -> torch.Tensor:
    """images (b, S, S, 3) uint8, sizes (width, height) per image -> canvases (b, 3, S, S) float32.

    (x - mean) / std inside of the images, 0 outside.
    """
    mean, std = (torch.tensor(v, device=images.device) for v in (config.mean, config.std))
    canvas = (images.to(torch.float32) - mean) / std
    for i, (width, height) in enumerate(sizes):
        canvas[i, height:] = 0.0
        canvas[i, :, width:] = 0.0
    return canvas.permute(0, 3, 1, 2)  # its strides are channels_last already


def collate(samples: List[Sample], config: Config, device: torch.device) -> Batch:
    """Brings samples together on the device."""
    per_image = config.grid ** 2 * config.anchors_per_cell

    def tensors(indices: List[numpy.ndarray]) -> List[torch.Tensor]:
        return [torch.from_numpy(own + i * per_image).to(device) for i, own in enumerate(indices)]

    images = torch.from_numpy(numpy.stack([s.image for s in samples])).to(device)
    return Batch(
        canvas=normalise(images, [(s.width, s.height) for s in samples], config),
        counts=torch.from_numpy(numpy.stack([s.counts for s in samples]).astype(numpy.int64)).to(device),
        positive=tensors([s.positive for s in samples]), negative=tensors([s.negative for s in samples]),
        deltas=torch.from_numpy(numpy.concatenate([s.deltas for s in samples])).to(device), samples=samples)


def jitter(boxes: numpy.ndarray, side: int, random: numpy.random.Generator) -> numpy.ndarray:
    """Boxes (n, 4) moved and scaled at random, clipped to [0, S] -> (n, 4) float32."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    centres = boxes[:, :2] + 0.5 * sizes
    centres = centres + random.uniform(-JITTER_SHIFT, JITTER_SHIFT, sizes.shape) * sizes
    half = 0.5 * sizes * numpy.exp(random.uniform(-JITTER_SCALE, JITTER_SCALE, sizes.shape))
    return numpy.concatenate((centres - half, centres + half), axis=1).clip(0, side).astype(numpy.float32)


def random_boxes(count: int, side: int, random: numpy.random.Generator) -> numpy.ndarray:
    """(count, 4) float32 boxes inside of the canvas, sides of an eighth to a half of it."""
    sizes = side * numpy.exp(random.uniform(numpy.log(0.125), numpy.log(0.5), (count, 2)))
    low = random.uniform(0.0, 1.0, (count, 2)) * (side - sizes)
    return numpy.concatenate((low, low + sizes), axis=1).astype(numpy.float32)


def sample_rois(sample: Sample, proposals: numpy.ndarray, count: int, config: Config,
                random: numpy.random.Generator) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Exactly `count` RoIs of an image: boxes (count, 4) float32, owners (count) int64, -1 for none.

    proposals (m, 4): the network's own. Positive ones (IoU >= POSITIVE_IOU with their best object)
    are taken from them and from jittered true boxes, every object in its turn, overlapping ones
    OVERLAPPING_WEIGHT times as readily, since they teach more; the rest, at least
    NEGATIVE_SHARE, from the proposals that belong to no object, then at random.
    """
    wanted = count - int(round(count * NEGATIVE_SHARE)) if len(sample.boxes) else 0
    repeats = -(-wanted // max(1, len(sample.boxes))) + 1
    candidates = numpy.concatenate((proposals.reshape(-1, 4).astype(numpy.float32),
                                    jitter(numpy.repeat(sample.boxes, repeats, axis=0), config.side, random),
                                    random_boxes(2 * count, config.side, random)))
    candidates = candidates[(candidates[:, 2:] - candidates[:, :2]).min(1) >= config.min_box * config.side]
    if len(sample.boxes):
        iou = box_iou(candidates, sample.boxes)
        owner = numpy.where(iou.max(1) >= POSITIVE_IOU, iou.argmax(1), -1)
    else:
        owner = numpy.full(len(candidates), -1, numpy.int64)
    positive = random.permutation(numpy.flatnonzero(owner >= 0))
    weight = numpy.where(sample.overlapping, OVERLAPPING_WEIGHT, 1.0)
    positive = positive[take_turns(owner[positive], weight, random)][:wanted]
    # Proposals first: they are the boxes that the heads will really be asked about.
    negative = numpy.flatnonzero(owner < 0)
    own = negative < len(proposals)
    negative = numpy.concatenate((random.permutation(negative[own]), negative[~own]))
    chosen = numpy.concatenate((positive, negative[:count - len(positive)]))
    # Short of negatives only where the objects fill the canvas; then boxes are used twice.
    chosen = numpy.resize(chosen, count)
    return candidates[chosen], owner[chosen]


def roi_targets(sample: Sample, boxes: numpy.ndarray, owners: numpy.ndarray,
                config: Config) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Target planes (n, P, P) int64 of sampled RoIs, and which cells (n, P, P) bool their objects share.

    Without an owner every cell is "not this object", and none is shared.
    """
    planes = numpy.zeros((len(boxes), config.roi_side, config.roi_side), numpy.int64)
    shared = numpy.zeros(planes.shape, bool)
    for k, (box, owner) in enumerate(zip(boxes, owners)):
        if owner >= 0:
            planes[k] = roi_planes(sample.levels[owner], box, config.roi_side, config.layers)
            shared[k] = roi_cells(sample.shared, box, config.roi_side) & (planes[k] > 0)
    return planes, shared
