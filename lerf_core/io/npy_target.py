"""A .npy file, written region by region at the places where its rows lie."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lerf_core.io.journal import FileJournal
from lerf_core.io.targets import (
    Pixels,
    Region,
    StoredTiles,
    TargetSpec,
    partial_paths,
    unwritable,
)

__all__ = ["NpyTarget"]


@dataclass(frozen=True)
class NpyEncoder:
    """Writes regions into the partial file."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    spec: TargetSpec

    def encode(self, region: Region, pixels: Pixels) -> list[list[int]]:
        """Write a region; return where it lies."""
        # Without a memory map: its pages would count as the program's memory.
        whole = np.ascontiguousarray(pixels, self.dtype)
        # What follows the last axis along which the region is a part only is one run of bytes.
        split = max(
            (axis for axis, part in enumerate(region) if part != slice(0, self.shape[axis])),
            default=0,
        )
        steps = np.cumprod([1, *self.shape[::-1]])[:-1][::-1]
        with open(self.path, "r+b", buffering=0) as file:  # noqa: PTH123
            for index in np.ndindex(whole.shape[:split]):
                places = [part.start + i for part, i in zip(region, index, strict=False)]
                places += [part.start for part in region[split:]]
                offset = int(np.dot(places, steps)) * self.dtype.itemsize
                file.seek(self.start + offset)
                data = memoryview(np.atleast_1d(whole[index]).data).cast("B")
                while data:
                    data = data[file.write(data) :]
        return [[0, *tile] for tile in self.spec.tiles(region)]


class NpyTarget(StoredTiles):
    """See `lerf_core.io.targets.Target`."""

    def __init__(self, path: Path, spec: TargetSpec, *, resume: bool) -> None:
        self._path = path
        self._partial, journal = partial_paths(path)
        resume = resume and self._partial.exists()
        super().__init__(spec, FileJournal(journal, spec.head(), resume=resume))
        resume = self.finished_count > 0  # a partial without a journal may be anything
        header = {
            "descr": np.lib.format.dtype_to_descr(spec.dtype),
            "fortran_order": False,
            "shape": spec.shape,
        }
        with self._partial.open("r+b" if resume else "wb") as file:
            np.lib.format.write_array_header_2_0(file, header)
            start = file.tell()
            file.truncate(start + int(np.prod(spec.shape, dtype=object)) * spec.dtype.itemsize)
        self.encoder = NpyEncoder(str(self._partial), spec.shape, spec.dtype, start, spec)

    def commit(self) -> None:
        """See `Target`."""
        try:
            with self._partial.open("r+b") as file:
                os.fsync(file.fileno())
            self._partial.replace(self._path)
        except OSError as error:
            raise unwritable(self._path, error) from error
        self._journal.remove()

    def abandon(self, *, keep: bool) -> None:
        """See `Target`."""
        if keep and self.finished_count:
            self._journal.close()
            return
        self._journal.remove()
        self._partial.unlink(missing_ok=True)
