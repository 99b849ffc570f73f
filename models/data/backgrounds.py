"""Backgrounds from Debian's wallpaper packages and the meshes' textures, as backgrounds.json lists them.

A background may hold no countable object, since the scene would have it without a label. Every region of the
list was looked at; a picture with things in it is taken only blurred beyond recognition."""

import io
import json
import os
import zipfile
from typing import Any, Dict, Iterator, Tuple

import numpy as np
from PIL import Image, ImageFilter

from models.data.cutout import family_of
from models.data.packages import folder

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "backgrounds.json")
SHORTEST_SIDE, SHORT_SIDE, LONG_SIDE = 320, 512, 1024  # px; small textures are enlarged to the first
BLUR = 0.07  # standard deviation of the blur, as a share of the shorter side


class BackgroundError(ValueError):
    """A listed picture that is not there or cannot be read; the message names it."""


def regions() -> Tuple[Dict[str, Dict[str, str]], list]:
    """The packages (folder below /usr/share and licence) and the vetted regions of the committed list."""
    with open(LIST, encoding="utf-8") as file:
        listed = json.load(file)
    return listed["packages"], listed["regions"]


def _open(root: str, name: str) -> Image.Image:
    """A picture in a folder, or in an archive of it ("archive.zip!path")."""
    path = os.path.join(root, name.split("!")[0])
    try:
        if "!" in name:
            with zipfile.ZipFile(path) as archived:
                return Image.open(io.BytesIO(archived.read(name.split("!")[1]))).convert("RGB")
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise BackgroundError(
            f"{os.path.join(root, name)}: expected a picture of the list of backgrounds, " f"found {error}"
        ) from None


def prepared(image: Image.Image, region: Dict[str, Any]) -> np.ndarray:
    """(h, w, 3) uint8: the region's crop (left, top, right, bottom in shares of the picture), its shorter
    side brought to 320 .. 512 px and the longer cut to 1024, blurred where the list says so."""
    width, height = image.size
    left, top, right, bottom = region.get("crop", (0, 0, 1, 1))
    image = image.crop(
        (round(left * width), round(top * height), round(right * width), round(bottom * height))
    )
    short = min(image.size)
    wanted = min(SHORT_SIDE, max(SHORTEST_SIDE, short))
    if short != wanted:
        image = image.resize(
            tuple(max(wanted, round(side * wanted / short)) for side in image.size), Image.LANCZOS
        )
    image = image.crop((0, 0, min(image.width, LONG_SIDE), min(image.height, LONG_SIDE)))
    if region.get("blur"):
        image = image.filter(ImageFilter.GaussianBlur(BLUR * min(image.size)))
    return np.asarray(image)


def region_family(region: Dict[str, Any]) -> str:
    """The family of a listed region; the list says where pictures of two names are one in two shades."""
    name = region["file"]
    # A texture is there in many shades and sizes: wood_2 beside wood.
    inner = os.path.splitext(os.path.basename(name))[0]
    stem = family_of(inner) if "!" in name else name.split("/contents/")[0]
    return f"{region['package']}/{region.get('family', stem)}"


def collect() -> Iterator[Tuple[np.ndarray, str, str, str]]:
    """(pixels, source, licence, family) of every region of the list; those of one picture are a family."""
    packages, listed = regions()
    roots = {name: folder(name, *entry["folder"].split("/")) for name, entry in packages.items()}
    for region in listed:
        package, name = region["package"], region["file"]
        pixels = prepared(_open(roots[package], name), region)
        licence = region.get("licence", packages[package]["licence"])
        source = f"{package}/{name}" + (" blurred" if region.get("blur") else "")
        yield pixels, source, licence, region_family(region)
