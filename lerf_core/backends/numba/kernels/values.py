"""Between the values of deep images and units or grey levels, in numba: as `ValueScale` has it.

All images are 2-D; ``grey = (value - low) * factor``, and back ``value = grey * factor + low``.
"""

from __future__ import annotations

import numpy as np

from lerf_core.backends.numba.kernels.compiling import KERNEL, compiled
from lerf_core.constants import LEVELS, ROUND_F64

__all__ = ["floats_from_grey", "grey_rows", "integers_from_grey", "unit_rows"]

_TOP = float(LEVELS)


@compiled(**KERNEL)
def unit_rows(plane, low, factor, unit, units, remainder):
    """Write grey levels in 1 / `unit` as int32, and what these cannot say in grey levels."""
    inverse = 1.0 / unit  # a power of two
    for y in range(plane.shape[0]):
        source, target, rest = plane[y], units[y], remainder[y]
        for x in range(source.size):
            grey = (np.float64(source[x]) - low) * factor
            inside = grey if grey > 0.0 else 0.0  # NaN must never become an index
            inside = inside if inside < _TOP else _TOP
            whole = (inside * unit + ROUND_F64) - ROUND_F64
            target[x] = np.int32(whole)
            rest[x] = np.float32(grey - whole * inverse)


@compiled(**KERNEL)
def grey_rows(plane, low, factor, grey):
    """Write grey levels as float32."""
    for y in range(plane.shape[0]):
        source, target = plane[y], grey[y]
        for x in range(source.size):
            target[x] = np.float32((np.float64(source[x]) - low) * factor)


@compiled(**KERNEL)
def floats_from_grey(grey, factor, low, values):
    """Write values of a floating dtype."""
    for y in range(grey.shape[0]):
        source, target = grey[y], values[y]
        for x in range(source.size):
            target[x] = np.float64(source[x]) * factor + low


@compiled(**KERNEL)
def integers_from_grey(grey, factor, low, top, values):
    """Write values of an integer dtype in 0..top, rounded half to even."""
    for y in range(grey.shape[0]):
        source, target = grey[y], values[y]
        for x in range(source.size):
            value = np.float64(source[x]) * factor + low
            value = value if value > 0.0 else 0.0
            value = value if value < top else top
            target[x] = np.int32((value + ROUND_F64) - ROUND_F64)
