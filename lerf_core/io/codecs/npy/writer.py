"""Arrays of numpy are written where the regions lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lerf_core.io.results.claims import Claim, Ticket
from lerf_core.io.results.journal import FileJournal
from lerf_core.io.tiles.regions import Region
from lerf_core.io.tiles.tiled_writer import (
    Pixels,
    TiledWriter,
    TileSink,
    WriterSpec,
    partial_paths,
)

__all__ = ["NpySink", "NpyWriter"]


@dataclass(frozen=True)
class NpySink(TileSink):
    """Writes regions into the partial file, where an array begins at byte `start`."""

    path: str
    start: int
    spec: WriterSpec
    ticket: Ticket
    is_big_endian: bool = False

    def check_claim(self) -> None:
        """See `TileSink`."""
        self.ticket.check()

    def put_level(self, level: int, region: Region, pixels: Pixels) -> list[tuple[int, ...]]:
        """Write a region; return the tiles that it holds."""
        shape, dtype = self.spec.shape, self.spec.dtype
        if self.is_big_endian:
            dtype = dtype.newbyteorder(">")
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
    """See `lerf_core.io.tiles.tiled_writer.TiledWriter`."""

    def __init__(
        self, path: Path, spec: WriterSpec, claim: Claim, *, resume: bool, overwrite: bool
    ) -> None:
        self._partial, journal_path = partial_paths(path)
        resume = resume and self._partial.exists()
        journal = FileJournal(journal_path, spec.head(), resume=resume)
        resume = bool(journal.entries())  # a partial without a journal may be anything
        if not resume:
            self._discard()
        sink = self._begun(spec, claim.ticket, resume=resume)
        super().__init__(path, spec, sink, journal, claim, overwrite=overwrite)

    def _begun(self, spec: WriterSpec, ticket: Ticket, *, resume: bool) -> NpySink:
        """Make the file with room for the pixels, unless it is there already."""
        header = {
            "descr": np.lib.format.dtype_to_descr(spec.dtype),
            "fortran_order": False,
            "shape": spec.shape,
        }
        with self._partial.open("r+b" if resume else "wb") as file:
            np.lib.format.write_array_header_2_0(file, header)
            start = file.tell()
            file.truncate(start + math.prod(spec.shape) * spec.dtype.itemsize)
        return NpySink(str(self._partial), start, spec, ticket)

    def _read(self, level: int, region: Region) -> Pixels:
        raise NotImplementedError  # there is no pyramid

    def _complete(self) -> None:
        self._place(self._partial)

    def _discard(self) -> None:
        self._partial.unlink(missing_ok=True)
