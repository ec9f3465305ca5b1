"""Table reads that enlarge, in numba: the last stage of a cascade over a band of rows.

Bit-equal to `reference.read_stage`, whose values are the levels of a block of pixels. As
`node_reads`, with entries of bytes, and with blocks stored where they lie in the enlargement.
"""

from __future__ import annotations

import numpy as np
from numba.extending import overload

from lerf_core.backends.numba.kernels.block_vectors import add_blocks, store_blocks
from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.backends.numba.kernels.table_reads import find_pixels
from lerf_core.backends.numba.kernels.vectors import BLOCK, finish_values
from lerf_core.backends.numba.kernels.walks import WALK_ROWS, find_walks
from lerf_core.backends.numba.layouts import BLOCK_WIDTH

__all__ = ["block_rows"]


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
def block_rows(
    plane, cells, row_pad, col_pad, bits, cell_width, table, pixels, reads, targets, starts,
    size_bits, nodes, lanes, wide, numbers, scale, top, bottom, out,
):  # fmt: skip
    """Read the tables for rows top..bottom-1 and store their blocks.

    Parameters
    ----------
    plane, cells, row_pad, col_pad, bits
        As `table_reads.stage_rows` has them.
    cell_width : int
        Units that a cell spans.
    table, pixels, reads, targets, starts, size_bits, nodes, lanes
        See `block_tables.BlockTables`.
    wide : tuple
        Of length 1 where sums need 32 bits, else 0.
    numbers : (offset, divisor, lowest, limit, to_level)
        See `vectors.finish_values`: of one lane, which stands for all; in float32 for bytes, else
        in float64.
    scale : tuple
        By its length, rows and columns of a block.
    out : ndarray of uint8 or float32, (scale * rows, scale * cols)
        Receives the blocks of rows top..bottom-1.
    """
    first_row, last_row = targets[:, :, 0].min(), targets[:, :, 0].max()
    first_col, last_col = targets[:, :, 1].min(), targets[:, :, 1].max()
    span = last_col - first_col
    depth = last_row - first_row + 1
    size = len(scale)
    cols = out.shape[1] // size
    segment = BLOCK_WIDTH - span
    n_lanes = len(lanes)
    # Rows of the ring, and one for what belongs to no row here. Every other read has a sum of its
    # own, so that 16 bits are enough.
    sums = _empty_sums((depth + 1, 2, (BLOCK_WIDTH + span) * n_lanes), wide)
    walks = np.empty((WALK_ROWS, BLOCK_WIDTH), np.uint32)
    values = np.empty(BLOCK_WIDTH * n_lanes, out.dtype)
    source, stride, item = plane.ctypes.data, plane.strides[0], np.int64(plane.itemsize)
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
                first_pixel = source + (y + row_pad) * stride + col * item
                find_pixels(first_pixel, stride, item, pixels[s], at)
                first_cell = cell_source + (y + row_pad) * cell_stride + col
                find_pixels(first_cell, cell_stride, np.int64(1), pixels[s], cell_at)
                find_walks(
                    plane, _four(at), _four(cell_at), cell_width, bits, nodes,
                    size_bits[s], starts[s], w, BLOCK_WIDTH, whole, wide,
                )  # fmt: skip
                last_step = last_node << size_bits[s]
                if reads[s] == 4:
                    four = (0, 0, 0, 0)
                    add_blocks(t, last_step, w, BLOCK_WIDTH, _four(to), count, four, lanes, wide)
                elif reads[s] == 2:
                    two = (to[0], to[1])
                    add_blocks(t, last_step, w, BLOCK_WIDTH, two, count, (0, 0), lanes, wide)
                else:
                    add_blocks(t, last_step, w, BLOCK_WIDTH, (to[0],), count, (0,), lanes, wide)
            done = y + first_row
            if top <= done < bottom:
                line = sums[done % depth]
                first = line.ctypes.data + span * n_lanes * sums.itemsize
                second = first + line.strides[0]
                found = values.ctypes.data
                finish_values(first, second, sums, *numbers, found, n * n_lanes, (0,), out)
                target = out.ctypes.data + done * size * out.strides[0]
                target += start * size * out.itemsize
                store_blocks(found, target, out.strides[0], n, scale, lanes, out)
