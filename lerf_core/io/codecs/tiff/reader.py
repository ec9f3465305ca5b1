"""TIFF and BigTIFF, read by tiles or strips; stored plain, by the rows that are asked for.

tifffile reads the structure and decodes the tiles; the bytes are read here, since its file handle
has one position for all threads.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError, one_line
from lerf_core.io.codecs.tiff import codes
from lerf_core.io.codecs.tiff.decoding import (
    bits_of,
    dtype_of,
    is_for_libtiff,
    is_subsampled,
    page_values,
    segment_decoder,
)
from lerf_core.io.codecs.tiff.directories import metadata_of, page_of
from lerf_core.io.codecs.tiff.geo import neighbour_notes
from lerf_core.io.codecs.tiff.masks import is_mask, mask_series
from lerf_core.io.codecs.tiff.opening import OpenTiff, opened_tiff
from lerf_core.io.codecs.tiff.page_layout import PageLayout
from lerf_core.io.codecs.tiff.physical import (
    described,
    format_of,
    is_structured,
    level_steps,
    merged,
    series_note,
    without_descriptions,
)
from lerf_core.io.codecs.tiff.samples import Samples
from lerf_core.io.codecs.tiff.tags import details_of, orientation_of
from lerf_core.io.formats import GREY, PALETTE
from lerf_core.io.guards import guarded_decoding, quiet_decoders
from lerf_core.io.locations import REMOTE_READS, is_url
from lerf_core.io.metadata.orientation import TRANSPOSED, stored_region, upright
from lerf_core.io.tiles.pixel_file import PixelFile
from lerf_core.io.tiles.regions import Region, axis_of, overlap
from lerf_core.io.tiles.tiled_reader import TiledReader, band_of_rows, plain_dtype

if TYPE_CHECKING:
    import tifffile

__all__ = ["TiffReader"]

_KNOWN_AXES = frozenset("TCZYXS")


@dataclass(frozen=True)
class _Page:
    """Where a page's chunks lie; a count or offset of 0 is a chunk that was never written."""

    file: PixelFile
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    tables: bytes | None


class TiffReader(TiledReader):
    """A series of pages of a TIFF, at one pyramid level.

    Parameters
    ----------
    path : str
        A file, or an address of fsspec's, of which the ranges are read that are needed.
    options : dict
        Of :func:`lerf_core.io.reading.open_reader`.

    Attributes
    ----------
    mask_place : (series, level) or None
        Where the masks of its pages lie.

    Raises
    ------
    FileError
    """

    _chunk_word = "tile"
    _rows_apart = False

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        super().__init__(path, options)
        self.level, self.series = options["level"], options["series"]
        self._is_labels = bool(options.get("labels"))
        self._missing_is_error = options["missing"] == "error"
        self._files: dict[str, PixelFile] = {}
        self._reopening = threading.Lock()
        self._is_remote = is_url(path)
        if self._is_remote:
            self._reads_at_once = REMOTE_READS
        try:
            self._open()
            self.limit_memory(options["cache_bytes"], options["max_decoded_bytes"])
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        try:
            own = self._file(self.path)
            # tifffile maps a file whose path it is given.
            with (
                quiet_decoders(2**62),
                own.stream() if self._is_remote else nullcontext(self.path) as source,
                self._opened(source) as opened,
            ):
                self._notes = opened.notes
                self._read_structure(opened.handle)
        except FileError:
            raise
        except OSError as error:
            raise FileError(f"{self.path}: {one_line(error)}") from error
        except MemoryError as error:
            raise FileError(f"{self.path}: not enough memory to read it") from error
        except Exception as error:
            kind = "cannot be read as TIFF" if self._is_remote else "damaged TIFF"
            raise FileError(f"{self.path}: {kind}: {one_line(error)}") from error
        self.fingerprint = f"{own.fingerprint} series {self.series} level {self.level}"

    @contextmanager
    def _opened(self, source: str | BinaryIO) -> Iterator[OpenTiff]:
        """Open the file so that its pages are sorted into series."""
        flags: dict[str, bool] = {}
        with opened_tiff(source) as opened:
            try:
                _ = opened.handle.series
            except RuntimeError:  # tifffile inferred from a few pages that all are alike
                flags = {"is_uniform": False}
            except (KeyError, IndexError, TypeError, ValueError, AttributeError):
                flags = without_descriptions(opened.handle)
                if not flags:
                    raise
            else:
                yield opened
        if flags:
            with opened_tiff(source, **flags) as opened:
                if "is_uniform" not in flags:
                    opened.notes += ("damaged description left out",)
                yield opened

    # -- structure ------------------------------------------------------------------------

    def _read_structure(self, handle: tifffile.TiffFile) -> None:
        every = handle.series
        if not every:
            raise FileError(f"{self.path}: holds no image, or its end is missing")
        self.series_count = sum(not is_mask(series.keyframe) for series in every) or len(every)
        if not 0 <= self.series < len(every):
            raise FileError(f"{self.path}: series {self.series} asked, {len(every)} there")
        base = every[self.series]
        if not 0 <= self.level < len(base.levels):
            raise FileError(f"{self.path}: level {self.level} asked, {len(base.levels)} there")
        chosen = base.levels[self.level]
        _check_kind(self.path, chosen)
        self._stored_dtype = plain_dtype(self.path, dtype_of(chosen.keyframe), "TIFF")
        try:
            self._layout = PageLayout.of(chosen)
        except ValueError as error:
            raise FileError(f"{self.path}: {error}") from error
        self.axes = "".join(
            letter if letter in _KNOWN_AXES else "Q" for letter in self._layout.axes
        )
        self._pages = self._collect(chosen)
        self._set_pixels(chosen.keyframe)
        self._describe(handle, base, chosen)
        self._own_samples = _own_samples(self.path, chosen, labels=self._is_labels)
        self.mask_place = mask_series(every, self.series, self.level)
        # That of a mask is its image's.
        self._turn(self._options.get("orientation") or orientation_of(chosen.keyframe))

    def _collect(self, series: tifffile.TiffPageSeries) -> list[_Page | None]:
        """Return the pages; none where one block behind the first page holds all."""
        page = series.keyframe
        if self._is_remote and series.is_multifile:
            raise FileError(f"{self.path}: its pages lie in several files: download them first")
        self._page_order = page.parent.byteorder
        self._block: tuple[PixelFile, int] | None = None
        # Read so, the pixels' meaning is their bytes.
        self._is_plain = bool(page.is_final) and page.dtype != np.bool_
        if self._is_plain and series.dataoffset is not None and not series.is_multifile:
            file = self._file_of(page)
            self._block = file, int(series.dataoffset)
            self._check_block(*self._block, math.prod(self._layout.shape), "the pixels")
            return []
        self._is_for_libtiff = is_for_libtiff(page)
        if self._is_for_libtiff:
            self._layout = replace(self._layout, chunk=self._layout.inner)
        else:
            self._decode = segment_decoder(page)
        planes = math.prod(self._layout.lead)
        if len(series) != planes or series.is_truncated:
            raise FileError(
                f"{self.path}: {len(series)} pages in the file, {planes} in its description"
            )
        self._nodata = page.nodata
        return [
            None if item is None else self._checked(item, number)
            for number, item in enumerate(series)
        ]

    def _file_of(self, page: Any) -> PixelFile:
        """Return the file that a page lies in: of several, OME-TIFF's, not always the first."""
        return self._file(self.path if self._is_remote else page.parent.filehandle.path)

    def _file(self, path: str) -> PixelFile:
        if path not in self._files:
            kind = PixelFile
            if self._is_remote:
                from lerf_core.io.tiles.remote_file import RemoteFile

                kind = RemoteFile
            self._files[path] = kind(path)
        return self._files[path]

    def _check_block(self, file: PixelFile, offset: int, values: int, what: str) -> None:
        end = offset + values * self._stored_dtype.itemsize
        if end > file.size:
            raise FileError(
                f"{file.path}: damaged: {what} lie at bytes {offset} to {end}, and the file ends "
                f"at {file.size}"
            )

    def _checked(self, page: Any, number: int) -> _Page:
        """Return where a page's chunks lie, once all of them are known to lie in the file."""
        file = self._file_of(page)
        offsets = np.asarray(page.dataoffsets, np.int64)
        counts = np.asarray(page.databytecounts, np.int64)
        wanted = math.prod(self._layout.grid)
        if self._is_plain:
            if not len(offsets):
                raise FileError(f"{file.path}: damaged: page {number} has no pixels")
            values = math.prod(self._layout.inner)
            self._check_block(file, int(offsets[0]), values, f"the pixels of page {number}")
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
                    f"{file.path}: damaged: {self._layout.chunk_name(number, first)} lies at "
                    f"bytes {offsets[first]} to {offsets[first] + counts[first]}, and the file "
                    f"ends at {file.size}"
                )
        return _Page(file, offsets, counts, getattr(page, "jpegtables", None))

    def _set_pixels(self, page: tifffile.TiffPage) -> None:
        """Set shape, dtype and layout of the pixels as they are handed out."""
        stored = self._layout
        self.shape, self.dtype = stored.shape, self._stored_dtype
        self._stored_chunks = (*(1 for _ in stored.lead), *stored.chunk)
        self.storage = "tiles" if page.is_tiled else "rows" if self._is_plain else "strips"
        if self.storage == "rows":
            self._stored_chunks = band_of_rows(self.shape, self.axes, self.dtype.itemsize)
        elif not self._is_plain:
            # From afar whole chunks come at the price of some of their rows, and are kept.
            self._rows_apart = not self._is_remote and self._has_rows_apart(page)
            if not self._rows_apart:
                self._chunk_bytes = math.prod(self._stored_chunks) * self._stored_dtype.itemsize
        self.chunks = self._stored_chunks
        samples = Samples.of(page, labels=self._is_labels)
        if set(stored.inner_axes) - set("YXS"):
            samples = samples.apart()
        self._samples = samples
        self.layout, self.is_premultiplied = samples.layout, samples.is_premultiplied
        self.dtype = samples.dtype
        self._notes += samples.notes
        # Of the stored pixels, and of those that are handed out.
        self._sample_axis = axis_of(self.axes, "S")
        if samples.channels and self._sample_axis is None:
            self.axes += "S"
            self.shape, self.chunks = (*self.shape, 0), (*self.chunks, 0)
        axis = axis_of(self.axes, "S")
        if axis is not None and samples.mixes:
            self._set_samples(axis, samples.channels)
        elif axis is None and self.layout != PALETTE:
            self.layout = GREY

    def _set_samples(self, axis: int, count: int) -> None:
        """Set the number of samples of the pixels that are handed out, all in one chunk."""
        shape, chunks = list(self.shape), list(self.chunks)
        shape[axis] = chunks[axis] = count
        self.shape, self.chunks = tuple(shape), tuple(chunks)

    def _describe(
        self,
        handle: tifffile.TiffFile,
        base: tifffile.TiffPageSeries,
        chosen: tifffile.TiffPageSeries,
    ) -> None:
        """Set what the file says of the image and its levels."""
        self.format, self.is_described = format_of(base), is_structured(handle)
        axis = axis_of(self.axes, "S")
        self.level_shapes = tuple(
            self._handed_out(self._stored_shape(level), axis) for level in base.levels
        )
        told, words, notes = described(handle, self.series, self.level)
        steps = level_steps(base, chosen)
        metadata, troubles = metadata_of(base.keyframe, steps, description=words)
        metadata = merged(metadata, told)
        if base.kind == "bif":
            metadata = metadata.without(["xmp"])  # its own XML on tiles, in XMP's tag
        nodata, unheard = self._samples.nodata(metadata.nodata)
        self.metadata = replace(metadata, bits=self._samples.bits, nodata=nodata)
        # A cloud-optimized GeoTIFF stays one: its levels go along by tiles.
        is_cog = metadata.georeference is not None and len(base.levels) > 1
        self.is_described |= is_cog and base.keyframe.is_tiled
        self.details = details_of(chosen.keyframe)
        if self._is_labels and self._samples.palette is not None:
            self.details["palette"] = self._samples.palette
        if codes.PAGE_NAME in base.keyframe.tags and not self.metadata.pages:
            pages = tuple(page_of(page.aspage()) for page in base if page is not None)
            self.metadata = replace(self.metadata, pages=pages)
        beside = neighbour_notes(handle.filehandle.path, metadata.georeference)
        self._notes += notes + troubles + beside + unheard
        if self.series_count > 1:
            self.series_note = series_note(handle, self.series)
            self._notes += (self.series_note,)

    def _handed_out(self, stored: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
        """Return the shape of a level's pixels by that of what is stored."""
        if axis is None:
            return stored
        behind = stored[axis + 1 :] if len(stored) == len(self.shape) else ()
        return (*stored[:axis], self.shape[axis], *behind)

    def _stored_shape(self, level: tifffile.TiffPageSeries) -> tuple[int, ...]:
        """Return the shape of a level, of as many axes as the one that is read."""
        shape = level.shape
        if len(shape) != len(self._layout.shape):
            shape = level.get_shape(squeeze=True)
        return tuple(map(int, shape))

    def _turn(self, orientation: int) -> None:
        """Turn what has been read of the structure upright; regions are turned as they are read."""
        self.orientation = orientation
        self._plane_axes = self.axes.index("Y"), self.axes.index("X")
        rows, cols = (self.shape[axis] for axis in self._plane_axes)
        self.metadata, notes = self.metadata.turned_upright(orientation, (rows, cols))
        self._notes += notes
        if orientation in TRANSPOSED:
            self.shape, self.chunks = self._swapped(self.shape), self._swapped(self.chunks)
            self.level_shapes = tuple(self._swapped(shape) for shape in self.level_shapes)

    def _swapped(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """Exchange rows and columns."""
        rows, cols = self._plane_axes
        swapped = list(lengths)
        swapped[rows], swapped[cols] = lengths[cols], lengths[rows]
        return tuple(swapped)

    def _too_large(self, needed: str, allowed: str) -> str:
        return (
            f"one compressed tile of {self._stored_chunks} takes {needed} in memory, {allowed} "
            "allowed: write it in smaller tiles first"
        )

    def close(self) -> None:
        """Close the file and forget its chunks; again is no error."""
        super().close()
        for file in self._files.values():
            file.close()

    # -- pixels ---------------------------------------------------------------------------

    def _read_region(self, region: Region) -> NDArray[Any]:
        stored = stored_region(region, self.orientation, self._plane_axes, self.shape)
        samples, axis = self._samples, axis_of(self.axes, "S")
        inner, wanted = list(stored), slice(None)
        if axis is not None and samples.mixes:
            # All samples of a pixel are needed.
            wanted = stored[axis]
            whole = [] if self._sample_axis is None else [slice(0, self._layout.shape[axis])]
            inner[axis : axis + 1] = whole
        if self._is_plain:
            values = self._read_plain(tuple(inner))
        else:
            values = self._read_by_chunks(tuple(inner), self._stored_chunks, self._stored_dtype)
        pixels = self._as_pixels(values, stored)
        if axis is not None and samples.mixes:
            pixels = pixels[(slice(None),) * axis + (wanted,)]
        return upright(pixels, self.orientation, self._plane_axes)

    def _as_pixels(self, values: NDArray[Any], stored: Region) -> NDArray[Any]:
        """Return the pixels of a region's stored values."""
        if self._own_samples is None:
            return self._samples.pixels(values, self._sample_axis)
        lead = len(self._layout.lead)
        axis = None if self._sample_axis is None else self._sample_axis - lead
        pages = []
        for position in np.ndindex(values.shape[:lead]):
            at = [index + extent.start for index, extent in zip(position, stored, strict=False)]
            own = self._own_samples[self._layout.page_number(at)]
            pages.append(own.pixels(values[position], axis))
        return np.stack(pages).reshape(*values.shape[:lead], *pages[0].shape)

    def _read_plain(self, region: Region) -> NDArray[Any]:
        """Read a region whose pixels lie in the file as they are."""
        out = np.empty([extent.stop - extent.start for extent in region], self._stored_dtype)
        stored = self._stored_dtype.newbyteorder(self._page_order)
        if self._block is not None:
            file, offset = self._block
            file.read_array(offset, self._layout.shape, stored, region, out)
            return out
        lead = len(self._layout.lead)
        for position in np.ndindex(out.shape[:lead]):
            number = self._layout.page_number(
                [index + extent.start for index, extent in zip(position, region, strict=False)]
            )
            page = self._pages[number]
            if page is None:
                out[position] = self._filled(f"page {number}", out.shape[lead:])
                continue
            page.file.read_array(
                int(page.offsets[0]), self._layout.inner, stored, region[lead:], out[position]
            )
        return out

    def _has_rows_apart(self, page: tifffile.TiffPage) -> bool:
        """Whether rows of chunks can be read alone: they are neither decoded nor kept."""
        is_stored = int(page.compression) == codes.NO_COMPRESSION and int(page.predictor) == 1
        bits = 8 * self._stored_dtype.itemsize
        are_whole = set(bits_of(page)) == {bits} and int(page.fillorder) == 1
        is_apart = is_stored and are_whole and page.dtype == self._stored_dtype
        return is_apart and not is_subsampled(page)

    def _copy_chunk(
        self, position: tuple[int, ...], region: Region, chunks: tuple[int, ...], out: NDArray[Any]
    ) -> None:
        """Copy what a chunk holds of a region; of one that is stored plain, rows alone are read."""
        lead = len(self._layout.lead)
        page = self._pages[self._layout.page_number(position[:lead])] if self._rows_apart else None
        if page is None:
            super()._copy_chunk(position, region, chunks, out)
            return
        number = self._layout.chunk_number(position[lead:])
        rows = next((axis for axis, length in enumerate(chunks) if length > 1), 0)
        row_bytes = math.prod(chunks[rows + 1 :]) * self._stored_dtype.itemsize
        offset, count = int(page.offsets[number]), int(page.counts[number])
        if not offset or count != chunks[rows] * row_bytes:
            super()._copy_chunk(position, region, chunks, out)
            return
        bounds = (
            (index * length, (index + 1) * length)
            for index, length in zip(position, chunks, strict=True)
        )
        source, target = overlap(bounds, region)
        first, stop = source[rows].start, source[rows].stop
        data = page.file.read(offset + first * row_bytes, (stop - first) * row_bytes)
        stored = np.frombuffer(data, self._stored_dtype.newbyteorder(self._page_order))
        stored = stored.reshape((*chunks[:rows], stop - first, *chunks[rows + 1 :]))
        out[target] = stored[(*source[:rows], slice(None), *source[rows + 1 :])]

    def _read_chunk(self, position: tuple[int, ...]) -> NDArray[Any]:
        lead = len(self._layout.lead)
        number = self._layout.page_number(position[:lead])
        chunk = self._layout.chunk_number(position[lead:])
        page = self._pages[number]
        if page is None:
            return self._filled(f"page {number}", self._stored_chunks)
        name = self._layout.chunk_name(number, chunk)
        if self._is_for_libtiff:
            return self._decoded_page(number).reshape(self._stored_chunks)
        offset, count = int(page.offsets[chunk]), int(page.counts[chunk])
        if not offset or not count:
            return self._filled(name, self._stored_chunks)
        data = page.file.read(offset, count)
        try:
            pixels = self._decode(data, chunk, page.tables)[None][self._layout.squeeze]
        except Exception as error:
            raise FileError(f"{page.file.path}: {name} is damaged: {one_line(error)}") from error
        return pixels.reshape((1,) * lead + pixels.shape)

    def _decoded_page(self, number: int) -> NDArray[Any]:
        """Return the values of a page that has no decoder for its chunks."""
        with (
            self._reopening,
            guarded_decoding(2**62),
            self._file(self.path).stream() as stream,
            self._opened(stream) as opened,
        ):
            page = opened.handle.series[self.series].levels[self.level][number]
            if page is None:
                raise FileError(f"{self.path}: page {number} is missing")
            values = page_values(stream, page.aspage())
        if self._layout.inner_axes.startswith("S"):
            values = np.moveaxis(values, -1, 0)
        return values

    def _filled(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        if self._missing_is_error:
            raise FileError(f"{self.path}: {name} is missing")
        return np.full(shape, getattr(self, "_nodata", 0), self._stored_dtype)

    def _chunk_name(self, position: tuple[int, ...]) -> str:
        lead = len(self._layout.lead)
        return self._layout.chunk_name(
            self._layout.page_number(position[:lead]), self._layout.chunk_number(position[lead:])
        )


def _own_samples(
    path: str, series: tifffile.TiffPageSeries, *, labels: bool
) -> list[Samples] | None:
    """Return how each page becomes pixels, where pages have palettes of their own; else None.

    Raises
    ------
    FileError
        If pages are turned, each in a way of its own; or labels have several palettes.
    """
    if len(series) < 2 or series.kind not in {"uniform", "generic"}:
        return None
    pages = [item.aspage() for item in series if item is not None and not item.is_virtual]
    what = ""
    if len({orientation_of(page) for page in pages}) > 1:
        what = "orientation"
    is_indexed = int(series.keyframe.photometric) == codes.PALETTE and len(pages) == len(series)
    if not is_indexed or len({np.asarray(page.colormap).tobytes() for page in pages}) == 1:
        own = None
    elif labels:
        what = "palette"
    else:
        own = [Samples.of(page) for page in pages]
    if what:
        raise FileError(f"{path}: its pages differ in {what}: leave --tile out, or split the file")
    return own


def _check_kind(path: str, series: tifffile.TiffPageSeries) -> None:
    """Refuse what is no image of rows and columns, or cannot be decoded by tiles."""
    import tifffile

    page = series.keyframe
    if 0 in series.shape or page.imagewidth < 1 or page.imagelength < 1:
        raise FileError(f"{path}: declares an image without pixels: {series.shape}")
    if "Y" not in series.axes or "X" not in series.axes or series.transform is not None:
        raise FileError(
            f"{path}: a series of shape {series.shape} with axes {series.axes} is not "
            "supported: images of rows and columns are"
        )
    if is_for_libtiff(page):
        return
    try:
        if int(page.compression) != 1:
            _ = tifffile.TIFF.DECOMPRESSORS[page.compression]
        if int(page.predictor) != 1 and int(page.compression) not in codes.JPEG:
            _ = tifffile.TIFF.UNPREDICTORS[page.predictor]
    except KeyError as error:
        raise FileError(f"{path}: compression {one_line(error.args[0])}") from error
