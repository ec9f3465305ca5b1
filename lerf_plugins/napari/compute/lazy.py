"""Lazy results: dask arrays whose chunks are computed when they are asked for."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.io.tiles.chunk_cache import ChunkCache
from lerf_core.io.tiles.regions import Region, overlap
from lerf_plugins.napari.compute.region_array import (
    MOST_CHUNKS,
    RegionArray,
    as_dask_array,
    behind_dask,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lerf_core.execution.plan import Plan
    from lerf_core.tiled.work import Work

__all__ = [
    "ChunkReader",
    "LazyLevel",
    "file_behind",
    "is_computed",
    "lazy_array",
    "region_work",
    "source_of",
]

#: Chunks of a lazy result: what is computed when a corner of it shows.
CHUNK = 512
#: Bytes of source chunks that a result keeps for its next chunks.
CACHE_BYTES = 1 << 28
#: Bytes of a source chunk that is read whole, to be kept: of larger ones the region asked for is.
LARGEST_CHUNK = 1 << 26
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

    Attributes
    ----------
    given : array_like
        The array.
    """

    def __init__(self, array: Any, cache: ChunkCache, key: Any = None) -> None:
        self.given, self._cache, self._key = array, cache, key
        # A lazy result is asked itself: dask goes through all chunks to find one.
        self._array: Any = behind_dask(array) or array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype = np.dtype(array.dtype)
        lengths = _chunk_lengths(array)
        self._bounds = [np.cumsum([0, *each]) for each in lengths]
        self._chunk_bytes = math.prod(max(each, default=0) for each in lengths) * (
            self.dtype.itemsize
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _reader, (self.given, self._cache.limit, self._key)

    def __getitem__(self, region: Region) -> npt.NDArray[Any]:
        if self._chunk_bytes > LARGEST_CHUNK:
            return self._region(region)
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
        return self._region(
            tuple(
                slice(int(bounds[number]), int(bounds[number + 1]))
                for bounds, number in zip(self._bounds, chunk_index, strict=True)
            )
        )

    def _region(self, region: Region) -> npt.NDArray[Any]:
        pixels = self._array[region]
        if hasattr(pixels, "compute"):
            # In this thread: the chunks of the result are what runs side by side.
            pixels = pixels.compute(scheduler="synchronous")
        return np.asarray(pixels)


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


def source_of(level: Any, cache: ChunkCache, key: Any) -> Any:
    """Return what regions of a level are read from.

    Parameters
    ----------
    level : array_like
        NumPy's, dask's, or anything that is sliced like them.
    cache : ChunkCache
        Keeps chunks of levels that keep none themselves.
    key : hashable
        Tells this level's chunks from others' in the cache.
    """
    if isinstance(level, np.ndarray):
        return level
    stored = behind_dask(level)
    # A file's reader keeps chunks itself.
    is_in_file = stored is not None and stored.file is not None
    return stored if is_in_file else ChunkReader(level, cache, key)


def is_computed(level: Any) -> bool:
    """Whether pixels of a level are computed when they show: neither in memory nor in a file."""
    stored = behind_dask(level)
    return not isinstance(level, np.ndarray) and (stored is None or stored.file is None)


def file_behind(level: Any) -> str | None:
    """Return the path of the file that a level is read from, or a lazy result computed from."""
    stored = level if isinstance(level, RegionArray) else behind_dask(level)
    if isinstance(stored, LazyLevel):
        return file_behind(stored.source)
    if stored is not None:
        return stored.file
    return file_behind(level.given) if isinstance(level, ChunkReader) else None


def region_work(plan: Plan, source: Any) -> Work:
    """Return the work whose ``compute`` gives regions of a plan's result."""
    from lerf_core.tiled.work import Work

    sink: Any = None  # pixels are wanted, not a file's bytes
    return Work(plan, source, sink, WINDOW_LIMIT)


class LazyLevel(RegionArray):
    """A level of a result that is computed where it is asked for, and nowhere else.

    Parameters
    ----------
    plan : Plan
    source : array_like
        The level of the source that it was planned for, see `source_of`.
    """

    def __init__(self, plan: Plan, source: Any) -> None:
        self._plan, self.source = plan, source
        self.shape = plan.result_shape
        self.dtype = plan.result_dtype

    def region(self, region: Region) -> npt.NDArray[Any]:
        """See `RegionArray`."""
        channels = self._plan.options.channel_axis
        if channels is None:
            return region_work(self._plan, self.source).compute(region)
        wanted = region[channels]  # they are computed together
        whole = [*region]
        whole[channels] = slice(0, self.shape[channels])
        pixels = region_work(self._plan, self.source).compute(tuple(whole))
        return pixels[(*[slice(None)] * (channels % self.ndim), wanted)]


def lazy_array(plan: Plan, source: Any) -> Any:
    """Return a plan's result as a dask array of chunks of 512 rows and columns, or more.

    Parameters
    ----------
    plan : Plan
    source : array_like
        The level of the source, see `source_of`.

    Returns
    -------
    dask.array.Array
        Of one plane per chunk; each is bit for bit what it is in the whole result.
    """
    # Chunks run side by side, each on a thread of its own.
    plan = replace(plan, options=replace(plan.options, threads=1))
    chunks = [1] * len(plan.shape)
    side = CHUNK
    planes = math.prod(plan.result_shape) // math.prod(plan.out_shape) // plan.pixels.channels
    while planes * math.prod(-(-size // side) for size in plan.out_shape) > MOST_CHUNKS:
        if side >= max(plan.out_shape):
            break
        side *= 2
    for axis, size in zip(plan.axes, plan.out_shape, strict=True):
        chunks[axis] = min(size, side)
    if plan.options.channel_axis is not None:
        chunks[plan.options.channel_axis] = -1
    return as_dask_array(LazyLevel(plan, source), tuple(chunks), slices=False)
