"""Writing results in numba: channels side by side, and what lies around a warped image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from lerf_core.backends.numba.compiling import KERNEL

__all__ = ["fill_around", "store_channels"]

Plane = npt.NDArray[Any]
# What the kernels are compiled for.
_TYPES = ("uint8", "uint16", "float32", "float64")


def store_channels(planes: Iterable[Plane], out: Plane) -> None:
    """See `Engine.store`."""
    image = np.moveaxis(out, 0, -1)
    kernel = {2: _two, 3: _three, 4: _four}.get(len(out))
    known = out.dtype.isnative and out.dtype.name in _TYPES
    if kernel is None or not known or not image.flags.c_contiguous:
        for plane, part in zip(planes, out, strict=True):
            part[...] = plane
        return
    kernel(*(np.ascontiguousarray(plane, out.dtype) for plane in planes), image)


def fill_around(plane: Plane, shown: npt.NDArray[np.int64], value: Any) -> None:
    """See `Engine.fill_around`."""
    if plane.dtype.name in _TYPES:
        _fill(plane, shown, plane.dtype.type(value))
        return
    for row, (first, last) in zip(plane, shown, strict=True):
        row[:first] = row[last:] = value


@njit(**KERNEL)
def _two(a, b, out):
    for y in range(out.shape[0]):
        one, two, row = a[y], b[y], out[y]
        for x in range(row.shape[0]):
            row[x, 0] = one[x]
            row[x, 1] = two[x]


@njit(**KERNEL)
def _three(a, b, c, out):
    for y in range(out.shape[0]):
        one, two, three, row = a[y], b[y], c[y], out[y]
        for x in range(row.shape[0]):
            row[x, 0] = one[x]
            row[x, 1] = two[x]
            row[x, 2] = three[x]


@njit(**KERNEL)
def _four(a, b, c, d, out):
    for y in range(out.shape[0]):
        one, two, three, four, row = a[y], b[y], c[y], d[y], out[y]
        for x in range(row.shape[0]):
            row[x, 0] = one[x]
            row[x, 1] = two[x]
            row[x, 2] = three[x]
            row[x, 3] = four[x]


@njit(**KERNEL)
def _fill(plane, shown, value):
    for y in range(plane.shape[0]):
        plane[y, : shown[y, 0]] = value
        plane[y, shown[y, 1] :] = value
