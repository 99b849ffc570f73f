"""What all readers share: errors, drafts of scenes, images, and how an order is put together.

A reader turns one image's annotation into a Draft: the objects, their order, and what is wrong with
them. A Draft with a fault cannot become a Scene; its remarks can: what they speak of was mended.
"""

import dataclasses
import json
import os
import re
from typing import Any, BinaryIO, Callable, Dict, List, Optional, Sequence, Tuple, Union

import numpy
from PIL import Image

from models import rle
from models.scene import SceneObject, outline

OUTSIDE_TOLERANCE = 1.0  # pixels that a polygon's corner may lie outside of the image
MOST_PIXELS = 1 << 28  # of an image, as in the engine
HIDDEN_TOLERANCE = 0.01  # of an object's pixels, by which a hand-drawn hidden part may miss what it should fill


class ReadError(ValueError):
    """A file that cannot be read; the text names it, what was expected and what was found."""


def one_line(error: Exception) -> str:
    """The text of an error that another library raised, without line breaks; its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def shown(name: str) -> str:
    """How messages show a file name: as it is, or quoted with escapes where that cannot be printed or seen."""
    return name if name and name.isprintable() else ascii(name)


def names_a_file(name: str) -> bool:
    """Whether a file can have this name: one with more than dots, without a NUL and half surrogate pairs."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in name and bool(name.strip("./\\"))


@dataclasses.dataclass
class Draft:
    """One image's annotation, as far as it could be read."""

    objects: List[SceneObject] = dataclasses.field(default_factory=list)
    regions: List[int] = dataclasses.field(default_factory=list)  # per object: its number in the file, from 1
    front: numpy.ndarray = dataclasses.field(default_factory=lambda: numpy.zeros((0, 0), bool))
    order_rule: str = "none"  # where `front` came from
    faults: List[str] = dataclasses.field(default_factory=list)
    remarks: List[str] = dataclasses.field(default_factory=list)
    # Further remarks, which cost decoding what nothing but a check of the file needs.
    later: List[Callable[[], List[str]]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Entry:
    """One image of a file, before its masks are decoded. Readers derive from it."""

    path: str  # of the annotation file
    file_name: str
    image_id: int
    width: int
    height: int

    @property
    def where(self) -> str:
        """How messages name the image."""
        return f"{self.path}: image {shown(self.file_name)} (id {self.image_id})"

    def draft(self) -> Draft:
        """Decodes the masks and finds the order."""
        raise NotImplementedError

    def image(self, images: Optional[str]) -> Optional[numpy.ndarray]:
        """The picture (H, W, 3) uint8 RGB, None where no file is found (see image_path)."""
        found = image_path(self.path, self.file_name, images)
        return None if found is None else load_image(found, self.width, self.height, found)


def load_json(path: str) -> Any:
    """The content of a JSON file; ReadError if it is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise ReadError(f"{path}: expected a readable file, found: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or a number of thousands of digits
        raise ReadError(f"{path}: expected JSON, found: {error}") from error


def image_path(path: str, file_name: str, images: Optional[str]) -> Optional[str]:
    """Where the image is: under `images`, else beside the annotation file or in its folder `images`.

    None where it is not there. A file name's own folders are tried first, then the name alone.
    """
    beside = os.path.dirname(path)
    folders = [images] if images is not None else [beside, os.path.join(beside, "images")]
    for folder in folders:
        for name in (file_name, os.path.basename(file_name.replace("\\", "/"))):
            candidate = os.path.join(folder, name)
            if os.path.isfile(candidate):
                return candidate
    return None


def load_image(source: Union[str, BinaryIO], width: int, height: int, name: str) -> numpy.ndarray:
    """The stored picture (height, width, 3) uint8 RGB, named `name`; EXIF orientation is not applied."""
    try:
        with Image.open(source) as image:
            size, pixels = image.size, numpy.array(image.convert("RGB"))
    except Exception as error:  # of a damaged file PIL lets through whatever it stumbles over
        raise ReadError(f"{name}: expected an image, found: {one_line(error)}") from error
    if size != (width, height):
        raise ReadError(f"{name}: expected {width} x {height} pixels as annotated, "
                        f"found {size[0]} x {size[1]}")
    return pixels


def image_size(path: str) -> Tuple[int, int]:
    """(width, height) of an image file."""
    try:
        with Image.open(path) as image:
            return image.size
    except Exception as error:  # as in load_image
        raise ReadError(f"{path}: expected an image, found: {one_line(error)}") from error


def numbered(names: Sequence[str]) -> List[int]:
    """Image ids for files without any: the digits that end each name's stem if all differ, else 1, 2, ..."""
    stems = [os.path.splitext(os.path.basename(name))[0] for name in names]
    digits = [re.search(r"(\d{1,18})$", stem) for stem in stems]
    if all(digits):
        ids = [int(match.group(1)) for match in digits]
        if len(set(ids)) == len(ids):
            return ids
    return list(range(1, len(stems) + 1))


def number(value: Any) -> Optional[float]:
    """A finite number, given as one or as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):  # no number, or a whole one of hundreds of digits
        return None
    return found if numpy.isfinite(found) else None


def note_numbers(name: str, values: Sequence[Any], regions: Sequence[int], draft: Draft,
                 least: Optional[int] = None) -> None:
    """A remark for each value that is given (not None or "") and no number; with `least`, no whole one from there
    on."""
    expected = "a number" if least is None else f"a whole number of at least {least}"
    for value, region in zip(values, regions):
        found = number(value)
        if value not in (None, "") and (found is None or least is not None and (found < least or found % 1 != 0)):
            draft.remarks.append(f"region {region}: {name}: expected {expected}, found {repr(value)[:60]}")


def read_mask(segmentation: Any, entry: Entry, draft: Draft, region: int, key: str
              ) -> Optional[numpy.ndarray]:
    """A mask (H, W) bool from polygons or RLE; None, and a fault in the draft, if it cannot be read.

    Polygons of under three corners hold no pixels; they are left out, with a remark. An empty list is
    an empty mask.
    """
    try:
        if isinstance(segmentation, (list, tuple)):
            segmentation, left_out = rle.with_corners(segmentation)
            if left_out:
                draft.remarks.append(f"region {region}: {key}: expected polygons of at least 3 corners, found "
                                     f"{left_out} of fewer (left out)")
            if not segmentation:
                return numpy.zeros((entry.height, entry.width), bool)
        mask = rle.from_segmentation(segmentation, entry.height, entry.width)
    except rle.RleError as error:
        draft.faults.append(f"region {region}: {key}: {error}")
        return None
    if isinstance(segmentation, list):
        _note_outside(segmentation, entry, draft, region, key)
    return mask


def seen_part(record: Dict[str, Any], visible_key: Optional[str], hidden_key: Optional[str], amodal: numpy.ndarray,
              entry: Entry, draft: Draft, region: int) -> Optional[numpy.ndarray]:
    """What is seen of an object (H, W) bool: its visible mask, else `amodal` without its hidden one.

    The keys are those under which the record has these masks, None without one. None, and a fault, if the mask
    to be taken cannot be read. What else is wrong with an "invisible_mask" only a check will see (Draft.later);
    other hidden keys name what covers the object, which may reach beyond it.
    """
    if not visible_key and not hidden_key:
        return None
    taken = visible_key or hidden_key
    mask = read_mask(record[taken], entry, draft, region, taken)
    if hidden_key == "invisible_mask" and (visible_key or mask is not None):
        visible, hidden = (mask, None) if visible_key else (None, mask)
        draft.later.append(lambda: hidden_findings(record, visible, hidden, amodal, entry, region))
    return mask if visible_key or mask is None else amodal & ~mask


def hidden_findings(record: Dict[str, Any], visible: Optional[numpy.ndarray], hidden: Optional[numpy.ndarray],
                    amodal: numpy.ndarray, entry: Entry, region: int) -> List[str]:
    """What is wrong with a record's "invisible_mask", (H, W) bool if it was read already.

    It is to complete the visible part to the object but for HIDDEN_TOLERANCE of the object's pixels, or a
    pixel along the parts' edges: polygons along the outermost pixels miss as much.
    """
    read = Draft()
    if hidden is None:
        hidden = read_mask(record["invisible_mask"], entry, read, region, "invisible_mask")
    findings = read.remarks + [f"{fault} (not used)" for fault in read.faults]
    if hidden is None:
        return findings
    edges = sum(numpy.count_nonzero(outline(part)) for part in (visible, hidden) if part is not None)
    tolerated = max(HIDDEN_TOLERANCE * numpy.count_nonzero(amodal), edges)
    outside = numpy.count_nonzero(hidden & ~amodal)
    if outside > tolerated:
        findings.append(f"region {region}: invisible_mask: expected a part of the amodal mask, found {outside} "
                        "pixels outside (cut off)")
    wrong = 0 if visible is None else numpy.count_nonzero(amodal & (visible == hidden))
    if wrong > tolerated:
        findings.append(f"region {region}: expected each pixel of the amodal mask in one of visible_mask and "
                        f"invisible_mask, found {wrong} in both or none (visible_mask taken)")
    return findings


def _note_outside(polygons: List[Any], entry: Entry, draft: Draft, region: int, key: str) -> None:
    farthest = 0.0
    for polygon in polygons:
        corners = numpy.asarray(polygon, numpy.float64)
        for values, side in ((corners[0::2], entry.width), (corners[1::2], entry.height)):
            farthest = max(farthest, -values.min(), values.max() - side)
    if farthest > OUTSIDE_TOLERANCE:
        draft.remarks.append(f"region {region}: {key}: expected corners inside of {entry.width} x "
                             f"{entry.height}, found one {farthest:.1f} pixels outside")


def add_object(draft: Draft, region: int, item: SceneObject) -> bool:
    """Appends an object, its `visible` cut to `amodal`; False, with a remark, for an empty one."""
    if item.visible is not None:
        outside = int(numpy.count_nonzero(item.visible & ~item.amodal))
        if outside:
            draft.remarks.append(f"region {region}: expected a visible mask inside of the amodal one, "
                                 f"found {outside} pixels outside (cut off)")
            item.visible = item.visible & item.amodal
    if not item.amodal.any():
        draft.remarks.append(f"region {region}: expected an amodal mask inside of the image, found an empty "
                             "one (left out)")
        return False
    draft.objects.append(item)
    draft.regions.append(region)
    return True


def front_by_rank(ranks: Sequence[Optional[float]]) -> numpy.ndarray:
    """(n, n) bool: lower ranks in front of higher ones; equal or missing ones say nothing."""
    values = numpy.array([numpy.nan if rank is None else rank for rank in ranks], numpy.float64)
    return values[:, None] < values[None, :]


def front_by_masks(objects: Sequence[SceneObject]) -> numpy.ndarray:
    """(n, n) bool: who is seen where both objects are is in front.

    Counts, for each pair, the pixels where one is visible and the other hidden, and takes the
    majority; equal counts, and objects without a visible mask, say nothing.
    """
    count = len(objects)
    covers = numpy.zeros((count, count), numpy.int64)
    boxes = [box_of(item.amodal) for item in objects]
    for i in range(count):
        for j in range(count):
            window = overlap_window(boxes[i], boxes[j])
            if i == j or window is None or objects[i].visible is None or objects[j].visible is None:
                continue
            hidden = objects[j].amodal[window] & ~objects[j].visible[window]
            covers[i, j] = numpy.count_nonzero(objects[i].visible[window] & hidden)
    return covers > covers.T


def fill(front: numpy.ndarray, further: numpy.ndarray) -> numpy.ndarray:
    """`front`, and what `further` says of the pairs on which it says nothing."""
    return front | (further & ~(front | front.T))


Box = Tuple[int, int, int, int]  # top, bottom, left, right; pixels, ends exclusive


def box_of(mask: numpy.ndarray) -> Box:
    """The box of a mask that is not empty."""
    rows, columns = numpy.flatnonzero(mask.any(axis=1)), numpy.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def overlap_window(a: Box, b: Box) -> Optional[Tuple[slice, slice]]:
    """The rows and columns that two boxes share, None if none."""
    top, bottom, left, right = max(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), min(a[3], b[3])
    return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None


def overlaps(masks: Sequence[numpy.ndarray]) -> numpy.ndarray:
    """(n, n) int64: pixels that each two of the masks share; none of them may be empty."""
    boxes = [box_of(mask) for mask in masks]
    shared = numpy.zeros((len(masks), len(masks)), numpy.int64)
    for i in range(len(masks)):
        for j in range(i):
            window = overlap_window(boxes[i], boxes[j])
            if window is not None:
                shared[i, j] = shared[j, i] = numpy.count_nonzero(masks[i][window] & masks[j][window])
    return shared


def are_sides(width: Any, height: Any) -> bool:
    """Whether these are sides in pixels that an image may have."""
    return all(type(side) is int and 1 <= side <= rle.LONGEST_SIDE for side in (width, height)) and \
        width * height <= MOST_PIXELS


def image_records(path: str, document: Dict[str, Any]) -> Dict[Any, Dict[str, Any]]:
    """The entries of `images` by id, each with a file name; ReadError for what is no such list."""
    records = document.get("images")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ReadError(f"{path}: expected a list of images under \"images\", found {type(records).__name__}")
    by_id: Dict[Any, Dict[str, Any]] = {}
    for place, record in enumerate(records):
        if not isinstance(record.get("id"), int) or not isinstance(record.get("file_name"), str):
            raise ReadError(f"{path}: images[{place}]: expected a whole \"id\" and a \"file_name\", found "
                            f"{record.get('id')!r} and {record.get('file_name')!r}")
        if record["id"] in by_id:
            raise ReadError(f"{path}: images[{place}]: expected ids that differ, found {record['id']} again")
        by_id[record["id"]] = record
    return by_id


def size_of_record(path: str, record: Dict[str, Any], images: Optional[str], masks: Sequence[Any]
                   ) -> Tuple[int, int]:
    """(width, height) as annotated, else of the first RLE among `masks`, else of the image file."""
    width, height = record.get("width"), record.get("height")
    if are_sides(width, height):
        return width, height
    for mask in masks:
        size = mask.get("size") if isinstance(mask, dict) else None
        if isinstance(size, list) and len(size) == 2 and are_sides(*size):
            return size[1], size[0]
    found = image_path(path, record["file_name"], images)
    if found is None:
        raise ReadError(f"{path}: image {shown(record['file_name'])} (id {record['id']}): expected a width and a "
                        f"height, found {width!r} and {height!r}, and no image file")
    return image_size(found)
