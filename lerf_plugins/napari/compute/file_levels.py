"""Levels of images in files, as arrays that are read where they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.io.tiles.regions import Region
from lerf_plugins.napari.compute.region_array import RegionArray, as_dask_array, chunk_sides

if TYPE_CHECKING:
    from lerf_core.io.tiles.tiled_reader import TiledReader

__all__ = ["FileLevel", "file_array"]

#: Chunks of a level at most: dask slices so many in less than a frame of the screen takes.
MOST_FILE_CHUNKS = 50_000


class FileLevel(RegionArray):
    """A level of an image in a file, by the axes of a layer.

    Parameters
    ----------
    reader : TiledReader
        Of the level; keeps the chunks that it has decoded last.
    order : tuple of int
        The file's axes, as the layer has them.
    fixed : mapping of int to int
        Indices along the file's axes that the layer has not.
    """

    def __init__(
        self, reader: TiledReader, order: tuple[int, ...], fixed: dict[int, int] | None = None
    ) -> None:
        self.reader, self._order, self._fixed = reader, order, fixed or {}
        self.shape = tuple(reader.shape[axis] for axis in order)
        self.chunks = tuple(reader.chunks[axis] for axis in order)
        self.dtype, self.file = reader.dtype, reader.path

    def region(self, region: Region) -> npt.NDArray[Any]:
        """See `RegionArray`."""
        index: list[Any] = [0] * len(self.reader.shape)
        for axis, number in self._fixed.items():
            index[axis] = number
        for axis, span in zip(self._order, region, strict=True):
            index[axis] = span
        pixels = self.reader[tuple(index)]
        # What is left are the layer's axes, in the file's order.
        left = sorted(self._order)
        return np.asarray(pixels.transpose([left.index(axis) for axis in self._order]))


def file_array(level: FileLevel, *, is_rgb: bool = False) -> Any:
    """Return a level as a dask array, of the file's chunks or of several in one.

    Parameters
    ----------
    level : FileLevel
    is_rgb : bool
        Whether the last axis holds the samples of a pixel, which are then one chunk.

    Returns
    -------
    dask.array.Array
        Slices of it read the file's chunks that they touch, and no others.
    """
    chunks = (*level.chunks[:-1], level.shape[-1]) if is_rgb else level.chunks
    last = level.ndim - is_rgb
    sides = chunk_sides(level.shape, chunks, (last - 2, last - 1), MOST_FILE_CHUNKS)
    return as_dask_array(level, sides, slices=True)
