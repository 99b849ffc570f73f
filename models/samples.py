"""Draws synthetic scenes of overlapping objects: python3 -m models.samples -o DIR -n 6

Every scene follows from (seed, number) alone and is free of other people's rights (CC0). The
scenes are what the network is about: shaded, textured objects in front of each other.
"""

import argparse
import math
import os
import sys
from typing import List, Optional, Tuple

import numpy
from PIL import Image

SIZES = ((640, 480), (480, 640), (800, 450))  # width, height in pixels
LIGHT = numpy.array((-0.45, -0.6, 0.66))  # towards the light: left, above, in front


def pixel_grid(width: int, height: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Pixel centres x (1, W) and y (H, 1)."""
    return numpy.arange(width)[None, :] + 0.5, numpy.arange(height)[:, None] + 0.5


def value_noise(random: numpy.random.RandomState, width: int, height: int, cell: float) -> numpy.ndarray:
    """Smooth noise (H, W) in 0..1: random values at the corners of cells, eased in between."""
    x, y = pixel_grid(width, height)
    columns, rows = int(width / cell) + 3, int(height / cell) + 3
    values = random.uniform(0.0, 1.0, (rows, columns))
    u, v = x / cell, y / cell
    i, j = u.astype(int), v.astype(int)
    a, b = u - i, v - j
    a, b = a * a * (3.0 - 2.0 * a), b * b * (3.0 - 2.0 * b)
    top = values[j, i] * (1.0 - a) + values[j, i + 1] * a
    bottom = values[j + 1, i] * (1.0 - a) + values[j + 1, i + 1] * a
    return top * (1.0 - b) + bottom * b


def blur(plane: numpy.ndarray, radius: int) -> numpy.ndarray:
    """Three box filters of the given radius, edges repeated: nearly a Gaussian. (H, W) -> (H, W)."""
    for axis in (0, 1, 0, 1, 0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (radius + 1, radius)
        sums = numpy.cumsum(numpy.pad(plane, padding, mode="edge"), axis=axis)
        width = 2 * radius + 1
        if axis == 0:
            plane = (sums[width:] - sums[:-width]) / width
        else:
            plane = (sums[:, width:] - sums[:, :-width]) / width
    return plane


class Shape:
    """A parametric outline: r(x, y) is 0 at its centre, 1 on the outline, larger outside."""

    def __init__(self, random: numpy.random.RandomState, width: int, height: int):
        span = min(width, height)
        self.centre = (random.uniform(0.08, 0.92) * width, random.uniform(0.12, 0.95) * height)
        self.half = span * random.uniform(0.08, 0.26) * numpy.array((1.0, random.uniform(0.45, 1.0)))
        self.angle = random.uniform(0.0, math.pi)
        self.power = random.choice((2.0, 2.0, 2.6, 4.0, 8.0))  # ellipse ... nearly a rectangle
        self.lobes = random.choice((0, 0, 0, 3, 5, 7))
        self.depth = random.uniform(0.08, 0.28) if self.lobes else 0.0
        self.phase = random.uniform(0.0, 2.0 * math.pi)

    def local(self, x: numpy.ndarray, y: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Pixels -> coordinates in units of the half axes."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        dx, dy = x - self.centre[0], y - self.centre[1]
        return (c * dx + s * dy) / self.half[0], (c * dy - s * dx) / self.half[1]

    def radius(self, u: numpy.ndarray, v: numpy.ndarray) -> numpy.ndarray:
        """r at local coordinates."""
        r = (numpy.abs(u) ** self.power + numpy.abs(v) ** self.power) ** (1.0 / self.power)
        if self.lobes:
            r = r * (1.0 + self.depth * (0.5 + 0.5 * numpy.cos(self.lobes * numpy.arctan2(v, u) + self.phase)))
        return r


def texture(random: numpy.random.RandomState, u: numpy.ndarray, v: numpy.ndarray) -> numpy.ndarray:
    """A pattern (H, W) in 0..1 in the object's own coordinates."""
    kind, scale = random.randint(5), random.uniform(3.0, 7.0)
    if kind == 0:
        return 0.5 + 0.5 * numpy.sin(scale * math.pi * u)
    if kind == 1:
        return (numpy.floor(scale * u) + numpy.floor(scale * v)) % 2.0
    if kind == 2:
        return value_noise(random, u.shape[1], u.shape[0], random.uniform(6.0, 24.0))
    if kind == 3:
        dots = numpy.hypot((scale * u) % 1.0 - 0.5, (scale * v) % 1.0 - 0.5)
        return numpy.clip((0.36 - dots) * 12.0, 0.0, 1.0)
    return numpy.full(u.shape, 0.5)


def draw_object(random: numpy.random.RandomState, shape: Shape, x: numpy.ndarray,
                y: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """A lit, textured object on pixel centres x (1, W), y (H, 1) -> cover (H, W) and colour (H, W, 3), 0..1."""
    u, v = shape.local(x, y)
    r = shape.radius(u, v)
    # One pixel of soft edge; r grows by about 1 / half axis per pixel.
    cover = numpy.clip((1.0 - r) * shape.half.min() + 0.5, 0.0, 1.0)
    # A dome: flat in the middle, round at the outline.
    inside = numpy.clip(r, 0.0, 0.999)
    slope = inside ** 3 / numpy.sqrt(1.0 - inside ** 2)
    length = numpy.maximum(numpy.hypot(x - shape.centre[0], y - shape.centre[1]), 1e-6)
    nx, ny = slope * (x - shape.centre[0]) / length, slope * (y - shape.centre[1]) / length
    norm = numpy.sqrt(nx ** 2 + ny ** 2 + 1.0)
    diffuse = numpy.clip((nx * LIGHT[0] + ny * LIGHT[1] + LIGHT[2]) / norm, 0.0, 1.0)
    first, second = random.uniform(0.1, 0.95, 3), random.uniform(0.1, 0.95, 3)
    pattern = texture(random, u, v)[..., None]
    colour = first * pattern + second * (1.0 - pattern)
    gloss = random.uniform(0.0, 0.35) * diffuse ** 24
    return cover, colour * (0.35 + 0.75 * diffuse)[..., None] + gloss[..., None]


def _paint(canvas: numpy.ndarray, random: numpy.random.RandomState) -> None:
    """Draws one object with its shadow over canvas (H, W, 3), values 0..1."""
    height, width = canvas.shape[:2]
    x, y = pixel_grid(width, height)
    cover, lit = draw_object(random, Shape(random, width, height), x, y)
    shadow = blur(numpy.pad(cover, ((7, 0), (5, 0)))[:height, :width], 6)
    canvas *= (1.0 - 0.5 * shadow)[..., None]
    canvas += cover[..., None] * (lit - canvas)


def draw_scene(seed: int, number: int) -> numpy.ndarray:
    """Returns scene `number` as uint8 (H, W, 3) RGB."""
    random = numpy.random.RandomState([seed & 0xFFFFFFFF, number])
    width, height = SIZES[number % len(SIZES)]
    _, y = pixel_grid(width, height)
    ramp = (y / height)[..., None]
    far, near = random.uniform(0.35, 0.9, 3), random.uniform(0.2, 0.7, 3)
    canvas = numpy.broadcast_to(far * (1.0 - ramp) + near * ramp, (height, width, 3)).copy()
    for cell, weight in ((90.0, 0.18), (23.0, 0.1), (5.0, 0.06)):
        canvas += weight * (value_noise(random, width, height, cell)[..., None] - 0.5)
    for _ in range(random.randint(9, 15)):
        _paint(canvas, random)
    canvas += 0.012 * random.standard_normal(canvas.shape)  # sensor noise
    return (255.0 * numpy.clip(canvas, 0.0, 1.0) + 0.5).astype(numpy.uint8)


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m models.samples", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", required=True, metavar="DIR")
    parser.add_argument("-n", "--count", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.count < 1:
        print(f"error: -n: expected at least 1, found {options.count}", file=sys.stderr)
        return 1
    try:
        os.makedirs(options.output, exist_ok=True)
        for number in range(1, options.count + 1):
            image = Image.fromarray(draw_scene(options.seed, number))
            path = os.path.join(options.output, f"scene_{number:02d}.{'png' if number % 2 else 'jpg'}")
            image.save(path, **({} if number % 2 else {"quality": 92}))
            print(path)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
