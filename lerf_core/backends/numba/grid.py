"""The weighted mean of resizing in numba, bit-equal to `reference.resample_grid`.

`grid2_rows` takes two neighbours an axis, the common case, and `grid_rows` any number.

`grid2_rows` unpacks each source row once, into a line of floats, for all output rows beside
it. Where columns grow by a whole number, every so many output columns lie alike between
their neighbours: the columns of one such phase read a line in order, and all phases share
it. Other columns have a line for either neighbour, whose pixels are picked one by one.
Long rows are taken in segments, so that lines stay in the first-level cache.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.extending import overload

from lerf_core.backends.numba.arithmetic import (
    FEATURE,
    FIRST_WEIGHT,
    PLANE_SLOTS,
    RESIDUAL,
    RHO,
    SIGMA_COL,
    SIGMA_ROW,
    SLOPE_COL,
    SLOPE_ROW,
    TOP,
    ZERO,
    cross_offset,
    cross_term,
    exponent,
    holds_bytes,
    mean_of_four,
    plane_level,
    plane_slope,
    put,
    relative_weight,
    square_term,
    tent,
    tent_slope,
    trusted_mean_of_four,
    within,
)
from lerf_core.backends.numba.compiling import HELPER, KERNEL
from lerf_core.constants import REACH_LIMIT
from lerf_core.sampling.taps import AxisTaps

__all__ = ["as_words", "grid2_rows", "grid_rows", "interleave", "phase_count"]

# Columns of a segment: of the source where there are phases, else of the result.
_SEGMENT = 512
_MOST_PHASES = 16
# A line has a place for the pixel on either side of the segment. It is one flat array, whose
# rows begin at constant places: the compiler then knows that no two loads interfere.
_PITCH = _SEGMENT + 16
_LEVEL, _ROW, _CROSS, _COL, _LEAN_ROW, _LEAN_COL, _TRUST = (_PITCH * k for k in range(7))
_LINE = 7 * _PITCH
_TENT = _ROW  # the tent's slope
# Sums over any number of neighbours are laid out alike.
_BASE, _FIRST, _WEIGHT, _PLAIN, _PLAIN_SUM, _TRUSTED, _TRUSTED_SUM = (_PITCH * k for k in range(7))
_INFINITY = np.float32(np.inf)


def as_words(records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """View records of bytes as one word a pixel; others are returned as they are.

    Parameters
    ----------
    records : ndarray of uint8 or float32, (..., slots)
        C-contiguous, with 2, 4 or 8 slots.

    Returns
    -------
    ndarray of uint16, uint32 or uint64, (...), or `records`
        Slot k is the byte of weight ``256**k``.
    """
    if records.dtype != np.uint8:
        return records
    words = records.view(f"u{records.shape[-1]}")[..., 0]
    return words if sys.byteorder == "little" else words.byteswap()


def phase_count(taps: AxisTaps, size: int) -> int:
    """Return how many phases the output pixels of an axis have, 0 if they have none.

    With n phases, the first tap of output pixel ``n*m + p`` is that of pixel p, m pixels on,
    which is pixel m or the one before; the second tap is the next pixel.
    """
    phases = taps.size // size
    if taps.count != 2 or taps.size != size * phases or not 0 < phases <= _MOST_PHASES:
        return 0
    first = taps.index[:, 0].reshape(size, phases) - np.arange(size)[:, None]
    alike = (first == first[0]).all() and ((first[0] == -1) | (first[0] == 0)).all()
    return phases if alike and (np.diff(taps.index) == 1).all() else 0


# -- pixels to lines ------------------------------------------------------------------


def _slot(pixels, x, k):
    """Return slot k of pixel x as float32, from words or from records of floats."""


@overload(_slot)
def _compile_slot(pixels, x, k):
    if pixels.ndim == 1:
        return lambda pixels, x, k: np.float32(
            np.int32((np.uint64(pixels[x]) >> np.uint64(8 * k)) & np.uint64(255))
        )
    return lambda pixels, x, k: np.float32(pixels[x, k])


@njit(**HELPER)
def _has_planes(pixels):
    """Whether pixels (words or records) hold planes."""
    slots = pixels.itemsize if pixels.ndim == 2 else pixels.shape[2]
    return slots >= PLANE_SLOTS


@njit(**HELPER)
def _unpack(pixels, row, first, n, look, lines, start):
    """Turn n pixels of a row into what the blends read of them, in the line from `start` on."""
    gaussian, planes, _ = look
    source, line = pixels[row][first : first + n], lines[start:]
    for x in range(n):
        line[_LEVEL + x] = _slot(source, x, FEATURE)
    if not gaussian:
        for x in range(n):
            line[_TENT + x] = tent_slope(_slot(source, x, RHO))
        return
    for x in range(n):
        sigma_row, sigma_col = _slot(source, x, SIGMA_ROW), _slot(source, x, SIGMA_COL)
        line[_ROW + x] = sigma_row * sigma_row
        line[_CROSS + x] = cross_term(_slot(source, x, RHO), sigma_row, sigma_col)
        line[_COL + x] = sigma_col * sigma_col
    if planes:
        for x in range(n):
            line[_LEVEL + x] = plane_level(line[_LEVEL + x], _slot(source, x, RESIDUAL))
            line[_LEAN_ROW + x] = plane_slope(_slot(source, x, SLOPE_ROW))
            line[_LEAN_COL + x] = plane_slope(_slot(source, x, SLOPE_COL))


@njit(**HELPER)
def _make_constant(lines, at, border):
    """Give a pixel of a line the level beyond the border, if there is one."""
    use_cval, cval, trust = border
    if use_cval:
        lines[at + _LEVEL] = cval
        lines[at + _LEAN_ROW] = lines[at + _LEAN_COL] = ZERO
        lines[at + _TRUST] = trust


@njit(**HELPER)
def _line_of_phases(pixels, confidence, row, outside, border, look, first, n, lines, start):
    """Make the line of source columns ``first - 1 ... first + n`` of a row."""
    width = pixels.shape[1]
    least, last = max(first - 1, 0), min(first + n + 1, width)
    skip = least - (first - 1)
    _unpack(pixels, row, least, last - least, look, lines, start + skip)
    if confidence is not None:
        for x in range(last - least):
            lines[start + skip + _TRUST + x] = confidence[row, least + x]
    if first == 0:
        for at in range(start, start + _LINE, _PITCH):
            lines[at] = lines[at + 1]
        _make_constant(lines, start, border)
    if first + n == width:
        for at in range(start + n, start + n + _LINE, _PITCH):
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

    def records(pixels, row, index, side, first, n, picked):
        source, columns, target = pixels[row], index[side, first : first + n], picked[0]
        for x in range(n):
            for k in range(pixels.shape[2]):
                target[x, k] = source[columns[x], k]

    return words if pixels.ndim == 2 else records


@njit(**HELPER)
def _line_of_columns(
    pixels, confidence, row, outside, border, look, index, index_outside, side, first, n,
    picked, lines, start,
):  # fmt: skip
    """Make the line of one neighbour of each output column."""
    _pick(pixels, row, index, side, first, n, picked)
    origin = np.int64(0)
    _unpack(picked, origin, origin, n, look, lines, start)
    if confidence is not None:
        for x in range(n):
            lines[start + _TRUST + x] = confidence[row, index[side, first + x]]
    if border[0]:
        for x in range(n):
            if outside or index_outside[side, first + x]:
                _make_constant(lines, start + x, border)


# -- lines to levels ------------------------------------------------------------------


def _at(offset, x):
    """Return the offset of column x: each has its own, or all of a phase have one."""


@overload(_at)
def _compile_at(offset, x):
    if isinstance(offset, types.Array):
        return lambda offset, x: offset[x]
    return lambda offset, x: offset


@njit(**HELPER)
def _exponent(line, x, dy, dx):
    return exponent(
        line[_ROW + x], square_term(dy), line[_CROSS + x], cross_offset(dy, dx),
        line[_COL + x] * square_term(dx),
    )  # fmt: skip


@njit(**HELPER)
def _plane(line, x, dy, dx):
    return (line[_LEVEL + x] + line[_LEAN_COL + x] * dx) + line[_LEAN_ROW + x] * dy


@njit(**HELPER)
def _tent_weight(line, x, dy, dx):
    return tent(line[_TENT + x], dy) * tent(line[_TENT + x], dx)


@njit(**HELPER)
def _gaussian_mean(e00, e01, e10, e11, v00, v01, v10, v11):
    w01, w10, w11 = relative_weight(e01, e00), relative_weight(e10, e00), relative_weight(e11, e00)
    return mean_of_four(FIRST_WEIGHT, w01, w10, w11, v00, v01, v10, v11)


@njit(**HELPER)
def _blend_levels(lines, starts, dy0, dy1, dx0, dx1, n, out, row, first):
    """Gaussian means of levels that the output can hold."""
    l00, l01 = lines[starts[0] :], lines[starts[1] :]
    l10, l11 = lines[starts[2] :], lines[starts[3] :]
    target = out[row, first : first + n]
    for x in range(n):
        left, right = _at(dx0, x), _at(dx1, x)
        mean = _gaussian_mean(
            _exponent(l00, x, dy0, left), _exponent(l01, x, dy0, right),
            _exponent(l10, x, dy1, left), _exponent(l11, x, dy1, right),
            l00[x], l01[x], l10[x], l11[x],
        )  # fmt: skip
        put(target, x, mean)


@njit(**HELPER)
def _blend_planes(lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first):
    """Gaussian means of planes, or of levels (planes that do not lean), within limits."""
    l00, l01 = lines[starts[0] :], lines[starts[1] :]
    l10, l11 = lines[starts[2] :], lines[starts[3] :]
    limits, target = bounds[bound:], out[row, first : first + n]
    for x in range(n):
        left, right = _at(dx0, x), _at(dx1, x)
        mean = _gaussian_mean(
            _exponent(l00, x, dy0, left), _exponent(l01, x, dy0, right),
            _exponent(l10, x, dy1, left), _exponent(l11, x, dy1, right),
            _plane(l00, x, dy0, left), _plane(l01, x, dy0, right),
            _plane(l10, x, dy1, left), _plane(l11, x, dy1, right),
        )  # fmt: skip
        put(target, x, within(mean, limits[x], limits[_PITCH + x]))


@njit(**HELPER)
def _blend_tents(lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first):
    """Means of levels by tents, within limits."""
    l00, l01 = lines[starts[0] :], lines[starts[1] :]
    l10, l11 = lines[starts[2] :], lines[starts[3] :]
    limits, target = bounds[bound:], out[row, first : first + n]
    for x in range(n):
        left, right = _at(dx0, x), _at(dx1, x)
        mean = mean_of_four(
            _tent_weight(l00, x, dy0, left), _tent_weight(l01, x, dy0, right),
            _tent_weight(l10, x, dy1, left), _tent_weight(l11, x, dy1, right),
            l00[x], l01[x], l10[x], l11[x],
        )  # fmt: skip
        put(target, x, within(mean, limits[x], limits[_PITCH + x]))


@njit(**HELPER)
def _weigh(lines, start, dy, dx, look, n, weight, value):
    """Weights of one of four neighbours (of Gaussians the exponents), and its values."""
    line = lines[start:]
    for x in range(n):
        value[x] = _plane(line, x, dy, _at(dx, x)) if look[1] else line[x]
    if look[0]:
        for x in range(n):
            weight[x] = _exponent(line, x, dy, _at(dx, x))
    else:
        for x in range(n):
            weight[x] = _tent_weight(line, x, dy, _at(dx, x))


@njit(**HELPER)
def _blend_trusting(
    lines, starts, dy0, dy1, dx0, dx1, bounds, bound, look, scratch, n, out, trust, row, first
):
    """Means with confidences: first weights and values of all four, then both sums."""
    w00, w01, w10, w11 = scratch[0, 0], scratch[0, 1], scratch[0, 2], scratch[0, 3]
    v00, v01, v10, v11 = scratch[1, 0], scratch[1, 1], scratch[1, 2], scratch[1, 3]
    _weigh(lines, starts[0], dy0, dx0, look, n, w00, v00)
    _weigh(lines, starts[1], dy0, dx1, look, n, w01, v01)
    _weigh(lines, starts[2], dy1, dx0, look, n, w10, v10)
    _weigh(lines, starts[3], dy1, dx1, look, n, w11, v11)
    if look[0]:
        for x in range(n):
            base = w00[x]
            w00[x] = FIRST_WEIGHT
            w01[x] = relative_weight(w01[x], base)
            w10[x] = relative_weight(w10[x], base)
            w11[x] = relative_weight(w11[x], base)
    t00, t01 = lines[starts[0] + _TRUST :], lines[starts[1] + _TRUST :]
    t10, t11 = lines[starts[2] + _TRUST :], lines[starts[3] + _TRUST :]
    limits, target, share = bounds[bound:], out[row, first:], trust[row, first:]
    for x in range(n):
        mean, share[x] = trusted_mean_of_four(
            w00[x], w01[x], w10[x], w11[x], v00[x], v01[x], v10[x], v11[x],
            t00[x], t01[x], t10[x], t11[x],
        )  # fmt: skip
        put(target, x, within(mean, limits[x], limits[_PITCH + x]))


def _blend_plainly(
    pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, look, n, out, row, first
):
    """Means without confidences, by what the pixels hold."""


@overload(_blend_plainly)
def _compile_blend_plainly(
    pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, look, n, out, row, first
):  # fmt: skip
    def tents(pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, look, n, out, row, first):
        _blend_tents(lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first)

    def planes(pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, look, n, out, row, first):
        _blend_planes(lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first)

    def levels(pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, look, n, out, row, first):
        if look[2]:
            _blend_planes(lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first)
        else:
            _blend_levels(lines, starts, dy0, dy1, dx0, dx1, n, out, row, first)

    def floats(pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, look, n, out, row, first):
        if not look[0]:
            _blend_tents(lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first)
        elif look[2]:
            _blend_planes(lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first)
        else:
            _blend_levels(lines, starts, dy0, dy1, dx0, dx1, n, out, row, first)

    # Words tell by their size: see `as_words`.
    return {types.uint16: tents, types.uint32: levels, types.uint64: planes}.get(
        pixels.dtype, floats
    )


@njit(**HELPER)
def _blend(
    pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, look, scratch, n, out, trust,
    row, first,
):  # fmt: skip
    """Write n results into ``out[row, first:]``.

    The lines of the four neighbours begin at `starts`, the bounds at `bound`. ``dx0, dx1``
    are one offset for all columns, or arrays.
    """
    if trust is None:
        _blend_plainly(
            pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, look, n, out, row, first
        )
    else:
        _blend_trusting(
            lines, starts, dy0, dy1, dx0, dx1, bounds, bound, look, scratch, n, out, trust, row,
            first,
        )  # fmt: skip


@njit(**HELPER)
def _bounds_of_phases(limits, row, beyond, start, n, size, out, bounds):
    """Limits of the cells ``start ... start + n``, for the columns of all phases."""
    least, most = _range_of(out)
    for x in range(n + 1):
        bounds[x], bounds[_PITCH + x] = least, most
    if row < 0:
        return
    low, high = limits[0, row, start : start + n + 1], limits[1, row, start : start + n + 1]
    for x in range(n + 1):
        bounds[x] = low[x]
        bounds[_PITCH + x] = high[x]
    if beyond and start == 0:
        bounds[0], bounds[_PITCH] = least, most
    if beyond and start + n == size:
        bounds[n], bounds[_PITCH + n] = least, most


@njit(**HELPER)
def _bounds_of_columns(limits, row, cells, first, n, out, bounds):
    """Limits of the cells that output columns lie in, -1 for none."""
    least, most = _range_of(out)
    for x in range(n):
        cell = cells[first + x]
        held = row >= 0 and cell >= 0
        bounds[x] = limits[0, row, cell] if held else least
        bounds[_PITCH + x] = limits[1, row, cell] if held else most


@njit(**HELPER)
def _range_of(out):
    """Return the least and the largest level that an output can hold."""
    return (ZERO, TOP) if holds_bytes(out) else (-_INFINITY, _INFINITY)


@njit(**HELPER)
def interleave(parts, n, out, y, first):
    """Put the columns of all phases in order, into ``out[y, first:]``."""
    row = out[y, first:]
    phases = parts.shape[0]
    if phases == 2:
        a, b = parts[0], parts[1]
        for x in range(n):
            row[2 * x] = a[x]
            row[2 * x + 1] = b[x]
    elif phases == 3:
        a, b, c = parts[0], parts[1], parts[2]
        for x in range(n):
            row[3 * x] = a[x]
            row[3 * x + 1] = b[x]
            row[3 * x + 2] = c[x]
    elif phases == 4:
        a, b, c, d = parts[0], parts[1], parts[2], parts[3]
        for x in range(n):
            row[4 * x] = a[x]
            row[4 * x + 1] = b[x]
            row[4 * x + 2] = c[x]
            row[4 * x + 3] = d[x]
    else:
        for p in range(phases):
            part = parts[p]
            for x in range(n):
                row[phases * x + p] = part[x]


@njit(**HELPER)
def _offsets_by_phase(offset, phases):
    """Offsets, (2, phases, pixels), and whether those of a phase are all the same."""
    pixels = offset.shape[1] // phases if phases > 0 else 0
    by_phase = np.empty((2, phases, pixels), np.float32)
    steady = True
    for side in range(2):
        for p in range(phases):
            for m in range(pixels):
                by_phase[side, p, m] = offset[side, phases * m + p]
                steady &= by_phase[side, p, m] == offset[side, p]
    return by_phase, steady


# -- kernels --------------------------------------------------------------------------


@njit(**HELPER)
def _find_line(held, key, other):
    """Return which line holds a source row, or may, and whether it has yet to be made.

    A new row goes where the other row of the pair is not.
    """
    if held[0] == key:
        return 0, False
    if held[1] == key:
        return 1, False
    line = 1 if held[0] == other else 0
    held[line] = key
    return line, True


@njit(**KERNEL)
def grid2_rows(
    pixels, gaussian, row_index, row_outside, row_offset, col_index, col_outside, col_offset,
    phases, cval, use_cval, confidence, cval_confidence, limits, row_cell, col_cell,
    top, bottom, out, trust,
):  # fmt: skip
    """Resize output rows top..bottom-1 by two neighbours an axis.

    Parameters
    ----------
    pixels : ndarray of uint16, uint32 or uint64, (rows, cols), or float32, (rows, cols, slots)
        Features and parameters; see `as_words`.
    gaussian : bool
        The weighting: Gaussian or tent.
    row_index, col_index : ndarray of int64, (2, output size)
        Source indices of both taps, clipped to the image.
    row_outside, col_outside : ndarray of bool, (2, output size)
        Whether they had to be.
    row_offset, col_offset : ndarray of float32, (2, output size)
    phases : int
        `phase_count` of the columns.
    cval, use_cval : float32, bool
        Feature beyond the border, if wanted.
    confidence : ndarray of float32, (rows, cols), or None
    cval_confidence : float32
        Confidence beyond the border.
    limits : ndarray, (2, rows + 1, cols + 1)
        See `reference.limits`; rounded for bytes, and empty for none.
    row_cell, col_cell : ndarray of int64, (output size,)
        The cells that output rows and columns lie in; -1 for those without limits.
    out : ndarray of uint8 or float32, (output rows, output cols)
        Receives the mean.
    trust : ndarray of float32, as `out`, or None
        With confidences, receives the trusted share of the weights.
    """
    planes = gaussian and _has_planes(pixels)
    limited = limits.size > 0
    # Means of levels stay within them; those of planes and of a constant have to be kept so.
    bounded = planes or limited or (use_cval and not ZERO <= cval <= TOP)
    look = (gaussian, planes, bounded)
    border = (use_cval, cval, cval_confidence)
    lines = np.zeros(4 * _LINE, np.float32)  # of two rows and two sides
    bounds = np.empty(2 * _PITCH, np.float32)
    scratch = None if trust is None else np.empty((2, 4, _SEGMENT), np.float32)
    parts = np.empty((phases, _SEGMENT), out.dtype)
    part_trust = None if trust is None else np.empty((phases, _SEGMENT), np.float32)
    picked = np.empty((1, _SEGMENT, *pixels.shape[2:]), pixels.dtype)
    held, use = np.empty(2, np.int64), np.empty(2, np.int64)
    origin = np.int64(0)  # no literal: for that the blends would be compiled again
    phase_offset, steady = _offsets_by_phase(col_offset, phases)
    width = pixels.shape[1] if phases > 0 else out.shape[1]
    for first in range(0, width, _SEGMENT):
        n = min(_SEGMENT, width - first)
        held[:] = -1
        held_cell = np.int64(-2)
        dx0, dx1 = col_offset[0, first : first + n], col_offset[1, first : first + n]
        for y in range(top, bottom):
            for tap in range(2):
                row, outside = row_index[tap, y], row_outside[tap, y]
                other = 2 * row_index[1 - tap, y] + row_outside[1 - tap, y]
                slot, missing = _find_line(held, 2 * row + outside, other)
                use[tap] = start = 2 * slot * _LINE
                if missing and phases > 0:
                    _line_of_phases(
                        pixels, confidence, row, outside, border, look, first, n, lines, start
                    )
                elif missing:
                    for side in range(2):
                        _line_of_columns(
                            pixels, confidence, row, outside, border, look,
                            col_index, col_outside, side, first, n,
                            picked, lines, start + side * _LINE,
                        )  # fmt: skip
            cell = row_cell[y] if limited else np.int64(-1)
            if cell != held_cell:
                held_cell = cell
                if phases > 0 or not limited:
                    _bounds_of_phases(limits, cell, use_cval, first, n, width, out, bounds)
                else:
                    _bounds_of_columns(limits, cell, col_cell, first, n, out, bounds)
            upper, lower = use[0], use[1]
            dy0, dy1 = row_offset[0, y], row_offset[1, y]
            for p in range(phases):
                skip = 0 if col_outside[0, p] else 1  # where the first taps begin in a line
                starts = (upper + skip, upper + skip + 1, lower + skip, lower + skip + 1)
                if steady:
                    _blend(
                        pixels, lines, starts, dy0, dy1,
                        phase_offset[0, p, 0], phase_offset[1, p, 0],
                        bounds, skip, look, scratch, n, parts, part_trust, p, origin,
                    )  # fmt: skip
                else:
                    _blend(
                        pixels, lines, starts, dy0, dy1,
                        phase_offset[0, p, first:], phase_offset[1, p, first:],
                        bounds, skip, look, scratch, n, parts, part_trust, p, origin,
                    )  # fmt: skip
            if phases > 0:
                interleave(parts, n, out, y, phases * first)
                if trust is not None:
                    interleave(part_trust, n, trust, y, phases * first)
            else:
                _blend(
                    pixels, lines, (upper, upper + _LINE, lower, lower + _LINE),
                    dy0, dy1, dx0, dx1, bounds, origin, look, scratch, n, out, trust, y, first,
                )  # fmt: skip


@njit(**HELPER)
def _add_neighbours(line, dy, dx, look, n, sums, trust):
    """Add one neighbour of each column to the sums; see `reference._Mean`."""
    near = abs(dy) <= REACH_LIMIT
    for x in range(n):
        if look[0]:
            weight = relative_weight(_exponent(line, x, dy, dx[x]), sums[_FIRST + x])
        else:
            weight = _tent_weight(line, x, dy, dx[x])
        sums[_WEIGHT + x] = weight if near and abs(dx[x]) <= REACH_LIMIT else ZERO
    for x in range(n):
        weight = sums[_WEIGHT + x]
        difference = _plane(line, x, dy, dx[x]) - sums[_BASE + x]
        sums[_PLAIN_SUM + x] += weight
        sums[_PLAIN + x] += weight * difference
    if trust is not None:
        for x in range(n):
            kept = sums[_WEIGHT + x] * line[_TRUST + x]
            difference = _plane(line, x, dy, dx[x]) - sums[_BASE + x]
            sums[_TRUSTED_SUM + x] += kept
            sums[_TRUSTED + x] += kept * difference


@njit(**HELPER)
def _begin_sums(line, dy, dx, n, sums):
    """Set the sums to zero and take the first neighbours' values and exponents."""
    sums[:] = ZERO
    for x in range(n):
        sums[_BASE + x] = _plane(line, x, dy, dx[x])
    for x in range(n):
        sums[_FIRST + x] = _exponent(line, x, dy, dx[x])


@njit(**HELPER)
def _finish_sums(sums, bounds, n, out, trust, y, first):
    """Write means, and the trusted share of the weights where it is wanted."""
    row = out[y, first:]
    if trust is None:
        for x in range(n):
            change = sums[_PLAIN + x] / sums[_PLAIN_SUM + x]
            row[x] = within(sums[_BASE + x] + change, bounds[x], bounds[_PITCH + x])
    else:
        share = trust[y, first:]
        for x in range(n):
            known = sums[_TRUSTED_SUM + x] > ZERO
            change = sums[(_TRUSTED if known else _PLAIN) + x]
            change /= sums[(_TRUSTED_SUM if known else _PLAIN_SUM) + x]
            row[x] = within(sums[_BASE + x] + change, bounds[x], bounds[_PITCH + x])
            share[x] = sums[_TRUSTED_SUM + x] / sums[_PLAIN_SUM + x]


@njit(**KERNEL)
def grid_rows(
    pixels, gaussian, row_index, row_outside, row_offset, col_index, col_outside, col_offset,
    cval, use_cval, confidence, cval_confidence, limits, row_cell, col_cell,
    top, bottom, out, trust,
):  # fmt: skip
    """Resize output rows top..bottom-1 by any number of taps.

    As `grid2_rows`, with indices and offsets of shape (taps, output size), and ``out`` of
    float32.
    """
    limited = limits.size > 0
    look = (gaussian, gaussian and _has_planes(pixels), True)
    border = (use_cval, cval, cval_confidence)
    line, bounds = np.zeros(_LINE, np.float32), np.empty(2 * _PITCH, np.float32)
    sums = np.empty(7 * _PITCH, np.float32)
    picked = np.empty((1, _SEGMENT, *pixels.shape[2:]), pixels.dtype)
    origin = np.int64(0)
    width = out.shape[1]
    for first in range(0, width, _SEGMENT):
        n = min(_SEGMENT, width - first)
        for y in range(top, bottom):
            for ty in range(row_index.shape[0]):
                row, outside, dy = row_index[ty, y], row_outside[ty, y], row_offset[ty, y]
                for tx in range(col_index.shape[0]):
                    _line_of_columns(
                        pixels, confidence, row, outside, border, look,
                        col_index, col_outside, tx, first, n, picked, line, origin,
                    )  # fmt: skip
                    dx = col_offset[tx, first:]
                    if ty == 0 and tx == 0:
                        _begin_sums(line, dy, dx, n, sums)
                    _add_neighbours(line, dy, dx, look, n, sums, trust)
            if limited:
                _bounds_of_columns(limits, row_cell[y], col_cell, first, n, out, bounds)
            else:
                _bounds_of_phases(limits, -1, use_cval, first, n, width, out, bounds)
            _finish_sums(sums, bounds, n, out, trust, y, first)
