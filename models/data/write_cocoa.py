"""Writes scenes as a data set in COCOA's own schema: images, annotations.json, levels.npz, credits.json.

COCOA: one annotation per image, its regions with amodal masks, `order` from 1 = front-most, and
`depth_constraint` "f-b,..." (1-based places in `regions`, f in front of b) for the pairs that overlap.
levels.npz holds, under the image's id, what scene.level_maps gives: the same can be rebuilt from the
JSON, and is kept to check readers by. All files get their names when they are complete.
"""

import errno
import json
import os
import stat
import tempfile
import zipfile
from typing import Any, Dict, Iterable, List, Tuple

import numpy
from PIL import Image

from models import rle
from models import scene as scenes

ANNOTATIONS, LEVELS, CREDITS = "annotations.json", "levels.npz", "credits.json"
JPEG_QUALITY = 92


def overlapping_pairs(scene: scenes.Scene) -> List[Tuple[int, int]]:
    """Pairs (front, behind) of known order whose amodal masks share a pixel; by front, then behind."""
    flat = numpy.stack([item.amodal.ravel() for item in scene.objects]) if scene.objects else \
        numpy.zeros((0, 1), bool)
    return [(int(i), int(j)) for i, j in numpy.argwhere(scene.front) if (flat[i] & flat[j]).any()]


def ranks(front: numpy.ndarray) -> List[int]:
    """1-based `order` of n objects: whoever nobody is in front of comes first, then by place in the list.

    In a cycle of pairs no such order exists; the cycle's first object is then taken as its front.
    """
    count = len(front)
    left, order = list(range(count)), [0] * count
    for rank in range(1, count + 1):
        free = [i for i in left if not front[left, i].any()]
        chosen = (free or left)[0]
        left.remove(chosen)
        order[chosen] = rank
    return order


def annotation_of(scene: scenes.Scene, author: str = "synthetic") -> Dict[str, Any]:
    """A scene as an annotation of COCOA's schema, masks as compressed RLE, regions listed by `order`."""
    order = ranks(scene.front)
    listed = sorted(range(len(order)), key=order.__getitem__)
    place = {index: number + 1 for number, index in enumerate(listed)}
    visible, hidden = scenes.visible_masks(scene), scenes.hidden_masks(scene)
    regions = []
    for i in listed:
        item = scene.objects[i]
        area, covered = int(item.amodal.sum()), int(hidden[i].sum())
        region = {"segmentation": rle.encode(item.amodal), "name": item.name, "area": area,
                  "isStuff": int(item.is_stuff), "occlude_rate": covered / area if area else 0.0,
                  "order": order[i]}
        if covered:
            region["visible_mask"], region["invisible_mask"] = rle.encode(visible[i]), rle.encode(hidden[i])
        regions.append(region)
    pairs = sorted((place[i], place[j]) for i, j in overlapping_pairs(scene))
    return {"id": scene.image_id, "image_id": scene.image_id, "author": author, "size": len(regions),
            "depth_constraint": ",".join(f"{i}-{j}" for i, j in pairs), "regions": regions}


def save_whole(path: str, write) -> None:
    """Calls write(path in a folder tmp*.part beside the file) and moves the file when that has succeeded.

    Such a folder is all that a killed program leaves behind: no reader takes it for one of the files around it.
    A file that is there keeps its mode, a link stays one. OSError names `path`, and is raised too for what is
    there and is no file.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise FileExistsError(errno.EEXIST, "expected a file or none, found something else", path)
    folder, name = os.path.split(target)
    try:
        with tempfile.TemporaryDirectory(suffix=".part", dir=folder) as part:
            temporary = os.path.join(part, name)
            write(temporary)
            if os.path.exists(target):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            os.replace(temporary, target)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, path) from error


def _dump(content: Any):
    def write(path: str) -> None:
        with open(path, "w", encoding="ascii") as file:
            json.dump(content, file, separators=(",", ":"), sort_keys=True)
            file.write("\n")
    return write


def _append(archive: zipfile.ZipFile, name: str, array: numpy.ndarray) -> None:
    # One array at a time: all of a large set would not fit into memory.
    entry = zipfile.ZipInfo(name + ".npy")  # with a fixed date: the same scenes give the same bytes
    entry.compress_type = archive.compression
    with archive.open(entry, "w", force_zip64=True) as file:
        numpy.lib.format.write_array(file, numpy.ascontiguousarray(array), allow_pickle=False)


class Recorder:
    """A store that remembers which of its pictures were asked for."""

    def __init__(self, store: Any):
        self.cutouts, self.backgrounds = store.cutouts, store.backgrounds
        self._store = store
        self._used: Dict[Tuple[str, int], Any] = {}

    def pixels(self, index: int) -> numpy.ndarray:
        self._used["cutout", index] = self.cutouts[index]
        return self._store.pixels(index)

    def background(self, index: int) -> numpy.ndarray:
        self._used["background", index] = self.backgrounds[index]
        return self._store.background(index)

    def credits(self) -> List[Dict[str, Any]]:
        """Use, source and licence of each picture that was used, for a NOTICE."""
        return [{"use": use, "index": index, "source": info.source, "licence": info.licence}
                for (use, index), info in sorted(self._used.items(), key=lambda entry: entry[0])]


def write(folder: str, made: Iterable[scenes.Scene], extension: str = "png", credits=None) -> int:
    """Writes scenes (with images) into `folder`, made if need be; returns how many. May raise OSError.

    extension: "png" or "jpg". credits: called at the end, gives the list for credits.json; None: no file.
    """
    os.makedirs(folder, exist_ok=True)
    images: List[Dict[str, Any]] = []
    annotations: List[Dict[str, Any]] = []

    def write_all(path: str) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for scene in made:
                name = f"{scene.file_name}.{extension}"
                picture = Image.fromarray(scene.image)
                options = {"quality": JPEG_QUALITY} if extension == "jpg" else {}
                save_whole(os.path.join(folder, name), lambda part: picture.save(part, **options))
                images.append({"id": scene.image_id, "width": scene.width, "height": scene.height,
                               "file_name": name})
                annotations.append(annotation_of(scene))
                # In the order of the regions, as a reader of the JSON has them.
                listed = numpy.argsort(ranks(scene.front), kind="stable")
                _append(archive, str(scene.image_id), scenes.level_maps(scene)[listed])

    save_whole(os.path.join(folder, LEVELS), write_all)
    if credits is not None:
        save_whole(os.path.join(folder, CREDITS), _dump(credits()))
    save_whole(os.path.join(folder, ANNOTATIONS), _dump({"images": images, "annotations": annotations}))
    return len(images)
