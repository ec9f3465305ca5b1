"""Limits of the learned function for shrinking, of images with alpha, missing values and others.

Equal to `lerf_core.backends.reference.shrinking`: NaN goes on through limits, and counts for no
range.
"""

from __future__ import annotations

import numpy as np

from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled

__all__ = ["limited_plane", "range_plane"]


@compiled(**HELPER)
def _least(one, other):
    return one if one < other or one != one else other  # noqa: PLR0124 - NaN


@compiled(**HELPER)
def _greatest(one, other):
    return one if one > other or one != one else other  # noqa: PLR0124 - NaN


@compiled(**KERNEL)
def range_plane(values, border, row_first, row_count, col_first, col_count, low, high):
    """Write the least and the greatest value that lies nearby.

    Parameters
    ----------
    values : ndarray of float32, (rows, cols)
    border : ndarray of float32, (1,) or (0,)
    row_first, row_count, col_first, col_count : ndarray of int64
    low, high : ndarray of float32, (output rows, output cols)
    """
    rows, cols = values.shape
    least, greatest = np.empty(cols, np.float32), np.empty(cols, np.float32)
    infinity = np.float32(np.inf)
    for y in range(row_first.size):
        least[:], greatest[:] = infinity, -infinity
        for r in range(row_first[y], row_first[y] + row_count[y]):
            row = min(max(r, 0), rows - 1)
            if r != row and border.size > 0:
                value = border[0]
                for x in range(cols):
                    least[x] = value if value < least[x] else least[x]
                    greatest[x] = value if value > greatest[x] else greatest[x]
            else:
                line = values[row]
                for x in range(cols):
                    value = line[x]
                    least[x] = value if value < least[x] else least[x]
                    greatest[x] = value if value > greatest[x] else greatest[x]
        for x in range(col_first.size):
            small, great = infinity, -infinity
            start, stop = col_first[x], col_first[x] + col_count[x]
            if border.size > 0 and (start < 0 or stop > cols):
                small = border[0] if border[0] < small else small
                great = border[0] if border[0] > great else great
                first, last = max(start, 0), min(stop, cols)
            else:
                first = min(max(start, 0), cols - 1)
                last = max(min(stop, cols), first + 1)
            for k in range(first, last):
                small = least[k] if least[k] < small else small
                great = greatest[k] if greatest[k] > great else great
            low[y, x], high[y, x] = small, great


@compiled(**KERNEL)
def limited_plane(sharp, smooth, low, high, top, left, widening, overshoot, out):
    """Write limited pixels, the first of which is pixel (top, left) of the others.

    Parameters
    ----------
    sharp, smooth, low, high, out : ndarray of float32, (rows, cols)
    top, left : int
    widening, overshoot : float32
    """
    rows, cols = smooth.shape
    # With the ends once more.
    least, greatest = np.empty(cols + 2, np.float32), np.empty(cols + 2, np.float32)
    height, width = out.shape
    for y in range(height):
        line = smooth[top + y]
        above, below = smooth[max(top + y - 1, 0)], smooth[min(top + y + 1, rows - 1)]
        for x in range(cols):
            least[x + 1] = _least(_least(above[x], line[x]), below[x])
            greatest[x + 1] = _greatest(_greatest(above[x], line[x]), below[x])
        least[0], least[cols + 1] = least[1], least[cols]
        greatest[0], greatest[cols + 1] = greatest[1], greatest[cols]
        sharp_line, low_line, high_line = sharp[top + y], low[top + y], high[top + y]
        for n in range(width):
            x = left + n
            small = _least(_least(least[x], least[x + 1]), least[x + 2])
            great = _greatest(_greatest(greatest[x], greatest[x + 1]), greatest[x + 2])
            step = widening * (great - small)
            value = _least(_greatest(sharp_line[x], small - step), great + step)
            small, great = low_line[x], high_line[x]
            step = overshoot * (great - small)
            out[y, n] = _least(_greatest(value, small - step), great + step)
