"""The rules of docs/evaluation.md once more, in NumPy on whole pixel masks: what `sln eval` is compared with.

Written from the rules alone; shares no code with the engine or with models/. Slow, and meant to be read.

    python3 tests/evaluation/transcript.py -g annotations.json -r results.json [-r other.json] [options]
"""

import argparse
import collections
import json
import sys
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

THRESHOLDS = np.linspace(.5, .95, 10)
RECALLS = np.arange(101) * 0.01
BINS = {"all": (0, 1), "none": (0, 0.00001), "partial": (0.00001, 0.25), "heavy": (0.25, 1)}
LIMITS = (1, 10, 100, 1000)


# ---- Masks ----

def mask_of_runs(runs: List[int], height: int, width: int) -> np.ndarray:
    assert sum(runs) == height * width
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T


def runs_of_text(text: str) -> List[int]:
    runs: List[int] = []
    groups: List[int] = []
    for character in text:
        code = ord(character) - 48
        groups.append(code & 31)
        if code & 32:
            continue
        value = sum(group << 5 * i for i, group in enumerate(groups))
        if groups[-1] & 16:
            value -= 1 << 5 * len(groups)
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        groups = []
    return runs


def polygon_mask(xy: List[float], height: int, width: int) -> np.ndarray:
    """COCO's rule: fifths of a pixel, edges walked along their major axis, columns changed where x steps."""
    corners = np.trunc(5 * np.asarray(xy, dtype=np.float64).reshape(-1, 2) + .5).astype(int)
    points: List[Tuple[int, int]] = []
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0)):
        along_x = abs(x1 - x0) >= abs(y1 - y0)
        flip = x0 > x1 if along_x else y0 > y1
        (xs, ys), (xe, ye) = ((x1, y1), (x0, y0)) if flip else ((x0, y0), (x1, y1))
        steps = np.arange((xe - xs if along_x else ye - ys) + 1)
        if len(steps) == 1:
            edge = [(xs, ys)]
        elif along_x:
            edge = list(zip(xs + steps, np.trunc(ys + (ye - ys) / (xe - xs) * steps + .5).astype(int)))
        else:
            edge = list(zip(np.trunc(xs + (xe - xs) / (ye - ys) * steps + .5).astype(int), ys + steps))
        points += edge[::-1] if flip else edge
    flips = np.zeros(height * width + 1, dtype=int)
    for (u0, v0), (u1, v1) in zip(points, points[1:]):
        column = (min(u0, u1) + .5) / 5 - .5 if u1 < u0 else (u1 - 1 + .5) / 5 - .5
        if u0 == u1 or column != np.floor(column) or not 0 <= column <= width - 1:
            continue
        row = np.ceil(np.clip((min(v0, v1) + .5) / 5 - .5, 0, height))
        flips[int(column) * height + int(row)] += 1
    return (np.cumsum(flips[:-1]) % 2 == 1).reshape(width, height).T


def mask_of(segmentation: Any, height: int, width: int) -> np.ndarray:
    if isinstance(segmentation, dict):
        assert segmentation["size"] == [height, width]
        counts = segmentation["counts"]
        return mask_of_runs(runs_of_text(counts) if isinstance(counts, str) else counts, height, width)
    polygons = segmentation if isinstance(segmentation[0], list) else [segmentation]
    return np.logical_or.reduce([polygon_mask(polygon, height, width) for polygon in polygons])


def iou(a: np.ndarray, b: np.ndarray) -> float:
    common = int((a & b).sum())
    return common / int((a | b).sum()) if common else 0.


# ---- Files ----

class Image:
    """One annotated image with its regions (dicts of masks and numbers) and ordered pairs (front, behind)."""

    def __init__(self, entry: Dict[str, Any]) -> None:
        self.id, self.height, self.width = entry["id"], entry["height"], entry["width"]
        self.annotated = False
        self.raw: List[Dict[str, Any]] = []
        self.constraint = ""
        self.regions: List[Dict[str, Any]] = []
        self.pairs: List[Tuple[int, int]] = []

    def finish(self) -> None:
        def mask(region: Dict[str, Any], key: str) -> Optional[np.ndarray]:
            return mask_of(region[key], self.height, self.width) if region.get(key) is not None else None

        for raw in self.raw:
            self.regions.append({"amodal": mask(raw, "segmentation"), "visible": mask(raw, "visible_mask"),
                                 "hidden": mask(raw, "invisible_mask"), "stuff": bool(raw.get("isStuff", 0)),
                                 "crowd": bool(raw.get("iscrowd", 0)), "rate": raw.get("occlude_rate")})
        if self.constraint:
            pairs = [tuple(int(n) - 1 for n in pair.split("-")) for pair in self.constraint.split(",")]
            self.pairs = list(dict.fromkeys(pairs))
        else:
            orders = [raw.get("order") for raw in self.raw]
            for i, one in enumerate(orders):
                for j in range(i + 1, len(orders)):
                    other = orders[j]
                    if one is None or other is None or one == other:
                        continue
                    if (self.regions[i]["amodal"] & self.regions[j]["amodal"]).any():
                        self.pairs.append((i, j) if one < other else (j, i))
        for number, region in enumerate(self.regions):
            self.complete(number, region)

    def complete(self, number: int, region: Dict[str, Any]) -> None:
        amodal = region["amodal"]
        if region["hidden"] is None:
            if region["visible"] is not None:
                region["hidden"] = amodal & ~region["visible"]
            else:
                region["hidden"] = np.zeros_like(amodal)
                for front, behind in self.pairs:
                    if behind == number and region["rate"] != 0:
                        region["hidden"] |= amodal & self.regions[front]["amodal"]
        region["hidden"] = region["hidden"] & amodal
        if region["visible"] is None:
            region["visible"] = amodal & ~region["hidden"]
        region["visible"] = region["visible"] & amodal
        if region["rate"] is None:
            region["rate"] = region["hidden"].sum() / amodal.sum() if amodal.any() else 0.


def read_images(path: str, author: str) -> Tuple[List[Image], List[int]]:
    """The images that count, by id, and the ids of the others."""
    with open(path, encoding="utf-8") as file:
        root = json.load(file)
    images = {entry["id"]: Image(entry) for entry in root["images"]}
    by_image = any("regions" in annotation for annotation in root["annotations"])
    for annotation in root["annotations"]:
        image = images[annotation["image_id"]]
        if author and annotation.get("author") != author:
            continue
        image.annotated = True
        if by_image:
            image.raw, image.constraint = annotation["regions"], annotation.get("depth_constraint") or ""
        else:
            image.raw.append(annotation)
    every = not by_image and not author
    counted = [images[key] for key in sorted(images) if images[key].annotated or every]
    for image in counted:
        image.finish()
    return counted, [key for key in images if images[key] not in counted]


def read_detections(path: str, images: List[Image]) -> Tuple[List[List[Dict[str, Any]]], bool, bool]:
    """Per image its detections by falling score, and whether there are level masks and visible masks."""
    with open(path, encoding="utf-8") as file:
        entries = json.load(file)
    place = {image.id: i for i, image in enumerate(images)}
    entries = [entry for entry in entries if entry["image_id"] in place]
    found: List[List[Dict[str, Any]]] = [[] for _ in images]
    for entry in sorted(entries, key=lambda entry: -entry["score"]):  # stable
        image = images[place[entry["image_id"]]]
        size = image.height, image.width
        detection = {"score": entry["score"], "amodal": mask_of(entry["segmentation"], *size)}
        detection["levels"] = [mask_of(level, *size) for level in entry.get("level_segmentations", [])]
        if "visible_segmentation" in entry:
            detection["visible"] = mask_of(entry["visible_segmentation"], *size)
        elif detection["levels"]:
            detection["visible"] = detection["levels"][0]
        if "visible" in detection:
            detection["hidden"] = detection["amodal"] & ~detection["visible"]
        found[place[entry["image_id"]]].append(detection)
    return (found, all("level_segmentations" in entry for entry in entries),
            all("level_segmentations" in entry or "visible_segmentation" in entry for entry in entries))


# ---- AP and AR ----

def in_subset(region: Dict[str, Any], subset: str) -> bool:
    return subset == "all" or region["stuff"] == (subset == "stuff")


def match_image(image: Image, detections: List[Dict[str, Any]], subset: str, low: float, high: float,
                kind: str) -> Tuple[int, np.ndarray, np.ndarray]:
    """Regions that count; for every threshold and detection whether it is matched, and whether ignored."""
    ignore = [not in_subset(region, subset) or region["crowd"] or not low <= region["rate"] <= high or
              (kind == "hidden" and not region["hidden"].any()) for region in image.regions]
    order = sorted(range(len(ignore)), key=lambda number: ignore[number])
    shape = len(THRESHOLDS), len(detections)
    matched, ignored = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    overlaps = [[(detection[kind] & region[kind]).sum() / max(1, detection[kind].sum())
                 if region["crowd"] else iou(detection[kind], region[kind])
                 for region in image.regions] for detection in detections]
    for row, threshold in enumerate(THRESHOLDS):
        taken = set()
        for column in range(len(detections)):
            best, chosen = min(threshold, 1 - 1e-10), -1
            for number in order:
                if number in taken and not image.regions[number]["crowd"]:
                    continue
                if chosen >= 0 and not ignore[chosen] and ignore[number]:
                    break
                if overlaps[column][number] < best:
                    continue
                best, chosen = overlaps[column][number], number
            if chosen >= 0:
                taken.add(chosen)
                matched[row, column], ignored[row, column] = True, ignore[chosen]
    return len(ignore) - sum(ignore), matched, ignored


class Bin:
    """Matches of all images that count, for one subset and bin."""

    def __init__(self, images: List[Image], found: List[List[Dict[str, Any]]], options: argparse.Namespace,
                 subset: str, low: float, high: float) -> None:
        self.positives, self.parts = [], []
        for image, detections in zip(images, found):
            skip = options.mode == "sln-compat" and not detections
            kept = detections[:options.max_detections]
            if options.mask == "hidden":
                kept = [detection for detection in kept if detection["hidden"].any()]
            positives, matched, ignored = match_image(image, kept, subset, low, high, options.mask)
            self.positives.append(0 if skip else positives)
            self.parts.append((np.array([detection["score"] for detection in kept]), matched, ignored))

    def accumulate(self, limit: int, weights: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Precision by threshold and recall, the last recall by threshold; -1 without a positive."""
        positives = int((weights * np.array(self.positives)).sum())
        if positives == 0:
            return np.full((len(THRESHOLDS), len(RECALLS)), -1.), np.full(len(THRESHOLDS), -1.)
        scores = np.concatenate([part[0][:limit] for part in self.parts])
        matched = np.concatenate([part[1][:, :limit] for part in self.parts], axis=1)
        ignored = np.concatenate([part[2][:, :limit] for part in self.parts], axis=1)
        times = np.concatenate([np.full(len(part[0][:limit]), weight)
                                for part, weight in zip(self.parts, weights)])
        order = np.argsort(-scores, kind="mergesort")
        matched, ignored = matched[:, order], ignored[:, order]
        times = times[order].astype(np.float64)
        precision, last = np.zeros((len(THRESHOLDS), len(RECALLS))), np.zeros(len(THRESHOLDS))
        for row in range(len(THRESHOLDS)):
            tp = np.cumsum(times * (matched[row] & ~ignored[row]))
            fp = np.cumsum(times * (~matched[row] & ~ignored[row]))
            recall = tp / positives
            curve = np.maximum.accumulate((tp / (tp + fp + 2.2e-16))[::-1])[::-1]
            places = np.searchsorted(recall, RECALLS, side="left")
            for number, at in enumerate(places):
                precision[row, number] = curve[at] if at < len(curve) else 0
            last[row] = recall[-1] if len(recall) else 0
        return precision, last

    def figures(self, options: argparse.Namespace, weights: np.ndarray) -> Dict[str, float]:
        precision = self.accumulate(options.max_detections, weights)[0]
        figures = {"AP": precision.mean(), "AP50": precision[0].mean(), "AP75": precision[5].mean()}
        for limit in LIMITS:
            if limit <= options.max_detections:
                figures[f"AR{limit}"] = self.accumulate(limit, weights)[1].mean()
        return figures


# ---- Depth order and completion ----

def components(mask: np.ndarray) -> List[Tuple[int, int]]:
    """(size, row-major place of the first pixel) of every 4-connected component."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask))}
    found = []
    while left:
        todo = [left.pop()]
        size, first = 0, mask.size
        while todo:
            y, x = todo.pop()
            size, first = size + 1, min(first, y * mask.shape[1] + x)
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if near in left:
                    left.remove(near)
                    todo.append(near)
        found.append((size, first))
    return found


def level_order(a: Dict[str, Any], b: Dict[str, Any]) -> int:
    both = a["amodal"] & b["amodal"]

    def level(detection: Dict[str, Any]) -> np.ndarray:
        return sum(number * mask.astype(int) for number, mask in enumerate(detection["levels"]))

    difference = np.where(both, level(b) - level(a), 0)
    regions = [(-size, first, sign) for sign in (1, -1) for size, first in components(difference * sign > 0)]
    return min(regions)[2] if regions else 0


def best_matches(image: Image, detections: List[Dict[str, Any]], least: float) -> List[Optional[int]]:
    matches: List[Optional[int]] = []
    for region in image.regions:
        overlaps = [iou(detection["amodal"], region["amodal"]) for detection in detections]
        best = int(np.argmax(overlaps)) if overlaps else None  # the first of equal ones
        matches.append(best if best is not None and overlaps[best] >= least else None)
    return matches


def order_counts(image: Image, detections: List[Dict[str, Any]], subset: str) -> Dict[str, Dict[str, int]]:
    counts = {name: dict.fromkeys(("pairs", "decided", "right", "paper"), 0)
              for name in ("all", "overlap_under_20", "overlap_from_20")}
    strict, loose = best_matches(image, detections, .5), best_matches(image, detections, 0)
    for front, behind in image.pairs:
        regions = image.regions[front], image.regions[behind]
        if any(region["crowd"] or not in_subset(region, subset) for region in regions):
            continue

        def decide(matches: List[Optional[int]]) -> int:
            a, b = matches[front], matches[behind]
            return 0 if a is None or b is None or a == b else level_order(detections[a], detections[b])

        order, paper = decide(strict), decide(loose)
        slight = (regions[0]["amodal"] & regions[1]["amodal"]).sum() < 20
        for name in ("all", "overlap_under_20" if slight else "overlap_from_20"):
            counts[name]["pairs"] += 1
            counts[name]["decided"] += order != 0
            counts[name]["right"] += order == 1
            counts[name]["paper"] += paper == 1
    return counts


def completion(image: Image, detections: List[Dict[str, Any]], subset: str, visible: bool
               ) -> Dict[str, List[float]]:
    values: Dict[str, List[float]] = {"best": [], "occluded": [], "hidden": []}
    for region in image.regions:
        if region["crowd"] or not in_subset(region, subset):
            continue
        overlaps = [iou(detection["amodal"], region["amodal"]) for detection in detections]
        best = max(overlaps, default=0.)
        values["best"].append(best)
        if region["rate"] > 0:
            values["occluded"].append(best)
            if visible and best >= .5 and region["hidden"].any():
                values["hidden"].append(iou(detections[int(np.argmax(overlaps))]["hidden"], region["hidden"]))
    return values


# ---- Reports ----

def ratio(part: float, whole: float) -> Optional[float]:
    return float(part / whole) if whole else None


class Evaluation:
    """One results file against the images."""

    def __init__(self, images: List[Image], path: str, options: argparse.Namespace) -> None:
        self.options = options
        found, self.levels, self.visible = read_detections(path, images)
        subsets = ("all", "things", "stuff") if options.subset == "all" else (options.subset,)
        self.bins = {subset: {name: Bin(images, found, options, subset, low, high)
                              for name, (low, high) in BINS.items()} for subset in subsets}
        first = [detections[:100] for detections in found]
        self.completions = [completion(image, detections, options.subset, self.visible)
                            for image, detections in zip(images, first)]
        self.orders = [order_counts(image, detections, options.subset)
                       for image, detections in zip(images, first)] if self.levels else []

    def order(self, name: str, weights: np.ndarray) -> Dict[str, int]:
        return {key: int(sum(weight * counts[name][key] for weight, counts in zip(weights, self.orders)))
                for key in ("pairs", "decided", "right", "paper")}

    def mean(self, name: str, weights: np.ndarray) -> Optional[float]:
        total = sum(weight * sum(values[name]) for weight, values in zip(weights, self.completions))
        count = sum(weight * len(values[name]) for weight, values in zip(weights, self.completions))
        return ratio(total, count)

    def figures(self, weights: np.ndarray) -> Dict[str, Optional[float]]:
        bins = self.bins[self.options.subset]
        figures: Dict[str, Optional[float]] = dict(bins["all"].figures(self.options, weights))
        for key, name in (("ARN", "none"), ("ARP", "partial"), ("ARH", "heavy")):
            figures[key] = bins[name].accumulate(100, weights)[1].mean()
        counts = self.order("all", weights) if self.levels else collections.Counter()
        figures["order_accuracy"] = ratio(counts["right"], counts["pairs"])
        figures["order_coverage"] = ratio(counts["decided"], counts["pairs"])
        figures["order_accuracy_decided"] = ratio(counts["right"], counts["decided"])
        figures["best_iou"] = self.mean("best", weights)
        figures["best_iou_occluded"] = self.mean("occluded", weights)
        figures["hidden_iou"] = self.mean("hidden", weights) if self.visible else None
        return figures

    def report(self) -> Dict[str, Any]:
        ones = np.ones(len(self.completions), dtype=int)
        report: Dict[str, Any] = self.figures(ones)
        report["subsets"] = {subset: {name: {"regions": sum(one.positives), **one.figures(self.options, ones)}
                                      for name, one in bins.items()} for subset, bins in self.bins.items()}
        report["order"] = None
        if self.levels:
            report["order"] = {}
            for name in ("all", "overlap_under_20", "overlap_from_20"):
                counts = self.order(name, ones)
                report["order"][name] = {
                    "pairs": counts["pairs"], "decided": counts["decided"], "right": counts["right"],
                    "accuracy": ratio(counts["right"], counts["pairs"]),
                    "coverage": ratio(counts["decided"], counts["pairs"]),
                    "accuracy_decided": ratio(counts["right"], counts["decided"]),
                    "accuracy_by_the_paper": ratio(counts["paper"], counts["pairs"])}
        return report


def splitmix64(count: int) -> List[int]:
    """The first outputs of SplitMix64 seeded with 0."""
    mask, outputs = (1 << 64) - 1, []
    for number in range(1, count + 1):
        z = number * 0x9E3779B97F4A7C15 & mask
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        outputs.append(z ^ z >> 31)
    return outputs


def intervals(one: Evaluation, other: Evaluation, images: int, resamples: int) -> Dict[str, Any]:
    def differences(weights: np.ndarray) -> Dict[str, Optional[float]]:
        a, b = one.figures(weights), other.figures(weights)
        return {key: None if a[key] is None or b[key] is None or a[key] < 0 or b[key] < 0 else b[key] - a[key]
                for key in a}

    draws = splitmix64(resamples * images)
    samples = []
    for number in range(resamples):
        chosen = [((z >> 32) * images) >> 32 for z in draws[number * images:(number + 1) * images]]
        samples.append(differences(np.bincount(chosen, minlength=images)))
    report: Dict[str, Any] = {}
    for key, difference in differences(np.ones(images, dtype=int)).items():
        values = [sample[key] for sample in samples if sample[key] is not None]
        if difference is None or not values:
            report[key] = None
            continue
        low, high = np.quantile(values, [.025, .975])
        report[key] = {"difference": difference, "low": low, "high": high, "shown": bool(low > 0 or high < 0)}
    return report


def parse(arguments: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-g", "--annotations", required=True)
    parser.add_argument("-r", "--results", action="append", required=True)
    parser.add_argument("--mode", choices=("strict", "sln-compat"), default="strict")
    parser.add_argument("--things", dest="subset", action="store_const", const="things", default="all")
    parser.add_argument("--stuff", dest="subset", action="store_const", const="stuff")
    parser.add_argument("--mask", choices=("amodal", "visible", "hidden"), default="amodal")
    parser.add_argument("--max-detections", type=int, choices=(100, 1000), default=100)
    parser.add_argument("--author", default="")
    parser.add_argument("--resamples", type=int, default=1000)
    return parser.parse_args(arguments)


def evaluate(arguments: List[str]) -> Dict[str, Any]:
    """The report of `sln eval` with these arguments, without files, hashes and flags."""
    options = parse(arguments)
    images, _ = read_images(options.annotations, options.author)
    files = [Evaluation(images, path, options) for path in options.results]
    report = files[0].report()
    if len(files) > 1:
        report["other"] = files[1].report()
        report["differences"] = {"resamples": options.resamples,
                                 **intervals(files[0], files[1], len(images), options.resamples)}
    return report


if __name__ == "__main__":
    json.dump(evaluate(sys.argv[1:]), sys.stdout, indent=1, default=float)
    print()
