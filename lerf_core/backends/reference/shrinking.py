"""The learned function for shrinking on a grid; see `lerf_core.sampling.shrinking`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.reference.separable import separable_mean

if TYPE_CHECKING:
    from lerf_core.sampling.kernel_taps import KernelTaps
    from lerf_core.sampling.shrinking import ShrinkingTaps

__all__ = ["limited", "separable_range", "shrunk_mean"]

Image = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]


def shrunk_mean(
    source: Image,
    rows: ShrinkingTaps,
    cols: ShrinkingTaps,
    widening: float,
    overshoot: float,
    *,
    cval: Sequence[float] | None,
    out: Image,
) -> None:
    """Write the result of the learned function for shrinking, for each channel.

    Parameters
    ----------
    source : ndarray of uint8, uint16 or float32, (rows, cols, channels)
    rows, cols : ShrinkingTaps
    widening, overshoot : float
        Of the `ShrinkingKernel`.
    cval : sequence of float, or None
        Value of each channel outside the source; None: that of the nearest pixel.
    out : ndarray of uint8, uint16 or float32, (output rows, output cols, channels)
        Integers are rounded half to even and clipped.
    """
    shape = (rows.sharp.size, cols.sharp.size, source.shape[2])
    sharp, smooth = np.empty(shape, np.float32), np.empty(shape, np.float32)
    separable_mean(source, rows.sharp, cols.sharp, cval=cval, out=sharp)
    separable_mean(source, rows.smooth, cols.smooth, cval=cval, out=smooth)
    low, high = separable_range(source, rows.near, cols.near, cval=cval)
    inner = (rows.inner, cols.inner)
    result = limited(sharp, smooth, low, high, inner, widening, overshoot)
    if out.dtype.kind == "u":
        result = np.clip(np.rint(result), 0, np.iinfo(out.dtype).max)
    out[...] = result


def separable_range(
    source: Image, rows: KernelTaps, cols: KernelTaps, *, cval: Sequence[float] | None
) -> tuple[FloatArray, FloatArray]:
    """Return the least and the greatest source value that the taps weigh.

    Parameters
    ----------
    source : ndarray, (rows, cols, channels)
    rows, cols : KernelTaps
        Taps that weigh nothing do not count.
    cval : sequence of float, or None
        Value of each channel outside the source; None: that of the nearest pixel.

    Returns
    -------
    low, high : ndarray of float32, (output rows, output cols, channels)
        Infinity and minus infinity where there is nothing but NaN, which does not count.
    """
    values = source.astype(np.float32)
    border = None if cval is None else np.array(cval, np.float32)
    low = high = values
    for axis, taps in enumerate((rows, cols)):
        low = _extreme(np.fmin, low, taps, axis, border)
        high = _extreme(np.fmax, high, taps, axis, border)
    return low, high


def _extreme(
    function: Any, values: FloatArray, taps: KernelTaps, axis: int, border: FloatArray | None
) -> FloatArray:
    """Return the least or the greatest value along an axis."""
    lines = np.moveaxis(values, axis, 0)
    neutral = np.float32(np.inf if function is np.fmin else -np.inf)
    result: Any = neutral
    for index, outside, weight in zip(taps.index.T, taps.outside.T, taps.weight.T, strict=True):
        line = lines[index]
        if border is not None:
            line = np.where(outside[:, None, None], border, line)
        line = np.where((weight != 0)[:, None, None], line, neutral)
        result = function(result, line)
    moved: FloatArray = np.moveaxis(np.asarray(result), 0, axis)
    return moved


def limited(
    sharp: FloatArray,
    smooth: FloatArray,
    low: FloatArray,
    high: FloatArray,
    inner: tuple[slice, slice],
    widening: float,
    overshoot: float,
) -> FloatArray:
    """Return the inner sharp pixels within the limits that the smooth and the source's set.

    Parameters
    ----------
    sharp, smooth, low, high : ndarray of float32, (rows, cols, channels)
        All with neighbours around the inner pixels, but at the result's ends.
    inner : (slice, slice)
        Of rows and columns.
    widening, overshoot : float
        Parts of the ranges of 3x3 smooth pixels, and from low to high, by which they are widened.
    """
    padded = np.pad(smooth, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = smooth.shape[:2]
    nine = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    least, greatest = np.minimum.reduce(nine)[inner], np.maximum.reduce(nine)[inner]
    step = np.float32(widening) * (greatest - least)
    result = np.minimum(np.maximum(sharp[inner], least - step), greatest + step)
    low, high = low[inner], high[inner]
    step = np.float32(overshoot) * (high - low)
    bounded: FloatArray = np.minimum(np.maximum(result, low - step), high + step)
    return bounded
