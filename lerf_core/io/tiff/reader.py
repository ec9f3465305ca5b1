"""TIFF and BigTIFF, read by tiles or strips; stored plain, by the rows that are asked for.

tifffile reads the structure and decodes the tiles (with imagecodecs where it is installed); the
bytes are read here, since its file handle has one position for all threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError, one_line
from lerf_core.io.pixel_file import PixelFile, file_fingerprint, readable_bytes
from lerf_core.io.tiff.tags import (
    JPEG,
    PALETTE,
    alpha,
    describe,
    physical_size,
    resolution,
)
from lerf_core.io.tiled_reader import Region, TiledReader, band_of_rows, plain_dtype

if TYPE_CHECKING:
    import tifffile

__all__ = ["TiffReader", "is_tiff"]

_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_ORIENTATION, _YCBCR = 274, 6
_KNOWN_AXES = frozenset("TCZYXS")


def is_tiff(head: bytes) -> bool:
    """Tell a TIFF or BigTIFF by its first bytes."""
    return head[:4] in _MAGIC


@dataclass(frozen=True)
class _Page:
    """Where a page's tiles lie; a count or offset of 0 is a tile that was never written."""

    file: PixelFile
    number: int
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    tables: bytes | None


class TiffReader(TiledReader):
    """A series of pages of a TIFF, at one pyramid level.

    Parameters
    ----------
    path : str
    options : dict
        Of :func:`lerf_core.io.reading.open_reader`.

    Raises
    ------
    FileError
    """

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        super().__init__(path, options)
        self.level, self.series = options["level"], options["series"]
        self._missing_is_error = options["missing"] == "error"
        self._files: dict[str, PixelFile] = {}
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        import tifffile

        try:
            with tifffile.TiffFile(self.path) as handle:
                self._read_structure(handle)
        except FileError:
            raise
        except OSError as error:
            raise FileError(f"{self.path}: {one_line(error.strerror or error)}") from error
        except Exception as error:
            raise FileError(f"{self.path}: damaged TIFF: {one_line(error)}") from error
        self.fingerprint = file_fingerprint(
            self.path, f"series {self.series}", f"level {self.level}"
        )

    def _read_structure(self, handle: tifffile.TiffFile) -> None:
        every = handle.series
        if not every:
            raise FileError(f"{self.path}: holds no image, or its end is missing")
        if not 0 <= self.series < len(every):
            raise FileError(f"{self.path}: series {self.series} asked, {len(every)} there")
        base = every[self.series]
        if not 0 <= self.level < len(base.levels):
            raise FileError(f"{self.path}: level {self.level} asked, {len(base.levels)} there")
        chosen = base.levels[self.level]
        self._check_kind(chosen)
        self._stored_dtype = plain_dtype(self.path, chosen.keyframe.dtype, "TIFF")
        self._set_layout(chosen)
        self._pages = self._collect(chosen)
        self._set_pixels(chosen)
        self._set_words(handle, base, chosen)

    def _check_kind(self, series: tifffile.TiffPageSeries) -> None:
        page = series.keyframe
        if 0 in series.shape or page.imagewidth < 1 or page.imagelength < 1:
            raise FileError(f"{self.path}: declares an image without pixels: {series.shape}")
        if "Y" not in series.axes or "X" not in series.axes or series.transform is not None:
            raise FileError(
                f"{self.path}: a series of shape {series.shape} with axes {series.axes} is not "
                "supported: images of rows and columns are"
            )
        turn = page.tags.get(_ORIENTATION)
        if turn is not None and turn.value in range(2, 9):
            raise FileError(
                f"{self.path}: EXIF orientation {turn.value} is not supported in images read by "
                "tiles: turn it upright first"
            )
        if page.is_subsampled and int(page.compression) not in JPEG:
            raise FileError(f"{self.path}: subsampled YCbCr without JPEG is not supported")
        self._check_codecs(page)

    def _check_codecs(self, page: tifffile.TiffPage) -> None:
        import tifffile

        try:
            if int(page.compression) != 1:
                _ = tifffile.TIFF.DECOMPRESSORS[page.compression]
            if int(page.predictor) != 1 and int(page.compression) not in JPEG:
                _ = tifffile.TIFF.UNPREDICTORS[page.predictor]
        except KeyError as error:
            reason = one_line(error.args[0])
            hint = ": pip install 'lerf[large]'" if "imagecodecs" in reason else ""
            raise FileError(f"{self.path}: compression {reason}{hint}") from error

    def _set_layout(self, series: tifffile.TiffPageSeries) -> None:
        """Match the axes of a page, as tifffile keeps them, with the last axes of the series."""
        page = series.keyframe
        tiles = (
            (page.tiledepth, page.tilelength, page.tilewidth)
            if page.is_tiled
            else (1, page.rowsperstrip or page.imagelength, page.imagewidth)
        )
        # Separate samples, depth, rows, columns, samples of a pixel.
        full = tuple(int(length) for length in page.shaped)
        chunk = (1, *(max(1, int(length)) for length in tiles), full[4])
        kept = [length > 1 or axis in {2, 3} for axis, length in enumerate(full)]
        if len(page.shape) > sum(kept) and len(series.shape) >= len(page.shape):
            # A pixel of one sample that has an axis all the same.
            same = series.shape[-len(page.shape) :] == page.shape
            kept[4 if full[0] == 1 and page.planarconfig == 1 else 0] = same
        inner = tuple(length for length, keep in zip(full, kept, strict=True) if keep)
        lead = len(series.shape) - len(inner)
        if lead < 0 or series.shape[lead:] != inner:
            raise FileError(
                f"{self.path}: pages of shape {page.shape} do not make up a series of shape "
                f"{series.shape}"
            )
        self._lead = tuple(int(length) for length in series.shape[:lead])
        self._inner = inner
        self._inner_chunk = tuple(
            min(length, extent)
            for length, extent, keep in zip(chunk, full, kept, strict=True)
            if keep
        )
        self._grid = tuple(
            -(-extent // length) for extent, length in zip(inner, self._inner_chunk, strict=True)
        )
        self._squeeze = tuple(slice(None) if keep else 0 for keep in kept)
        self._stored_shape = self._lead + inner
        self._inner_axes = series.axes[lead:]
        self.axes = "".join(letter if letter in _KNOWN_AXES else "Q" for letter in series.axes)

    def _collect(self, series: tifffile.TiffPageSeries) -> list[_Page | None]:
        """Return the pages; none where one block behind the first page holds all."""
        page = series.keyframe
        self._page_order = page.parent.byteorder
        self._block: tuple[PixelFile, int] | None = None
        # Read so, the pixels' meaning is their bytes.
        self._plain = bool(page.is_final) and page.dtype != np.bool_
        if self._plain and series.dataoffset is not None and not series.is_multifile:
            file = self._file(page.parent.filehandle.path)
            self._block = file, int(series.dataoffset)
            self._check_block(*self._block, math.prod(self._stored_shape), "the pixels")
            return []
        planes = math.prod(self._lead)
        if len(series) != planes or series.is_truncated:
            raise FileError(
                f"{self.path}: {len(series)} pages in the file, {planes} in its description"
            )
        self._decode = page.decode
        self._nodata = page.nodata
        self._segment_options = {}
        if int(page.compression) in JPEG:
            self._segment_options["jpegheader"] = page.jpegheader
        return [
            None if item is None else self._checked(item, number)
            for number, item in enumerate(series)
        ]

    def _file(self, path: str) -> PixelFile:
        if path not in self._files:
            self._files[path] = PixelFile(path)
        return self._files[path]

    def _check_block(self, file: PixelFile, offset: int, values: int, what: str) -> None:
        end = offset + values * self._stored_dtype.itemsize
        if end > file.size:
            raise FileError(
                f"{file.path}: damaged: {what} lie at bytes {offset} to {end}, and the file ends "
                f"at {file.size}"
            )

    def _checked(self, page: Any, number: int) -> _Page:
        file = self._file(page.parent.filehandle.path)
        offsets = np.asarray(page.dataoffsets, np.int64)
        counts = np.asarray(page.databytecounts, np.int64)
        wanted = math.prod(self._grid)
        if self._plain:
            if not len(offsets):
                raise FileError(f"{file.path}: damaged: page {number} has no pixels")
            self._check_block(
                file, int(offsets[0]), math.prod(self._inner), f"the pixels of page {number}"
            )
        elif min(len(offsets), len(counts)) < wanted:
            raise FileError(
                f"{file.path}: damaged: page {number} has {len(offsets)} tiles of {wanted}"
            )
        else:
            offsets, counts = offsets[:wanted], counts[:wanted]
            beyond = np.flatnonzero((offsets + counts > file.size) & (counts > 0))
            if len(beyond):
                first = int(beyond[0])
                raise FileError(
                    f"{file.path}: damaged: {self._segment_name(number, first)} lies at bytes "
                    f"{offsets[first]} to {offsets[first] + counts[first]}, and the file ends at "
                    f"{file.size}"
                )
        return _Page(file, number, offsets, counts, getattr(page, "jpegtables", None))

    def _set_pixels(self, series: tifffile.TiffPageSeries) -> None:
        page = series.keyframe
        self.shape, self.dtype = self._stored_shape, self._stored_dtype
        self._stored_chunks = (*(1 for _ in self._lead), *self._inner_chunk)
        if self._plain and not page.is_tiled:
            self._stored_chunks = band_of_rows(self.shape, self.axes, self.dtype.itemsize)
        self.chunks = self._stored_chunks
        self._palette: NDArray[np.uint8] | None = None
        if self.dtype == np.bool_:
            self.dtype = np.dtype(np.uint8)
            self.notes += ("1-bit expanded to 8-bit grey",)
        elif int(page.photometric) == PALETTE and "S" not in self.axes:
            if page.colormap is None:
                raise FileError(f"{self.path}: damaged: a palette image without its palette")
            self._palette = _colours(page.colormap)
            self.dtype = np.dtype(np.uint8)
            self.shape, self.chunks = (*self.shape, 3), (*self.chunks, 3)
            self.axes += "S"
            self.notes += ("palette expanded to RGB",)
        if int(page.photometric) == _YCBCR and int(page.compression) not in JPEG:
            self.notes += ("YCbCr colours left as they are",)
        self._check_memory()

    def _check_memory(self) -> None:
        if self._plain:
            return
        needed = math.prod(self._stored_chunks) * self._stored_dtype.itemsize
        allowed = self._options["max_decoded_bytes"]
        if allowed is not None and needed > allowed:
            raise FileError(
                f"{self.path}: one compressed piece of {self._stored_chunks} takes "
                f"{readable_bytes(needed)} in memory, {readable_bytes(allowed)} allowed: write it "
                "by tiles first"
            )
        if needed > self._cache.limit:
            note = (
                f"each read decodes a piece of {readable_bytes(needed)}, more than the cache of "
                f"{readable_bytes(self._cache.limit)} keeps"
            )
            self.notes += (note,)

    def _set_words(
        self,
        handle: tifffile.TiffFile,
        base: tifffile.TiffPageSeries,
        chosen: tifffile.TiffPageSeries,
    ) -> None:
        first = base.keyframe
        self.format = "OME-TIFF" if base.kind == "ome" else "TIFF"
        colours = (3,) if self._palette is not None else ()
        self.level_shapes = tuple(
            (*(int(length) for length in level.shape), *colours) for level in base.levels
        )
        rows, cols = chosen.axes.index("Y"), chosen.axes.index("X")
        # Of a level's pixel, in pixels of the full image.
        steps = (base.shape[rows] / chosen.shape[rows], base.shape[cols] / chosen.shape[cols])
        self.has_alpha, self.is_premultiplied = alpha(chosen.keyframe)
        self.resolution_dpi = resolution(first, steps)
        self.pixel_size = physical_size(handle, base, self.series, steps)
        profile = first.tags.get(34675)
        self.icc = bytes(profile.value) if profile is not None else None
        self.info = describe(handle, base, chosen, self.series)
        packet = first.tags.get(700)
        if packet is not None:
            value = packet.value
            self.info["xmp"] = value.encode() if isinstance(value, str) else bytes(value)
        self.info["has_exif"] = 34665 in first.tags or 34853 in first.tags
        count = len(handle.series)
        self.info["series_count"] = count
        if count > 1:
            self.notes += (f"only image {self.series + 1} of the {count} in the file is read",)

    def close(self) -> None:
        """Close the file and forget its chunks; again is no error."""
        super().close()
        for file in self._files.values():
            file.close()

    def _read_region(self, region: Region) -> NDArray[Any]:
        stored = region[: len(self._stored_shape)]
        if self._plain:
            pixels = self._read_plain(stored)
        else:
            pixels = self._read_by_chunks(stored, self._stored_chunks, self._stored_dtype)
        if self._palette is not None:
            return np.ascontiguousarray(self._palette[:, region[-1]][pixels])
        return pixels.astype(np.uint8) * np.uint8(255) if pixels.dtype == np.bool_ else pixels

    def _read_plain(self, region: Region) -> NDArray[Any]:
        out = np.empty([part.stop - part.start for part in region], self._stored_dtype)
        stored = self._stored_dtype.newbyteorder(self._page_order)
        if self._block is not None:
            file, offset = self._block
            file.read_array(offset, self._stored_shape, stored, region, out)
            return out
        lead = len(self._lead)
        for place in np.ndindex(out.shape[:lead]):
            number = self._page_number([p + r.start for p, r in zip(place, region, strict=False)])
            page = self._pages[number]
            if page is None:
                out[place] = self._filled(f"page {number}", out.shape[lead:])
                continue
            page.file.read_array(
                int(page.offsets[0]), self._inner, stored, region[lead:], out[place]
            )
        return out

    def _read_chunk(self, place: tuple[int, ...]) -> NDArray[Any]:
        lead = len(self._lead)
        number = self._page_number(place[:lead])
        segment = int(np.ravel_multi_index(place[lead:], self._grid)) if self._grid else 0
        page = self._pages[number]
        if page is None:
            return self._filled(f"page {number}", self._stored_chunks)
        offset, count = int(page.offsets[segment]), int(page.counts[segment])
        if not offset or not count:
            return self._filled(self._segment_name(number, segment), self._stored_chunks)
        data = page.file.read(offset, count)
        options = self._segment_options
        if options:
            options = {**options, "jpegtables": page.tables}
        try:
            pixels = self._decode(data, segment, **options)[0]
            pixels = np.asarray(pixels)[None][self._squeeze]
        except Exception as error:
            raise FileError(
                f"{page.file.path}: {self._segment_name(number, segment)} is damaged: "
                f"{one_line(error)}"
            ) from error
        return pixels.reshape((1,) * lead + pixels.shape)

    def _page_number(self, place: Any) -> int:
        return int(np.ravel_multi_index(tuple(place), self._lead)) if self._lead else 0

    def _filled(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        if self._missing_is_error:
            raise FileError(f"{self.path}: {name} is missing")
        return np.full(shape, getattr(self, "_nodata", 0), self._stored_dtype)

    def _chunk_name(self, place: tuple[int, ...]) -> str:
        lead = len(self._lead)
        segment = int(np.ravel_multi_index(place[lead:], self._grid))
        return self._segment_name(self._page_number(place[:lead]), segment)

    def _segment_name(self, page: int, segment: int) -> str:
        place = tuple(int(part) for part in np.unravel_index(segment, self._grid))
        where = ", ".join(
            f"{_AXIS_WORDS.get(letter, letter)} {part}"
            for letter, part, count in zip(self._inner_axes, place, self._grid, strict=True)
            if count > 1 or letter in "YX"
        )
        return f"the tile at {where} of page {page}"


_AXIS_WORDS = {"Y": "row", "X": "column", "Z": "depth", "S": "sample"}


def _colours(colormap: Any) -> NDArray[np.uint8]:
    table = np.asarray(colormap)
    # Some writers put 8-bit values into the 16-bit table.
    deep = table.max(initial=0) > 255
    return np.ascontiguousarray((table >> 8 if deep else table).astype(np.uint8).T)
