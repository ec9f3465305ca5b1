"""JPEG that Pillow does not decode: of 12 bits, without loss (2 to 16 bits), and JPEG-LS."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError
from lerf_core.io.formats import GREY, RGB
from lerf_core.io.guards import check_jpeg_ls, check_pixels
from lerf_core.io.pixels.depth import dtype_of_bits, expansion_note

__all__ = ["DeepFrame", "checked_frame", "is_deep"]

# Markers of a frame: of all of them, of a lossless one, of JPEG-LS, and of what Pillow reads.
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_LOSSLESS, _LS, _EXTENDED = 0xC3, 0xF7, 0xC1
_SCAN = 0xDA
_LAYOUTS = {1: GREY, 3: RGB}


class DeepFrame(NamedTuple):
    """The marker of a frame: where it stands, and what it says."""

    marker: int
    start: int
    bits: int
    shape: tuple[int, int]
    components: int

    @property
    def is_lossless(self) -> bool:
        """Whether every pixel was kept."""
        return self.marker == _LOSSLESS

    @property
    def layout(self) -> str:
        """Of the pixels; "" for one that is not read."""
        return _LAYOUTS.get(self.components, "")

    @property
    def top(self) -> int:
        """The value of white."""
        return (1 << self.bits) - 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        return dtype_of_bits(self.bits)

    @property
    def notes(self) -> tuple[str, ...]:
        """On how the samples are read."""
        note = expansion_note(self.top, self.dtype)
        return (note,) if note else ()

    def as_8_bits(self, data: bytes) -> bytes:
        """Return a file of which Pillow reads all that stands before the pixels."""
        changed = bytearray(data)
        changed[self.start + 1] = _EXTENDED
        changed[self.start + 4] = 8
        return bytes(changed)

    def decoded(self, data: bytes) -> NDArray[Any]:
        """Return the samples as they are stored.

        Raises
        ------
        FileError
            If some are missing.
        """
        import imagecodecs

        pixels: NDArray[Any]
        if self.marker == _LS:
            check_jpeg_ls(data)
            pixels = imagecodecs.jpegls_decode(data)
        else:
            pixels = imagecodecs.jpeg8_decode(data)
        shape = self.shape if self.components == 1 else (*self.shape, self.components)
        if pixels.shape != shape:
            raise FileError(f"damaged: {pixels.shape} decoded of {shape}")
        return pixels.astype(self.dtype, copy=False)


def is_deep(stream: BinaryIO) -> bool:
    """Tell a JPEG of other than 8 bits, or without loss, by the marker of its frame."""
    frame = _frame(stream)
    return frame is not None and (frame.bits != 8 or frame.marker in {_LOSSLESS, _LS})


def checked_frame(stream: BinaryIO, max_pixels: int) -> DeepFrame:
    """Return the frame of a file of this kind.

    Raises
    ------
    FileError
        If it is none that is read, or too large.
    """
    frame = _frame(stream)
    if frame is None or not 2 <= frame.bits <= 16 or not all(frame.shape):
        raise FileError("damaged: declares an image without pixels")
    if not frame.layout:
        raise FileError(
            f"JPEG of {frame.components} components of {frame.bits} bits is not supported"
        )
    check_pixels(frame.shape[0] * frame.shape[1], max_pixels, "claims")
    return frame


def _frame(stream: BinaryIO) -> DeepFrame | None:
    """Return the marker of the frame, None where the pixels begin without one."""
    stream.seek(2)
    while (head := stream.read(2))[:1] == b"\xff" and len(head) == 2:
        if head[1] == 0xFF:
            stream.seek(-1, 1)
            continue
        start = stream.tell() - 2
        length = int.from_bytes(stream.read(2), "big")
        if head[1] in _FRAMES:
            content = stream.read(6)
            if len(content) < 6:
                return None
            bits, rows, cols, components = struct.unpack(">B2HB", content)
            return DeepFrame(head[1], start, bits, (rows, cols), components)
        if head[1] == _SCAN or length < 2:
            return None
        stream.seek(start + 2 + length)
    return None
