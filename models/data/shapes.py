"""Drawn cut-outs: a store of parametric shapes that needs no pictures, for tests and first trials.

ShapeStore looks like a CutoutStore (models/data/store.py) without backgrounds. Shape i is a function
of i alone and is drawn when it is first asked for.
"""

import dataclasses
import math
from typing import Dict, Tuple

import numpy

from models import samples

SPAN = 144  # pixels of the square a shape is drawn in, before it is trimmed
OUTLINES = ("plain", "polygon", "star", "ring", "turned", "branched")


class Outline(samples.Shape):
    """A shape in the middle of its square, of one of OUTLINES; r keeps its meaning: 1 on the outline."""

    def __init__(self, random: numpy.random.RandomState, span: int):
        super().__init__(random, span, span)
        self.centre = (span / 2.0, span / 2.0)
        self.half = 0.47 * span * numpy.array((1.0, random.uniform(0.35, 1.0)))
        self.kind = OUTLINES[random.randint(len(OUTLINES))]
        self.corners = random.randint(3, 8)
        self.inner = random.uniform(0.35, 0.7)
        self.knots = random.uniform(0.22, 1.0, 7)
        self.arms = [(random.uniform(0.0, 2.0 * math.pi), random.uniform(0.12, 0.26))
                     for _ in range(random.randint(2, 6))]

    def radius(self, u: numpy.ndarray, v: numpy.ndarray) -> numpy.ndarray:
        """r at local coordinates."""
        if self.kind == "plain":
            return super().radius(u, v)
        r, angle = numpy.hypot(u, v), numpy.arctan2(v, u) + self.phase
        if self.kind == "polygon":
            sector = math.pi / self.corners
            return r * numpy.cos((angle % (2.0 * sector)) - sector) / math.cos(sector)
        if self.kind == "star":
            beam = numpy.abs((angle * self.corners / (2.0 * math.pi)) % 1.0 - 0.5) * 2.0
            return r / (self.inner + (1.0 - self.inner) * beam)
        if self.kind == "ring":
            middle = 0.5 * (1.0 + self.inner)
            return numpy.abs(r - middle) / (1.0 - middle)
        if self.kind == "turned":  # as on a lathe: a half width for each height
            place = numpy.linspace(-1.0, 1.0, len(self.knots))
            return numpy.maximum(numpy.abs(v) / numpy.interp(u, place, self.knots), numpy.abs(u))
        body = r / 0.5
        for direction, thickness in self.arms:
            along = u * math.cos(direction) + v * math.sin(direction)
            across = v * math.cos(direction) - u * math.sin(direction)
            arm = numpy.hypot(numpy.maximum(numpy.abs(along - 0.5) - 0.4, 0.0), across) / thickness
            body = numpy.minimum(body, arm)
        return body


def trim(rgba: numpy.ndarray) -> numpy.ndarray:
    """(H, W, 4) -> the smallest window with all of alpha > 0; the input itself if there is none."""
    rows, columns = rgba[..., 3].any(axis=1).nonzero()[0], rgba[..., 3].any(axis=0).nonzero()[0]
    if not rows.size:
        return rgba
    return numpy.ascontiguousarray(rgba[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1])


def draw_cutout(number: int, span: int = SPAN) -> numpy.ndarray:
    """Shape `number` as straight-alpha uint8 (h, w, 4), its longest side at most `span`."""
    random = numpy.random.RandomState([0x5AAD, number])
    x, y = samples.pixel_grid(span, span)
    cover, colour = samples.draw_object(random, Outline(random, span), x, y)
    rgba = numpy.concatenate((colour, cover[..., None]), axis=2)
    return trim((255.0 * numpy.clip(rgba, 0.0, 1.0) + 0.5).astype(numpy.uint8))


def draw_blob(random: numpy.random.RandomState, span: int) -> numpy.ndarray:
    """An outline of any kind as alpha (h, w) uint8, its longest side about `span`."""
    x, y = samples.pixel_grid(span, span)
    outline = Outline(random, span)
    r = outline.radius(*outline.local(x, y))
    cover = numpy.clip((1.0 - r) * outline.half.min() + 0.5, 0.0, 1.0)
    return (255.0 * cover + 0.5).astype(numpy.uint8)


@dataclasses.dataclass(frozen=True)
class ShapeInfo:
    """What a CutoutStore says of a cut-out; width and height are those of the untrimmed square."""

    index: int
    family: str
    split: str
    source: str = "drawn"
    licence: str = "CC0"
    kind: str = "shape"
    width: int = SPAN
    height: int = SPAN


def _split_of_number(number: int) -> str:
    """80 / 10 / 10 by number: each shape is a family of its own."""
    return {8: "val", 9: "test"}.get(number % 10, "train")


class ShapeStore:
    """`count` drawn shapes in place of a CutoutStore; it has no backgrounds."""

    def __init__(self, count: int = 400):
        self.cutouts = [ShapeInfo(i, f"shape-{i:04d}", _split_of_number(i)) for i in range(count)]
        self.backgrounds: Tuple = ()
        self._drawn: Dict[int, numpy.ndarray] = {}

    def pixels(self, index: int) -> numpy.ndarray:
        """(h, w, 4) uint8 RGBA, straight alpha."""
        if index not in self._drawn:
            self._drawn[index] = draw_cutout(index)
        return self._drawn[index]

    def background(self, index: int) -> numpy.ndarray:
        """There are none: always IndexError."""
        raise IndexError(f"background {index}: drawn shapes come without backgrounds")
