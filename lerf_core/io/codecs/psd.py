"""Photoshop's files: the image with all layers merged, and what their resources say.

Pixels of 8 bits per sample are Pillow's; those of 16 and 32 are read here.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from lerf_core.errors import FileError
from lerf_core.io.codec import DecodingCodec, Header, OpenFile
from lerf_core.io.codecs.pillow import PillowCodec
from lerf_core.io.formats import CMYK, GREY, GREY_ALPHA, RGB, RGBA
from lerf_core.io.guards import check_samples
from lerf_core.io.image import DecodedImage, Pixels, channels_of
from lerf_core.io.metadata import exif, iptc
from lerf_core.io.metadata.model import Metadata

__all__ = ["DeepPsdCodec", "PsdCodec"]

_HEADER_SIZE = 26
_LARGE = 2
_GREY, _RGB, _CMYK = 1, 3, 4
_LAYOUTS = {_GREY: (GREY, GREY_ALPHA), _RGB: (RGB, RGBA), _CMYK: (CMYK, CMYK)}
_STORED: dict[int, np.dtype[Any]] = {16: np.dtype(">u2"), 32: np.dtype(">f4")}
_PLAIN, _PACKED = 0, 1
_RESOLUTION, _ICC, _EXIF, _XMP = 1005, 1039, 1058, 1060
_LONGEST_RESOURCES = 1 << 28


class _Claims(NamedTuple):
    """What a header says."""

    is_large: bool
    channels: int
    shape: tuple[int, int]
    bits: int
    layout: str

    @property
    def notes(self) -> tuple[str, ...]:
        further = self.channels - channels_of(self.layout)
        notes = ("layers merged",)
        return notes + ((f"{further} further channels left out",) if further > 0 else ())


class PsdCodec(PillowCodec):
    """PSD whose pixels Pillow reads."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head[:4] == b"8BPS" and super().recognizes(file)

    def metadata_of(self, image: Image.Image, file: OpenFile) -> Metadata:
        """See `PillowCodec`."""
        del image
        return _resources(file.rewound()).metadata

    def notes_of(self, file: OpenFile) -> tuple[str, ...]:
        """See `PillowCodec`."""
        return _resources(file.rewound()).notes


class DeepPsdCodec(DecodingCodec):
    """PSD and PSB of more than 8 bits."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head[:4] == b"8BPS" and file.head[22:24] in {b"\0\x10", b"\0\x20"}

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        claims = _claims(file, max_pixels)
        rows, cols = claims.shape
        dtype = _STORED[claims.bits].newbyteorder("=")
        metadata, notes, _ = _resources(file.rewound())
        return Header(
            "PSD", claims.shape, 1, claims.layout, dtype, metadata, claims.notes + notes,
            3 * rows * cols * claims.channels * dtype.itemsize,
        ).turned_upright(metadata.orientation)  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`."""
        del labels, first_only
        claims = _claims(file, max_pixels)
        metadata, notes, start = _resources(file.rewound())
        notes = claims.notes + notes
        pixels = _decoded(file.rewound(), start, claims)
        image = DecodedImage([pixels], claims.layout, "PSD", metadata, notes)
        return image.turned_upright(metadata.orientation)


def _claims(file: OpenFile, max_pixels: int) -> _Claims:
    head = file.head
    if len(head) < _HEADER_SIZE:
        raise FileError("damaged: its header has no end")
    version, channels, rows, cols, bits, mode = struct.unpack_from(">H6xH2I2H", head, 4)
    layouts = _LAYOUTS.get(mode)
    if layouts is None:
        raise FileError(f"PSD of {bits} bits in mode {mode} is not supported: convert it to RGB")
    colours = channels_of(layouts[0])
    if not (rows and cols) or channels < colours:
        raise FileError("declares an image without pixels")
    check_samples(rows * cols, channels, max_pixels, "claims")
    # As Pillow has it: a single channel behind the colours is opacity.
    layout = layouts[channels == colours + 1]
    return _Claims(version == _LARGE, channels, (rows, cols), bits, layout)


class _Resources(NamedTuple):
    """What a file's resources say, notes on what is left out, and where its layers begin."""

    metadata: Metadata
    notes: tuple[str, ...]
    end: int


def _resources(stream: BinaryIO) -> _Resources:
    stream.seek(_HEADER_SIZE)
    length = struct.unpack(">I", stream.read(4))[0]
    stream.seek(length, 1)
    length = struct.unpack(">I", stream.read(4))[0]
    if length > _LONGEST_RESOURCES:
        raise FileError("damaged: resources of absurd length")
    start = stream.tell() + length
    found = dict(iptc.resources(stream.read(length)))
    records, others = iptc.of_resources(found.items())
    notes = (f"Photoshop's {', '.join(others)} dropped",) if others else ()
    dpi = None
    if len(found.get(_RESOLUTION, b"")) >= 16:
        across, down = struct.unpack_from(">I4xI", found[_RESOLUTION])
        # Fixed point, per inch whatever unit is shown.
        dpi = (across / 65536, down / 65536) if across and down else None
    metadata = Metadata(
        icc=found.get(_ICC) or None,
        exif=exif.strip_prefix(found.get(_EXIF, b"")) or None,
        xmp=found.get(_XMP) or None,
        iptc=records,
        dpi=dpi,
    )
    return _Resources(metadata, notes, start)


def _decoded(stream: BinaryIO, start: int, claims: _Claims) -> Pixels:
    """Return the merged image."""
    stream.seek(start)
    word = ">Q" if claims.is_large else ">I"
    length = struct.unpack(word, stream.read(struct.calcsize(word)))[0]
    stream.seek(length, 1)
    kind = struct.unpack(">H", stream.read(2))[0]
    rows, cols = claims.shape
    stored = _STORED[claims.bits]
    wanted = channels_of(claims.layout)
    data = stream.read()
    if kind == _PACKED:
        data = _unpacked(data, claims, wanted * rows, cols * stored.itemsize)
    elif kind != _PLAIN:
        raise FileError("a PSD whose merged image is zipped is not supported")
    size = wanted * rows * cols
    if len(data) < size * stored.itemsize:
        raise FileError("damaged: the file ends before its pixels do")
    planes = np.frombuffer(data, stored, size).reshape(wanted, rows, cols)
    pixels: Pixels = np.moveaxis(planes, 0, -1).astype(stored.newbyteorder("="))
    if claims.layout == CMYK:
        # Ink is stored as what it leaves of the light.
        pixels = (np.iinfo(np.uint16).max if claims.bits == 16 else 1) - pixels
    return np.ascontiguousarray(pixels[..., 0] if wanted == 1 else pixels)


def _unpacked(data: bytes, claims: _Claims, rows: int, row_bytes: int) -> bytes:
    """Return rows that are packed one by one, behind a list of their lengths."""
    from imagecodecs import packbits_decode

    count = claims.shape[0] * claims.channels
    stored = np.dtype(">u4" if claims.is_large else ">u2")
    if len(data) < count * stored.itemsize:
        raise FileError("damaged: the file ends before its pixels do")
    lengths = np.frombuffer(data, stored, count).tolist()
    place = count * stored.itemsize
    unpacked: list[bytes] = []
    for length in lengths[:rows]:
        row: Any = packbits_decode(data[place : place + length])
        if len(row) != row_bytes:
            raise FileError("damaged: a row of other than its length")
        unpacked.append(bytes(row))
        place += length
    return b"".join(unpacked)
