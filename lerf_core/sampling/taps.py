"""Which source pixels an output pixel is made of, and how far from it they lie.

Convention
----------
Positions are (row, col) in source pixels; the centre of the first pixel is 0. The
centres of source and result coincide: output pixel o of an axis lies at
``o/scale + (size-1)/2 - (out_size-1)/(2*scale)``, which is ``(o + 0.5)/scale - 0.5`` where
``size * scale`` is whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.validation import check_output_shape, check_scale

__all__ = [
    "MAX_POINT_TAPS",
    "POSITION_EPS",
    "REACH_LIMIT",
    "STRETCH_TOLERANCE",
    "AxisTaps",
    "PointTaps",
    "axis_positions",
    "axis_taps",
    "effective_stretch",
    "nearest_index",
    "point_taps",
    "rescaled_shape",
]

#: Positions this close below a pixel still count as on it (the published code's margin).
POSITION_EPS = float(np.finfo(np.float32).eps)
#: Taps farther than one (stretched) pixel do not count; the margin is for rounding.
REACH_LIMIT = np.float32(1.000001)
#: A warped pixel takes at most this many taps an axis; a larger footprint is sampled
#: evenly instead of wholly, so that strong perspective stays affordable.
MAX_POINT_TAPS = 128
#: Local scales this close below 1 (rounding in a rotation's matrix) are not shrinking.
STRETCH_TOLERANCE = 1e-6

Indices = npt.NDArray[np.int64]
Positions = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AxisTaps:
    """Taps of one axis of a grid: the same for every output pixel of a row (or column).

    Two are equal only if they are the same object.

    Attributes
    ----------
    index : ndarray of int64, (size, count)
        Source index, in order; may lie outside the image.
    offset : ndarray of float32, (size, count)
        Output position minus source position, divided by the stretch.
    """

    index: Indices
    offset: npt.NDArray[np.float32]

    @property
    def size(self) -> int:
        """Number of output pixels."""
        return int(self.index.shape[0])

    @property
    def count(self) -> int:
        """Number of taps of each."""
        return int(self.index.shape[1])


@dataclass(frozen=True)
class PointTaps:
    """Taps of scattered positions; all arrays of one shape.

    Tap t of an axis has index ``first + t * step`` for ``t < count``, and offset
    ``(position - index) * scale``.
    """

    row: Positions
    col: Positions
    row_first: Indices
    col_first: Indices
    row_count: Indices
    col_count: Indices
    row_step: Indices
    col_step: Indices
    row_scale: Positions
    col_scale: Positions


def axis_positions(
    size: int, out_size: int, scale: float, part: tuple[int, int] | None = None
) -> Positions:
    """Return the source position of each output pixel of an axis, or of a part of them."""
    first, last = part or (0, out_size)
    # The published order of operations: whether a neighbour one pixel away still counts for
    # LeRF-L hangs on this sum's last bit.
    start = np.arange(first, last, dtype=np.float64) / scale + (size - 1) / 2
    return start - (out_size - 1) / (2 * scale)


def axis_taps(
    size: int,
    out_size: int,
    scale: float,
    *,
    anti_aliasing: bool,
    part: tuple[int, int] | None = None,
) -> AxisTaps:
    """Taps that resize an axis from `size` to `out_size` pixels by `scale`.

    Of all output pixels, or of those of a part, first..last-1. Two neighbours; when shrinking
    with `anti_aliasing`, as many as the support stretched by ``1 / scale`` holds. An axis that
    keeps its length is not resampled: one tap.
    """
    if size == out_size and scale == 1:
        here = np.arange(*(part or (0, size)), dtype=np.int64)[:, None]
        return AxisTaps(here, np.zeros(here.shape, dtype=np.float32))
    # A support wider than the image is as wide as it.
    stretch = min(max(1.0, 1.0 / scale), size + 1.0) if anti_aliasing else 1.0
    position = axis_positions(size, out_size, scale, part)
    first = np.ceil(position - stretch - POSITION_EPS).astype(np.int64)
    count = int(tap_count(np.float64(stretch)))
    index = first[:, None] + np.arange(count)
    return AxisTaps(index, as_offset((position[:, None] - index) / stretch))


def tap_count(stretch: Positions | np.float64) -> Indices:
    """Return the number of taps within `stretch` pixels on both sides.

    Two where nothing is stretched: of three pixels at distances -1, 0 and 1 the published
    code takes the first two. A stretched support is symmetric.
    """
    wide = np.floor(2 * stretch + POSITION_EPS) + 1
    return np.where(stretch > 1, wide, 2.0).astype(np.int64)


def as_offset(distance: Positions) -> npt.NDArray[np.float32]:
    """Round distances to float32, but none beyond 1 down to 1."""
    offset = distance.astype(np.float32)
    beyond = (np.abs(offset) == 1) & (np.abs(distance) > 1)
    return np.where(beyond, offset * np.nextafter(np.float32(1), np.float32(2)), offset)


def nearest_index(position: Positions) -> Indices:
    """Index of the source pixel nearest to each position; halves go to the lower one."""
    return np.ceil(position - 0.5 - POSITION_EPS).astype(np.int64)


def point_taps(
    row: Positions, col: Positions, row_stretch: Positions | None, col_stretch: Positions | None
) -> PointTaps:
    """Taps of scattered finite positions.

    Parameters
    ----------
    row, col : ndarray of float64
        Source positions.
    row_stretch, col_stretch : ndarray of float64 or None
        Stretch of the support along each source axis, at least 1 (`effective_stretch`).
        None: no anti-aliasing.
    """
    one = np.ones_like(row)
    row_stretch = one if row_stretch is None else row_stretch
    col_stretch = one if col_stretch is None else col_stretch
    row_taps, col_taps = _axis(row, row_stretch), _axis(col, col_stretch)
    interleaved = (tap for pair in zip(row_taps, col_taps, strict=True) for tap in pair)
    return PointTaps(row, col, *interleaved)  # type: ignore[arg-type]


def effective_stretch(stretch: Positions) -> Positions:
    """Return the stretch of the support: 1 unless the map shrinks."""
    return np.where(stretch > 1 + STRETCH_TOLERANCE, stretch, 1.0)


def _axis(position: Positions, stretch: Positions) -> tuple[Indices, Indices, Indices, Positions]:
    first = np.ceil(position - stretch - POSITION_EPS).astype(np.int64)
    count = tap_count(stretch)
    step = (count + (MAX_POINT_TAPS - 1)) // MAX_POINT_TAPS
    return first, (count + step - 1) // step, step, 1.0 / stretch


def rescaled_shape(shape: tuple[int, int], scale: float | tuple[float, float]) -> tuple[int, int]:
    """Return the rows and columns that `rescale` gives: ``ceil(size * scale)`` an axis.

    Rounding errors of the product do not count: 10 pixels by 1.1 are 11.

    Examples
    --------
    >>> rescaled_shape((10, 7), 1.1)
    (11, 8)
    """
    factors = check_scale(scale)
    try:
        sizes = [float(size) * factor for size, factor in zip(shape, factors, strict=True)]
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"shape must be (rows, cols), got {shape!r}") from error
    if not max(sizes) < 2**31:
        raise InvalidArgumentError(f"{shape} by {scale} gives sides of 2**31 pixels or more")
    rows, cols = (max(1, math.ceil(size - 1e-9 * max(1.0, size))) for size in sizes)
    return check_output_shape((rows, cols))
