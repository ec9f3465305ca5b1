"""Boxes of the ISO base media format, which JPEG 2000, JPEG XL, AVIF and HEIF files consist of."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from lerf_core.io.codec import OpenFile

__all__ = ["Box", "box", "boxes_in", "boxes_of", "brands_of", "cicp_of", "content_of"]

# Codes of H.273: sRGB, and BT.709's, which every viewer shows as sRGB.
_UNSPECIFIED = 2
_LIKE_SRGB = {(1, 13), (1, 1), (1, 6)}

# Greatest number of boxes that are looked at, at one depth: a loop has an end.
_MOST_BOXES = 10_000
# Blocks that are read into memory are no longer than this.
_LONGEST_CONTENT = 1 << 28


class Box(NamedTuple):
    """Where a box lies.

    Attributes
    ----------
    kind : bytes
        Four letters.
    start, end : int
        Of its content.
    """

    kind: bytes
    start: int
    end: int


def boxes_of(stream: BinaryIO) -> Iterator[Box]:
    """Yield the boxes of a file, from its first byte; damage ends the walk quietly.

    A box that is longer than the file ends with it: decoders say what is missing.
    """
    stream.seek(0, 2)
    size = stream.tell()
    position = 0
    for _ in range(_MOST_BOXES):
        stream.seek(position)
        found = _box_at(stream.read(16), position, size)
        if found is None:
            return
        yield found
        position = found.end


def boxes_in(data: bytes, start: int = 0) -> Iterator[Box]:
    """Yield the boxes within the content of a box, from one of its bytes on."""
    position = start
    for _ in range(_MOST_BOXES):
        found = _box_at(data[position : position + 16], position, len(data))
        if found is None:
            return
        yield found
        position = found.end


def _box_at(head: bytes, position: int, size: int) -> Box | None:
    if len(head) < 8:
        return None
    length, kind = struct.unpack_from(">I4s", head)
    begin = position + 8
    if length == 1 and len(head) == 16:
        length, begin = struct.unpack_from(">Q", head, 8)[0], position + 16
    # A length of 0 reaches to the end of the file.
    end = size if length == 0 else position + length
    return Box(kind, begin, min(end, size)) if begin <= min(end, size) else None


def content_of(stream: BinaryIO, found: Box) -> bytes:
    """Return the content of a box, b"" where it is absurdly long."""
    if found.end - found.start > _LONGEST_CONTENT:
        return b""
    stream.seek(found.start)
    return stream.read(found.end - found.start)


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box of some content."""
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def brands_of(file: OpenFile) -> list[bytes]:
    """Return the brands that a file of the ISO base media format lists, the major one first."""
    if file.head[4:8] != b"ftyp":
        return []
    first = next(boxes_of(file.rewound()), None)
    if first is None:
        return []
    content = content_of(file.stream, first)
    return [content[:4], *(content[place : place + 4] for place in range(8, len(content), 4))]


def cicp_of(primaries: int, transfer: int) -> tuple[int, ...] | None:
    """Return the codes of decoded RGB; None where they say nothing, or sRGB."""
    if _UNSPECIFIED in {primaries, transfer} or (primaries, transfer) in _LIKE_SRGB:
        return None
    return primaries, transfer, 0, 1
