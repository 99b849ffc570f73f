"""COCO's run lengths and polygon rule, in NumPy.

A mask's pixels are taken column by column (y runs first); `counts` are the lengths of alternate
runs of 0 and 1, beginning with 0 (so the first may be empty). As text a count is its difference to
the count two before it (from the fourth on), in groups of 5 bits, least significant first, bit 0x20
= more follow, bit 0x10 of the last group = sign, each group a character from code 48 on.
"""

from typing import Any, Dict, List, Sequence, Tuple, Union

import numpy

Rle = Dict[str, Any]  # {"size": [height, width], "counts": text, or a list of run lengths}

FIRST_CHARACTER = 48
LONGEST = 13  # groups of 5 bits that an int64 may take
POLYGON_SCALE = 5.0  # the rule's grid is 5 times finer than the pixels
FARTHEST = 1e5  # pixels; the walk's cost grows with the outline, so that a typing error must not run on
SHORTEST_POLYGON = 6  # numbers: three corners
LONGEST_SIDE = 65535  # pixels, as in the engine


class RleError(ValueError):
    """Run lengths or polygons that cannot be read; the text says what was expected and found."""


def _count_text(counts: numpy.ndarray) -> str:
    """Run lengths (n,) int64 -> their text."""
    values = counts.copy()
    values[3:] -= counts[1:-2]
    shifts = 5 * numpy.arange(LONGEST)
    rest = values[:, None] >> shifts[None, :]  # what is left before each group
    # A group is the last one if the rest fits into 5 bits with its sign.
    last = numpy.argmax((rest >= -16) & (rest < 16), axis=1)
    number = numpy.arange(LONGEST)[None, :]
    codes = (rest & 0x1F) | numpy.where(number < last[:, None], 0x20, 0)
    codes = codes[number <= last[:, None]] + FIRST_CHARACTER
    return codes.astype(numpy.uint8).tobytes().decode("ascii")


def _count_values(text: Union[str, bytes]) -> numpy.ndarray:
    """The text of run lengths -> (n,) int64."""
    try:
        data = text.encode("ascii") if isinstance(text, str) else bytes(text)
    except UnicodeEncodeError as error:
        raise RleError("counts: expected characters '0' to 'o', found one outside of ASCII") from error
    codes = numpy.frombuffer(data, numpy.uint8).astype(numpy.int64) - FIRST_CHARACTER
    if codes.size == 0:
        raise RleError("counts: expected at least one run length, found an empty text")
    if codes.min() < 0 or codes.max() > 63:
        wrong = int(numpy.flatnonzero((codes < 0) | (codes > 63))[0])
        raise RleError(f"counts: expected characters '0' to 'o', found code {data[wrong]} at {wrong}")
    ends = numpy.flatnonzero((codes & 0x20) == 0)
    if ends.size == 0 or ends[-1] != codes.size - 1:
        raise RleError("counts: expected a complete last number, found the end of the text in it")
    starts = numpy.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() >= LONGEST:
        raise RleError(f"counts: expected numbers of under {LONGEST} characters, found {lengths.max()}")
    places = numpy.arange(codes.size) - numpy.repeat(starts, lengths)
    values = numpy.add.reduceat((codes & 0x1F) << (5 * places), starts)
    values -= numpy.where(codes[ends] & 0x10, numpy.int64(1) << (5 * lengths), 0)
    values[1::2] = numpy.cumsum(values[1::2])
    values[2::2] = numpy.cumsum(values[2::2])
    return values


def _size_of(rle: Rle) -> List[int]:
    size = rle.get("size") if isinstance(rle, dict) else None
    if not isinstance(size, (list, tuple)) or len(size) != 2 or \
            not all(isinstance(side, (int, numpy.integer)) and 0 <= side <= LONGEST_SIDE for side in size):
        raise RleError(f"size: expected [height, width] of at most {LONGEST_SIDE}, found {repr(size)[:60]}")
    return [int(side) for side in size]


def counts_of(rle: Rle) -> numpy.ndarray:
    """The run lengths (n,) int64 of an RLE, compressed or not; RleError if they do not fill its size."""
    height, width = _size_of(rle)
    counts = rle.get("counts")
    if isinstance(counts, (str, bytes)):
        values = _count_values(counts)
    elif isinstance(counts, (list, tuple)) and counts and \
            all(isinstance(count, (int, numpy.integer)) for count in counts):
        # Capped, so that no number is too large for an array; such a count is too large for the mask too.
        values = numpy.array([max(-1, min(int(count), height * width + 1)) for count in counts], numpy.int64)
    else:
        raise RleError(f"counts: expected a text or a list of whole numbers, found {type(counts).__name__}")
    if values.min() < 0:
        raise RleError(f"counts: expected lengths of at least 0, found {values.min()}")
    if values.max() > height * width or values.sum() != height * width:
        raise RleError(f"counts: expected a sum of {height} * {width} = {height * width}, "
                       f"found {values.sum()}")
    return values


def encode(mask: numpy.ndarray) -> Rle:
    """Mask (H, W), bool or 0 / not 0 -> {"size": [H, W], "counts": text}."""
    mask = numpy.asarray(mask)
    if mask.ndim != 2:
        raise RleError(f"mask: expected (height, width), found shape {mask.shape}")
    flat = numpy.ascontiguousarray((mask if mask.dtype == bool else mask != 0).T).ravel()
    edges = numpy.flatnonzero(flat[1:] != flat[:-1]) + 1
    first = [0] if flat.size and flat[0] else []  # an empty run of zeros
    counts = numpy.diff(numpy.concatenate(([0], first, edges, [flat.size])).astype(numpy.int64))
    return {"size": [int(mask.shape[0]), int(mask.shape[1])], "counts": _count_text(counts)}


def _fill(counts: numpy.ndarray, height: int, width: int) -> numpy.ndarray:
    """Run lengths that fill height * width -> mask (height, width), row-major."""
    values = (numpy.arange(counts.size) & 1).astype(bool)
    return numpy.ascontiguousarray(numpy.repeat(values, counts).reshape(width, height).T)


def decode(rle: Rle) -> numpy.ndarray:
    """RLE -> mask (H, W) bool."""
    return _fill(counts_of(rle), *_size_of(rle))


def area(rle: Rle) -> int:
    """Pixels of an RLE, without decoding it."""
    return int(counts_of(rle)[1::2].sum())


def iou(a: numpy.ndarray, b: numpy.ndarray) -> float:
    """Intersection over union of two masks (H, W) bool; 0 if both are empty."""
    union = int(numpy.count_nonzero(a | b))
    return int(numpy.count_nonzero(a & b)) / union if union else 0.0


def _outline(polygon: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Corners (k, 2) on the fine grid -> x and y (m,) of all points on the closed outline, in order.

    Each edge is walked along its longer axis from its smaller end, so that an edge gives the same
    points in both directions; the points of an edge keep the outline's order.
    """
    ends = numpy.roll(polygon, -1, axis=0)
    steps = numpy.abs(ends - polygon)
    wide = steps[:, 0] >= steps[:, 1]
    length = steps.max(axis=1)
    flip = numpy.where(wide, polygon[:, 0] > ends[:, 0], polygon[:, 1] > ends[:, 1])
    low = numpy.where(flip[:, None], ends, polygon)
    high = numpy.where(flip[:, None], polygon, ends)
    rise = numpy.where(wide, high[:, 1] - low[:, 1], high[:, 0] - low[:, 0])
    slope = rise / numpy.maximum(length, 1)
    edge = numpy.repeat(numpy.arange(len(polygon)), length + 1)
    first = numpy.cumsum(length + 1) - (length + 1)
    step = numpy.arange(edge.size) - first[edge]
    step = numpy.where(flip[edge], length[edge] - step, step)
    major = numpy.where(wide[edge], low[edge, 0], low[edge, 1]) + step
    start = numpy.where(wide, low[:, 1], low[:, 0])
    minor = (start[edge] + slope[edge] * step + 0.5).astype(numpy.int64)
    return numpy.where(wide[edge], major, minor), numpy.where(wide[edge], minor, major)


def _polygon_mask(polygon: Sequence[float], height: int, width: int) -> numpy.ndarray:
    try:
        corners = numpy.asarray(polygon, numpy.float64)
    except (TypeError, ValueError) as error:
        raise RleError("polygon: expected a list of numbers, found something else in it") from error
    except OverflowError as error:  # a whole number of hundreds of digits
        raise RleError(f"polygon: expected coordinates of at most {FARTHEST:g}, found one beyond") from error
    if corners.ndim != 1 or corners.size < SHORTEST_POLYGON or corners.size % 2:
        raise RleError(f"polygon: expected x, y of at least 3 corners, found {corners.size} numbers")
    if not (numpy.abs(corners) <= FARTHEST).all():
        raise RleError(f"polygon: expected coordinates of at most {FARTHEST:g}, found one beyond")
    # The conversion truncates: so do the rule's own, and for negative values this matters.
    fine = (POLYGON_SCALE * corners.reshape(-1, 2) + 0.5).astype(numpy.int64)
    x, y = _outline(fine)
    moved = numpy.flatnonzero(x[1:] != x[:-1]) + 1
    left = numpy.where(x[moved] < x[moved - 1], x[moved], x[moved] - 1)
    column = (left + 0.5) / POLYGON_SCALE - 0.5
    kept = (numpy.floor(column) == column) & (column >= 0) & (column <= width - 1)
    row = (numpy.minimum(y[moved], y[moved - 1])[kept] + 0.5) / POLYGON_SCALE - 0.5
    row = numpy.ceil(numpy.clip(row, 0, height)).astype(numpy.int64)
    edges = numpy.sort(column[kept].astype(numpy.int64) * height + row)
    return _fill(numpy.diff(numpy.concatenate(([0], edges, [height * width]))), height, width)


def from_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> numpy.ndarray:
    """Polygons [[x, y, x, y, ...], ...] in pixels -> their union (height, width) bool, by COCO's exact rule.

    Corners are multiplied by 5 and rounded, each edge is walked along its longer axis, a crossing of
    a pixel column's centre gives a border there at the ceiling of its (clamped) lower end, and pixels
    between the 1st and 2nd, 3rd and 4th ... border are inside. Corners may lie outside of the image.
    """
    mask = numpy.zeros((height, width), bool)
    for polygon in polygons:
        mask |= _polygon_mask(polygon, height, width)
    return mask


def _parts(polygons: Sequence[Any]) -> List[Any]:
    """A polygon [x, y, ...], or a list of such -> the list. RleError where corners are points [x, y] of their own,
    and where numbers and lists are mixed: what is meant is a guess, and a wrong one gives no pixels."""
    if any(isinstance(part, dict) for part in polygons):
        raise RleError("polygon: expected a flat list [x, y, x, y, ...] or a list of such, found an object "
                       "(such as an RLE) in the list")
    nested = [isinstance(part, (list, tuple)) for part in polygons]
    if not any(nested):
        return [polygons] if polygons else []
    if not all(nested):
        other = next(part for part, is_list in zip(polygons, nested) if not is_list)
        what = "numbers" if isinstance(other, (int, float)) else type(other).__name__
        raise RleError(f"polygon: expected a flat list [x, y, x, y, ...] or a list of such, found {what} beside lists")
    points = len(polygons) >= SHORTEST_POLYGON // 2 and all(len(part) == 2 for part in polygons)
    if points or any(isinstance(value, (list, tuple)) for part in polygons for value in part):
        raise RleError("polygon: expected a flat list [x, y, x, y, ...], found corners as lists of their own")
    return list(polygons)


def with_corners(polygons: Sequence[Any]) -> Tuple[List[Any], int]:
    """Polygons, flat [x, y, ...] or a list of such -> those of three corners or more, and how many are left out,
    since they hold no pixels. RleError for what is no polygon, however short."""
    parts = _parts(polygons)
    short = [part for part in parts if len(part) < SHORTEST_POLYGON]
    if not all(isinstance(value, (int, float)) for part in short for value in part):
        raise RleError("polygon: expected a list of numbers, found something else in it")
    return [part for part in parts if len(part) >= SHORTEST_POLYGON], len(short)


def from_segmentation(segmentation: Any, height: int, width: int) -> numpy.ndarray:
    """Any of a flat polygon [x, y, ...], a list of polygons, and an RLE -> mask (height, width) bool."""
    if isinstance(segmentation, dict):
        size = _size_of(segmentation)
        if size != [height, width]:
            raise RleError(f"size: expected [{height}, {width}] (the image's), found {size}")
        return decode(segmentation)
    if not isinstance(segmentation, (list, tuple)):
        raise RleError(f"segmentation: expected polygons or RLE, found {type(segmentation).__name__}")
    if not segmentation:
        raise RleError("segmentation: expected polygons or RLE, found an empty list")
    return from_polygons(_parts(segmentation), height, width)
