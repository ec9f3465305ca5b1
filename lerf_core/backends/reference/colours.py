"""Resizing by tables for the brightness alone (``fast=True``): what it is, and its parts.

A colour channel is the luma plus a difference. The luma is resized by the tables, the
differences by cubic convolution [1]_, which no tables slow down; eyes see little of what
that loses. In bytes the luma is rounded for the tables, and what the rounding leaves is in
the differences.

References
----------
.. [1] R. Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE
   Transactions on Acoustics, Speech, and Signal Processing 29(6), 1981.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.bank.model import LEVELS
from lerf_core.sampling.taps import axis_positions

__all__ = ["CubicTaps", "add_differences", "cubic_taps", "luma_of"]

#: Weights of red, green and blue in the luma (ITU-R BT.601).
LUMA = (np.float32(0.299), np.float32(0.587), np.float32(0.114))
#: Slope of the kernel at distance 1, as OpenCV has it: sharper than Keys's -0.5.
SLOPE = -0.75

Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class CubicTaps:
    """Taps of cubic convolution along an axis; two are equal only if they are the same object.

    Attributes
    ----------
    first : ndarray of int64, (size,)
        The first of `count` neighbours in a row; those outside the source are its ends.
    weight : ndarray of float32, (size, count)
    source : int
        Number of source pixels.
    """

    first: npt.NDArray[np.int64]
    weight: FloatPlane
    source: int

    @property
    def index(self) -> npt.NDArray[np.int64]:
        """Source pixels, (size, count)."""
        neighbours = self.first[:, None] + np.arange(self.weight.shape[1])
        index: npt.NDArray[np.int64] = np.clip(neighbours, 0, self.source - 1)
        return index

    @property
    def pad(self) -> int:
        """Neighbours outside the source that may be asked for, at either end."""
        last = int(self.first.max()) + self.weight.shape[1]
        return int(max(-self.first.min(), last - self.source, 0))

    def within(self, start: int, length: int) -> CubicTaps:
        """Return the same taps of a source that begins with pixel `start`."""
        return CubicTaps(self.first - start, self.weight, length)

    def band(self, top: int, bottom: int) -> tuple[CubicTaps, slice]:
        """Those of output pixels top..bottom-1, and the source pixels that they count from."""
        first, count = self.first[top:bottom], self.weight.shape[1]
        start = int(np.clip(first.min(), 0, self.source - 1))
        stop = int(np.clip(first.max() + count, start + 1, self.source))
        return CubicTaps(first - start, self.weight[top:bottom], stop - start), slice(start, stop)


def cubic_taps(
    size: int,
    out_size: int,
    scale: float,
    *,
    anti_aliasing: bool,
    part: tuple[int, int] | None = None,
) -> CubicTaps:
    """Taps that resize an axis; the kernel is stretched where the axis shrinks.

    Of all output pixels, or of those of a part, first..last-1.
    """
    stretch = min(max(1.0, 1.0 / scale), float(size)) if anti_aliasing else 1.0
    position = axis_positions(size, out_size, scale, part)
    count = int(np.ceil(4 * stretch))
    first = np.floor(position - 2 * stretch).astype(np.int64) + 1
    weight = _kernel((position[:, None] - (first[:, None] + np.arange(count))) / stretch)
    weight /= weight.sum(axis=1, keepdims=True)
    return CubicTaps(first, weight.astype(np.float32), size)


def _kernel(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys's kernel of two pixels' reach."""
    d, a = np.abs(distance), SLOPE
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def luma_of(colours: Sequence[Plane]) -> Plane:
    """Luma of three planes of one shape: rounded to uint8 for bytes, else float32."""
    red, green, blue = (colour.astype(np.float32) for colour in colours)
    luma: FloatPlane = (LUMA[0] * red + LUMA[1] * green) + LUMA[2] * blue
    return np.rint(luma).astype(np.uint8) if colours[0].dtype == np.uint8 else luma


def add_differences(
    colours: Sequence[Plane],
    luma: Plane,
    resized: FloatPlane,
    rows: CubicTaps,
    cols: CubicTaps,
    out: Plane,
) -> None:
    """Colours of the result: its luma, and the resized differences of the source's colours.

    Parameters
    ----------
    colours, luma : ndarray of uint8 or float32, (rows, cols)
        Of the source, in grey levels.
    resized : ndarray of float32, (output rows, output cols)
        The result's luma.
    rows, cols : CubicTaps
        Of the result's rows and columns.
    out : ndarray, (output rows, output cols, channels)
        Receives the result, in the source's dtype, for bytes rounded and clipped. The
        arithmetic is float32: first along the columns, then along the rows, summed in the
        order of the taps.
    """
    for channel, colour in enumerate(colours):
        difference = colour.astype(np.float32) - luma.astype(np.float32)
        down = _sum([rows.weight[:, k, None] * difference[i] for k, i in enumerate(rows.index.T)])
        across = _sum([cols.weight[:, k] * down[:, i] for k, i in enumerate(cols.index.T)])
        value: Plane = resized + across
        if colour.dtype == np.uint8:
            value = np.clip(np.rint(value), 0, LEVELS)
        out[..., channel] = value


def _sum(terms: list[FloatPlane]) -> FloatPlane:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
