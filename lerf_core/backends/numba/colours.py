"""Colour differences by cubic convolution in numba, bit-equal to `_colours.add_differences`.

An output row is first combined of source rows, column by column, then along the row. Lines
of differences are made once a source row and kept while rows need them. Where columns grow
by a whole number those of a phase lie alike between their neighbours, so that each phase
reads the line in order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from lerf_core.backends.numba.arithmetic import TOP, ZERO, holds_bytes, put
from lerf_core.backends.numba.compiling import HELPER, KERNEL
from lerf_core.backends.numba.grid import interleave
from lerf_core.constants import LUMA_WEIGHTS
from lerf_core.sampling.cubic import CubicTaps

__all__ = ["add_colour_differences", "luma"]

_RED, _GREEN, _BLUE = (np.float32(weight) for weight in LUMA_WEIGHTS)
_MOST_PHASES = 16
_ONE, _TWO, _THREE = np.uint64(1), np.uint64(2), np.uint64(3)

Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]


def luma(colours: list[Plane]) -> Plane:
    """See `_colours.luma_of`."""
    level = np.empty(colours[0].shape, colours[0].dtype)
    _luma_rows(*colours, level)
    return level


def add_colour_differences(
    colours: list[Plane],
    luma: Plane,
    resized: FloatPlane,
    rows: CubicTaps,
    cols: CubicTaps,
    out: Plane,
) -> None:
    """See `_colours.add_differences`; of three colours."""
    target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    row_weight, col_weight = (np.ascontiguousarray(taps.weight.T) for taps in (rows, cols))
    # Strided pixels are read more slowly than they are copied.
    sources = (np.ascontiguousarray(plane) for plane in (*colours, luma))
    _difference_rows(
        *sources, resized, np.ascontiguousarray(rows.index.T), row_weight, cols.first + cols.pad,
        col_weight, cols.pad, _phase_count(cols, luma.shape[1]), target,
    )  # fmt: skip
    if target is not out:
        out[...] = target


@lru_cache(maxsize=16)
def _phase_count(cols: CubicTaps, width: int) -> int:
    """Return how many phases columns have, 0 for none; see `grid.phase_count`."""
    phases = len(cols.first) // width
    if cols.weight.shape[1] != 4 or len(cols.first) != width * phases or phases > _MOST_PHASES:
        return 0
    if phases < 2:
        return 0
    first = cols.first.reshape(width, phases) - np.arange(width)[:, None]
    weight = cols.weight.reshape(width, phases, 4)
    return phases if (first == first[0]).all() and (weight == weight[0]).all() else 0


@njit(**KERNEL)
def _luma_rows(red, green, blue, luma):
    for y in range(luma.shape[0]):
        r, g, b, row = red[y], green[y], blue[y], luma[y]
        for x in range(row.size):
            value = _RED * np.float32(r[x]) + _GREEN * np.float32(g[x])
            put(row, x, value + _BLUE * np.float32(b[x]))


@njit(**HELPER)
def _line(colour, luma, row, line):
    one, grey = colour[row], luma[row]
    for x in range(one.size):
        line[x] = np.float32(one[x]) - np.float32(grey[x])


@njit(**HELPER)
def _find_line(colour, luma, row, held, lines):
    """Return the line of a source row, made in the place of the oldest if it is not there.

    The rows of four taps are among the last four made, so that none of them is replaced while
    others are made: there are twice as many places. ``held[-1]`` is the oldest one's.
    """
    places = held.size - 1
    for k in range(places):
        if held[k] == row:
            return k
    oldest = held[places]
    held[places] = (oldest + 1) % places
    held[oldest] = row
    _line(colour, luma, row, lines[oldest])
    return oldest


@njit(**HELPER)
def _combine(colour, luma, index, weight, y, held, lines, down):
    """Weigh the lines of an output row's taps."""
    count = index.shape[0]
    if count == 4:
        a = lines[_find_line(colour, luma, index[0, y], held, lines)]
        b = lines[_find_line(colour, luma, index[1, y], held, lines)]
        c = lines[_find_line(colour, luma, index[2, y], held, lines)]
        d = lines[_find_line(colour, luma, index[3, y], held, lines)]
        w0, w1, w2, w3 = weight[0, y], weight[1, y], weight[2, y], weight[3, y]
        for x in range(down.size):
            down[x] = ((w0 * a[x] + w1 * b[x]) + w2 * c[x]) + w3 * d[x]
        return
    for k in range(count):
        line = lines[_find_line(colour, luma, index[k, y], held, lines)]
        w = weight[k, y]
        if k == 0:
            for x in range(down.size):
                down[x] = w * line[x]
        else:
            for x in range(down.size):
                down[x] += w * line[x]


@njit(**HELPER)
def _sum_of(grey, difference, out):
    """Return a level as `out` holds it, before it is rounded."""
    value = grey + difference
    if holds_bytes(out):
        value = value if value > ZERO else ZERO
        value = value if value < TOP else TOP
    return value


@njit(**HELPER)
def _write(grey, red, green, blue, line, out):
    """Put three colours side by side; `line` is `out` as one row."""
    for x in range(grey.size):
        put(line, 3 * x, _sum_of(grey[x], red[x], out))
        put(line, 3 * x + 1, _sum_of(grey[x], green[x], out))
        put(line, 3 * x + 2, _sum_of(grey[x], blue[x], out))


@njit(**HELPER)
def _across(line, first, weight, parts, row):
    """Weigh a line along its columns; `parts` has a row for each phase, if there are any."""
    phases, n = parts.shape
    for p in range(phases):
        near, part = line[first[p] : first[p] + n + 3], parts[p]
        w0, w1, w2, w3 = weight[0, p], weight[1, p], weight[2, p], weight[3, p]
        for x in range(n):
            part[x] = ((w0 * near[x] + w1 * near[x + 1]) + w2 * near[x + 2]) + w3 * near[x + 3]
    if phases > 0:
        interleave(parts, n, row, 0, 0)
        return
    count, across = weight.shape[0], row[0]
    if count == 4:
        w0, w1, w2, w3 = weight[0], weight[1], weight[2], weight[3]
        for x in range(across.size):
            near = np.uint64(first[x])
            total = w0[x] * line[near] + w1[x] * line[near + _ONE]
            across[x] = (total + w2[x] * line[near + _TWO]) + w3[x] * line[near + _THREE]
        return
    for x in range(across.size):
        total = weight[0, x] * line[first[x]]
        for k in range(1, count):
            total += weight[k, x] * line[first[x] + k]
        across[x] = total


@njit(**KERNEL)
def _difference_rows(
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
        First neighbours, counted from `pad` pixels before the source.
    col_weight : ndarray of float32, (count, output cols)
    pad : int
        See `CubicTaps.pad`.
    phases : int
        See `_phase_count`.
    out : ndarray, (output rows, output cols, 3)
    """
    width, count = luma.shape[1], row_index.shape[0]
    places = max(8, count)
    held, lines = np.full((3, places + 1), -1, np.int64), np.empty((3, places, width), np.float32)
    held[:, places] = 0
    down, rows = np.empty(width, np.float32), np.empty((3, 1, out.shape[1]), np.float32)
    line, parts = np.empty(width + 2 * pad, np.float32), np.empty((phases, width), np.float32)
    inner = line[pad:]
    for y in range(out.shape[0]):
        for channel in range(3):
            colour = red if channel == 0 else (green if channel == 1 else blue)
            _combine(colour, luma, row_index, row_weight, y, held[channel], lines[channel], down)
            for x in range(width):
                inner[x] = down[x]
            for x in range(pad):
                line[x], line[pad + width + x] = down[0], down[width - 1]
            _across(line, col_first, col_weight, parts, rows[channel])
        _write(resized[y], rows[0, 0], rows[1, 0], rows[2, 0], out[y].reshape(-1), out)
