"""COCOA's own schema: one annotation per image and annotator, with regions from front to back.

{"images": [{"id", "file_name", "width", "height"}],
 "annotations": [{"image_id", "author", "depth_constraint": "1-2,1-3", "regions": [{"segmentation",
   "order", "isStuff", "name", "visible_mask", "invisible_mask", "occlude_rate"}]}]}

`segmentation` is one flat polygon, a list of polygons, or an RLE. `visible_mask` and `invisible_mask`
are only there where something is hidden. `depth_constraint` counts regions from 1 and holds every
pair that meets ("1-2": region 1 is in front); where it is empty, the lower `order` is in front.
"""

import dataclasses
import re
from typing import Any, Dict, List, Optional

import numpy

from models.readers import common
from models.readers.common import Draft, Entry, ReadError
from models.scene import SceneObject


def front_of_constraint(text: Any, count: int, draft: Draft) -> Optional[numpy.ndarray]:
    """(count, count) bool from "f-b,..."; None if there are no pairs. Faults go into the draft."""
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        draft.faults.append(f"depth_constraint: expected a text, found {type(text).__name__}")
        return None
    front = numpy.zeros((count, count), bool)
    for pair in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})-(\d{1,9})\s*", pair)
        places = [int(match.group(1)), int(match.group(2))] if match else []
        if not places or min(places) < 1 or max(places) > count or places[0] == places[1]:
            draft.faults.append(f"depth_constraint: expected pairs of two regions 1 to {count}, "
                                f"found {pair!r}")
        else:
            front[places[0] - 1, places[1] - 1] = True
    for i, j in numpy.argwhere(front & front.T):
        if i < j:
            draft.remarks.append(f"depth_constraint: expected one order of regions {i + 1} and {j + 1}, "
                                 "found both (neither used)")
    return front & ~front.T


def note_duplicates(ranks: List[Optional[float]], regions: List[int], draft: Draft) -> None:
    """A remark for each region whose order number another one before it has."""
    first: Dict[float, int] = {}
    for rank, region in zip(ranks, regions):
        if rank is not None and first.setdefault(rank, region) != region:
            draft.remarks.append(f"region {region}: expected an order of its own, found {rank:g} as in "
                                 f"region {first[rank]} (neither in front)")


def note_contradictions(ranks: List[Optional[float]], draft: Draft) -> None:
    """A remark for each pair of the draft's `front` whose order numbers (one per object) say the opposite."""
    behind = common.front_by_rank(ranks).T
    for i, j in numpy.argwhere(draft.front & behind):
        a, b = draft.regions[i], draft.regions[j]
        draft.remarks.append(f"regions {a} and {b}: expected one order, found \"{a}-{b}\" in depth_constraint and the "
                             f"orders {ranks[i]:g} and {ranks[j]:g} (depth_constraint taken)")


@dataclasses.dataclass
class CocoaEntry(Entry):
    """One annotation, of one annotator."""

    annotation: Dict[str, Any] = dataclasses.field(default_factory=dict)

    def _object(self, region: Any, place: int, draft: Draft) -> Optional[SceneObject]:
        if not isinstance(region, dict):
            draft.faults.append(f"region {place}: expected an object, found {type(region).__name__}")
            return None
        amodal = common.read_mask(region.get("segmentation"), self, draft, place, "segmentation")
        if amodal is None:
            return None
        visible_key, hidden_key = (key if region.get(key) is not None else None
                                   for key in ("visible_mask", "invisible_mask"))
        visible = common.seen_part(region, visible_key, hidden_key, amodal, self, draft, place)
        item = SceneObject(amodal=amodal, visible=visible, name=str(region.get("name") or ""),
                           is_stuff=bool(region.get("isStuff", 0)))
        if isinstance(region.get("category_id"), int):
            item.category = region["category_id"]
        return item

    def draft(self) -> Draft:
        """See Entry."""
        draft, regions = Draft(), self.annotation["regions"]
        given: List[Any] = []
        for place, region in enumerate(regions, start=1):
            item = self._object(region, place, draft)
            if item is not None and common.add_object(draft, place, item):
                given.append(region.get("order"))
        ranks = [common.number(value) for value in given]
        common.note_numbers("order", given, draft.regions, draft, least=0)
        front = front_of_constraint(self.annotation.get("depth_constraint"), len(regions), draft)
        if front is not None:
            kept = [place - 1 for place in draft.regions]
            draft.front, draft.order_rule = front[numpy.ix_(kept, kept)], "depth_constraint"
            note_contradictions(ranks, draft)
        else:
            draft.front = common.front_by_rank(ranks)
            draft.order_rule = "order" if any(rank is not None for rank in ranks) else "none"
        note_duplicates(ranks, draft.regions, draft)
        return draft


def _chosen(path: str, annotations: List[Dict[str, Any]], author: Optional[str]) -> List[Dict[str, Any]]:
    """The annotations of `author`; for None, each image's first."""
    if author is None:
        first: Dict[Any, Dict[str, Any]] = {}
        for annotation in annotations:
            first.setdefault(annotation["image_id"], annotation)
        return list(first.values())
    chosen = [annotation for annotation in annotations if annotation.get("author") == author]
    if not chosen:
        authors = sorted({str(annotation.get("author")) for annotation in annotations})
        raise ReadError(f"{path}: expected an author out of {', '.join(authors)}, found {author!r}")
    return chosen


def entries(path: str, document: Dict[str, Any], images: Optional[str], author: Optional[str],
            log: List[str]) -> List[Entry]:
    """The images of a COCOA file, in the file's order of annotations."""
    records, annotations = common.image_records(path, document), document["annotations"]
    for place, annotation in enumerate(annotations):
        if not isinstance(annotation, dict) or not isinstance(annotation.get("regions"), list):
            raise ReadError(f"{path}: annotations[{place}]: expected a list of \"regions\", found none")
        if not isinstance(annotation.get("image_id"), int) or annotation["image_id"] not in records:
            raise ReadError(f"{path}: annotations[{place}]: expected the id of an image in the file, found "
                            f"{annotation.get('image_id')!r}")
    chosen = _chosen(path, annotations, author)
    if author is None and len(chosen) < len(annotations):
        log.append(f"{path}: {len(annotations) - len(chosen)} annotations by further authors of an image "
                   "are left out; --author names whose to take")
    result: List[Entry] = []
    for annotation in chosen:
        record = records[annotation["image_id"]]
        masks = [region.get("segmentation") for region in annotation["regions"] if isinstance(region, dict)]
        width, height = common.size_of_record(path, record, images, masks)
        result.append(CocoaEntry(path, record["file_name"], record["id"], width, height, annotation))
    return result
