"""Directories of EXIF: every type and byte stays, in either order, in TIFF and BigTIFF."""

from __future__ import annotations

import io
import struct

import pytest

from lerf_core.io.metadata import exif_directories as directories
from lerf_core.io.metadata.exif_directories import Blocks, Entry

FIRST = {
    271: Entry(2, b"Maker\0"),
    33434: Entry(5, struct.pack("<II", 1, 250)),
    34850: Entry(3, struct.pack("<H", 2)),
}
SECOND = {
    36864: Entry(7, b"0232"),
    37380: Entry(10, struct.pack("<ii", -1, 3)),
    37500: Entry(7, bytes(range(101))),
    41996: Entry(9, struct.pack("<iii", -5, 6, 7)),
    42034: Entry(12, struct.pack("<dd", 0.5, -2.25)),
}
PLACE = {1: Entry(2, b"N\0"), 2: Entry(5, struct.pack("<6I", 52, 1, 30, 1, 5, 10))}
THIRD = {1: Entry(2, b"R98\0"), 4097: Entry(4, struct.pack("<I", 4000))}
WHOLE = Blocks(FIRST, SECOND, PLACE, THIRD)


@pytest.mark.parametrize("order", ["<", ">"])
def test_blocks_come_back_as_they_were(order):
    data = directories.block_of(WHOLE, order)
    assert directories.blocks_in(data) == WHOLE
    assert data[:2] == (b"II" if order == "<" else b"MM")
    alone = Blocks(FIRST, {}, PLACE, {})
    assert directories.blocks_in(directories.block_of(alone, order)) == alone


@pytest.mark.parametrize("is_big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_directories_at_any_place(order, is_big):
    data = bytes(70) + directories.packed(SECOND, 70, order, is_big=is_big)
    stream = io.BytesIO(data)
    assert directories.read_directory(stream, 70, order, is_big=is_big) == SECOND


def test_numbers_of_bigtiff_that_fit_into_four_bytes():
    assert directories.as_entry(16, struct.pack(">Q", 7), ">") == Entry(4, struct.pack("<I", 7))
    large = struct.pack(">Q", 2**40)
    assert directories.as_entry(16, large, ">") == Entry(16, struct.pack("<Q", 2**40))
    with pytest.raises(ValueError, match="type 99"):
        directories.as_entry(99, b"", "<")


@pytest.mark.parametrize("data", [None, b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"no"])
def test_no_block_has_no_directories(data):
    assert not directories.blocks_in(data)


def test_what_is_too_long_loses_its_longest_values():
    data = directories.block_of(WHOLE, "<")
    assert directories.shortened(data, len(data)) == (data, ())
    block, dropped = directories.shortened(data, len(data) - 1)
    assert dropped == ("MakerNote",)
    kept = {tag: entry for tag, entry in SECOND.items() if tag != 37500}
    assert directories.blocks_in(block) == Blocks(FIRST, kept, PLACE, THIRD)
    assert directories.shortened(data, 10)[0] is None
