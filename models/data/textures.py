"""Backgrounds made by rule: noise, boards, tiles, rooms; and pictures so blurred that no thing is left.

All functions take the scene's own random source and give float32 (H, W, 3) in 0..255.
"""

import math
from typing import Any, Sequence

import numpy
from PIL import Image

from models.data import augment

Random = numpy.random.RandomState


def noise(random: Random, width: int, height: int, cell: float) -> numpy.ndarray:
    """Smooth noise (H, W) float32 around 0..1 with features of about `cell` pixels."""
    columns, rows = int(width / cell) + 3, int(height / cell) + 3
    grid = Image.fromarray(random.uniform(0.0, 1.0, (rows, columns)).astype(numpy.float32), "F")
    left, top = random.uniform(0.0, 1.0, 2)
    left, top = left + 0.5, top + 0.5
    box = (left, top, min(left + width / cell, columns), min(top + height / cell, rows))
    return numpy.asarray(grid.resize((width, height), Image.BICUBIC, box=box))


def cloud(random: Random, width: int, height: int, cell: float) -> numpy.ndarray:
    """Four octaves of noise (H, W), 0..1."""
    fall = random.uniform(0.35, 0.75)
    total, weight, sums = 0.0, 1.0, 0.0
    for _ in range(4):
        total = total + weight * noise(random, width, height, max(cell, 2.0))
        sums, weight, cell = sums + weight, weight * fall, cell / 2.3
    return numpy.clip(total / sums, 0.0, 1.0)


def _colour(random: Random) -> numpy.ndarray:
    """A colour 0..255, mostly a muted one: rooms, walls and ground seldom shine."""
    grey = random.uniform(25.0, 235.0)
    return numpy.clip(grey + random.normal(0.0, 45.0 if random.uniform() < 0.3 else 16.0, 3), 0.0, 255.0)


def _plane(random: Random, width: int, height: int, floor: bool) -> Sequence[numpy.ndarray]:
    """Coordinates of a surface in units of the longest side: turned, or a floor up to a horizon."""
    side = max(width, height)
    x = (numpy.arange(width, dtype=numpy.float32)[None, :] - width / 2.0) / side
    y = (numpy.arange(height, dtype=numpy.float32)[:, None]) / side
    if floor:
        depth = 1.0 / (y + random.uniform(0.08, 0.5))
        x, y = x * depth, depth * numpy.ones_like(x)
    angle = random.uniform(0.0, math.pi) if random.uniform() < 0.4 else 0.0
    c, s = math.cos(angle), math.sin(angle)
    return c * x + s * y, c * y - s * x


def _boards(random: Random, u: numpy.ndarray, v: numpy.ndarray) -> numpy.ndarray:
    """Planks (H, W) 0..1: a shade for each, seams between them."""
    many = random.uniform(3.0, 12.0)
    row = numpy.floor(u * many)
    shades = random.uniform(0.25, 1.0, 61)
    plank = row * 7 + numpy.floor(v * many * random.uniform(0.1, 0.4) + row * 0.37)
    seam = numpy.abs((u * many) % 1.0 - 0.5) > random.uniform(0.44, 0.49)
    return numpy.where(seam, 0.0, shades[plank.astype(numpy.int64) % 61])


def _tiles(random: Random, u: numpy.ndarray, v: numpy.ndarray) -> numpy.ndarray:
    """Tiles or checks (H, W) 0..1 with joints."""
    many = random.uniform(2.0, 14.0)
    a, b = u * many, v * many * random.uniform(0.4, 1.0)
    if random.uniform() < 0.5:
        return (numpy.floor(a) + numpy.floor(b)) % 2.0
    a = a + 0.5 * (numpy.floor(b) % 2.0) * random.randint(2)  # brick bond
    shades = random.uniform(0.4, 1.0, 53)
    value = shades[(numpy.floor(a) * 5 + numpy.floor(b) * 11).astype(numpy.int64) % 53]
    joint = random.uniform(0.42, 0.48)
    return numpy.where(numpy.maximum(numpy.abs(a % 1.0 - 0.5), numpy.abs(b % 1.0 - 0.5)) > joint, 0.0, value)


def _stripes(random: Random, u: numpy.ndarray, v: numpy.ndarray) -> numpy.ndarray:
    wave = 0.5 + 0.5 * numpy.sin(random.uniform(8.0, 90.0) * u + 0.0 * v)
    return numpy.clip((wave - 0.5) * random.uniform(1.0, 8.0) + 0.5, 0.0, 1.0)


def _cells(random: Random, u: numpy.ndarray, v: numpy.ndarray) -> numpy.ndarray:
    """Patches (H, W) 0..1 of one shade each around random points: stones, camouflage."""
    small_u, small_v = u[::2, ::2], v[::2, ::2]
    count = random.randint(6, 28)
    points = numpy.stack((random.uniform(small_u.min(), small_u.max(), count),
                          random.uniform(small_v.min(), small_v.max(), count)))
    near = (small_u[..., None] - points[0]) ** 2 + (small_v[..., None] - points[1]) ** 2
    shade = random.uniform(0.0, 1.0, count)[near.argmin(axis=2)].astype(numpy.float32)
    return numpy.asarray(Image.fromarray(shade, "F").resize((u.shape[1], u.shape[0]), Image.BILINEAR))


def surface(random: Random, width: int, height: int, floor: bool = False) -> numpy.ndarray:
    """One textured surface (H, W, 3) float32, 0..255; with `floor` it runs off towards its top."""
    u, v = _plane(random, width, height, floor)
    grain = cloud(random, width, height, random.uniform(0.05, 0.6) * max(width, height))
    kind = random.randint(8)
    if kind < 3:
        pattern = grain
    else:
        pattern = (_boards, _tiles, _stripes, _cells, _cells)[kind - 3](random, u, v)
        share = random.uniform(0.1, 0.6)
        pattern = (1.0 - share) * pattern + share * grain
    first, second = _colour(random), _colour(random)
    if random.uniform() < 0.5:  # two shades of one colour
        second = numpy.clip(first * random.uniform(0.4, 1.6) + random.normal(0.0, 6.0, 3), 0.0, 255.0)
    image = first + pattern[..., None].astype(numpy.float32) * (second - first).astype(numpy.float32)
    if random.uniform() < 0.6:
        speck = noise(random, width, height, random.uniform(1.0, 4.0))
        image = image + (random.uniform(4.0, 40.0) * (speck - 0.5))[..., None]
    return numpy.clip(image, 0.0, 255.0).astype(numpy.float32)


def room(random: Random, width: int, height: int) -> numpy.ndarray:
    """A wall above a floor or a table, (H, W, 3) float32, 0..255, the wall's foot in shade."""
    horizon = int(height * random.uniform(0.25, 0.75))
    image = numpy.concatenate((surface(random, width, horizon),
                               surface(random, width, height - horizon, floor=True)))
    distance = numpy.abs(numpy.arange(height) - horizon) / (0.12 * height)
    shade = 1.0 - random.uniform(0.0, 0.4) * numpy.exp(-distance ** 2)
    return (image * shade[:, None, None]).astype(numpy.float32)


def procedural(random: Random, width: int, height: int) -> numpy.ndarray:
    """A background by rule (H, W, 3) float32, 0..255."""
    if random.uniform() < 0.4:
        image = room(random, width, height)
    else:
        image = surface(random, width, height)
    if random.uniform() < 0.3:
        image = augment.gaussian_blur(image, random.uniform(0.5, 3.0))
    return image


def smeared(random: Random, picture: Image.Image, width: int, height: int) -> numpy.ndarray:
    """A picture so blurred that only light and colour are left, (H, W, 3) float32, 0..255."""
    cells = random.randint(3, 13)
    small = picture.resize((cells, max(2, round(cells * height / width))), Image.BOX)
    return numpy.asarray(small.resize((width, height), Image.BICUBIC), numpy.float32)


def crop(random: Random, picture: numpy.ndarray, width: int, height: int) -> Image.Image:
    """A random window of picture (h, w, 3) uint8 of the asked shape, mirrored at random, resized."""
    full_height, full_width = picture.shape[:2]
    largest = min(full_width / width, full_height / height)
    # Windows smaller than half of what is asked would only show interpolation.
    scale = largest * random.uniform(min(1.0, max(0.35, 0.5 / largest)), 1.0)
    w, h = max(1, int(width * scale)), max(1, int(height * scale))
    left, top = random.randint(full_width - w + 1), random.randint(full_height - h + 1)
    window = picture[top:top + h, left:left + w]
    if random.uniform() < 0.5:
        window = window[:, ::-1]
    image = Image.fromarray(numpy.ascontiguousarray(window))
    return image.resize((width, height), Image.BILINEAR, reducing_gap=2.0)


def _picture(random: Random, store: Any, cutouts: Sequence[int], backgrounds: Sequence[int]) -> Image.Image:
    """Something to blur: a background, or a cut-out over a colour."""
    if len(backgrounds) and random.uniform() < 0.6:
        index = backgrounds[random.randint(len(backgrounds))]
        return Image.fromarray(numpy.ascontiguousarray(store.background(index)))
    rgba = numpy.asarray(store.pixels(cutouts[random.randint(len(cutouts))]), numpy.float32)
    alpha = rgba[..., 3:] / 255.0
    return Image.fromarray((rgba[..., :3] * alpha + _colour(random) * (1.0 - alpha)).astype(numpy.uint8))


def background(random: Random, store: Any, cutouts: Sequence[int], backgrounds: Sequence[int], width: int,
               height: int) -> numpy.ndarray:
    """A background (H, W, 3) float32, 0..255: by rule in at least a third of the cases, blurred, or a photo.

    cutouts, backgrounds: the store's indices that may be used (those of one split).
    """
    draw = random.uniform()
    if draw < 0.36 or (draw >= 0.52 and not len(backgrounds)):
        image = procedural(random, width, height)
    elif draw < 0.52:
        image = smeared(random, _picture(random, store, cutouts, backgrounds), width, height)
    else:
        index = backgrounds[random.randint(len(backgrounds))]
        image = numpy.asarray(crop(random, store.background(index), width, height), numpy.float32)
        if random.uniform() < 0.2:
            image = augment.gaussian_blur(image, random.uniform(0.8, 4.0))
    if random.uniform() < 0.6:
        image = augment.recolour(image, *augment.colour_change(random, 0.7))
    return image
