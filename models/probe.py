"""The probe canvas: one input that every implementation can make for itself, bit for bit.

v(c, y, x) = (37*((x>>4) ^ (y>>4)) + 11*((x*x + 3*y*y) >> 6) + 53*c + 5*((x*y) % 31)) & 255

for channel c and pixel (x, y), with x and y first multiplied by f = max(1, 256 / S), so that a
small canvas has structure too; all in integers. The canvas is (float32(v) - mean[c]) / std[c],
with mean and std rounded to fp32 first, one fp32 subtraction and one fp32 division.
"""

import numpy
import torch

from models.config import Config


def probe_values(side: int) -> numpy.ndarray:
    """Returns v as int64 (3, S, S), values 0..255."""
    ramp = numpy.arange(side, dtype=numpy.int64) * max(1, 256 // side)
    c = numpy.arange(3, dtype=numpy.int64)[:, None, None]
    y, x = ramp[None, :, None], ramp[None, None, :]
    return (37 * ((x >> 4) ^ (y >> 4)) + 11 * ((x * x + 3 * y * y) >> 6) + 53 * c
            + 5 * ((x * y) % 31)) & 255


def probe_canvas(config: Config) -> torch.Tensor:
    """Returns the probe as a normalised canvas (1, 3, S, S) float32."""
    mean = numpy.asarray(config.mean, numpy.float32)[:, None, None]
    std = numpy.asarray(config.std, numpy.float32)[:, None, None]
    canvas = (probe_values(config.side).astype(numpy.float32) - mean) / std
    return torch.from_numpy(canvas[None])
