"""Which source pixels a fixed kernel weighs for each output pixel of an axis, and by how much.

Positions are those of `lerf_core.sampling.taps`. A kernel is stretched by the filter scale of the
axis; the weights of an output pixel sum up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lerf_core.constants import POSITION_EPS
from lerf_core.sampling.kernels import Kernel, box
from lerf_core.sampling.taps import axis_positions

__all__ = ["KernelTaps", "kernel_taps"]

# Longest axes of which all taps are kept: some megabytes.
_KEPT_SIZE = 1 << 16


@dataclass(frozen=True, eq=False)
class KernelTaps:
    """Taps of a fixed kernel along an axis; two are equal only if they are the same object.

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
    def size(self) -> int:
        """Number of output pixels."""
        return len(self.first)

    @property
    def count(self) -> int:
        """Number of taps of each output pixel."""
        return int(self.weight.shape[1])

    @property
    def neighbours(self) -> npt.NDArray[np.int64]:
        """Source pixels, (size, count); may lie outside the source."""
        return self.first[:, None] + np.arange(self.count)

    @property
    def index(self) -> npt.NDArray[np.int64]:
        """Source pixels, (size, count), those outside the source moved to its ends."""
        index: npt.NDArray[np.int64] = np.clip(self.neighbours, 0, self.source_size - 1)
        return index

    @property
    def outside(self) -> npt.NDArray[np.bool_]:
        """Whether each tap lies outside the source, (size, count)."""
        outside: npt.NDArray[np.bool_] = self.index != self.neighbours
        return outside

    @property
    def ends(self) -> tuple[int, int]:
        """The first neighbour, and one past the last; they may lie outside the source."""
        return int(self.first.min()), int(self.first.max()) + self.count

    @property
    def pad(self) -> int:
        """Neighbours outside the source that may be asked for, at either end."""
        first, stop = self.ends
        return max(-first, stop - self.source_size, 0)

    def within(self, start: int, length: int) -> KernelTaps:
        """Return the same taps of a source that begins with pixel `start`."""
        return KernelTaps(self.first - start, self.weight, length)

    def band(self, top: int, bottom: int) -> tuple[KernelTaps, slice]:
        """Return those of output pixels top..bottom-1, and the source pixels they count from.

        Both ends of the source pixels are ends of the source only where taps lie outside it.
        """
        first = self.first[top:bottom]
        start = int(np.clip(first.min(), 0, self.source_size - 1))
        stop = int(np.clip(first.max() + self.count, start + 1, self.source_size))
        return KernelTaps(first - start, self.weight[top:bottom], stop - start), slice(start, stop)


def kernel_taps(
    kernel: Kernel,
    size: int,
    out_size: int,
    scale: float,
    *,
    anti_aliasing: bool,
    out_range: tuple[int, int] | None = None,
) -> KernelTaps:
    """Return the taps that resize an axis from `size` to `out_size` pixels by `scale`.

    Parameters
    ----------
    kernel : Kernel
    size, out_size, scale, out_range
        As `lerf_core.sampling.taps.axis_positions` has them.
    anti_aliasing : bool
        Whether the kernel is stretched where the axis shrinks.

    Returns
    -------
    KernelTaps
        One tap of an axis that keeps its length: it is not resampled.
    """
    if size == out_size and scale == 1:
        pixel = np.arange(*(out_range or (0, size)), dtype=np.int64)
        return KernelTaps(pixel, np.ones((len(pixel), 1), np.float32), size)
    if max(size, out_size) <= _KEPT_SIZE:
        # Blocks and their bands ask for parts of the same axes again and again.
        whole = _axis_taps(kernel, size, out_size, scale, anti_aliasing)
        first, last = out_range or (0, out_size)
        return KernelTaps(whole.first[first:last], whole.weight[first:last], size)
    return _made_taps(kernel, size, out_size, scale, anti_aliasing, out_range)


def _made_taps(
    kernel: Kernel,
    size: int,
    out_size: int,
    scale: float,
    anti_aliasing: bool,
    out_range: tuple[int, int] | None = None,
) -> KernelTaps:
    """Return taps as `kernel_taps` does, of an axis that is resampled."""
    # A kernel wider than the image is as wide as it.
    filter_scale = min(kernel.filter_scale(scale, anti_aliasing=anti_aliasing), float(size))
    reach = kernel.support(filter_scale)
    position = axis_positions(size, out_size, scale, out_range)
    # Half open: the pixel just within reach above the position counts, the one below does not.
    first = np.floor(position - reach + POSITION_EPS).astype(np.int64) + 1
    count = int(np.ceil(2 * reach - POSITION_EPS))
    is_box = kernel.function is box and anti_aliasing
    if is_box:  # see `_as_pillow_weighs`
        first, count = first - 1, count + 1
    neighbours = first[:, None] + np.arange(count)
    distance = neighbours - position[:, None]
    at_end = np.abs(np.abs(distance) - reach) <= POSITION_EPS
    distance[at_end] = np.copysign(reach, distance[at_end])
    weight = kernel.weights(distance, filter_scale)
    if is_box:
        output = np.arange(*(out_range or (0, out_size)))
        weight = _as_pillow_weighs(weight, neighbours, output, position, size / out_size)
    used = np.flatnonzero(weight.any(axis=0))
    first, weight = first + used[0], weight[:, used[0] : used[-1] + 1]
    weight = weight / weight.sum(axis=1, keepdims=True)
    return KernelTaps(first, weight.astype(np.float32), size)


def _as_pillow_weighs(
    weight: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    output: npt.NDArray[np.int64],
    position: npt.NDArray[np.float64],
    step: float,
) -> npt.NDArray[np.float64]:
    """Return the weights of the box with those of pixels at its very ends as Pillow has them.

    Whether such a pixel counts hangs there on the last bit of a sum, which is repeated here.

    Parameters
    ----------
    weight, neighbours : ndarray, (size, count)
        Of the box, and its source pixels.
    output : ndarray of int64, (size,)
        Output pixels.
    position : ndarray of float64, (size,)
        Of their centres.
    step : float
        Source pixels per output pixel.
    """
    filter_scale = max(1.0, step)
    centre = (output + 0.5) * step
    first = np.trunc(centre - 0.5 * filter_scale + 0.5)
    stop = np.trunc(centre + 0.5 * filter_scale + 0.5)
    distance = ((neighbours - centre[:, None]) + 0.5) * (1.0 / filter_scale)
    at_end = np.abs(np.abs(distance) - 0.5) < POSITION_EPS
    at_end &= (
        np.abs(centre - 0.5 - position)[:, None] < POSITION_EPS
    )  # places pixels as Pillow does
    counts = (distance > -0.5) & (distance <= 0.5)
    counts &= (neighbours >= first[:, None]) & (neighbours < stop[:, None])
    as_pillow = np.where(at_end, counts, weight)
    return np.where(as_pillow.any(axis=1, keepdims=True), as_pillow, weight)


_axis_taps = lru_cache(maxsize=8)(_made_taps)
