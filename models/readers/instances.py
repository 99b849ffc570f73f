"""What COCO, D2SA and KINS have in common: one annotation per object, joined to its image by an id."""

import dataclasses
from typing import Any, Callable, Dict, List, Optional, Sequence

from models.readers import common
from models.readers.common import Draft, Entry, ReadError
from models.scene import SceneObject

Annotation = Dict[str, Any]


@dataclasses.dataclass
class InstancesEntry(Entry):
    """One image and its annotations. Readers derive from it."""

    annotations: Sequence[Annotation] = ()
    names: Dict[int, str] = dataclasses.field(default_factory=dict)  # of the categories

    def make_object(self, annotation: Annotation, region: int, draft: Draft) -> Optional[SceneObject]:
        """The object of one annotation, None if its masks cannot be read."""
        raise NotImplementedError

    def set_order(self, draft: Draft, annotations: Sequence[Annotation]) -> None:
        """Fills the draft's `front` and `order_rule`; annotations are those of its objects."""
        raise NotImplementedError

    def labelled(self, annotation: Annotation, item: SceneObject) -> SceneObject:
        """`item` with the annotation's category and its name."""
        category = annotation.get("category_id", 1)
        item.category = category if isinstance(category, int) else 1
        item.name = self.names.get(item.category, "")
        return item

    def draft(self) -> Draft:
        """See Entry."""
        draft = Draft()
        kept: List[Annotation] = []
        for region, annotation in enumerate(self.annotations, start=1):
            item = self.make_object(annotation, region, draft)
            if item is not None and common.add_object(draft, region, self.labelled(annotation, item)):
                kept.append(annotation)
        self.set_order(draft, kept)
        return draft


def first_key(annotation: Annotation, keys: Sequence[str]) -> Optional[str]:
    """The first of `keys` that the annotation has, None if it has none."""
    return next((key for key in keys if annotation.get(key) is not None), None)


def category_names(path: str, document: Dict[str, Any]) -> Dict[int, str]:
    """Names by id; none where the file lists no categories."""
    categories = document.get("categories") or []
    if not isinstance(categories, list) or not all(isinstance(entry, dict) for entry in categories):
        raise ReadError(f"{path}: expected a list of categories, found {type(categories).__name__}")
    return {category["id"]: str(category.get("name", "")) for category in categories
            if isinstance(category.get("id"), int)}


def group(path: str, document: Dict[str, Any], images: Optional[str], mask_keys: Sequence[str],
          make: Callable[..., InstancesEntry], log: List[str]) -> List[Entry]:
    """The images that have annotations, in the order of `images`; crowds and ignored ones are left out."""
    records = common.image_records(path, document)
    names = category_names(path, document)
    by_image: Dict[Any, List[Annotation]] = {}
    left_out = 0
    for place, annotation in enumerate(document["annotations"]):
        found = annotation.get("image_id") if isinstance(annotation, dict) else type(annotation).__name__
        if not isinstance(found, int) or found not in records:
            raise ReadError(f"{path}: annotations[{place}]: expected the id of an image in the file, "
                            f"found {found!r}")
        if annotation.get("iscrowd") or annotation.get("ignore"):
            left_out += 1
        else:
            by_image.setdefault(found, []).append(annotation)
    if left_out:
        log.append(f"{path}: {left_out} annotations marked as crowd or ignored are left out")
    if len(by_image) < len(records):
        log.append(f"{path}: {len(records) - len(by_image)} images without annotations are left out")
    result: List[Entry] = []
    for image_id, record in records.items():
        if image_id in by_image:
            annotations = by_image[image_id]
            masks = [annotation.get(key) for annotation in annotations for key in mask_keys]
            width, height = common.size_of_record(path, record, images, masks)
            result.append(make(path, record["file_name"], image_id, width, height, annotations, names))
    return result
