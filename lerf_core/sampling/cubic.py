"""Cubic convolution: its kernel, and the taps by which it resizes an axis.

References
----------
.. [1] R. Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE
   Transactions on Acoustics, Speech, and Signal Processing 29(6), 1981.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lerf_core.constants import CUBIC_SLOPE
from lerf_core.sampling.taps import axis_positions

__all__ = ["CubicTaps", "cubic_kernel", "cubic_taps"]


@dataclass(frozen=True, eq=False)
class CubicTaps:
    """Taps of cubic convolution along an axis; two are equal only if they are the same object.

    Attributes
    ----------
    first : ndarray of int64, (size,)
        The first of `count` neighbours in a row; those outside the source are its ends.
    weight : ndarray of float32, (size, count)
        Of each neighbour; those of an output pixel sum up to 1.
    source_size : int
        Number of source pixels.
    """

    first: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float32]
    source_size: int

    @property
    def index(self) -> npt.NDArray[np.int64]:
        """Source pixels, (size, count)."""
        neighbours = self.first[:, None] + np.arange(self.weight.shape[1])
        index: npt.NDArray[np.int64] = np.clip(neighbours, 0, self.source_size - 1)
        return index

    @property
    def pad(self) -> int:
        """Neighbours outside the source that may be asked for, at either end."""
        last = int(self.first.max()) + self.weight.shape[1]
        return int(max(-self.first.min(), last - self.source_size, 0))

    def within(self, start: int, length: int) -> CubicTaps:
        """Return the same taps of a source that begins with pixel `start`."""
        return CubicTaps(self.first - start, self.weight, length)

    def band(self, top: int, bottom: int) -> tuple[CubicTaps, slice]:
        """Return those of output pixels top..bottom-1, and the source pixels they count from."""
        first, count = self.first[top:bottom], self.weight.shape[1]
        start = int(np.clip(first.min(), 0, self.source_size - 1))
        stop = int(np.clip(first.max() + count, start + 1, self.source_size))
        return CubicTaps(first - start, self.weight[top:bottom], stop - start), slice(start, stop)


def cubic_taps(
    size: int,
    out_size: int,
    scale: float,
    *,
    anti_aliasing: bool,
    out_range: tuple[int, int] | None = None,
) -> CubicTaps:
    """Return the taps that resize an axis from `size` to `out_size` pixels by `scale`.

    Parameters
    ----------
    anti_aliasing : bool
        Whether the kernel is stretched where the axis shrinks.
    out_range : (int, int), optional
        First, and one past the last, of the output pixels that are asked for.
    """
    filter_scale = min(max(1.0, 1.0 / scale), float(size)) if anti_aliasing else 1.0
    position = axis_positions(size, out_size, scale, out_range)
    count = int(np.ceil(4 * filter_scale))
    first = np.floor(position - 2 * filter_scale).astype(np.int64) + 1
    neighbours = first[:, None] + np.arange(count)
    weight = cubic_kernel((position[:, None] - neighbours) / filter_scale, CUBIC_SLOPE)
    weight /= weight.sum(axis=1, keepdims=True)
    return CubicTaps(first, weight.astype(np.float32), size)


def cubic_kernel(distance: npt.NDArray[np.float64], slope: float) -> npt.NDArray[np.float64]:
    """Return Keys' kernel [1]_ at distances in pixels; it reaches two pixels to both sides.

    Parameters
    ----------
    distance : ndarray of float64
    slope : float
        Of the kernel at distance 1: -0.5 for Keys' own.
    """
    d, a = np.abs(distance), slope
    inner = ((a + 2) * d - (a + 3)) * d * d + 1
    outer = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, inner, np.where(d < 2, outer, 0.0))
