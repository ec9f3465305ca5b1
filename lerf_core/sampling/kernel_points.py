"""Fixed kernels at scattered positions: a table of the kernel, and the taps along an axis.

All implementations read weights from one float32 table, so that they agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lerf_core.constants import KERNEL_SAMPLES, MAX_POINT_TAPS, POSITION_EPS
from lerf_core.sampling.kernels import Kernel

__all__ = ["KernelPointTaps", "KernelTable", "kernel_point_taps", "kernel_table"]

Positions = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

# Steps of the table by which distances may pass the radius: rounding of positions.
_END_SLACK = 2.0**-6


@dataclass(frozen=True, eq=False)
class KernelTable:
    """A kernel as a table; two are equal only if they are the same object.

    Attributes
    ----------
    weight : ndarray of float32
        At distances of 0, 1, 2, ... steps, `KERNEL_SAMPLES` of them per pixel at filter scale 1;
        in between it is linear.
    radius : float
        In pixels at filter scale 1.
    is_area : bool
        Whether weights are areas, which need no table: how much of a source pixel the output
        pixel covers, as wide as the filter scale.
    """

    weight: FloatArray
    radius: float
    is_area: bool

    @property
    def last_step(self) -> np.float32:
        """Steps of the table beyond which distances weigh nothing."""
        return np.float32(self.radius * KERNEL_SAMPLES + _END_SLACK)

    @property
    def reach(self) -> float:
        """How far taps may lie from a position, as a part of the filter scale; at least 1."""
        return max(1.0, self.radius)


@lru_cache(maxsize=16)
def kernel_table(kernel: Kernel) -> KernelTable:
    """Return a kernel's table."""
    steps = int(np.ceil(kernel.radius * KERNEL_SAMPLES)) + 2
    distance = np.minimum(np.arange(steps) / KERNEL_SAMPLES, kernel.radius)
    weight = kernel.weights(distance, 1.0).astype(np.float32)
    return KernelTable(weight, kernel.radius, kernel.is_area)


@dataclass(frozen=True, eq=False)
class KernelPointTaps:
    """Taps along one axis of scattered positions; all arrays have the positions' shape.

    Attributes
    ----------
    position, filter_scale : ndarray of float64
    first, count, step : ndarray of int64
        Tap t, for ``t < count``, has the source index ``first + t * step``, which may lie
        outside the image.
    table : KernelTable
    """

    position: Positions
    filter_scale: Positions
    first: Indices
    count: Indices
    step: Indices
    table: KernelTable

    def index(self, tap: int) -> Indices:
        """Return the source index of a tap."""
        index: Indices = self.first + tap * self.step
        return index

    def weight(self, tap: int) -> FloatArray:
        """Return the weight of a tap, not normalised; 0 where there is none."""
        table = self.table
        distance = np.abs(self.index(tap) - self.position)
        if table.is_area:
            reach = (self.filter_scale + 1) / 2
            weight = np.clip((reach - distance).astype(np.float32), np.float32(0), np.float32(1))
        else:
            step = (distance * (1.0 / self.filter_scale) * KERNEL_SAMPLES).astype(np.float32)
            is_in_reach = step <= table.last_step
            step = np.where(is_in_reach, step, np.float32(0))
            low = step.astype(np.int64)
            rise = table.weight[low + 1] - table.weight[low]
            weight = table.weight[low] + (step - low.astype(np.float32)) * rise
            weight = np.where(is_in_reach, weight, np.float32(0))
        return np.where(tap < self.count, weight, np.float32(0))


def kernel_point_taps(
    table: KernelTable, position: Positions, filter_scale: Positions | None
) -> KernelPointTaps:
    """Return the taps along one axis of scattered positions.

    Parameters
    ----------
    table : KernelTable
    position : ndarray of float64
        In source pixels, finite.
    filter_scale : ndarray of float64, or None
        Of each position, at least 1; None: 1 everywhere. Of supports of more than
        `MAX_POINT_TAPS` pixels every so many count.
    """
    if filter_scale is None:
        filter_scale = np.ones_like(position)
    reach = (filter_scale + 1) / 2 if table.is_area else table.radius * filter_scale
    # Half open, as on a grid: the pixel just within reach above counts, the one below does not.
    first = np.floor(position - reach + POSITION_EPS).astype(np.int64) + 1
    count = np.maximum(np.ceil(2 * reach - POSITION_EPS), 1).astype(np.int64)
    step = (count + (MAX_POINT_TAPS - 1)) // MAX_POINT_TAPS
    return KernelPointTaps(
        position, filter_scale, first, (count + step - 1) // step, step, table
    )  # fmt: skip
