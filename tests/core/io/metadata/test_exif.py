"""EXIF blocks, patched in place."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lerf_core.geometry.placement import Placement
from lerf_core.io.metadata import exif as blocks
from lerf_core.io.metadata.orientation import placement_of


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
    assert blocks.orientation(start + data) in {None, *range(1, 9)}
    try:
        new = blocks.updated(start + data, 5, 6)
    except ValueError:
        return
    assert len(new) <= len(start + data)


def block_of(order: str, entries: dict[int, tuple[int, int, bytes]], *, second: bool = True):
    """A block with these entries, by tag: type, count and value, in EXIF's directory or the first.

    Values longer than an entry lie behind the directory.
    """
    start = 8 + (2 + 12 + 4 if second else 0)
    behind = start + 2 + 12 * len(entries) + 4
    listed, values = struct.pack(order + "H", len(entries)), b""
    for tag, (kind, count, data) in entries.items():
        value = data.ljust(4, b"\0")
        if len(data) > 4:
            value = struct.pack(order + "I", behind + len(values))
            values += data + b"\0" * (len(data) % 2)
        listed += struct.pack(order + "HHI", tag, kind, count) + value
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    if second:
        head += struct.pack(order + "HHHIII", 1, 0x8769, 4, 1, start, 0)
    return head + listed + struct.pack(order + "I", 0) + values


def entries_of(data: bytes, *, second: bool = True) -> dict[int, object]:
    block = loaded(data)
    return dict(block.get_ifd(0x8769) if second else block)


BEFORE = (30, 40)
DOUBLED = Placement.of_resize((2, 2), BEFORE, (60, 80))
WIDER = Placement.of_resize((1, 3), BEFORE, (30, 120))
SHEAR = Placement(np.array([[1.0, 0.3, 0.0], [0.0, 1.0, 0.0]]), BEFORE, BEFORE)
BENT = Placement(None, BEFORE, BEFORE)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("area", "placement", "expected"),
    [
        ((10, 20), DOUBLED, (20, 40)),
        ((10, 20, 8), DOUBLED, (20, 40, 16)),
        ((10, 20, 8, 6), DOUBLED, (20, 40, 16, 12)),
        ((10, 20, 8, 6), WIDER, (31, 20, 24, 6)),
        # Orientation 6: the last row as it is stored becomes the first column.
        ((10, 20), placement_of(6, BEFORE), (9, 10)),
        ((10, 20, 8, 6), placement_of(6, BEFORE), (9, 10, 6, 8)),
        ((10, 20, 8, 6), placement_of(3, BEFORE), (29, 9, 8, 6)),
        ((10, 20), SHEAR, (10, 17)),
        ((10, 20, 8, 6), SHEAR, None),
        ((10, 20), BENT, None),
        # Beyond the result.
        ((39, 29), Placement(np.eye(2, 3), BEFORE, (10, 10)), None),
    ],
)
def test_the_main_subject_goes_with_its_pixels(order, area, placement, expected):
    value = struct.pack(f"{order}{len(area)}H", *area)
    data = block_of(order, {0x9003: (2, 3, b"aa\0"), 0x9214: (3, len(area), value),
                            0xA001: (3, 1, struct.pack(order + "H", 1))})  # fmt: skip
    new, dropped = blocks.moved(data, placement)
    entries = entries_of(new)
    assert entries.get(0x9214) == expected
    assert dropped == (() if expected else ("subject area",))
    assert (entries[0x9003], entries[0xA001]) == ("aa", 1)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_place_beyond_shorts_gets_longer_numbers(order):
    value = struct.pack(order + "4H", 30_000, 20, 8, 6)
    huge = Placement.of_resize((3, 3), (40, 40_000), (120, 120_000))
    new, _ = blocks.moved(block_of(order, {0x9214: (3, 4, value)}), huge)
    assert entries_of(new)[0x9214] == (90_001, 61, 24, 18)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tags", [(0xA20E, 0xA20F), (0x920E, 0x920F)])
def test_the_resolution_of_the_sensor_is_scaled(order, tags):
    rational = [struct.pack(order + "II", number, 2) for number in (1001, 3000)]
    data = block_of(order, {tag: (5, 1, value) for tag, value in zip(tags, rational, strict=True)})
    entries = entries_of(blocks.moved(data, WIDER)[0])
    assert [float(entries[tag]) for tag in tags] == [1501.5, 1500]
    entries = entries_of(blocks.moved(data, placement_of(6, BEFORE))[0])
    assert [float(entries[tag]) for tag in tags] == [1500, 500.5]
    new, dropped = blocks.moved(data, BENT)
    assert dropped == ("resolution of the sensor",)
    assert not set(tags) & entries_of(new).keys()


@pytest.mark.parametrize("order", ["<", ">"])
def test_resolution_is_that_of_the_image(order):
    pair = struct.pack(order + "II", 72, 1)
    fields = {0x11A: (5, 1, pair), 0x11B: (5, 1, pair),
              0x128: (3, 1, struct.pack(order + "H", 2))}  # fmt: skip
    data = block_of(order, fields, second=False)
    assert blocks.resolution(data) == (72, 72)
    assert blocks.updated(data, 5, 6) == data
    assert blocks.with_resolution(data, (300, 150)) == data
    uneven = bytearray(data)
    at = uneven.index(struct.pack(order + "HHI", 0x11B, 5, 1)) + 8
    place = struct.unpack_from(order + "I", uneven, at)[0]
    struct.pack_into(order + "II", uneven, place, 301, 2)
    assert blocks.resolution(bytes(uneven)) == (72, 150.5)
    turned, _ = blocks.moved(bytes(uneven), placement_of(6, BEFORE))
    assert blocks.resolution(turned) == (150.5, 72)
    assert blocks.moved(data, placement_of(6, BEFORE)) == (data, ())


@pytest.mark.parametrize("order", ["<", ">"])
def test_resolution_is_added_without_moving_anything(order):
    data = hand_made(order)
    assert blocks.resolution(data) is None
    new = blocks.with_resolution(data, (300, 150))
    assert blocks.resolution(new) == (300, 150)
    assert new[8 : len(data)] == data[8:]
    assert entries_of(new)[0x927C] == b"NOTE with inner offsets"
    assert blocks.resolution(blocks.with_resolution(None, (72, 72))) == (72, 72)


def test_a_thumbnail_that_claims_the_whole_block_takes_nothing_away():
    data = bytearray(hand_made("<"))
    at = data.index(struct.pack("<HHI", 0x0201, 4, 1)) + 8
    data[at : at + 4] = struct.pack("<I", 40)
    assert entries_of(blocks.updated(bytes(data), 5, 6))[0x927C] == b"NOTE with inner offsets"
