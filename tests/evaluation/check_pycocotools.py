"""The rules against pycocotools, where the two coincide: needs pycocotools, prints what was compared.

    python3 tests/evaluation/check_pycocotools.py [--polygons 10000] [--rasterise PROGRAM] [annotations.json]
        [--results results.json [--author NAME] --cli SLN]

Polygons and run lengths of the transcript (and of sln, if the program evaluation_rasterise is
named) against pycocotools.mask: random ones, those of the fixtures, and every polygon of the
annotation files given. Then the figures of the committed scenes in COCO's schema, crowds included,
against COCOeval; and with --results what sln eval says of them and of the first annotation file
(COCOA's schema). The exit status is 1 where anything differs.
"""

import argparse
import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Tuple

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = pathlib.Path(__file__).resolve().parent
SCENES = HERE / "scenes"
sys.path.insert(0, str(HERE))
import make_fixtures  # noqa: E402
import transcript  # noqa: E402

Case = Tuple[List[float], int, int]  # polygon, height, width


def random_polygons(count: int) -> List[Case]:
    maker = make_fixtures.Maker(2)
    cases = []
    for number in range(count):
        width, height = maker.random.randint(1, 120, 2).tolist()
        xy = maker.polygon(width, height, maker.random.choice([.3, 2, 20, 90]))
        if number % 3 == 1:
            xy = [float(round(value)) for value in xy]
        elif number % 3 == 2:
            xy = [value + maker.random.uniform(-1e-3, 1e-3) for value in xy]
        cases.append((xy, height, width))
    return cases


def polygons_of(segmentation: List[Any]) -> List[List[float]]:
    """COCOA has one polygon for itself, others a list of them."""
    return segmentation if isinstance(segmentation[0], list) else [segmentation]


def annotated_polygons(path: str) -> List[Case]:
    with open(path, encoding="utf-8") as file:
        root = json.load(file)
    sizes = {image["id"]: (image["height"], image["width"]) for image in root["images"]}
    cases = []
    for annotation in root["annotations"]:
        for region in annotation.get("regions", [annotation]):
            segmentation = region["segmentation"]
            if isinstance(segmentation, dict):
                continue
            cases += [(xy, *sizes[annotation["image_id"]]) for xy in polygons_of(segmentation)]
    return cases


def compare_polygons(name: str, cases: List[Case], program: str) -> int:
    expected = [coco_mask.frPyObjects([xy], h, w)[0]["counts"].decode() for xy, h, w in cases]
    wrong = 0
    if program:
        request = json.dumps([{"polygon": xy, "height": h, "width": w} for xy, h, w in cases])
        answer = subprocess.run([program], input=request, capture_output=True, check=True, encoding="utf-8")
        found = json.loads(answer.stdout)
        wrong += sum(a != b for a, b in zip(expected, found)) + abs(len(expected) - len(found))
    wrong += sum(make_fixtures.encode(transcript.polygon_mask(xy, height, width))["counts"] != counts
                 for (xy, height, width), counts in zip(cases, expected))
    print(f"{name}: {len(cases)} polygons, {wrong} differ from pycocotools")
    return wrong


def coco_figures(annotations: str, results: str, max_detections: int) -> Dict[str, float]:
    with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress
        dataset = COCO(annotations)
        evaluation = COCOeval(dataset, dataset.loadRes(results), "segm")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [limit for limit in transcript.LIMITS if limit <= max_detections]
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval["precision"][:, :, 0, 0, -1], evaluation.eval["recall"][:, 0, 0, :]
    figures = {"AP": precision.mean(), "AP50": precision[0].mean(), "AP75": precision[5].mean()}
    for number, limit in enumerate(evaluation.params.maxDets):
        figures[f"AR{limit}"] = recall[:, number].mean()
    return figures


def compare_figures(golden: List[Dict[str, Any]]) -> int:
    wrong = 0
    for case in golden:
        arguments = case["arguments"]
        if arguments[:2] != ["-g", "coco.json"] or "--things" in arguments:
            continue
        figures = coco_figures(str(SCENES / "coco.json"), str(SCENES / "coco_results.json"), 1000 if "1000" in arguments else 100)
        for key, value in figures.items():
            difference = abs(value - case["figures"]["/" + key])
            wrong += not difference <= 1e-12
            print(f"{' '.join(arguments)}: {key} {value:.12f}, difference {difference:.1e}")
    return wrong


def as_coco(path: str, author: str) -> Dict[str, Any]:
    """A COCOA file as COCO instances: the whole masks of all regions of one author (or of each image's first). Areas are not
    used."""
    root = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    sizes = {image["id"]: (image["height"], image["width"]) for image in root["images"]}
    chosen: Dict[int, List[Any]] = {}
    for annotation in root["annotations"]:
        if not author or annotation.get("author") == author:
            chosen.setdefault(annotation["image_id"], annotation["regions"])
    instances = []
    for image, regions in chosen.items():
        for segmentation in (region["segmentation"] for region in regions):
            if isinstance(segmentation, list):
                segmentation = coco_mask.merge(coco_mask.frPyObjects(polygons_of(segmentation), *sizes[image]))
                segmentation["counts"] = segmentation["counts"].decode()
            instances.append({"id": len(instances) + 1, "image_id": image, "category_id": 1, "iscrowd": 0, "area": 1,
                              "segmentation": segmentation})
    return {"images": [image for image in root["images"] if image["id"] in chosen], "annotations": instances,
            "categories": [{"id": 1, "name": "object"}]}


def compare_results(cli: str, annotations: str, results: str, author: str) -> int:
    """`sln eval` of a COCOA file against COCOeval of the same masks."""
    with tempfile.TemporaryDirectory() as folder:
        converted, report = pathlib.Path(folder, "coco.json"), pathlib.Path(folder, "report.json")
        instances = as_coco(annotations, author)
        converted.write_text(json.dumps(instances), encoding="utf-8")
        known = {image["id"] for image in instances["images"]}
        kept = pathlib.Path(folder, "results.json")
        found = json.loads(pathlib.Path(results).read_text(encoding="utf-8"))
        detections = [dict(one, category_id=1) for one in found if one["image_id"] in known]
        if not detections:
            raise SystemExit(f"{results}: expected detections in the annotated images, found none")
        kept.write_text(json.dumps(detections), encoding="utf-8")
        expected = coco_figures(str(converted), str(kept), 100)
        subprocess.run([cli, "eval", "-g", annotations, "-r", results, "--json", str(report)]
                       + (["--author", author] if author else []), check=True, stdout=subprocess.DEVNULL)
        figures = json.loads(report.read_text(encoding="utf-8"))
    wrong = 0
    for key, value in expected.items():
        wrong += not abs(figures[key] - value) <= 1e-12
        print(f"{results}: {key} {figures[key]:.6f}, COCOeval {value:.6f}, difference {abs(figures[key] - value):.1e}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--polygons", type=int, default=10000, help="random polygons")
    parser.add_argument("--rasterise", default="", help="the program evaluation_rasterise of the tests")
    parser.add_argument("annotations", nargs="*", help="files whose polygons are compared as well")
    parser.add_argument("--results", default="", help="results.json of the first of them, to be evaluated by both")
    parser.add_argument("--author", default="", help="whose annotations to take (default: each image's first)")
    parser.add_argument("--cli", default="", help="the program sln")
    options = parser.parse_args()
    if options.results and not (options.annotations and options.cli):
        parser.error("--results: expected an annotation file and --cli beside it")
    wrong = compare_polygons("random", random_polygons(options.polygons), options.rasterise)
    cases = json.loads((SCENES / "polygons.json").read_text(encoding="utf-8"))
    wrong += compare_polygons("fixtures", [(case["polygon"], *case["mask"]["size"]) for case in cases],
                              options.rasterise)
    for path in options.annotations:
        wrong += compare_polygons(path, annotated_polygons(path), options.rasterise)
    wrong += compare_figures(json.loads((SCENES / "golden.json").read_text(encoding="utf-8")))
    if options.results:
        wrong += compare_results(options.cli, options.annotations[0], options.results, options.author)
    print("everything agrees" if wrong == 0 else f"{wrong} differences")
    return 0 if wrong == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
