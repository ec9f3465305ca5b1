"""Regions of arrays: what an index means, and what chunks and regions share."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from types import EllipsisType
from typing import Any

import numpy as np

from lerf_core.errors import LerfError

__all__ = ["Index", "Region", "RegionIndexError", "as_region", "axis_of", "overlap"]

#: A slice per axis, of step 1 and within the array.
Region = tuple[slice, ...]
#: What an array is indexed by.
Index = int | slice | EllipsisType | tuple[int | slice | EllipsisType, ...]


class RegionIndexError(LerfError, IndexError):
    """An index lies outside the image, or is not made of integers and slices of step 1."""


def overlap(bounds: Iterable[tuple[int, int]], region: Region) -> tuple[Region, Region]:
    """Return where the pixels that a chunk and a region share lie in each of them.

    Parameters
    ----------
    bounds : iterable of (int, int)
        Along each axis, the chunk's first pixel and the one behind its last.
    region : tuple of slice
    """
    in_chunk, in_region = [], []
    for (first, end), extent in zip(bounds, region, strict=True):
        start, stop = max(extent.start, first), min(extent.stop, end)
        in_chunk.append(slice(start - first, stop - first))
        in_region.append(slice(start - extent.start, stop - extent.start))
    return tuple(in_chunk), tuple(in_region)


def as_region(index: Index, shape: tuple[int, ...]) -> tuple[Region, tuple[int | slice, ...]]:
    """Return a slice per axis with bounds inside the shape, and the index that drops axes.

    Raises
    ------
    RegionIndexError
    """
    items = list(index) if isinstance(index, tuple) else [index]
    dots = [number for number, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise RegionIndexError("an index can hold one ellipsis (...), got several")
    missing = len(shape) - (len(items) - len(dots))
    if missing < 0:
        raise RegionIndexError(f"too many indices: {len(items) - len(dots)} for {len(shape)} axes")
    first = dots[0] if dots else len(items)
    items[first : first + len(dots)] = [slice(None)] * missing
    region, dropped = [], []
    for axis, (item, length) in enumerate(zip(items, shape, strict=True)):
        extent, drop = _as_slice(item, length, axis)
        region.append(extent)
        dropped.append(drop)
    return tuple(region), tuple(dropped)


def _as_slice(item: Any, length: int, axis: int) -> tuple[slice, int | slice]:
    if isinstance(item, slice):
        start, stop, step = item.indices(length)
        if step != 1:
            raise RegionIndexError(f"slices must have step 1, got step {step} on axis {axis}")
        return slice(start, max(start, stop)), slice(None)
    try:
        number = None if isinstance(item, bool | np.bool_) else operator.index(item)
    except TypeError:
        number = None
    if number is None:
        raise RegionIndexError(f"an index is an integer or a slice, got {item!r} on axis {axis}")
    if not -length <= number < length:
        raise RegionIndexError(f"index {number} is outside axis {axis} of length {length}")
    number %= length
    return slice(number, number + 1), 0


def axis_of(axes: str, letter: str) -> int | None:
    """Return the axis of a letter, or None where there is none."""
    axis = axes.find(letter)
    return axis if axis >= 0 else None
