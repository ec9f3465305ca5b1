"""Which source pixels an output pixel of a resize covers, and how much of each.

Convention
----------
Source pixel i covers i..i+1 along its axis. Output pixel o of an axis of n pixels, resized by a
scale s to m pixels, covers (o - m/2)/s + n/2 .. (o + 1 - m/2)/s + n/2: the centres of source and
result coincide, as in `lerf_core.sampling.taps`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lerf_core.constants import COVERAGE_BITS
from lerf_core.sampling.taps import axis_positions, nearest_index

__all__ = ["AxisCoverage", "axis_coverage", "halving_coverage"]

Indices = npt.NDArray[np.int64]

# Scales this near to output pixels per source pixel, relatively, are that ratio.
_SAME_SCALE = 1e-12
# Bits of a sum of weights along an axis: products of two such sums are int64.
_MOST_BITS = 31


@dataclass(frozen=True, eq=False)
class AxisCoverage:
    """What each output pixel of an axis covers of the source; arrays are int64, (output pixels,).

    Weights are whole numbers, so that sums of them are exact and in any order the same.

    Attributes
    ----------
    first, last : ndarray
        The first and the last source pixel that is covered, within the image.
    first_weight, last_weight : ndarray
        The covered part of these two; equal where they are one pixel.
    nearest : ndarray
        The source pixel nearest to the output pixel's centre; of two the lower.
    unit : int
        The weight of a pixel that is covered wholly.
    """

    first: Indices
    last: Indices
    first_weight: Indices
    last_weight: Indices
    nearest: Indices
    unit: int

    @classmethod
    def of_edges(
        cls, low: Indices, high: Indices, unit: int, size: int, nearest: Indices
    ) -> AxisCoverage:
        """Return the coverage of output pixels that cover low..high, in 1 / unit source pixels."""
        low, high = np.clip(low, 0, size * unit), np.clip(high, 0, size * unit)
        nearest = np.clip(nearest, 0, size - 1)
        first = np.minimum(low // unit, nearest)
        last = np.maximum(-(-high // unit) - 1, nearest)
        first_weight = np.maximum(np.minimum(high, (first + 1) * unit) - low, 0)
        last_weight = np.maximum(high - np.maximum(low, last * unit), 0)
        return cls(first, last, first_weight, last_weight, nearest, unit)

    def band(self, start: int, stop: int) -> tuple[AxisCoverage, slice]:
        """Return the coverage of output pixels start..stop-1 and the source pixels it counts in."""
        first = int(self.first[start:stop].min())
        source = slice(first, int(self.last[start:stop].max()) + 1)
        return self._changed(slice(start, stop), first), source

    def from_pixel(self, first: int) -> AxisCoverage:
        """Return the same, with source pixels counted from another one."""
        return self._changed(slice(None), first)

    def _changed(self, part: slice, start: int) -> AxisCoverage:
        return AxisCoverage(
            self.first[part] - start, self.last[part] - start, self.first_weight[part],
            self.last_weight[part], self.nearest[part] - start, self.unit,
        )  # fmt: skip

    @property
    def arrays(self) -> tuple[Indices, Indices, Indices, Indices, int]:
        """First and last pixels, their weights (2, output pixels), the nearest ones; the unit."""
        ends = np.stack([self.first_weight, self.last_weight])
        return self.first, self.last, ends, self.nearest, self.unit

    def weights(self, number: int) -> Indices:
        """Return the weights of the source pixels first..last of an output pixel."""
        weights = np.full(int(self.last[number] - self.first[number]) + 1, self.unit, np.int64)
        weights[0], weights[-1] = self.first_weight[number], self.last_weight[number]
        return weights


def axis_coverage(
    size: int,
    out_size: int,
    scale: float,
    *,
    anti_aliasing: bool,
    out_range: tuple[int, int] | None = None,
) -> AxisCoverage:
    """Return what output pixels cover of an axis that is resized by `scale`.

    Parameters
    ----------
    size, out_size, scale, out_range
        As `lerf_core.sampling.taps.axis_positions` has them.
    anti_aliasing : bool
        Whether output pixels are wider than a source pixel where the axis shrinks.
    """
    pixel = np.arange(*(out_range or (0, out_size)), dtype=np.int64)
    nearest = nearest_index(axis_positions(size, out_size, scale, out_range))
    is_narrowed = scale < 1 and not anti_aliasing
    if abs(size * scale - out_size) <= _SAME_SCALE * out_size:
        # Exact: 2 * out_size steps per source pixel, 2 * size per output pixel.
        unit = 2 * out_size
        low, high = 2 * size * pixel, 2 * size * (pixel + 1)
        if is_narrowed:
            low, high = (low + high) // 2 - out_size, (low + high) // 2 + out_size
        return AxisCoverage.of_edges(low, high, unit, size, nearest)
    width = 1.0 if is_narrowed else 1 / scale
    unit = 1 << max(0, min(COVERAGE_BITS, _MOST_BITS - math.ceil(math.log2(max(1.0, width)) + 1)))
    centre = (pixel + 0.5 - out_size / 2) / scale + size / 2
    low, high = (
        np.rint((centre + side) * unit).astype(np.int64) for side in (-width / 2, width / 2)
    )
    return AxisCoverage.of_edges(low, high, unit, size, nearest)


def halving_coverage(size: int) -> AxisCoverage:
    """Return the coverage of an axis of which two pixels each become one, a last one alone too."""
    low = np.arange(0, size, 2, dtype=np.int64)
    return AxisCoverage.of_edges(low, low + 2, 1, size, low)
