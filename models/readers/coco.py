"""COCO's instances: `segmentation` is the whole object; the order is `order`, else `z_order`, else
the list's own. Nothing else is known of what is visible, so that it follows from masks and order."""

import dataclasses
from typing import Any, Dict, List, Optional, Sequence

from models.readers import common, instances, ranked
from models.readers.cocoa import note_duplicates
from models.readers.common import Draft, Entry
from models.readers.instances import Annotation, InstancesEntry
from models.scene import SceneObject


@dataclasses.dataclass
class CocoEntry(InstancesEntry):
    """One image."""

    rule: str = ranked.LIST  # set for the file, so that one image without numbers is not ordered by its list

    def make_object(self, annotation: Annotation, region: int, draft: Draft) -> Optional[SceneObject]:
        """See InstancesEntry."""
        amodal = common.read_mask(annotation.get("segmentation"), self, draft, region, "segmentation")
        return None if amodal is None else SceneObject(amodal=amodal)

    def set_order(self, draft: Draft, annotations: Sequence[Annotation]) -> None:
        """See InstancesEntry."""
        ranks, draft.front = ranked.ranks_and_front(annotations, self.rule)
        draft.order_rule = self.rule
        ranked.note_bad(annotations, self.rule, draft)
        if self.rule == ranked.ORDER:  # equal z_orders are common, and wrong only where objects meet
            note_duplicates(ranks, draft.regions, draft)


def entries(path: str, document: Dict[str, Any], images: Optional[str], log: List[str]) -> List[Entry]:
    """The annotated images of a COCO file."""
    rule = ranked.rule_of([record for record in document["annotations"] if isinstance(record, dict)])
    log.append(f"{path}: depth order: {rule}")
    found = instances.group(path, document, images, ("segmentation",), CocoEntry, log)
    for entry in found:
        entry.rule = rule
    return found
