"""Arrays of numpy are read by the rows asked for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError, one_line
from lerf_core.io.formats import layout_of_samples
from lerf_core.io.tiles.pixel_file import PixelFile, file_fingerprint
from lerf_core.io.tiles.regions import Region
from lerf_core.io.tiles.tiled_reader import TiledReader, band_of_rows, guessed_axes, plain_dtype

__all__ = ["NpyReader"]


class NpyReader(TiledReader):
    """An array in a .npy file.

    Parameters
    ----------
    path : str
    options : dict
        Of :func:`lerf_core.io.reading.open_reader`.

    Raises
    ------
    FileError
    """

    format = "NPY"
    storage = "rows"

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        super().__init__(path, options)
        self.shape, self._by_columns, self._stored_dtype, self._offset = _read_header(path)
        self.dtype = plain_dtype(path, self._stored_dtype, "an array")
        if len(self.shape) < 2 or 0 in self.shape:
            raise FileError(f"{path}: an array of shape {self.shape} is no image")
        self.axes = guessed_axes(self.shape)
        if "S" in self.axes:
            self.layout = layout_of_samples(self.shape[-1])
            self._notes += (f"last axis of length {self.shape[-1]} taken for colours",)
        self.chunks = band_of_rows(self.shape, self.axes, self.dtype.itemsize)
        self.level_shapes = (self.shape,)
        self.fingerprint = file_fingerprint(path)
        self._file = PixelFile(path)
        end = self._offset + math.prod(self.shape) * self.dtype.itemsize
        if end > self._file.size:
            self._file.close()
            raise FileError(
                f"{path}: damaged: its values lie at bytes {self._offset} to {end}, and the file "
                f"ends at {self._file.size}"
            )

    def close(self) -> None:
        """Close the file; again is no error."""
        super().close()
        self._file.close()

    def _read_region(self, region: Region) -> NDArray[Any]:
        out = np.empty([extent.stop - extent.start for extent in region], self.dtype)
        # An array kept by columns is its transpose kept by rows.
        turn = slice(None, None, -1) if self._by_columns else slice(None)
        target = out.T if self._by_columns else out
        self._file.read_array(
            self._offset, self.shape[turn], self._stored_dtype, region[turn], target
        )
        return out


def _read_header(path: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    try:
        with Path(path).open("rb") as file:
            version = np.lib.format.read_magic(file)
            # Version 3 differs from 2 in the names of fields alone, and images have none.
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, by_columns, dtype = read(file)
            return tuple(shape), bool(by_columns), dtype, file.tell()
    except OSError as error:
        raise FileError(f"{path}: {one_line(error)}") from error
    except (ValueError, SyntaxError, TypeError) as error:
        raise FileError(f"{path}: damaged .npy file: {one_line(error)}") from error
