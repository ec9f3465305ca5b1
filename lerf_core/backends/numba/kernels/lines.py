"""Lines of resizing in numba: source rows unpacked into floats.

A line holds what the weighted mean needs of the pixels of a source row, or of the neighbours on one
side of output columns, each kind of number in order.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from lerf_core.backends.numba.kernels.arithmetic import (
    FEATURE,
    LOCAL_PLANE_SLOTS,
    RHO,
    SIGMA_COL,
    SIGMA_ROW,
    ZERO,
    cross_term,
    tent_slope,
)
from lerf_core.backends.numba.kernels.compiling import HELPER, compiled
from lerf_core.backends.numba.kernels.lanes import LANES
from lerf_core.backends.numba.kernels.line_layout import (
    COL,
    COL_SLOPE,
    CROSS,
    LEVEL,
    LINE,
    PITCH,
    ROW,
    ROW_SLOPE,
    TENT,
    VALIDITY,
)
from lerf_core.backends.numba.kernels.unpacking import unpack_planes

__all__ = ["has_local_planes", "line_of_columns", "line_of_phases"]


def _slot(pixels, x, k):
    """Return slot k of pixel x as float32, from words or from packed floats."""


@overload(_slot)
def _compile_slot(pixels, x, k):
    if pixels.ndim == 1:
        return lambda pixels, x, k: np.float32(
            np.int32((np.uint64(pixels[x]) >> np.uint64(8 * k)) & np.uint64(255))
        )
    return lambda pixels, x, k: np.float32(pixels[x, k])


@compiled(**HELPER)
def has_local_planes(pixels):
    """Whether pixels (words, or packed floats) hold local planes."""
    slots = pixels.itemsize if pixels.ndim == 2 else pixels.shape[2]
    return slots >= LOCAL_PLANE_SLOTS


@compiled(**HELPER)
def _unpack_each(pixels, row, first, n, form, lines, start):
    """As `_unpack`, of levels."""
    source, line = pixels[row][first : first + n], lines[start:]
    for x in range(n):
        line[LEVEL + x] = _slot(source, x, FEATURE)
    if not form[0]:
        for x in range(n):
            line[TENT + x] = tent_slope(_slot(source, x, RHO))
        return
    for x in range(n):
        sigma_row, sigma_col = _slot(source, x, SIGMA_ROW), _slot(source, x, SIGMA_COL)
        line[ROW + x] = sigma_row * sigma_row
        line[CROSS + x] = cross_term(_slot(source, x, RHO), sigma_row, sigma_col)
        line[COL + x] = sigma_col * sigma_col


def _copy_pixel(source, x, target, at):
    """Copy a pixel: a word, or slots one by one (assigning them all may raise)."""


@overload(_copy_pixel)
def _compile_copy_pixel(source, x, target, at):
    def word(source, x, target, at):
        target[at] = source[x]

    def slots(source, x, target, at):
        for k in range(source.shape[1]):
            target[at, k] = source[x, k]

    return word if source.ndim == 1 else slots


@compiled(**HELPER)
def _unpack_planes(pixels, row, first, n, lines, start, spare):
    """As `_unpack`, of local planes: whole vectors, the last one from a copy of its pixels."""
    source, copied = pixels[row][first : first + n], spare[0]
    line = lines.ctypes.data + 4 * start
    whole = n // LANES * LANES
    unpack_planes(source.ctypes.data, whole, line, pixels)
    if whole < n:
        for x in range(n - whole):
            _copy_pixel(source, whole + x, copied, x)
        unpack_planes(copied.ctypes.data, np.int64(LANES), line + 4 * whole, pixels)


def _unpack(pixels, row, first, n, form, lines, start, spare):
    """Unpack n pixels of a row into the line that begins at `start`.

    `form` is (is Gaussian, has local planes, is bounded); `spare` has room for the pixels of a
    vector, (1, LANES or more).
    """


@overload(_unpack)
def _compile_unpack(pixels, row, first, n, form, lines, start, spare):
    def levels(pixels, row, first, n, form, lines, start, spare):
        _unpack_each(pixels, row, first, n, form, lines, start)

    def planes(pixels, row, first, n, form, lines, start, spare):
        _unpack_planes(pixels, row, first, n, lines, start, spare)

    def floats(pixels, row, first, n, form, lines, start, spare):
        if form[1]:
            _unpack_planes(pixels, row, first, n, lines, start, spare)
        else:
            _unpack_each(pixels, row, first, n, form, lines, start)

    if pixels.ndim == 3:
        return floats
    return planes if pixels.dtype == types.uint64 else levels


@compiled(**HELPER)
def _make_constant(lines, at, border):
    """Give a pixel of a line the level beyond the border, if there is one."""
    use_cval, cval, valid_share = border
    if use_cval:
        lines[at + LEVEL] = cval
        lines[at + ROW_SLOPE] = lines[at + COL_SLOPE] = ZERO
        lines[at + VALIDITY] = valid_share


@compiled(**HELPER)
def line_of_phases(pixels, validity, row, outside, border, form, first, n, spare, lines, start):
    """Make the line of source columns ``first - 1 ... first + n`` of a row."""
    width = pixels.shape[1]
    least, last = max(first - 1, 0), min(first + n + 1, width)
    skip = least - (first - 1)
    _unpack(pixels, row, least, last - least, form, lines, start + skip, spare)
    if validity is not None:
        for x in range(last - least):
            lines[start + skip + VALIDITY + x] = validity[row, least + x]
    if first == 0:
        for at in range(start, start + LINE, PITCH):
            lines[at] = lines[at + 1]
        _make_constant(lines, start, border)
    if first + n == width:
        for at in range(start + n, start + n + LINE, PITCH):
            lines[at + 1] = lines[at]
        _make_constant(lines, start + n + 1, border)
    if outside:
        for x in range(n + 2):
            _make_constant(lines, start + x, border)


def _pick(pixels, row, index, side, first, n, picked):
    """Copy the pixels ``index[side, first : first + n]`` of a row."""


@overload(_pick)
def _compile_pick(pixels, row, index, side, first, n, picked):
    def words(pixels, row, index, side, first, n, picked):
        source, columns, target = pixels[row], index[side, first : first + n], picked[0]
        for x in range(n):
            target[x] = source[columns[x]]

    def packed(pixels, row, index, side, first, n, picked):
        source, columns, target = pixels[row], index[side, first : first + n], picked[0]
        for x in range(n):
            for k in range(pixels.shape[2]):
                target[x, k] = source[columns[x], k]

    return words if pixels.ndim == 2 else packed


@compiled(**HELPER)
def line_of_columns(
    pixels, validity, row, outside, border, form, index, index_outside, side, first, n,
    picked, lines, start,
):  # fmt: skip
    """Make the line of one neighbour of each output column."""
    _pick(pixels, row, index, side, first, n, picked)
    origin = np.int64(0)
    _unpack(picked, origin, origin, n, form, lines, start, picked)
    if validity is not None:
        for x in range(n):
            lines[start + VALIDITY + x] = validity[row, index[side, first + x]]
    if border[0]:
        for x in range(n):
            if outside or index_outside[side, first + x]:
                _make_constant(lines, start + x, border)
