"""Radiance's HDR: colours with a common exponent, read as floats."""

from __future__ import annotations

import re
from typing import BinaryIO, NamedTuple

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.codec import DecodingCodec, Header, OpenFile
from lerf_core.io.formats import RGB
from lerf_core.io.guards import check_pixels
from lerf_core.io.image import DecodedImage, Pixels

__all__ = ["RadianceCodec"]

_LONGEST_HEADER = 1 << 20
_SIZE = re.compile(rb"([-+])Y +(\d{1,9}) +([-+])X +(\d{1,9})\n")
_USUAL_SIZE = b"-Y %d +X %d\n"


class _Claims(NamedTuple):
    """What a header says.

    Attributes
    ----------
    shape : (rows, columns)
    is_flipped, is_mirrored : bool
        Rows from below; columns from the right.
    exposure : float
        What radiances were multiplied by.
    start : int
        Of the pixels.
    """

    shape: tuple[int, int]
    is_flipped: bool
    is_mirrored: bool
    exposure: float
    start: int

    @property
    def notes(self) -> tuple[str, ...]:
        if self.exposure == 1:
            return ()
        return (f"values are radiances times {self.exposure:g}, the file's exposure",)


class RadianceCodec(DecodingCodec):
    """HDR of red, green and blue."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head.startswith((b"#?RADIANCE", b"#?RGBE"))

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        claims = _claims(file.rewound(), max_pixels)
        rows, cols = claims.shape
        return Header(
            "HDR", claims.shape, 1, RGB, np.dtype(np.float32), notes=claims.notes,
            decoding_bytes=rows * cols * 3 * 4 * 2,
        )  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`."""
        del labels, first_only
        from imagecodecs import rgbe_decode

        claims = _claims(file.rewound(), max_pixels)
        rows, cols = claims.shape
        file.stream.seek(claims.start)
        # The decoder knows the usual order alone; what stands before it is told already.
        usual = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n" + _USUAL_SIZE % (rows, cols)
        pixels: Pixels = rgbe_decode(usual + file.stream.read())
        if pixels.shape != (rows, cols, 3):
            raise FileError(f"damaged: {pixels.shape} decoded of {(rows, cols, 3)}")
        pixels = pixels[:: -1 if claims.is_flipped else 1, :: -1 if claims.is_mirrored else 1]
        return DecodedImage([np.ascontiguousarray(pixels)], RGB, "HDR", notes=claims.notes)


def _claims(stream: BinaryIO, max_pixels: int) -> _Claims:
    """Return what a header says.

    Raises
    ------
    FileError
        If it is damaged, of other colours than RGB, or claims too many pixels.
    """
    head = stream.read(_LONGEST_HEADER)
    text, mark, _ = head.partition(b"\n\n")
    start = len(text) + len(mark)
    size = _SIZE.match(head, start)
    if not mark or size is None:
        raise FileError("damaged, or of turned columns: its header has no size")
    exposure = 1.0
    for line in text.splitlines():
        name, _, value = line.partition(b"=")
        if name.strip() == b"FORMAT" and value.strip() != b"32-bit_rle_rgbe":
            raise FileError("HDR of XYZ colours is not supported: convert it to RGB")
        if name.strip() == b"EXPOSURE":
            try:
                exposure *= float(value)
            except ValueError:
                continue
    rows, cols = int(size[2]), int(size[4])
    if not (rows and cols):
        raise FileError("declares an image without pixels")
    check_pixels(rows * cols, max_pixels, "claims")
    return _Claims((rows, cols), size[1] == b"+", size[3] == b"-", exposure, size.end())
