"""What every reader of a large image is: an array that lies in a file."""

from __future__ import annotations

import itertools
import math
import operator
from functools import partial
from types import EllipsisType, TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError, LerfError
from lerf_core.io.chunk_cache import ChunkCache
from lerf_core.io.locations import PixelSize
from lerf_core.threads import run_all

__all__ = ["Region", "RegionIndexError", "TiledReader"]

Region = tuple[slice, ...]
Index = int | slice | EllipsisType | tuple[int | slice | EllipsisType, ...]


class RegionIndexError(LerfError, IndexError):
    """An index lies outside the image, or is not made of integers and slices of step 1."""


class TiledReader:
    """An image in a file, read by regions: ``source[0, 512:1024, :256]`` is an array.

    Indices are integers and slices of step 1, results are numpy's own for them, and belong to
    the caller. Any number of threads may read at once; chunks are decoded in all of them. A
    pickled source opens its path again, with an empty cache.

    Attributes
    ----------
    path : str
    format : str
        "TIFF", "OME-TIFF", "Zarr", "OME-Zarr", "NPY", or Pillow's name such as "PNG".
    shape : tuple of int
    dtype : numpy.dtype
        In native byte order.
    chunks : tuple of int
        Length of a chunk along each axis: what is decoded at once. Of formats that decode as a
        whole, the shape.
    axes : str
        A letter an axis: T, C, Z, Y, X, S for the samples of a pixel (colours), Q for unknown.
    channel_axis : int or None
        The axis of S. Planes along C are images of their own.
    has_alpha : bool
        The last sample is an opacity.
    is_premultiplied : bool
        Colours are multiplied by that opacity.
    level, levels : int
        The pyramid level that was opened, of how many.
    level_shapes : tuple of tuple of int
    series : int
    pixel_size : PixelSize or None
        Of the opened level; its unit is "" where the file gives numbers alone.
    translation : (float, float) or None
        Place of the first pixel's centre as (row, col) in the unit of `pixel_size`.
    resolution_dpi : (float, float) or None
        As (x, y), in pixels an inch.
    icc : bytes or None
        Colour profile.
    info : dict
        What a writer of the same format may want to keep, by names of the format's own.
    notes : tuple of str
        What was done or found that its owner may not expect, one line each.
    fingerprint : str
        Equal as long as the file, level and series are the same. Of a Zarr, its metadata alone
        is looked at.
    """

    path: str
    format: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    axes: str
    has_alpha: bool = False
    is_premultiplied: bool = False
    level: int = 0
    series: int = 0
    level_shapes: tuple[tuple[int, ...], ...] = ()
    pixel_size: PixelSize | None = None
    translation: tuple[float, float] | None = None
    resolution_dpi: tuple[float, float] | None = None
    icc: bytes | None = None
    notes: tuple[str, ...] = ()
    fingerprint: str = ""

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        self.path = path
        self.info: dict[str, Any] = {}
        self._options = options
        self._cache = ChunkCache(int(options.get("cache_bytes", 0)))
        self._closed = False
        # More than one only where a chunk is mostly waited for.
        self._reads_at_once = 1

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole image in memory."""
        return self.size * self.dtype.itemsize

    @property
    def levels(self) -> int:
        """Number of pyramid levels."""
        return len(self.level_shapes)

    @property
    def channel_axis(self) -> int | None:
        """The axis of a pixel's samples."""
        found = self.axes.find("S")
        return found if found >= 0 else None

    @property
    def bytes_per_read(self) -> int:
        """Bytes of one decoded chunk: what a read of a single pixel takes."""
        return math.prod(self.chunks) * self.dtype.itemsize

    @property
    def decoded_chunks(self) -> int:
        """Number of chunks decoded since it was opened; reads of the cache are not counted."""
        return self._cache.decoded

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Index) -> Any:
        if self._closed:
            raise FileError(f"{self.path}: read after it was closed")
        region, dropped = as_region(index, self.shape)
        lengths = tuple(part.stop - part.start for part in region)
        if 0 in lengths:
            return np.empty(lengths, self.dtype)[dropped]
        return self._read_region(region)[dropped]

    def close(self) -> None:
        """Close the file and forget its chunks; again is no error."""
        self._closed = True
        self._cache.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self._options)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return type(self).__name__, self.path, self.fingerprint, tuple(self._options.items())

    def __repr__(self) -> str:
        level = f", level {self.level} of {self.levels}" if self.levels > 1 else ""
        size = "x".join(map(str, self.shape))
        return f"<{self.format} {self.path!r}: {size} {self.axes} {self.dtype}{level}>"

    def _read_region(self, region: Region) -> NDArray[Any]:
        """Return a new array of a region that holds pixels."""
        return self._read_by_chunks(region, self.chunks, self.dtype)

    def _read_chunk(self, place: tuple[int, ...]) -> NDArray[Any]:
        """Decode the chunk at a place in the grid; those at the border may be larger."""
        raise NotImplementedError

    def _chunk_name(self, place: tuple[int, ...]) -> str:
        return f"chunk {place}"

    def _read_by_chunks(
        self,
        region: Region,
        chunks: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> NDArray[Any]:
        out = np.empty([part.stop - part.start for part in region], dtype)

        def copy(place: tuple[int, ...]) -> None:
            chunk = self._cache.get(place, partial(self._read_chunk, place))
            source, target = [], []
            for part, number, length in zip(region, place, chunks, strict=True):
                start = max(part.start, number * length)
                stop = min(part.stop, (number + 1) * length)
                source.append(slice(start - number * length, stop - number * length))
                target.append(slice(start - part.start, stop - part.start))
            if any(part.stop > have for part, have in zip(source, chunk.shape, strict=True)):
                raise FileError(
                    f"{self.path}: {self._chunk_name(place)} is damaged: "
                    f"it holds {chunk.shape} of {chunks}"
                )
            out[tuple(target)] = chunk[tuple(source)]

        grid = itertools.product(
            *(
                range(part.start // length, -(-part.stop // length))
                for part, length in zip(region, chunks, strict=True)
            )
        )
        run_all(copy, ((place,) for place in grid), self._reads_at_once)
        return out


def as_region(index: Index, shape: tuple[int, ...]) -> tuple[Region, tuple[int | slice, ...]]:
    """Return a slice an axis with bounds inside the shape, and the index that drops axes.

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
    place = dots[0] if dots else len(items)
    items[place : place + len(dots)] = [slice(None)] * missing
    region, dropped = [], []
    for axis, (item, length) in enumerate(zip(items, shape, strict=True)):
        part, drop = _as_slice(item, length, axis)
        region.append(part)
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


def plain_dtype(path: str, dtype: np.dtype[Any] | None, kind: str) -> np.dtype[Any]:
    """Return a pixel type in native byte order.

    Raises
    ------
    FileError
        If it is none of booleans, integers and real numbers.
    """
    if dtype is None or dtype.kind not in "biuf":
        raise FileError(f"{path}: {kind} of {dtype} values is not supported: real numbers are")
    return dtype.newbyteorder("=")


def guessed_axes(shape: tuple[int, ...]) -> str:
    """Return axes of an array that names none: a short last one is taken for colours."""
    colours = len(shape) > 2 and shape[-1] in {3, 4} and min(shape[-3:-1]) > 4
    tail = "YXS" if colours else "YX"
    return "Q" * (len(shape) - len(tail)) + tail


def band_of_rows(shape: tuple[int, ...], axes: str, itemsize: int) -> tuple[int, ...]:
    """Return chunks of about a megabyte of whole rows, for pixels that need no decoding."""
    rows = axes.index("Y")
    behind = math.prod(shape[rows + 1 :]) * itemsize
    height = min(shape[rows], max(1, (1 << 20) // behind))
    return (*(1 for _ in shape[:rows]), height, *shape[rows + 1 :])
