"""Arrays of numpy's own format (.npy): read by the rows asked for, written where regions lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError, one_line
from lerf_core.io.codec import Codec, OpenFile, check_single
from lerf_core.io.formats import MULTI, RGB
from lerf_core.io.journal import FileJournal
from lerf_core.io.pixel_file import PixelFile, file_fingerprint
from lerf_core.io.tiled_reader import Region, TiledReader, band_of_rows, guessed_axes, plain_dtype
from lerf_core.io.tiled_writer import (
    Encoder,
    Pixels,
    TiledWriter,
    WriterSpec,
    partial_paths,
    replace_synced,
)

__all__ = ["NpyCodec", "NpyReader", "NpyWriter"]


class NpyCodec(Codec):
    """Arrays of numpy, by tiles alone."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head[:6] == np.lib.format.MAGIC_PREFIX

    def open_reader(self, path: str, options: dict[str, Any]) -> NpyReader:
        """See `Codec`."""
        check_single(path, options)
        return NpyReader(path, options)

    def open_writer(
        self, path: str, spec: WriterSpec, *, resume: bool, overwrite: bool
    ) -> NpyWriter:
        """See `Codec`."""
        del overwrite  # whatever lies there is replaced when the result is whole
        return NpyWriter(Path(path), spec, resume=resume)


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

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        super().__init__(path, options)
        self.shape, self._by_columns, self._stored_dtype, self._offset = _read_header(path)
        self.dtype = plain_dtype(path, self._stored_dtype, "an array")
        if len(self.shape) < 2 or 0 in self.shape:
            raise FileError(f"{path}: an array of shape {self.shape} is no image")
        self.axes = guessed_axes(self.shape)
        if "S" in self.axes:
            self.layout = {3: RGB}.get(self.shape[-1], MULTI)
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


@dataclass(frozen=True)
class NpyEncoder(Encoder):
    """Writes regions into the partial file."""

    path: str
    start: int
    spec: WriterSpec

    def encode_level(self, level: int, region: Region, pixels: Pixels) -> list[tuple[int, ...]]:
        """Write a region; return the tiles that it holds."""
        shape, dtype = self.spec.shape, self.spec.dtype
        # Without a memory map: its pages would count as the program's memory.
        whole = np.ascontiguousarray(pixels, dtype)
        # What follows the last axis along which the region is a part only is one run of bytes.
        split = max(
            (axis for axis, extent in enumerate(region) if extent != slice(0, shape[axis])),
            default=0,
        )
        steps = np.cumprod([1, *shape[::-1]])[:-1][::-1]
        with open(self.path, "r+b", buffering=0) as file:  # noqa: PTH123
            for index in np.ndindex(whole.shape[:split]):
                corner = [extent.start + i for extent, i in zip(region, index, strict=False)]
                corner += [extent.start for extent in region[split:]]
                offset = int(np.dot(corner, steps)) * dtype.itemsize
                file.seek(self.start + offset)
                data = memoryview(np.atleast_1d(whole[index]).data).cast("B")
                while data:
                    data = data[file.write(data) :]
        return [(level, *tile) for tile in self.spec.tiles(region)]


class NpyWriter(TiledWriter):
    """See `lerf_core.io.tiled_writer.TiledWriter`."""

    def __init__(self, path: Path, spec: WriterSpec, *, resume: bool) -> None:
        self._partial, journal_path = partial_paths(path)
        resume = resume and self._partial.exists()
        journal = FileJournal(journal_path, spec.head(), resume=resume)
        resume = bool(journal.entries())  # a partial without a journal may be anything
        header = {
            "descr": np.lib.format.dtype_to_descr(spec.dtype),
            "fortran_order": False,
            "shape": spec.shape,
        }
        with self._partial.open("r+b" if resume else "wb") as file:
            np.lib.format.write_array_header_2_0(file, header)
            start = file.tell()
            file.truncate(start + math.prod(spec.shape) * spec.dtype.itemsize)
        super().__init__(path, spec, NpyEncoder(str(self._partial), start, spec), journal)

    def _read(self, level: int, region: Region) -> Pixels:
        raise NotImplementedError  # there is no pyramid

    def _complete(self) -> None:
        replace_synced(self._partial, self._path)

    def _discard(self) -> None:
        self._partial.unlink(missing_ok=True)
