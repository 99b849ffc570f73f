"""COCO run-length codes in their compressed text form, from their description alone.

Runs alternate between 0 and 1 down the columns, beginning with the zeros. From the fourth run on, the
difference to the run two before is written; each number in groups of five bits, lowest first, as
48 + bits + 32 where more follow; bit 4 of the last group is the sign.
"""

from typing import List

import numpy


def runs_of(mask: numpy.ndarray) -> List[int]:
    """mask (height, width) of 0 or 1 -> run lengths, column-major."""
    flat = numpy.asarray(mask, bool).reshape(mask.shape).flatten(order="F")
    edges = numpy.flatnonzero(numpy.diff(flat)) + 1
    bounds = numpy.concatenate(([0], edges, [flat.size]))
    runs = numpy.diff(bounds).tolist()
    return [0] + runs if flat.size and flat[0] else runs


def encode(mask: numpy.ndarray) -> str:
    runs, text = runs_of(mask), []
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            text.append(chr(48 + bits + (32 if more else 0)))
    return "".join(text)


def decode(text: str, height: int, width: int) -> numpy.ndarray:
    """Text -> bool (height, width). Runs that do not fill the mask exactly are an error."""
    runs, at = [], 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(text[at]) - 48
            at += 1
            value |= (bits & 31) << shift
            shift += 5
            more = bool(bits & 32)
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise ValueError(f"RLE: expected runs that fill {height} x {width} pixels, found sum {sum(runs)}")
    ones = numpy.arange(len(runs)) % 2 == 1
    return numpy.repeat(ones, runs).reshape((height, width), order="F")
