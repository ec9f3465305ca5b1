"""Opening a TIFF whose directories end: damaged links would otherwise be followed for ever."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import tifffile

__all__ = ["OpenTiff", "opened_tiff"]

# More entries than a directory has: tifffile takes such a directory for damaged, too.
_MOST_ENTRIES = 4096


class OpenTiff:
    """A TIFF that is open, and what was found on the way.

    Attributes
    ----------
    handle : tifffile.TiffFile
    notes : tuple of str
    """

    def __init__(self, handle: tifffile.TiffFile, notes: tuple[str, ...]) -> None:
        self.handle, self.notes = handle, notes


@contextmanager
def opened_tiff(source: str | BinaryIO) -> Iterator[OpenTiff]:
    """Open a TIFF; where its directories form a loop, those before it are all that it has.

    Parameters
    ----------
    source : str or binary file
        A path, or a stream that stays open.

    """
    import tifffile

    with ExitStack() as stack:
        stream = stack.enter_context(Path(source).open("rb")) if isinstance(source, str) else source
        links = _Links(stream)
        closing = links.closing_link()
        notes: tuple[str, ...] = ()
        opened: Any = source
        if closing is not None:
            notes = ("damaged: its directories form a loop, and are read up to it",)
            opened = _Blanked(stream, closing, links.offset_size)
        if not isinstance(opened, str):
            opened.seek(0)
        yield OpenTiff(stack.enter_context(tifffile.TiffFile(opened)), notes)


class _Links:
    """The links from each directory of a TIFF to the next one."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        stream.seek(0)
        head = stream.read(16)
        order = ">" if head[:2] == b"MM" else "<"
        is_big = head[2:4] in {b"+\0", b"\0+"}
        self.offset_size = 8 if is_big else 4
        self._first = 8 if is_big else 4
        self._entry = 20 if is_big else 12
        self._count = struct.Struct(order + ("Q" if is_big else "H"))
        self._offset = struct.Struct(order + ("Q" if is_big else "I"))

    def closing_link(self) -> int | None:
        """Return where the link lies that leads back to a directory; None where the chain ends."""
        seen: set[int] = set()
        link = self._first
        while True:
            target = self._number(link, self._offset)
            if not target:
                return None
            if target in seen:
                return link
            seen.add(target)
            entries = self._number(target, self._count)
            if entries is None or entries > _MOST_ENTRIES:
                return None
            link = target + self._count.size + self._entry * entries

    def _number(self, start: int, form: struct.Struct) -> int | None:
        """Return a number of the file, None behind its end."""
        try:
            self._stream.seek(start)
            number: int = form.unpack(self._stream.read(form.size))[0]
        except (OSError, OverflowError, ValueError, struct.error):
            return None
        return number


class _Blanked(io.RawIOBase):
    """A file of which a few bytes are read as zeros."""

    def __init__(self, stream: BinaryIO, start: int, count: int) -> None:
        super().__init__()
        self._stream, self._start, self._end = stream, start, start + count
        self.name = str(getattr(stream, "name", ""))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        first = self._stream.tell()
        data = bytearray(self._stream.read(len(buffer)))
        start, end = max(self._start, first), min(self._end, first + len(data))
        if start < end:
            data[start - first : end - first] = bytes(end - start)
        buffer[: len(data)] = data
        return len(data)
