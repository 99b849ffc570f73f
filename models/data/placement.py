"""Where the next object goes: behind all that are placed, with about a wanted share of it hidden.

Objects are placed from front to back, so that what hides an object is known when it is placed and
nothing that follows changes it. All positions are tried at once on a coarse grid, by correlation.
"""

import dataclasses
from typing import Optional, Tuple

import numpy
from PIL import Image, ImageFilter

CELLS = 42  # grid cells along the longest side of the image


@dataclasses.dataclass
class Wish:
    """What is asked of a position."""

    occluded: Tuple[float, float]  # share of the object hidden by what is placed, from, to
    inside: Tuple[float, float]  # share of the object inside of the image, from, to
    foot: Optional[float] = None  # height of its lowest point, fraction of the image's; None: anywhere
    apart: bool = False  # not even touching what is placed


def cell_size(width: int, height: int) -> int:
    """Pixels along the side of a grid cell."""
    return max(1, round(max(width, height) / CELLS))


def coarse(mask: numpy.ndarray, cell: int) -> numpy.ndarray:
    """Cover (rows, columns) float32 0..1 of a mask (h, w) bool on cells of `cell` pixels."""
    cover = Image.fromarray(mask.view(numpy.uint8) * numpy.uint8(255)).reduce(cell)
    return numpy.asarray(cover, numpy.float32) * numpy.float32(1.0 / 255.0)


def _size_for_fft(length: int) -> int:
    return -(-length // 8) * 8


def shares(cover: numpy.ndarray, piece: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """For a piece (h, w) at every offset -h+1.. , -w+1.. of the grid (H, W): hidden and inside shares.

    Returns two arrays (H + h - 1, W + w - 1): the part of what is inside of the image that `cover`
    (cover of the objects in front, 0..1) hides, and the part of the piece that is inside.
    """
    (height, width), (h, w) = cover.shape, piece.shape
    size = (_size_for_fft(height + h - 1), _size_for_fft(width + w - 1))
    both = numpy.stack((cover, numpy.ones_like(cover)))
    turned = numpy.fft.rfft2(piece[::-1, ::-1], size)  # correlation is convolution with the turned piece
    sums = numpy.fft.irfft2(numpy.fft.rfft2(both, size) * turned, size)[:, :height + h - 1, :width + w - 1]
    inside = numpy.maximum(sums[1], 1e-6)
    return numpy.clip(sums[0], 0.0, None) / inside, inside / max(float(piece.sum()), 1e-6)


def _distance(value: numpy.ndarray, low: float, high: float) -> numpy.ndarray:
    """How far values are from an interval; 0 in it."""
    return numpy.maximum(low - value, 0.0) + numpy.maximum(value - high, 0.0)


def place(random: numpy.random.RandomState, cover: numpy.ndarray, mask: numpy.ndarray, cell: int,
          wish: Wish) -> Tuple[int, int]:
    """The top-left corner (x, y) in pixels for an object's mask (h, w) bool; it may be negative.

    cover: coarse() of the union of the masks in front. A position that fits the wish is drawn at
    random; if there is none, one of the nearest to it.
    """
    piece = coarse(mask, cell)
    if wish.apart:  # a cell further than they reach
        cover = numpy.asarray(Image.fromarray(cover).filter(ImageFilter.MaxFilter(3)))
    hidden, inside = shares(cover, piece)
    tolerance = 0.02 if wish.occluded[1] > 0.0 else 1e-3
    # Being far outside of the image is worse than a wrong share of occlusion.
    cost = numpy.maximum(_distance(hidden, *wish.occluded) - tolerance, 0.0) + \
        3.0 * numpy.maximum(_distance(inside, *wish.inside) - 0.01, 0.0)
    weight = (cost <= cost.min() + 0.01).astype(numpy.float64)
    if wish.foot is not None:
        foot = (numpy.arange(cost.shape[0]) + 1.0) / cover.shape[0]  # lowest row of the piece at that offset
        weight *= numpy.exp(-0.5 * ((foot - wish.foot) / 0.08) ** 2)[:, None] + 1e-9
    sums = numpy.cumsum(weight.ravel())
    chosen = int(numpy.searchsorted(sums, random.uniform(0.0, sums[-1])))
    row, column = divmod(min(chosen, sums.size - 1), cost.shape[1])
    shift_x, shift_y = random.randint(cell), random.randint(cell)
    return (column - piece.shape[1] + 1) * cell + shift_x - cell // 2, \
        (row - piece.shape[0] + 1) * cell + shift_y - cell // 2
