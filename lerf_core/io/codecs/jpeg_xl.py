"""JPEG XL, by imagecodecs: of 1 to 16 bits and floats; of an animation the first frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.codec import DecodingCodec, Header, OpenFile
from lerf_core.io.codecs.boxes import Box, boxes_of, cicp_of, content_of
from lerf_core.io.formats import GREY, GREY_ALPHA, RGB, RGBA
from lerf_core.io.guards import check_pixels
from lerf_core.io.image import DecodedImage, Pixels, channels_of
from lerf_core.io.metadata import exif
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.metadata.orientation import TRANSPOSED
from lerf_core.io.pixels.depth import dtype_of_bits, expanded, expansion_note, stored_bits

__all__ = ["JpegXlCodec"]

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
# What the header of a codestream takes at most, names of channels included.
_LONGEST_HEADER = 1 << 16
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_ALPHA, _SPOT, _MOSAIC = 0, 2, 5
_GREY_SPACE, _XYB_SPACE = 1, 2
_CUSTOM, _D65 = 2, 1
# Primaries of the codestream, by their codes of H.273.
_PRIMARIES = {1: 1, 9: 9, 11: 12}


class _Bits:
    """Fields of a codestream's header, from the lowest bit of each byte on."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        if count > self._left:
            raise FileError("damaged: its header has no end")
        number = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return number

    def choice(self, *ways: int | tuple[int, int]) -> int:
        """Return a number by one of four ways: itself, or so many bits added to an offset."""
        way = ways[self.take(2)]
        return way if isinstance(way, int) else way[0] + self.take(way[1])

    def enumeration(self) -> int:
        return self.choice(0, 1, (2, 4), (18, 6))

    def size(self) -> tuple[int, int]:
        """Return rows and columns."""
        is_small = self.take(1)

        def side() -> int:
            if is_small:
                return 8 * (1 + self.take(5))
            return self.choice((1, 9), (1, 13), (1, 18), (1, 30))

        rows = side()
        ratio = self.take(3)
        if ratio == 0:
            return rows, side()
        across, down = _RATIOS[ratio]
        return rows, rows * across // down

    def skip_preview(self) -> None:
        is_small = self.take(1)
        ways = (16, 32, (1, 5), (33, 9)) if is_small else ((1, 6), (65, 8), (321, 10), (1345, 12))
        self.choice(*ways)
        if self.take(3) == 0:
            self.choice(*ways)

    def depth(self) -> tuple[int, bool]:
        """Return bits per sample, and whether they are floats."""
        if not self.take(1):
            return self.choice(8, 10, 12, (1, 6)), False
        bits = self.choice(32, 16, 24, (1, 6))
        self.take(4)
        return bits, True


@dataclass
class _Claims:
    """What the header of a codestream says.

    Attributes
    ----------
    shape : (rows, columns)
        As the image is seen.
    bits : int
    is_float, is_animated, is_grey, has_alpha, premultiplied, has_profile : bool
    others : int
        Channels that are neither colours nor opacity.
    cicp : tuple of 4 ints, or None
    """

    shape: tuple[int, int]
    bits: int = 8
    is_float: bool = False
    is_animated: bool = False
    is_grey: bool = False
    has_alpha: bool = False
    premultiplied: bool = False
    has_profile: bool = False
    others: int = 0
    cicp: tuple[int, ...] | None = None

    @property
    def layout(self) -> str:
        if self.is_grey:
            return GREY_ALPHA if self.has_alpha else GREY
        return RGBA if self.has_alpha else RGB

    @property
    def dtype(self) -> np.dtype[Any]:
        if self.is_float:
            return np.dtype(np.float16 if self.bits == 16 else np.float32)
        return dtype_of_bits(self.bits) if self.bits <= 16 else np.dtype(np.float32)

    @property
    def notes(self) -> tuple[str, ...]:
        notes = []
        if self.dtype.kind == "u":
            notes.append(expansion_note((1 << self.bits) - 1, self.dtype))
        if self.has_profile:
            notes.append("the colour profile of a JPEG XL is not read")
        if self.is_animated:
            notes.append("only the first frame of the animation is used")
        if self.others:
            notes.append(f"{self.others} further channels left out")
        return tuple(note for note in notes if note)


class JpegXlCodec(DecodingCodec):
    """JPEG XL, bare or in a container."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head.startswith((_CODESTREAM, _CONTAINER))

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        claims = _claims(file.rewound())
        rows, cols = claims.shape
        check_pixels(rows * cols, max_pixels, "claims")
        layout, dtype = claims.layout, claims.dtype
        # libjxl works with 32-bit floats.
        decoding_bytes = rows * cols * channels_of(layout) * (8 + 2 * dtype.itemsize)
        return Header(
            "JXL", claims.shape, 1, layout, dtype, _metadata(file.rewound(), claims),
            claims.notes, decoding_bytes,
        )  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`; labels are as they are stored."""
        del first_only
        from imagecodecs import jpegxl_decode

        claims = _claims(file.rewound())
        rows, cols = claims.shape
        check_pixels(rows * cols, max_pixels, "claims")
        layout = claims.layout
        pixels: Pixels = jpegxl_decode(file.rewound().read(), index=0)
        if claims.is_grey and claims.others and not claims.has_alpha:
            pixels = pixels[0]  # further channels are planes behind it
        channels = channels_of(layout)
        if pixels.shape != ((rows, cols) if channels == 1 else (rows, cols, channels)):
            raise FileError(f"damaged: {pixels.shape} decoded of {claims.shape}")
        if claims.dtype.kind == "u" and not labels:
            pixels = expanded(pixels, (1 << claims.bits) - 1)
        return DecodedImage(
            [pixels], layout, "JXL", _metadata(file.rewound(), claims), claims.notes,
            claims.premultiplied, lossless=False,
        )  # fmt: skip


def _claims(stream: BinaryIO) -> _Claims:
    """Return what the header of the codestream says, wherever it begins."""
    stream.seek(0)
    if stream.read(2) != _CODESTREAM:
        found = next((item for item in boxes_of(stream) if item.kind in {b"jxlc", b"jxlp"}), None)
        if found is None:
            raise FileError("damaged: no pixels in the file")
        # A part begins with its number.
        stream.seek(found.start + (4 if found.kind == b"jxlp" else 0))
        if stream.read(2) != _CODESTREAM:
            raise FileError("damaged: its codestream has no beginning")
    bits = _Bits(stream.read(_LONGEST_HEADER))
    claims = _Claims(bits.size())
    if bits.take(1):
        return claims
    if bits.take(1):
        if 1 + bits.take(3) in TRANSPOSED:
            claims.shape = claims.shape[::-1]
        if bits.take(1):
            bits.size()
        if bits.take(1):
            bits.skip_preview()
        claims.is_animated = bool(bits.take(1))
        if claims.is_animated:
            bits.choice(100, 1000, (1, 10), (1, 30))
            bits.choice(1, 1001, (1, 8), (1, 10))
            bits.choice(0, (0, 3), (0, 16), (0, 32))
            bits.take(1)
    claims.bits, claims.is_float = bits.depth()
    bits.take(1)
    for _ in range(bits.choice(0, 1, (2, 4), (1, 12))):
        _read_further_channel(bits, claims)
    bits.take(1)
    if not bits.take(1):
        _read_colours(bits, claims)
    return claims


def _read_further_channel(bits: _Bits, claims: _Claims) -> None:
    if bits.take(1):
        kind, premultiplied = _ALPHA, False
    else:
        kind = bits.enumeration()
        bits.depth()
        bits.choice(0, 3, 4, (1, 3))
        bits.take(8 * bits.choice(0, (0, 4), (16, 5), (48, 10)))
        premultiplied = kind == _ALPHA and bool(bits.take(1))
        if kind == _SPOT:
            bits.take(64)
        elif kind == _MOSAIC:
            bits.choice(1, (0, 2), (3, 4), (19, 8))
    if kind == _ALPHA and not claims.has_alpha:
        claims.has_alpha, claims.premultiplied = True, premultiplied
    else:
        claims.others += 1


def _read_colours(bits: _Bits, claims: _Claims) -> None:
    claims.has_profile = bool(bits.take(1))
    space = bits.enumeration()
    claims.is_grey = space == _GREY_SPACE
    if claims.has_profile or space == _XYB_SPACE:
        return
    white = bits.enumeration()
    if white == _CUSTOM:
        _skip_points(bits, 1)
    primaries = 1 if claims.is_grey else bits.enumeration()
    if primaries == _CUSTOM:
        _skip_points(bits, 3)
    has_gamma = bits.take(1)
    if has_gamma or white != _D65 or primaries not in _PRIMARIES:
        claims.has_profile = True
        return
    claims.cicp = cicp_of(_PRIMARIES[primaries], bits.enumeration())


def _skip_points(bits: _Bits, count: int) -> None:
    for _ in range(2 * count):
        bits.choice((0, 19), (524_288, 19), (1_048_576, 20), (2_097_152, 21))


def _metadata(stream: BinaryIO, claims: _Claims) -> Metadata:
    """Return what the boxes around the pixels say; the decoder has turned them upright."""
    blocks: dict[bytes, bytes] = {}
    stream.seek(0)
    if stream.read(2) != _CODESTREAM:
        for found in boxes_of(stream):
            kind, data = _block(stream, found)
            if data:
                blocks.setdefault(kind, data)
    block = blocks.get(b"Exif", b"")
    start = 4 + int.from_bytes(block[:4], "big")
    exif_block = exif.strip_prefix(block[start:])
    return Metadata(
        exif=exif.without_orientation(exif_block) if exif_block else None,
        xmp=blocks.get(b"xml ") or None,
        cicp=claims.cicp,
        bits=stored_bits(claims.bits, claims.dtype),
    )


def _block(stream: BinaryIO, found: Box) -> tuple[bytes, bytes]:
    """Return kind and content of a box of metadata, which may be compressed; else nothing."""
    if found.kind in {b"Exif", b"xml "}:
        return found.kind, content_of(stream, found)
    if found.kind != b"brob":
        return b"", b""
    content = content_of(stream, found)
    if content[:4] not in {b"Exif", b"xml "}:
        return b"", b""
    from imagecodecs import brotli_decode

    return content[:4], bytes(brotli_decode(content[4:]))
