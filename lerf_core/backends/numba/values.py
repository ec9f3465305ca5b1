"""Values of deep images to the reads' units and back in numba, bit-equal to `ValueScale`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from lerf_core.backends.numba.compiling import KERNEL
from lerf_core.constants import LEVELS
from lerf_core.pixels.values import ValueScale

__all__ = ["from_grey", "to_grey", "to_units"]

# 1.5 * 2**52: adding and subtracting it rounds a float64 to an integer, half to even.
_ROUND_F64 = 6755399441055744.0
_TOP = float(LEVELS)
# What the kernels are compiled for; others go by the specification.
_RESULTS = ("uint16", "float32", "float64")

Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]


def to_units(
    scale: ValueScale, plane: Plane, grey_bits: int
) -> tuple[npt.NDArray[np.int32], FloatPlane]:
    """See `ValueScale.to_units`."""
    units = np.empty(plane.shape, np.int32)
    remainder = np.empty(plane.shape, np.float32)
    _to_units(_readable(plane), *_line(scale), float(1 << grey_bits), units, remainder)
    return units, remainder


def to_grey(scale: ValueScale, plane: Plane) -> FloatPlane:
    """See `ValueScale.to_grey`; in float32."""
    grey = np.empty(plane.shape, np.float32)
    _to_grey(_readable(plane), *_line(scale), grey)
    return grey


def from_grey(scale: ValueScale, grey: FloatPlane) -> Plane:
    """See `ValueScale.from_grey`."""
    if scale.linear_light or scale.dtype.name not in _RESULTS:
        return scale.from_grey(grey)
    values = np.empty(grey.shape, scale.dtype)
    factor = (scale.high - scale.low) / LEVELS
    if scale.dtype.kind == "f":
        _to_floats(grey, factor, float(scale.low), values)
    else:
        _to_integers(grey, factor, float(scale.low), float(np.iinfo(scale.dtype).max), values)
    return values


def _line(scale: ValueScale) -> tuple[float, float]:
    return float(scale.low), LEVELS / (scale.high - scale.low)


def _readable(plane: Plane) -> Plane:
    """As C-contiguous numbers that numba knows."""
    return np.ascontiguousarray(plane, np.float32 if plane.dtype == np.float16 else None)


@njit(**KERNEL)
def _to_units(plane, low, factor, unit, units, remainder):
    one = 1.0 / unit  # a power of two
    for y in range(plane.shape[0]):
        source, target, rest = plane[y], units[y], remainder[y]
        for x in range(source.size):
            grey = (np.float64(source[x]) - low) * factor
            inside = grey if grey > 0.0 else 0.0  # NaN must never become an index
            inside = inside if inside < _TOP else _TOP
            whole = (inside * unit + _ROUND_F64) - _ROUND_F64
            target[x] = np.int32(whole)
            rest[x] = np.float32(grey - whole * one)


@njit(**KERNEL)
def _to_grey(plane, low, factor, grey):
    for y in range(plane.shape[0]):
        source, target = plane[y], grey[y]
        for x in range(source.size):
            target[x] = np.float32((np.float64(source[x]) - low) * factor)


@njit(**KERNEL)
def _to_floats(grey, factor, low, values):
    for y in range(grey.shape[0]):
        source, target = grey[y], values[y]
        for x in range(source.size):
            target[x] = np.float64(source[x]) * factor + low


@njit(**KERNEL)
def _to_integers(grey, factor, low, top, values):
    for y in range(grey.shape[0]):
        source, target = grey[y], values[y]
        for x in range(source.size):
            value = np.float64(source[x]) * factor + low
            value = value if value > 0.0 else 0.0
            value = value if value < top else top
            target[x] = np.int32((value + _ROUND_F64) - _ROUND_F64)
