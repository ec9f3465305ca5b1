"""Directories of EXIF and TIFF as they lie: types and bytes of every entry are kept.

Values are held with their lowest byte first, whatever order a file has.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import ExifTags

__all__ = [
    "EXIF", "GPS", "Blocks", "Entry", "as_entry", "block_of", "blocks_in", "in_order", "packed",
    "packed_exif", "place_of_note", "read_directory", "shortened",
]  # fmt: skip

#: Bytes of a number, and how many of them a value of a type has.
_UNITS = {
    1: (1, 1), 2: (1, 1), 3: (2, 1), 4: (4, 1), 5: (4, 2), 6: (1, 1), 7: (1, 1), 8: (2, 1),
    9: (4, 1), 10: (4, 2), 11: (4, 1), 12: (8, 1), 13: (4, 1), 16: (8, 1), 17: (8, 1), 18: (8, 1),
}  # fmt: skip
# Numbers of 8 bytes, which BigTIFF alone has, by the type of the same with 4.
_SHORTER = {16: 4, 17: 9, 18: 13}
_LONG = 4
EXIF, GPS, INTEROPERABILITY = 34665, 34853, 40965
# Maker notes of no more bytes may lie in an entry; farther ones may move.
_NOTE, _SHORT, _FARTHEST = 37500, 8, 1 << 14
# Of a directory that is believed: its entries, and the bytes of all its values.
_MOST_ENTRIES, _MOST_BYTES = 4096, 1 << 26


class Entry(NamedTuple):
    """Type of an entry, by its number in TIFF, and its value."""

    kind: int
    data: bytes

    @property
    def values(self) -> int:
        """Number of values."""
        size, numbers = _UNITS[self.kind]
        return len(self.data) // (size * numbers)


Directory = Mapping[int, Entry]


@dataclass(frozen=True)
class Blocks:
    """What describes an image: the first directory of EXIF, and those it links to.

    Attributes
    ----------
    first, exif, gps, interoperability : mapping from tag to `Entry`
        Links between them, and to a thumbnail, are left out.
    note_at : int
        Where the maker note lies in its file or block, 0 for anywhere: offsets within it count
        from there, or from the start.
    """

    first: Directory
    exif: Directory
    gps: Directory
    interoperability: Directory
    note_at: int = field(default=0, compare=False)

    def kept_note(self, begin: int) -> bytes:
        """Return the maker note that is to stay in its place, in a file that is free from there.

        b"" where there is none, or where its place lies too far behind.
        """
        entry = self.exif.get(_NOTE)
        is_near = begin <= self.note_at <= _FARTHEST
        return entry.data if entry is not None and is_near and len(entry.data) > _SHORT else b""

    def __bool__(self) -> bool:
        return bool(self.first or self.exif or self.gps)


def in_order(entry: Entry, order: str) -> bytes:
    """Return a value in a byte order, "<" or ">"."""
    size = _UNITS[entry.kind][0]
    if order == "<" or size == 1:
        return entry.data
    return np.frombuffer(entry.data, f"<u{size}").astype(f">u{size}").tobytes()


def read_directory(
    stream: BinaryIO, start: int, order: str, *, is_big: bool = False
) -> dict[int, Entry]:
    """Read a directory; entries that are damaged are left out.

    Parameters
    ----------
    stream : binary file
        Offsets count from its start.
    start : int
    order : {"<", ">"}
    is_big : bool, optional
        Whether numbers are BigTIFF's.
    """
    counter, entry, room = ("Q", "HHQ", 8) if is_big else ("H", "HHI", 4)
    entries: dict[int, Entry] = {}
    stream.seek(start)
    head = stream.read(struct.calcsize(order + counter))
    if len(head) < struct.calcsize(order + counter):
        return entries
    size = struct.calcsize(order + entry) + room
    listed = stream.read(min(_MOST_ENTRIES, struct.unpack(order + counter, head)[0]) * size)
    budget = _MOST_BYTES
    for at in range(0, len(listed) - size + 1, size):
        tag, kind, count = struct.unpack_from(order + entry, listed, at)
        if kind not in _UNITS:
            continue
        unit, numbers = _UNITS[kind]
        length = unit * numbers * count
        data = listed[at + size - room : at + size][:length]
        if length > room:
            # Any number of entries may point to the same bytes.
            budget -= length
            if budget < 0:
                break
            stream.seek(struct.unpack_from(order + ("Q" if is_big else "I"), data)[0])
            data = stream.read(length)
        if len(data) == length and tag not in entries:
            entries[tag] = as_entry(kind, data, order)
    return entries


def place_of_note(stream: BinaryIO, start: int, order: str, *, is_big: bool = False) -> int:
    """Return where a maker note lies by EXIF's directory; 0 where there is none."""
    counter, entry, room = ("Q", "HHQ", 8) if is_big else ("H", "HHI", 4)
    size = struct.calcsize(order + entry) + room
    stream.seek(start)
    head = stream.read(struct.calcsize(order + counter))
    if len(head) < struct.calcsize(order + counter):
        return 0
    for _ in range(min(_MOST_ENTRIES, struct.unpack(order + counter, head)[0])):
        listed = stream.read(size)
        if len(listed) == size and struct.unpack_from(order + "H", listed)[0] == _NOTE:
            place: int = struct.unpack_from(order + ("Q" if is_big else "I"), listed, size - room)[
                0
            ]
            return place
    return 0


def as_entry(kind: int, data: bytes, order: str) -> Entry:
    """Return an entry, of a value in some byte order.

    Raises
    ------
    ValueError
        If the type is unknown, or bytes miss.
    """
    if kind not in _UNITS or len(data) % (_UNITS[kind][0] * _UNITS[kind][1]):
        raise ValueError(f"a value of type {kind} and {len(data)} bytes")
    return _narrow(Entry(kind, in_order(Entry(kind, data), order)))


def _narrow(entry: Entry) -> Entry:
    """Return an entry with numbers of 4 bytes instead of 8, where these suffice."""
    if entry.kind not in _SHORTER:
        return entry
    kind = _SHORTER[entry.kind]
    signs = "i" if entry.kind == 17 else "u"
    values = np.frombuffer(entry.data, f"<{signs}8")
    short = values.astype(f"<{signs}4")
    return Entry(kind, short.tobytes()) if (short == values).all() else entry


def blocks_in(data: bytes | None) -> Blocks:
    """Return the directories of an EXIF block; empty ones where there is none, or no end to it."""
    empty: Directory = {}
    if not data or len(data) < 8 or data[:4] not in {b"II*\0", b"MM\0*"}:
        return Blocks(empty, empty, empty, empty)
    stream, order = io.BytesIO(data), "<" if data[:2] == b"II" else ">"

    def link(directory: dict[int, Entry], tag: int) -> int:
        entry = directory.pop(tag, None)
        return int.from_bytes(entry.data[:4], "little") if entry is not None else 0

    def linked(start: int) -> dict[int, Entry]:
        return read_directory(stream, start, order) if start else {}

    first = read_directory(stream, struct.unpack_from(order + "I", data, 4)[0], order)
    start = link(first, EXIF)
    second, gps = linked(start), linked(link(first, GPS))
    note_at = place_of_note(stream, start, order) if start else 0
    return Blocks(first, second, gps, linked(link(second, INTEROPERABILITY)), note_at)


def block_of(blocks: Blocks, order: str) -> bytes:
    """Return directories as an EXIF block in a byte order."""
    note = blocks.kept_note(8)
    at = 8 if not note else blocks.note_at + len(note) + (blocks.note_at + len(note)) % 2
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    if note:
        head = (head.ljust(blocks.note_at, b"\0") + note).ljust(at, b"\0")
    links = {
        tag: Entry(_LONG, bytes(4))
        for tag, directory in ((EXIF, blocks.exif), (GPS, blocks.gps))
        if directory
    }
    behind = at + len(packed({**blocks.first, **links}, at, order))
    pieces = b""
    for tag in links:
        place = behind + len(pieces)
        if tag == EXIF:
            pieces += packed_exif(blocks, place, order, is_placed=bool(note))
        else:
            pieces += packed(blocks.gps, place, order)
        links[tag] = Entry(_LONG, place.to_bytes(4, "little"))
    return head + packed({**blocks.first, **links}, at, order) + pieces


def shortened(data: bytes, longest: int) -> tuple[bytes | None, tuple[str, ...]]:
    """Return an EXIF block without its longest values, so that it is no longer than that.

    Parameters
    ----------
    data : bytes
    longest : int
        Bytes.

    Returns
    -------
    block : bytes or None
        None where there is no such block.
    dropped : tuple of str
        Names of the values that are left out.
    """
    blocks, order = blocks_in(data), "<" if data[:2] == b"II" else ">"
    directories = [dict(blocks.first), dict(blocks.exif), dict(blocks.gps)]
    dropped: list[str] = []
    if len(data) <= longest:
        return data, ()
    while True:
        block = block_of(
            Blocks(
                directories[0],
                directories[1],
                directories[2],
                blocks.interoperability,
                blocks.note_at,
            ),
            order,
        )
        sizes = [(len(entry.data), at, tag) for at, directory in enumerate(directories)
                 for tag, entry in directory.items()]  # fmt: skip
        if len(block) <= longest:
            return (block if sizes else None), tuple(dropped)
        if not sizes:
            return None, ()
        _, at, tag = max(sizes)
        del directories[at][tag]
        dropped.append(ExifTags.TAGS.get(tag, str(tag)))


def packed_exif(
    blocks: Blocks, at: int, order: str, *, is_big: bool = False, is_placed: bool = False
) -> bytes:
    """Return EXIF's directory, for a place in a file, with that of interoperability behind it.

    Parameters
    ----------
    blocks : Blocks
    at : int
    order : {"<", ">"}
    is_big : bool, optional
        Whether numbers are BigTIFF's.
    is_placed : bool, optional
        Whether the maker note lies in its place already.
    """
    directory: dict[int, Entry] = dict(blocks.exif)
    placed = {_NOTE: blocks.note_at} if is_placed else {}
    if not blocks.interoperability:
        return packed(directory, at, order, is_big=is_big, placed=placed)
    directory[INTEROPERABILITY] = Entry(_LONG, bytes(4))
    behind = at + len(packed(directory, at, order, is_big=is_big, placed=placed))
    directory[INTEROPERABILITY] = Entry(_LONG, behind.to_bytes(4, "little"))
    return packed(directory, at, order, is_big=is_big, placed=placed) + packed(
        blocks.interoperability, behind, order, is_big=is_big
    )


def packed(
    directory: Directory,
    at: int,
    order: str,
    *,
    is_big: bool = False,
    placed: Mapping[int, int] = MappingProxyType({}),
) -> bytes:
    """Return a directory as it is written to a place in a file, its values behind it.

    Parameters
    ----------
    directory : mapping from tag to `Entry`
    at : int
        Where it will begin: an even number.
    order : {"<", ">"}
    is_big : bool, optional
        Whether numbers are BigTIFF's.
    placed : mapping from tag to int, optional
        Where values lie that are in the file already.
    """
    counter, head, offset, room = ("Q", "HHQ", "Q", 8) if is_big else ("H", "HHI", "I", 4)
    listed = struct.pack(order + counter, len(directory))
    size = struct.calcsize(order + head) + room
    behind = at + len(listed) + size * len(directory) + room
    values = b""
    for tag in sorted(directory):
        entry = directory[tag]
        data = in_order(entry, order)
        listed += struct.pack(order + head, tag, entry.kind, entry.values)
        if tag in placed:
            listed += struct.pack(order + offset, placed[tag])
        elif len(data) > room:
            values += bytes((behind + len(values)) % 2)
            listed += struct.pack(order + offset, behind + len(values))
            values += data
        else:
            listed += data.ljust(room, b"\0")
    whole = listed + bytes(room) + values
    return whole + bytes((at + len(whole)) % 2)
