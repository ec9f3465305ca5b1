"""Lazy results: dask arrays whose chunks are computed when they are asked for.

A level of a result is an array that computes the region it is asked for, given to dask as if it
were stored. So its graph takes no time and little memory to make, whatever its size: large graphs
keep Python's garbage collector busy, and the window waits for it.
"""

from __future__ import annotations

import itertools
import math
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.io.chunk_cache import ChunkCache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lerf_core.execution.plan import Plan

__all__ = ["ChunkReader", "LazyLevel", "as_dask", "lazy_array"]

Region = tuple[slice, ...]

#: Chunks of a lazy result: what is computed when a corner of it shows.
CHUNK = 512
#: dask goes through all chunks of an array to slice it: of larger results chunks are larger.
MOST_CHUNKS = 300_000
#: Bytes of source chunks that a result keeps for its next chunks.
CACHE_BYTES = 1 << 28
#: Source pixels that are read at once.
WINDOW_LIMIT = 1 << 24


def as_dask(level: Any) -> Any:
    """Return an array as a dask array, of its own chunks where it has some."""
    import dask.array as da

    if isinstance(level, da.Array):
        return level
    return da.from_array(level, chunks=getattr(level, "chunks", None) or "auto")


class ChunkReader:
    """Reads regions of a chunked array chunk by chunk, each of them once.

    Parameters
    ----------
    array : dask.array.Array, or an array with ``chunks`` as zarr's
    cache : ChunkCache
    key : hashable
        Tells this array's chunks from others' in the cache.
    """

    def __init__(self, array: Any, cache: ChunkCache, key: Any = None) -> None:
        self._array, self._cache, self._key = array, cache, key
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype = np.dtype(array.dtype)
        self._bounds = [np.cumsum([0, *lengths]) for lengths in _chunk_lengths(array)]

    def __reduce__(self) -> tuple[Any, ...]:
        return _reader, (self._array, self._cache.limit, self._key)

    def __getitem__(self, region: Region) -> npt.NDArray[Any]:
        out = np.empty([part.stop - part.start for part in region], self.dtype)
        ranges = [
            range(
                int(np.searchsorted(bounds, part.start, "right")) - 1,
                int(np.searchsorted(bounds, part.stop)),
            )
            for bounds, part in zip(self._bounds, region, strict=True)
        ]
        for place in itertools.product(*ranges):
            chunk = self._cache.get((self._key, place), partial(self._read, place))
            source, target = [], []
            for bounds, number, part in zip(self._bounds, place, region, strict=True):
                first, last = int(bounds[number]), int(bounds[number + 1])
                start, stop = max(part.start, first), min(part.stop, last)
                source.append(slice(start - first, stop - first))
                target.append(slice(start - part.start, stop - part.start))
            out[tuple(target)] = chunk[tuple(source)]
        return out

    def _read(self, place: tuple[int, ...]) -> npt.NDArray[Any]:
        import dask.array as da

        if isinstance(self._array, da.Array):
            # In this thread: the chunks of the result are what runs side by side.
            block = self._array.blocks[place]
            return np.asarray(block.compute(scheduler="synchronous"))
        region = tuple(
            slice(int(bounds[number]), int(bounds[number + 1]))
            for bounds, number in zip(self._bounds, place, strict=True)
        )
        return np.asarray(self._array[region])


def _reader(array: Any, limit: int, key: Any) -> ChunkReader:
    return ChunkReader(array, ChunkCache(limit), key)


def _chunk_lengths(array: Any) -> Sequence[Sequence[int]]:
    import dask.array as da

    chunks = getattr(array, "chunks", None)
    if chunks is None or len(chunks) != len(array.shape):
        chunks = "auto"
    lengths: Sequence[Sequence[int]] = da.core.normalize_chunks(
        chunks, array.shape, dtype=array.dtype
    )
    return lengths


class LazyLevel:
    """A level of a result that is computed where it is asked for, and nowhere else.

    Parameters
    ----------
    plan : Plan
    source : ChunkReader
        The level of the source that it was planned for.
    """

    def __init__(self, plan: Plan, source: ChunkReader) -> None:
        self._plan, self._source = plan, source
        self.shape = plan.result_shape
        self.dtype = plan.result_dtype
        self.ndim = len(self.shape)

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        from lerf_core.tiled.running import Work

        region, rest = self._region(index)
        if any(part.start >= part.stop for part in region):
            lengths = [max(0, part.stop - part.start) for part in region]
            return np.asarray(np.empty(lengths, self.dtype)[rest])
        source: Any = self._source
        return np.asarray(Work(self._plan, source, None, WINDOW_LIMIT).compute(region)[rest])

    def _region(self, index: Any) -> tuple[Region, tuple[Any, ...]]:
        """Return the pixels that an index touches, with all channels; and the index in them."""
        channels = self._plan.options.channel_axis
        items = index if isinstance(index, tuple) else (index,)
        if Ellipsis not in items:
            items = (*items, Ellipsis)
        dots = items.index(Ellipsis)
        missing = [slice(None)] * (self.ndim - len(items) + 1)
        items = (*items[:dots], *missing, *items[dots + 1 :])
        region, rest = [], []
        for axis, (item, size) in enumerate(zip(items, self.shape, strict=True)):
            if not isinstance(item, slice):
                place = range(size)[item]
                part = slice(place, place + 1)
                inner: Any = 0
            else:
                start, stop, step = item.indices(size)
                reach = range(start, stop, step)
                low, high = (min(reach), max(reach) + 1) if reach else (0, 0)
                part = slice(low, high)
                # Counted from the region's start; backwards, an end before it is None.
                end = stop - low if step > 0 or stop - low >= 0 else None
                inner = slice(start - low, end, step) if reach else slice(0, 0)
            if axis == channels:
                part, inner = slice(0, size), item
            region.append(part)
            rest.append(inner)
        return tuple(region), tuple(rest)


def lazy_array(plan: Plan, source: ChunkReader) -> Any:
    """Return a plan's result as a dask array of chunks of 512 rows and columns, or more.

    Parameters
    ----------
    plan : Plan
    source : ChunkReader

    Returns
    -------
    dask.array.Array
        Of one plane a chunk; each is bit for bit what it is in the whole result.
    """
    import dask.array as da

    # Chunks run side by side, each on a thread of its own.
    plan = replace(plan, options=replace(plan.options, threads=1))
    chunks = [1] * len(plan.shape)
    side = CHUNK
    while math.prod(-(-size // side) for size in plan.out_shape) > MOST_CHUNKS:
        side *= 2
    for axis, size in zip(plan.axes, plan.out_shape, strict=True):
        chunks[axis] = min(size, side)
    if plan.options.channel_axis is not None:
        chunks[plan.options.channel_axis] = -1
    return da.from_array(
        LazyLevel(plan, source),
        chunks=tuple(chunks),
        name=f"lerf-{uuid.uuid4().hex}",
        fancy=False,
        meta=np.empty((0,) * len(plan.shape), plan.result_dtype),
    )
