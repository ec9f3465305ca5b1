"""Standard streams, also where they are closed, full, slow, or left by their reader."""

from __future__ import annotations

import os
import select
import signal
import stat
import sys
from typing import IO, Any

from lerf_core.errors import FileError, one_line

__all__ = [
    "BROKEN_PIPE_STATUS", "close_quietly", "is_terminal", "occupy_closed_streams", "read_stdin",
    "write_stdout",
]  # fmt: skip

#: Exit status when the reader of standard output has left, as shells tell it of other programs.
BROKEN_PIPE_STATUS = 128 + getattr(signal, "SIGPIPE", 13)

_PIECE = 1 << 20


def occupy_closed_streams() -> None:
    """Let no file take the numbers of standard streams that are closed.

    The next file that is opened would get such a number, and whatever a library writes to standard
    output or error would land in it.
    """
    handle = os.open(os.devnull, os.O_RDWR)
    while handle <= 2:
        os.set_inheritable(handle, True)
        handle = os.open(os.devnull, os.O_RDWR)
    os.close(handle)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def is_terminal(stream: IO[Any] | None) -> bool:
    """Whether a standard stream is there, open, and a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def close_quietly(name: str) -> None:
    """Let a standard stream that fails take no more, nor fail when the program ends."""
    setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def read_stdin() -> bytes:
    """Return all of standard input.

    Raises
    ------
    FileError
        If it is closed.
    OSError
        If it cannot be read.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise FileError("standard input is closed")
    handle = _handle(sys.stdin)
    if handle is None:
        return sys.stdin.buffer.read()
    blocks: list[bytes] = []
    while True:
        try:
            block = os.read(handle, _PIECE)
        except BlockingIOError:
            select.select([handle], [], [])
            continue
        if not block:
            return b"".join(blocks)
        blocks.append(block)


def write_stdout(data: bytes) -> None:
    """Write to standard output, and leave nothing in a buffer.

    Raises
    ------
    BrokenPipeError
        If its reader has left.
    FileError
        If it is closed, or cannot be written.
    """
    if sys.stdout is None or sys.stdout.closed:
        raise FileError("cannot write <stdout>: standard output is closed")
    try:
        _write(data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileError(f"cannot write <stdout>: {one_line(error)}") from error


def _write(data: bytes) -> None:
    sys.stdout.flush()
    handle, rest = _handle(sys.stdout), memoryview(data)
    if handle is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    while rest:
        try:
            rest = rest[os.write(handle, rest[:_PIECE]) :]
        except BlockingIOError:
            select.select([], [handle], [])
    if stat.S_ISREG(os.fstat(handle).st_mode):
        from lerf_core.io.results.placing import synced

        synced(handle)


def _handle(stream: Any) -> int | None:
    """Return a stream's number; None where there is no file behind it."""
    try:
        return int(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return None
