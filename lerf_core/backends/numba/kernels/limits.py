"""Limits of the learned function for shrinking, of images with alpha, missing values and others.

Equal to `lerf_core.backends.reference.shrinking`; NaN goes on.
"""

from __future__ import annotations

import numpy as np

from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled

__all__ = ["limited_rows", "range_rows"]


@compiled(**HELPER)
def _least(one, other):
    return one if one < other or one != one else other  # noqa: PLR0124 - NaN


@compiled(**HELPER)
def _greatest(one, other):
    return one if one > other or one != one else other  # noqa: PLR0124 - NaN


@compiled(**KERNEL)
def range_rows(values, border, row_first, row_count, col_first, col_count, low, high):
    """Write the least and the greatest value that lies nearby.

    Parameters
    ----------
    values : ndarray of float32, (rows, cols, channels)
    border : ndarray of float32, (channels,) or (0,)
    row_first, row_count, col_first, col_count : ndarray of int64
    low, high : ndarray of float32, (output rows, output cols, channels)
    """
    rows, cols, channels = values.shape
    least, greatest = np.empty((2, cols, channels), np.float32)
    for y in range(row_first.size):
        least[:], greatest[:] = np.inf, -np.inf
        for r in range(row_first[y], row_first[y] + row_count[y]):
            row = min(max(r, 0), rows - 1)
            is_border = r != row and border.size > 0
            for x in range(cols):
                for c in range(channels):
                    value = border[c] if is_border else values[row, x, c]
                    least[x, c] = _least(value, least[x, c])
                    greatest[x, c] = _greatest(value, greatest[x, c])
        for x in range(col_first.size):
            for c in range(channels):
                small, great = np.float32(np.inf), np.float32(-np.inf)
                for k in range(col_first[x], col_first[x] + col_count[x]):
                    col = min(max(k, 0), cols - 1)
                    if k != col and border.size > 0:
                        small, great = _least(border[c], small), _greatest(border[c], great)
                    else:
                        small = _least(least[col, c], small)
                        great = _greatest(greatest[col, c], great)
                low[y, x, c], high[y, x, c] = small, great


@compiled(**KERNEL)
def limited_rows(sharp, smooth, low, high, top, left, widening, overshoot, out):
    """Write limited pixels, the first of which is pixel (top, left) of the others.

    Parameters
    ----------
    sharp, smooth, low, high, out : ndarray of float32, (rows, cols, channels)
    top, left : int
    widening, overshoot : float32
    """
    rows, cols, channels = smooth.shape
    for y in range(top, top + out.shape[0]):
        for x in range(left, left + out.shape[1]):
            for c in range(channels):
                small = great = smooth[y, x, c]
                for near_y in range(max(y - 1, 0), min(y + 2, rows)):
                    for near_x in range(max(x - 1, 0), min(x + 2, cols)):
                        value = smooth[near_y, near_x, c]
                        small, great = _least(value, small), _greatest(value, great)
                step = widening * (great - small)
                value = _least(_greatest(sharp[y, x, c], small - step), great + step)
                small, great = low[y, x, c], high[y, x, c]
                step = overshoot * (great - small)
                value = _least(_greatest(value, small - step), great + step)
                out[y - top, x - left, c] = value
