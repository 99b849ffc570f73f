"""KINS: COCO's list of annotations with an amodal and a visible mask, in one of two sets of keys.

2019: `segmentation` (amodal, polygons), `inmodal_seg` (visible, RLE), at times `layer_order`.
2020: `a_segm` and `i_segm` (polygons), `oco_id` (a cluster of objects that cover each other) and
`ico_id` (the place in the cluster, lower in front).

Two objects of one cluster are ordered by `ico_id`, all of an image by `layer_order`. On all other
pairs the masks decide: who is seen where two objects are is in front.
"""

from typing import Any, Dict, List, Optional, Sequence

import numpy

from models.readers import common, instances
from models.readers.common import Draft, Entry
from models.readers.instances import Annotation, InstancesEntry, first_key
from models.scene import SceneObject

AMODAL_KEYS = ("a_segm", "segmentation")
VISIBLE_KEYS = ("i_segm", "inmodal_seg")


def front_in_clusters(annotations: Sequence[Annotation]) -> numpy.ndarray:
    """(n, n) bool: in front by the place in the cluster; nothing is said across clusters."""
    front = common.front_by_rank([common.number(annotation.get("ico_id")) for annotation in annotations])
    clusters = [annotation.get("oco_id") for annotation in annotations]
    same = [[a is not None and a == b for b in clusters] for a in clusters]
    return front & numpy.array(same, bool).reshape(front.shape)


class KinsEntry(InstancesEntry):
    """One image."""

    def make_object(self, annotation: Annotation, region: int, draft: Draft) -> Optional[SceneObject]:
        """See InstancesEntry."""
        amodal_key = first_key(annotation, AMODAL_KEYS) or AMODAL_KEYS[0]
        amodal = common.read_mask(annotation.get(amodal_key), self, draft, region, amodal_key)
        visible_key = first_key(annotation, VISIBLE_KEYS)
        if amodal is None or visible_key is None:
            return None if amodal is None else SceneObject(amodal=amodal)
        visible = common.read_mask(annotation[visible_key], self, draft, region, visible_key)
        return None if visible is None else SceneObject(amodal=amodal, visible=visible)

    def set_order(self, draft: Draft, annotations: Sequence[Annotation]) -> None:
        """See InstancesEntry."""
        for name in ("ico_id", "layer_order"):
            common.note_numbers(name, [annotation.get(name) for annotation in annotations], draft.regions, draft)
        layers = [common.number(annotation.get("layer_order")) for annotation in annotations]
        front = common.fill(front_in_clusters(annotations), common.front_by_rank(layers))
        rules = [name for name in ("ico_id", "layer_order")
                 if any(annotation.get(name) is not None for annotation in annotations)]
        draft.front = common.fill(front, common.front_by_masks(draft.objects))
        draft.order_rule = ", else ".join(rules + ["visible masks"])


def entries(path: str, document: Dict[str, Any], images: Optional[str], log: List[str]) -> List[Entry]:
    """The annotated images of a KINS file."""
    return instances.group(path, document, images, AMODAL_KEYS + VISIBLE_KEYS, KinsEntry, log)
