"""EXIF blocks, patched in place."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lerf_core.io import exif as blocks


def loaded(data: bytes) -> Image.Exif:
    block = Image.Exif()
    block.load(blocks.PREFIX + data)
    return block


def hand_made(order: str) -> bytes:
    """A block with a maker note, a thumbnail at its end and SHORT dimensions."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    note = b"NOTE with inner offsets"
    thumbnail = b"\xff\xd8 a small picture \xff\xd9"
    first = struct.pack(order + "H", 2)
    first += struct.pack(order + "HHIHH", 0x0112, 3, 1, 8, 0)
    first += struct.pack(order + "HHII", 0x8769, 4, 1, 38)
    first += struct.pack(order + "I", 38 + 2 + 36 + 4 + len(note))
    second = struct.pack(order + "H", 3)
    second += struct.pack(order + "HHII", 0x927C, 7, len(note), 38 + 2 + 36 + 4)
    second += struct.pack(order + "HHIHH", 0xA002, 3, 1, 4000, 0)
    second += struct.pack(order + "HHIHH", 0xA003, 3, 1, 3000, 0)
    second += struct.pack(order + "I", 0) + note
    third_at = 8 + len(first) + len(second)
    third = struct.pack(order + "H", 2)
    third += struct.pack(order + "HHII", 0x0201, 4, 1, third_at + 2 + 24 + 4)
    third += struct.pack(order + "HHII", 0x0202, 4, 1, len(thumbnail))
    third += struct.pack(order + "I", 0) + thumbnail
    return mark + struct.pack(order + "I", 8) + first + second + third


@pytest.mark.parametrize("order", ["<", ">"])
def test_stale_entries_change_and_all_else_stays(order):
    data = hand_made(order)
    assert blocks.orientation(data) == 8
    new = blocks.updated(data, 123, 456)
    assert blocks.orientation(new) == 1
    directory = loaded(new).get_ifd(0x8769)
    assert (directory[0xA002], directory[0xA003]) == (123, 456)
    assert directory[0x927C] == b"NOTE with inner offsets"
    assert data.index(b"NOTE") == new.index(b"NOTE")
    assert b"small picture" not in new
    assert not loaded(new).get_ifd(0x0201)
    assert loaded(new).get_ifd(1) == {}


@pytest.mark.parametrize("order", ["<", ">"])
def test_sides_beyond_a_short(order):
    directory = loaded(blocks.updated(hand_made(order), 70_000, 65_536)).get_ifd(0x8769)
    assert (directory[0xA002], directory[0xA003]) == (70_000, 65_536)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("kind", "code", "width"),
    [(1, "B", 200), (3, "H", 4000), (4, "I", 4000), (6, "b", 100), (8, "h", 4000), (9, "i", 4000)],
)
def test_sizes_of_every_type_of_whole_numbers(order, kind, code, width):
    data = bytearray(hand_made(order))
    at = data.index(struct.pack(order + "HHI", 0xA002, 3, 1))
    data[at : at + 12] = struct.pack(order + "HHI", 0xA002, kind, 1) + struct.pack(
        order + code, width
    ).ljust(4, b"\0")
    for new_width in (70, 4321, 70_000):
        directory = loaded(blocks.updated(bytes(data), new_width, 9)).get_ifd(0x8769)
        assert directory[0xA002] == new_width


def test_a_size_of_another_type_becomes_a_whole_number():
    data = bytearray(hand_made("<"))
    at = data.index(struct.pack("<HHI", 0xA002, 3, 1))
    data[at : at + 12] = struct.pack("<HHI", 0xA002, 2, 4) + b"400\0"
    assert loaded(blocks.updated(bytes(data), 123, 9)).get_ifd(0x8769)[0xA002] == 123


@given(st.binary(max_size=200), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
def test_any_bytes_are_survived(data, start):
    assert 1 <= blocks.orientation(start + data) <= 8
    try:
        new = blocks.updated(start + data, 5, 6)
    except ValueError:
        return
    assert len(new) <= len(start + data)


def test_xmp_in_both_spellings():
    packet = (
        b'<rdf tiff:Orientation="6" exif:PixelXDimension="4000" other="6">'
        b"<tiff:Orientation>3</tiff:Orientation><exif:PixelYDimension>3000</exif:PixelYDimension>"
    )
    assert blocks.updated_xmp(packet, 20, 10) == (
        b'<rdf tiff:Orientation="1" exif:PixelXDimension="20" other="6">'
        b"<tiff:Orientation>1</tiff:Orientation><exif:PixelYDimension>10</exif:PixelYDimension>"
    )
