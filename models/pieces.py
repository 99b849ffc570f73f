"""The connected pieces of a mask, by its runs: a row of a picture has few, so Python can afford a union-find."""

from typing import List, NamedTuple

import numpy


class Runs(NamedTuple):
    """The runs of a mask in row-major order; arrays of one length."""

    row: numpy.ndarray  # int64
    begin: numpy.ndarray  # int64, first column
    end: numpy.ndarray  # int64, one beyond the last
    piece: numpy.ndarray  # int64, 0 .. in the order of their first pixels


def pieces(mask: numpy.ndarray, diagonal: bool = False) -> Runs:
    """The runs of a mask (H, W) bool and the piece that each belongs to; 4-connected, or 8- with `diagonal`."""
    padded = numpy.zeros((mask.shape[0], mask.shape[1] + 2), numpy.int8)
    padded[:, 1:-1] = mask
    rows, edges = numpy.nonzero(numpy.diff(padded, axis=1))
    rows, begins, ends = rows[::2], edges[::2], edges[1::2]
    parent: List[int] = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    # On one axis along which all rows follow one another, far apart: a run meets those of the row above that end
    # after its begin and begin before its end, or touch there.
    stride, reach = mask.shape[1] + 2, int(diagonal)
    starts, stops = rows * stride + begins, rows * stride + ends
    first = numpy.searchsorted(stops, starts - stride - reach, side="right")
    last = numpy.searchsorted(starts, stops - stride + reach, side="left")
    for run in range(len(rows)):
        for above in range(first[run], last[run]):
            a, b = root(above), root(run)
            parent[max(a, b)] = min(a, b)
    roots = numpy.array([root(run) for run in range(len(rows))], numpy.int64)
    return Runs(rows, begins, ends, numpy.unique(roots, return_inverse=True)[1].reshape(-1))


def sizes(runs: Runs) -> numpy.ndarray:
    """Pixels of each piece, (n) int64."""
    return numpy.bincount(runs.piece, weights=runs.end - runs.begin).astype(numpy.int64)
