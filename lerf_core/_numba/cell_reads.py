"""Table reads in numba: a stage over a band of rows, by dot products.

Bit-equal to `reference.stage`. For every set of four pixels the weights of the 16 corners
of its cell are made once (`vectors.corner_weights`) and kept for the rows of pixels that
read it; then each read is the dot product of these weights with the cell's row of entries
(`cells.CellStage`). Columns are taken in segments, whose weights stay in the cache.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lerf_core._numba.arithmetic import holds_bytes
from lerf_core._numba.vectors import (
    BLOCK,
    CORNERS,
    add_deep_reads,
    add_reads,
    cell_rows,
    corner_weights,
    deep_corner_weights,
    sum_quads,
)
from lerf_core.bank import LEVELS
from lerf_core.reference import ROUND_F32

__all__ = ["WIDTH", "cell_stage_rows"]

#: Columns that weights are made for at once: a multiple of `BLOCK`.
WIDTH = 128
_TOP = np.float32(LEVELS)
# 1.5 * 2**52: adding and subtracting it rounds a float64 to an integer, half to even.
_ROUND_F64 = 6755399441055744.0
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
def _finish_deep(sums, lane, lanes, offset, divisor, lowest, limit, out):
    """As `_finish`, of sums that float32 cannot hold."""
    for x in range(out.size):
        value = (np.float64(sums[x * lanes + lane]) + offset) / divisor
        value = (value + _ROUND_F64) - _ROUND_F64
        out[x] = np.int32(min(max(value, lowest), limit))


@njit(nogil=True, cache=True, error_model="numpy")
def _pixel(start, stride, size, pixels, number):
    """Address of a set's pixel of `size` bytes, given that of its first one."""
    return start + pixels[number, 0] * stride + pixels[number, 1] * size


@njit(nogil=True, cache=True, error_model="numpy")
def cell_stage_rows(
    plane, cells, pad, bits, table, row_bytes, pixels, reads, places, lanes, plain, turning,
    cell_bits, offset, divisor, lowest, limit, top, bottom, out,
):  # fmt: skip
    """Read the tables for rows top..bottom-1 and finish the values.

    Parameters
    ----------
    plane : ndarray of uint8 or uint16, (rows + 2 * pad, at least cols + 2 * pad + WIDTH)
        Coordinates in bytes, or deep coordinates' fractions; padded on all sides by twice the
        reach of the reads, and with columns of any content to the right.
    cells : ndarray of uint8, as `plane`
        Coordinates in bytes, or deep coordinates' cells.
    bits : int
        Bits of the fraction in `cells`: 0 for deep coordinates.
    table, row_bytes, pixels, reads, places, lanes, plain, turning
        See `cells.CellStage`.
    cell_bits : int
        Bits of a cell's number along an axis.
    offset, divisor, lowest : ndarray of float32 or float64, (values,)
    limit : float
        value = clip(round((sum + offset) / divisor), lowest, limit); the limit of bytes is 255.
    out : ndarray of uint8 or int32, (values, rows, cols)
        Receives rows top..bottom-1.
    """
    first_row, last_row = reads[:, 1].min(), reads[:, 1].max()
    first_col = reads[:, 2].min()
    segment = WIDTH - (reads[:, 2].max() - first_col)
    depth = last_row - first_row + 1  # rows of sets that a row of pixels reads
    n_lanes = len(plain) + len(turning)
    cols = out.shape[2]
    # Weights [row of sets modulo depth, set, column, corner], and places of a pattern's rows.
    weight_size = CORNERS * plane.itemsize
    set_size = WIDTH * weight_size + _APART
    row_size = pixels.shape[0] * set_size + _APART
    weights = np.empty(depth * row_size, np.uint8)
    place_size = WIDTH * 4 + _APART
    found = np.empty(4 * place_size, np.uint8)
    partial = np.empty((WIDTH, n_lanes, 4), np.int32)
    sums = np.empty(WIDTH * n_lanes, np.int32)
    source, stride, size = plane.ctypes.data, plane.strides[0], plane.itemsize
    cell_source, cell_stride = cells.ctypes.data, cells.strides[0]
    w = np.empty(4, np.int64)
    for start in range(0, cols, segment):
        n = min(segment, cols - start)
        whole = (n + (BLOCK - 1)) // BLOCK * BLOCK
        for y in range(top, bottom):
            for row in range(first_row if y == top else last_row, last_row + 1):
                kept = weights.ctypes.data + (y + row - first_row) % depth * row_size
                col = start + first_col + pad
                here = source + (y + row + pad) * stride + col * size
                for s in range(pixels.shape[0]):
                    a, b = (
                        _pixel(here, stride, size, pixels[s], 0),
                        _pixel(here, stride, size, pixels[s], 1),
                    )
                    c, d = (
                        _pixel(here, stride, size, pixels[s], 2),
                        _pixel(here, stride, size, pixels[s], 3),
                    )
                    place = kept + s * set_size
                    if holds_bytes(plane):
                        corner_weights(a, b, c, d, (1 << bits) - 1, place, WIDTH)
                    else:
                        deep_corner_weights(a, b, c, d, place, WIDTH)
            for pattern in range(0, reads.shape[0], 4):
                for k in range(4):
                    read = reads[pattern + k]
                    s, row, col = read[0], read[1], read[2]
                    kept = (y + row - first_row) % depth * row_size + s * set_size
                    w[k] = weights.ctypes.data + kept + (col - first_col) * weight_size
                    here = cell_source + (y + row + pad) * cell_stride + start + col + pad
                    cell_rows(
                        _pixel(here, cell_stride, 1, pixels[s], read[4]),
                        _pixel(here, cell_stride, 1, pixels[s], read[5]),
                        _pixel(here, cell_stride, 1, pixels[s], read[6]),
                        _pixel(here, cell_stride, 1, pixels[s], read[7]),
                        bits, cell_bits, row_bytes, read[3],
                        found.ctypes.data + k * place_size, whole,
                    )  # fmt: skip
                f = found.ctypes.data
                rows = (f, f + place_size, f + 2 * place_size, f + 3 * place_size)
                order = places.ctypes.data + pattern * CORNERS
                four = (w[0], w[1], w[2], w[3])
                totals = partial.ctypes.data
                t = table.ctypes.data
                if holds_bytes(plane):
                    if pattern == 0:
                        add_reads(t, four, rows, order, totals, n, (0,), plain, turning)
                    else:
                        add_reads(t, four, rows, order, totals, n, (), plain, turning)
                elif pattern == 0:
                    add_deep_reads(t, four, rows, order, totals, n, (0,), plain, turning)
                else:
                    add_deep_reads(t, four, rows, order, totals, n, (), plain, turning)
            sum_quads(partial.ctypes.data, sums.ctypes.data, (n * n_lanes + 3) // 4 * 4)
            for v in range(lanes.size):
                target = out[v, y, start : start + n]
                if holds_bytes(plane):
                    _finish(sums, lanes[v], n_lanes, offset[v], divisor[v], lowest[v], target)
                else:
                    _finish_deep(
                        sums, lanes[v], n_lanes, offset[v], divisor[v], lowest[v], limit, target
                    )
