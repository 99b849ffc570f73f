"""Cuts, turns and resizes a scene with all its masks."""

import dataclasses
from typing import Tuple

import numpy
from PIL import Image

from models.scene import Scene, SceneObject, visible_masks

ZOOM = 1.6  # a crop is at least 1 / ZOOM of the image's sides
SLIVER, SLIVER_SHARE = 30, 0.05  # pixels at the new size, and of what the whole image shows of the object
SHRINK = 0.7  # an image fills at least this much of the canvas' side


def fitted_size(width: int, height: int, side: int) -> Tuple[int, int]:
    """Width and height of an image on a canvas of `side`: its longer one fills it (network.md, 1)."""
    scale = side / max(width, height)
    return tuple(max(1, int(numpy.floor(length * scale + 0.5))) for length in (width, height))


def resample(scene: Scene, window: Tuple[int, int, int, int], width: int, height: int,
             flip: bool = False) -> Scene:
    """The part x0 y0 x1 y1 of a scene (whole pixels, inside of it) at width x height, mirrored if `flip`.

    Pixels of all masks are read at the same points, so that what was disjoint or inside of one
    another stays so. Objects of which nothing can be seen in the part are left out, and those of which the cut
    leaves a sliver (under SLIVER pixels and SLIVER_SHARE of what could be seen): no network could know of them.
    """
    x0, y0, x1, y1 = window
    rows = (y0 + (numpy.arange(height) + 0.5) * (y1 - y0) / height).astype(numpy.int64)
    columns = (x0 + (numpy.arange(width) + 0.5) * (x1 - x0) / width).astype(numpy.int64)
    columns = columns[::-1] if flip else columns
    at, objects, kept = numpy.ix_(rows, columns), [], []
    scale = width * height / ((x1 - x0) * (y1 - y0))
    for i, (item, visible) in enumerate(zip(scene.objects, visible_masks(scene))):
        seen = numpy.count_nonzero(visible[at])
        if seen >= SLIVER or seen > SLIVER_SHARE * scale * numpy.count_nonzero(visible):
            objects.append(SceneObject(item.amodal[at], None if item.visible is None else item.visible[at],
                                       item.category, item.name, item.is_stuff,
                                       None if item.levels is None else item.levels[at]))
            kept.append(i)
    image = None
    if scene.image is not None:
        image = Image.fromarray(scene.image).resize((width, height), Image.BILINEAR, box=window)
        image = numpy.ascontiguousarray(numpy.asarray(image)[:, ::-1] if flip else numpy.asarray(image))
    return dataclasses.replace(scene, image=image, width=width, height=height, objects=objects,
                               front=scene.front[numpy.ix_(kept, kept)])


def fit(scene: Scene, side: int) -> Scene:
    """The whole scene at the size it has on the canvas."""
    width, height = fitted_size(scene.width, scene.height, side)
    return resample(scene, (0, 0, scene.width, scene.height), width, height)


def relight(image: numpy.ndarray, random: numpy.random.Generator) -> numpy.ndarray:
    """(H, W, 3) uint8 with other brightness, contrast and colour balance, by a little."""
    gain = random.uniform(0.8, 1.25) * random.uniform(0.93, 1.07, 3)
    values = (image.astype(numpy.float32) - 127.0) * gain + (127.0 + random.uniform(-20.0, 20.0))
    return values.clip(0.0, 255.0).astype(numpy.uint8)


def vary(scene: Scene, side: int, random: numpy.random.Generator) -> Scene:
    """A random view of a scene for training: cropped, smaller than the canvas, mirrored, in other light."""
    zoom = numpy.exp(random.uniform(0.0, numpy.log(ZOOM))) if random.uniform() < 0.7 else 1.0
    size = [max(1, int(length / zoom)) for length in (scene.width, scene.height)]
    x0 = int(random.integers(0, scene.width - size[0] + 1))
    y0 = int(random.integers(0, scene.height - size[1] + 1))
    shrink = random.uniform(SHRINK, 1.0) if random.uniform() < 0.3 else 1.0
    width, height = fitted_size(*size, max(1, int(side * shrink)))
    result = resample(scene, (x0, y0, x0 + size[0], y0 + size[1]), width, height, random.uniform() < 0.5)
    return dataclasses.replace(result, image=relight(result.image, random))
