"""BMP: pixels of 16 and 32 bits by their masks, so that alpha is kept; the others by Pillow."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.codec import Encoding, Header, OpenFile
from lerf_core.io.codecs.pillow import PillowCodec
from lerf_core.io.formats import RGB, RGBA
from lerf_core.io.guards import check_pixels
from lerf_core.io.image import DecodedImage, Pixels, channels_of
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.metadata.units import METRES_PER_INCH
from lerf_core.io.pixels.depth import dtype_of_bits, expanded

if TYPE_CHECKING:
    from PIL import Image

    from lerf_core.io.formats import Format

__all__ = ["BmpCodec"]

_FILE_HEADER = 14
_INFO_HEADER, _ALPHA_HEADER, _V5_HEADER = 40, 56, 124
_PLAIN, _MASKED, _MASKED_WITH_ALPHA = 0, 3, 6
# Red, green, blue, alpha where the file gives none.
_USUAL_MASKS = {
    16: (0x7C00, 0x03E0, 0x001F, 0), 32: (0x00FF0000, 0x0000FF00, 0x000000FF, 0),
}  # fmt: skip
_EMBEDDED, _SRGB = b"DEBM", b"BGRs"


@dataclass(frozen=True)
class _Claims:
    """What the headers of a file of 16 or 32 bits per pixel say.

    Attributes
    ----------
    shape : (rows, columns)
    bits : int
        Per pixel.
    masks : tuple of 4 ints
        Of red, green, blue and alpha; 0: there is none.
    start : int
        Of the pixels.
    is_top_down : bool
    """

    shape: tuple[int, int]
    bits: int
    masks: tuple[int, int, int, int]
    start: int
    is_top_down: bool

    @property
    def layout(self) -> str:
        return RGBA if self.masks[3] else RGB

    @property
    def dtype(self) -> np.dtype[Any]:
        return dtype_of_bits(max(mask.bit_count() for mask in self.masks))

    @property
    def notes(self) -> tuple[str, ...]:
        widths = [mask.bit_count() for mask in self.masks if mask]
        size = 8 * self.dtype.itemsize
        if set(widths) == {size}:
            return ()
        return (f"samples of {', '.join(map(str, widths))} bits expanded to {size} bits",)


class BmpCodec(PillowCodec):
    """BMP of every depth."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head[:2] == b"BM" and (
            _claims(file.rewound()) is not None or super().recognizes(file)
        )

    def metadata_of(self, image: Image.Image, file: OpenFile) -> Metadata:
        """See `PillowCodec`."""
        return replace(super().metadata_of(image, file), icc=_profile(file.rewound()))

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        claims = _claims(file.rewound())
        if claims is None:
            return super().read_header(file, max_pixels)
        rows, cols = claims.shape
        check_pixels(rows * cols, max_pixels, "claims")
        # The file's pixels, then each sample with its table's place, then the pixels.
        decoding_bytes = rows * cols * (12 + 2 * channels_of(claims.layout) * claims.dtype.itemsize)
        return Header(
            "BMP", claims.shape, 1, claims.layout, claims.dtype, _metadata(file.rewound()),
            claims.notes, decoding_bytes,
        )  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`."""
        claims = _claims(file.rewound())
        if claims is None:
            return super().read(file, max_pixels, labels=labels, first_only=first_only)
        check_pixels(claims.shape[0] * claims.shape[1], max_pixels, "claims")
        metadata = _metadata(file.rewound())
        pixels = _decoded(file.rewound(), claims)
        notes = claims.notes
        if claims.masks[3] and not pixels[..., 3].any():
            # Declared and never filled in, by some programs: all would be invisible.
            pixels[..., 3] = np.iinfo(pixels.dtype).max
            notes += ("alpha of 0 everywhere taken for opaque",)
        return DecodedImage([pixels], claims.layout, "BMP", metadata, notes)

    def write(
        self, stream: BinaryIO, image: DecodedImage, target: Format, encoding: Encoding
    ) -> tuple[str, ...]:
        """See `Codec`."""
        if image.layout != RGBA:
            return super().write(stream, image, target, encoding)
        pixels = image.frames[0]
        rows, cols = pixels.shape[:2]
        size = pixels.nbytes
        across, down = (
            round(value / METRES_PER_INCH) for value in image.metadata.dpi or (0.0, 0.0)
        )
        start = _FILE_HEADER + _V5_HEADER
        stream.write(struct.pack("<2sI4xI", b"BM", start + size, start))
        header = struct.pack(
            "<I2i2H2I2i2I4I4s",
            _V5_HEADER, cols, rows, 1, 32, _MASKED, size, across, down, 0, 0,
            0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000, _SRGB,
        )  # fmt: skip
        stream.write(header.ljust(_V5_HEADER, b"\0"))
        stream.write(np.ascontiguousarray(pixels[::-1, :, [2, 1, 0, 3]]).data.cast("B"))
        return ()


def _claims(stream: BinaryIO) -> _Claims | None:
    """Return what the headers say; None: the pixels are of a kind that Pillow reads rightly."""
    data = stream.read(_FILE_HEADER + _V5_HEADER)
    if len(data) < _FILE_HEADER + _INFO_HEADER:
        return None
    start, size = struct.unpack_from("<2I", data, 10)
    if size < _INFO_HEADER or size == 64:  # an OS/2 header
        return None
    cols, rows, _, bits, kind = struct.unpack_from("<2i2HI", data, _FILE_HEADER + 4)
    if bits not in _USUAL_MASKS or kind not in {_PLAIN, _MASKED, _MASKED_WITH_ALPHA}:
        return None
    masks = _USUAL_MASKS[bits]
    if kind != _PLAIN:
        # Within the header, or behind a header without room for them.
        has_alpha = size >= _ALPHA_HEADER or (size == _INFO_HEADER and kind == _MASKED_WITH_ALPHA)
        count = 4 if has_alpha else 3
        given = struct.unpack_from(f"<{count}I", data.ljust(80, b"\0"), _FILE_HEADER + 40)
        masks = (*given[:3], given[3] if has_alpha else 0)
    if cols < 1 or rows == 0:
        raise FileError("declares an image without pixels")
    if not all(_is_mask(mask) and mask >> bits == 0 for mask in masks) or not any(masks[:3]):
        raise FileError("damaged: masks that do not take a pixel apart")
    return _Claims((abs(rows), cols), bits, masks, start, rows < 0)


def _is_mask(mask: int) -> bool:
    """Tell whether the bits of a mask follow each other, at most 16 of them."""
    ones = mask >> (mask & -mask).bit_length() - 1 if mask else 0
    return ones & (ones + 1) == 0 and ones <= 0xFFFF


def _decoded(stream: BinaryIO, claims: _Claims) -> Pixels:
    """Return the samples, each over the whole range of their type.

    Raises
    ------
    FileError
        If pixels miss.
    """
    rows, cols = claims.shape
    stored = np.dtype(f"<u{claims.bits // 8}")
    # Rows end at multiples of 4 bytes.
    stride = -(-cols * stored.itemsize // 4) * 4
    stream.seek(claims.start)
    data = stream.read(rows * stride)
    if len(data) < rows * stride:
        raise FileError("damaged: the file ends before its pixels do")
    words = np.frombuffer(data, np.uint8).reshape(rows, stride)[:, : cols * stored.itemsize]
    words = np.ascontiguousarray(words).view(stored)
    masks = claims.masks[: channels_of(claims.layout)]
    pixels = np.zeros((rows, cols, len(masks)), claims.dtype)
    for channel, mask in enumerate(masks):
        if mask:
            shift = (mask & -mask).bit_length() - 1
            top = mask >> shift
            values = ((words & stored.type(mask)) >> stored.type(shift)).astype(claims.dtype)
            pixels[..., channel] = expanded(values, top)
    return pixels if claims.is_top_down else np.ascontiguousarray(pixels[::-1])


def _metadata(stream: BinaryIO) -> Metadata:
    data = stream.read(_FILE_HEADER + _INFO_HEADER)
    across, down = struct.unpack_from("<2i", data, _FILE_HEADER + 24)
    dpi = None
    if across > 0 and down > 0:
        dpi = across * METRES_PER_INCH, down * METRES_PER_INCH
    stream.seek(0)
    return Metadata(icc=_profile(stream), dpi=dpi)


def _profile(stream: BinaryIO) -> bytes | None:
    """Return the colour profile that a header of the fifth version points at, if any."""
    data = stream.read(_FILE_HEADER + _V5_HEADER)
    if len(data) < _FILE_HEADER + _V5_HEADER or data[_FILE_HEADER] != _V5_HEADER:
        return None
    if data[_FILE_HEADER + 56 : _FILE_HEADER + 60] != _EMBEDDED:
        return None
    offset, size = struct.unpack_from("<2I", data, _FILE_HEADER + 112)
    stream.seek(_FILE_HEADER + offset)
    profile = stream.read(min(size, 1 << 26))
    return profile if len(profile) == size and size else None
