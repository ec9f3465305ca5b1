"""BigTIFF and OME-TIFF with a pyramid in SubIFDs, written block by block in any order.

tifffile writes the file's structure first, every directory with empty tiles. Encoded tiles
are then appended as they come, and noted in a journal; in the end the tiles' offsets are written
into the directories. So nothing is held back or copied, and interrupted work goes on from
the journal.
"""

from __future__ import annotations

import os
import threading
import zlib
from pathlib import Path

from lerf_core.io.codecs.tiff.sink import MaskedTiffSink, TiffSink, Tile, tiff_sink
from lerf_core.io.codecs.tiff.structure import check_fits, write_structure, write_tile_offsets
from lerf_core.io.results.claims import Claim
from lerf_core.io.results.journal import FileJournal
from lerf_core.io.tiles.regions import Region
from lerf_core.io.tiles.tiled_writer import (
    Pixels,
    TiledWriter,
    WriterSpec,
    partial_paths,
    unwritable,
)

__all__ = ["TiffWriter"]

# Bytes at either end of a tile that are looked at when work is resumed.
_END = 1024


def _mark(start: bytes, end: bytes) -> int:
    """Return a checksum of a tile's ends, which tell whether it came to the disk."""
    return zlib.crc32(end, zlib.crc32(start))


class TiffWriter(TiledWriter):
    """See `lerf_core.io.tiles.tiled_writer.TiledWriter`."""

    sink: TiffSink | MaskedTiffSink

    def __init__(
        self, path: Path, spec: WriterSpec, claim: Claim, *, resume: bool, overwrite: bool
    ) -> None:
        check_fits(spec)
        self._partial, journal_path = partial_paths(path)
        resume = resume and self._partial.exists()
        journal = FileJournal(journal_path, spec.head(), resume=resume)
        if not journal.entries():  # a partial without a journal may be anything
            try:
                self._discard()
                write_structure(self._partial, spec)
            except BaseException:
                journal.remove()
                self._discard()
                raise
        self._lock = threading.Lock()
        self._file = self._partial.open("r+b", buffering=0)
        self._end = self._file.seek(0, os.SEEK_END)
        entries = journal.entries()
        # What a full disk or a crash of the machine cut short does not count.
        whole = [entry for entry in entries if all(self._is_whole(tile) for tile in entry)]
        if len(whole) < len(entries):
            journal.keep(whole)
        super().__init__(path, spec, tiff_sink(spec), journal, claim, overwrite=overwrite)

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

    def _key(self, level: int, tile: tuple[int, ...]) -> tuple[int, ...]:
        return (level, *self.sink.number(level, tile, 0))

    def _mark_finished(self, entry: list[list[int]]) -> None:
        """Mark tiles as finished, with where they lie, by level, page and number."""
        self._finished.update(
            ((level, page, number), (offset, count))
            for level, page, number, offset, count, _ in entry
        )
        self.finished_count += 1

    def _store(self, receipts: list[Tile]) -> list[list[int]]:
        self.claim.ticket.check()
        entry = []
        try:
            for level, page, number, data in receipts:
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

    def _complete(self) -> None:
        spec = self._spec
        made, extents = self._partial, self._finished
        try:
            if spec.has_chained_levels and len(spec.level_shapes) > 1:
                made, extents = self._ordered_path, self._write_ordered()
            self._close()
            write_tile_offsets(made, spec, extents)
            self._place(made)
        finally:
            if made != self._partial:
                made.unlink(missing_ok=True)
        self._partial.unlink(missing_ok=True)

    @property
    def _ordered_path(self) -> Path:
        return self._partial.with_name(f"{self._partial.name}.ordered")

    def _write_ordered(self) -> dict[tuple[int, ...], tuple[int, int]]:
        """Copy the file with the smallest level's tiles first, as cloud-optimized GeoTIFFs have it.

        Returns
        -------
        dict
            Where its tiles lie, as `_finished` has it.
        """
        start = min(offset for offset, _ in self._finished.values())
        extents: dict[tuple[int, ...], tuple[int, int]] = {}
        with self._ordered_path.open("wb") as file:
            file.write(self._data(0, start))
            for key in sorted(self._finished, key=lambda key: (-key[0], *key[1:])):
                data = self._data(*self._finished[key])
                extents[key] = file.tell(), len(data)
                file.write(data + b"\0" * (len(data) % 2))
        return extents

    def _close(self) -> None:
        self._file.close()

    def _discard(self) -> None:
        self._partial.unlink(missing_ok=True)
        self._ordered_path.unlink(missing_ok=True)

    def _read(self, level: int, region: Region) -> Pixels:
        return self.sink.read(level, region, lambda key: self._data(*self._finished[key]))
