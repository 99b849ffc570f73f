"""People's own pictures as cut-outs: RGBA files of a folder, or whole instances of a COCO annotation."""

import json
import os
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np

from models import rle
from models.data.cutout import Candidate, fault, family_of, fit, read_picture, read_rgba
from models.data.packages import files

PICTURES = (".png", ".webp", ".tif", ".tiff")  # the formats that people keep alpha in
LEAST_AREA = 32 * 32  # px, of an instance
GAP = 2  # px that must lie between an instance and every other one
NONE = type(None)


class OwnError(ValueError):
    """A folder or file that gives no cut-outs; the message names it, the expected and the found."""


def from_folder(root: str, licence: str) -> Iterator[Candidate]:
    """A candidate for every picture with alpha under `root`.

    A picture's family is its folder below `root`, or its name without digits where it lies in `root` itself.
    A picture without alpha is an error: pasted as a rectangle, it would teach that things are rectangles."""
    if not os.path.isdir(root):
        raise OwnError(f"{root}: expected a folder of pictures with alpha, found none")
    names = files(root, PICTURES)
    if not names:
        raise OwnError(f"{root}: expected pictures with alpha ({', '.join(PICTURES)}), found none")
    for name in names:
        path = os.path.join(root, name)
        try:
            rgba = read_rgba(path)
        except OSError as error:
            raise OwnError(f"{path}: expected a picture, found {error}") from None
        if rgba[..., 3].min() == 255:
            raise OwnError(f"{path}: expected transparency around the thing, found an opaque picture")
        where, stem = os.path.split(os.path.splitext(name)[0])
        cut = fit(rgba)
        yield Candidate(path, where or family_of(stem), licence, "user", cut, fault(cut))


def _load(path: str) -> Dict[str, Any]:
    """The file's JSON: "images" and "annotations" are lists of objects, and "licenses" is one where it is there."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise OwnError(f"{path}: expected COCO annotations, found {error}") from None
    if isinstance(data, dict) and data.get("licenses") in (None, {}, ""):
        data["licenses"] = []
    for key in ("images", "annotations", "licenses"):
        if not isinstance(data, dict) or not isinstance(data.get(key), list):
            found = type(data[key]).__name__ if isinstance(data, dict) and key in data else "none"
            raise OwnError(f"{path}: expected COCO annotations with a list {key!r}, found {found}")
        for i, entry in enumerate(data[key]):
            if not isinstance(entry, dict):
                raise OwnError(f"{path}: {key}[{i}]: expected an object, found {type(entry).__name__}")
    return data


def _field(where: str, entry: Dict[str, Any], key: str, kinds: Tuple[type, ...], expected: str) -> Any:
    """The entry's value `key`, None without one, of one of the types `kinds`; OwnError where it is of another."""
    value = entry.get(key)
    if isinstance(value, kinds):
        return value
    found = repr(value)[:60] if key in entry else "none"
    raise OwnError(f"{where}: expected {expected} {key!r}, found {found}")


def _number(where: str, entry: Dict[str, Any], key: str) -> Any:
    """What names an entry: a number, or a text as some exporters write it."""
    return _field(where, entry, key, (int, float, str), "a number")


def _licences(path: str, data: Dict[str, Any]) -> Dict[Any, Optional[str]]:
    """The name of each licence, its address where it has none, by the licence's id."""
    licences = {}
    for i, entry in enumerate(data["licenses"]):
        if entry.get("id") is None:
            continue  # no image can name it
        where = f"{path}: licenses[{i}]"
        key = "name" if entry.get("name") else "url"
        licences[_number(where, entry, "id")] = _field(where, entry, key, (str, NONE), "a text")
    return licences


def _grouped(path: str, data: Dict[str, Any]) -> Dict[Any, List[Dict[str, Any]]]:
    """The annotations of each image, by the image's id."""
    grouped: Dict[Any, List[Dict[str, Any]]] = {}
    for i, annotation in enumerate(data["annotations"]):
        grouped.setdefault(_number(f"{path}: annotations[{i}]", annotation, "image_id"), []).append(annotation)
    return grouped


def grown(mask: np.ndarray, times: int) -> np.ndarray:
    """The mask and the `times` px around it (8-neighbours)."""
    height, width = mask.shape
    for _ in range(times):
        padded = np.pad(mask, 1)
        mask = np.zeros_like(mask)
        for dy in range(3):
            for dx in range(3):
                mask |= padded[dy : dy + height, dx : dx + width]
    return mask


def soft_alpha(mask: np.ndarray) -> np.ndarray:
    """(h, w) uint8: 255 within, and on the mask's rim the share of the mask among a pixel's neighbours.

    Never outside: there the picture shows what is behind. A polygon's edge is a staircase, and pasted as such
    it would be a cue that no photograph has."""
    height, width = mask.shape
    padded = np.pad(mask.astype(np.float32), 1)
    share = sum(padded[dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)) / 9
    return np.where(mask, np.maximum(128, 255 * share), 0).round().astype(np.uint8)


def instance_fault(index: int, masks: List[np.ndarray], crowd: bool) -> str:
    """Why instance `index` of an image is not taken: "crowd", "small", "border", "touched"; or ""."""
    mask = masks[index]
    if crowd:
        return "crowd"
    if mask.sum() < LEAST_AREA:
        return "small"
    if mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any():
        return "border"
    near = grown(mask, GAP)
    if any((near & other).any() for i, other in enumerate(masks) if i != index):
        return "touched"
    return ""


def from_coco(path: str, images: str) -> Iterator[Candidate]:
    """A candidate for every instance of a COCO file that is whole as far as its annotations tell.

    `images` is the folder of the pictures. Those of one picture are one family, as what they show is alike.
    OwnError names the entry that is not as COCO has it, or the picture that cannot be read.
    """
    data = _load(path)
    licences, grouped = _licences(path, data), _grouped(path, data)
    for place, entry in enumerate(data["images"]):
        where = f"{path}: images[{place}]"
        annotations = grouped.get(_number(where, entry, "id"), [])
        if not annotations:
            continue
        name = _field(where, entry, "file_name", (str,), "a text")
        if "\0" in name:  # which no file system has
            raise OwnError(f"{where}: expected the name of a file, found {name!r}")
        number = _field(where, entry, "license", (int, float, str, NONE), "a number")
        picture = os.path.join(images, name)
        try:
            rgb = np.asarray(read_picture(picture, "RGB"))
        except OSError as error:
            raise OwnError(f"{picture}: expected a picture that {path} names, found {error}") from None
        height, width = rgb.shape[:2]
        if (entry.get("height"), entry.get("width")) != (height, width):
            raise OwnError(
                f"{picture}: expected {entry.get('width')} x {entry.get('height')} px as {path} says, "
                f"found {width} x {height}"
            )
        masks = [_mask(path, annotation, height, width) for annotation in annotations]
        for i, annotation in enumerate(annotations):
            reason = instance_fault(i, masks, bool(annotation.get("iscrowd", 0)))
            source = f"{picture}#{annotation.get('id')}"
            if reason:
                yield Candidate(source, rejected=reason)
                continue
            rgba = fit(np.dstack([rgb, soft_alpha(masks[i])]))
            licence = licences.get(number) or "unstated"
            yield Candidate(source, f"coco/{name}", licence, "user", rgba, fault(rgba))


def _mask(path: str, annotation: Dict[str, Any], height: int, width: int) -> np.ndarray:
    """The instance's mask (height, width) bool; polygons of under three corners hold no pixels."""
    where = f"{path}: annotation {annotation.get('id')}"
    if "segmentation" not in annotation:
        keys = ", ".join(map(ascii, sorted(annotation)))[:200]
        raise OwnError(
            f"{where}: expected 'segmentation', which all annotations of a COCO instances file have, "
            f"found {f'only {keys}' if keys else 'nothing'}"
        )
    segmentation = annotation["segmentation"]
    try:
        if isinstance(segmentation, list):
            segmentation, _ = rle.with_corners(segmentation)
            if not segmentation:
                return np.zeros((height, width), bool)
        return np.asarray(rle.from_segmentation(segmentation, height, width), bool)
    except (ValueError, OverflowError) as error:
        raise OwnError(f"{where}: expected a segmentation, found {error}") from None
