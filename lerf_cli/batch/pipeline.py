"""Work that overlaps: the next file is read, and the last one written, while one is computed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import NoReturn, Self

from lerf_core.errors import ImageTooLargeError

__all__ = ["Pipeline", "ReadFile"]

Step = Callable[[], None]


class ReadFile:
    """A file that is read, and the steps that are left.

    Parameters
    ----------
    compute, write, tell : callable
        To be called in this order; the second in another thread.
    needed : int
        Bytes that all the work on the file takes.
    """

    def __init__(self, compute: Step, write: Step, tell: Step, needed: int) -> None:
        self.compute, self.write, self.tell, self.needed = compute, write, tell, needed


#: Takes a task's number, and the bytes that other files take; reads the file. None: it is not for
#: now, and nothing has been told of it.
Attempt = Callable[[int, int], ReadFile | None]
#: Takes a task's number, and what ends its work: returns whether it was done, or raises why not.
Settle = Callable[[int, Callable[[], bool]], None]


class Pipeline:
    """Does the tasks of a batch that can overlap, in order; to be used in a ``with``.

    A thread reads, the calling one computes, another writes: three images at once at most. To read
    ahead is an attempt: where it comes to nothing, the caller does that task alone in its turn.
    Tasks are settled in order, in the calling thread.

    Parameters
    ----------
    count : int
        Of tasks.
    attempt : callable
        Reads a file if it can be read beside others; called in a thread.
    settle : callable
        Counts a task, and tells of it.
    """

    def __init__(self, count: int, attempt: Attempt, settle: Settle) -> None:
        self._count, self._attempt, self._settle = count, attempt, settle
        self._reading = ThreadPoolExecutor(1, "lerf-read")
        self._writing = ThreadPoolExecutor(1, "lerf-write")
        self._ahead: Future[ReadFile | None] | None = None
        self._written: _WrittenFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Let the write that has begun end: its file is whole then, and counts."""
        try:
            self._reading.shutdown(wait=False, cancel_futures=True)
            self._settle_written()
        finally:
            self._reading.shutdown()
            self._writing.shutdown()

    def do(self, index: int) -> bool:
        """Do a task, the one after that of the last call; return whether that could be.

        If not, it is the caller's: all tasks before it are settled, and no other is begun.
        """
        read = self._taken(index)
        if read is None:
            self._settle_written()
            return False
        if self._written is not None and self._written.future.done():
            self._settle_written()
        self._read_ahead(index + 1, read.needed + self._held())
        try:
            read.compute()
        except (MemoryError, ImageTooLargeError):
            # Alone, it may fit.
            self._drop_ahead()
            self._settle_written()
            return False
        except Exception as error:  # noqa: BLE001 - told in its turn, behind the file before
            self._settle_written()
            self._settle(index, partial(_raise, error))
            return True
        self._settle_written()
        self._written = _WrittenFile(index, read, self._writing.submit(read.write))
        return True

    # -- reading ------------------------------------------------------------------------

    def _taken(self, index: int) -> ReadFile | None:
        """Return the file of a task, read ahead or now."""
        if self._ahead is None:
            self._read_ahead(index, self._held())
        ahead, self._ahead = self._ahead, None
        return None if ahead is None else ahead.result()

    def _read_ahead(self, index: int, held: int) -> None:
        if index < self._count:
            self._ahead = self._reading.submit(self._attempt, index, held)

    def _drop_ahead(self) -> None:
        """Wait for what is read ahead, and forget it."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            wait([ahead])

    # -- writing ------------------------------------------------------------------------

    def _held(self) -> int:
        """Return the bytes that the file takes that is being written."""
        return 0 if self._written is None else self._written.file.needed

    def _settle_written(self) -> None:
        """Wait for the last file to be written, and settle it."""
        if self._written is not None:
            wait([self._written.future])  # a signal that comes meanwhile loses nothing
            written, self._written = self._written, None
            self._settle(written.index, written.end)


class _WrittenFile:
    """A file that is being written."""

    def __init__(self, index: int, file: ReadFile, future: Future[None]) -> None:
        self.index, self.file, self.future = index, file, future

    def end(self) -> bool:
        """Tell of it, or raise what went wrong."""
        self.future.result()
        self.file.tell()
        return True


def _raise(error: Exception) -> NoReturn:
    raise error
