"""The engine's canvas against PyTorch's interpolate(antialias=True) and its definition, for several sizes.

python3 tests/oracle/preprocess.py --cli build/release/apps/sln --model X.safetensors [IMAGE...]

Without images, noise is drawn at sizes that shrink, enlarge, keep, and stretch to one pixel. Where
pycocotools is installed, the results of each run are also read with it.
"""

import argparse
import contextlib
import io
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
PYTORCH_LIMIT = 0.05  # grey levels; PyTorch is wrong where it is further than this off the definition
SIZES = ((64, 64), (640, 427), (427, 640), (1500, 1125), (1024, 768), (30, 2000), (2000, 30), (5, 3), (1, 1), (63, 65),
         (1, 400))


def axis_weights(size: int, scaled: int) -> numpy.ndarray:
    """(scaled, size) weights of the triangle filter, which widens when shrinking: the resize by its definition."""
    ratio = size / scaled
    support = max(ratio, 1.0)
    weights = numpy.zeros((scaled, size))
    for row in range(scaled):
        centre = ratio * (row + 0.5)
        begin, end = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), size)
        taps = numpy.maximum(0.0, 1.0 - numpy.abs(numpy.arange(begin, end) + 0.5 - centre) / support)
        weights[row, begin:end] = taps / taps.sum()
    return weights


def by_definition(pixels: numpy.ndarray, w: int, h: int) -> numpy.ndarray:
    """pixels (H, W, 3) -> (3, h, w) grey levels, in double."""
    planes = pixels.transpose(2, 0, 1).astype(numpy.float64)
    return axis_weights(pixels.shape[0], h) @ planes @ axis_weights(pixels.shape[1], w).T


def by_pytorch(pixels: numpy.ndarray, w: int, h: int) -> numpy.ndarray:
    planes = torch.from_numpy(numpy.ascontiguousarray(pixels.transpose(2, 0, 1)[None], numpy.float32))
    scaled = torch.nn.functional.interpolate(planes, size=(h, w), mode="bilinear", antialias=True, align_corners=False)
    return scaled[0].numpy()


def check_canvas(config: dict, canvas: numpy.ndarray, pixels: numpy.ndarray) -> Tuple[float, List[str], str]:
    """Largest error in grey levels, the faults, and a note.

    The reference is PyTorch in float, whose rounding of the filter's places alone is up to 0.01 grey
    levels off the definition. Some versions of PyTorch resize wrongly to a width of one pixel; there
    the definition is the reference, and the note tells.
    """
    w, h = Frame(pixels.shape[1], pixels.shape[0], config["side"]).scaled
    mean, std = (numpy.asarray(config[key])[:, None, None] for key in ("mean", "std"))
    grey = canvas[:, :h, :w].astype(numpy.float64) * std + mean
    definition, pytorch = by_definition(pixels, w, h), by_pytorch(pixels, w, h)
    off = float(numpy.abs(pytorch - definition).max())
    note = f"PyTorch {torch.__version__} itself is {off:.3g} off the definition" if off > PYTORCH_LIMIT else ""
    error = float(numpy.abs(grey - (definition if note else pytorch)).max())
    faults = []
    if not error <= LIMIT:
        faults.append(f"expected at most {LIMIT} grey levels, found {error:.3g}")
    if numpy.any(canvas[:, h:]) or numpy.any(canvas[:, :, w:]):
        faults.append("expected zeros beside the image, found other values")
    return error, faults, note


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
    with contextlib.redirect_stdout(io.StringIO()):  # it talks
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
    noise = 0.6 * random.uniform(0, 256, (height, width, 3)) + 30
    return numpy.clip(waves[..., None] + noise, 0, 255).astype(numpy.uint8)


def check_image(cli: str, model: str, path: str, threads: int) -> Tuple[float, List[str], str]:
    config = json.loads(safetensors_file.load(model)[1]["config"])
    with tempfile.TemporaryDirectory() as folder:
        canvas = oracle.run_engine(cli, model, path, folder, threads)["canvas"]
        with Image.open(path) as image:
            error, faults, note = check_canvas(config, canvas, numpy.asarray(image.convert("RGB")))
        if has_pycocotools():
            faults += check_coco(folder)
    return error, faults, note


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
            error, faults, note = check_image(options.cli, options.model, path, options.threads)
            remarks = ([note] if note else []) + [f"FAIL: {fault}" for fault in faults]
            print("; ".join([f"{os.path.basename(path)}: {error:.2e} grey levels"] + remarks))
            failed += bool(faults)
    print(f"RLE and results {'checked with' if has_pycocotools() else 'not checked: no'} pycocotools")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
