"""labelme's JSON, one file per image: polygons, rectangles, circles and masks.

Shapes of one label with the same `group_id` are parts of one object. The order is `order`, else
`z_order` (in the shape, its attributes or its flags), else that of the shapes. Every shape is the
whole object. Other kinds of shapes (points, lines) are left out.
"""

import base64
import dataclasses
import io
import math
from typing import Any, Dict, List, Optional, Tuple

import numpy
from PIL import Image

from models.readers import common, ranked
from models.readers.cocoa import note_duplicates
from models.readers.common import Draft, Entry, ReadError
from models.scene import SceneObject

Shape = Dict[str, Any]
CIRCLE_CORNERS = 64
KINDS = ("polygon", "rectangle", "circle", "mask")


class ShapeError(ValueError):
    """A shape that cannot be drawn; the text goes on after "expected"."""


def _corners(shape: Shape) -> List[float]:
    """The outline [x, y, ...] of a polygon, rectangle (two corners) or circle (centre, point on it)."""
    points = [(float(x), float(y)) for x, y in shape["points"]]
    kind = shape.get("shape_type") or "polygon"
    if kind != "polygon":
        if kind == "circle" and len(points) == 2:
            (x, y), edge = points[0], points[1]
            radius = math.hypot(edge[0] - x, edge[1] - y)
            turns = [2.0 * math.pi * k / CIRCLE_CORNERS for k in range(CIRCLE_CORNERS)]
            points = [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]
        elif kind == "rectangle" and len(points) == 2:
            (x0, y0), (x1, y1) = points
            points = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        elif kind == "circle":
            raise ShapeError(f"2 points of a circle, found {len(points)}")
    return [value for point in points for value in point]


def _pasted_mask(shape: Shape, height: int, width: int) -> numpy.ndarray:
    """The mask of a shape of the kind "mask": a PNG in base64, placed at its first point."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"], validate=True))) as image:
            patch = numpy.array(image) > 0
    except Exception as error:  # no base64, or what PIL stumbles over
        raise ShapeError(f"a PNG in base64, found: {common.one_line(error)}") from error
    if patch.ndim != 2:
        raise ShapeError(f"a PNG of one channel, found {patch.ndim} dimensions")
    left, top = (int(value) for value in shape["points"][0])
    mask = numpy.zeros((height, width), bool)
    rows, columns = slice(max(top, 0), max(top + patch.shape[0], 0)), \
        slice(max(left, 0), max(left + patch.shape[1], 0))
    target = mask[rows, columns]
    target |= patch[max(-top, 0):, max(-left, 0):][:target.shape[0], :target.shape[1]]
    return mask


@dataclasses.dataclass
class LabelmeEntry(Entry):
    """One file."""

    shapes: List[Shape] = dataclasses.field(default_factory=list)
    data: Optional[str] = None  # the image itself, in base64
    rule: str = ranked.LIST

    def image(self, images: Optional[str]) -> Optional[numpy.ndarray]:
        """See Entry; the file's own copy of the image is taken where no image file is found."""
        found = super().image(images)
        if found is not None or not self.data:
            return found
        try:
            content = io.BytesIO(base64.b64decode(self.data, validate=True))
        except (ValueError, TypeError) as error:
            raise ReadError(f"{self.path}: imageData: expected base64, found: {error}") from error
        return common.load_image(content, self.width, self.height, f"{self.path}: imageData")

    def _mask(self, shape: Shape, region: int, draft: Draft) -> Optional[numpy.ndarray]:
        try:
            if shape.get("shape_type") == "mask":
                return _pasted_mask(shape, self.height, self.width)
            corners = _corners(shape)
        except ShapeError as error:
            draft.faults.append(f"region {region}: {shape.get('shape_type')}: expected {error}")
            return None
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            draft.faults.append(f"region {region}: expected \"points\" [[x, y], ...], found "
                                f"{str(shape.get('points'))[:60]!r}")
            return None
        return common.read_mask(corners, self, draft, region, "points")

    def draft(self) -> Draft:
        """See Entry."""
        draft = Draft()
        groups: Dict[Tuple[str, str], SceneObject] = {}
        parts: List[Tuple[int, Shape, SceneObject]] = []
        for region, shape in enumerate(self.shapes, start=1):
            if (shape.get("shape_type") or "polygon") not in KINDS:
                draft.remarks.append(f"region {region}: expected one of {', '.join(KINDS)}, found "
                                     f"{shape['shape_type']!r} (left out)")
                continue
            mask = self._mask(shape, region, draft)
            if mask is None:
                continue
            key = (str(shape.get("label")), str(shape.get("group_id")))
            if shape.get("group_id") is not None and key in groups:
                groups[key].amodal |= mask
                continue
            groups[key] = SceneObject(amodal=mask, name=key[0])
            parts.append((region, shape, groups[key]))
        kept = [shape for region, shape, item in parts if common.add_object(draft, region, item)]
        ranks, draft.front = ranked.ranks_and_front(kept, self.rule)
        draft.order_rule = self.rule
        ranked.note_bad(kept, self.rule, draft)
        if self.rule == ranked.ORDER:
            note_duplicates(ranks, draft.regions, draft)
        return draft


def _entry(path: str, document: Any, images: Optional[str]) -> LabelmeEntry:
    shapes = document.get("shapes") if isinstance(document, dict) else None
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
        raise ReadError(f"{path}: expected labelme's list of \"shapes\", found {type(shapes).__name__}")
    file_name = str(document.get("imagePath") or "")
    width, height = document.get("imageWidth"), document.get("imageHeight")
    if not common.are_sides(width, height):
        found = common.image_path(path, file_name, images) if file_name else None
        if found is None:
            raise ReadError(f"{path}: expected \"imageWidth\" and \"imageHeight\", found {width!r} and "
                            f"{height!r}, and no image file")
        width, height = common.image_size(found)
    return LabelmeEntry(path, file_name, 0, width, height, shapes, document.get("imageData"))


def entries(paths: List[str], documents: List[Any], images: Optional[str], log: List[str]) -> List[Entry]:
    """One entry per file; the order's rule is one for all files that are read together."""
    found = [_entry(path, document, images) for path, document in zip(paths, documents)]
    rule = ranked.rule_of([shape for entry in found for shape in entry.shapes])
    log.append(f"{paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}: depth order: {rule}")
    for entry, image_id in zip(found, common.numbered([entry.file_name or entry.path for entry in found])):
        entry.image_id, entry.rule = image_id, rule
        entry.file_name = entry.file_name or entry.path
    return list(found)
