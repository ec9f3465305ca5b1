"""Table reads of byte images in numba: a stage over a band of rows, by dot products.

Bit-equal to `reference.stage`. For every set of four pixels the weights of the 16 corners
of its cell are made once (`vectors.corner_weights`) and kept for the rows of pixels that
read it; then each read is the dot product of these weights with the cell's row of entries
(`cells.CellStage`). Columns are taken in segments, whose weights stay in the cache.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lerf_core._numba.vectors import (
    BLOCK,
    CORNERS,
    add_reads,
    cell_rows,
    corner_weights,
    sum_quads,
)
from lerf_core.bank import LEVELS
from lerf_core.reference import ROUND_F32

__all__ = ["WIDTH", "cell_stage_rows"]

#: Columns that weights are made for at once: a multiple of `BLOCK`.
WIDTH = 128
_TOP = np.float32(LEVELS)
# Rows of scratch begin so far from a multiple of a page that they do not share cache sets.
_APART = 192


@njit(nogil=True, cache=True, error_model="numpy")
def _finish(sums, lane, lanes, offset, divisor, lowest, out):
    """Make ``value = clip(round((sum + offset) / divisor), lowest, 255)`` of a lane."""
    for x in range(out.size):
        value = (np.float32(sums[x * lanes + lane]) + offset) / divisor
        value = (value + ROUND_F32) - ROUND_F32
        value = value if value > lowest else lowest
        out[x] = np.uint8(value if value < _TOP else _TOP)


@njit(nogil=True, cache=True, error_model="numpy")
def _pixel(start, stride, pixels, number):
    """Address of a set's pixel, given that of its first one."""
    return start + pixels[number, 0] * stride + pixels[number, 1]


@njit(nogil=True, cache=True, error_model="numpy")
def cell_stage_rows(
    plane, pad, bits, table, row_bytes, pixels, reads, places, lanes, plain, turning,
    offset, divisor, lowest, top, bottom, out,
):  # fmt: skip
    """Read the tables for rows top..bottom-1 and finish the values.

    Parameters
    ----------
    plane : ndarray of uint8, (rows + 2 * pad, at least cols + 2 * pad + WIDTH)
        Coordinates, padded on all sides by twice the reach of the reads, and with columns of
        any content to the right.
    bits : int
        Bits of a coordinate's fraction.
    table, row_bytes, pixels, reads, places, lanes, plain, turning
        See `cells.CellStage`.
    offset, divisor, lowest : ndarray of float32, (values,)
        value = clip(round((sum + offset) / divisor), lowest, 255).
    out : ndarray of uint8, (values, rows, cols)
        Receives rows top..bottom-1.
    """
    first_row, last_row = reads[:, 1].min(), reads[:, 1].max()
    first_col = reads[:, 2].min()
    segment = WIDTH - (reads[:, 2].max() - first_col)
    depth = last_row - first_row + 1  # rows of sets that a row of pixels reads
    n_lanes = len(plain) + len(turning)
    cols = out.shape[2]
    # Weights [row of sets modulo depth, set, column, corner], and places of a pattern's rows.
    set_size = WIDTH * CORNERS + _APART
    row_size = pixels.shape[0] * set_size + _APART
    weights = np.empty(depth * row_size, np.uint8)
    place_size = WIDTH * 4 + _APART
    found = np.empty(4 * place_size, np.uint8)
    partial = np.empty((WIDTH, n_lanes, 4), np.int32)
    sums = np.empty(WIDTH * n_lanes, np.int32)
    source, stride = plane.ctypes.data, plane.strides[0]
    w = np.empty(4, np.int64)
    for start in range(0, cols, segment):
        n = min(segment, cols - start)
        whole = (n + (BLOCK - 1)) // BLOCK * BLOCK
        for y in range(top, bottom):
            for row in range(first_row if y == top else last_row, last_row + 1):
                target = weights.ctypes.data + (y + row - first_row) % depth * row_size
                here = source + (y + row + pad) * stride + start + first_col + pad
                for s in range(pixels.shape[0]):
                    corner_weights(
                        _pixel(here, stride, pixels[s], 0), _pixel(here, stride, pixels[s], 1),
                        _pixel(here, stride, pixels[s], 2), _pixel(here, stride, pixels[s], 3),
                        (1 << bits) - 1, target + s * set_size, WIDTH,
                    )  # fmt: skip
            for pattern in range(0, reads.shape[0], 4):
                for k in range(4):
                    read = reads[pattern + k]
                    s, row, col = read[0], read[1], read[2]
                    kept = (y + row - first_row) % depth * row_size + s * set_size
                    w[k] = weights.ctypes.data + kept + (col - first_col) * CORNERS
                    here = source + (y + row + pad) * stride + start + col + pad
                    cell_rows(
                        _pixel(here, stride, pixels[s], read[4]),
                        _pixel(here, stride, pixels[s], read[5]),
                        _pixel(here, stride, pixels[s], read[6]),
                        _pixel(here, stride, pixels[s], read[7]),
                        bits, 8 - bits, row_bytes, read[3],
                        found.ctypes.data + k * place_size, whole,
                    )  # fmt: skip
                f = found.ctypes.data
                rows = (f, f + place_size, f + 2 * place_size, f + 3 * place_size)
                order = places.ctypes.data + pattern * CORNERS
                four = (w[0], w[1], w[2], w[3])
                if pattern == 0:
                    add_reads(
                        table.ctypes.data, four, rows, order, partial.ctypes.data, n,
                        (0,), plain, turning,
                    )  # fmt: skip
                else:
                    add_reads(
                        table.ctypes.data, four, rows, order, partial.ctypes.data, n,
                        (), plain, turning,
                    )  # fmt: skip
            sum_quads(partial.ctypes.data, sums.ctypes.data, (n * n_lanes + 3) // 4 * 4)
            for v in range(lanes.size):
                _finish(
                    sums, lanes[v], n_lanes, offset[v], divisor[v], lowest[v],
                    out[v, y, start : start + n],
                )  # fmt: skip
