"""GIF: Pillow's pixels, and what its extensions say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from lerf_core.io.codecs.pillow import PillowCodec

if TYPE_CHECKING:
    from PIL import Image

    from lerf_core.io.codec import OpenFile
    from lerf_core.io.metadata.model import Metadata

__all__ = ["GifCodec"]

_EXTENSION, _IMAGE = b"!", b","
_APPLICATION, _COMMENT = 0xFF, 0xFE
_XMP, _ICC = b"XMP DataXMP", b"ICCRGBG1012"
# XMP lies bare; 256 bytes behind it lead a reader of blocks to its end, wherever that is.
_XMP_END = b"\x01\xff\xfe\xfd\xfc"
_LONGEST_XMP = 1 << 24


class GifCodec(PillowCodec):
    """GIF, with the comments, the XMP and the profile in its extensions."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head[:4] == b"GIF8" and super().recognizes(file)

    def metadata_of(self, image: Image.Image, file: OpenFile) -> Metadata:
        """See `PillowCodec`."""
        comments: list[bytes] = []
        profile, packet = b"", b""
        for label, name, data in _extensions(file.rewound()):
            if label == _COMMENT and data:
                comments.append(data)
            elif name == _XMP:
                packet = packet or data
            elif name == _ICC:
                profile = profile or data
        metadata = super().metadata_of(image, file)
        return replace(
            metadata, comments=tuple(comments), xmp=packet or None, icc=profile or metadata.icc
        )


def _extensions(stream: BinaryIO) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield label, name and data of extensions; damage ends the walk quietly."""
    has_xmp = False
    head = stream.read(13)
    if len(head) == 13 and head[10] & 0x80:
        stream.seek(3 << ((head[10] & 7) + 1), 1)
    while (kind := stream.read(1)) in {_EXTENSION, _IMAGE}:
        if kind == _IMAGE:
            place = stream.read(9)
            if len(place) < 9:
                return
            if place[8] & 0x80:
                stream.seek(3 << ((place[8] & 7) + 1), 1)
            stream.seek(1, 1)
            _skip_blocks(stream)
            continue
        label = stream.read(1)
        if label == bytes([_APPLICATION]):
            name = _block(stream)
            if name == _XMP and not has_xmp:
                has_xmp = True
                yield _APPLICATION, name, _bare_xmp(stream)
            else:
                yield _APPLICATION, name, b"".join(_blocks(stream))
        elif label == bytes([_COMMENT]):
            yield _COMMENT, b"", b"".join(_blocks(stream))
        else:
            _skip_blocks(stream)


def _block(stream: BinaryIO) -> bytes:
    size = stream.read(1)
    return stream.read(size[0]) if size else b""


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    while data := _block(stream):
        yield data


def _skip_blocks(stream: BinaryIO) -> None:
    while (size := stream.read(1)) and size[0]:
        stream.seek(size[0], 1)


def _bare_xmp(stream: BinaryIO) -> bytes:
    start = stream.tell()
    data = stream.read(_LONGEST_XMP)
    stream.seek(start)
    _skip_blocks(stream)
    end = data.find(_XMP_END)
    return data[:end] if end >= 0 else b""
