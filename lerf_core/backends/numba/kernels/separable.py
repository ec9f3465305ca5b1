"""Means by fixed kernels on a grid, bit-equal to `lerf_core.backends.reference.separable`.

`LANES` output rows are computed together. Source rows are turned into float32, a strip of columns
after the other, and combined along the columns; the results are transposed into a tile, where the
values of all these output rows lie side by side, and combined along the rows; those are rounded,
packed into words and transposed again. What is in work stays in the nearer caches: a tile spans a
part of a long row only.
"""

from __future__ import annotations

from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.backends.numba.kernels.lanes import (
    BLOCK,
    LANES,
    convert_block,
    copy_bytes,
    halve_block,
    store_block,
    transpose_block,
    weigh,
)
from lerf_core.backends.numba.layouts import GROUP

__all__ = [
    "half_rows",
    "pad_tile",
    "read_line",
    "separable_rows",
    "store_values",
    "weigh_pixel",
]

# Bytes of a number of all lanes, and of a row that `store_block` writes.
_LANE = 4 * LANES
_ONE, _TWO, _THREE, _FOUR = (0,), (0, 0), (0, 0, 0), (0, 0, 0, 0)


@compiled(**HELPER)
def _convert(source, size, count, line):
    """Turn `count` values into float32."""
    n_bytes = len(size)
    last = count - BLOCK
    if last >= 0:
        for x in range(0, last, BLOCK):
            convert_block(source + x * n_bytes, size, line + 4 * x)
        convert_block(source + last * n_bytes, size, line + 4 * last)
    else:
        # By way of the room beside them: no byte of the source is read beyond its values.
        copy_bytes(source, line + 4 * BLOCK, count * n_bytes)
        convert_block(line + 4 * BLOCK, size, line)


@compiled(**HELPER)
def read_line(source, size, count, line):
    """Turn `count` values of `size` bytes into float32."""
    if size == 1:
        _convert(source, _ONE, count, line)
    elif size == 2:
        _convert(source, _TWO, count, line)
    else:
        _convert(source, _FOUR, count, line)


@compiled(**HELPER)
def weigh_pixel(source, step, weights, count, target, channels):
    """Combine a pixel's taps in the tile, channel by channel."""
    if channels == 3:
        weigh(source, step, weights, count, target, _THREE)
        return
    done = 0
    while channels - done >= 4:
        weigh(source + done * _LANE, step, weights, count, target + done * _LANE, _FOUR)
        done += 4
    for c in range(done, channels):
        weigh(source + c * _LANE, step, weights, count, target + c * _LANE, _ONE)


@compiled(**HELPER)
def store_values(source, out, stride, size):
    """Write a block of `size` bytes a value."""
    if size == 1:
        store_block(source, out, stride, _ONE)
    elif size == 2:
        store_block(source, out, stride, _TWO)
    else:
        store_block(source, out, stride, _FOUR)


@compiled(**HELPER)
def pad_tile(tile, first, last, edge, origin, channels, border):
    """Fill pixels first..last-1 of the tile with the border's value, or with pixel `edge`'s."""
    for pixel in range(first, last):
        for c in range(channels):
            to = ((pixel - origin) * channels + c) * LANES
            at = ((edge - origin) * channels + c) * LANES
            for lane in range(LANES):
                tile[to + lane] = border[c] if border.size else tile[at + lane]


@compiled(**KERNEL)
def separable_rows(
    source, source_stride, source_bytes, source_rows, source_cols, channels, border, border_line,
    row_first, row_weight, col_first, col_weight, chunks, strip, lines, tile, result,
    out, out_stride, out_bytes,
):  # fmt: skip
    """Write means, each channel's.

    Parameters
    ----------
    source : address, (source_rows, source_cols * channels)
        Values of `source_bytes` bytes side by side: uint8, uint16 or float32.
    source_stride : int
        Bytes between rows.
    border : ndarray of float32, (channels,) or (0,)
        Values outside the source; none: those of the nearest pixel.
    border_line : ndarray of float32, (strip + channels,) or (0,)
        The same over and over.
    row_first, row_weight : ndarray of int64, (rows,), and float32, (rows, count)
    col_first, col_weight : ndarray of int64, (cols,), and float32, (cols, count)
        First neighbours do not fall.
    chunks : ndarray of int64, (n + 1,)
        Output columns at which tiles begin, and their end.
    strip : int
        Values that are combined along the columns together, a multiple of `BLOCK`.
    lines : ndarray of float32, (neighbours of `LANES` rows, at least strip + 2 * BLOCK)
    tile : ndarray of float32, (neighbours of a chunk * channels + BLOCK, LANES)
    result : ndarray of float32, ((GROUP + 1) * channels + BLOCK, LANES)
        Room to work in; the address of each, and of each line, is a multiple of 64.
    out : address, (rows, cols * channels)
        As `source`.
    out_stride, out_bytes : int
    """
    rows, row_count, col_count = row_first.size, row_weight.shape[1], col_weight.shape[1]
    line_step, step = lines.strides[0], channels * _LANE
    row_weights, col_weights = row_weight.ctypes.data, col_weight.ctypes.data
    first_line, first_result = lines.ctypes.data, result.ctypes.data
    values = tile.reshape(-1)
    per_block = _LANE // out_bytes
    # Rows that are combined, and blocks that are not stored whole, lie in the room for results.
    combined = first_result
    rest = first_result + (result.shape[0] - BLOCK) * _LANE
    for top in range(0, rows, LANES):
        n_rows = min(LANES, rows - top)
        start, stop = row_first[top], row_first[top + n_rows - 1] + row_count
        for chunk in range(chunks.size - 1):
            left, right = chunks[chunk], chunks[chunk + 1]
            origin = min(col_first[left], source_cols - 1)
            end = max(col_first[right - 1] + col_count, 1)
            first, last = max(origin, 0), min(end, source_cols)
            first_tile = tile.ctypes.data - origin * step
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
                    for k in range(n_rows):
                        line = first_line + (row_first[top + k] - start) * line_step + 4 * x
                        weights = row_weights + 4 * (top + k) * row_count
                        weigh(line, line_step, weights, row_count, combined + 4 * k * BLOCK, _FOUR)
                    transpose_block(combined, first_tile + (at + x) * _LANE)
            pad_tile(values, origin, first, first, origin, channels, border)
            pad_tile(values, last, end, last - 1, origin, channels, border)
            for begin in range(left, right, GROUP):
                n_pixels = min(GROUP, right - begin)
                for x in range(n_pixels):
                    weigh_pixel(
                        first_tile + col_first[begin + x] * step, step,
                        col_weights + 4 * (begin + x) * col_count, col_count,
                        first_result + x * step, channels,
                    )  # fmt: skip
                to = out + top * out_stride + begin * channels * out_bytes
                n_values = n_pixels * channels
                for x in range(0, n_values, per_block):
                    n_bytes = min(per_block, n_values - x) * out_bytes
                    is_whole = n_rows == LANES and n_bytes == _LANE
                    block, stride = (to, out_stride) if is_whole else (rest, _LANE)
                    store_values(first_result + x * _LANE, block, stride, out_bytes)
                    if not is_whole:
                        for k in range(n_rows):
                            copy_bytes(rest + k * _LANE, to + k * out_stride, n_bytes)
                    to += _LANE


@compiled(**KERNEL)
def half_rows(
    source, source_stride, row_first, cols, n_values, channels, size, room, out, out_stride
):
    """Write means of two by two pixels, as `separable_rows` would with weights of a half.

    Parameters
    ----------
    source, out : address
        Of the first pixel's first value.
    row_first : ndarray of int64, (rows,)
    cols : int
        Output pixels of a row.
    n_values : int
        What a call of `halve_block` writes.
    channels, size : tuple
        By their lengths.
    room : ndarray of uint8, (n,)
        Room for five times the bytes of `n_values` values.
    """
    n_channels, n_bytes = len(channels), len(size)
    at_once, needed = n_values // n_channels, -(-n_values // n_channels)
    step, half = n_channels * n_bytes, n_values * n_bytes
    above_rest = room.ctypes.data
    below_rest, out_rest = above_rest + 2 * half, above_rest + 4 * half
    for y in range(row_first.size):
        above, to = source + row_first[y] * source_stride, out + y * out_stride
        below = above + source_stride
        x = 0
        while x + needed <= cols:
            halve_block(above + 2 * x * step, below + 2 * x * step, to + x * step, channels, size)
            x += at_once
        if x < cols:
            copy_bytes(above + 2 * x * step, above_rest, 2 * (cols - x) * step)
            copy_bytes(below + 2 * x * step, below_rest, 2 * (cols - x) * step)
            halve_block(above_rest, below_rest, out_rest, channels, size)
            copy_bytes(out_rest, to + x * step, (cols - x) * step)
