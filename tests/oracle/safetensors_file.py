"""Reads .safetensors files of float32 tensors with NumPy alone."""

import json
import struct
from typing import Dict, Tuple

import numpy


def load(path: str) -> Tuple[Dict[str, numpy.ndarray], Dict[str, str]]:
    """Returns ({name: array}, metadata). Arrays are read-only views of one buffer."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack_from("<Q", content, 0)
    header = json.loads(content[8:8 + length].decode("utf-8"))
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] != "F32":
            raise ValueError(f"{path}: {name}: expected dtype F32, found {entry['dtype']}")
        begin, end = entry["data_offsets"]
        flat = numpy.frombuffer(content, "<f4", (end - begin) // 4, 8 + length + begin)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata
