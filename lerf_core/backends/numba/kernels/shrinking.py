"""The learned function for shrinking, equal to `lerf_core.backends.reference.shrinking`.

As `kernels.separable`, but source rows are combined in four ways: by the sharp and by the smooth
kernel, and into the least and the greatest value nearby. Of `LANES` rows that are computed
together the outer ones are neighbours alone, but at the ends of the result: the next rows compute
them again.
"""

from __future__ import annotations

from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.backends.numba.kernels.lanes import (
    BLOCK,
    LANES,
    copy_bytes,
    limit,
    range_of,
    transpose_block,
    weigh,
)
from lerf_core.backends.numba.kernels.separable import (
    pad_tile,
    read_line,
    store_values,
    weigh_pixel,
)
from lerf_core.backends.numba.layouts import GROUP

__all__ = ["shrunk_rows"]

# Bytes of a number of all lanes.
_LANE = 4 * LANES
_ONE, _THREE, _FOUR = (0,), (0, 0, 0), (0, 0, 0, 0)


@compiled(**HELPER)
def _range_pixel(low, high, step, count, low_target, high_target, channels):
    """Find a pixel's least and greatest neighbours in the tiles, channel by channel."""
    if channels == 3:
        range_of(low, high, step, count, low_target, high_target, _THREE)
        return
    for c in range(channels):
        at = c * _LANE
        range_of(low + at, high + at, step, count, low_target + at, high_target + at, _ONE)


@compiled(**KERNEL)
def shrunk_rows(
    source, source_stride, source_bytes, source_rows, source_cols, channels, border, border_line,
    sharp_rows, sharp_row_weight, smooth_rows, smooth_row_weight, near_rows, near_row_count,
    sharp_cols, sharp_col_weight, smooth_cols, smooth_col_weight, near_cols, near_col_count,
    inner, chunks, strip, lines, tiles, results, widening, overshoot, out, out_stride, out_bytes,
):  # fmt: skip
    """Write results, each channel's.

    Parameters
    ----------
    source, source_stride, source_bytes, source_rows, source_cols, channels, border, border_line
        As `separable_rows` has them, and what is not named here.
    sharp_rows, smooth_rows, near_rows : ndarray of int64, (rows,)
        First neighbours, of output rows and of their neighbours.
    sharp_row_weight, smooth_row_weight : ndarray of float32, (rows, count)
    near_row_count : ndarray of int64, (rows,)
        How many source rows bound a result.
    inner : tuple of int
        The first and one past the last row and column that are written.
    chunks : ndarray of int64, (n, 4)
        Output columns that tiles are for: the first and one past the last; and their source pixels.
    tiles : ndarray of float32, (4, neighbours of a chunk * channels + BLOCK, LANES)
    results : ndarray of float32, (4, (GROUP + 2) * channels + BLOCK, LANES)
    widening, overshoot : float32
    """
    n_rows, n_cols = sharp_rows.size, sharp_cols.size
    row_top, row_end = inner[0], inner[1]
    line_step, step = lines.strides[0], channels * _LANE
    first_line = lines.ctypes.data
    sharp_w, smooth_w = sharp_row_weight.ctypes.data, smooth_row_weight.ctypes.data
    sharp_n, smooth_n = sharp_row_weight.shape[1], smooth_row_weight.shape[1]
    sharp_cw, smooth_cw = sharp_col_weight.ctypes.data, smooth_col_weight.ctypes.data
    sharp_cn, smooth_cn = sharp_col_weight.shape[1], smooth_col_weight.shape[1]
    sharp, smooth = results[0].ctypes.data, results[1].ctypes.data
    low, high = results[2].ctypes.data, results[3].ctypes.data
    # Rows that are combined, and blocks that are stored, lie in the room for results.
    rest = sharp + (results.shape[1] - BLOCK) * _LANE
    per_block = _LANE // out_bytes
    done = row_top
    while done < row_end:
        top = max(done - 1, 0)
        bottom = row_end
        if top + LANES < n_rows:
            bottom = min(bottom, top + LANES - 1)
        start, stop = sharp_rows[top], sharp_rows[top] + 1
        for k in range(LANES):
            r = min(top + k, n_rows - 1)
            start = min(start, sharp_rows[r], smooth_rows[r], near_rows[r])
            stop = max(
                stop, sharp_rows[r] + sharp_n, smooth_rows[r] + smooth_n,
                near_rows[r] + near_row_count[r],
            )  # fmt: skip
        for chunk in range(len(chunks)):
            left, right, origin, end = chunks[chunk]
            first, last = max(origin, 0), min(end, source_cols)
            shift = origin * step
            sharp_tile, smooth_tile = tiles[0].ctypes.data - shift, tiles[1].ctypes.data - shift
            low_tile, high_tile = tiles[2].ctypes.data - shift, tiles[3].ctypes.data - shift
            for at in range(first * channels, last * channels, strip):
                count = min(strip, last * channels - at)
                for r in range(start, stop):
                    line = first_line + (r - start) * line_step
                    row = min(max(r, 0), source_rows - 1)
                    if r != row and border.size:
                        read_line(border_line.ctypes.data + 4 * (at % channels), 4, count, line)
                    else:
                        address = source + row * source_stride + at * source_bytes
                        read_line(address, source_bytes, count, line)
                for x in range(0, count, BLOCK):
                    base = first_line - start * line_step + 4 * x
                    to = (at + x) * _LANE
                    for k in range(LANES):
                        r, row_at = min(top + k, n_rows - 1), 4 * k * BLOCK
                        weigh(
                            base + sharp_rows[r] * line_step, line_step,
                            sharp_w + 4 * r * sharp_n, sharp_n, sharp + row_at, _FOUR,
                        )  # fmt: skip
                        weigh(
                            base + smooth_rows[r] * line_step, line_step,
                            smooth_w + 4 * r * smooth_n, smooth_n, smooth + row_at, _FOUR,
                        )  # fmt: skip
                        near = base + near_rows[r] * line_step
                        range_of(
                            near, near, line_step, near_row_count[r],
                            low + row_at, high + row_at, _FOUR,
                        )  # fmt: skip
                    transpose_block(sharp, sharp_tile + to)
                    transpose_block(smooth, smooth_tile + to)
                    transpose_block(low, low_tile + to)
                    transpose_block(high, high_tile + to)
            for n in range(4):
                values = tiles[n].reshape(-1)
                pad_tile(values, origin, first, first, origin, channels, border)
                pad_tile(values, last, end, last - 1, origin, channels, border)
            for begin in range(left, right, GROUP):
                finish = min(begin + GROUP, right)
                least = max(begin - 1, 0)
                for x in range(least, min(finish + 1, n_cols)):
                    to = (x - least) * step
                    weigh_pixel(
                        sharp_tile + sharp_cols[x] * step, step, sharp_cw + 4 * x * sharp_cn,
                        sharp_cn, sharp + to, channels,
                    )  # fmt: skip
                    weigh_pixel(
                        smooth_tile + smooth_cols[x] * step, step, smooth_cw + 4 * x * smooth_cn,
                        smooth_cn, smooth + to, channels,
                    )  # fmt: skip
                    near = near_cols[x] * step
                    _range_pixel(
                        low_tile + near, high_tile + near, step, near_col_count[x],
                        low + to, high + to, channels,
                    )  # fmt: skip
                for x in range(begin, finish):
                    to, before = (x - least) * step, (max(x - 1, 0) - least) * step
                    after = (min(x + 1, n_cols - 1) - least) * step
                    for c in range(0, step, _LANE):
                        limit(
                            sharp + to + c, smooth + before + c, smooth + to + c,
                            smooth + after + c, low + to + c, high + to + c, widening, overshoot,
                        )  # fmt: skip
                to = out + (done - row_top) * out_stride + (begin - inner[2]) * channels * out_bytes
                n_values = (finish - begin) * channels
                for x in range(0, n_values, per_block):
                    n_bytes = min(per_block, n_values - x) * out_bytes
                    store_values(sharp + (begin - least) * step + x * _LANE, rest, _LANE, out_bytes)
                    for k in range(bottom - done):
                        copy_bytes(
                            rest + (done - top + k) * _LANE, to + k * out_stride, n_bytes
                        )  # fmt: skip
                    to += _LANE
        done = bottom
