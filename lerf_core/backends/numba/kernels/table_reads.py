"""Table reads in numba: a stage over a band of rows, by dot products.

Bit-equal to `reference.read_stage`. Sets of four pixels are taken row by row: the weights of the
corners of their cells (`vectors.corner_weights`), where the cells' rows begin in the table
(`vectors.cell_rows`), and the products of both, added to the sums of the pixels that read the
set (`vectors.add_sets`). These lie in the row of the set's first pixel and a few rows around:
a ring of rows of sums is enough, and a row of pixels is finished when no set can add to it
any more. Columns are taken in segments, so that all of this stays in the cache.
"""

from __future__ import annotations

import numpy as np
from numba.extending import overload

from lerf_core.backends.numba.kernels.arithmetic import holds_bytes
from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.backends.numba.kernels.vectors import (
    BLOCK,
    add_sets,
    cell_rows,
    corner_weights,
    deep_corner_weights,
    finish_values,
)
from lerf_core.backends.numba.layouts import CORNERS, WIDTH

__all__ = ["find_pixels", "pad_bytes", "pad_units", "stage_rows", "write_pixels"]


@compiled(**HELPER)
def _edges(row, pad, cols):
    """Repeat the ends of a row's `cols` pixels in the middle; the rest to the right is 0."""
    row[:pad] = row[pad]
    row[pad + cols : 2 * pad + cols] = row[pad + cols - 1]
    row[2 * pad + cols :] = 0


@compiled(**KERNEL)
def pad_bytes(plane, first, row_pad, col_pad, padded):
    """Copy rows from first - row_pad on, edges repeated, as `stage_rows` takes them."""
    height, width = plane.shape
    for y in range(padded.shape[0]):
        source = plane[min(max(first - row_pad + y, 0), height - 1)]
        inner = padded[y, col_pad:]
        for x in range(width):
            inner[x] = source[x]
        _edges(padded[y], col_pad, width)


@compiled(**KERNEL)
def pad_units(plane, first, row_pad, col_pad, cell_bits, fractions, cells):
    """As `pad_bytes`, of deep coordinates' fractions and cells."""
    height, width = plane.shape
    mask, shift = np.int32((1 << cell_bits) - 1), np.int32(cell_bits)
    for y in range(cells.shape[0]):
        source = plane[min(max(first - row_pad + y, 0), height - 1)]
        below, above = fractions[y, col_pad:], cells[y, col_pad:]
        for x in range(width):
            below[x] = np.uint16(source[x] & mask)
            above[x] = np.uint8(source[x] >> shift)
        _edges(fractions[y], col_pad, width)
        _edges(cells[y], col_pad, width)


def write_pixels(sums, first, numbers, lanes, features, remainder, y, start, n, out):
    """Make pixels ``start ... start + n`` of row y of their sums, which are set to 0.

    ``sums[0, first:]`` and ``sums[1, first:]`` are what is added up.
    """


@compiled(**HELPER)
def _halves(sums, first):
    """Return the addresses of ``sums[0, first:]`` and ``sums[1, first:]``."""
    start = sums.ctypes.data + first * sums.itemsize
    return start, start + sums.strides[0]


@overload(write_pixels)
def _compile_write_pixels(sums, first, numbers, lanes, features, remainder, y, start, n, out):
    if out.ndim == 2:

        def write_plane(sums, first, numbers, lanes, features, remainder, y, start, n, out):
            target = out[y, start : start + n]
            finish_values(*_halves(sums, first), sums, *numbers, target.ctypes.data, n, lanes, out)

        return write_plane

    deep = out.dtype.name == "float32"

    def write_packed(sums, first, numbers, lanes, features, remainder, y, start, n, out):
        row, source = out[y, start : start + n], features[y, start : start + n]
        if len(lanes) == 1:
            values = np.empty(n, out.dtype)
            finish_values(*_halves(sums, first), sums, *numbers, values.ctypes.data, n, lanes, out)
            for x in range(n):
                row[x, 1] = values[x]
        else:
            finish_values(*_halves(sums, first), sums, *numbers, row.ctypes.data, n, lanes, out)
        if deep:
            rest, to_level = remainder[y, start : start + n], numbers[4]
            if rest.size > 0:
                for x in range(n):
                    row[x, 0] = np.float32(source[x]) * to_level + rest[x]
            else:
                for x in range(n):
                    row[x, 0] = np.float32(source[x]) * to_level
        else:
            for x in range(n):
                row[x, 0] = source[x]

    return write_packed


@compiled(**HELPER)
def find_pixels(start, stride, size, pixels, at):
    """Write the addresses of a set's four pixels, of `size` bytes, given that of the first."""
    for k in range(4):
        at[k] = start + pixels[k, 0] * stride + pixels[k, 1] * size


@compiled(**KERNEL)
def stage_rows(
    plane, cells, row_pad, col_pad, bits, cell_bits, table, pixels, reads, targets, rows, deep,
    numbers, features, remainder, top, bottom, out,
):  # fmt: skip
    """Read the tables for rows top..bottom-1 and finish the values.

    Parameters
    ----------
    plane : ndarray of uint8 or uint16, (rows + 2 * row_pad, at least cols + 2 * col_pad + WIDTH)
        Coordinates in bytes, or deep coordinates' fractions; padded by the reach of the reads
        above and below, by three times as much at the sides, and with `WIDTH` columns of any
        content to the right.
    cells : ndarray of uint8, as `plane`
        Coordinates in bytes, or deep coordinates' cells.
    bits, cell_bits : int
        Bits of the fraction in `cells` (0 for deep coordinates), and of a cell's number along
        an axis.
    table, pixels, reads, targets, rows
        See `cell_tables.CellTables`.
    deep : tuple
        Of length 1 for deep coordinates, else 0.
    numbers : (offset, divisor, lowest, limit, to_level)
        See `vectors.finish_values`; in float32 for bytes, else in float64.
    features : ndarray of uint8 or int32, (rows, cols)
        Goes into the first slots of packed parameters; not padded.
    remainder : ndarray of float32, (rows, cols or 0)
        Is added to the feature in packed parameters of float32; no columns for none.
    out : ndarray, (rows, cols) of uint8 or int32, or (rows, cols, slots), also of float32
        Receives rows top..bottom-1: features, or packed parameters.
    """
    first_row, last_row = targets[:, :, 0].min(), targets[:, :, 0].max()
    first_col, last_col = targets[:, :, 1].min(), targets[:, :, 1].max()
    span = last_col - first_col
    depth = last_row - first_row + 1
    cols = out.shape[1]
    segment = WIDTH - span
    # Rows of the ring, and one for what belongs to no row here; half of the reads have sums of
    # their own, so that `add_sets` can read again what it has written.
    sums = np.zeros((depth + 1, 2, WIDTH + span + 4), np.int32)
    weights = np.empty(WIDTH * CORNERS * plane.itemsize, np.uint8)
    row_starts = np.empty(WIDTH, np.uint32)
    source, stride, size = plane.ctypes.data, plane.strides[0], np.int64(plane.itemsize)
    cell_source, cell_stride = cells.ctypes.data, cells.strides[0]
    to, at = np.empty(4, np.int64), np.empty(4, np.int64)
    for start in range(0, cols, segment):
        n = min(segment, cols - start)
        count = n + span
        whole = (count + (BLOCK - 1)) // BLOCK * BLOCK
        for y in range(top - last_row, bottom - first_row):
            for s in range(reads.size):
                # Asked for here: an array that nothing refers to any more is freed.
                w, r, t = weights.ctypes.data, row_starts.ctypes.data, table.ctypes.data
                is_read = False
                for k in range(reads[s]):
                    row = y + targets[s, k, 0]
                    inside = top <= row < bottom
                    is_read |= inside
                    line = sums[row % depth if inside else depth, k % 2]
                    to[k] = line.ctypes.data + (targets[s, k, 1] - first_col) * 4
                if not is_read:
                    continue
                col = start - last_col + col_pad
                first_pixel = source + (y + row_pad) * stride + col * size
                find_pixels(first_pixel, stride, size, pixels[s], at)
                if holds_bytes(plane):
                    corner_weights(at[0], at[1], at[2], at[3], (1 << bits) - 1, w, whole)
                else:
                    deep_corner_weights(at[0], at[1], at[2], at[3], w, whole)
                first_cell = cell_source + (y + row_pad) * cell_stride + col
                find_pixels(first_cell, cell_stride, np.int64(1), pixels[s], at)
                cell_rows(
                    at[0], at[1], at[2], at[3],
                    bits, cell_bits, rows[s, 1], rows[s, 0], r, whole,
                )  # fmt: skip
                if reads[s] == 4:
                    four = (to[0], to[1], to[2], to[3])
                    add_sets(t, w, r, four, count, (0, 0, 0, 0), deep)
                elif reads[s] == 2:
                    add_sets(t, w, r, (to[0], to[1]), count, (0, 0), deep)
                else:
                    add_sets(t, w, r, (to[0],), count, (0,), deep)
            done = y + first_row
            if top <= done < bottom:
                line = sums[done % depth]
                write_pixels(line, span, numbers, (0,), features, remainder, done, start, n, out)
