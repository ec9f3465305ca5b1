"""Table reads of several values in numba: a stage over a band of rows, from node to node.

Bit-equal to `reference.read_stage`. As `table_reads`, with the walks of `walks` in the place of all
corners of a cell: of several values per read, five nodes are less to load than sixteen corners.
"""

from __future__ import annotations

import numpy as np
from numba.extending import overload

from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.backends.numba.kernels.table_reads import find_pixels, write_pixels
from lerf_core.backends.numba.kernels.vectors import BLOCK
from lerf_core.backends.numba.kernels.walks import WALK_ROWS, add_walks, find_walks
from lerf_core.backends.numba.layouts import WIDTH

__all__ = ["walk_rows"]


def _empty_sums(shape, wide):
    """Return sums of 16 bits, or of 32 if `wide`, of 0."""


@overload(_empty_sums)
def _compile_empty_sums(shape, wide):
    dtype = np.int32 if len(wide) else np.int16
    return lambda shape, wide: np.zeros(shape, dtype)


@compiled(**HELPER)
def _four(at):
    return at[0], at[1], at[2], at[3]


@compiled(**KERNEL)
def walk_rows(
    plane, cells, row_pad, col_pad, bits, cell_width, table, pixels, reads, targets, starts,
    size_bits, nodes, lanes, wide, numbers, features, remainder, top, bottom, out,
):  # fmt: skip
    """Read the tables for rows top..bottom-1 and finish the values.

    Parameters
    ----------
    plane, cells, row_pad, col_pad, bits, features, remainder
        As `table_reads.stage_rows` has them.
    cell_width : int
        Units that a cell spans.
    table, pixels, reads, targets, starts, size_bits, nodes, lanes
        See `node_tables.NodeTables`.
    wide : tuple
        Of length 1 where sums need 32 bits, else 0.
    numbers : (offset, divisor, lowest, limit, to_level)
        See `vectors.finish_values`; in float32 for bytes, else in float64.
    out : ndarray, (rows, cols, slots), of uint8, int32 or float32
        Receives rows top..bottom-1: packed parameters.
    """
    first_row, last_row = targets[:, :, 0].min(), targets[:, :, 0].max()
    first_col, last_col = targets[:, :, 1].min(), targets[:, :, 1].max()
    span = last_col - first_col
    depth = last_row - first_row + 1
    cols = out.shape[1]
    segment = WIDTH - span
    n_lanes = len(lanes)
    # Rows of the ring, and one for what belongs to no row here. Every other read has a sum of its
    # own, so that 16 bits are enough.
    sums = _empty_sums((depth + 1, 2, (WIDTH + span) * n_lanes), wide)
    walks = np.empty((WALK_ROWS, WIDTH), np.uint32)
    source, stride, size = plane.ctypes.data, plane.strides[0], np.int64(plane.itemsize)
    cell_source, cell_stride = cells.ctypes.data, cells.strides[0]
    to, at, cell_at = np.empty(4, np.int64), np.empty(4, np.int64), np.empty(4, np.int64)
    last_node = ((nodes + 1) * nodes + 1) * nodes + 1
    for start in range(0, cols, segment):
        n = min(segment, cols - start)
        count = n + span
        whole = (count + (BLOCK - 1)) // BLOCK * BLOCK
        for y in range(top - last_row, bottom - first_row):
            for s in range(reads.size):
                # Asked for here: an array that nothing refers to any more is freed.
                w, t = walks.ctypes.data, table.ctypes.data
                is_read = False
                for k in range(reads[s]):
                    row = y + targets[s, k, 0]
                    inside = top <= row < bottom
                    is_read |= inside
                    line = sums[row % depth if inside else depth, k % 2]
                    to[k] = (
                        line.ctypes.data + (targets[s, k, 1] - first_col) * n_lanes * sums.itemsize
                    )
                if not is_read:
                    continue
                col = start - last_col + col_pad
                first_pixel = source + (y + row_pad) * stride + col * size
                find_pixels(first_pixel, stride, size, pixels[s], at)
                first_cell = cell_source + (y + row_pad) * cell_stride + col
                find_pixels(first_cell, cell_stride, np.int64(1), pixels[s], cell_at)
                find_walks(
                    plane, _four(at), _four(cell_at), cell_width, bits, nodes,
                    size_bits[s], starts[s], w, WIDTH, whole, wide,
                )  # fmt: skip
                last_step = last_node << size_bits[s]
                if reads[s] == 4:
                    add_walks(t, last_step, w, WIDTH, _four(to), count, (0, 0, 0, 0), lanes, wide)
                else:
                    add_walks(t, last_step, w, WIDTH, (to[0], to[1]), count, (0, 0), lanes, wide)
            done = y + first_row
            if top <= done < bottom:
                line = sums[done % depth]
                first = span * n_lanes
                write_pixels(line, first, numbers, lanes, features, remainder, done, start, n, out)
