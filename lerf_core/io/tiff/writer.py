"""BigTIFF and OME-TIFF with a pyramid in SubIFDs, written block by block in any order.

tifffile writes the file's structure first, every directory with empty tiles. Encoded tiles
are then appended as they come, and noted in a journal; in the end the directories are told
where their tiles lie. So nothing is held back or copied, and interrupted work goes on from
the journal.
"""

from __future__ import annotations

import os
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.journal import FileJournal
from lerf_core.io.tiff.encoder import TiffEncoder, Tile
from lerf_core.io.tiff.structure import check_fits, tell_places, write_structure
from lerf_core.io.tiled_writer import (
    Pixels,
    Region,
    TiledWriter,
    WriterSpec,
    partial_paths,
    unwritable,
)

__all__ = ["TiffWriter"]

# Bytes at either end of a tile that are looked at when work is resumed.
_END = 1024
# Tiles of upper levels that are made side by side.
_AHEAD = 4


def _mark(start: bytes, end: bytes) -> int:
    """Return a checksum of a tile's ends, which tell whether it came to the disk."""
    return zlib.crc32(end, zlib.crc32(start))


class TiffWriter(TiledWriter):
    """See `lerf_core.io.tiled_writer.TiledWriter`."""

    encoder: TiffEncoder

    def __init__(self, path: Path, spec: WriterSpec, *, resume: bool) -> None:
        check_fits(spec)
        super().__init__(spec, TiffEncoder(spec))
        self._path = path
        self._partial, journal = partial_paths(path)
        resume = resume and self._partial.exists()
        self._journal = FileJournal(journal, spec.head(), resume=resume)
        if not self._journal.entries():  # a partial without a journal may be anything
            try:
                write_structure(self._partial, spec)
            except BaseException:
                self._journal.remove()
                self._partial.unlink(missing_ok=True)
                raise
        # Where each tile lies, by level, page and number.
        self._places: dict[tuple[int, int, int], tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._file = self._partial.open("r+b", buffering=0)
        self._end = self._file.seek(0, os.SEEK_END)
        entries = self._journal.entries()
        # What a full disk or a fall of the whole machine cut short does not count.
        whole = [entry for entry in entries if all(self._is_whole(tile) for tile in entry)]
        if len(whole) < len(entries):
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
            (0, *self.encoder.number(0, position, 0)) in self._places
            for position in self._spec.tiles(region)
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
            tell_places(self._partial, len(self._spec.level_shapes), self._places)
            with self._partial.open("r+b") as file:
                os.fsync(file.fileno())
            self._partial.replace(self._path)
        except FileError:
            raise
        except OSError as error:
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
            position for position in self._spec.tiles(whole)
            if (level, *self.encoder.number(level, position, 0)) not in self._places
        ]  # fmt: skip
        with ThreadPoolExecutor(_AHEAD) as pool:
            for first in range(0, len(todo), _AHEAD):
                batch = todo[first : first + _AHEAD]
                for tiles in pool.map(partial(self._tile_above, level), batch):
                    self.record(tiles)

    def _tile_above(self, level: int, position: tuple[int, ...]) -> list[Tile]:
        spec = self._spec
        region = spec.region_below(level, position)
        return self.encoder.encode_level(
            level, spec.halved_region(region), spec.halved(self._read(level - 1, region))
        )

    def _read(self, level: int, region: Region) -> Pixels:
        """Read a region of whole tiles back."""
        out = np.empty([extent.stop - extent.start for extent in region], self._spec.dtype)
        for position in self._spec.tiles(region):
            tile = out[self._spec.tile_within(position, region)]
            for sample, plane in self.encoder.planes(tile):
                place = self._places[level, *self.encoder.number(level, position, sample)]
                stored = self.encoder.decode(self._data(*place))
                plane[...] = stored[: plane.shape[0], : plane.shape[1]]
        return out
