"""The engine's canvas against PyTorch's interpolate(antialias=True), for images of several sizes.

python3 tests/oracle/preprocess.py --cli build/release/apps/sln --model X.safetensors [IMAGE...]

Without images, noise is drawn at sizes that shrink, enlarge, keep, and stretch to one pixel. Where
pycocotools is installed, the results of each run are also read with it.
"""

import argparse
import json
import os
import sys
import tempfile
from typing import List, Tuple

import numpy
import torch
from PIL import Image

import oracle
import rle
import safetensors_file
from decode_numpy import Frame

LIMIT = 5e-3  # grey levels
SIZES = ((64, 64), (640, 427), (427, 640), (1500, 1125), (1024, 768), (30, 2000), (2000, 30), (5, 3), (1, 1), (63, 65),
         (1, 400))


def expected_canvas(config: dict, pixels: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """pixels (h, w, 3) -> grey levels (3, S, S), 0 outside of the image's part; and that part's mask (S, S)."""
    frame = Frame(pixels.shape[1], pixels.shape[0], config["side"])
    w, h = frame.scaled
    image = torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(numpy.float64))
    scaled = torch.nn.functional.interpolate(image, size=(h, w), mode="bilinear", antialias=True, align_corners=False)
    grey = numpy.zeros((3, config["side"], config["side"]))
    grey[:, :h, :w] = scaled[0].numpy()
    inside = numpy.zeros((config["side"],) * 2, bool)
    inside[:h, :w] = True
    return grey, inside


def check_canvas(config: dict, canvas: numpy.ndarray, pixels: numpy.ndarray) -> Tuple[float, List[str]]:
    """Largest error in grey levels, and the faults."""
    grey, inside = expected_canvas(config, pixels)
    mean, std = (numpy.asarray(config[key])[:, None, None] for key in ("mean", "std"))
    error = float(numpy.abs(canvas.astype(numpy.float64) * std + mean - grey)[:, inside].max())
    faults = []
    if not error <= LIMIT:
        faults.append(f"expected at most {LIMIT} grey levels, found {error:.3g}")
    if numpy.any(canvas[:, ~inside]):
        faults.append("expected zeros beside the image, found other values")
    return error, faults


def check_coco(folder: str) -> List[str]:
    """The results as pycocotools reads them; its masks must be those of this project's own decoder."""
    from pycocotools import mask as coco_mask
    from pycocotools.coco import COCO

    with open(os.path.join(folder, "results.json"), encoding="utf-8") as file:
        results = json.load(file)
    if not results:
        return []
    size = results[0]["segmentation"]["size"]
    truth = COCO()
    truth.dataset = {"info": {}, "images": [{"id": results[0]["image_id"], "height": size[0], "width": size[1]}],
                     "categories": [{"id": 1, "name": "object"}], "annotations": []}
    truth.createIndex()
    loaded = truth.loadRes(os.path.join(folder, "results.json"))
    faults = []
    if len(loaded.anns) != len(results):
        faults.append(f"loadRes: expected {len(results)} results, found {len(loaded.anns)}")
    for number, entry in enumerate(results):
        for key in ("segmentation", "visible_segmentation"):
            theirs = coco_mask.decode(entry[key]).astype(bool)
            mine = rle.decode(entry[key]["counts"], *entry[key]["size"])
            text = coco_mask.encode(numpy.asfortranarray(mine.astype(numpy.uint8)))["counts"].decode("ascii")
            if (theirs != mine).any() or not text == rle.encode(mine) == entry[key]["counts"]:
                faults.append(f"result {number}: {key}: expected pycocotools' mask and text, found others")
    return faults


def has_pycocotools() -> bool:
    try:
        import pycocotools.mask  # noqa: F401
    except ImportError:
        return False
    return True


def draw_noise(width: int, height: int) -> numpy.ndarray:
    """Noise of all frequencies: smooth shapes, edges and single pixels."""
    random = numpy.random.RandomState([width, height])
    y, x = numpy.mgrid[0:height, 0:width]
    waves = 60 * numpy.sin(x / 9.0) * numpy.cos(y / 17.0) + 40 * ((x // 20 + y // 13) % 2)
    return numpy.clip(waves[..., None] + random.uniform(0, 256, (height, width, 3)) * 0.6 + 30, 0, 255).astype(numpy.uint8)


def check_image(cli: str, model: str, path: str, threads: int) -> Tuple[float, List[str]]:
    config = json.loads(safetensors_file.load(model)[1]["config"])
    with tempfile.TemporaryDirectory() as folder:
        canvas = oracle.run_engine(cli, model, path, folder, threads)["canvas"]
        with Image.open(path) as image:
            error, faults = check_canvas(config, canvas, numpy.asarray(image.convert("RGB")))
        if has_pycocotools():
            faults += check_coco(folder)
    return error, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", required=True, help="the sln program")
    parser.add_argument("--model", required=True, help="a weight blob")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="lossless, upright images (PNG)")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        images = options.images
        if not images:
            images = [os.path.join(folder, f"{w}x{h}.png") for w, h in SIZES]
            for path, size in zip(images, SIZES):
                Image.fromarray(draw_noise(*size)).save(path)
        for path in images:
            error, faults = check_image(options.cli, options.model, path, options.threads)
            print(f"{os.path.basename(path)}: {error:.2e} grey levels" + "".join(f"; FAIL: {f}" for f in faults))
            failed += bool(faults)
    print(f"RLE and results {'checked with' if has_pycocotools() else 'not checked: no'} pycocotools")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
