"""EXIF blocks, patched in place.

An EXIF block is a small TIFF stream. Rewriting it would move maker notes, whose inner offsets are
absolute, so the few stale entries are overwritten where they lie and every other byte is kept.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

PREFIX = b"Exif\x00\x00"

ORIENTATION = 0x0112
EXIF_IFD = 0x8769
_IMAGE_WIDTH, _IMAGE_HEIGHT = 0x0100, 0x0101
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA002, 0xA003
_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_LONG = 4
# Codes of struct by the types of whole numbers.
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
_WIDE = frozenset({3, 4, 8, 9})
_ENTRY = 12


@dataclass(frozen=True)
class _Field:
    tag: int
    kind: int
    count: int
    start: int  # of the entry, in the block


class _Block:
    """A walker over one EXIF block; damaged links end the walk quietly."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        if bytes(self.data[:4]) not in (b"II*\x00", b"MM\x00*"):
            raise ValueError("not an EXIF block")
        self.order = "<" if self.data[:2] == b"II" else ">"

    def number(self, start: int, code: str) -> int:
        value: int = struct.unpack_from(self.order + code, self.data, start)[0]
        return value

    def directory(self, start: int) -> Iterator[_Field]:
        if not 8 <= start <= len(self.data) - 2:
            return
        for index in range(self.number(start, "H")):
            entry = start + 2 + _ENTRY * index
            if entry + _ENTRY > len(self.data):
                return
            yield _Field(
                self.number(entry, "H"),
                self.number(entry + 2, "H"),
                self.number(entry + 4, "I"),
                entry,
            )

    def find(self, start: int, tag: int) -> _Field | None:
        return next((field for field in self.directory(start) if field.tag == tag), None)

    def value(self, field: _Field | None) -> int | None:
        if field is None or field.count != 1 or field.kind not in _INTEGERS:
            return None
        return self.number(field.start + 8, _INTEGERS[field.kind])

    def store(self, field: _Field | None, value: int) -> None:
        """Overwrite an entry by a whole number, which lies in the entry whatever its type."""
        if field is None:
            return
        # Numbers of one byte are read as bytes, by some.
        kind = field.kind if field.count == 1 and field.kind in _WIDE else _LONG
        try:
            number = struct.pack(self.order + _INTEGERS[kind], value)
        except struct.error:
            kind, number = _LONG, struct.pack(self.order + "I", value)
        struct.pack_into(self.order + "HI", self.data, field.start + 2, kind, 1)
        self.data[field.start + 8 : field.start + 12] = number.ljust(4, b"\0")

    def drop_thumbnail(self, first: int) -> None:
        entries = sum(1 for _ in self.directory(first))
        link = first + 2 + _ENTRY * entries
        if link + 4 > len(self.data):
            return
        second = self.number(link, "I")
        if second == 0:
            return
        offset = self.value(self.find(second, _THUMBNAIL_OFFSET))
        length = self.value(self.find(second, _THUMBNAIL_LENGTH))
        struct.pack_into(self.order + "I", self.data, link, 0)
        if offset is None or length is None or not 8 <= offset <= len(self.data):
            return
        if offset + length >= len(self.data):
            del self.data[offset:]
        else:
            # Its pixels show the image as it was: blank them, but move nothing.
            self.data[offset : offset + length] = bytes(length)


def strip_prefix(data: bytes) -> bytes:
    """Return an EXIF block without the marker that JPEG puts before it."""
    return re.sub(b"^(?:Exif\x00\x00)+", b"", data)


def orientation(data: bytes) -> int:
    """Return the orientation, 1 to 8, that an EXIF block declares; 1 where it is unreadable."""
    try:
        block = _Block(data)
        value = block.value(block.find(block.number(4, "I"), ORIENTATION))
    except (ValueError, struct.error):
        return 1
    return value if value is not None and 1 <= value <= 8 else 1


def updated(data: bytes, width: int, height: int) -> bytes:
    """Return an EXIF block that fits an upright image of a new size.

    The orientation becomes 1, recorded pixel dimensions become the new ones, the thumbnail goes;
    everything else keeps its bytes and its place.

    Parameters
    ----------
    data : bytes
        The block, without JPEG's prefix.
    width, height : int
        Size of the image it will go with, in pixels.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If ``data`` is not an EXIF block.
    """
    block = _Block(data)
    try:
        first = block.number(4, "I")
        block.store(block.find(first, ORIENTATION), 1)
        block.store(block.find(first, _IMAGE_WIDTH), width)
        block.store(block.find(first, _IMAGE_HEIGHT), height)
        second = block.value(block.find(first, EXIF_IFD))
        if second is not None:
            block.store(block.find(second, _PIXEL_WIDTH), width)
            block.store(block.find(second, _PIXEL_HEIGHT), height)
        block.drop_thumbnail(first)
    except struct.error as error:
        raise ValueError("damaged EXIF block") from error
    return bytes(block.data)


def updated_xmp(data: bytes, width: int, height: int) -> bytes:
    """Return an XMP packet whose orientation and pixel dimensions fit the new image."""
    values = {
        b"tiff:Orientation": b"1",
        b"tiff:ImageWidth": b"%d" % width,
        b"tiff:ImageLength": b"%d" % height,
        b"exif:PixelXDimension": b"%d" % width,
        b"exif:PixelYDimension": b"%d" % height,
    }
    for name, value in values.items():
        # Both spellings of XMP: an attribute, and an element.
        pattern = b"(" + name + rb"(?:\s*=\s*[\"']|>))\s*\d+\s*(?=[\"']|</)"
        data = re.sub(pattern, lambda match, value=value: match[1] + value, data)  # type: ignore[misc]
    return data
