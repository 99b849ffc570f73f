"""Many scenes on one picture, to look at: amodal outlines in colour, hidden parts tinted."""

from typing import Iterable, List, Tuple

import numpy
from PIL import Image

from models import scene as scenes

GAP = 4  # pixels between scenes
COLUMNS = 6


def annotate(scene: scenes.Scene) -> numpy.ndarray:
    """The image (H, W, 3) uint8 with outlines and tinted hidden parts; colours go by place in the list."""
    random = numpy.random.RandomState(1)
    image = scene.image.copy()
    for item, hidden in zip(scene.objects, scenes.hidden_masks(scene)):
        colour = random.uniform(60.0, 255.0, 3)
        image[hidden] = (0.55 * image[hidden] + 0.45 * colour).astype(numpy.uint8)
        image[scenes.outline(item.amodal)] = colour.astype(numpy.uint8)
    return image


def size_of(count: int, side: int, columns: int = COLUMNS) -> Tuple[int, int]:
    """Width and height in pixels of the sheet of `count` scenes."""
    return min(count, columns) * (side + GAP), -(-count // columns) * (side + GAP)


def sheet(made: Iterable[scenes.Scene], side: int, columns: int = COLUMNS, plain: bool = False) -> Image.Image:
    """Scenes of at most `side` pixels row by row; plain: without annotations."""
    tiles: List[numpy.ndarray] = []
    for scene in made:
        tile = numpy.full((side + GAP, side + GAP, 3), 24, numpy.uint8)
        tile[:scene.height, :scene.width] = scene.image if plain else annotate(scene)
        tiles.append(tile)
    while len(tiles) % columns and len(tiles) > columns:
        tiles.append(numpy.full_like(tiles[0], 24))
    rows = [numpy.concatenate(tiles[i:i + columns], axis=1) for i in range(0, len(tiles), columns)]
    return Image.fromarray(numpy.concatenate(rows))
