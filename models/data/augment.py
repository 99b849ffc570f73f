"""What happens to pixels: colour and light, edges of cut-outs, and the camera's blur, noise and JPEG.

Colours are float32 in 0..255. Every choice is drawn from the random source that is handed in.
"""

import io
import math
from typing import Tuple

import numpy
from PIL import Image, ImageFilter

Random = numpy.random.RandomState

EDGES = ("bilinear", "hard", "eroded", "feathered", "steep", "blurred")
_LUMA = numpy.array((0.299, 0.587, 0.114), numpy.float32)


def to_bytes(image: numpy.ndarray) -> numpy.ndarray:
    """0..255 float -> uint8, rounded and clamped."""
    return numpy.clip(image + 0.5, 0.0, 255.0).astype(numpy.uint8)


def gaussian_blur(image: numpy.ndarray, sigma: float) -> numpy.ndarray:
    """Blurs (H, W, 3) float32 with `sigma` in pixels; values pass through 8 bits."""
    blurred = Image.fromarray(to_bytes(image)).filter(ImageFilter.GaussianBlur(sigma))
    return numpy.asarray(blurred, numpy.float32)


def colour_change(random: Random, strength: float) -> Tuple[numpy.ndarray, numpy.ndarray, float]:
    """A change of colour and light: matrix (3, 3), offset (3,), gamma. strength 1 is what objects get."""
    matrix = numpy.eye(3, dtype=numpy.float32)
    if random.uniform() < 0.3 * strength:  # another hue: a turn about the grey axis
        angle = random.uniform(-math.pi, math.pi) * (1.0 if random.uniform() < 0.4 else 0.15)
        c, s = math.cos(angle), math.sin(angle) / math.sqrt(3.0)
        matrix = (c * numpy.eye(3) + (1.0 - c) / 3.0 + s * numpy.array(((0, -1, 1), (1, 0, -1), (-1, 1, 0)))
                  ).astype(numpy.float32)
    saturation = max(0.0, random.normal(1.0, 0.25 * strength)) if random.uniform() < 0.95 else 0.0
    matrix = (saturation * numpy.eye(3, dtype=numpy.float32) + (1.0 - saturation) * _LUMA[None, :]) @ matrix
    contrast = math.exp(random.normal(0.0, 0.15 * strength))
    gain = contrast * numpy.exp(random.normal(0.0, 0.06 * strength, 3))
    offset = (1.0 - contrast) * 110.0 + random.normal(0.0, 14.0 * strength)
    gamma = math.exp(random.normal(0.0, 0.18 * strength))
    return (gain[:, None] * matrix).astype(numpy.float32), numpy.full(3, offset, numpy.float32), gamma


def recolour(image: numpy.ndarray, matrix: numpy.ndarray, offset: numpy.ndarray,
             gamma: float) -> numpy.ndarray:
    """Applies a colour_change to (H, W, 3), float32 or uint8 -> float32; values pass through 8 bits."""
    # Pillow's integer code and a table: a product and a power per pixel in float take four times as long.
    picture = Image.fromarray(image if image.dtype == numpy.uint8 else to_bytes(image))
    rows = numpy.concatenate((matrix, offset[:, None]), axis=1)
    changed = numpy.asarray(picture.convert("RGB", tuple(rows.ravel().tolist())))
    if abs(gamma - 1.0) < 0.02:
        return changed.astype(numpy.float32)
    table = 255.0 * (numpy.arange(256) / 255.0) ** gamma
    return table.astype(numpy.float32).take(changed)


def slope_of_light(random: Random, width: int, height: int, strength: float) -> numpy.ndarray:
    """A light that falls off in a random direction: factors (H, W, 1) float32 around 1."""
    angle, amount = random.uniform(0.0, 2.0 * math.pi), random.uniform(0.0, strength)
    x = numpy.linspace(-1.0, 1.0, width, dtype=numpy.float32)[None, :]
    y = numpy.linspace(-1.0, 1.0, height, dtype=numpy.float32)[:, None]
    return (1.0 + amount * (math.cos(angle) * x + math.sin(angle) * y))[..., None]


def treat_edge(kind: str, alpha: numpy.ndarray) -> numpy.ndarray:
    """One of EDGES on alpha (h, w) uint8, which ends in a border of zeros. Never wider than before, save for
    `steep` by a fraction of a pixel: colours beyond the alpha are unknown."""
    if kind in ("bilinear", "blurred"):  # blurred: the caller blurs colour and alpha together
        return alpha
    if kind == "hard":
        return numpy.where(alpha > 127, numpy.uint8(255), numpy.uint8(0))
    if kind == "steep":
        return numpy.clip((alpha.astype(numpy.int16) - 128) * 3 + 128, 0, 255).astype(numpy.uint8)
    image = Image.fromarray(alpha)
    if kind == "eroded":
        return numpy.asarray(image.filter(ImageFilter.MinFilter(3)))
    if kind == "feathered":
        soft = numpy.asarray(image.filter(ImageFilter.GaussianBlur(1.0)), numpy.int32)
        return numpy.minimum(numpy.clip((soft - 96) * 255 // 159, 0, 255).astype(numpy.uint8), alpha)
    raise ValueError(f"edge: expected one of {', '.join(EDGES)}, found {kind!r}")


def blur_patch(rgba: Image.Image, sigma: float) -> Image.Image:
    """Blurs an RGBA patch with colours weighted by alpha, as a lens does."""
    return rgba.convert("RGBa").filter(ImageFilter.GaussianBlur(sigma)).convert("RGBA")


def grain(random: Random, height: int, width: int, channels: int, sigma: float) -> numpy.ndarray:
    """Nearly normal noise (H, W, channels) float32 of standard deviation `sigma`."""
    # Sums of random bytes: normal deviates would cost a tenth of the whole scene.
    raw = numpy.frombuffer(random.bytes(3 * height * width * channels), numpy.uint8)
    sums = raw.reshape(3, height, width, channels).sum(axis=0, dtype=numpy.int16)
    return (sums - 382.5).astype(numpy.float32) * numpy.float32(sigma / 128.0)


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=quality, subsampling=2 if quality < 90 else 0)
    packed.seek(0)
    return Image.open(packed).convert("RGB")


def develop(random: Random, canvas: numpy.ndarray) -> numpy.ndarray:
    """The camera: light over the whole picture, blur, noise, JPEG. (H, W, 3) float32 -> uint8."""
    height, width = canvas.shape[:2]
    if random.uniform() < 0.5:
        canvas = canvas * slope_of_light(random, width, height, 0.35)
    if random.uniform() < 0.7:
        canvas = recolour(canvas, *colour_change(random, 0.45))
    if random.uniform() < 0.3:
        canvas = gaussian_blur(canvas, random.uniform(0.3, 1.1))
    if random.uniform() < 0.5:
        canvas = canvas + grain(random, height, width, 1 if random.uniform() < 0.5 else 3,
                                abs(random.normal(0.0, 5.0)))
    image = Image.fromarray(to_bytes(canvas))
    if random.uniform() < 0.15:  # enlarged from a smaller picture
        factor = random.uniform(0.5, 0.9)
        small = image.resize((max(1, int(width * factor)), max(1, int(height * factor))), Image.BILINEAR)
        image = small.resize((width, height), Image.BICUBIC)
    if random.uniform() < 0.5:
        image = _jpeg(image, random.randint(45, 96))
    return numpy.array(image)
