"""EXIF blocks, patched in place.

An EXIF block is a small TIFF stream. Rewriting it would move maker notes, whose inner offsets are
absolute, so the few stale entries are overwritten where they lie and every other byte is kept.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from lerf_core.geometry.placement import Placement

PREFIX = b"Exif\x00\x00"

ORIENTATION = 0x0112
EXIF_IFD, _GPS, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
# Links to further directories: from the first, and from EXIF's.
_FURTHER = ((0, _GPS), (-1, _INTEROPERABILITY))
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_WIDTHS, _HEIGHTS = (0x0100, 0xA002), (0x0101, 0xA003)
# In the directory of interoperability: of the image itself, as cameras write them.
_RELATED_SIZES = (0x1001, 0x1002)
# Each by its number in Exif, and in TIFF/EP.
_SUBJECTS = (0x9214, 0xA214)
_FOCAL_PLANES = ((0xA20E, 0xA20F), (0x920E, 0x920F))
_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_SHORT, _LONG, _RATIONAL = 3, 4, 5
# Codes of struct by the types of whole numbers.
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
_WIDE = frozenset({3, 4, 8, 9})
_RATIONALS = {5: "II", 10: "ii"}
# Bytes of a value, by its type.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_ENTRY = 12
# Numbers of an entry that are looked at.
_MOST_NUMBERS = 8
_INCH, _CENTIMETRE = 2, 3
_EMPTY = b"II*\0\x08\0\0\0" + bytes(6)


class _Field(NamedTuple):
    tag: int
    kind: int
    length: int  # in values
    start: int  # of the entry, in the block
    directory: int  # where that begins


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

    @property
    def first(self) -> int:
        """Where the first directory begins."""
        return self.number(4, "I")

    def described(self) -> list[int]:
        """Return where the directories begin that describe the image: the first, and EXIF's."""
        second = self.value(self.find(self.first, EXIF_IFD))
        return [self.first] if second is None else [self.first, second]

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
                start,
            )

    def find(self, start: int, tag: int) -> _Field | None:
        return next((field for field in self.directory(start) if field.tag == tag), None)

    def value(self, field: _Field | None) -> int | None:
        if field is None or field.length != 1 or field.kind not in _INTEGERS:
            return None
        return self.number(field.start + 8, _INTEGERS[field.kind])

    def numbers(self, field: _Field | None) -> list[float] | None:
        """Return an entry's numbers, whole or rational; None where it has none that are finite."""
        if field is None or not 1 <= field.length <= _MOST_NUMBERS:
            return None
        at, pairs = self.place(field), _RATIONALS.get(field.kind)
        code = pairs or _INTEGERS.get(field.kind)
        if code is None:
            return None
        values = struct.unpack_from(self.order + code * field.length, self.data, at)
        if pairs is None:
            return [float(value) for value in values]
        if not all(values[1::2]):
            return None
        return [over / under for over, under in zip(values[::2], values[1::2], strict=True)]

    def place(self, field: _Field) -> int:
        """Return where an entry's value lies: in the entry, where it has no more than 4 bytes."""
        if _SIZES.get(field.kind, 1) * field.length <= 4:
            return field.start + 8
        return self.number(field.start + 8, "I")

    def store(self, field: _Field | None, value: int) -> None:
        """Overwrite an entry by a whole number, which lies in the entry whatever its type."""
        if field is None:
            return
        # Numbers of one byte are read as bytes, by some.
        kind = field.kind if field.length == 1 and field.kind in _WIDE else _LONG
        try:
            number = struct.pack(self.order + _INTEGERS[kind], value)
        except struct.error:
            kind, number = _LONG, struct.pack(self.order + "I", value)
        struct.pack_into(self.order + "HI", self.data, field.start + 2, kind, 1)
        self.data[field.start + 8 : field.start + 12] = number.ljust(4, b"\0")

    def store_whole(self, field: _Field, values: list[int]) -> None:
        """Overwrite an entry by whole numbers."""
        kind = _SHORT if max(values) <= 0xFFFF else _LONG
        code = self.order + _INTEGERS[kind] * len(values)
        self._store(field, kind, len(values), struct.pack(code, *values))

    def store_rational(self, field: _Field, value: float) -> None:
        """Overwrite an entry by a positive number."""
        self._store(field, _RATIONAL, 1, self.rational(value))

    def rational(self, value: float) -> bytes:
        ratio = Fraction(value).limit_denominator(10_000)
        if ratio.numerator > 0xFFFFFFFF:
            ratio = Fraction(0xFFFFFFFF)
        return struct.pack(self.order + "II", ratio.numerator, ratio.denominator)

    def _store(self, field: _Field, kind: int, count: int, data: bytes) -> None:
        room = _SIZES.get(field.kind, 1) * field.length
        at = field.start + 8
        if len(data) > 4:
            at = self.place(field)
            others = self.directory(field.directory)
            is_shared = any(other != field and self.place(other) == at for other in others)
            if room <= 4 or len(data) > room or is_shared or at + room > len(self.data):
                at = self.append(data)
            self.data[at : at + len(data)] = data
            data = struct.pack(self.order + "I", at)
        struct.pack_into(self.order + "HI", self.data, field.start + 2, kind, count)
        self.data[field.start + 8 : field.start + 12] = data.ljust(4, b"\0")

    def append(self, data: bytes) -> int:
        """Put data behind the block, and return where they begin."""
        self.data += bytes(len(self.data) % 2)
        at = len(self.data)
        self.data += data
        return at

    def remove(self, field: _Field) -> None:
        """Take an entry out; those behind it, and the link to the next directory, move up."""
        count = self.number(field.directory, "H")
        stop = min(field.directory + 2 + _ENTRY * count + 4, len(self.data))
        after = self.data[field.start + _ENTRY : stop]
        self.data[field.start : stop] = after + bytes(_ENTRY)
        struct.pack_into(self.order + "H", self.data, field.directory, count - 1)

    def add(self, entries: dict[int, tuple[int, bytes]]) -> None:
        """Add entries, by tag: type and value. The first directory moves; nothing else does."""
        kept = {field.tag: bytes(self.data[field.start : field.start + _ENTRY])
                for field in self.directory(self.first)}  # fmt: skip
        link = self.first + 2 + _ENTRY * len(kept)
        following = bytes(self.data[link : link + 4]).ljust(4, b"\0")
        for tag, (kind, data) in entries.items():
            value = data if len(data) <= 4 else struct.pack(self.order + "I", self.append(data))
            count = len(data) // _SIZES[kind]
            head = struct.pack(self.order + "HHI", tag, kind, count)
            kept[tag] = head + value.ljust(4, b"\0")
        whole = struct.pack(self.order + "H", len(kept))
        whole += b"".join(kept[tag] for tag in sorted(kept)) + following
        struct.pack_into(self.order + "I", self.data, 4, self.append(whole))

    def drop_thumbnail(self) -> None:
        """Unlink the second directory, and blank the small picture that it tells of."""
        entries = sum(1 for _ in self.directory(self.first))
        link = self.first + 2 + _ENTRY * entries
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
        if any(start < offset + length and offset < stop for start, stop in self.extents()):
            return  # a damaged offset
        if offset + length >= len(self.data):
            del self.data[offset:]
        else:
            # It shows the image as it was. Nothing moves.
            self.data[offset : offset + length] = bytes(length)

    def extents(self) -> Iterator[tuple[int, int]]:
        """Yield where directories and their values begin and end, but the thumbnail's."""
        starts = self.described()
        starts += [self.value(self.find(starts[at], tag)) or 0 for at, tag in _FURTHER]
        for start in starts:
            for field in self.directory(start):
                yield field.start - 2, field.start + _ENTRY
                place = self.place(field)
                yield place, place + _SIZES.get(field.kind, 1) * field.length


def strip_prefix(data: bytes) -> bytes:
    """Return an EXIF block without the marker that JPEG puts before it."""
    return re.sub(b"^(?:Exif\x00\x00)+", b"", data)


def orientation(data: bytes) -> int | None:
    """Return the orientation, 1 to 8, that an EXIF block states; None where it states none."""
    try:
        block = _Block(data)
        value = block.value(block.find(block.first, ORIENTATION))
    except (ValueError, struct.error):
        return None
    return value if value is not None and 1 <= value <= 8 else None


def resolution(data: bytes) -> tuple[float, float] | None:
    """Return the pixels per inch, (x, y), that an EXIF block states; None where it states none."""
    try:
        block = _Block(data)
        unit = block.value(block.find(block.first, _RESOLUTION_UNIT))
        per_inch = {None: 1.0, _INCH: 1.0, _CENTIMETRE: 2.54}.get(unit)
        x, y = (block.numbers(block.find(block.first, tag))
                for tag in (_X_RESOLUTION, _Y_RESOLUTION))  # fmt: skip
    except (ValueError, struct.error):
        return None
    if per_inch is None or not x or not y or x[0] <= 0 or y[0] <= 0:
        return None
    return x[0] * per_inch, y[0] * per_inch


def with_resolution(
    data: bytes | None, dpi: tuple[float, float], *, replaced: bool = False
) -> bytes:
    """Return an EXIF block that states a resolution: what the block states, or else this one.

    Parameters
    ----------
    data : bytes or None
        A block, or none.
    dpi : (x, y)
        In pixels per inch.
    replaced : bool, optional
        Whether it takes the place of what the block states.

    Raises
    ------
    ValueError
        If ``data`` is not an EXIF block.
    """
    block = _Block(data or _EMPTY)
    try:
        tags = (_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT)
        values = {
            _X_RESOLUTION: (_RATIONAL, block.rational(dpi[0])),
            _Y_RESOLUTION: (_RATIONAL, block.rational(dpi[1])),
            _RESOLUTION_UNIT: (_SHORT, struct.pack(block.order + "H", _INCH)),
        }
        missing = {
            tag: values[tag] for tag in tags if replaced or block.find(block.first, tag) is None
        }
        if missing:
            block.add(missing)
    except struct.error as error:
        raise ValueError("damaged EXIF block") from error
    return bytes(block.data)


def without_orientation(data: bytes) -> bytes:
    """Return an EXIF block that says nothing of orientation; as it is where it is damaged."""
    try:
        block = _Block(data)
        if (field := block.find(block.first, ORIENTATION)) is not None:
            block.remove(field)
    except (ValueError, struct.error):
        return data
    return bytes(block.data)


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
        directories = block.described()
        block.store(block.find(directories[0], ORIENTATION), 1)
        sizes = [block.value(block.find(directories[-1], tags[-1])) for tags in (_WIDTHS, _HEIGHTS)]
        _set_related_size(block, directories[-1], sizes, (width, height))
        for directory in directories:
            for tags, length in ((_WIDTHS, width), (_HEIGHTS, height)):
                for tag in tags:
                    block.store(block.find(directory, tag), length)
        block.drop_thumbnail()
    except struct.error as error:
        raise ValueError("damaged EXIF block") from error
    return bytes(block.data)


def _set_related_size(
    block: _Block, directory: int, before: list[int | None], after: tuple[int, int]
) -> None:
    """Set the size in the directory of interoperability, where it is the image's."""
    third = block.value(block.find(directory, _INTEROPERABILITY))
    if third is None:
        return
    fields = [block.find(third, tag) for tag in _RELATED_SIZES]
    if None not in before and [block.value(field) for field in fields] == before:
        for field, length in zip(fields, after, strict=True):
            block.store(field, length)


def moved(data: bytes, placement: Placement) -> tuple[bytes, tuple[str, ...]]:
    """Return the EXIF block of a resized, warped or turned image, and words for what it loses.

    Parameters
    ----------
    data : bytes
        The block, without JPEG's prefix.
    placement : Placement

    Raises
    ------
    ValueError
        If ``data`` is not an EXIF block.
    """
    block, dropped = _Block(data), []
    try:
        if placement.source_axes == (1, 0):
            _exchange_resolutions(block)
        for directory in block.described():
            for tag in _SUBJECTS:
                field = block.find(directory, tag)
                if field is not None and not _move_subject(block, field, placement):
                    dropped.append("subject area")
            held = [_move_focal_plane(block, directory, tags, placement) for tags in _FOCAL_PLANES]
            if not all(held):
                dropped.append("resolution of the sensor")
    except struct.error as error:
        raise ValueError("damaged EXIF block") from error
    return bytes(block.data), tuple(dict.fromkeys(dropped))


def _exchange_resolutions(block: _Block) -> None:
    fields = [block.find(block.first, tag) for tag in (_X_RESOLUTION, _Y_RESOLUTION)]
    values = [block.numbers(field) for field in fields]
    if values[0] != values[1] and values[0] and values[1]:
        for field, value in zip(fields, reversed(values), strict=True):
            if field is not None and value and value[0] > 0:
                block.store_rational(field, value[0])


def _move_subject(block: _Block, field: _Field, placement: Placement) -> bool:
    """Move the area of the main subject; tell whether it has a place."""
    values = block.numbers(field)
    result = placement.moved_area(values) if values else None
    if result is None:
        block.remove(field)
        return False
    block.store_whole(field, result)
    return True


def _move_focal_plane(
    block: _Block, directory: int, tags: tuple[int, int], placement: Placement
) -> bool:
    """Scale the sensor's resolution, pixels of the image per length; tell whether it holds."""
    fields = [block.find(directory, tag) for tag in tags]
    if not any(fields):
        return True
    values = [block.numbers(field) for field in fields]
    lengths = None
    if values[0] and values[1]:
        lengths = placement.moved_lengths(values[1][0], values[0][0])
    if lengths is None:
        # An entry at a time: the others move up.
        for tag in tags:
            if (field := block.find(directory, tag)) is not None:
                block.remove(field)
        return False
    for field, length in zip(fields, reversed(lengths), strict=True):
        if field is not None and length > 0:
            block.store_rational(field, length)
    return True
