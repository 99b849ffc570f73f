"""Makes tests/evaluation/scenes/: annotations, results and the figures that the transcript finds for them.

    python3 tests/evaluation/make_fixtures.py

The scenes are small and full of what is easy to get wrong: tied scores, equal IoUs, rates on the
ends of bins, empty masks, images without detections, with more than 100, without regions, without
annotation, crowds, regions of several kinds in one image, gaps in the order, pairs that overlap by
a few pixels, parts that reach beyond the whole.
"""

import json
import pathlib
import sys
from typing import Any, Dict, List

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
SCENES = HERE / "scenes"
sys.path.insert(0, str(HERE))
import transcript  # noqa: E402

STRICT = ["-g", "annotations.json", "-r", "results.json"]
COCO = ["-g", "coco.json", "-r", "coco_results.json"]
CASES = [
    STRICT,
    STRICT + ["--mode", "sln-compat"],
    STRICT + ["--things"],
    STRICT + ["--stuff", "--mode", "sln-compat"],
    STRICT + ["--mask", "visible"],
    STRICT + ["--mask", "hidden"],
    STRICT + ["--max-detections", "1000"],
    STRICT + ["--author", "second"],
    STRICT + ["-r", "other.json", "--resamples", "60"],
    STRICT[:2] + ["-r", "plain.json"],
    ["-g", "annotations.json", "-r", "none.json"],
    ["-g", "nothing.json", "-r", "nothing_results.json"],
    COCO,
    COCO + ["--max-detections", "1000"],
    COCO + ["--things", "--mode", "sln-compat"],
]


def text_of_runs(runs: List[int]) -> str:
    text = ""
    for number, run in enumerate(runs):
        value = run - (runs[number - 2] if number > 2 else 0)
        while True:
            group, value = value & 31, value >> 5
            more = value != (-1 if group & 16 else 0)
            text += chr(48 + group + 32 * more)
            if not more:
                break
    return text


def encode(mask: np.ndarray) -> Dict[str, Any]:
    flat = np.concatenate([[False], mask.T.reshape(-1)])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()
    return {"size": list(mask.shape), "counts": text_of_runs(runs)}


class Maker:
    def __init__(self, seed: int) -> None:
        self.random = np.random.RandomState(seed)

    def polygon(self, width: int, height: int, size: float) -> List[float]:
        """A star around a centre, partly beyond the image now and then."""
        x, y = self.random.uniform(0, width), self.random.uniform(0, height)
        angles = np.sort(self.random.uniform(0, 2 * np.pi, self.random.randint(3, 9)))
        radius = self.random.uniform(.5, 1, len(angles)) * size
        points = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
        return [round(float(value), 2) for value in points.reshape(-1)]

    def shifted(self, mask: np.ndarray, by: int) -> np.ndarray:
        dx, dy = self.random.randint(-by, by + 1, 2) * (self.random.uniform() < .7)
        out = np.zeros_like(mask)
        h, w = mask.shape
        out[max(0, dy):h + min(0, dy), max(0, dx):w + min(0, dx)] = \
            mask[max(0, -dy):h + min(0, -dy), max(0, -dx):w + min(0, -dx)]
        return out

    def regions(self, width: int, height: int, count: int) -> List[Dict[str, Any]]:
        """Regions front to back, with their hidden parts."""
        covered = np.zeros((height, width), dtype=bool)
        regions: List[Dict[str, Any]] = []
        for number in range(count):
            xy = self.polygon(width, height, self.random.uniform(7, 18))
            mask = transcript.polygon_mask(xy, height, width)
            hidden = mask & covered
            rate = float(hidden.sum() / mask.sum()) if mask.any() else 0.
            region = {"segmentation": [xy, encode(mask), [xy]][number % 3], "isStuff": int(number % 3 == 1),
                      "order": number + 1 + (number > 2), "occlude_rate": rate, "area": int(mask.sum())}
            if hidden.any() and number % 4 != 3:  # some hidden parts have to be rebuilt
                region["invisible_mask"] = encode(hidden)
                region["visible_mask"] = encode(mask & ~hidden)
            regions.append(region)
            covered |= mask
        return regions

    def detection(self, image: Dict[str, Any], mask: np.ndarray, score: float) -> Dict[str, Any]:
        """An entry with three levels in patches."""
        h, w = mask.shape
        patch = self.random.randint(4, 9)
        picked = self.random.choice(3, (h // patch + 1, w // patch + 1), p=[.6, .25, .15])
        level = np.kron(picked, np.ones((patch, patch), dtype=int))[:h, :w]
        levels = [encode(mask & (level == number)) for number in range(3)]
        return {"image_id": image["id"], "category_id": 1, "score": score, "segmentation": encode(mask),
                "visible_segmentation": levels[0], "level_segmentations": levels}

    def detections(self, image: Dict[str, Any], regions: List[Dict[str, Any]], extra: int, by: int
                   ) -> List[Dict[str, Any]]:
        """Most regions shifted a little, some twice, and others anywhere; scores in steps: many are tied."""
        size = image["height"], image["width"]
        found = []
        for region in regions:
            mask = transcript.mask_of(region["segmentation"], *size)
            for _ in range(self.random.choice(4, p=[.1, .6, .2, .1])):
                found.append(self.detection(image, self.shifted(mask, by), self.random.randint(0, 10) / 8))
        for _ in range(extra):
            mask = transcript.polygon_mask(self.polygon(size[1], size[0], 8), *size)
            # Where there are more than 100, those beyond are not only noise.
            score = self.random.randint(0, 6) / 8 + (.25 if extra > 100 else -.25)
            found.append(self.detection(image, mask, score))
        return [found[i] for i in self.random.permutation(len(found))]


def special_regions(height: int, width: int) -> List[Dict[str, Any]]:
    """Equal masks, rates on the ends of bins, an empty mask, a touch of a few pixels, a crowd, parts beyond the whole."""
    def box(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        mask = np.zeros((height, width), dtype=bool)
        mask[y0:y1, x0:x1] = True
        return mask

    masks = [box(2, 2, 12, 12), box(2, 2, 12, 12), box(10, 9, 24, 20), box(0, 0, 0, 0), box(20, 2, 36, 14),
             box(30, 20, 44, 34)]
    rates = [0, 0.00001, 0.25, 0, 1, 0.3]
    regions = [{"segmentation": encode(mask), "occlude_rate": rate, "order": 2 * number + 1,
                "isStuff": number % 2}
               for number, (mask, rate) in enumerate(zip(masks, rates))]
    regions[5]["iscrowd"] = 1
    regions[4]["invisible_mask"] = regions[4]["segmentation"]
    regions[4]["visible_mask"] = encode(box(0, 0, 0, 0))
    # Only with both parts cut its rate is 0.4; else it is in no bin.
    regions.append({"segmentation": encode(box(2, 22, 12, 32)), "order": 15, "isStuff": 0,
                    "invisible_mask": encode(box(8, 20, 22, 36)), "visible_mask": encode(box(0, 22, 8, 36))})
    return regions


def special_detections(maker: Maker, image: Dict[str, Any], regions: List[Dict[str, Any]]
                       ) -> List[Dict[str, Any]]:
    """The regions' own masks, some more than once with one score, two halves of one region, an empty mask."""
    size = image["height"], image["width"]
    masks = [transcript.mask_of(region["segmentation"], *size) for region in regions]
    found = [maker.detection(image, masks[number], .5) for number in (0, 1, 0, 2, 3, 5)]
    crowd = masks[5].copy()
    crowd[:, :37] = False
    found += [maker.detection(image, crowd, .75), maker.detection(image, masks[5] & ~crowd, .75)]
    left, right = masks[4].copy(), masks[4].copy()
    left[:, 28:], right[:, :28] = False, False
    found += [maker.detection(image, left, .5), maker.detection(image, right, .5)]
    return found + [Maker(13).detection(image, masks[6], .625)]


def scenes() -> Dict[str, Any]:
    maker = Maker(7)
    sizes = [(44, 36), (31, 40), (48, 30), (20, 20), (37, 29), (44, 36), (26, 26), (50, 33),
             (33, 50), (12, 9)]
    ids = [905, 17, 3000000001, 4, 88, 61, 250, 33, 77, 5]
    images = [{"id": number, "width": w, "height": h, "file_name": f"{number}.jpg"}
              for number, (w, h) in zip(ids, sizes)]
    annotations, results, other = [], [], []
    for place, image in enumerate(images):
        if place == 9:  # no annotation, but results
            results.append(maker.detection(image, np.ones((image["height"], image["width"]), dtype=bool), .9))
            continue
        size = image["width"], image["height"]
        special = place == 0
        count = 0 if place == 3 else 4 + place
        regions = special_regions(size[1], size[0]) if special else maker.regions(*size, count)
        author = "second" if place in (4, 7) else "first"
        annotation = {"id": place + 1, "image_id": image["id"], "author": author,
                      "size": len(regions), "regions": regions, "depth_constraint": ""}
        if place in (5, 8):
            masks = [transcript.mask_of(region["segmentation"], *size[::-1]) for region in regions]
            pairs = [(i, j) for i in range(len(regions)) for j in range(i + 1, len(regions))
                     if (i + j) % 7 == 0 or (masks[i] & masks[j]).any()]
            annotation["depth_constraint"] = ",".join(f"{i + 1}-{j + 1}" for i, j in pairs + pairs[:1])
        annotations.append(annotation)
        if place == 1:  # no detections
            continue
        results += special_detections(maker, image, regions) if special else \
            maker.detections(image, regions, 130 if place == 2 else 3, 1)
        other += maker.detections(image, regions, 2, 1)
    # The entries of one image need not stand together.
    order = np.argsort([hash_of(number) for number in range(len(results))], kind="mergesort")
    return {"annotations.json": {"images": images, "annotations": annotations},
            "results.json": [results[i] for i in order], "other.json": other,
            "plain.json": [{key: entry[key] for key in ("image_id", "score", "segmentation")}
                           for entry in other],
            "none.json": [],
            "nothing.json": {"images": images[:2], "annotations": [
                {"id": 1, "image_id": 905, "regions": [], "depth_constraint": ""}]},
            "nothing_results.json": [entry for entry in results if entry["image_id"] == 905][:3]}


def hash_of(number: int) -> int:
    return number * 2654435761 % 1009


def coco_scenes(seed: int) -> Dict[str, Any]:
    """COCO's own schema, where its rules and these coincide: no bins, crowds included."""
    maker = Maker(seed)
    images, annotations, results = [], [], []
    for number in range(9):
        image = {"id": 100 - number, "width": 40 + number, "height": 33, "file_name": f"{number}.png"}
        images.append(image)
        regions = maker.regions(image["width"], image["height"], 0 if number == 4 else 3 + number % 4)
        for region in regions:
            mask = transcript.mask_of(region["segmentation"], 33, image["width"])
            crowd = len(annotations) % 6 == 5
            annotations.append({"id": len(annotations) + 1, "image_id": image["id"], "category_id": 1,
                                "segmentation": encode(mask), "area": int(mask.sum()), "bbox": [0, 0, 1, 1],
                                "iscrowd": int(crowd), "isStuff": len(annotations) % 2, "occlude_rate": 0})
        if number != 6:
            results += maker.detections(image, regions, 110 if number == 2 else 2, 2)
    for entry in results:
        del entry["level_segmentations"]
    return {"coco.json": {"images": images, "annotations": annotations,
                          "categories": [{"id": 1, "name": "object"}]}, "coco_results.json": results}


def polygons() -> List[Dict[str, Any]]:
    """Polygons of all kinds and their masks: whole numbers, halves, points twice, outside, very thin."""
    maker = Maker(11)
    cases = []
    for number in range(240):
        width, height = maker.random.randint(1, 40, 2).tolist()
        xy = maker.polygon(width, height, maker.random.choice([.4, 3, 10, 60]))
        if number % 4 == 1:
            xy = [float(round(value)) for value in xy]
        elif number % 4 == 2:
            xy = [round(value * 2) / 2 for value in xy]
        elif number % 4 == 3:
            xy = xy[:2] + xy + xy[-2:]
        mask = transcript.polygon_mask(xy, height, width)
        cases.append({"polygon": xy, "mask": encode(mask)})
    return cases


def flattened(value: Any, prefix: str = "") -> Dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {key: leaf for name, item in value.items()
            for key, leaf in flattened(item, f"{prefix}/{name}").items()}


def plain(value: Any) -> Any:
    """NumPy's numbers as Python's, which JSON writes with 17 digits where they are needed."""
    return value.item() if isinstance(value, np.generic) else value


def write(name: str, value: Any) -> None:
    """A line per item of a list, so that a change shows where it is."""
    def items(entries: List[Any]) -> str:
        return "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]"

    if isinstance(value, dict):
        text = "{" + ",\n".join(f"{json.dumps(key)}: {items(part)}" for key, part in value.items()) + "}"
    else:
        text = items(value)
    (SCENES / name).write_text(text + "\n", encoding="utf-8")


def golden() -> List[Dict[str, Any]]:
    cases = []
    for arguments in CASES:
        paths = [str(SCENES / word) if word.endswith(".json") else word for word in arguments]
        figures = {key: plain(value) for key, value in flattened(transcript.evaluate(paths)).items()}
        cases.append({"arguments": arguments, "figures": figures})
    return cases


def main() -> None:
    SCENES.mkdir(exist_ok=True)
    for name, value in {**scenes(), **coco_scenes(5), "polygons.json": polygons()}.items():
        write(name, value)
    write("golden.json", golden())


if __name__ == "__main__":
    main()
