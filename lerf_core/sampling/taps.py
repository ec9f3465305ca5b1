"""Which source pixels an output pixel is made of, and how far from it they lie.

Convention
----------
Positions are (row, col) in source pixels; the centre of the first pixel is 0. The
centres of source and result coincide: output pixel o of an axis lies at
``o/scale + (size-1)/2 - (out_size-1)/(2*scale)``, which is ``(o + 0.5)/scale - 0.5`` where
``size * scale`` is whole.

The filter scale of an axis is what a weighting's support is stretched by where the image
shrinks: the inverse of the scale, and at least 1. Offsets are divided by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lerf_core.constants import FILTER_SCALE_TOLERANCE, MAX_POINT_TAPS, POSITION_EPS

__all__ = [
    "AxisTaps",
    "PointTaps",
    "axis_positions",
    "axis_taps",
    "effective_filter_scale",
    "nearest_index",
    "point_taps",
]

Indices = npt.NDArray[np.int64]
Positions = npt.NDArray[np.float64]
Offsets = npt.NDArray[np.float32]


# Longest axes of which all taps are kept: together some megabytes.
_KEPT_SIZE = 1 << 12
# The float32 next to 1.
_BEYOND = np.nextafter(np.float32(1), np.float32(2))


@dataclass(frozen=True, eq=False)
class AxisTaps:
    """Taps of one axis of a grid: the same for every output pixel of a row (or column).

    Two are equal only if they are the same object.

    Attributes
    ----------
    index : ndarray of int64, (size, count)
        Source index, in order; may lie outside the image.
    offset : ndarray of float32, (size, count)
        Output position minus source position, divided by the filter scale.
    """

    index: Indices
    offset: Offsets

    @property
    def size(self) -> int:
        """Number of output pixels."""
        return int(self.index.shape[0])

    @property
    def count(self) -> int:
        """Number of taps of each output pixel."""
        return int(self.index.shape[1])

    def part(self, first: int, last: int) -> AxisTaps:
        """Return those of output pixels first..last-1; of all of them these taps themselves."""
        if (first, last) == (0, self.size):
            return self
        return AxisTaps(self.index[first:last], self.offset[first:last])

    def from_pixel(self, first: int) -> AxisTaps:
        """Return the same, with source pixels counted from another one."""
        return AxisTaps(self.index - first, self.offset) if first else self

    def band(self, first: int, last: int, size: int) -> tuple[AxisTaps, slice]:
        """Return those of output pixels first..last-1, and the source pixels they count in.

        Parameters
        ----------
        first, last : int
            Output pixels, which rise along the axis as their taps do.
        size : int
            Pixels of the source; taps beyond it count in its ends.
        """
        start = min(max(int(self.index[first, 0]), 0), size - 1)
        stop = min(max(int(self.index[last - 1, -1]), 0), size - 1) + 1
        return self.part(first, last).from_pixel(start), slice(start, stop)


@dataclass(frozen=True, eq=False)
class PointTaps:
    """Taps along one axis of scattered positions; all arrays have the positions' shape.

    Attributes
    ----------
    position : ndarray of float64
        In source pixels, finite.
    first, count, step : ndarray of int64
        Tap t, for ``t < count``, has the source index ``first + t * step``, which may lie
        outside the image.
    inverse_scale : ndarray of float64
        1 over the filter scale.
    """

    position: Positions
    first: Indices
    count: Indices
    step: Indices
    inverse_scale: Positions

    def index(self, tap: int) -> Indices:
        """Return the source index of a tap."""
        index: Indices = self.first + tap * self.step
        return index

    def offset(self, tap: int) -> Offsets:
        """Return position minus source position of a tap, divided by the filter scale."""
        return ((self.position - self.index(tap)) * self.inverse_scale).astype(np.float32)


def axis_positions(
    size: int, out_size: int, scale: float, out_range: tuple[int, int] | None = None
) -> Positions:
    """Return the source position of each output pixel of an axis.

    Parameters
    ----------
    size, out_size : int
        Pixels of the source and of the output.
    scale : float
        Output pixels per source pixel.
    out_range : (int, int), optional
        First, and one past the last, of the output pixels that are asked for.

    Returns
    -------
    ndarray of float64, (output pixels,)
        In source pixels.
    """
    first, last = out_range or (0, out_size)
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
    out_range: tuple[int, int] | None = None,
) -> AxisTaps:
    """Return the taps that resize an axis from `size` to `out_size` pixels by `scale`.

    Two neighbours; when shrinking with `anti_aliasing`, as many as the support stretched by
    ``1 / scale`` holds. An axis that keeps its length is not resampled: one tap.

    Parameters
    ----------
    size, out_size, scale, out_range
        As `axis_positions` has them.
    anti_aliasing : bool
        Whether the support stretches where the axis shrinks.
    """
    if max(size, out_size) <= _KEPT_SIZE:
        # Images of a folder, channels and bands ask for the same axes again and again.
        whole = _whole_axis_taps(size, out_size, scale, anti_aliasing)
        return whole if out_range is None else whole.part(*out_range)
    return _made_taps(size, out_size, scale, anti_aliasing, out_range)


def _made_taps(
    size: int,
    out_size: int,
    scale: float,
    anti_aliasing: bool,
    out_range: tuple[int, int] | None = None,
) -> AxisTaps:
    """Return taps as `axis_taps` does."""
    if size == out_size and scale == 1:
        index = np.arange(*(out_range or (0, size)), dtype=np.int64)[:, None]
        return AxisTaps(index, np.zeros(index.shape, dtype=np.float32))
    # A support wider than the image is as wide as it.
    filter_scale = min(max(1.0, 1.0 / scale), size + 1.0) if anti_aliasing else 1.0
    position = axis_positions(size, out_size, scale, out_range)
    first, count = _support(position, filter_scale)
    index = first[:, None] + np.arange(count)
    distance = position[:, None] - index
    if filter_scale != 1:
        distance /= filter_scale
    return AxisTaps(index, _rounded_offset(distance))


_whole_axis_taps = lru_cache(maxsize=64)(_made_taps)


def point_taps(position: Positions, filter_scale: Positions | None) -> PointTaps:
    """Return the taps along one axis of scattered positions.

    Parameters
    ----------
    position : ndarray of float64
        In source pixels, finite.
    filter_scale : ndarray of float64, or None
        Of each position, at least 1 (see `effective_filter_scale`); None: 1 everywhere.
    """
    if filter_scale is None:
        filter_scale = np.ones_like(position)
    first, count = _supports(position, filter_scale)
    step = (count + (MAX_POINT_TAPS - 1)) // MAX_POINT_TAPS
    return PointTaps(position, first, (count + step - 1) // step, step, 1.0 / filter_scale)


def effective_filter_scale(footprint: Positions) -> Positions:
    """Return the filter scale of a footprint: the footprint itself where the map shrinks, else 1.

    Parameters
    ----------
    footprint : ndarray of float64
        Source pixels along an axis that an output pixel spans.
    """
    return np.where(footprint > 1 + FILTER_SCALE_TOLERANCE, footprint, 1.0)


def nearest_index(position: Positions) -> Indices:
    """Return the index of the source pixel nearest to each position; halves go to the lower one."""
    return np.ceil(position - 0.5 - POSITION_EPS).astype(np.int64)


def _support(position: Positions, filter_scale: float) -> tuple[Indices, int]:
    """Return the first tap's index of each position and the number of taps of all.

    These lie within the support on both sides, and are two where nothing is stretched: of three
    pixels at distances -1, 0 and 1 the published code takes the first two. A stretched support is
    symmetric.
    """
    first = np.ceil(position - filter_scale - POSITION_EPS).astype(np.int64)
    return first, math.floor(2 * filter_scale + POSITION_EPS) + 1 if filter_scale > 1 else 2


def _supports(position: Positions, filter_scale: Positions) -> tuple[Indices, Indices]:
    """Return the first tap's index and the number of taps of each position; see `_support`."""
    first = np.ceil(position - filter_scale - POSITION_EPS).astype(np.int64)
    stretched = np.floor(2 * filter_scale + POSITION_EPS) + 1
    return first, np.where(filter_scale > 1, stretched, 2.0).astype(np.int64)


def _rounded_offset(distance: Positions) -> Offsets:
    """Round distances to float32, but none beyond 1 down to 1."""
    offset = distance.astype(np.float32)
    is_farther = np.abs(distance) > 1
    if is_farther.any():
        offset[is_farther & (np.abs(offset) == 1)] *= _BEYOND
    return offset
