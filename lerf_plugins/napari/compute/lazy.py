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

from lerf_core.io.tiles.chunk_cache import ChunkCache
from lerf_core.io.tiles.regions import overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lerf_core.execution.plan import Plan
    from lerf_core.tiled.work import Work

__all__ = ["ChunkReader", "LazyLevel", "lazy_array", "region_work"]

Region = tuple[slice, ...]

#: Chunks of a lazy result: what is computed when a corner of it shows.
CHUNK = 512
#: dask goes through all chunks of an array to slice it: of larger results chunks are larger.
MOST_CHUNKS = 300_000
#: Bytes of source chunks that a result keeps for its next chunks.
CACHE_BYTES = 1 << 28
#: Source pixels that are read at once.
WINDOW_LIMIT = 1 << 24


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
        out = np.empty([span.stop - span.start for span in region], self.dtype)
        for chunk_index in itertools.product(*map(_chunks_within, self._bounds, region)):
            chunk = self._cache.get((self._key, chunk_index), partial(self._read, chunk_index))
            bounds = (
                (int(starts[number]), int(starts[number + 1]))
                for starts, number in zip(self._bounds, chunk_index, strict=True)
            )
            source, target = overlap(bounds, region)
            out[target] = chunk[source]
        return out

    def _read(self, chunk_index: tuple[int, ...]) -> npt.NDArray[Any]:
        import dask.array as da

        if isinstance(self._array, da.Array):
            # In this thread: the chunks of the result are what runs side by side.
            block = self._array.blocks[chunk_index]
            return np.asarray(block.compute(scheduler="synchronous"))
        region = tuple(
            slice(int(bounds[number]), int(bounds[number + 1]))
            for bounds, number in zip(self._bounds, chunk_index, strict=True)
        )
        return np.asarray(self._array[region])


def _chunks_within(bounds: npt.NDArray[np.int64], span: slice) -> range:
    """Return the numbers of the chunks that a slice touches, from the chunks' bounds on an axis."""
    first = np.searchsorted(bounds, span.start, "right") - 1
    return range(int(first), int(np.searchsorted(bounds, span.stop)))


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


def region_work(plan: Plan, source: Any) -> Work:
    """Return the work whose ``compute`` gives regions of a plan's result."""
    from lerf_core.tiled.work import Work

    sink: Any = None  # pixels are wanted, not a file's bytes
    return Work(plan, source, sink, WINDOW_LIMIT)


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
        items = self._per_axis(index)
        wanted = [_positions(item, size) for item, size in zip(items, self.shape, strict=True)]
        if not all(wanted):
            pixels = np.empty([len(positions) for positions in wanted], self.dtype)
        else:
            region = [slice(min(positions), max(positions) + 1) for positions in wanted]
            channels = self._plan.options.channel_axis
            if channels is not None:  # they are computed together
                region[channels] = slice(0, self.shape[channels])
            pixels = region_work(self._plan, self._source).compute(tuple(region))
            for axis, (positions, span) in enumerate(zip(wanted, region, strict=True)):
                if len(positions) != span.stop - span.start or positions.step < 0:
                    pixels = pixels.take(np.array(positions) - span.start, axis=axis)
        return pixels[tuple(slice(None) if isinstance(item, slice) else 0 for item in items)]

    def _per_axis(self, index: Any) -> tuple[int | slice, ...]:
        """Return an integer or a slice for each axis."""
        items = index if isinstance(index, tuple) else (index,)
        if Ellipsis not in items:
            items = (*items, Ellipsis)
        dots = items.index(Ellipsis)
        missing = [slice(None)] * (self.ndim - len(items) + 1)
        return (*items[:dots], *missing, *items[dots + 1 :])


def _positions(item: int | slice, size: int) -> range:
    """Return the positions that an integer or a slice means on an axis."""
    if isinstance(item, slice):
        return range(size)[item]
    position = range(size)[item]
    return range(position, position + 1)


def lazy_array(plan: Plan, source: ChunkReader) -> Any:
    """Return a plan's result as a dask array of chunks of 512 rows and columns, or more.

    Parameters
    ----------
    plan : Plan
    source : ChunkReader

    Returns
    -------
    dask.array.Array
        Of one plane per chunk; each is bit for bit what it is in the whole result.
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
