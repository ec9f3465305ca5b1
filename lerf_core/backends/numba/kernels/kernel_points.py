"""Means by fixed kernels at scattered positions: `lerf_core.backends.reference.kernel_points`."""

from __future__ import annotations

import math

import numpy as np

from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.constants import KERNEL_SAMPLES, MAX_POINT_TAPS, POSITION_EPS

__all__ = ["kernel_point_rows"]

_ZERO, _ONE = np.float32(0), np.float32(1)


@compiled(**KERNEL)
def kernel_point_rows(
    source, weight, radius, last_step, is_area, row, col, row_scale, col_scale,
    visible_columns, out, top,
):  # fmt: skip
    """Write means at scattered positions.

    Parameters
    ----------
    source : ndarray of uint8, uint16 or float32, (rows, cols, channels)
    weight, radius, last_step, is_area
        Of a `KernelTable`.
    row, col : ndarray of float64, (output rows, output cols)
        Positions in source pixels.
    row_scale, col_scale : ndarray of float64, (output rows, output cols), or None
        Filter scales, at least 1; None: 1.
    visible_columns : ndarray of int64, (output rows, 2)
        First and one past the last column of each row that are wanted; others become 0.
    out : ndarray of the source's dtype, (channels, output rows, output cols)
    top : float32
        Largest value of integers, which are rounded; 0: floats.
    """
    height, width, channels = source.shape
    rows, row_weight = np.empty(MAX_POINT_TAPS, np.int64), np.empty(MAX_POINT_TAPS, np.float32)
    cols, col_weight = np.empty(MAX_POINT_TAPS, np.int64), np.empty(MAX_POINT_TAPS, np.float32)
    line, total = np.empty(channels, np.float32), np.empty(channels, np.float32)
    flat = source.reshape(-1)
    for y in range(row.shape[0]):
        start, stop = visible_columns[y, 0], visible_columns[y, 1]
        out[:, y, :start] = 0
        out[:, y, stop:] = 0
        for x in range(start, stop):
            down, across = 1.0, 1.0
            if row_scale is not None:
                down, across = row_scale[y, x], col_scale[y, x]
            row_count, row_sum = _find_taps(
                row[y, x], down, height, weight, radius, last_step, is_area, rows, row_weight
            )
            col_count, col_sum = _find_taps(
                col[y, x], across, width, weight, radius, last_step, is_area, cols, col_weight
            )
            total[:] = _ZERO
            for ty in range(row_count):
                _sum_line(flat, rows[ty] * width, cols, col_weight, col_count, channels, line)
                for c in range(channels):
                    total[c] += row_weight[ty] * line[c]
            weight_sum = row_sum * col_sum
            for c in range(channels):
                out[c, y, x] = _rounded(total[c] / weight_sum, top)


@compiled(**HELPER)
def _find_taps(
    position, filter_scale, size, weight, radius, last_step, is_area, index, tap_weight
):  # fmt: skip
    """Write source pixels and weights along an axis; return their number and the weights' sum."""
    reach = (filter_scale + 1) / 2 if is_area else radius * filter_scale
    first = np.int64(math.floor(position - reach + POSITION_EPS)) + 1
    count = max(np.int64(math.ceil(2 * reach - POSITION_EPS)), 1)
    step = (count + (MAX_POINT_TAPS - 1)) // MAX_POINT_TAPS
    count = (count + step - 1) // step
    inverse = 1.0 / filter_scale
    total = _ZERO
    for tap in range(count):
        pixel = first + tap * step
        distance = abs(pixel - position)
        if is_area:
            w = min(max(np.float32(reach - distance), _ZERO), _ONE)
        else:
            at = np.float32(distance * inverse * KERNEL_SAMPLES)
            w = _ZERO
            if at <= last_step:
                low = np.int32(at)
                w = weight[low] + (at - np.float32(low)) * (weight[low + 1] - weight[low])
        index[tap] = min(max(pixel, 0), size - 1)
        tap_weight[tap] = w
        total += w
    return count, total


@compiled(**HELPER)
def _sum_line(flat, first, cols, weight, count, channels, line):
    """Sum the taps of a source row, for each channel."""
    if channels == 3:
        a = b = c = _ZERO
        for tx in range(count):
            at, w = (first + cols[tx]) * 3, weight[tx]
            a += w * np.float32(flat[at])
            b += w * np.float32(flat[at + 1])
            c += w * np.float32(flat[at + 2])
        line[0], line[1], line[2] = a, b, c
        return
    for c in range(channels):
        a = _ZERO
        for tx in range(count):
            a += weight[tx] * np.float32(flat[(first + cols[tx]) * channels + c])
        line[c] = a


@compiled(**HELPER)
def _rounded(mean, top):
    """Return a mean as it is written: of integers rounded half to even and clipped."""
    return min(max(np.rint(mean), _ZERO), top) if top > _ZERO else mean
