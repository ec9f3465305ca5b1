"""Files read at any place by any thread: bytes, and pixels that are stored as they are."""

from __future__ import annotations

import math
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError, one_line

__all__ = ["PixelFile", "file_fingerprint", "readable_bytes"]


def readable_bytes(count: int) -> str:
    """Return a number of bytes in words, such as "1.5 GB"."""
    for unit, size in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


class PixelFile:
    """A file open for reads that do not disturb each other.

    Parameters
    ----------
    path : str

    Attributes
    ----------
    path : str
    size : int
        In bytes, when it was opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._handle: int | None = None
        self._lock = threading.Lock()
        self.size = self._open()

    def _open(self) -> int:
        """Open the file; return its size."""
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            self._handle = os.open(self.path, flags)
        except OSError as error:
            raise FileError(f"{self.path}: {one_line(error)}") from error
        return os.fstat(self._handle).st_size

    @property
    def fingerprint(self) -> str:
        """A text that stays the same as long as the file does."""
        return file_fingerprint(self.path)

    @contextmanager
    def stream(self) -> Iterator[BinaryIO]:
        """Open the file for reading here and there, for one thread."""
        with Path(self.path).open("rb") as opened:
            yield opened

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset` on.

        Raises
        ------
        FileError
            If the file ends before, or cannot be read.
        """
        blocks = []
        while count > 0:
            try:
                block = self._read_some(offset, count)
            except OSError as error:
                raise FileError(f"{self.path}: {one_line(error)}") from error
            if not block:
                raise FileError(f"{self.path}: ends at byte {offset}, where pixels should be")
            blocks.append(block)
            offset += len(block)
            count -= len(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def _read_some(self, offset: int, count: int) -> bytes:
        handle = self._opened()
        if hasattr(os, "pread"):
            return os.pread(handle, count, offset)
        with self._lock:
            os.lseek(handle, offset, os.SEEK_SET)
            return os.read(handle, count)

    def read_array(
        self,
        offset: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        region: tuple[slice, ...],
        out: NDArray[Any],
    ) -> None:
        """Copy a region of an array that lies at `offset` in C order into `out`.

        The bytes between the region's first and last pixel are mapped for this copy alone: a
        mapping of the whole file would leave all that was ever read in the resident memory.
        """
        strides = [dtype.itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        first = sum(extent.start * step for extent, step in zip(region, strides, strict=True))
        last = sum((extent.stop - 1) * step for extent, step in zip(region, strides, strict=True))
        begin, end = offset + first, offset + last + dtype.itemsize
        if end > os.fstat(self._opened()).st_size:
            raise FileError(f"{self.path}: ends before byte {end}, where pixels should be")
        aligned = begin - begin % mmap.ALLOCATIONGRANULARITY
        try:
            mapping = mmap.mmap(
                self._opened(), end - aligned, access=mmap.ACCESS_READ, offset=aligned
            )
        except (OSError, ValueError) as error:
            raise FileError(f"{self.path}: cannot be mapped: {one_line(error)}") from error
        with mapping:
            window = np.ndarray(out.shape, dtype, mapping, begin - aligned, tuple(strides))
            out[...] = window
            # A mapping cannot be closed while an array looks into it.
            del window

    def close(self) -> None:
        """Close the file; again is no error."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    def _opened(self) -> int:
        if self._handle is None:
            raise FileError(f"{self.path}: read after it was closed")
        return self._handle


def file_fingerprint(path: str, *parts: object) -> str:
    """Return a text that stays the same as long as the file and the parts do."""
    status = os.stat(path)  # noqa: PTH116 - a path of bytes or letters alike
    return " ".join(map(str, (f"{status.st_size} bytes", status.st_mtime_ns, *parts)))
