"""Source positions of a band of output pixels in numba, bit-equal to `_places.place`.

All arithmetic is float64 in the specification's order. Most pixels of most warps lie well
inside the image and are spread by the map; for runs of such pixels neither spans nor
coverages are computed, because their outcome is sure.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from lerf_core.backends.numba.compiling import HELPER, KERNEL
from lerf_core.constants import FILTER_SCALE_TOLERANCE, LEAST_FOOTPRINT
from lerf_core.geometry.maps import Homography, InverseMap, SampledMap
from lerf_core.sampling.borders import fold_period
from lerf_core.sampling.coordinates import SourceCoordinates

__all__ = ["source_coordinates"]

# Pixels whose spans are bounded at once, and pixels that are told inside or not at once.
_SEGMENT, _RUN = 256, 64
# Half the tolerance of spans: the other half is for rounding.
_SURE_SPAN = 1 + FILTER_SCALE_TOLERANCE / 2
# Pixels this far inside the outline are covered wholly, if they span no more than that.
_MARGIN = 1e-3
_ROUNDING = 64 * float(np.finfo(np.float64).eps)

Plane = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def source_coordinates(
    mapping: InverseMap,
    top: int,
    bottom: int,
    shape: tuple[int, int],
    out_shape: tuple[int, int],
    mode: str,
    *,
    smooth: bool,
) -> SourceCoordinates:
    """See `_places.place`."""
    size = (bottom - top, out_shape[1])
    work = _Work(size)
    constant = mode == "constant"
    clips = constant or mode == "edge"
    turns = [(0.0, 0) if clips else fold_period(length, mode) for length in shape]
    border = (*shape, clips, constant, mode == "wrap", *turns[0], *turns[1], smooth)
    if isinstance(mapping, Homography):
        down, across = mapping.origin
        stretched = _homography_rows(mapping.matrix, down + top, across, *work.arrays, *border)
    else:
        if isinstance(mapping, SampledMap):
            field, (first, left) = mapping.with_neighbours(top, bottom, out_shape)
            positions = field[:, first : first + size[0], left : left + size[1]]
            spans = np.empty((2, *size))
            _span_rows(field, first, left, spans)
        else:
            positions, spans = mapping.locate(top, bottom, out_shape)
        work.row[...], work.col[...] = positions
        work.row_stretch[...], work.col_stretch[...] = spans
        stretched = _settle_rows(*work.arrays, *border)
    return work.result(stretched=stretched)


class _Work:
    """Arrays that the kernels fill."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.row, self.col = np.empty(size), np.empty(size)
        self.row_stretch, self.col_stretch = np.empty(size), np.empty(size)
        # Untouched memory costs nothing: most bands have few such pixels.
        count = size[0] * size[1]
        self.outside, self.partly = np.empty(count, np.int64), np.empty(count, np.int64)
        self.share = np.empty(count)
        self.shown = np.empty((size[0], 2), np.int64)
        self.counts = np.zeros(2, np.int64)

    @property
    def arrays(self) -> tuple[npt.NDArray[np.generic], ...]:
        return (
            self.row, self.col, self.row_stretch, self.col_stretch,
            self.shown, self.outside, self.partly, self.share, self.counts,
        )  # fmt: skip

    def result(self, *, stretched: bool) -> SourceCoordinates:
        outside, partly = self.counts
        return SourceCoordinates(
            self.row,
            self.col,
            (self.row_stretch, self.col_stretch) if stretched else None,
            self.shown,
            self.outside[:outside].copy(),
            self.partly[:partly].copy(),
            self.share[:partly].copy(),
        )


@njit(**KERNEL)
def _homography_rows(
    matrix, top, left, row, col, row_stretch, col_stretch, shown, outside, partly, share, counts,
    height, width, clips, constant, wraps, row_centre, row_period, col_centre, col_period, smooth,
):  # fmt: skip
    """Positions of a homography's output rows, folded; True where supports stretch.

    Parameters
    ----------
    matrix : ndarray of float64, (3, 3)
        See `geometry.Homography`.
    top, left : int
        First output row and column.
    row, col, row_stretch, col_stretch : ndarray of float64, (rows, cols)
        Receive positions and stretches; the latter are of use if the result is True.
    shown : ndarray of int64, (rows, 2)
    outside, partly, share : ndarray of int64, int64 and float64, (rows * cols,)
        Receive what `Place` says.
    counts : ndarray of int64, (2,)
        Zeros. Receives how many pixels are outside, and how many partly.
    height, width : int
        Of the source.
    clips, constant, wraps : bool
        What the border mode does.
    row_centre, row_period, col_centre, col_period : float, int
        See `_places.fold_period`.
    smooth : bool
    """
    rows, cols = row.shape
    segments = (cols + _SEGMENT - 1) // _SEGMENT
    plain = np.zeros((rows, segments), np.bool_)  # whose stretches are 1 and not written
    stretched = False
    for y in range(rows):
        before = counts[0]
        for start in range(0, cols, _SEGMENT):
            stop = min(start + _SEGMENT, cols)
            here = row[y, start:stop], col[y, start:stop]
            _positions(matrix, float(top + y), left + start, *here)
            ends = float(left + start), float(left + stop - 1)
            sure = _spreads(matrix, float(top + y), *ends)
            plain[y, start // _SEGMENT] = sure
            for first in range(start, stop, _RUN):
                last = min(first + _RUN, stop)
                here_row, here_col = row[y, first:last], col[y, first:last]
                if sure and _inside(here_row, here_col, height, width):
                    continue
                row_span, col_span = row_stretch[y, first:last], col_stretch[y, first:last]
                if sure and constant and _apart(here_row, here_col, height, width):
                    _leave_out(here_row, here_col, height, width, y * cols + first, outside, counts)
                    continue
                _spans(matrix, float(top + y), left + first, here_row, here_col, row_span, col_span)
                stretched |= _settle(
                    here_row, here_col, row_span, col_span, y * cols + first,
                    outside, partly, share, counts, height, width, clips, constant, wraps,
                    row_centre, row_period, col_centre, col_period, smooth,
                )  # fmt: skip
        _find_shown(y, cols, before, outside, counts, shown)
    if stretched:
        for y in range(rows):
            for segment in range(segments):
                if plain[y, segment]:
                    row_stretch[y, segment * _SEGMENT : (segment + 1) * _SEGMENT] = 1.0
                    col_stretch[y, segment * _SEGMENT : (segment + 1) * _SEGMENT] = 1.0
    return stretched


@njit(**KERNEL)
def _settle_rows(
    row, col, row_stretch, col_stretch, shown, outside, partly, share, counts,
    height, width, clips, constant, wraps, row_centre, row_period, col_centre, col_period, smooth,
):  # fmt: skip
    """Fold positions and turn spans into stretches, all in place; as `_homography_rows`."""
    stretched = False
    for y in range(row.shape[0]):
        before = counts[0]
        stretched |= _settle(
            row[y], col[y], row_stretch[y], col_stretch[y], y * row.shape[1],
            outside, partly, share, counts, height, width, clips, constant, wraps,
            row_centre, row_period, col_centre, col_period, smooth,
        )  # fmt: skip
        _find_shown(y, row.shape[1], before, outside, counts, shown)
    return stretched


@njit(**HELPER)
def _positions(matrix, y, first, row, col):
    """See `geometry.Homography.locate`."""
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


@njit(**HELPER)
def _spans(matrix, y, first, row, col, row_span, col_span):
    """See `geometry.Homography.locate`; NaN beyond the horizon, where nothing needs them."""
    m00, m01, m10, m11 = matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1]
    m20, m21, m22 = matrix[2, 0], matrix[2, 1], matrix[2, 2]
    depth_y = m21 * y
    for i in range(row.size):
        x = np.float64(np.int32(first + i))
        depth = (m20 * x + depth_y) + m22
        row_x, row_y = (m10 - row[i] * m20) / depth, (m11 - row[i] * m21) / depth
        col_x, col_y = (m00 - col[i] * m20) / depth, (m01 - col[i] * m21) / depth
        row_span[i] = math.sqrt(row_x * row_x + row_y * row_y)
        col_span[i] = math.sqrt(col_x * col_x + col_y * col_y)


@njit(**HELPER)
def _spreads(matrix, y, left, right):
    """Whether no pixel of a row from `left` to `right` can span more than one source pixel.

    The derivative of (a / d) along x is (a_x * d - a * d_x) / d**2, whose numerator does not
    depend on x; that along y is linear in x. So their bounds lie at the ends.
    """
    m20, m21, m22 = matrix[2, 0], matrix[2, 1], matrix[2, 2]
    depth = min((m20 * left + m21 * y) + m22, (m20 * right + m21 * y) + m22)
    if not depth > 0.0:
        return False
    reach = (abs(m20) * right + abs(m21) * y) + abs(m22)
    largest = np.abs(matrix).max()
    for axis in range(2):
        a, b, c = matrix[axis, 0], matrix[axis, 1], matrix[axis, 2]
        along_x = a * (m21 * y + m22) - m20 * (b * y + c)
        along_y = max(
            abs(b * (m20 * left + m22) - m21 * (a * left + c)),
            abs(b * (m20 * right + m22) - m21 * (a * right + c)),
        )
        span = math.sqrt(along_x * along_x + along_y * along_y) / (depth * depth)
        size = (abs(a) * right + abs(b) * y) + abs(c)
        rounding = _ROUNDING * (reach / depth)
        error = rounding * (span + largest * (size + reach) / (depth * depth))
        if not span + error <= _SURE_SPAN:
            return False
    return True


@njit(**HELPER)
def _inside(row, col, height, width):
    """Whether all positions lie well inside the image."""
    bottom, right = height - 1 - _MARGIN, width - 1 - _MARGIN
    count = 0
    for i in range(row.size):
        held = (row[i] >= _MARGIN) & (row[i] <= bottom) & (col[i] >= _MARGIN) & (col[i] <= right)
        count += np.int64(held)
    return count == row.size


@njit(**HELPER)
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


@njit(**HELPER)
def _leave_out(row, col, height, width, flat, outside, counts):
    """Note that pixels lie outside."""
    place = outside[counts[0] : counts[0] + row.size]
    for i in range(row.size):
        row[i] = _clip(row[i], -1.0, float(height))
        col[i] = _clip(col[i], -1.0, float(width))
        place[i] = flat + i
    counts[0] += row.size


@njit(**HELPER)
def _settle(
    row, col, row_span, col_span, flat, outside, partly, share, counts,
    height, width, clips, constant, wraps, row_centre, row_period, col_centre, col_period, smooth,
):  # fmt: skip
    """See `_places.place`; in place for a run of pixels, the first of flat index `flat`."""
    stretched = False
    gone, part = counts[0], counts[1]
    for i in range(row.size):
        r, c = row[i], col[i]
        span_r = row_span[i] if abs(row_span[i]) < np.inf else 1.0
        span_c = col_span[i] if abs(col_span[i]) < np.inf else 1.0
        coverage = 1.0
        if not (abs(r) < np.inf and abs(c) < np.inf):
            r, c, coverage = 0.0, 0.0, 0.0
        if constant:
            coverage *= _coverage(r, height, span_r)
            coverage *= _coverage(c, width, span_c)
        if coverage == 0.0:
            outside[gone] = flat + i
            gone += 1
        elif coverage < 1.0:
            partly[part] = flat + i
            share[part] = coverage
            part += 1
        stretch_r = _stretch(span_r, height, smooth)
        stretch_c = _stretch(span_c, width, smooth)
        stretched |= stretch_r > 1.0 or stretch_c > 1.0
        row_span[i], col_span[i] = stretch_r, stretch_c
        if clips:
            row[i] = _clip(r, -stretch_r, height - 1 + stretch_r)
            col[i] = _clip(c, -stretch_c, width - 1 + stretch_c)
        else:
            row[i] = _fold(r, height, row_centre, row_period, wraps)
            col[i] = _fold(c, width, col_centre, col_period, wraps)
    counts[0], counts[1] = gone, part
    return stretched


@njit(**HELPER)
def _find_shown(y, cols, before, outside, counts, shown):
    """Find what columns of a row show, and keep of the pixels outside those in between.

    They are noted from `before` on, in order.
    """
    mine = outside[before : counts[0]]
    first, last = 0, cols
    while first < mine.size and mine[first] == y * cols + first:
        first += 1
    if first == cols:
        last = first = 0
    end = mine.size
    while last > first and end > first and mine[end - 1] == y * cols + last - 1:
        end -= 1
        last -= 1
    shown[y, 0], shown[y, 1] = first, last
    kept = max(end - first, 0) if last > 0 else 0
    for k in range(kept):
        mine[k] = mine[first + k]
    counts[0] = before + kept


@njit(**HELPER)
def _clip(value, low, high):
    value = low if value < low else value
    return high if value > high else value


@njit(**HELPER)
def _coverage(position, size, span):
    """See `_places._coverage`."""
    width = max(span, LEAST_FOOTPRINT)
    if position + 0.5 >= 0.5 * width and size - 0.5 - position >= 0.5 * width:
        return 1.0  # both quotients are at least a half
    low = (position + 0.5) / width + 0.5
    high = (size - 0.5 - position) / width + 0.5
    return _clip(low, 0.0, 1.0) * _clip(high, 0.0, 1.0)


@njit(**HELPER)
def _stretch(span, size, smooth):
    """See `taps.effective_stretch`."""
    span = min(span, size + 1.0)
    return span if smooth and span > 1 + FILTER_SCALE_TOLERANCE else 1.0


@njit(**HELPER)
def _fold(position, size, centre, period, wraps):
    """See `_places._fold`, for the modes that repeat the image."""
    if period == 0:
        return 0.0
    if 0.0 <= position <= size - 1:
        return position
    turned = position + centre
    if not 0.0 <= turned < period:
        turned %= float(period)
    if not wraps:
        turned = min(turned, period - turned)
    return turned - centre


@njit(**KERNEL)
def _span_rows(field, first, before, spans):
    """See `geometry.SampledMap.locate`; the band's first pixel is (first, before) of the field."""
    rows, cols = field.shape[1], field.shape[2]
    for axis in range(2):
        for y in range(spans.shape[1]):
            above, below = max(first + y - 1, 0), min(first + y + 1, rows - 1)
            upper, lower, line = field[axis, above], field[axis, below], field[axis, first + y]
            steps = max(below - above, 1)
            out = spans[axis, y]
            for x in range(before, before + spans.shape[2]):
                along_y = (lower[x] - upper[x]) / steps if rows > 1 else 0.0
                left, right = max(x - 1, 0), min(x + 1, cols - 1)
                along_x = (line[right] - line[left]) / max(right - left, 1) if cols > 1 else 0.0
                out[x - before] = math.sqrt(along_y * along_y + along_x * along_x)
