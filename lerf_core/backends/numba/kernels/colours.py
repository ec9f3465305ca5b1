"""Colour differences by cubic convolution in numba, bit-equal to the specification.

An output row is first combined of source rows, column by column, then along the row. Lines
of differences are made once a source row and kept while rows need them. Where columns grow
by a whole number those of a phase lie alike between their neighbours, so that each phase
reads the line in order.
"""

from __future__ import annotations

import numpy as np

from lerf_core.backends.numba.kernels.arithmetic import TOP, ZERO, holds_bytes, put
from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.backends.numba.kernels.grid import interleave
from lerf_core.constants import LUMA_WEIGHTS

__all__ = ["difference_rows", "luma_rows"]

_RED, _GREEN, _BLUE = (np.float32(weight) for weight in LUMA_WEIGHTS)
_ONE, _TWO, _THREE = np.uint64(1), np.uint64(2), np.uint64(3)


@compiled(**KERNEL)
def luma_rows(red, green, blue, luma):
    """Write the luma of three planes, rounded where `luma` holds bytes."""
    for y in range(luma.shape[0]):
        r, g, b, row = red[y], green[y], blue[y], luma[y]
        for x in range(row.size):
            value = _RED * np.float32(r[x]) + _GREEN * np.float32(g[x])
            put(row, x, value + _BLUE * np.float32(b[x]))


@compiled(**HELPER)
def _line(colour, luma, row, line):
    """Write a source row of differences."""
    level, grey = colour[row], luma[row]
    for x in range(level.size):
        line[x] = np.float32(level[x]) - np.float32(grey[x])


@compiled(**HELPER)
def _find_line(colour, luma, row, line_rows, lines):
    """Return the line of a source row, which replaces the oldest line if it is not there yet.

    The rows of four taps are among the last four made, so that none of them is replaced while
    others are made: there are twice as many lines. ``line_rows[-1]`` says which is the oldest.
    """
    count = line_rows.size - 1
    for k in range(count):
        if line_rows[k] == row:
            return k
    oldest = line_rows[count]
    line_rows[count] = (oldest + 1) % count
    line_rows[oldest] = row
    _line(colour, luma, row, lines[oldest])
    return oldest


@compiled(**HELPER)
def _combine(colour, luma, index, weight, y, line_rows, lines, down):
    """Weigh the lines of an output row's taps."""
    count = index.shape[0]
    if count == 4:
        a = lines[_find_line(colour, luma, index[0, y], line_rows, lines)]
        b = lines[_find_line(colour, luma, index[1, y], line_rows, lines)]
        c = lines[_find_line(colour, luma, index[2, y], line_rows, lines)]
        d = lines[_find_line(colour, luma, index[3, y], line_rows, lines)]
        w0, w1, w2, w3 = weight[0, y], weight[1, y], weight[2, y], weight[3, y]
        for x in range(down.size):
            down[x] = ((w0 * a[x] + w1 * b[x]) + w2 * c[x]) + w3 * d[x]
        return
    for k in range(count):
        line = lines[_find_line(colour, luma, index[k, y], line_rows, lines)]
        w = weight[k, y]
        if k == 0:
            for x in range(down.size):
                down[x] = w * line[x]
        else:
            for x in range(down.size):
                down[x] += w * line[x]


@compiled(**HELPER)
def _sum_of(grey, difference, out):
    """Return a level as `out` holds it, before it is rounded."""
    value = grey + difference
    if holds_bytes(out):
        value = value if value > ZERO else ZERO
        value = value if value < TOP else TOP
    return value


@compiled(**HELPER)
def _write(grey, red, green, blue, line, out):
    """Put three colours side by side; `line` is `out` as one row."""
    for x in range(grey.size):
        put(line, 3 * x, _sum_of(grey[x], red[x], out))
        put(line, 3 * x + 1, _sum_of(grey[x], green[x], out))
        put(line, 3 * x + 2, _sum_of(grey[x], blue[x], out))


@compiled(**HELPER)
def _across(line, first, weight, phase_rows, row):
    """Weigh a line along its columns; `phase_rows` has a row for each phase, if there are any."""
    phases, n = phase_rows.shape
    for p in range(phases):
        run, phase = line[first[p] : first[p] + n + 3], phase_rows[p]
        w0, w1, w2, w3 = weight[0, p], weight[1, p], weight[2, p], weight[3, p]
        for x in range(n):
            phase[x] = ((w0 * run[x] + w1 * run[x + 1]) + w2 * run[x + 2]) + w3 * run[x + 3]
    if phases > 0:
        interleave(phase_rows, n, row, 0, 0)
        return
    count, across = weight.shape[0], row[0]
    if count == 4:
        w0, w1, w2, w3 = weight[0], weight[1], weight[2], weight[3]
        for x in range(across.size):
            at = np.uint64(first[x])
            total = w0[x] * line[at] + w1[x] * line[at + _ONE]
            across[x] = (total + w2[x] * line[at + _TWO]) + w3[x] * line[at + _THREE]
        return
    for x in range(across.size):
        total = weight[0, x] * line[first[x]]
        for k in range(1, count):
            total += weight[k, x] * line[first[x] + k]
        across[x] = total


@compiled(**KERNEL)
def difference_rows(
    red, green, blue, luma, resized, row_index, row_weight, col_first, col_weight, pad, phases,
    out,
):  # fmt: skip
    """Add the resized differences of three colours to the result's luma.

    Parameters
    ----------
    red, green, blue, luma : ndarray of uint8 or float32, (rows, cols)
    resized : ndarray of float32, (output rows, output cols)
    row_index, row_weight : ndarray of int64 and float32, (count, output rows)
    col_first : ndarray of int64, (output cols,)
        First of `count` neighbours, counted from `pad` pixels before the source.
    col_weight : ndarray of float32, (count, output cols)
    pad : int
        How many neighbours lie outside the source, at most, at either end.
    phases : int
        0, or a number n such that every n-th output column has the weights of the first, and
        the next first neighbour; then there are four neighbours.
    out : ndarray, (output rows, output cols, 3)
    """
    width, count = luma.shape[1], row_index.shape[0]
    n_lines = max(8, count)
    line_rows = np.full((3, n_lines + 1), -1, np.int64)
    lines = np.empty((3, n_lines, width), np.float32)
    line_rows[:, n_lines] = 0
    down, rows = np.empty(width, np.float32), np.empty((3, 1, out.shape[1]), np.float32)
    line, phase_rows = np.empty(width + 2 * pad, np.float32), np.empty((phases, width), np.float32)
    inner = line[pad:]
    for y in range(out.shape[0]):
        for channel in range(3):
            colour = red if channel == 0 else (green if channel == 1 else blue)
            _combine(
                colour, luma, row_index, row_weight, y, line_rows[channel], lines[channel], down
            )
            for x in range(width):
                inner[x] = down[x]
            for x in range(pad):
                line[x], line[pad + width + x] = down[0], down[width - 1]
            _across(line, col_first, col_weight, phase_rows, rows[channel])
        _write(resized[y], rows[0, 0], rows[1, 0], rows[2, 0], out[y].reshape(-1), out)
