#!/usr/bin/env python3
"""Writes resize.json: what PyTorch's antialiased bilinear interpolate makes of small synthetic images.

Made with PyTorch 1.13 (Debian 12, python3-torch): python3 tests/golden/make_resize_golden.py
resize_test.cpp makes the same images by the same formula.
"""
import json
import math
import pathlib

import numpy
import torch

# width, height, side of the canvas
CASES = [(1, 1, 8), (7, 5, 16), (16, 16, 16), (33, 17, 16), (100, 37, 24), (640, 480, 24), (30, 2000, 32),
         (2, 300, 24), (4001, 3, 64), (20000, 10, 32), (10, 20000, 16), (4000, 3000, 16)]


def image(width, height):
    """(height, width, 3) uint8: noise, so that a weight on the wrong pixel shows."""
    x = numpy.arange(width, dtype=numpy.uint32)[None, :, None]
    y = numpy.arange(height, dtype=numpy.uint32)[:, None, None]
    c = numpy.arange(3, dtype=numpy.uint32)[None, None, :]
    h = x * numpy.uint32(2654435761) + y * numpy.uint32(2246822519) + c * numpy.uint32(3266489917)
    h ^= h >> numpy.uint32(15)
    h *= numpy.uint32(668265263)
    h ^= h >> numpy.uint32(13)
    return (h >> numpy.uint32(8)).astype(numpy.uint8)


def scaled_size(width, height, side):
    scale = side / max(width, height)
    return [max(1, math.floor(size * scale + 0.5)) for size in (width, height)]


def main():
    cases = []
    for width, height, side in CASES:
        w, h = scaled_size(width, height, side)
        planes = torch.from_numpy(image(width, height)).permute(2, 0, 1)[None].float()
        out = torch.nn.functional.interpolate(planes, size=(h, w), mode="bilinear", antialias=True, align_corners=False)
        values = out[0].permute(1, 2, 0).reshape(-1).tolist()  # (h, w, 3) grey levels
        cases.append({"width": width, "height": height, "side": side, "scaled_width": w, "scaled_height": h,
                      "values": [round(v, 4) for v in values]})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    path = pathlib.Path(__file__).with_name("resize.json")
    path.write_text("[\n" + lines + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
