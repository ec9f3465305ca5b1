"""What every reader of a large image is: an array that lies in a file."""

from __future__ import annotations

import copy
import itertools
import math
import os
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError, SourceChangedError
from lerf_core.io.formats import GREY, WITH_ALPHA
from lerf_core.io.locations import is_url
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.tiles.chunk_cache import ChunkCache
from lerf_core.io.tiles.pixel_file import readable_bytes
from lerf_core.io.tiles.regions import Index, Region, as_region, axis_of, overlap
from lerf_core.threads import run_all

__all__ = ["TiledReader"]


class TiledReader:
    """An image in a file, read by regions: ``reader[0, 512:1024, :256]`` is an array.

    Indices are integers and slices of step 1, results are numpy's own for them, and belong to
    the caller. Any number of threads may read at once; chunks are decoded in all of them. A
    pickled reader opens its path again, with an empty cache.

    Attributes
    ----------
    path : str
    format : str
        "TIFF", "OME-TIFF", "ImageJ", "Zarr", "OME-Zarr", "NPY", or Pillow's name such as "PNG".
    shape : tuple of int
    dtype : numpy.dtype
        In native byte order.
    chunks : tuple of int
        Length of a chunk along each axis: what is decoded at once. Of formats that decode as a
        whole, the shape.
    storage : str
        What pixels lie in: "tiles", "strips", "chunks", "rows" where they lie plain, or "whole"
        where the format has no parts.
    axes : str
        A letter per axis: T, C, Z, Y, X, S for the samples of a pixel (colours), Q for unknown.
    layout : str
        Meaning of the samples, see :mod:`lerf_core.io.formats`.
    is_premultiplied : bool
        Colours are multiplied by opacity.
    level, levels : int
        The pyramid level that was opened, of how many.
    level_shapes : tuple of tuple of int
    series, series_count : int
        The image that was opened, of how many in the file.
    series_note : str
        One of the notes: what of the file a reader of regions leaves aside; "" where it has one
        image, or all of its images are left aside however it is read.
    is_described : bool
        Whether it is known what the file's pages are: planes, levels, side images, by a description
        or because it is a cloud-optimized GeoTIFF.
    orientation : int
        By which pixels are turned upright, EXIF's 1 to 8.
    metadata : Metadata
        Of the level that was opened.
    labels : dict
        From names of images of labels that lie with the image to their paths.
    details : dict
        What a writer of the same format may want to keep, by names of the format's own.
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
    storage: str = "chunks"
    layout: str = GREY
    is_premultiplied: bool = False
    level: int = 0
    level_shapes: tuple[tuple[int, ...], ...] = ()
    series: int = 0
    series_count: int = 1
    series_note: str = ""
    is_described: bool = False
    orientation: int = 1
    metadata: Metadata = Metadata()
    fingerprint: str = ""
    # Those that do not depend on the cache.
    _notes: tuple[str, ...] = ()
    # Of a chunk that is decoded and kept in the cache, 0 where pixels lie plain; and its name.
    _chunk_bytes = 0
    _chunk_word = "chunk"

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        self.path = path
        self.details: dict[str, Any] = {}
        self.labels: dict[str, str] = {}
        self._options = options
        self._cache = ChunkCache(int(options["cache_bytes"]))
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
    def has_alpha(self) -> bool:
        """Whether the last sample is an opacity."""
        return self.layout in WITH_ALPHA

    @property
    def channel_axis(self) -> int | None:
        """The axis of S, or None. Planes along C are images of their own."""
        return axis_of(self.axes, "S")

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done or found that its owner may not expect, one line each."""
        needed, kept = self._chunk_bytes, self._cache.limit
        if needed <= kept:
            return self._notes
        note = (
            f"each read decodes a {self._chunk_word} of {readable_bytes(needed)}, more than the "
            f"cache of {readable_bytes(kept)} keeps"
        )
        return (*self._notes, note)

    @property
    def bytes_per_read(self) -> int:
        """Bytes of one decoded chunk: what a read of a single pixel takes."""
        return math.prod(self.chunks) * self.dtype.itemsize

    @property
    def bytes_to_keep_all(self) -> int:
        """Bytes of the cache that keeps all chunks, decoded; 0 where pixels lie plain."""
        counts = (-(-size // side) for size, side in zip(self.shape, self.chunks, strict=True))
        return self._chunk_bytes * math.prod(counts)

    @property
    def decoded_chunks(self) -> int:
        """Number of chunks decoded since it was opened; reads of the cache are not counted."""
        return self._cache.decoded

    def limit_memory(self, cache_bytes: int, max_decoded_bytes: int | None) -> None:
        """Bound the decoded chunks that are kept, and the memory that one decoding may take.

        Parameters
        ----------
        cache_bytes : int
        max_decoded_bytes : int or None
            None for no bound.

        Raises
        ------
        FileError
            If decoding takes more.
        """
        needed = self._decoding_bytes
        if max_decoded_bytes is not None and needed > max_decoded_bytes:
            sizes = readable_bytes(needed), readable_bytes(max_decoded_bytes)
            raise FileError(f"{self.path}: {self._too_large(*sizes)}")
        self._options = self._options | {
            "cache_bytes": cache_bytes,
            "max_decoded_bytes": max_decoded_bytes,
        }
        self._cache.limit = cache_bytes

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Index) -> Any:
        if self._closed:
            raise FileError(f"{self.path}: read after it was closed")
        region, dropped = as_region(index, self.shape)
        lengths = tuple(extent.stop - extent.start for extent in region)
        if 0 in lengths:
            return np.empty(lengths, self.dtype)[dropped]
        return self._read_region(region)[dropped]

    def check_unchanged(self) -> None:
        """Refuse a file that was changed since it was opened.

        Raises
        ------
        SourceChangedError
        """
        try:
            with copy.copy(self) as again:
                is_same = again.fingerprint == self.fingerprint
        except FileError:
            # An open file can be read to its end after its name is gone; a Zarr has many.
            is_one_file = "Zarr" not in self.format and not is_url(self.path)
            is_same = is_one_file and not os.path.lexists(self.path)
        if not is_same:
            raise SourceChangedError(f"{self.path} was changed while it was read")

    def close(self) -> None:
        """Close the file and forget its chunks; again is no error."""
        self._closed = True
        self.forget_chunks()

    def forget_chunks(self) -> None:
        """Free the memory of decoded chunks; they are decoded again where they are read again."""
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

    @property
    def _decoding_bytes(self) -> int:
        """Memory that decoding takes at its least: of one chunk."""
        return self._chunk_bytes

    def _too_large(self, needed: str, allowed: str) -> str:
        """Say that decoding takes more memory than is allowed, and what helps."""
        raise NotImplementedError

    def _read_region(self, region: Region) -> NDArray[Any]:
        """Return a new array of a region that holds pixels."""
        return self._read_by_chunks(region, self.chunks, self.dtype)

    def _read_chunk(self, position: tuple[int, ...]) -> NDArray[Any]:
        """Decode the chunk at a position in the grid; those at the border may be larger."""
        raise NotImplementedError

    def _chunk_name(self, position: tuple[int, ...]) -> str:
        return f"chunk {position}"

    def _read_by_chunks(
        self, region: Region, chunks: tuple[int, ...], dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """Return a region, put together from chunks of a length along each axis."""
        out = np.empty([extent.stop - extent.start for extent in region], dtype)
        grid = itertools.product(
            *(
                range(extent.start // length, -(-extent.stop // length))
                for extent, length in zip(region, chunks, strict=True)
            )
        )
        tasks = ((position, region, chunks, out) for position in grid)
        run_all(self._copy_chunk, tasks, self._reads_at_once)
        return out

    def _copy_chunk(
        self, position: tuple[int, ...], region: Region, chunks: tuple[int, ...], out: NDArray[Any]
    ) -> None:
        """Copy what a chunk holds of a region into the region's array."""
        chunk = self._cache.get(position, partial(self._read_chunk, position))
        bounds = (
            (number * length, (number + 1) * length)
            for number, length in zip(position, chunks, strict=True)
        )
        source, target = overlap(bounds, region)
        if any(extent.stop > have for extent, have in zip(source, chunk.shape, strict=True)):
            raise FileError(
                f"{self.path}: {self._chunk_name(position)} is damaged: "
                f"it holds {chunk.shape} of {chunks}"
            )
        out[target] = chunk[source]


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
