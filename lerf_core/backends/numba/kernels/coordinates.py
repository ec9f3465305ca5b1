"""Source coordinates of a band of output pixels in numba: `reference.source_coordinates`.

Bit-equal to it: all arithmetic is float64 in the specification's order. Most pixels of most warps
lie well inside the image and are spread by the map; for runs of such pixels neither footprints
nor coverages are computed, because their outcome is sure.
"""

from __future__ import annotations

import math

import numpy as np

from lerf_core.backends.numba.kernels.arithmetic import clip
from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled
from lerf_core.backends.numba.kernels.position_vectors import (
    ALL_APART,
    ALL_INSIDE,
    RUN,
    homography_run,
)
from lerf_core.constants import FILTER_SCALE_TOLERANCE, LEAST_FOOTPRINT

__all__ = ["coordinate_rows", "copied_rows", "footprint_rows", "homography_rows"]

# Pixels whose footprints are bounded at once, runs of `RUN`, and pixels that are told inside or not
# at once where the outline runs through them.
_SEGMENT, _SHORT_RUN = 4 * RUN, 8
# Half the tolerance of footprints: the other half is for rounding.
_SURE_FOOTPRINT = 1 + FILTER_SCALE_TOLERANCE / 2
# Pixels this far inside the outline are covered wholly, if their footprint is no larger.
_MARGIN = 1e-3
_ROUNDING = 64 * float(np.finfo(np.float64).eps)


@compiled(**KERNEL)
def homography_rows(
    matrix, top, left, row, col, row_scale, col_scale, visible_columns, uncovered,
    partially_covered, coverages, counts, height, width, clips, constant, wraps, row_start,
    row_period, col_start, col_period, anti_aliasing, reach,
):  # fmt: skip
    """Find the source coordinates of a homography; True where filter scales are not all 1.

    Parameters
    ----------
    matrix : ndarray of float64, (3, 3)
        From output (x, y, 1) to source (x, y, depth).
    top, left : int
        First output row and column.
    row, col, row_scale, col_scale : ndarray of float64, (rows, cols)
        Receive folded positions and filter scales; the latter are of use if the result is True.
    visible_columns : ndarray of int64, (rows, 2)
    uncovered, partially_covered, coverages : ndarray of int64, int64 and float64, (rows * cols,)
        Receive what `SourceCoordinates` holds by these names.
    counts : ndarray of int64, (2,)
        Zeros. Receives how many pixels are uncovered, and how many covered in part.
    height, width : int
        Of the source.
    clips, constant, wraps : bool
        What the border mode does: clip positions (edge, constant), cover pixels in part
        (constant), repeat the image unmirrored (wrap).
    row_start, row_period, col_start, col_period : float, int
        Where the mode's period begins, and its length; see `borders.fold_period`.
    anti_aliasing : bool
        Whether the support is stretched where the map shrinks.
    reach : float
        How far taps lie from a position, as a part of the filter scale.
    """
    rows, cols = row.shape
    segments = (cols + _SEGMENT - 1) // _SEGMENT
    is_plain = np.zeros((rows, segments), np.bool_)  # where filter scales are 1 and not written
    any_scaled = False
    largest = np.abs(matrix).max()
    m00, m01, m02 = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    m10, m11, m12 = matrix[1, 0], matrix[1, 1], matrix[1, 2]
    m20, m21, m22 = matrix[2, 0], matrix[2, 1], matrix[2, 2]
    rows_at, cols_at = row.ctypes.data, col.ctypes.data
    bottom, right = height - 1.0, width - 1.0
    for y in range(rows):
        before, out_y = counts[0], float(top + y)
        is_sure = False
        # Runs that are uncovered: those at the row's start, and the latest ones.
        lead, pending, pending_end = 0, 0, 0
        for first in range(0, cols, RUN):
            last = min(first + RUN, cols)
            if first % _SEGMENT == 0:
                end = min(first + _SEGMENT, cols) - 1
                is_sure = _spreads(matrix, largest, out_y, float(left + first), float(left + end))
                is_plain[y, first // _SEGMENT] = is_sure
            state = 0
            if last - first == RUN:
                at = 8 * (y * cols + first)
                state = homography_run(
                    m00, m01, m02, m10, m11, m12, m20, m21, m22, out_y, float(left + first),
                    bottom, right, _MARGIN, rows_at + at, cols_at + at,
                )  # fmt: skip
            else:
                _positions(matrix, out_y, left + first, row[y, first:last], col[y, first:last])
            if is_sure and state == ALL_INSIDE:
                continue
            if is_sure and constant and state == ALL_APART:
                _clip_run(row[y, first:last], col[y, first:last], height, width)
                if lead == first:
                    lead = last
                elif pending_end == first:
                    pending_end = last
                else:
                    _note(y * cols, pending, pending_end, uncovered, counts)
                    pending, pending_end = first, last
                continue
            _note(y * cols, pending, pending_end, uncovered, counts)
            pending = pending_end = 0
            step = _SHORT_RUN if is_sure else RUN
            for short in range(first, last, step):
                end = min(short + step, last)
                run_row, run_col = row[y, short:end], col[y, short:end]
                if is_sure and _inside(run_row, run_col, height, width):
                    continue
                if is_sure and constant and _apart(run_row, run_col, height, width):
                    _clip_run(run_row, run_col, height, width)
                    _note(y * cols, short, end, uncovered, counts)
                    continue
                row_footprint, col_footprint = row_scale[y, short:end], col_scale[y, short:end]
                _footprints(
                    matrix, out_y, left + short, run_row, run_col, row_footprint, col_footprint
                )
                any_scaled |= _coordinates(
                    run_row, run_col, row_footprint, col_footprint, y * cols + short,
                    uncovered, partially_covered, coverages, counts, height, width, clips,
                    constant, wraps, row_start, row_period, col_start, col_period,
                    anti_aliasing, reach,
                )  # fmt: skip
        last = cols
        if pending_end == cols:
            last = pending
        else:
            _note(y * cols, pending, pending_end, uncovered, counts)
        _find_visible(y, cols, lead, last, before, uncovered, counts, visible_columns)
    if any_scaled:
        for y in range(rows):
            for segment in range(segments):
                if is_plain[y, segment]:
                    row_scale[y, segment * _SEGMENT : (segment + 1) * _SEGMENT] = 1.0
                    col_scale[y, segment * _SEGMENT : (segment + 1) * _SEGMENT] = 1.0
    return any_scaled


@compiled(**KERNEL)
def coordinate_rows(
    row, col, row_scale, col_scale, visible_columns, uncovered, partially_covered, coverages,
    counts, height, width, clips, constant, wraps, row_start, row_period, col_start, col_period,
    anti_aliasing, reach,
):  # fmt: skip
    """Find the source coordinates of any map; True where filter scales are not all 1.

    Arguments as `homography_rows` has them, but for what positions and footprints are received
    in: `row` and `col` hold positions, `row_scale` and `col_scale` footprints.
    """
    any_scaled = False
    cols = row.shape[1]
    for y in range(row.shape[0]):
        before = counts[0]
        for first in range(0, cols, RUN):
            last = min(first + RUN, cols)
            run_row, run_col = row[y, first:last], col[y, first:last]
            row_footprint, col_footprint = row_scale[y, first:last], col_scale[y, first:last]
            if _spread_inside(run_row, run_col, row_footprint, col_footprint, height, width):
                row_footprint[:] = 1.0
                col_footprint[:] = 1.0
                continue
            any_scaled |= _coordinates(
                run_row, run_col, row_footprint, col_footprint, y * cols + first,
                uncovered, partially_covered, coverages, counts, height, width, clips, constant,
                wraps, row_start, row_period, col_start, col_period, anti_aliasing, reach,
            )  # fmt: skip
        _find_visible(y, cols, 0, cols, before, uncovered, counts, visible_columns)
    return any_scaled


@compiled(**HELPER)
def _positions(matrix, y, first, row, col):
    """Write the source positions of output pixels from `first` on; NaN beyond the horizon."""
    m00, m01, m02 = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    m10, m11, m12 = matrix[1, 0], matrix[1, 1], matrix[1, 2]
    m20, m21, m22 = matrix[2, 0], matrix[2, 1], matrix[2, 2]
    row_y, col_y, depth_y = m11 * y, m01 * y, m21 * y
    for i in range(row.size):
        x = np.float64(np.int32(first + i))
        depth = (m20 * x + depth_y) + m22
        r = ((m10 * x + row_y) + m12) / depth
        c = ((m00 * x + col_y) + m02) / depth
        row[i] = r if depth > 0.0 else np.nan
        col[i] = c if depth > 0.0 else np.nan


@compiled(**HELPER)
def _footprints(matrix, y, first, row, col, row_footprint, col_footprint):
    """Write the footprints of output pixels from `first` on; NaN beyond the horizon."""
    m00, m01, m10, m11 = matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1]
    m20, m21, m22 = matrix[2, 0], matrix[2, 1], matrix[2, 2]
    depth_y = m21 * y
    for i in range(row.size):
        x = np.float64(np.int32(first + i))
        depth = (m20 * x + depth_y) + m22
        row_x, row_y = (m10 - row[i] * m20) / depth, (m11 - row[i] * m21) / depth
        col_x, col_y = (m00 - col[i] * m20) / depth, (m01 - col[i] * m21) / depth
        row_footprint[i] = math.sqrt(row_x * row_x + row_y * row_y)
        col_footprint[i] = math.sqrt(col_x * col_x + col_y * col_y)


@compiled(**HELPER)
def _spreads(matrix, largest, y, left, right):
    """Whether footprints in a row from `left` to `right` are at most one source pixel.

    `largest` is the largest magnitude of the matrix.

    The derivative of (a / d) along x is (a_x * d - a * d_x) / d**2, whose numerator does not
    depend on x; that along y is linear in x. So their bounds lie at the ends.
    """
    m20, m21, m22 = matrix[2, 0], matrix[2, 1], matrix[2, 2]
    depth = min((m20 * left + m21 * y) + m22, (m20 * right + m21 * y) + m22)
    if not depth > 0.0:
        return False
    reach = (abs(m20) * right + abs(m21) * y) + abs(m22)
    for axis in range(2):
        a, b, c = matrix[axis, 0], matrix[axis, 1], matrix[axis, 2]
        along_x = a * (m21 * y + m22) - m20 * (b * y + c)
        along_y = max(
            abs(b * (m20 * left + m22) - m21 * (a * left + c)),
            abs(b * (m20 * right + m22) - m21 * (a * right + c)),
        )
        footprint = math.sqrt(along_x * along_x + along_y * along_y) / (depth * depth)
        size = (abs(a) * right + abs(b) * y) + abs(c)
        rounding = _ROUNDING * (reach / depth)
        error = rounding * (footprint + largest * (size + reach) / (depth * depth))
        if not footprint + error <= _SURE_FOOTPRINT:
            return False
    return True


@compiled(**HELPER)
def _inside(row, col, height, width):
    """Whether all positions lie well inside the image."""
    bottom, right = height - 1 - _MARGIN, width - 1 - _MARGIN
    count = 0
    for i in range(row.size):
        inside = (row[i] >= _MARGIN) & (row[i] <= bottom) & (col[i] >= _MARGIN) & (col[i] <= right)
        count += np.int64(inside)
    return count == row.size


@compiled(**HELPER)
def _spread_inside(row, col, row_footprint, col_footprint, height, width):
    """Whether all positions lie well inside the image, and footprints are no more than a pixel."""
    bottom, right = height - 1 - _MARGIN, width - 1 - _MARGIN
    most = 1 + FILTER_SCALE_TOLERANCE
    count = 0
    for i in range(row.size):
        inside = (row[i] >= _MARGIN) & (row[i] <= bottom) & (col[i] >= _MARGIN) & (col[i] <= right)
        count += np.int64(inside & (row_footprint[i] <= most) & (col_footprint[i] <= most))
    return count == row.size


@compiled(**HELPER)
def _apart(row, col, height, width):
    """Whether all positions lie so far outside that no pixel shows any of the image."""
    count = 0
    for i in range(row.size):
        r, c = row[i], col[i]
        finite = (abs(r) < np.inf) & (abs(c) < np.inf)
        beyond_row = (r <= -1 - _MARGIN) | (r >= height + _MARGIN)
        beyond_col = (c <= -1 - _MARGIN) | (c >= width + _MARGIN)
        count += np.int64(finite & (beyond_row | beyond_col))
    return count == row.size


@compiled(**HELPER)
def _clip_run(row, col, height, width):
    """Clip the positions of a run of uncovered pixels, which span a source pixel at most."""
    for i in range(row.size):
        row[i] = clip(row[i], -1.0, float(height))
        col[i] = clip(col[i], -1.0, float(width))


@compiled(**HELPER)
def _note(flat, first, last, uncovered, counts):
    """Note that pixels first..last-1 of the row whose first is pixel `flat` are uncovered."""
    noted = uncovered[counts[0] : counts[0] + last - first]
    for i in range(last - first):
        noted[i] = flat + first + i
    counts[0] += last - first


@compiled(**HELPER)
def _coordinates(
    row, col, row_footprint, col_footprint, flat, uncovered, partially_covered, coverages, counts,
    height, width, clips, constant, wraps, row_start, row_period, col_start, col_period,
    anti_aliasing, reach,
):  # fmt: skip
    """Fold positions and turn footprints into filter scales, in place, for a run of pixels.

    The first of them has the flat index `flat` in the band.
    """
    any_scaled = False
    n_uncovered, n_partial = counts[0], counts[1]
    for i in range(row.size):
        r, c = row[i], col[i]
        footprint_r = row_footprint[i] if abs(row_footprint[i]) < np.inf else 1.0
        footprint_c = col_footprint[i] if abs(col_footprint[i]) < np.inf else 1.0
        coverage = 1.0
        if not (abs(r) < np.inf and abs(c) < np.inf):
            r, c, coverage = 0.0, 0.0, 0.0
        if constant:
            coverage *= _coverage(r, height, footprint_r)
            coverage *= _coverage(c, width, footprint_c)
        if coverage == 0.0:
            uncovered[n_uncovered] = flat + i
            n_uncovered += 1
        elif coverage < 1.0:
            partially_covered[n_partial] = flat + i
            coverages[n_partial] = coverage
            n_partial += 1
        scale_r = _filter_scale(footprint_r, height, anti_aliasing)
        scale_c = _filter_scale(footprint_c, width, anti_aliasing)
        any_scaled |= scale_r > 1.0 or scale_c > 1.0
        row_footprint[i], col_footprint[i] = scale_r, scale_c
        if clips:
            row[i] = clip(r, -(reach * scale_r), height - 1 + reach * scale_r)
            col[i] = clip(c, -(reach * scale_c), width - 1 + reach * scale_c)
        else:
            row[i] = _fold_coordinate(r, height, row_start, row_period, wraps)
            col[i] = _fold_coordinate(c, width, col_start, col_period, wraps)
    counts[0], counts[1] = n_uncovered, n_partial
    return any_scaled


@compiled(**HELPER)
def _find_visible(y, cols, first, last, before, uncovered, counts, visible_columns):
    """Find the visible columns of a row, and keep of its uncovered pixels those in between.

    Those of columns first..last-1 are noted from `before` on, in order; the others are uncovered.
    """
    noted = uncovered[before : counts[0]]
    start, end = 0, noted.size
    while start < end and noted[start] == y * cols + first:
        start += 1
        first += 1
    while end > start and noted[end - 1] == y * cols + last - 1:
        end -= 1
        last -= 1
    if first >= last:
        first = last = 0
        end = start
    visible_columns[y, 0], visible_columns[y, 1] = first, last
    for k in range(start, end):
        noted[k - start] = noted[k]
    counts[0] = before + (end - start)


@compiled(**HELPER)
def _coverage(position, size, footprint):
    """Return the share of an output pixel that lies on the image along an axis."""
    width = max(footprint, LEAST_FOOTPRINT)
    if position + 0.5 >= 0.5 * width and size - 0.5 - position >= 0.5 * width:
        return 1.0  # both quotients are at least a half
    low = (position + 0.5) / width + 0.5
    high = (size - 0.5 - position) / width + 0.5
    return clip(low, 0.0, 1.0) * clip(high, 0.0, 1.0)


@compiled(**HELPER)
def _filter_scale(footprint, size, anti_aliasing):
    """Return the filter scale of a footprint; a support wider than the image is as wide as it."""
    footprint = min(footprint, size + 1.0)
    return footprint if anti_aliasing and footprint > 1 + FILTER_SCALE_TOLERANCE else 1.0


@compiled(**HELPER)
def _fold_coordinate(position, size, start, period, wraps):
    """Fold a position by a mode that repeats the image; see `borders.fold_coordinates`."""
    if period == 0:
        return 0.0
    if 0.0 <= position <= size - 1:
        return position
    folded = position + start
    if not 0.0 <= folded < period:
        folded %= float(period)
    if not wraps:
        folded = min(folded, period - folded)
    return folded - start


@compiled(**KERNEL)
def footprint_rows(field, first, before, footprints):
    """Write the footprints of a field of positions, (2, rows, cols), by finite differences.

    The band's first pixel is (first, before) of the field; what is around it are its neighbours.
    """
    rows, cols = field.shape[1], field.shape[2]
    for axis in range(2):
        for y in range(footprints.shape[1]):
            above, below = max(first + y - 1, 0), min(first + y + 1, rows - 1)
            upper, lower, line = field[axis, above], field[axis, below], field[axis, first + y]
            # Steps are one pixel or two: their inverses are exact.
            inverse = 0.5 if below - above == 2 else 1.0
            out = footprints[axis, y]
            last = before + out.size
            start = max(before, 1)
            stop = max(min(last, cols - 1), start)
            _inner_footprints(
                upper[start:stop], lower[start:stop], line[start - 1 : stop + 1], inverse, rows > 1,
                out[start - before : stop - before],
            )  # fmt: skip
            for x in (0, cols - 1):
                if before <= x < last:
                    along_y = (lower[x] - upper[x]) * inverse if rows > 1 else 0.0
                    left, right = max(x - 1, 0), min(x + 1, cols - 1)
                    along_x = line[right] - line[left] if cols > 1 else 0.0
                    out[x - before] = math.sqrt(along_y * along_y + along_x * along_x)


@compiled(**HELPER)
def _inner_footprints(upper, lower, line, inverse, has_rows, out):
    """Write footprints of pixels with neighbours on both sides; `line` begins one before."""
    for x in range(out.size):
        along_y = (lower[x] - upper[x]) * inverse if has_rows else 0.0
        along_x = (line[x + 2] - line[x]) * 0.5
        out[x] = math.sqrt(along_y * along_y + along_x * along_x)


@compiled(**KERNEL)
def copied_rows(field, first, before, tolerance, copied):
    """Write which pixels of a band are copies of source pixels; True where some are.

    Of the specification, `lerf_core.geometry.whole_pixels.copied_pixels`; `field`, `first` and
    `before` as `footprint_rows` has them.
    """
    any_copied = False
    for y in range(copied.shape[0]):
        for x in range(copied.shape[1]):
            row, col = first + y, before + x
            is_copied = _lies_on_pixel(field, row, col, tolerance) and _leads_on(
                field, row, col, tolerance
            )
            copied[y, x] = is_copied
            any_copied |= is_copied
    return any_copied


@compiled(**HELPER)
def _lies_on_pixel(field, row, col, tolerance):
    """Whether a position of a field is that of a source pixel."""
    r, c = field[0, row, col], field[1, row, col]
    return abs(r - np.rint(r)) <= tolerance and abs(c - np.rint(c)) <= tolerance


@compiled(**HELPER)
def _leads_on(field, row, col, tolerance):
    """Whether steps from an output pixel to those beside it span one source pixel."""
    for down in range(-1, 2):
        row_y, col_y, is_side = _step(field, row, col, 0, down, tolerance)
        if not is_side:
            continue
        for across in range(-1, 2):
            row_x, col_x, is_side = _step(field, row, col, 1, across, tolerance)
            if not is_side:
                continue
            area = abs(row_y * col_x - col_y * row_x)
            longest = max(abs(row_y), abs(col_y), abs(row_x), abs(col_x))
            if area == 1.0 or (area == 0.0 and longest <= 1.0):
                return True
    return False


@compiled(**HELPER)
def _step(field, row, col, axis, direction, tolerance):
    """Return the (row, col) step to the pixel before or after one, and whether it leads on.

    In direction 0 the step is 0, and leads on where there is no neighbour along the axis.
    """
    if direction == 0:
        is_alone = not _lies_somewhere(field, row, col, axis, -1)
        return 0.0, 0.0, is_alone and not _lies_somewhere(field, row, col, axis, 1)
    if not _lies_somewhere(field, row, col, axis, direction):
        return 0.0, 0.0, False
    y, x = (row + direction, col) if axis == 0 else (row, col + direction)
    down = np.rint(field[0, y, x]) - np.rint(field[0, row, col])
    across = np.rint(field[1, y, x]) - np.rint(field[1, row, col])
    return down, across, _lies_on_pixel(field, y, x, tolerance)


@compiled(**HELPER)
def _lies_somewhere(field, row, col, axis, direction):
    """Whether there is a pixel beside one, with a position that is finite."""
    y, x = (row + direction, col) if axis == 0 else (row, col + direction)
    if not (0 <= y < field.shape[1] and 0 <= x < field.shape[2]):
        return False
    return abs(field[0, y, x]) < np.inf and abs(field[1, y, x]) < np.inf
