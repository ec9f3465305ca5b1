"""How far results may overshoot, in numba: bit-equal to `reference.overshoot_bounds`.

The window of a cell is reduced along the columns first, so that cells side by side share
the work; every loop runs along a row and vectorises.
"""

from __future__ import annotations

import numpy as np

from lerf_core.backends.numba.kernels.arithmetic import TOP, ZERO, larger, smaller
from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.constants import OVERSHOOT_RANGE, ROUND_F32

__all__ = ["overshoot_rows"]


@compiled(**HELPER)
def _load(plane, row, target):
    """Copy a row as float32."""
    source = plane[row]
    for x in range(source.size):
        target[x] = source[x]


@compiled(**HELPER)
def _columns(lines, bottom, top, low_pair, high_pair):
    """Find the least and the largest of each column of four pixels, and of its pairs.

    ``bottom[1]`` and ``top[1]`` are those of the two pixels in the middle. The pairs of
    column x are those with column x + 1, first, and those within it.
    """
    a, b, c, d = lines[0], lines[1], lines[2], lines[3]
    for x in range(a.size):
        low, high = smaller(b[x], c[x]), larger(b[x], c[x])
        bottom[1, x], top[1, x] = low, high
        bottom[0, x] = smaller(smaller(a[x], d[x]), low)
        top[0, x] = larger(larger(a[x], d[x]), high)
    last = a.size - 1
    for x in range(last):
        e, f, g, h = a[x], b[x], c[x], d[x]
        i, j, k, m = a[x + 1], b[x + 1], c[x + 1], d[x + 1]
        level = larger(larger(smaller(e, i), smaller(f, j)), larger(smaller(g, k), smaller(h, m)))
        falling = larger(larger(smaller(e, j), smaller(f, k)), smaller(g, m))
        rising = larger(larger(smaller(f, i), smaller(g, j)), smaller(h, k))
        high_pair[0, x] = larger(level, larger(falling, rising))
        level = smaller(smaller(larger(e, i), larger(f, j)), smaller(larger(g, k), larger(h, m)))
        falling = smaller(smaller(larger(e, j), larger(f, k)), larger(g, m))
        rising = smaller(smaller(larger(f, i), larger(g, j)), larger(h, k))
        low_pair[0, x] = smaller(level, smaller(falling, rising))
    for x in range(a.size):
        high_pair[1, x] = larger(
            larger(smaller(a[x], b[x]), smaller(b[x], c[x])), smaller(c[x], d[x])
        )
        low_pair[1, x] = smaller(
            smaller(larger(a[x], b[x]), larger(b[x], c[x])), larger(c[x], d[x])
        )


@compiled(**HELPER)
def _cells(bottom, top, low_pair, high_pair, low, high):
    """Write the bounds of a row of cells, from four columns of pixels each."""
    beside_low, within_low = low_pair[0], low_pair[1]
    beside_high, within_high = high_pair[0], high_pair[1]
    bottom_all, bottom_two, top_all, top_two = bottom[0], bottom[1], top[0], top[1]
    for x in range(low.size):
        most = larger(larger(top_all[x], top_all[x + 1]), larger(top_all[x + 2], top_all[x + 3]))
        least = smaller(
            smaller(bottom_all[x], bottom_all[x + 1]), smaller(bottom_all[x + 2], bottom_all[x + 3])
        )
        high_two = larger(
            larger(within_high[x], within_high[x + 1]),
            larger(within_high[x + 2], within_high[x + 3]),
        )
        high_two = larger(
            high_two, larger(larger(beside_high[x], beside_high[x + 1]), beside_high[x + 2])
        )
        low_two = smaller(
            smaller(within_low[x], within_low[x + 1]), smaller(within_low[x + 2], within_low[x + 3])
        )
        low_two = smaller(
            low_two, smaller(smaller(beside_low[x], beside_low[x + 1]), beside_low[x + 2])
        )
        margin = OVERSHOOT_RANGE * (most - least)
        pit = low_two - smaller(bottom_two[x + 1], bottom_two[x + 2])
        peak = larger(top_two[x + 1], top_two[x + 2]) - high_two
        below = least - (margin + larger(pit, ZERO))
        above = most + (margin + larger(peak, ZERO))
        if low.itemsize == 1:
            below = (below + ROUND_F32) - ROUND_F32
            above = (above + ROUND_F32) - ROUND_F32
            below = ZERO if below < ZERO else below
            above = TOP if above > TOP else above
        low[x] = below
        high[x] = above


@compiled(**KERNEL)
def overshoot_rows(padded, first, last, out):
    """Bound the results of cell rows first..last-1.

    Parameters
    ----------
    padded : ndarray of uint8 or float32, (rows + 4, cols + 4)
        The image in grey levels, padded by two pixels.
    out : ndarray as `padded`, (2, rows + 1, cols + 1)
        Receives the least and the largest result; for uint8 rounded and within 0..255.
    """
    width = padded.shape[1]
    lines = np.empty((4, width), np.float32)
    bottom, top = np.empty((2, width), np.float32), np.empty((2, width), np.float32)
    low_pair, high_pair = np.empty((2, width), np.float32), np.empty((2, width), np.float32)
    for y in range(first, last):
        for line in range(4):
            _load(padded, y + line, lines[line])
        _columns(lines, bottom, top, low_pair, high_pair)
        _cells(bottom, top, low_pair, high_pair, out[0, y], out[1, y])
