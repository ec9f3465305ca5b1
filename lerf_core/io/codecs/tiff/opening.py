"""Opening a TIFF by the directories that can be read: links may lead astray, or in a circle."""

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
# What offsets of the classic format reach.
_CLASSIC_SIZE = 2**32


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
def opened_tiff(source: str | BinaryIO, **flags: bool) -> Iterator[OpenTiff]:
    """Open a TIFF; directories behind one that is damaged, or in a loop, count as missing.

    Parameters
    ----------
    source : str or binary file
        A path, or a stream that stays open.
    **flags : bool
        What tifffile is not to infer by itself: ``is_uniform`` False has it look at each page
        rather than at a few, ``is_ome`` False has it leave OME-XML alone.

    """
    import tifffile

    with ExitStack() as stack:
        stream = stack.enter_context(Path(source).open("rb")) if isinstance(source, str) else source
        links = _Links(stream)
        astray, note = links.link_astray()
        notes: tuple[str, ...] = ()
        opened: Any = source
        if astray is not None:
            notes, opened = (note,), _Blanked(stream, astray, links.offset_size)
        if not isinstance(opened, str):
            opened.seek(0)
        options: dict[str, Any] = dict(flags)
        yield OpenTiff(stack.enter_context(tifffile.TiffFile(opened, **options)), notes)


class _Links:
    """The links from each directory of a TIFF to the next one."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        head = stream.read(16)
        order = ">" if head[:2] == b"MM" else "<"
        is_big = head[2:4] in {b"+\0", b"\0+"}
        self.offset_size = 8 if is_big else 4
        self._first = 8 if is_big else 4
        self._entry = 20 if is_big else 12
        self._count = struct.Struct(order + ("Q" if is_big else "H"))
        self._offset = struct.Struct(order + ("Q" if is_big else "I"))

    def link_astray(self) -> tuple[int | None, str]:
        """Return where the link lies that no directory follows, and a note; None if there is none.

        That to the first directory is left alone: without it nothing can be read.
        """
        seen: set[int] = set()
        link = self._first
        if self._size > _CLASSIC_SIZE and self.offset_size == 4:
            return None, ""  # slides of NDPI, with further bytes for each offset
        while target := self._number(link, self._offset):
            if target in seen:
                return link, "damaged: its directories form a loop, and are read up to it"
            seen.add(target)
            entries = self._number(target, self._count)
            end = target + self._count.size + self._entry * (entries or 0)
            is_whole = entries and entries <= _MOST_ENTRIES and end <= self._size
            if not is_whole and len(seen) == 1:
                break
            if not is_whole:
                return (
                    link,
                    f"damaged: of its pages no more than the first {len(seen) - 1} are there",
                )
            link = end
        return None, ""

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

    def readinto(self, buffer: Any) -> int:
        first, target = self._stream.tell(), memoryview(buffer).cast("B")
        data = bytearray(self._stream.read(len(target)))
        start, end = max(self._start, first), min(self._end, first + len(data))
        if start < end:
            data[start - first : end - first] = bytes(end - start)
        target[: len(data)] = data
        return len(data)
