"""SGI images of 16 bits per sample; those of 8 are Pillow's."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError
from lerf_core.io.codec import DecodingCodec, Header, OpenFile
from lerf_core.io.formats import GREY, GREY_ALPHA, MULTI, RGB, RGBA
from lerf_core.io.guards import check_samples
from lerf_core.io.image import DecodedImage

__all__ = ["SgiCodec"]

_MAGIC = b"\x01\xda"
_HEADER_SIZE = 512
_LAYOUTS = {1: GREY, 2: GREY_ALPHA, 3: RGB, 4: RGBA}


class _Claims(NamedTuple):
    """What a header says."""

    is_compressed: bool
    shape: tuple[int, int]
    samples: int

    @property
    def layout(self) -> str:
        return _LAYOUTS.get(self.samples, MULTI)


class SgiCodec(DecodingCodec):
    """What IRIX called RGB files, of 2 bytes per sample."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head[:2] == _MAGIC and file.head[2] in {0, 1} and file.head[3] == 2

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        claims = _claims(file, max_pixels)
        rows, cols = claims.shape
        return Header(
            "SGI", claims.shape, 1, claims.layout, np.dtype(np.uint16),
            decoding_bytes=3 * rows * cols * claims.samples * 2, samples=claims.samples,
        )  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`."""
        del labels, first_only
        claims = _claims(file, max_pixels)
        planes = (_unpacked if claims.is_compressed else _plain)(file.rewound(), claims)
        # The lowest row comes first.
        pixels = np.moveaxis(planes[:, ::-1], 0, -1).astype(np.uint16)
        if claims.samples == 1:
            pixels = pixels[..., 0]
        return DecodedImage([np.ascontiguousarray(pixels)], claims.layout, "SGI")


def _claims(file: OpenFile, max_pixels: int) -> _Claims:
    head = file.head.ljust(12, b"\0")
    dimensions, cols, rows, samples = struct.unpack_from(">4H", head, 4)
    if dimensions < 3:
        samples = 1
    if dimensions < 2:
        rows = 1
    if not (rows and cols and samples):
        raise FileError("declares an image without pixels")
    check_samples(rows * cols, samples, max_pixels, "claims")
    return _Claims(head[2] == 1, (rows, cols), samples)


def _plain(stream: BinaryIO, claims: _Claims) -> NDArray[Any]:
    shape = (claims.samples, *claims.shape)
    stream.seek(_HEADER_SIZE)
    data = stream.read(2 * int(np.prod(shape)))
    if len(data) < 2 * np.prod(shape):
        raise FileError("damaged: the file ends before its pixels do")
    return np.frombuffer(data, ">u2").reshape(shape)


def _unpacked(stream: BinaryIO, claims: _Claims) -> NDArray[Any]:
    """Return the planes of a file whose rows are packed as runs, wherever they lie."""
    rows, cols = claims.shape
    data = stream.read()
    count = rows * claims.samples
    if len(data) < _HEADER_SIZE + 8 * count:
        raise FileError("damaged: the file ends before its pixels do")
    starts = np.frombuffer(data, ">u4", count, _HEADER_SIZE)
    lengths = np.frombuffer(data, ">u4", count, _HEADER_SIZE + 4 * count)
    planes = np.empty((count, cols), np.uint16)
    for plane, start, length in zip(planes, starts.tolist(), lengths.tolist(), strict=True):
        _unpack_row(np.frombuffer(data[start : start + length // 2 * 2], ">u2"), plane)
    return planes.reshape(claims.samples, rows, cols)


def _unpack_row(runs: NDArray[Any], row: NDArray[np.uint16]) -> None:
    """Unpack one row: words that say how many follow, or how often the next is meant."""
    place = filled = 0
    while filled < len(row):
        count = int(runs[place]) & 0x7F if place < len(runs) else 0
        is_literal = count and int(runs[place]) & 0x80
        values = runs[place + 1 : place + 1 + (count if is_literal else 1)]
        if count == 0 or len(values) < (count if is_literal else 1) or filled + count > len(row):
            raise FileError("damaged: a row of other than its length")
        row[filled : filled + count] = values
        filled += count
        place += 1 + len(values)
