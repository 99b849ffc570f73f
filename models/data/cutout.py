"""What every collector of cut-outs needs: trimming, resizing and refusing pictures with alpha."""

import dataclasses
import re
import warnings
from typing import Optional

import numpy as np
from PIL import Image

from models.data.store import CUTOUT_SIDE
from models.pieces import pieces

SPECK = 0.01  # parts below this share of a picture's opaque pixels are dirt, not the thing
SMALLEST = 32  # px, longest side that a cut-out must have
LEAST_PIXELS = 400  # opaque pixels
MOST_PIXELS = 40_000_000  # of a picture that is read
OPAQUE = 128  # alpha from which a pixel belongs to the mask


@dataclasses.dataclass
class Candidate:
    """A picture on its way into a store: its pixels, or the reason why it stays out."""

    source: str
    family: str = ""
    licence: str = ""
    kind: str = ""
    rgba: Optional[np.ndarray] = None  # (h, w, 4) uint8, straight alpha
    rejected: str = ""  # the reason; empty where the picture is good


def family_of(name: str) -> str:
    """The family of a picture or mesh: its name without digits, single letters that number it, and marks of
    left, right and mirrored, in lower case, words joined by "-".

    doorLeft, door_2 and Door are one family, as grave-a and grave-j are."""
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = re.sub(r"(?<=\d)[a-zA-Z]?(?![a-zA-Z])|\d", " ", words)
    words = [word.lower() for word in re.split(r"[^a-zA-Z]+", words)]
    marks = {
        "",
        "left",
        "right",
        "mirror",
        "mirrored",
        "l",
        "r",
        "new",
        "old",
        "photo",
        "small",
        "large",
        "big",
    }
    kept = [word for word in words if word not in marks and len(word) > 1]
    return "-".join(kept) or name.lower()


def components(mask: np.ndarray) -> np.ndarray:
    """(h, w) int labels of the 8-connected parts of a boolean mask: 0 outside, 1.. within."""
    labels = np.zeros(mask.shape, np.int32)
    for row, begin, end, piece in zip(*pieces(mask, diagonal=True)):
        labels[row, begin:end] = piece + 1
    return labels


def without_specks(rgba: np.ndarray) -> np.ndarray:
    """The picture with alpha 0 in every part with under 1 % of its opaque pixels, faint edge included."""
    if rgba.size == 0:
        return rgba
    labels = components(rgba[..., 3] >= 16)
    sizes = np.bincount(labels[rgba[..., 3] >= OPAQUE], minlength=labels.max() + 1)
    sizes[0] = 0
    keep = sizes >= max(1.0, SPECK * sizes.sum())
    return np.where(keep[labels][..., None], rgba, np.uint8(0))


def trimmed(rgba: np.ndarray) -> np.ndarray:
    """The part of a picture around all alpha over 0; a picture of no pixels where there is none."""
    rows, columns = np.flatnonzero(rgba[..., 3].any(axis=1)), np.flatnonzero(rgba[..., 3].any(axis=0))
    if len(rows) == 0:
        return np.zeros((0, 0, 4), np.uint8)
    return rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def fit(rgba: np.ndarray, side: int = CUTOUT_SIDE) -> np.ndarray:
    """The picture without specks, trimmed to where its alpha is not 0, and shrunk to `side` px at most.

    Shrunk in premultiplied colours, so that nothing of the colour under alpha 0 reaches the edge. Returns a
    picture of no pixels where nothing is opaque."""
    rgba = trimmed(without_specks(trimmed(rgba)))
    if rgba.size == 0:
        return rgba
    scale = side / max(rgba.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(rgba)
    size = (max(1, round(rgba.shape[1] * scale)), max(1, round(rgba.shape[0] * scale)))
    premultiplied = rgba[..., :3].astype(np.float32) * (rgba[..., 3:].astype(np.float32) / 255)
    planes = [*np.moveaxis(premultiplied, 2, 0), rgba[..., 3].astype(np.float32)]
    small = np.stack(
        [np.asarray(Image.fromarray(plane).resize(size, Image.LANCZOS)) for plane in planes], axis=2
    )
    alpha = np.clip(small[..., 3:], 0, 255)
    colour = small[..., :3] * 255 / np.maximum(alpha, 1)
    result = np.concatenate([np.clip(colour, 0, 255), alpha], axis=2).round().astype(np.uint8)
    result[result[..., 3] == 0] = 0
    return result


def read_picture(path: str, mode: str) -> Image.Image:
    """The picture in a file, in PIL's `mode`.

    Raises OSError where the file is no picture, or one of over 40 million pixels, which no cut-out needs."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is lower
            with Image.open(path) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise OSError(f"{image.width} x {image.height} px, more than {MOST_PIXELS} in all")
                return image.convert(mode)
    except (
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
    ) as error:  # what PIL raises for damaged files
        raise OSError(f"a damaged picture: {error}") from None


def read_rgba(path: str) -> np.ndarray:
    """The picture in a file, (h, w, 4) uint8 RGBA, shrunk by a whole number where far larger than a cut-out.

    Raises OSError as read_picture() does."""
    rgba = read_picture(path, "RGBA")
    factor = max(rgba.size) // (2 * CUTOUT_SIDE)
    return np.asarray(rgba.reduce(factor) if factor > 1 else rgba)


def eroded(mask: np.ndarray, times: int) -> np.ndarray:
    """The mask without `times` px of its rim (4-neighbours); the picture's border counts as outside."""
    for _ in range(times):
        inner = np.zeros_like(mask)
        inner[1:-1, 1:-1] = (
            mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        )
        mask = inner
    return mask


def fault(rgba: np.ndarray) -> str:
    """Why a trimmed cut-out of any origin is of no use: "empty", "small", "sliver", "see-through",
    "thin"; or ""."""
    if rgba.size == 0:
        return "empty"
    alpha = rgba[..., 3]
    mask = alpha >= OPAQUE
    if max(alpha.shape) < SMALLEST or mask.sum() < LEAST_PIXELS:
        return "small"
    # A flat thing from its edge, of which nobody could tell what it is.
    if mask.sum() < 0.05 * max(alpha.shape) ** 2:
        return "sliver"
    # A thing half of glass has no mask that people would agree on: what is behind shows through it.
    core = eroded(alpha >= 16, 2)
    if (alpha[core] < 230).sum() > 0.08 * max(1, core.sum()):
        return "see-through"
    # Wire frames and bare twigs: all rim, and their masks do not survive the resize to a scene.
    if eroded(mask, 2).sum() < 0.35 * mask.sum():
        return "thin"
    return ""
