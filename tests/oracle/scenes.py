"""What `sln run` wrote for one image, and its comparison with a decode in NumPy, in task units."""

import dataclasses
import json
import os
from typing import Dict, List, Tuple

import numpy

import decode_numpy
import rle
from compare import Report

MASK_LIMIT = 1e-4  # share of a mask's pixels that may differ between implementations
SCORE_LIMIT = 1e-4
BOX_LIMIT = 0.01  # image pixels, for images up to the canvas' size; scaled beyond
IOU_TOLERANCE = 1e-4  # of a mask IoU to the limit: some pixels of two masks may differ
ORDER_TOLERANCE = 2e-4  # two objects may change places if their scores are nearer than this, and their slack

FEW_PIXELS = 4
CLOSE = 1e-3  # what C, and two best planes, may differ by: pixels that are no nearer to a threshold must agree

# Of exceptions, for one image.
EXCEPTION_LIMITS = {
    "object swaps": 4,
    "score jumps": 0.1,  # share of the objects of which a cell within CLOSE of c joined or left the mean of C
    "close mask NMS": 2,
    "objects that follow": 8,  # in one list only, since the proposals differ
    # Share of the masks that differ by up to FEW_PIXELS, where these are more than MASK_LIMIT of a small mask.
    "few-pixel masks": 0.05,
    "pairs": 0.02,  # share of the pairs whose order or overlap differs, because of close pixels
}


@dataclasses.dataclass
class SceneObject:
    anchor: int
    score: float
    mean_confidence: float
    box: numpy.ndarray  # (4) x0 y0 x1 y1
    amodal: numpy.ndarray  # (h, w) bool
    visible: numpy.ndarray
    level_counts: List[int]


@dataclasses.dataclass
class Scene:
    frame: decode_numpy.Frame
    objects: List[SceneObject]
    pairs: Dict[Tuple[int, int], Tuple[int, int, int, int]]  # (i, j) -> order, overlap, regions, largest region
    dropped_empty: int
    dropped_by_nms: int


def _box(entry: dict) -> numpy.ndarray:
    x, y, w, h = entry["bbox"]
    return numpy.asarray([x, y, x + w, y + h])


def _mask(entry: dict) -> numpy.ndarray:
    return rle.decode(entry["counts"], *entry["size"])


def load(folder: str) -> Scene:
    """Reads the results.json and scenes.json of a run on one image."""
    with open(os.path.join(folder, "results.json"), encoding="utf-8") as file:
        results = json.load(file)
    with open(os.path.join(folder, "scenes.json"), encoding="utf-8") as file:
        scenes = json.load(file)
    (image,) = scenes["images"]
    options = scenes["options"]
    if len(results) != len(image["objects"]) or options["score_mode"] != "mask":
        raise ValueError(f"{folder}: results.json and scenes.json do not fit together")
    objects = []
    for result, entry in zip(results, image["objects"]):
        amodal, visible = _mask(result["segmentation"]), _mask(result["visible_segmentation"])
        areas = [int(amodal.sum()), int(visible.sum())]
        if areas != [entry["amodal_area"], entry["visible_area"]] or (visible & ~amodal).any():
            raise ValueError(f"{folder}: object {entry['id']}: areas do not fit the masks")
        objects.append(SceneObject(entry["anchor"], result["score"], entry["mean_confidence"], _box(result), amodal,
                                   visible, result["level_counts"]))
    pairs = {}
    for pair in image["pairs"]:
        i, j = sorted((pair["front"], pair["behind"]))
        order = (1 if pair["front"] == i else -1) if pair["decided"] else 0
        pairs[i, j] = (order, pair["overlap"], pair["regions"], pair["largest_region"])
    frame = decode_numpy.Frame(image["width"], image["height"], scenes["model"]["side"], options["mask_threshold"],
                               options["mask_nms"], options["visible_overlap"])
    return Scene(frame, objects, pairs, image["dropped_empty"], image["dropped_by_nms"])


def _planes(entry: decode_numpy.Object, frame: decode_numpy.Frame):
    """Amodal and visible mask, and the pixels of each that rounding may decide, on the image grid."""
    region, size = entry.image, (frame.width, frame.height)
    amodal = region.paste(region.amodal, *size)
    visible = region.paste(region.amodal & (region.level == 0), *size)
    close = region.paste(region.close, *size)
    close_visible = region.paste(region.close | (region.level_close & region.amodal), *size)
    return (amodal, close), (visible, close_visible)


def _level_counts(region: decode_numpy.Region, levels: int) -> Tuple[List[int], int]:
    """Amodal pixels per level, and how many pixels rounding may move."""
    counts = numpy.bincount(region.level[region.amodal], minlength=levels).tolist()
    return counts, int((region.close | (region.level_close & region.amodal)).sum())


def compare_exact(scene: Scene, decoded: decode_numpy.Decoded) -> Report:
    """The engine's results against a decode of the engine's own planes: equal but for close pixels."""
    report = Report()
    found, expected = [o.anchor for o in scene.objects], [o.anchor for o in decoded.objects]
    report.figures["objects"] = len(expected)
    if found != expected:
        report.failures.append(f"objects: expected anchors {expected}, found {found}")
        return report
    drops = (decoded.dropped_empty, decoded.dropped_by_nms)
    if (scene.dropped_empty, scene.dropped_by_nms) != drops:
        report.failures.append(f"dropped: expected {drops}, found {(scene.dropped_empty, scene.dropped_by_nms)}")
    pixels = close_used = 0
    for number, (a, b) in enumerate(zip(scene.objects, decoded.objects)):
        planes = _planes(b, scene.frame)
        for name, mask, (reference, close) in zip(("amodal", "visible"), (a.amodal, a.visible), planes):
            differs = mask != reference
            pixels += reference.size
            close_used += int((differs & close).sum())
            if (differs & ~close).any():
                report.failures.append(f"object {number}: {int((differs & ~close).sum())} {name} pixels differ")
        counts, close = _level_counts(b.image, len(a.level_counts))
        if numpy.abs(numpy.subtract(counts, a.level_counts)).max() > close:
            report.failures.append(f"object {number}: expected level counts {counts}, found {a.level_counts}")
    report.figures["mask pixels"] = pixels
    report.exception("close pixels", close_used, 1e-6 * pixels + 4)
    _compare_numbers(report, scene.objects, decoded.objects, scene.frame, 1e-6)
    _compare_pairs(report, scene, decoded, list(range(len(expected))), list(range(len(expected))), exact=True)
    return report


def _compare_numbers(report: Report, found: list, expected: list, frame: decode_numpy.Frame, limit: float) -> None:
    """Scores and boxes of matched objects."""
    scale = max(1.0, max(frame.width, frame.height) / frame.side)
    excess = {"object scores max": [0.0], "mean confidence max": [0.0], "object boxes max": [0.0]}
    jumps = 0
    for a, b in zip(found, expected):
        errors = abs(a.score - b.score), abs(a.mean_confidence - b.mean_confidence)
        jumped = b.slack > 0 and max(errors) > limit
        jumps += jumped
        for key, error in zip(excess, errors):
            excess[key].append(max(0.0, error - b.slack) if jumped else error)
        excess["object boxes max"].append(float(numpy.abs(a.box - b.box).max()))
    for key, values in excess.items():
        report.limit(key, max(values), BOX_LIMIT * scale if key == "object boxes max" else limit)
    report.exception("score jumps", jumps, max(1, EXCEPTION_LIMITS["score jumps"] * len(found)))


def _compare_pairs(report: Report, scene: Scene, decoded: decode_numpy.Decoded, rows_a: List[int], rows_b: List[int],
                   exact: bool) -> None:
    """rows: places of the common objects in the two lists."""
    places = {(min(p, q), max(p, q)): (rows_a[i], rows_a[j], p < q)
              for i, p in enumerate(rows_b) for j, q in enumerate(rows_b) if i < j}
    compared = different = undecided = 0
    for (p, q), (a, b, same_way) in places.items():
        mine, theirs = scene.pairs.get((min(a, b), max(a, b))), decoded.pairs.get((p, q))
        if mine is None and theirs is None:
            continue
        compared += 1
        # mine tells whether the lower place in the scene is in front; theirs whether p is.
        sign = 1 if (a < b) == same_way else -1
        if mine is not None and theirs is not None:
            undecided += theirs.order == 0
            apart = abs(mine[1] - theirs.overlap)
            if exact and apart <= theirs.close and (sign * mine[0], *mine[2:]) == (theirs.order, theirs.regions,
                                                                                  theirs.largest_region):
                continue
            if not exact and sign * mine[0] == theirs.order and apart <= max(2, 1e-3 * theirs.overlap):
                continue
        different += 1
        if theirs is None or theirs.close == 0:
            report.failures.append(f"pair {p}, {q}: expected {theirs}, found {mine}")
    report.figures["pairs compared"] = compared
    report.figures["pairs undecided"] = undecided
    report.exception("pairs", different, max(1, EXCEPTION_LIMITS["pairs"] * compared))


def _check_mask_nms(report: Report, scene: Scene, decoded: decode_numpy.Decoded) -> int:
    """The engine's objects as a keep list for the decoded masks. Returns how many decisions were close ones."""
    place = {entry.anchor: i for i, entry in enumerate(decoded.candidates)}
    kept = [place[o.anchor] for o in scene.objects if o.anchor in place]
    scores = [entry.score for entry in decoded.candidates]
    slack = [entry.slack for entry in decoded.candidates]
    limit, close = scene.frame.mask_nms, 0
    faults = []
    for i, candidate in enumerate(decoded.candidates):
        if candidate.image is not None and not candidate.image.amodal.any():
            continue  # kept by the NMS, then dropped: it has pixels on the canvas, but none of the image
        before = [k for k in kept if k != i and scores[k] + slack[k] >= scores[i] - slack[i] - ORDER_TOLERANCE]
        if i in kept:
            before = kept[:kept.index(i)]
        worst = float(decoded.iou[i, before].max()) if before else 0.0
        report.margins["mask IoU"] = min(report.margins.get("mask IoU", 1.0), abs(worst - limit))
        if (worst > limit) != (i in kept):
            continue
        close += abs(worst - limit) <= IOU_TOLERANCE
        if abs(worst - limit) > IOU_TOLERANCE:
            faults.append(f"mask NMS: anchor {candidate.anchor} "
                          f"{'kept' if i in kept else 'dropped'} at IoU {worst:.6f}")
    report.failures += faults[:5]
    return close


def _compare_masks(report: Report, scene: Scene, found: list, expected: list) -> None:
    worst = few = different = total = 0
    for a, b in zip(found, expected):
        for mask, (reference, close) in zip((a.amodal, a.visible), _planes(b, scene.frame)):
            if ((mask != reference) & ~close).any():
                report.failures.append(f"anchor {a.anchor}: mask pixels differ that are not close to a threshold")
            differs, area = int((mask != reference).sum()), int(reference.sum())
            different, total = different + differs, total + area
            if differs <= MASK_LIMIT * area:
                worst = max(worst, differs / max(1, area))
            elif differs <= FEW_PIXELS:
                few += 1
            else:
                report.failures.append(f"anchor {a.anchor}: {differs} of {area} mask pixels differ")
    report.limit("mask pixels differing", different / max(1, total), MASK_LIMIT)
    report.figures["mask worst share"] = worst
    masks = 2 * len(found)
    # One is always allowed: a share of few masks would allow none.
    report.exception("few-pixel masks", few, max(1, EXCEPTION_LIMITS["few-pixel masks"] * masks))


def compare_objects(scene: Scene, decoded: decode_numpy.Decoded, proposals_differ: int) -> Report:
    """The engine's results against a decode of another implementation's planes."""
    if scene.frame.visible_overlap < 1:
        raise ValueError(f"visible_overlap: expected 1, found {scene.frame.visible_overlap}: its close decisions are not "
                         f"tracked here")
    report = Report()
    found = {o.anchor: i for i, o in enumerate(scene.objects)}
    common = [(found[o.anchor], i) for i, o in enumerate(decoded.objects) if o.anchor in found]
    rows_a, rows_b = [a for a, _ in common], [b for _, b in common]
    alone = len(scene.objects) + len(decoded.objects) - 2 * len(common)
    report.figures["objects"], report.figures["objects matched"] = len(decoded.objects), len(common)
    faults = Report()
    close = _check_mask_nms(faults, scene, decoded)
    report.margins.update(faults.margins)
    if not proposals_differ:
        report.failures += faults.failures
        if alone and not close:
            report.failures.append(f"objects: {alone} are in one list only, though no decision was close")
    report.exception("close mask NMS", close, EXCEPTION_LIMITS["close mask NMS"])
    report.exception("objects that follow", alone, EXCEPTION_LIMITS["objects that follow"])
    swaps = 0
    for i in range(len(rows_a)):
        for j in range(i + 1, len(rows_a)):
            if rows_a[i] > rows_a[j]:
                swaps += 1
                first, second = decoded.objects[rows_b[i]], decoded.objects[rows_b[j]]
                apart = first.score - second.score
                if apart >= ORDER_TOLERANCE + first.slack + second.slack:
                    report.failures.append(f"objects {i} and {j}: another order, scores {apart:.3g} apart")
    report.exception("object swaps", swaps, EXCEPTION_LIMITS["object swaps"])
    matched = [scene.objects[i] for i in rows_a], [decoded.objects[i] for i in rows_b]
    _compare_numbers(report, *matched, scene.frame, SCORE_LIMIT)
    _compare_masks(report, scene, *matched)
    _compare_pairs(report, scene, decoded, rows_a, rows_b, exact=False)
    return report
