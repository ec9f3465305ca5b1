"""Files in remote storage, read by ranges of bytes: by fsspec, at any place by any thread."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError, one_line
from lerf_core.io.locations import REMOTE_READS
from lerf_core.io.tiles.pixel_file import PixelFile
from lerf_core.threads import run_all

__all__ = ["RemoteFile"]

# Bytes of a block of what a stream keeps, and how many blocks: directories, not pixels.
_BLOCK_BYTES, _BLOCKS = 1 << 16, 128
# Rows are read together while no more bytes than these lie unused between two of them.
_GAP_BYTES = 1 << 16
_MOST_TOGETHER = 4 << 20
# Seconds before a range is asked for again.
_WAITS = (0.2, 1.0, 3.0)
# What a description of a file says of its contents; each storage has some of them.
_STATE = (
    "ETag", "etag", "Content-MD5", "Last-Modified", "LastModified", "last_modified", "mtime",
    "updated", "created",
)  # fmt: skip
_Result = TypeVar("_Result")


class RemoteFile(PixelFile):
    """A file at an address of fsspec's, of which no more is read than what is asked for.

    Parameters
    ----------
    path : str
        The address.

    Raises
    ------
    FileError
        If it is not there, or its storage gives no parts of files.
    """

    _is_closed = False

    def _open(self) -> int:
        try:
            import fsspec
        except ImportError as error:
            raise FileError(
                f"{self.path}: reading addresses needs the package fsspec: pip install "
                "'lerf[large]'"
            ) from error
        self._system, self._place = self._done(lambda: fsspec.core.url_to_fs(self.path))
        self._info = dict(self._done(lambda: self._system.info(self._place)))
        size = self._info.get("size")
        if self._info.get("type") == "directory" or not isinstance(size, int):
            raise FileError(f"{self.path}: no file of a known size lies there")
        if not size:
            raise FileError(f"{self.path}: is empty")
        if not self._gives_parts(size):
            raise FileError(
                f"{self.path}: its server gives no parts of files (HTTP ranges): download it first"
            )
        return size

    @property
    def _is_http(self) -> bool:
        protocols = self._system.protocol
        return bool(
            {"http", "https"} & set([protocols] if isinstance(protocols, str) else protocols)
        )

    def _gives_parts(self, size: int) -> bool:
        """Whether parts of the file can be had: some servers of HTTP send all of it whatever."""
        if not self._is_http:
            return True
        if self._info.get("partial") is False:
            return False
        if size < 2:
            return True
        try:
            with self._system.open(self._place, "rb", cache_type="none") as stream:
                stream.seek(size - 1)
                return len(stream.read(1)) == 1
        except ValueError:  # the answer was more than that byte: it was not read
            return False
        except Exception as error:
            raise self._failed(error) from error

    def _done(self, work: Callable[[], _Result]) -> _Result:
        """Return what work on the storage gives; its errors are told in one line."""
        try:
            return work()
        except Exception as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> FileError:
        if isinstance(error, FileNotFoundError):
            cause = error.__cause__
            # fsspec calls so whatever HTTP does not give: refused connections and requests, too.
            is_missing = isinstance(cause, FileNotFoundError) or getattr(cause, "status", 0) == 404
            if not self._is_http or not isinstance(cause, Exception) or is_missing:
                return FileError(f"{self.path}: no such file")
            error = cause
        return FileError(f"{self.path}: {one_line(error) or type(error).__name__}")

    @property
    def fingerprint(self) -> str:
        """A text that stays the same as long as the file does, by what its storage says of it."""
        states = [f"{name} {self._info[name]}" for name in _STATE if name in self._info]
        return ", ".join([f"{self.size} bytes", *states])

    @contextmanager
    def stream(self) -> Iterator[BinaryIO]:
        """Open the file for reading here and there; blocks that were read are kept until the end.

        For one thread.
        """
        options = {"cache_type": "blockcache", "cache_options": {"maxblocks": _BLOCKS}}
        opened: Any = self._done(
            lambda: self._system.open(self._place, "rb", block_size=_BLOCK_BYTES, **options)
        )
        with opened:
            yield opened

    def _read_some(self, offset: int, count: int) -> bytes:
        if self._is_closed:
            raise FileError(f"{self.path}: read after it was closed")
        stop = min(offset + count, self.size)
        if stop <= offset:
            return b""
        data: bytes = self._done(lambda: self._range(offset, stop))
        if len(data) > count:
            raise FileError(f"{self.path}: its server sent more than the part that was asked for")
        return data

    def _range(self, start: int, stop: int) -> bytes:
        """Return a range of bytes; what fails is tried again, as a line may drop now and then."""
        for seconds in _WAITS:
            try:
                return bytes(self._system.cat_file(self._place, start, stop))
            except (FileNotFoundError, PermissionError):
                raise
            except Exception:  # noqa: BLE001 - each storage has errors of its own
                time.sleep(seconds)
        return bytes(self._system.cat_file(self._place, start, stop))

    def read_array(
        self,
        offset: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        region: tuple[slice, ...],
        out: NDArray[Any],
    ) -> None:
        """See `PixelFile`; rows that lie close to each other are read together."""
        strides = [dtype.itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        # Axes from here on lie in one piece in the file.
        axis = len(shape) - 1
        while axis > 0 and region[axis] == slice(0, shape[axis]):
            axis -= 1
        lengths = out.shape[axis:]
        run_bytes = math.prod(lengths) * dtype.itemsize
        begin = offset + sum(
            extent.start * step for extent, step in zip(region, strides, strict=True)
        )
        indices = list(np.ndindex(*out.shape[:axis]))
        starts = [
            begin + sum(number * step for number, step in zip(index, strides, strict=False))
            for index in indices
        ]

        def read(first: int, last: int) -> None:
            data = self.read(starts[first], starts[last - 1] + run_bytes - starts[first])
            for number in range(first, last):
                start = starts[number] - starts[first]
                values = np.frombuffer(data, dtype, math.prod(lengths), start)
                out[indices[number]] = values.reshape(lengths)

        run_all(read, _together(starts, run_bytes), REMOTE_READS)

    def close(self) -> None:
        """Give up the file; again is no error."""
        self._is_closed = True


def _together(starts: list[int], length: int) -> Iterator[tuple[int, int]]:
    """Yield (first, one past the last) of runs of bytes that are read together."""
    first = 0
    for number in range(1, len(starts) + 1):
        if number < len(starts):
            gap = starts[number] - (starts[number - 1] + length)
            if gap <= _GAP_BYTES and starts[number] + length - starts[first] <= _MOST_TOGETHER:
                continue
        yield first, number
        first = number
