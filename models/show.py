"""Draws annotations as PNGs: python3 -m models.show FILE -o DIR

One PNG per image: the image, what is seen of each object, the whole objects, their hidden parts
(hatched), and their order (1 = front-most). With --pred, the engine's results.json, one PNG for each of
the --worst regions instead: those whose best detection overlaps them least, worst first.
"""

import argparse
import dataclasses
import os
import sys
from typing import Any, Dict, List, Optional, Set, Tuple

import numpy
from PIL import Image

from models import panels, rle
from models import scene as scenes
from models.data.write_cocoa import ranks, save_whole
from models.readers import ReadError, SceneList, options
from models.readers.common import box_of, load_json, number, overlap_window, shown
from models.scene import Scene, outline

MOST_DETECTIONS = 100  # per image, by score
MARGIN = 0.2  # around a region, as a fraction of the larger side of what is shown
TRUTH, FOUND = (255, 255, 255), (255, 210, 0)  # colours
Panels = List[Tuple[str, numpy.ndarray]]


def _panel_size(width: int, height: int, side: int) -> Tuple[int, int]:
    scale = side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _picture(scene: Scene) -> numpy.ndarray:
    if scene.image is not None:
        return scene.image
    return numpy.full((scene.height, scene.width, 3), 128, numpy.uint8)


def scene_panels(scene: Scene, side: int) -> Panels:
    """The five panels of a scene, the longer side of each `side` pixels."""
    width, height = _panel_size(scene.width, scene.height, side)
    image = panels.resized(_picture(scene), width, height)
    order, colours = ranks(scene.front), panels.colours(len(scene.objects))
    amodal, modal = image.copy(), panels.faded(image)
    hidden, numbers = modal.copy(), modal.copy()
    visible, covered = scenes.visible_masks(scene), scenes.hidden_masks(scene)
    back_to_front = sorted(range(len(order)), key=lambda index: -order[index])
    for index in back_to_front:
        colour = colours[order[index] - 1]
        whole = panels.resized_mask(scene.objects[index].amodal, width, height)
        seen = panels.resized_mask(visible[index], width, height)
        behind = panels.resized_mask(covered[index], width, height)
        panels.tint(modal, seen, colour, 0.6)
        panels.tint(modal, outline(seen, panels.OUTLINE), colour, 1.0)
        panels.tint(amodal, whole, colour, 0.3)
        panels.tint(amodal, outline(whole, panels.OUTLINE), colour, 1.0)
        panels.tint(hidden, behind, colour, 0.25)
        panels.tint(hidden, panels.hatching(behind) | outline(behind, panels.OUTLINE), colour, 1.0)
        panels.tint(numbers, seen, colour, 0.45)
        panels.tint(numbers, outline(whole, panels.OUTLINE), colour, 1.0)
    for index in back_to_front:
        seen = panels.resized_mask(visible[index], width, height)
        place = seen if seen.any() else panels.resized_mask(scene.objects[index].amodal, width, height)
        if place.any():
            panels.label(numbers, str(order[index]), *panels.centre_of(place), colours[order[index] - 1])
    parts = sum(bool(mask.any()) for mask in covered)
    return [("image" if scene.image is not None else "image (not found)", image), ("seen", modal),
            ("whole", amodal), (f"hidden parts: {parts} of {len(order)} objects", hidden),
            ("order, 1 = front-most", numbers)]


@dataclasses.dataclass
class Detection:
    """One entry of results.json."""

    score: float
    amodal: numpy.ndarray  # (H, W) bool
    visible: Optional[numpy.ndarray]  # (H, W) bool


@dataclasses.dataclass
class Match:
    """A region and its best detection."""

    iou: float
    scene: int  # number in the file
    region: int  # from 1
    detection: int  # number among the image's, by falling score; -1: none overlaps


class Results:
    """The entries of a results.json by image; masks are decoded when asked for."""

    def __init__(self, path: str):
        self.path = path
        content = load_json(path)
        if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
            raise ReadError(f"{path}: expected a list of results, found {type(content).__name__}")
        self._by_image: Dict[Any, List[Tuple[int, Dict[str, Any]]]] = {}
        for place, entry in enumerate(content):
            if not {"image_id", "segmentation", "score"} <= set(entry):
                raise ReadError(f"{path}: [{place}]: expected image_id, segmentation and a number as score, "
                                f"found {', '.join(sorted(entry)) or 'no key'}")
            image_id, score = entry["image_id"], entry["score"]
            if not isinstance(image_id, int):
                raise ReadError(f"{path}: [{place}]: image_id: expected a whole number, "
                                f"found {repr(image_id)[:60]}")
            if isinstance(score, str) or number(score) is None:
                raise ReadError(f"{path}: [{place}]: score: expected a number, found {repr(score)[:60]}")
            self._by_image.setdefault(image_id, []).append((place, entry))
        for entries in self._by_image.values():
            entries.sort(key=lambda numbered: -numbered[1]["score"])

    def of(self, scene: Scene) -> List[Detection]:
        """The image's detections of the highest scores."""
        found = []
        for place, entry in self._by_image.get(scene.image_id, [])[:MOST_DETECTIONS]:
            try:
                masks = [rle.from_segmentation(entry[key], scene.height, scene.width)
                         if key in entry else None for key in ("segmentation", "visible_segmentation")]
            except rle.RleError as error:
                raise ReadError(f"{self.path}: [{place}]: image {shown(scene.file_name)}: {error}") from error
            found.append(Detection(float(entry["score"]), masks[0], masks[1]))
        return found


def best_matches(scene: Scene, detections: List[Detection], number: int, regions: List[int]) -> List[Match]:
    """For each object the detection of the largest amodal IoU; the higher score where two are equal."""
    boxes = [box_of(item.amodal) if item.amodal.any() else None for item in detections]
    areas = [int(item.amodal.sum()) for item in detections]
    found = []
    for region, item in zip(regions, scene.objects):
        box, area, best = box_of(item.amodal), int(item.amodal.sum()), Match(0.0, number, region, -1)
        for index, detection in enumerate(detections):
            window = overlap_window(box, boxes[index]) if boxes[index] is not None else None
            if window is not None:
                shared = int(numpy.count_nonzero(item.amodal[window] & detection.amodal[window]))
                iou = shared / (area + areas[index] - shared)
                if iou > best.iou:
                    best = Match(iou, number, region, index)
        found.append(best)
    return found


def _shown_window(masks: List[numpy.ndarray]) -> Tuple[slice, slice]:
    """Rows and columns around the masks, with a margin."""
    top, bottom, left, right = box_of(numpy.logical_or.reduce(masks))
    margin = int(MARGIN * max(bottom - top, right - left)) + 4
    height, width = masks[0].shape
    return (slice(max(0, top - margin), min(height, bottom + margin)),
            slice(max(0, left - margin), min(width, right + margin)))


def match_panels(scene: Scene, index: int, detection: Optional[Detection], side: int) -> Panels:
    """A region beside its best detection: image, truth, found, and the outlines of both."""
    item, hidden = scene.objects[index], scenes.hidden_masks(scene)[index]
    window = _shown_window([item.amodal] if detection is None else [item.amodal, detection.amodal])
    cut = _picture(scene)[window]
    width, height = _panel_size(cut.shape[1], cut.shape[0], side)
    image = panels.resized(cut, width, height)
    truth, both = image.copy(), panels.faded(image)
    whole, behind = (panels.resized_mask(mask[window], width, height) for mask in (item.amodal, hidden))
    panels.tint(truth, panels.hatching(behind), TRUTH, 0.7)
    for picture in (truth, both):
        panels.tint(picture, outline(whole, panels.OUTLINE), TRUTH, 1.0)
    shown = [("image", image), ("annotated, hidden part hatched", truth)]
    if detection is not None:
        found = image.copy()
        seen = detection.visible if detection.visible is not None else detection.amodal
        whole, behind = (panels.resized_mask(mask[window], width, height)
                         for mask in (detection.amodal, detection.amodal & ~seen))
        panels.tint(found, panels.hatching(behind), FOUND, 0.7)
        for picture in (found, both):
            panels.tint(picture, outline(whole, panels.OUTLINE), FOUND, 1.0)
        shown.append((f"found, score {detection.score:.3f}", found))
    else:
        shown.append(("found: nothing", panels.faded(image)))
    return shown + [("both: annotated white, found yellow", both)]


def _save(sheet: Image.Image, where: str, folder: str, name: str) -> bool:
    """Whether the picture of image `where` could be given its name; a line on standard error if not."""
    def write(path: str) -> None:
        save_whole(path, lambda part: sheet.save(part, "PNG"))
    return options.saved(where, os.path.join(folder, name), write)


def _flat(file_name: str) -> str:
    """The part of a picture's name that tells the image; what a file's name should not hold is "_"."""
    stem = os.path.splitext(file_name.replace("\\", "/").lstrip("/").replace("/", "__"))[0]
    return "".join(character if character.isprintable() else "_" for character in stem) if stem.strip(".") else "image"


def _names(found: SceneList) -> List[str]:
    """A name for each image's picture, numbered from 2 on where an earlier one has it: a.jpg, a.png -> a, a_2."""
    taken: Set[str] = set()
    names: List[str] = []
    for entry in found.entries:
        name = stem = _flat(entry.file_name)
        count = 1
        while name in taken:
            count += 1
            name = f"{stem}_{count}"
        taken.add(name)
        names.append(name)
    return names


def show_scenes(found: SceneList, settings: argparse.Namespace) -> int:
    """Writes a PNG per image; returns how many could not be read or have too long a name, each with its line on
    standard error."""
    written = 0
    limited = found if settings.limit is None else found[:settings.limit]
    names = _names(limited)
    for index, scene in options.readable(limited, with_image=True):
        title = f"{shown(scene.file_name)} (id {scene.image_id}), {len(scene.objects)} objects"
        sheet = panels.grid(scene_panels(scene, settings.side), 3, title)
        written += _save(sheet, limited.entries[index].where, settings.output, f"{names[index]}.show.png")
    print(f"{settings.output}: {written} of {len(limited)} images")
    return len(limited) - written


def show_worst(found: SceneList, settings: argparse.Namespace) -> int:
    """Writes a PNG for each of the worst regions, and a line; returns how many images could not be read or have too
    long a name."""
    results, failed = Results(settings.pred), set(range(len(found)))
    matches: List[Match] = []
    bare = 0
    for number, scene in options.readable(found, with_image=False):
        detections = results.of(scene)
        matches += best_matches(scene, detections, number, found.entries[number].draft().regions)
        bare += not detections
        failed.discard(number)
    if bare:
        options.remark(f"{settings.pred}: no detection in {bare} of {len(found)} images, whose regions come first, "
                       "with IoU 0")
    matches.sort(key=lambda match: match.iou)
    written = 0
    for place, match in enumerate(matches[:settings.worst], start=1):
        scene, regions = found.scene(match.scene), found.entries[match.scene].draft().regions
        index = regions.index(match.region)
        detection = results.of(scene)[match.detection] if match.detection >= 0 else None
        name = scene.objects[index].name
        title = (f"{place}. {shown(scene.file_name)} (id {scene.image_id}), region {match.region}"
                 f"{f' {name!r}' if name else ''}: best IoU {match.iou:.3f}")
        file_name = f"{place:03d}_{match.iou:.3f}_{_flat(scene.file_name)}_region{match.region}.png"
        sheet = panels.grid(match_panels(scene, index, detection, settings.side), 4, title)
        if _save(sheet, found.entries[match.scene].where, settings.output, file_name):
            print(title)
            written += 1
        else:
            failed.add(match.scene)
    mean = sum(match.iou for match in matches) / len(matches) if matches else 0.0
    print(f"{settings.output}: {written} of {len(matches)} regions, "
          f"mean best IoU {mean:.4f}")
    return len(failed)


def parse_arguments(arguments: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m models.show", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE", nargs="?", help="annotations; also as --gt")
    parser.add_argument("--gt", metavar="FILE", help="annotations")
    parser.add_argument("--pred", metavar="results.json", help="the engine's results: show the worst regions")
    parser.add_argument("--worst", type=int, default=20, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for the PNGs")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N images")
    parser.add_argument("--side", type=int, default=480, metavar="S",
                        help="longer side of a panel in pixels (default: %(default)s)")
    options.add_to(parser, "where the images are (default: beside FILE, or in its folder images)")
    settings = parser.parse_args(arguments)
    if (settings.file is None) == (settings.gt is None):
        parser.error("expected one annotation file, as FILE or --gt")
    for name, least in (("worst", 1), ("side", 32), ("limit", 1)):
        value = getattr(settings, name)
        if value is not None and value < least:
            parser.error(f"--{name}: expected at least {least}, found {value}")
    return settings


def main(arguments: Optional[List[str]] = None) -> int:
    settings = parse_arguments(arguments)
    try:
        found = options.open_scenes(settings.gt or settings.file, settings)
        os.makedirs(settings.output, exist_ok=True)
        failed = show_worst(found, settings) if settings.pred else show_scenes(found, settings)
    except ReadError as error:
        options.complain(error)
        return options.FAILED
    except OSError as error:
        options.complain(f"{settings.output}: expected to write there, found: {error.strerror or error}")
        return options.FAILED
    return options.DONE if not failed else options.FAILED if failed == len(found) else options.SOME_FAILED


if __name__ == "__main__":
    sys.exit(main())
