"""The weighted mean of resizing in numba, bit-equal to `reference.mean_on_grid`.

`grid2_rows` takes two neighbours per axis, the common case, and `grid_rows` any number.

`grid2_rows` unpacks each source row once, into a line of floats, for all output rows beside
it. Where columns grow by a whole number, every so many output columns lie alike between
their neighbours: the columns of one such phase read a line in order, and all phases share
it. Other columns have a line for either neighbour, whose pixels are picked one by one.
Long rows are taken in segments, so that lines stay in the first-level cache.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from lerf_core.backends.numba.kernels.arithmetic import (
    FIRST_WEIGHT,
    TOP,
    ZERO,
    cross_offset,
    exponent,
    gaussian_mean_of_four,
    holds_bytes,
    local_plane_value,
    mean_of_four,
    put,
    relative_weight,
    square_term,
    tent_weight,
    valid_mean_of_four,
    within,
)
from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
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
    SEGMENT,
    TENT,
    VALIDITY,
)
from lerf_core.backends.numba.kernels.lines import (
    has_local_planes,
    line_of_columns,
    line_of_phases,
)
from lerf_core.backends.numba.kernels.phases import (
    PARTS,
    blend_phase,
    parts_of_row,
    predict_columns,
)
from lerf_core.constants import REACH_LIMIT

__all__ = [
    "blend_phases",
    "bounds_of_phases",
    "find_line",
    "grid2_rows",
    "grid_rows",
    "interleave",
    "offsets_by_phase",
    "predict_phases",
]

# Sums over any number of neighbours are laid out alike.
_BASE, _FIRST, _WEIGHT = (PITCH * k for k in range(3))
_TOTAL, _TOTAL_WEIGHT, _VALID_TOTAL, _VALID_WEIGHT = (PITCH * k for k in range(3, 7))
_INFINITY = np.float32(np.inf)


# -- lines to levels ------------------------------------------------------------------


def _offset_at(offset, x):
    """Return the offset of column x: each has its own, or all of a phase have one."""


@overload(_offset_at)
def _compile_offset_at(offset, x):
    if isinstance(offset, types.Array):
        return lambda offset, x: offset[x]
    return lambda offset, x: offset


@compiled(**HELPER)
def _exponent(line, x, dy, dx):
    return exponent(
        line[ROW + x], square_term(dy), line[CROSS + x], cross_offset(dy, dx),
        line[COL + x] * square_term(dx),
    )  # fmt: skip


@compiled(**HELPER)
def _value(line, x, dy, dx):
    return local_plane_value(line[LEVEL + x], line[ROW_SLOPE + x], line[COL_SLOPE + x], dy, dx)


@compiled(**HELPER)
def _tent_weight(line, x, dy, dx):
    return tent_weight(line[TENT + x], dy, dx)


@compiled(**HELPER)
def _blend_levels(lines, starts, dy0, dy1, dx0, dx1, n, out, row, first):
    """Gaussian means of levels that the output can hold."""
    l00, l01 = lines[starts[0] :], lines[starts[1] :]
    l10, l11 = lines[starts[2] :], lines[starts[3] :]
    target = out[row, first : first + n]
    for x in range(n):
        left, right = _offset_at(dx0, x), _offset_at(dx1, x)
        mean = gaussian_mean_of_four(
            _exponent(l00, x, dy0, left), _exponent(l01, x, dy0, right),
            _exponent(l10, x, dy1, left), _exponent(l11, x, dy1, right),
            l00[x], l01[x], l10[x], l11[x],
        )  # fmt: skip
        put(target, x, mean)


@compiled(**HELPER)
def _blend_local_planes(lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first):
    """Gaussian means of local planes, or of levels (planes without a slope), within bounds."""
    l00, l01 = lines[starts[0] :], lines[starts[1] :]
    l10, l11 = lines[starts[2] :], lines[starts[3] :]
    column_bounds, target = bounds[bound:], out[row, first : first + n]
    for x in range(n):
        left, right = _offset_at(dx0, x), _offset_at(dx1, x)
        mean = gaussian_mean_of_four(
            _exponent(l00, x, dy0, left), _exponent(l01, x, dy0, right),
            _exponent(l10, x, dy1, left), _exponent(l11, x, dy1, right),
            _value(l00, x, dy0, left), _value(l01, x, dy0, right),
            _value(l10, x, dy1, left), _value(l11, x, dy1, right),
        )  # fmt: skip
        put(target, x, within(mean, column_bounds[x], column_bounds[PITCH + x]))


@compiled(**HELPER)
def _blend_tents(lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first):
    """Means of levels by tents, within bounds."""
    l00, l01 = lines[starts[0] :], lines[starts[1] :]
    l10, l11 = lines[starts[2] :], lines[starts[3] :]
    column_bounds, target = bounds[bound:], out[row, first : first + n]
    for x in range(n):
        left, right = _offset_at(dx0, x), _offset_at(dx1, x)
        mean = mean_of_four(
            _tent_weight(l00, x, dy0, left), _tent_weight(l01, x, dy0, right),
            _tent_weight(l10, x, dy1, left), _tent_weight(l11, x, dy1, right),
            l00[x], l01[x], l10[x], l11[x],
        )  # fmt: skip
        put(target, x, within(mean, column_bounds[x], column_bounds[PITCH + x]))


@compiled(**HELPER)
def _weigh(lines, start, dy, dx, form, n, weight, value):
    """Weights of one of four neighbours (of Gaussians the exponents), and its values."""
    line = lines[start:]
    for x in range(n):
        value[x] = _value(line, x, dy, _offset_at(dx, x)) if form[1] else line[x]
    if form[0]:
        for x in range(n):
            weight[x] = _exponent(line, x, dy, _offset_at(dx, x))
    else:
        for x in range(n):
            weight[x] = _tent_weight(line, x, dy, _offset_at(dx, x))


@compiled(**HELPER)
def _blend_valid(
    lines, starts, dy0, dy1, dx0, dx1, bounds, bound, form, scratch, n, out, valid_share, row, first
):
    """Means with validity: first weights and values of all four, then both sums."""
    w00, w01, w10, w11 = scratch[0, 0], scratch[0, 1], scratch[0, 2], scratch[0, 3]
    v00, v01, v10, v11 = scratch[1, 0], scratch[1, 1], scratch[1, 2], scratch[1, 3]
    _weigh(lines, starts[0], dy0, dx0, form, n, w00, v00)
    _weigh(lines, starts[1], dy0, dx1, form, n, w01, v01)
    _weigh(lines, starts[2], dy1, dx0, form, n, w10, v10)
    _weigh(lines, starts[3], dy1, dx1, form, n, w11, v11)
    if form[0]:
        for x in range(n):
            base = w00[x]
            w00[x] = FIRST_WEIGHT
            w01[x] = relative_weight(w01[x], base)
            w10[x] = relative_weight(w10[x], base)
            w11[x] = relative_weight(w11[x], base)
    t00, t01 = lines[starts[0] + VALIDITY :], lines[starts[1] + VALIDITY :]
    t10, t11 = lines[starts[2] + VALIDITY :], lines[starts[3] + VALIDITY :]
    column_bounds, target, share = bounds[bound:], out[row, first:], valid_share[row, first:]
    for x in range(n):
        mean, share[x] = valid_mean_of_four(
            w00[x], w01[x], w10[x], w11[x], v00[x], v01[x], v10[x], v11[x],
            t00[x], t01[x], t10[x], t11[x],
        )  # fmt: skip
        put(target, x, within(mean, column_bounds[x], column_bounds[PITCH + x]))


def _blend_plain(
    pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, form, n, out, row, first
):
    """Means without validity, by what the pixels hold; arguments as `_blend` has them."""


@overload(_blend_plain)
def _compile_blend_plain(
    pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, form, n, out, row, first
):  # fmt: skip
    def tents(pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, form, n, out, row, first):
        _blend_tents(lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first)

    def local_planes(
        pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, form, n, out, row, first
    ):
        _blend_local_planes(lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first)

    def levels(pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, form, n, out, row, first):
        if form[2]:
            _blend_local_planes(
                lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first
            )
        else:
            _blend_levels(lines, starts, dy0, dy1, dx0, dx1, n, out, row, first)

    def floats(pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, form, n, out, row, first):
        if not form[0]:
            _blend_tents(lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first)
        elif form[2]:
            _blend_local_planes(
                lines, starts, dy0, dy1, dx0, dx1, bounds, bound, n, out, row, first
            )
        else:
            _blend_levels(lines, starts, dy0, dy1, dx0, dx1, n, out, row, first)

    # Words tell by their size what they hold.
    return {types.uint16: tents, types.uint32: levels, types.uint64: local_planes}.get(
        pixels.dtype, floats
    )


@compiled(**HELPER)
def _blend(
    pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, form, scratch, n, out, valid_share,
    row, first,
):  # fmt: skip
    """Write n results into ``out[row, first:]``.

    The lines of the four neighbours begin at `starts`, the bounds at `bound`. ``dx0, dx1``
    are one offset for all columns, or arrays.
    """
    if valid_share is None:
        _blend_plain(
            pixels, lines, starts, dy0, dy1, dx0, dx1, bounds, bound, form, n, out, row, first
        )
    else:
        _blend_valid(
            lines, starts, dy0, dy1, dx0, dx1, bounds, bound, form, scratch, n, out, valid_share,
            row, first,
        )  # fmt: skip


@compiled(**HELPER)
def predict_phases(line, offset, is_steady, col_outside, first, n, predicted):
    """Predict levels for the columns of all phases, given the address of a line."""
    for p in range(predicted.shape[0]):
        at = line + (np.int64(0) if col_outside[0, p] else np.int64(4))
        target = predicted[p].ctypes.data
        if is_steady:
            predict_columns(at, offset[0, p, 0], offset[1, p, 0], n, target)
        else:
            left, right = offset[0, p, first:].ctypes.data, offset[1, p, first:].ctypes.data
            predict_columns(at, left, right, n, target)


@compiled(**HELPER)
def blend_phases(
    upper,
    lower,
    parts,
    above,
    below,
    dy0,
    dy1,
    offset,
    is_steady,
    col_outside,
    bounds,
    first,
    n,
    phase_rows,
    channels,
    steps,
):
    """Write the means of all phases, given addresses as `blend_phase` has them of the lines.

    ``phase_rows`` is (phases, SEGMENT), of the first channel.
    """
    for p in range(phase_rows.shape[0]):
        skip = np.int64(0) if col_outside[0, p] else np.int64(4)
        target = phase_rows[p].ctypes.data
        size = 8 * np.int64(SEGMENT) * p
        if is_steady:
            blend_phase(
                upper + skip, lower + skip, parts + skip, above + size, below + size, dy0, dy1,
                offset[0, p, 0], offset[1, p, 0], bounds + skip, n, target, phase_rows, channels,
                steps,
            )  # fmt: skip
        else:
            left, right = offset[0, p, first:].ctypes.data, offset[1, p, first:].ctypes.data
            blend_phase(
                upper + skip, lower + skip, parts + skip, above + size, below + size, dy0, dy1,
                left, right, bounds + skip, n, target, phase_rows, channels, steps,
            )  # fmt: skip


@compiled(**HELPER)
def bounds_of_phases(cell_bounds, row, beyond, start, n, size, out, bounds):
    """Write the bounds of the cells ``start ... start + n``, for the columns of all phases."""
    least, most = _range_of(out)
    if row < 0:
        for x in range(n + 1):
            bounds[x], bounds[PITCH + x] = least, most
        return
    low = cell_bounds[0, row, start : start + n + 1]
    high = cell_bounds[1, row, start : start + n + 1]
    for x in range(n + 1):
        bounds[x] = low[x]
        bounds[PITCH + x] = high[x]
    if beyond and start == 0:
        bounds[0], bounds[PITCH] = least, most
    if beyond and start + n == size:
        bounds[n], bounds[PITCH + n] = least, most


@compiled(**HELPER)
def _bounds_of_columns(cell_bounds, row, cells, first, n, out, bounds):
    """Write the bounds of the cells that output columns lie in, -1 for none."""
    least, most = _range_of(out)
    for x in range(n):
        cell = cells[first + x]
        is_bounded = row >= 0 and cell >= 0
        bounds[x] = cell_bounds[0, row, cell] if is_bounded else least
        bounds[PITCH + x] = cell_bounds[1, row, cell] if is_bounded else most


@compiled(**HELPER)
def _range_of(out):
    """Return the least and the largest level that an output can hold."""
    return (ZERO, TOP) if holds_bytes(out) else (-_INFINITY, _INFINITY)


@compiled(**HELPER)
def interleave(phase_rows, n, out, y, first):
    """Write the columns of all phases, (phases, n), in order into ``out[y, first:]``."""
    row = out[y, first:]
    phases = phase_rows.shape[0]
    if phases == 2:
        a, b = phase_rows[0], phase_rows[1]
        for x in range(n):
            row[2 * x] = a[x]
            row[2 * x + 1] = b[x]
    elif phases == 3:
        a, b, c = phase_rows[0], phase_rows[1], phase_rows[2]
        for x in range(n):
            row[3 * x] = a[x]
            row[3 * x + 1] = b[x]
            row[3 * x + 2] = c[x]
    elif phases == 4:
        a, b, c, d = phase_rows[0], phase_rows[1], phase_rows[2], phase_rows[3]
        for x in range(n):
            row[4 * x] = a[x]
            row[4 * x + 1] = b[x]
            row[4 * x + 2] = c[x]
            row[4 * x + 3] = d[x]
    else:
        for p in range(phases):
            phase = phase_rows[p]
            for x in range(n):
                row[phases * x + p] = phase[x]


@compiled(**HELPER)
def offsets_by_phase(offset, phases):
    """Offsets, (2, phases, pixels), and whether those of a phase are all the same."""
    pixels = offset.shape[1] // phases if phases > 0 else 0
    by_phase = np.zeros((2, phases, pixels + LANES), np.float32)  # whole vectors are read
    is_steady = True
    for side in range(2):
        for p in range(phases):
            for m in range(pixels):
                by_phase[side, p, m] = offset[side, phases * m + p]
                is_steady &= by_phase[side, p, m] == offset[side, p]
    return by_phase, is_steady


# -- kernels --------------------------------------------------------------------------


@compiled(**HELPER)
def find_line(line_rows, key, other):
    """Return which of two lines holds a source row, and whether it has yet to be made.

    A new row takes the line that does not hold `other`, the second row of the pair.
    """
    if line_rows[0] == key:
        return 0, False
    if line_rows[1] == key:
        return 1, False
    line = 1 if line_rows[0] == other else 0
    line_rows[line] = key
    return line, True


@compiled(**KERNEL)
def grid2_rows(
    pixels, gaussian, row_index, row_outside, row_offset, col_index, col_outside, col_offset,
    phases, cval, use_cval, validity, cval_validity, cell_bounds, row_cell, col_cell,
    top, bottom, out, valid_share,
):  # fmt: skip
    """Resize output rows top..bottom-1 by two neighbours per axis.

    Parameters
    ----------
    pixels : ndarray of uint16, uint32 or uint64, (rows, cols), or float32, (rows, cols, slots)
        Packed parameters; of bytes all slots of a pixel are one word, its lowest byte slot 0.
    gaussian : bool
        The weighting: Gaussian or tent.
    row_index, col_index : ndarray of int64, (2, output size)
        Source indices of both taps, clipped to the image.
    row_outside, col_outside : ndarray of bool, (2, output size)
        Whether they had to be.
    row_offset, col_offset : ndarray of float32, (2, output size)
    phases : int
        0, or a number n such that output pixel ``n*m + p`` of a row has the taps of output pixel
        p, moved by m source pixels; first taps of output pixels p < n are source pixel 0 or -1.
    cval, use_cval : float32, bool
        Feature beyond the border, if wanted.
    validity : ndarray of float32, (rows, cols), or None
    cval_validity : float32
        Validity beyond the border.
    cell_bounds : ndarray, (2, rows + 1, cols + 1)
        Overshoot bounds, with a row (column) less where an axis has one tap; empty for none.
    row_cell, col_cell : ndarray of int64, (output size,)
        The bounds' cells that output rows and columns lie in; -1 for those without bounds.
    out : ndarray of uint8 or float32, (output rows, output cols)
        Receives the mean.
    valid_share : ndarray of float32, as `out`, or None
        With validity, receives the valid share of the weights.
    """
    local_planes = gaussian and has_local_planes(pixels)
    has_bounds = cell_bounds.size > 0
    # Means of levels stay among the levels; those of planes and of a constant need bounds.
    is_bounded = local_planes or has_bounds or (use_cval and not ZERO <= cval <= TOP)
    form = (gaussian, local_planes, is_bounded)
    border = (use_cval, cval, cval_validity)
    lines = np.zeros(4 * LINE, np.float32)  # of two rows and two sides
    bounds = np.zeros(2 * PITCH, np.float32)
    scratch = None if valid_share is None else np.empty((2, 4, SEGMENT), np.float32)
    phase_rows = np.empty((phases, SEGMENT), out.dtype)
    phase_share = None if valid_share is None else np.empty((phases, SEGMENT), np.float32)
    picked = np.empty((1, SEGMENT, *pixels.shape[2:]), pixels.dtype)
    # What results of local planes have in common along rows and along columns.
    by_parts = local_planes and phases > 0 and valid_share is None
    parts = np.zeros(2 * PARTS * PITCH, np.float32)
    lines_at, parts_at, bounds_at = lines.ctypes.data, parts.ctypes.data, bounds.ctypes.data
    predicted = np.zeros((2, phases if by_parts else 0, 2, SEGMENT), np.float32)
    line_rows, line_starts = np.empty(2, np.int64), np.empty(2, np.int64)
    slots = np.empty(2, np.int64)
    origin = np.int64(0)  # no literal: for that the blends would be compiled again
    phase_offset, is_steady = offsets_by_phase(col_offset, phases)
    width = pixels.shape[1] if phases > 0 else out.shape[1]
    for first in range(0, width, SEGMENT):
        n = min(SEGMENT, width - first)
        line_rows[:] = -1
        bounds_cell = np.int64(-2)
        dx0, dx1 = col_offset[0, first : first + n], col_offset[1, first : first + n]
        for y in range(top, bottom):
            for tap in range(2):
                row, outside = row_index[tap, y], row_outside[tap, y]
                other = 2 * row_index[1 - tap, y] + row_outside[1 - tap, y]
                slot, missing = find_line(line_rows, 2 * row + outside, other)
                slots[tap] = slot
                line_starts[tap] = start = 2 * slot * LINE
                if missing and phases > 0:
                    line_of_phases(
                        pixels, validity, row, outside, border, form, first, n, picked, lines, start
                    )
                    if by_parts:
                        predict_phases(
                            lines.ctypes.data + 4 * start, phase_offset, is_steady, col_outside,
                            first, n, predicted[slot],
                        )  # fmt: skip
                elif missing:
                    for side in range(2):
                        line_of_columns(
                            pixels, validity, row, outside, border, form,
                            col_index, col_outside, side, first, n,
                            picked, lines, start + side * LINE,
                        )  # fmt: skip
            cell = row_cell[y] if has_bounds else np.int64(-1)
            if cell != bounds_cell:
                bounds_cell = cell
                if phases > 0 or not has_bounds:
                    bounds_of_phases(cell_bounds, cell, use_cval, first, n, width, out, bounds)
                else:
                    _bounds_of_columns(cell_bounds, cell, col_cell, first, n, out, bounds)
            upper, lower = line_starts[0], line_starts[1]
            dy0, dy1 = row_offset[0, y], row_offset[1, y]
            if by_parts:
                top_line, bottom_line = lines_at + 4 * upper, lines_at + 4 * lower
                parts_of_row(top_line, dy0, n + 2, parts_at)
                parts_of_row(bottom_line, dy1, n + 2, parts_at + 4 * PARTS * PITCH)
                blend_phases(
                    top_line, bottom_line, parts_at, predicted[slots[0]].ctypes.data,
                    predicted[slots[1]].ctypes.data, dy0, dy1, phase_offset, is_steady, col_outside,
                    bounds_at, first, n, phase_rows, (0,), (0, 0, 0, 0),
                )  # fmt: skip
                interleave(phase_rows, n, out, y, phases * first)
                continue
            for p in range(phases):
                skip = 0 if col_outside[0, p] else 1  # where the first taps begin in a line
                starts = (upper + skip, upper + skip + 1, lower + skip, lower + skip + 1)
                if is_steady:
                    _blend(
                        pixels, lines, starts, dy0, dy1,
                        phase_offset[0, p, 0], phase_offset[1, p, 0],
                        bounds, skip, form, scratch, n, phase_rows, phase_share, p, origin,
                    )  # fmt: skip
                else:
                    _blend(
                        pixels, lines, starts, dy0, dy1,
                        phase_offset[0, p, first:], phase_offset[1, p, first:],
                        bounds, skip, form, scratch, n, phase_rows, phase_share, p, origin,
                    )  # fmt: skip
            if phases > 0:
                interleave(phase_rows, n, out, y, phases * first)
                if valid_share is not None:
                    interleave(phase_share, n, valid_share, y, phases * first)
            else:
                _blend(
                    pixels, lines, (upper, upper + LINE, lower, lower + LINE),
                    dy0, dy1, dx0, dx1, bounds, origin, form, scratch, n, out, valid_share,
                    y, first,
                )  # fmt: skip
    parts[0] = ZERO  # an array that nothing refers to any more is freed


@compiled(**HELPER)
def _add_neighbours(line, dy, dx, form, n, sums, valid_share):
    """Add one neighbour of each column to the sums of weights and of weighted differences."""
    in_reach = abs(dy) <= REACH_LIMIT
    for x in range(n):
        if form[0]:
            weight = relative_weight(_exponent(line, x, dy, dx[x]), sums[_FIRST + x])
        else:
            weight = _tent_weight(line, x, dy, dx[x])
        sums[_WEIGHT + x] = weight if in_reach and abs(dx[x]) <= REACH_LIMIT else ZERO
    for x in range(n):
        weight = sums[_WEIGHT + x]
        difference = _value(line, x, dy, dx[x]) - sums[_BASE + x]
        sums[_TOTAL_WEIGHT + x] += weight
        sums[_TOTAL + x] += weight * difference
    if valid_share is not None:
        for x in range(n):
            kept = sums[_WEIGHT + x] * line[VALIDITY + x]
            difference = _value(line, x, dy, dx[x]) - sums[_BASE + x]
            sums[_VALID_WEIGHT + x] += kept
            sums[_VALID_TOTAL + x] += kept * difference


@compiled(**HELPER)
def _begin_sums(line, dy, dx, n, sums):
    """Set the sums to zero and take the first neighbours' values and exponents."""
    sums[:] = ZERO
    for x in range(n):
        sums[_BASE + x] = _value(line, x, dy, dx[x])
    for x in range(n):
        sums[_FIRST + x] = _exponent(line, x, dy, dx[x])


@compiled(**HELPER)
def _finish_sums(sums, bounds, n, out, valid_share, y, first):
    """Write means, and the valid share of the weights where it is wanted."""
    row = out[y, first:]
    if valid_share is None:
        for x in range(n):
            change = sums[_TOTAL + x] / sums[_TOTAL_WEIGHT + x]
            row[x] = within(sums[_BASE + x] + change, bounds[x], bounds[PITCH + x])
    else:
        share = valid_share[y, first:]
        for x in range(n):
            is_valid = sums[_VALID_WEIGHT + x] > ZERO
            change = sums[(_VALID_TOTAL if is_valid else _TOTAL) + x]
            change /= sums[(_VALID_WEIGHT if is_valid else _TOTAL_WEIGHT) + x]
            row[x] = within(sums[_BASE + x] + change, bounds[x], bounds[PITCH + x])
            share[x] = sums[_VALID_WEIGHT + x] / sums[_TOTAL_WEIGHT + x]


@compiled(**KERNEL)
def grid_rows(
    pixels, gaussian, row_index, row_outside, row_offset, col_index, col_outside, col_offset,
    cval, use_cval, validity, cval_validity, cell_bounds, row_cell, col_cell,
    top, bottom, out, valid_share,
):  # fmt: skip
    """Resize output rows top..bottom-1 by any number of taps.

    As `grid2_rows`, with indices and offsets of shape (taps, output size), and ``out`` of
    float32.
    """
    has_bounds = cell_bounds.size > 0
    form = (gaussian, gaussian and has_local_planes(pixels), True)
    border = (use_cval, cval, cval_validity)
    line, bounds = np.zeros(LINE, np.float32), np.empty(2 * PITCH, np.float32)
    sums = np.empty(7 * PITCH, np.float32)
    picked = np.empty((1, SEGMENT, *pixels.shape[2:]), pixels.dtype)
    origin = np.int64(0)
    width = out.shape[1]
    for first in range(0, width, SEGMENT):
        n = min(SEGMENT, width - first)
        for y in range(top, bottom):
            for ty in range(row_index.shape[0]):
                row, outside, dy = row_index[ty, y], row_outside[ty, y], row_offset[ty, y]
                for tx in range(col_index.shape[0]):
                    line_of_columns(
                        pixels, validity, row, outside, border, form,
                        col_index, col_outside, tx, first, n, picked, line, origin,
                    )  # fmt: skip
                    dx = col_offset[tx, first:]
                    if ty == 0 and tx == 0:
                        _begin_sums(line, dy, dx, n, sums)
                    _add_neighbours(line, dy, dx, form, n, sums, valid_share)
            if has_bounds:
                _bounds_of_columns(cell_bounds, row_cell[y], col_cell, first, n, out, bounds)
            else:
                bounds_of_phases(cell_bounds, -1, use_cval, first, n, width, out, bounds)
            _finish_sums(sums, bounds, n, out, valid_share, y, first)
