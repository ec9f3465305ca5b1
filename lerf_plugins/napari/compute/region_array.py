"""Arrays whose regions are read or computed when they are asked for, given to dask as if stored.

So a graph takes no time and little memory to make, whatever the size: large graphs keep Python's
garbage collector busy, and the window waits for it.
"""

from __future__ import annotations

import math
import uuid
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.io.tiles.regions import Region

__all__ = ["MOST_CHUNKS", "RegionArray", "as_dask_array", "behind_dask"]

#: dask goes through all chunks of an array to slice it: of larger arrays chunks are larger.
MOST_CHUNKS = 300_000


class RegionArray(ABC):
    """An array that is indexed as NumPy's, by integers, slices and a list of positions.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    ndim : int
    file : str or None
        The path of the file that it is read from.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    file: str | None = None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @abstractmethod
    def region(self, region: Region) -> npt.NDArray[Any]:
        """Return the pixels of a region, a slice of step 1 and of some length for each axis."""

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        given = index if isinstance(index, tuple) else (index,)
        items = self._per_axis(tuple(item for item in given if item is not None))
        wanted = [_positions(item, size) for item, size in zip(items, self.shape, strict=True)]
        if not all(len(positions) for positions in wanted):
            pixels = np.empty([len(positions) for positions in wanted], self.dtype)
        else:
            spans = [slice(int(min(each)), int(max(each)) + 1) for each in wanted]
            pixels = self.region(tuple(spans))
            for axis, (positions, span) in enumerate(zip(wanted, spans, strict=True)):
                if not _is_run(positions):
                    pixels = pixels.take(np.asarray(positions) - span.start, axis=axis)
        kept = (0 if isinstance(item, (int, np.integer)) else slice(None) for item in items)
        pixels = pixels[tuple(kept)]
        return pixels if None not in _plain(given) else pixels[_with_new_axes(given, self.ndim)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        del copy  # made now in any case
        return np.asarray(self[...], dtype)

    def _per_axis(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return an item for each axis."""
        if Ellipsis not in _plain(items):
            items = (*items, Ellipsis)
        dots = _plain(items).index(Ellipsis)
        missing = self.ndim - len(items) + 1
        if missing < 0:
            raise IndexError(f"{len(items) - 1} indices for {self.ndim} axes")
        return (*items[:dots], *[slice(None)] * missing, *items[dots + 1 :])


def _plain(items: tuple[Any, ...]) -> list[Any]:
    """Return items that can be compared: arrays cannot."""
    return [item if item is None or item is Ellipsis else 0 for item in items]


def _with_new_axes(given: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
    """Return the index that adds the new axes of an index to what the rest of it has given."""
    kept = [item for item in given if item is not None]
    covered = sum(item is not Ellipsis for item in kept)
    index: list[Any] = []
    for item in given:
        if item is None:
            index.append(None)
        elif item is Ellipsis:
            index += [slice(None)] * (ndim - covered)
        elif not isinstance(item, (int, np.integer)):
            index.append(slice(None))
    return tuple(index)


def _positions(item: Any, size: int) -> Any:
    """Return the positions that an item of an index means on an axis."""
    if isinstance(item, slice):
        return range(size)[item]
    if isinstance(item, (int, np.integer)):
        position = range(size)[item]
        return range(position, position + 1)
    positions = np.asarray(item)
    if positions.ndim != 1:
        raise InvalidArgumentError(f"an axis is indexed by a list of positions, got {item!r}")
    if positions.dtype == np.bool_:
        return np.flatnonzero(positions)
    return np.where(positions < 0, positions + size, positions)


def _is_run(positions: Any) -> bool:
    return isinstance(positions, range) and (positions.step == 1 or len(positions) == 1)


def as_dask_array(array: RegionArray, chunks: tuple[int, ...], *, slices: bool) -> Any:
    """Return an array as dask's.

    Parameters
    ----------
    array : RegionArray
    chunks : tuple of int
        Length of a chunk along each axis; -1 for all.
    slices : bool
        Whether of a chunk no more than is asked for is read: else it is read as a whole, which
        dask's cache may keep.

    Returns
    -------
    dask.array.Array
        Of another name each time: what lies behind it may have changed.
    """
    import dask.array as da

    return da.from_array(
        array,
        chunks=chunks,
        name=f"lerf-{uuid.uuid4().hex}",
        fancy=slices,
        meta=np.empty((0,) * array.ndim, array.dtype),
    )


def behind_dask(array: Any) -> RegionArray | None:
    """Return what a dask array was made of by `as_dask_array`; None: it was made otherwise."""
    layers = getattr(getattr(array, "dask", None), "layers", {})
    name = f"original-{getattr(array, 'name', '')}"
    stored = layers[name].get(name) if name in layers else None
    stored = getattr(stored, "value", stored)
    return stored if isinstance(stored, RegionArray) else None


def chunk_sides(
    shape: tuple[int, ...], chunks: tuple[int, ...], plane: tuple[int, int], most: int
) -> tuple[int, ...]:
    """Return chunks, along rows and columns made larger until there are at most so many."""
    sides = [min(side, size) for side, size in zip(chunks, shape, strict=True)]
    while math.prod(-(-size // side) for size, side in zip(shape, sides, strict=True)) > most:
        if all(sides[axis] >= shape[axis] for axis in plane):
            break
        for axis in plane:
            sides[axis] = min(2 * sides[axis], shape[axis])
    return tuple(sides)
