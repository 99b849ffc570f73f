"""Draws masks on pictures with PIL and NumPy: tints, outlines, hatching, labels, and panels side by side.

Pictures are (h, w, 3) uint8 RGB arrays, masks (h, w) bool of the same size.
"""

import colorsys
from typing import List, Sequence, Tuple

import numpy
from PIL import Image, ImageDraw, ImageFont

from models.scene import outline

Colour = Tuple[int, int, int]

GAP = 8  # pixels between panels
CAPTION = 22  # pixels above a panel
BACKGROUND: Colour = (24, 24, 24)
TEXT: Colour = (240, 240, 240)
OUTLINE = 2  # pixels
HATCH_PERIOD, HATCH_WIDTH = 8, 3  # pixels along a row


def colours(count: int) -> List[Colour]:
    """Distinct bright colours: hues a golden section apart, in two degrees of saturation."""
    found = []
    for index in range(count):
        hue, saturation = (0.08 + index * 0.618034) % 1.0, 0.95 if index % 2 == 0 else 0.6
        red, green, blue = colorsys.hsv_to_rgb(hue, saturation, 1.0)
        found.append((int(255 * red), int(255 * green), int(255 * blue)))
    return found


def tint(picture: numpy.ndarray, mask: numpy.ndarray, colour: Colour, share: float) -> None:
    """Mixes `share` of the colour into the mask's pixels, in place."""
    mixed = picture[mask] * (1.0 - share) + numpy.array(colour) * share
    picture[mask] = (mixed + 0.5).astype(numpy.uint8)


def faded(picture: numpy.ndarray) -> numpy.ndarray:
    """The picture in dim grey, on which colours stand out."""
    grey = picture.mean(axis=2, keepdims=True) * 0.6 + 25
    return numpy.repeat(grey.astype(numpy.uint8), 3, axis=2)


def hatching(mask: numpy.ndarray, falling: bool = False) -> numpy.ndarray:
    """The mask's pixels on diagonal lines that rise to the right, or fall."""
    rows, columns = numpy.indices(mask.shape)
    return mask & ((columns - rows if falling else columns + rows) % HATCH_PERIOD < HATCH_WIDTH)


def resized_mask(mask: numpy.ndarray, width: int, height: int) -> numpy.ndarray:
    """The mask at another size, by nearest pixel."""
    image = Image.fromarray(mask.astype(numpy.uint8) * 255)
    return numpy.array(image.resize((width, height), Image.NEAREST)) > 127


def resized(picture: numpy.ndarray, width: int, height: int) -> numpy.ndarray:
    """The picture at another size."""
    return numpy.array(Image.fromarray(picture).resize((width, height), Image.BILINEAR))


def centre_of(mask: numpy.ndarray) -> Tuple[int, int]:
    """(x, y) of a pixel far from the mask's outline: what is left after eroding it as long as it lasts."""
    inner = mask
    step = max(1, int(numpy.sqrt(mask.sum()) / 24))
    while True:
        smaller = inner & ~outline(inner, step)
        if not smaller.any():
            break
        inner = smaller
    points = numpy.argwhere(inner)
    middle = points[numpy.abs(points - points.mean(axis=0)).sum(axis=1).argmin()]
    return int(middle[1]), int(middle[0])


def _text_image(text: str, scale: int) -> Image.Image:
    """White text on black, as large as it is; PIL's own font enlarged, so that no font file is needed."""
    font = ImageFont.load_default()
    left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, font=font)
    image = Image.new("L", (max(1, int(right - left)), max(1, int(bottom - top))))
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font)
    return image.resize((image.width * scale, image.height * scale), Image.NEAREST)


def label(picture: numpy.ndarray, text: str, x: int, y: int, colour: Colour, scale: int = 2) -> None:
    """Writes the text on a plate of the colour centred at (x, y), moved inside of the picture, in place."""
    image = Image.fromarray(picture)
    written = _text_image(text, scale)
    width, height = written.width + 6, written.height + 6
    left = min(max(0, x - width // 2), max(0, picture.shape[1] - width))
    top = min(max(0, y - height // 2), max(0, picture.shape[0] - height))
    bright = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] > 110
    plate = Image.new("RGB", (width, height), (0, 0, 0) if bright else (255, 255, 255))
    ImageDraw.Draw(plate).rectangle((1, 1, width - 2, height - 2), fill=colour)
    plate.paste(Image.new("RGB", written.size, (0, 0, 0) if bright else (255, 255, 255)), (3, 3), written)
    image.paste(plate, (left, top))
    picture[:] = numpy.array(image)


def grid(panels: Sequence[Tuple[str, numpy.ndarray]], columns: int, title: str) -> Image.Image:
    """Panels of one size with their captions, row by row under a title."""
    height, width = panels[0][1].shape[:2]
    rows = -(-len(panels) // columns)
    size = columns * (width + GAP) + GAP, CAPTION + rows * (height + CAPTION + GAP)
    sheet = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default()
    draw.text((GAP, 5), printable(title), fill=TEXT, font=font)
    for index, (caption, picture) in enumerate(panels):
        left = GAP + (index % columns) * (width + GAP)
        top = CAPTION + (index // columns) * (height + CAPTION + GAP)
        draw.text((left, top + 5), printable(caption), fill=TEXT, font=font)
        sheet.paste(Image.fromarray(picture), (left, top + CAPTION))
    return sheet


def printable(text: str) -> str:
    """The text with what PIL's own font lacks replaced."""
    return text.encode("latin-1", "replace").decode("latin-1")
