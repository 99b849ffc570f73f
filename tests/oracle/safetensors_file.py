"""Reads .safetensors files of float32 and float16 tensors with NumPy alone."""

import json
import struct
from typing import Dict, Tuple

import numpy

DTYPES = {"F32": "<f4", "F16": "<f2"}


def load(path: str) -> Tuple[Dict[str, numpy.ndarray], Dict[str, str]]:
    """Returns ({name: array}, metadata): float32 arrays, those stored as such read-only views of one buffer."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack_from("<Q", content, 0)
    header = json.loads(content[8:8 + length].decode("utf-8"))
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"{path}: {name}: expected dtype {' or '.join(DTYPES)}, found {entry['dtype']}")
        dtype = numpy.dtype(DTYPES[entry["dtype"]])
        begin, end = entry["data_offsets"]
        flat = numpy.frombuffer(content, dtype, (end - begin) // dtype.itemsize, 8 + length + begin)
        tensors[name] = flat.reshape(entry["shape"]).astype("<f4", copy=False)
    return tensors, metadata
