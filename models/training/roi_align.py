"""RoIAlign as two matrix products per RoI.

The average over the samples of a cell, bilinear reading, and the zero outside of the map all factor
into a part along y and one along x. So a cell grid is R_y F R_x^T with (P, h) and (P, w) matrices, and
its gradient two products as well: on a CPU many times faster than sample by sample, forward and back.
"""

import torch

from models.network import SAMPLING_RATIO


def axis_matrix(low: torch.Tensor, high: torch.Tensor, cells: int, size: int) -> torch.Tensor:
    """(n, P, size): the weight of each map position for each cell along one axis.

    low, high (n): the box's ends in units of the map. Rows of samples below -1 or above `size` are 0.
    """
    steps = (torch.arange(cells * SAMPLING_RATIO, device=low.device, dtype=low.dtype) + 0.5) / SAMPLING_RATIO
    at = low[:, None] - 0.5 + steps * ((high - low) / cells)[:, None]
    inside = (at >= -1.0) & (at <= size)
    at = at.clamp(0.0, size - 1.0)
    # A hat of width 1 around each sample: 1 - distance, which are the two bilinear weights.
    positions = torch.arange(size, device=low.device, dtype=low.dtype)
    weights = (1.0 - (at[..., None] - positions).abs()).clamp(min=0.0) * inside[..., None]
    return weights.reshape(len(low), cells, SAMPLING_RATIO, size).mean(2)


def align(context: torch.Tensor, rois: torch.Tensor, cells: int) -> torch.Tensor:
    """context (b, c, h, w) at stride 4, rois (r, 5) image index and box in canvas pixels, grouped by
    image -> (r, c, P, P), as network.align (see there) up to rounding."""
    height, width = context.shape[2:]
    boxes = rois[:, 1:] * 0.25
    rows = axis_matrix(boxes[:, 1], boxes[:, 3], cells, height).to(context.dtype)
    columns = axis_matrix(boxes[:, 0], boxes[:, 2], cells, width).to(context.dtype)
    counts = torch.bincount(rois[:, 0].long(), minlength=len(context)).tolist()
    parts, start = [], 0
    # Unbound at once: the gradient of indexing one image would be a whole batch of zeros, each time.
    for image, count in zip(context.unbind(0), counts):
        own = slice(start, start + count)
        start += count
        # Channels stay innermost, as the maps of channels_last are stored: nothing is transposed.
        flat = image.permute(1, 2, 0).reshape(height, -1)
        tall = (rows[own].reshape(-1, height) @ flat).reshape(count, cells, width, -1)
        parts.append(columns[own][:, None] @ tall)  # (n, P, P, c)
    return torch.cat(parts).permute(0, 3, 1, 2)
