"""Reads annotations of other projects' formats into scenes.

    scenes = readers.read("annotations.json", images="val2014")
    scenes[0].objects[0].amodal

Formats: cocoa, d2sa, kins, npz (layer-coded), labelme, coco; docs/annotations.md describes what is
read of each. A file's masks are decoded, and its images loaded, when a scene is asked for.
"""

import dataclasses
import logging
import os
from collections.abc import Sequence
from typing import Any, Dict, Iterator, List, Optional

from models import scene as scenes
from models.readers import coco, cocoa, common, d2sa, kins, labelme, layers
from models.readers.common import Draft, Entry, ReadError
from models.scene import Scene

__all__ = ["FORMATS", "Draft", "Entry", "ReadError", "SceneList", "detect", "read"]

FORMATS = ("cocoa", "d2sa", "kins", "npz", "labelme", "coco")
LOG = logging.getLogger(__name__)


@dataclasses.dataclass
class SceneList(Sequence):
    """The scenes of a file. Indexing gives a Scene, made anew each time; slices are SceneLists."""

    path: str
    format: str
    entries: List[Entry]
    images: Optional[str] = None  # folder of the images; None: looked for beside the file

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return dataclasses.replace(self, entries=self.entries[index])
        return self.scene(index)

    def __iter__(self) -> Iterator[Scene]:
        return (self.scene(index) for index in range(len(self.entries)))

    def scene(self, index: int, with_image: bool = True) -> Scene:
        """Scene `index`. ReadError for a fault in it, and for an image that cannot be found under `images`.

        Without a folder of images, a scene whose image is not found has none.
        """
        entry = self.entries[index]
        draft = entry.draft()
        if draft.faults:
            more = f" (and {len(draft.faults) - 1} more)" if len(draft.faults) > 1 else ""
            raise ReadError(f"{entry.where}: {draft.faults[0]}{more}")
        image = entry.image(self.images) if with_image else None
        if image is None and with_image and self.images is not None:
            raise ReadError(f"{entry.where}: expected the image under {self.images}, found none")
        result = Scene(image=image, file_name=entry.file_name, image_id=entry.image_id, width=entry.width,
                       height=entry.height, objects=draft.objects, front=draft.front)
        scenes.validate(result)
        return result


def _format_of_annotations(annotations: List[Any]) -> Optional[str]:
    keys = set()
    for annotation in annotations:
        if isinstance(annotation, dict):
            keys.update(annotation)
    if "regions" in keys:
        return "cocoa"
    if keys.intersection(kins.VISIBLE_KEYS + ("a_segm",)):
        return "kins"
    if keys.intersection(d2sa.VISIBLE_KEYS + d2sa.HIDDEN_KEYS + ("amodal_region", "amodal_mask")):
        return "d2sa"
    return "coco" if "segmentation" in keys else None


def detect(path: str, document: Any) -> str:
    """The format of a parsed JSON file, by the keys that only it has."""
    if isinstance(document, dict):
        if "shapes" in document:
            return "labelme"
        if isinstance(document.get("annotations"), list):
            found = _format_of_annotations(document["annotations"])
            if found is not None:
                return found
    what = f"keys {', '.join(sorted(map(str, document))) or '(none)'}" if isinstance(document, dict) else \
        f"a {type(document).__name__}"
    raise ReadError(f"{path}: expected annotations as {', '.join(FORMATS)} have them, found {what}")


def _files(path: str) -> List[str]:
    """The files to read: the path itself, or a folder's .npz files, or its .json files."""
    if not os.path.isdir(path):
        return [path]
    names = sorted(os.listdir(path))
    for suffix in (".npz", ".json"):
        found = [os.path.join(path, name) for name in names if name.lower().endswith(suffix)]
        if found:
            return found
    raise ReadError(f"{path}: expected a folder of .npz or .json files, found neither")


def _check_annotations(path: str, format: str, document: Any) -> Dict[str, Any]:
    if not isinstance(document, dict) or not isinstance(document.get("annotations"), list):
        raise ReadError(f"{path}: expected a list of \"annotations\" ({format}), found none")
    if not document["annotations"]:
        raise ReadError(f"{path}: expected annotations, found an empty list")
    return document


def read(path: str, format: str = "auto", images: Optional[str] = None, author: Optional[str] = None,
         published_decoder: bool = False) -> SceneList:
    """The scenes of an annotation file, or of a folder of layer-coded or labelme files.

    `images` is the folder of the images (default: beside the file, or in its folder `images`).
    `author` selects an annotator of a COCOA file (default: each image's first); no other format has any.
    `published_decoder` reads layer-coded files with the published decoder's faults; no other format has one.
    Raises ReadError, with one line that names the file, what was expected and what was found.
    """
    if format != "auto" and format not in FORMATS:
        raise ReadError(f"{path}: expected a format out of auto, {', '.join(FORMATS)}, found {format!r}")
    if images is not None and not os.path.isdir(images):
        raise ReadError(f"{images}: expected a folder of images, found none")
    paths, log = _files(path), []
    if format == "npz" or (format == "auto" and paths[0].lower().endswith(".npz")):
        format, entries = "npz", layers.entries(paths, images, published_decoder, log)
    else:
        documents = [common.load_json(name) for name in paths]
        found = [format]
        if format == "auto":
            found = [detect(name, document) for name, document in zip(paths, documents)]
        if len(set(found)) > 1 or (len(paths) > 1 and found[0] != "labelme"):
            raise ReadError(f"{path}: expected one annotation file, or a folder of labelme files, found "
                            f"{len(paths)} files ({', '.join(sorted(set(found)))})")
        format = found[0]
        if format == "labelme":
            entries = labelme.entries(paths, documents, images, log)
        else:
            document = _check_annotations(paths[0], format, documents[0])
            if format == "cocoa":
                entries = cocoa.entries(paths[0], document, images, author, log)
            else:
                reader = {"d2sa": d2sa, "kins": kins, "coco": coco}[format]
                entries = reader.entries(paths[0], document, images, log)
    if published_decoder and format != "npz":
        raise ReadError(f"{path}: expected npz, the only format with a published decoder, found {format}")
    if author is not None and format != "cocoa":
        raise ReadError(f"{path}: expected cocoa, the only format with authors, to take those of {author!r}, "
                        f"found {format}")
    for line in log:
        LOG.info(line)
    return SceneList(path=path, format=format, entries=entries, images=images)
