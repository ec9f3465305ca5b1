"""BigTIFF and OME-TIFF with a pyramid in SubIFDs, written block by block in any order.

tifffile writes the file's structure first, every directory with empty tiles. Encoded tiles
are then appended as they come, and noted in a journal; in the end the directories are told
where their tiles lie. So nothing is held back or copied, and interrupted work goes on from
the journal.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.journal import FileJournal
from lerf_core.io.tiled_writer import Pixels, Region, WriterSpec, partial_paths, unwritable

__all__ = ["TiffWriter"]

_OFFSETS, _COUNTS = 324, 325
_CODES = {"none": 1, "deflate": 8, "zstd": 50000, "lzw": 5}
_EFFORT = {"deflate": 4, "zstd": 1}
# Names of units in OME-XML, by those of OME-Zarr.
_UNITS = {
    "micrometer": "µm", "nanometer": "nm", "picometer": "pm", "millimeter": "mm",
    "centimeter": "cm", "meter": "m", "kilometer": "km", "angstrom": "Å", "inch": "in",
    "foot": "ft",
}  # fmt: skip
_DATE = re.compile(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d")
_OME_TYPES = frozenset({
    "bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64",
})  # fmt: skip
# Bytes at either end of a tile that are looked at when work is resumed.
_END = 1024
# Tiles of upper levels that are made side by side.
_AHEAD = 4

#: Level, page, tile's number in the page, and its data.
Tile = tuple[int, int, int, bytes]


@dataclass(frozen=True)
class TiffEncoder:
    """Compresses the tiles of a region, and of the levels above."""

    spec: WriterSpec

    def encode(self, region: Region, pixels: Pixels) -> list[Tile]:
        """See `lerf_core.io.tiled_writer.Encoder`."""
        return [
            tile
            for level, part, smaller in self.spec.levels_of(region, pixels)
            for tile in self.level(level, part, smaller)
        ]

    def level(self, level: int, region: Region, pixels: Pixels) -> list[Tile]:
        """Compress a region of a level."""
        spec = self.spec
        rows, cols = spec.plane_axes
        tiles = []
        for place in spec.tiles(region):
            part = []
            for axis, (number, inside) in enumerate(zip(place, region, strict=True)):
                if axis in (rows, cols):
                    side = spec.tile[(rows, cols).index(axis)]
                    first = number * side - inside.start
                    part.append(slice(first, first + side))
                elif axis == spec.channel_axis:
                    part.append(slice(None))
                else:
                    part.append(slice(number - inside.start, number - inside.start + 1))
            tile = pixels[tuple(part)]
            for sample, plane in self.planes(tile):
                page, number = self.number(level, place, sample)
                tiles.append((level, page, number, self._compressed(plane)))
        return tiles

    def number(self, level: int, place: tuple[int, ...], sample: int) -> tuple[int, int]:
        """Return the page and the number in it of a tile."""
        spec = self.spec
        rows, cols = spec.plane_axes
        shape = spec.level_shapes[level]
        page = 0
        for axis, number in enumerate(place):
            if axis not in (rows, cols, spec.channel_axis):
                page = page * shape[axis] + number
        down, across = (
            -(-shape[axis] // side) for axis, side in zip((rows, cols), spec.tile, strict=True)
        )
        return page, (sample * down + place[rows]) * across + place[cols]

    def planes(self, tile: Pixels) -> Iterator[tuple[int, Pixels]]:
        """Yield sample numbers and (rows, cols[, samples]) of a tile; one where interleaved."""
        axis = self.spec.channel_axis
        if axis is not None and axis < self.spec.plane_axes[0]:
            for sample, plane in enumerate(np.moveaxis(tile, axis, 0)):
                yield sample, plane.reshape(plane.shape[-2:])
        else:
            depth = 2 if axis is None else 3
            yield 0, tile.reshape(tile.shape[-depth:])

    def _compressed(self, tile: Pixels) -> bytes:
        missing = [
            (0, side - have) for side, have in zip(self.spec.tile, tile.shape[:2], strict=True)
        ]
        if any(more for _, more in missing):
            # Compresses well, and looks well in viewers that show a tile's rest.
            tile = np.pad(tile, [*missing, *([(0, 0)] * (tile.ndim - 2))], mode="edge")
        if tile.dtype == np.bool_:
            return _compress(np.packbits(tile, axis=1), self.spec)
        return _compress(np.ascontiguousarray(tile, tile.dtype.newbyteorder("<")), self.spec)


def _mark(start: bytes, end: bytes) -> int:
    """Return a checksum of a tile's ends, which tell whether it came to the disk."""
    return zlib.crc32(end, zlib.crc32(start))


def _compress(tile: Pixels, spec: WriterSpec) -> bytes:
    level = spec.compression_level
    if level is None:
        level = _EFFORT.get(spec.compression)
    if spec.compression == "none":
        return tile.tobytes()
    codecs = _codecs(spec.compression)
    if codecs is None:
        return zlib.compress(tile.tobytes(), -1 if level is None else level)
    if spec.compression == "lzw":
        return bytes(codecs.lzw_encode(tile.tobytes()))
    if spec.compression == "zstd":
        return bytes(codecs.zstd_encode(tile.tobytes(), level=level))
    return bytes(codecs.zlib_encode(tile.tobytes(), level=level))


def _decompress(data: bytes, spec: WriterSpec, size: int) -> bytes:
    if spec.compression == "none":
        return data
    codecs = _codecs(spec.compression)
    if codecs is None:
        return zlib.decompress(data)
    if spec.compression == "lzw":
        return bytes(codecs.lzw_decode(data, out=size))
    if spec.compression == "zstd":
        return bytes(codecs.zstd_decode(data))
    return zlib.decompress(data)


def _codecs(compression: str) -> Any:
    """Return imagecodecs; None where Deflate can do without.

    Raises
    ------
    FileError
    """
    try:
        import imagecodecs
    except ModuleNotFoundError as error:
        if compression == "deflate":
            return None
        raise FileError(
            f"TIFF with {compression} needs imagecodecs: pip install 'lerf[large]'"
        ) from error
    return imagecodecs


class TiffWriter:
    """See `lerf_core.io.tiled_writer.TiledWriter`."""

    def __init__(self, path: Path, spec: WriterSpec, *, resume: bool) -> None:
        _check_fits(spec)
        self._path, self._spec = path, spec
        self.encoder = TiffEncoder(spec)
        self.block_multiple = spec.block_multiple
        self._partial, journal = partial_paths(path)
        resume = resume and self._partial.exists()
        self._journal = FileJournal(journal, spec.head(), resume=resume)
        if not self._journal.entries():  # a partial without a journal may be anything
            try:
                _write_structure(self._partial, spec)
            except BaseException:
                self._journal.remove()
                self._partial.unlink(missing_ok=True)
                raise
        # Where each tile lies, by level, page and number.
        self._places: dict[tuple[int, int, int], tuple[int, int]] = {}
        self._lock = threading.Lock()
        self.finished_count = 0
        self._file = self._partial.open("r+b", buffering=0)
        self._end = self._file.seek(0, os.SEEK_END)
        known = self._journal.entries()
        # What a full disk or a fall of the whole machine cut short does not count.
        whole = [entry for entry in known if all(self._is_whole(tile) for tile in entry)]
        if len(whole) < len(known):
            self._journal.keep(whole)
        for entry in whole:
            self._note(entry)

    def _is_whole(self, tile: list[int]) -> bool:
        *_, offset, count, mark = tile
        if offset + count > self._end:
            return False
        length = min(count, _END)
        start, end = self._data(offset, length), self._data(offset + count - length, length)
        return _mark(start, end) == mark

    def _data(self, offset: int, count: int) -> bytes:
        with self._lock:
            self._file.seek(offset)
            return self._file.read(count)

    def _note(self, entry: list[list[int]]) -> None:
        for level, page, number, offset, count, _ in entry:
            self._places[level, page, number] = (offset, count)
        self.finished_count += 1

    def is_finished(self, region: Region) -> bool:
        """See `TiledWriter`."""
        return all(
            (0, *self.encoder.number(0, place, 0)) in self._places
            for place in self._spec.tiles(region)
        )

    def record(self, parcel: list[Tile]) -> None:
        """See `TiledWriter`."""
        entry = self._append(parcel)
        self._journal.add(entry)
        self._note(entry)

    def _append(self, tiles: list[Tile]) -> list[list[int]]:
        entry = []
        try:
            for level, page, number, data in tiles:
                rest = memoryview(data)
                with self._lock:
                    self._file.seek(self._end)
                    while rest:
                        rest = rest[self._file.write(rest) :]
                mark = _mark(data[:_END], data[-_END:])
                entry.append([level, page, number, self._end, len(data), mark])
                # Offsets are even, as TIFF asks.
                self._end += len(data) + len(data) % 2
        except OSError as error:
            raise unwritable(self._path, error) from error
        return entry

    def commit(self) -> None:
        """See `TiledWriter`."""
        try:
            for level in range(1, len(self._spec.level_shapes)):
                self._make_level(level)
            self._file.flush()
            self._file.close()
            self._tell_places()
            with self._partial.open("r+b") as file:
                os.fsync(file.fileno())
            self._partial.replace(self._path)
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise unwritable(self._path, error) from error
        self._journal.remove()

    def abandon(self, *, keep: bool) -> None:
        """See `TiledWriter`."""
        self._file.close()
        if keep and self.finished_count:
            self._journal.close()
            return
        self._journal.remove()
        self._partial.unlink(missing_ok=True)

    # -- upper levels -----------------------------------------------------------------

    def _make_level(self, level: int) -> None:
        """Make the tiles of a level that are not there, each from the four below it."""
        whole = tuple(slice(0, size) for size in self._spec.level_shapes[level])
        todo = [
            place for place in self._spec.tiles(whole)
            if (level, *self.encoder.number(level, place, 0)) not in self._places
        ]  # fmt: skip
        with ThreadPoolExecutor(_AHEAD) as pool:
            for first in range(0, len(todo), _AHEAD):
                some = todo[first : first + _AHEAD]
                for tiles in pool.map(lambda place: self._tile_above(level, place), some):
                    self._journal.add(entry := self._append(tiles))
                    self._note(entry)

    def _tile_above(self, level: int, place: tuple[int, ...]) -> list[Tile]:
        spec = self._spec
        region = spec.region_below(level, place)
        return self.encoder.level(
            level, spec.halved_region(region), spec.halved(self._read(level - 1, region))
        )

    def _read(self, level: int, region: Region) -> Pixels:
        """Read a region of whole tiles back."""
        spec = self._spec
        rows, cols = spec.plane_axes
        out = np.empty([part.stop - part.start for part in region], spec.dtype)
        for place in spec.tiles(region):
            target = []
            for axis, (number, inside) in enumerate(zip(place, region, strict=True)):
                if axis in (rows, cols):
                    side = spec.tile[(rows, cols).index(axis)]
                    first = number * side - inside.start
                    target.append(slice(first, min(first + side, inside.stop - inside.start)))
                elif axis == spec.channel_axis:
                    target.append(slice(None))
                else:
                    first = number - inside.start
                    target.append(slice(first, first + 1))
            part = out[tuple(target)]
            for sample, plane in self.encoder.planes(part):
                plane[...] = self._tile(level, place, sample)[: plane.shape[0], : plane.shape[1]]
        return out

    def _tile(self, level: int, place: tuple[int, ...], sample: int) -> Pixels:
        spec = self._spec
        offset, count = self._places[level, *self.encoder.number(level, place, sample)]
        data = self._data(offset, count)
        axis = spec.channel_axis
        shape: tuple[int, ...] = spec.tile
        if axis is not None and axis > spec.plane_axes[0]:
            shape = (*shape, spec.shape[axis])
        if spec.dtype == np.bool_:
            packed = _decompress(data, spec, math.prod(shape) // 8)
            bits = np.frombuffer(packed, np.uint8).reshape(shape[0], -1)
            return np.unpackbits(bits, axis=1).astype(np.bool_)
        stored = spec.dtype.newbyteorder("<")
        raw = _decompress(data, spec, math.prod(shape) * spec.dtype.itemsize)
        return np.frombuffer(raw, stored).reshape(shape)

    # -- directories ------------------------------------------------------------------

    def _tell_places(self) -> None:
        """Write into the directories where their tiles lie."""
        import tifffile

        with tifffile.TiffFile(self._partial, mode="r+") as file:
            for number, page in enumerate(_directories(file)):
                levels = [page, *(page.pages or ())] if len(self._spec.level_shapes) > 1 else [page]
                for level, directory in enumerate(levels):
                    whole = directory.aspage()
                    count = len(whole.dataoffsets)
                    places = [self._places[level, number, tile] for tile in range(count)]
                    for code, values in zip(
                        (_OFFSETS, _COUNTS), zip(*places, strict=True), strict=True
                    ):
                        value = values[0] if count == 1 else values
                        whole.tags[code].overwrite(value, dtype="Q")


def _directories(file: Any) -> Iterator[Any]:
    for page in file.pages:
        yield page.aspage()


def _check_fits(spec: WriterSpec) -> None:
    if spec.compression in ("zstd", "lzw"):
        _codecs(spec.compression)
    axis = spec.channel_axis
    rows, cols = spec.plane_axes
    order = [at for at in range(len(spec.shape)) if at not in (rows, cols, axis)]
    wanted = (
        [*order, rows, cols] if axis is None
        else [*order, rows, cols, axis] if axis > cols else [*order, axis, rows, cols]
    )  # fmt: skip
    if wanted != list(range(len(spec.shape))):
        raise FileError(f"axes {spec.axes} do not go into TIFF: YX, YXS or SYX come last")
    if spec.dtype == np.bool_ and axis is not None:
        raise FileError("booleans with several samples do not go into TIFF")
    if spec.format == "OME-TIFF" and spec.dtype.name not in _OME_TYPES:
        raise FileError(f"OME-TIFF holds no {spec.dtype}: name the output .tif or .zarr")
    if spec.format == "TIFF" and order:
        raise FileError(f"axes {spec.axes} go into OME-TIFF: name the output .ome.tif")


def _write_structure(path: Path, spec: WriterSpec) -> None:
    """Write a TIFF whose tiles are all empty."""
    import tifffile

    ome = spec.format == "OME-TIFF"
    shapes = spec.level_shapes
    with tifffile.TiffWriter(path, bigtiff=True, ome=ome) as writer:
        for level, shape in enumerate(shapes):
            writer.write(
                itertools.repeat(b"", _tile_count(spec, level)),
                shape=shape,
                dtype=spec.dtype,
                tile=spec.tile,
                compression=_CODES[spec.compression],
                subifds=len(shapes) - 1 if level == 0 else 0,
                subfiletype=1 if level else 0,
                **_kind(spec),
                **(_words(spec, ome=ome) if level == 0 else {"metadata": None, "software": False}),
            )


def _tile_count(spec: WriterSpec, level: int) -> int:
    shape = spec.level_shapes[level]
    rows, cols = spec.plane_axes
    count = -(-shape[rows] // spec.tile[0]) * -(-shape[cols] // spec.tile[1])
    interleaved = spec.channel_axis is not None and spec.channel_axis > cols
    for axis, size in enumerate(shape):
        if axis not in (rows, cols) and not (axis == spec.channel_axis and interleaved):
            count *= size
    return count


def _kind(spec: WriterSpec) -> dict[str, Any]:
    """Return what a directory says of the samples."""
    axis = spec.channel_axis
    samples = 1 if axis is None else spec.shape[axis]
    known = str(spec.info.get("photometric", "")).lower()
    colours = samples - spec.has_alpha
    photometric = "rgb" if colours == 3 else "minisblack"
    if known in ("separated", "cmyk") and samples >= 4:
        photometric, colours = "separated", 4
    elif known == "miniswhite" and samples == 1:
        photometric = "miniswhite"
    elif photometric == "minisblack":
        colours = 1
    kind: dict[str, Any] = {"photometric": photometric}
    if samples > 1:
        planes = axis is not None and axis < spec.plane_axes[0]
        kind["planarconfig"] = "separate" if planes else "contig"
    if samples > colours:
        alpha = "assocalpha" if spec.is_premultiplied else "unassalpha"
        extra = ["unspecified"] * (samples - colours)
        if spec.has_alpha:
            extra[-1] = alpha
        kind["extrasamples"] = extra
    return kind


def _words(spec: WriterSpec, *, ome: bool) -> dict[str, Any]:
    """Return what the first directory says of the image."""
    info = spec.info
    words: dict[str, Any] = {"software": str(info.get("software") or "").encode() or False}
    if _DATE.fullmatch(str(info.get("datetime"))):
        words["datetime"] = str(info["datetime"])
    if spec.icc is not None:
        words["iccprofile"] = spec.icc
    if spec.resolution_dpi is not None:
        words["resolution"], words["resolutionunit"] = spec.resolution_dpi, "inch"
    # As UTF-8: tifffile takes no other text than ASCII.
    tags = [
        (code, 2, 0, str(info[name]).encode() + b"\0", True)
        for code, name in _TEXTS if info.get(name)
    ]  # fmt: skip
    if info.get("xmp"):
        tags.append((700, 1, len(info["xmp"]), bytes(info["xmp"]), True))
    if tags:
        words["extratags"] = tags
    if not ome:
        words["metadata"] = None
        if info.get("description"):
            words["description"] = str(info["description"]).encode()
        return words
    metadata: dict[str, Any] = {"axes": spec.axes}
    size = spec.pixel_size
    if size is not None:
        metadata |= {"PhysicalSizeX": size.col, "PhysicalSizeY": size.row}
        # Without a unit OME-XML would mean micrometres.
        unit = _UNITS.get(size.unit, "reference frame")
        metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    names = info.get("channel_names")
    if names and "C" in spec.axes and len(names) == spec.shape[spec.axes.index("C")]:
        metadata["Channel"] = {"Name": list(names)}
    words["metadata"] = metadata
    return words


_TEXTS = (
    (269, "document_name"),
    (271, "make"),
    (272, "model"),
    (315, "artist"),
    (316, "host_computer"),
    (33432, "copyright"),
)
