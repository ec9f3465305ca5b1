"""JPEG: Pillow's pixels, and the segments that stand before them."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from PIL import Image

from lerf_core.io.codec import Header, OpenFile
from lerf_core.io.codecs.deep_jpeg import DeepFrame, checked_frame, is_deep
from lerf_core.io.codecs.pillow import PillowCodec
from lerf_core.io.formats import LONGEST_SEGMENT, LONGEST_XMP, XMP_SEGMENT
from lerf_core.io.image import DecodedImage
from lerf_core.io.metadata import iptc
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.pixels.depth import expanded, stored_bits

if TYPE_CHECKING:
    from lerf_core.io.codec import Encoding
    from lerf_core.io.formats import Format

__all__ = ["JpegCodec"]

_START, _SCAN, _END = 0xD8, 0xDA, 0xD9
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_APP1, _APP13, _COMMENT = 0xE1, 0xED, 0xFE
_PHOTOSHOP = b"Photoshop 3.0\0"
_OLD_PHOTOSHOP = b"Adobe_Photoshop2.5:"
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
# Name of an extended packet, its length and the offset of a piece of it.
_EXTENDED_HEAD = struct.Struct(">32sII")
_LONGEST_PIECE = LONGEST_SEGMENT - len(_EXTENDED_XMP) - _EXTENDED_HEAD.size
# Segments by their marker and first bytes that are read, or are about the file alone.
_KNOWN = (
    (0xE0, b"JFIF\0"), (0xE0, b"JFXX\0"), (_APP1, b"Exif\0"), (_APP1, XMP_SEGMENT),
    (_APP1, _EXTENDED_XMP), (0xE2, b"ICC_PROFILE\0"), (0xE2, b"MPF\0"), (0xEE, b"Adobe"),
    (_APP13, _PHOTOSHOP), (_APP13, _OLD_PHOTOSHOP),
)  # fmt: skip
# What others are called, by their first bytes, where these are no plain words.
_NAMES = (
    (0xE2, b"urn:iso:std:iso:ts:21496", "gain map"), (0xEB, b"JP", "JUMBF"),
    (0xE2, b"FPXR", "FlashPix"), (0xEC, b"Ducky", "Ducky"),
)  # fmt: skip
# Bytes of Photoshop's segment on how it encoded, where it says no more.
_QUALITY_ALONE = 16
_IDENTIFIER = re.compile(rb"[A-Za-z][\w. :-]{2,23}")
# A marker behind pixels: neither a byte of theirs, nor a restart.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# The largest number of a density.
_MOST = 0xFFFF
# Fewer bytes than this behind an image say nothing.
_LEAST_TRAILER = 32


class Segment(NamedTuple):
    """A marker, such as 0xE1 for APP1, and what stands behind its length."""

    marker: int
    data: bytes


class JpegCodec(PillowCodec):
    """JPEG, with whatever its segments say."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head[:3] == b"\xff\xd8\xff" and (
            is_deep(file.rewound()) or super().recognizes(file)
        )

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        if not is_deep(file.rewound()):
            return super().read_header(file, max_pixels)
        frame = checked_frame(file.rewound(), max_pixels)
        rows, cols = frame.shape
        metadata, notes = self._beside_deep_pixels(file, frame)
        return Header(
            "JPEG", frame.shape, 1, frame.layout, frame.dtype, metadata, frame.notes + notes,
            3 * rows * cols * frame.components * frame.dtype.itemsize,
        ).turned_upright(metadata.orientation)  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`; labels of other than 8 bits are as they are stored."""
        if not is_deep(file.rewound()):
            return super().read(file, max_pixels, labels=labels, first_only=first_only)
        frame = checked_frame(file.rewound(), max_pixels)
        pixels = frame.decoded(file.rewound().read())
        metadata, notes = self._beside_deep_pixels(file, frame)
        if not labels:
            pixels, notes = expanded(pixels, frame.top), frame.notes + notes
        return DecodedImage(
            [pixels], frame.layout, "JPEG", metadata, notes, lossless=frame.is_lossless
        ).turned_upright(metadata.orientation)

    def _beside_deep_pixels(
        self, file: OpenFile, frame: DeepFrame
    ) -> tuple[Metadata, tuple[str, ...]]:
        """Return what the segments say, as Pillow reads them of a file of 8 bits, and notes."""
        bits = stored_bits(frame.bits, frame.dtype)
        data = frame.as_8_bits(file.rewound().read())
        plain = OpenFile(io.BytesIO(data), file.head)
        try:
            with Image.open(plain.rewound()) as image:
                metadata = replace(self.metadata_of(image, plain), bits=bits)
                return metadata, self.notes_of(plain)
        except (SyntaxError, OSError):
            return Metadata(bits=bits), ()

    def metadata_of(self, image: Image.Image, file: OpenFile) -> Metadata:
        """See `PillowCodec`."""
        segments = list(_segments(file.rewound()))
        records, _ = iptc.of_resources(_photoshop_resources(segments))
        metadata = super().metadata_of(image, file)
        comments = (item.data.rstrip(b"\0") for item in segments if item.marker == _COMMENT)
        return replace(
            metadata,
            xmp=_whole_xmp(metadata.xmp, segments)[0],
            iptc=records,
            comments=tuple(comment for comment in comments if comment),
        )

    def notes_of(self, file: OpenFile) -> tuple[str, ...]:
        """See `PillowCodec`."""
        stream = file.rewound()
        segments = list(_segments(stream))
        notes: tuple[str, ...] = ()
        _, others = iptc.of_resources(_photoshop_resources(segments))
        if others:
            notes += (f"Photoshop's {', '.join(others)} dropped",)
        packet = next(
            (item.data for item in segments if _is_segment(item, _APP1, XMP_SEGMENT)), None
        )
        if packet is not None:
            notes += _whole_xmp(packet[len(XMP_SEGMENT) :], segments)[1]
        names = list(dict.fromkeys(filter(None, map(_name_of, segments))))
        if names:
            notes += (f"segments dropped: {', '.join(names)}",)
        # Further images are told of by themselves.
        if any(_is_segment(item, 0xE2, b"MPF\0") for item in segments):
            return notes
        behind = _bytes_behind(stream)
        if behind >= _LEAST_TRAILER:
            notes += (f"{behind:,} bytes behind the image dropped",)
        return notes

    def write(
        self, stream: BinaryIO, image: DecodedImage, target: Format, encoding: Encoding
    ) -> tuple[str, ...]:
        """See `Codec`."""
        begin = stream.tell()
        notes = super().write(stream, image, target, encoding)
        _set_density(stream, begin, image.metadata)
        return notes

    def metadata_keywords(self, metadata: Metadata, target: Format) -> dict[str, Any]:
        """See `PillowCodec`."""
        keywords = super().metadata_keywords(metadata, target)
        # Both go with the further segments, in their order.
        keywords.pop("xmp", None)
        keywords.pop("comment", None)
        segments = [*_xmp_segments(metadata.xmp), *_further_segments(metadata)]
        return keywords | {"extra": b"".join(map(_encoded, segments))}


# -- reading ------------------------------------------------------------------------------


def _segments(stream: BinaryIO) -> Iterator[Segment]:
    """Yield the segments before the pixels; damage ends the walk quietly."""
    stream.seek(2)
    while (byte := stream.read(1)) == b"\xff":
        # A marker may have any number of bytes of 0xFF before it.
        while byte == b"\xff":
            byte = stream.read(1)
        if not byte or byte[0] in {_SCAN, _END, 0}:
            return
        if byte[0] in _ALONE or byte[0] == _START:
            continue
        length = int.from_bytes(stream.read(2), "big") - 2
        data = stream.read(max(0, length))
        if length < 0 or len(data) < length:
            return
        yield Segment(byte[0], data)


def _bytes_behind(stream: BinaryIO) -> int:
    """Return the bytes behind the end of the image, from a stream at its first scan; 0 for none."""
    data = stream.read()
    position = 0
    while (match := _MARKER.search(data, position)) is not None:
        position = match.end()
        if match[0][1] == _END:
            behind = data[position:]
            return len(behind) if behind.strip(b"\0") else 0
        if match[0][1] not in _ALONE:
            # Between scans stand tables, and the next scan's head.
            position += int.from_bytes(data[position : position + 2], "big")
    return 0


def _is_segment(segment: Segment, marker: int, start: bytes) -> bool:
    return segment.marker == marker and segment.data.startswith(start)


def _name_of(segment: Segment) -> str:
    """Return what a segment is called that is not kept; "" for others."""
    if not 0xE0 <= segment.marker <= 0xEF or len(segment.data) < 3:
        return ""
    if any(_is_segment(segment, *known) for known in _KNOWN):
        return ""
    if _is_segment(segment, 0xEC, b"Ducky\0\1\0\4") and len(segment.data) <= _QUALITY_ALONE:
        return ""
    for marker, start, name in _NAMES:
        if _is_segment(segment, marker, start):
            return name
    match = _IDENTIFIER.match(segment.data)
    number = f"APP{segment.marker & 15}"
    return f"{number} {match[0].decode('latin-1').strip()}" if match is not None else number


def _photoshop_resources(segments: Iterable[Segment]) -> Iterator[tuple[int, bytes]]:
    pieces = [
        segment.data[len(prefix) :]
        for segment in segments
        for prefix in (_PHOTOSHOP, _OLD_PHOTOSHOP)
        if _is_segment(segment, _APP13, prefix)
    ]
    # What is too long for a segment goes on in the next; or each has resources of its own.
    found = list(iptc.resources(b"".join(pieces)))
    yield from found
    for piece in pieces[1:]:
        yield from (item for item in iptc.resources(piece) if item not in found)


def _whole_xmp(
    main: bytes | None, segments: Iterable[Segment]
) -> tuple[bytes | None, tuple[str, ...]]:
    """Return a packet joined with its extended one, and notes."""
    if main is None or b"HasExtendedXMP" not in main:
        return main, ()
    from lerf_core.io.metadata import xmp_extended

    guid = xmp_extended.extended_guid(main).encode()
    pieces: dict[int, bytes] = {}
    whole = 0
    for segment in segments:
        if _is_segment(segment, _APP1, _EXTENDED_XMP):
            body = segment.data[len(_EXTENDED_XMP) :]
            if len(body) >= _EXTENDED_HEAD.size:
                name, whole_length, offset = _EXTENDED_HEAD.unpack_from(body)
                if name == guid:
                    pieces[offset] = body[_EXTENDED_HEAD.size :]
                    whole = whole_length
    data = b"".join(pieces[offset] for offset in sorted(pieces))
    if not data or len(data) != whole:
        return main, ("the extended part of XMP is missing or damaged",)
    try:
        return xmp_extended.joined(main, data), ()
    except ValueError:
        return main, ("the extended part of XMP is damaged and dropped",)


# -- writing ------------------------------------------------------------------------------


def _xmp_segments(data: bytes | None) -> Iterator[Segment]:
    """Yield a packet, and its extended one in pieces."""
    if not data:
        return
    from lerf_core.io.metadata import xmp_extended

    main, extended = xmp_extended.split(data, LONGEST_XMP)
    yield Segment(_APP1, XMP_SEGMENT + main)
    guid = xmp_extended.extended_guid(main).encode() if extended else b""
    for offset in range(0, len(extended), _LONGEST_PIECE):
        head = _EXTENDED_HEAD.pack(guid, len(extended), offset)
        piece = extended[offset : offset + _LONGEST_PIECE]
        yield Segment(_APP1, _EXTENDED_XMP + head + piece)


def _further_segments(metadata: Metadata) -> Iterator[Segment]:
    """Yield what Pillow does not write by itself."""
    if metadata.iptc:
        data, room = iptc.as_resources(metadata.iptc), LONGEST_SEGMENT - len(_PHOTOSHOP)
        for start in range(0, len(data), room):
            yield Segment(_APP13, _PHOTOSHOP + data[start : start + room])
    for comment in metadata.comments:
        for start in range(0, len(comment), LONGEST_SEGMENT):
            yield Segment(_COMMENT, comment[start : start + LONGEST_SEGMENT])


def _encoded(segment: Segment) -> bytes:
    length = (len(segment.data) + 2).to_bytes(2, "big")
    return bytes([0xFF, segment.marker]) + length + segment.data


def _set_density(stream: BinaryIO, begin: int, metadata: Metadata) -> None:
    """Set the resolution in JFIF where Pillow's is none, or a coarser one than there could be."""
    unit, pair = 0, metadata.aspect
    if metadata.dpi is not None:
        unit, pair = _density(metadata.dpi)
    if pair is None:
        return
    largest = max(pair)
    factor = 1.0 if largest <= _MOST or unit else _MOST / largest
    numbers = [max(1, round(value * factor)) for value in pair]
    density = struct.pack(">BHH", unit, *numbers)
    stream.seek(begin + 2)
    head = stream.read(9)
    if head[:2] == b"\xff\xe0" and head[4:] == b"JFIF\0":
        stream.seek(begin + 13)
        stream.write(density)
    else:
        # libjpeg writes none beside CMYK.
        rest = head + stream.read()
        stream.seek(begin + 2)
        stream.write(_encoded(Segment(0xE0, b"JFIF\0\1\1" + density + b"\0\0")) + rest)
    stream.seek(0, 2)


def _density(dpi: tuple[float, float]) -> tuple[int, tuple[float, float]]:
    """Return JFIF's unit, and the resolution in it, that lose least: its numbers are whole."""
    units = [(unit, (dpi[0] / factor, dpi[1] / factor)) for unit, factor in ((1, 1.0), (2, 2.54))]
    fitting = [(unit, pair) for unit, pair in units if min(pair) >= 0.5 and max(pair) <= _MOST]
    errors = [sum(abs(value - round(value)) / value for value in pair) for _, pair in fitting]
    return fitting[errors.index(min(errors))] if fitting else units[0]
