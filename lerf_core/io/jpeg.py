"""JPEG: Pillow's pixels, and the segments that stand before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from lerf_core.io import iptc
from lerf_core.io.pillow import PillowCodec

if TYPE_CHECKING:
    from PIL import Image

    from lerf_core.io.codec import OpenFile
    from lerf_core.io.formats import Format
    from lerf_core.io.metadata import Metadata

__all__ = ["LONGEST_SEGMENT", "JpegCodec"]

#: Bytes that a segment holds, its length apart.
LONGEST_SEGMENT = 65_533
_START, _SCAN, _END = 0xD8, 0xDA, 0xD9
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_APP13, _COMMENT = 0xED, 0xFE
_PHOTOSHOP = b"Photoshop 3.0\0"
_OLD_PHOTOSHOP = b"Adobe_Photoshop2.5:"


class Segment(NamedTuple):
    """A marker, such as 0xE1 for APP1, and what stands behind its length."""

    marker: int
    data: bytes


class JpegCodec(PillowCodec):
    """JPEG, with whatever its segments say."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head[:3] == b"\xff\xd8\xff" and super().recognizes(file)

    def metadata_of(self, image: Image.Image, file: OpenFile) -> Metadata:
        """See `PillowCodec`."""
        records, _ = iptc.of_resources(_photoshop_resources(_segments(file.rewound())))
        return replace(super().metadata_of(image, file), iptc=records)

    def notes_of(self, file: OpenFile) -> tuple[str, ...]:
        """See `PillowCodec`."""
        _, others = iptc.of_resources(_photoshop_resources(_segments(file.rewound())))
        return (f"Photoshop's {', '.join(others)} dropped",) if others else ()

    def metadata_keywords(self, metadata: Metadata, target: Format) -> dict[str, Any]:
        """See `PillowCodec`."""
        return super().metadata_keywords(metadata, target) | {
            "extra": b"".join(_encoded(segment) for segment in _written(metadata))
        }


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


def _photoshop_resources(segments: Iterator[Segment]) -> Iterator[tuple[int, bytes]]:
    data = b""
    for segment in segments:
        for prefix in (_PHOTOSHOP, _OLD_PHOTOSHOP):
            if segment.marker == _APP13 and segment.data.startswith(prefix):
                # What is too long for a segment goes on in the next.
                data += segment.data[len(prefix) :]
    return iptc.resources(data)


def _written(metadata: Metadata) -> Iterator[Segment]:
    """Yield the segments that Pillow does not write by itself."""
    if metadata.iptc:
        data, room = iptc.as_resources(metadata.iptc), LONGEST_SEGMENT - len(_PHOTOSHOP)
        for start in range(0, len(data), room):
            yield Segment(_APP13, _PHOTOSHOP + data[start : start + room])


def _encoded(segment: Segment) -> bytes:
    length = (len(segment.data) + 2).to_bytes(2, "big")
    return bytes([0xFF, segment.marker]) + length + segment.data
