"""D2SA: COCO's list of annotations, each with its amodal mask and what is seen of it.

{"segmentation": amodal, "visible_mask", "invisible_mask", "occlude_rate", "occl_depth",
 "amodal_region": {"order", "isStuff", "name"}, "amodal_base": {"depth_constraint", "author"}}

Files that were prepared for other programs name the masks otherwise: `segm_visible`,
`i_segmentation`, `visible_segmentation` for the visible one, and instead of the hidden one
`bg_object_segmentation`, what covers the object (it may reach beyond the object).

The order is `depth_constraint`'s where it is given. Else the masks decide: who is seen where two
objects are is in front; where that is even, the lower `order` is.
"""

from typing import Any, Dict, List, Optional, Sequence

import numpy

from models.readers import common, instances
from models.readers.cocoa import front_of_constraint, note_contradictions
from models.readers.common import Draft, Entry
from models.readers.instances import Annotation, InstancesEntry, first_key
from models.scene import SceneObject

AMODAL_KEYS = ("amodal_mask", "segmentation")
VISIBLE_KEYS = ("visible_mask", "segm_visible", "i_segmentation", "visible_segmentation")
HIDDEN_KEYS = ("invisible_mask", "bg_object_segmentation")


def part(annotation: Annotation, name: str) -> Any:
    """A field of the annotation itself, else of its `amodal_region`, else of its `amodal_base`."""
    for place in (annotation, annotation.get("amodal_region"), annotation.get("amodal_base")):
        if isinstance(place, dict) and place.get(name) is not None:
            return place[name]
    return None


class D2saEntry(InstancesEntry):
    """One image."""

    def make_object(self, annotation: Annotation, region: int, draft: Draft) -> Optional[SceneObject]:
        """See InstancesEntry."""
        key = first_key(annotation, AMODAL_KEYS) or "segmentation"
        amodal = common.read_mask(annotation.get(key), self, draft, region, key)
        if amodal is None:
            return None
        seen_whole = common.number(annotation.get("occlude_rate")) == 0
        item = SceneObject(amodal=amodal, visible=amodal if seen_whole else None,
                           is_stuff=bool(part(annotation, "isStuff")))
        visible_key, hidden_key = first_key(annotation, VISIBLE_KEYS), first_key(annotation, HIDDEN_KEYS)
        if visible_key or hidden_key:
            item.visible = common.seen_part(annotation, visible_key, hidden_key, amodal, self, draft, region)
            return None if item.visible is None else item
        return item

    def set_order(self, draft: Draft, annotations: Sequence[Annotation]) -> None:
        """See InstancesEntry."""
        constraints = [part(annotation, "depth_constraint") for annotation in self.annotations]
        given = [part(annotation, "order") for annotation in annotations]
        common.note_numbers("order", given, draft.regions, draft, least=0)
        ranks = [common.number(value) for value in given]
        texts = {text for text in constraints if text and isinstance(text, str)}
        if len(texts) > 1:
            draft.remarks.append(f"depth_constraint: expected one text for the image, found {len(texts)} "
                                 "(not used)")
        if len(texts) == 1:
            front = front_of_constraint(texts.pop(), len(self.annotations), draft)
            kept = [region - 1 for region in draft.regions]
            draft.front, draft.order_rule = front[numpy.ix_(kept, kept)], "depth_constraint"
            note_contradictions(ranks, draft)
            return
        draft.front = common.fill(common.front_by_masks(draft.objects), common.front_by_rank(ranks))
        draft.order_rule = "visible masks, else order"


def entries(path: str, document: Dict[str, Any], images: Optional[str], log: List[str]) -> List[Entry]:
    """The annotated images of a D2SA file."""
    return instances.group(path, document, images, AMODAL_KEYS, D2saEntry, log)
