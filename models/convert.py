"""Converts annotations: python3 -m models.convert IN -o OUT --to cocoa|npz

IN is anything that models.readers reads. `cocoa` writes one JSON file in COCOA's schema, `npz` a folder
with one layer-coded file per image, named by the image's stem. Images are neither needed nor copied.
"""

import argparse
import json
import os
import sys
from typing import Any, Callable, Dict, List, Optional, Set

import numpy

from models import rle
from models import scene as scenes
from models.data.write_cocoa import annotation_of, ranks, save_whole
from models.readers import ReadError, SceneList, options
from models.readers.common import names_a_file, overlaps, shown
from models.readers.layers import MOST_OBJECTS
from models.scene import Scene


class ConvertError(ValueError):
    """A scene that the format cannot hold; the text names its image, what was expected and found."""


def _where(scene: Scene) -> str:
    return f"image {shown(scene.file_name)} (id {scene.image_id})"


def cocoa_annotation(scene: Scene) -> Dict[str, Any]:
    """A scene as an annotation of COCOA's schema that reads back as the same objects, levels and pairs.

    Regions are listed by `order`. Where objects meet but no pair is ordered, `order` is left out,
    since an empty depth_constraint would make readers order them by it.
    """
    annotation = annotation_of(scene)
    order = ranks(scene.front)
    listed = sorted(range(len(order)), key=order.__getitem__)
    derived = scenes.visible_masks(Scene(None, scene.file_name, scene.image_id, scene.width, scene.height, [
        scenes.SceneObject(item.amodal) for item in scene.objects], scene.front))
    for region, index in zip(annotation["regions"], listed):
        item = scene.objects[index]
        region["category_id"] = item.category
        # What is seen is written too where the order alone would hide it.
        if item.visible is not None and not numpy.array_equal(item.visible, derived[index]):
            region["visible_mask"] = rle.encode(item.visible)
    unordered = not annotation["depth_constraint"] and numpy.any(overlaps([i.amodal for i in scene.objects]))
    if unordered:
        for region in annotation["regions"]:
            del region["order"]
    return annotation


def layer_codes(scene: Scene) -> numpy.ndarray:
    """A scene as codes (H, W) uint64, objects numbered from front to back: see readers/layers.py."""
    if len(scene.objects) > MOST_OBJECTS:
        raise ConvertError(f"{_where(scene)}: expected at most {MOST_OBJECTS} objects, "
                           f"found {len(scene.objects)}")
    codes = numpy.zeros((scene.height, scene.width), numpy.uint64)
    visible, hidden = scenes.visible_masks(scene), scenes.hidden_masks(scene)
    for index, rank in enumerate(ranks(scene.front)):
        codes[visible[index]] |= numpy.uint64(1 << (rank - 1))
        codes[hidden[index]] |= numpy.uint64(1 << (MOST_OBJECTS + rank - 1))
    return codes


def _save_json(path: str, content: Any) -> None:
    def write(part: str) -> None:
        with open(part, "w", encoding="ascii") as file:
            json.dump(content, file, separators=(",", ":"), sort_keys=True)
            file.write("\n")
    save_whole(path, write)


def to_cocoa(found: SceneList, output: str) -> int:
    """Writes one file; returns how many images could not be written. A line on standard error for each."""
    images: List[Dict[str, Any]] = []
    annotations: List[Dict[str, Any]] = []
    known: Set[int] = set()
    for index, scene in options.readable(found, with_image=False):
        annotation = cocoa_annotation(scene)
        annotation["id"] = index + 1
        annotation["author"] = getattr(found.entries[index], "annotation", {}).get("author", found.format)
        if scene.image_id not in known:  # an author may have annotated an image twice
            known.add(scene.image_id)
            images.append({"id": scene.image_id, "width": scene.width, "height": scene.height,
                           "file_name": scene.file_name})
        annotations.append(annotation)
    if annotations:
        _save_json(output, {"images": images, "annotations": annotations})
        print(f"{output}: {len(annotations)} images, {sum(a['size'] for a in annotations)} regions")
    return len(found) - len(annotations)


def _stems(found: SceneList) -> List[Optional[str]]:
    """The name of each image's file, without .npz; None where the image has no name to make one of."""
    stems = [os.path.splitext(entry.file_name.replace("\\", "/").replace("/", "__"))[0]
             if names_a_file(entry.file_name) else None for entry in found.entries]
    seen: Dict[str, str] = {}
    for stem, entry in zip(stems, found.entries):
        if stem is None:
            continue
        if stem in seen:
            raise ConvertError(f"{entry.where}: expected file names that differ, found {shown(stem)}.npz "
                               f"for {shown(seen[stem])} too")
        seen[stem] = entry.file_name
    return stems


def _save_codes(path: str, codes: numpy.ndarray) -> None:
    def write(part: str) -> None:
        with open(part, "wb") as file:  # given a name, NumPy may add a suffix to it
            numpy.savez_compressed(file, layer=codes)
    save_whole(path, write)


def to_npz(found: SceneList, output: str) -> int:
    """Writes a folder; returns how many images could not be written. A line on standard error for each."""
    stems, written, objects = _stems(found), 0, 0
    os.makedirs(output, exist_ok=True)
    for index, scene in options.readable(found, with_image=False):
        stem = stems[index]
        if stem is None:
            options.complain(f"{found.entries[index].where}: expected a name that a file can have, found none")
            continue
        try:
            codes = layer_codes(scene)
        except ConvertError as error:
            options.complain(f"{found.path}: {error}")
            continue
        path, where = os.path.join(output, stem + ".npz"), found.entries[index].where
        if not options.saved(where, path, lambda name: _save_codes(name, codes)):
            continue
        written, objects = written + 1, objects + len(scene.objects)
    print(f"{output}: {written} images, {objects} objects")
    return len(found) - written


WRITERS: Dict[str, Callable[[SceneList, str], int]] = {"cocoa": to_cocoa, "npz": to_npz}


def parse_arguments(arguments: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m models.convert", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", metavar="IN",
                        help="an annotation file, or a folder of .npz or labelme files")
    parser.add_argument("-o", "--output", required=True, metavar="OUT",
                        help="a file (cocoa) or a folder (npz)")
    parser.add_argument("--to", required=True, choices=sorted(WRITERS))
    options.add_to(parser, "where the images are; only sizes that the annotations lack are read of them")
    return parser.parse_args(arguments)


def main(arguments: Optional[List[str]] = None) -> int:
    """0: all was written; 2: all but some images; 1: nothing."""
    settings = parse_arguments(arguments)
    try:
        found = options.open_scenes(settings.input, settings)
        failed = WRITERS[settings.to](found, settings.output)
    except (ReadError, ConvertError) as error:
        options.complain(error)
        return options.FAILED
    except OSError as error:
        options.complain(f"{settings.output}: expected to write there, found: {error.strerror or error}")
        return options.FAILED
    if failed:
        options.complain(f"{settings.input}: {failed} of {len(found)} images could not be converted")
    return options.DONE if not failed else options.FAILED if failed == len(found) else options.SOME_FAILED


if __name__ == "__main__":
    sys.exit(main())
