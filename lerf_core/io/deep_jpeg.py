"""JPEG that Pillow does not read: of 12 bits, without loss (2 to 16 bits), and JPEG-LS."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, NamedTuple

from PIL import Image, UnidentifiedImageError

from lerf_core.errors import FileError
from lerf_core.io.codec import Header, OpenFile
from lerf_core.io.depth import dtype_of_bits, expanded, expansion_note
from lerf_core.io.formats import GREY, RGB
from lerf_core.io.guards import check_jpeg_ls, check_pixels
from lerf_core.io.image import DecodedImage, Pixels, channels_of
from lerf_core.io.jpeg import JpegCodec
from lerf_core.io.metadata import Metadata

__all__ = ["DeepJpegCodec"]

# Markers of a frame: of all of them, of a lossless one, of JPEG-LS, and of what Pillow reads.
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_LOSSLESS, _LS, _EXTENDED = 0xC3, 0xF7, 0xC1
_SCAN = 0xDA
_LAYOUTS = {1: GREY, 3: RGB}


class _Frame(NamedTuple):
    """The marker of a frame: where it stands, and what it says."""

    marker: int
    start: int
    bits: int
    shape: tuple[int, int]
    components: int


class DeepJpegCodec(JpegCodec):
    """Grey and RGB JPEG of other depths than 8 bits, or without loss."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        if file.head[:3] != b"\xff\xd8\xff":
            return False
        frame = _frame(file.rewound())
        return frame is not None and (frame.bits != 8 or frame.marker in {_LOSSLESS, _LS})

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        frame, layout = _checked_frame(file, max_pixels)
        rows, cols = frame.shape
        dtype = dtype_of_bits(frame.bits)
        metadata = self._metadata(file, frame)
        return Header(
            "JPEG", frame.shape, 1, layout, dtype, metadata, self._notes(file, frame),
            3 * rows * cols * channels_of(layout) * dtype.itemsize,
        ).turned_upright(metadata.orientation)  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`; labels are as they are stored."""
        del first_only
        frame, layout = _checked_frame(file, max_pixels)
        pixels = _decoded(file.rewound().read(), frame)
        if not labels:
            pixels = expanded(pixels, (1 << frame.bits) - 1)
        metadata = self._metadata(file, frame)
        notes = () if labels else self._notes(file, frame)
        return DecodedImage(
            [pixels], layout, "JPEG", metadata, notes, lossless=frame.marker == _LOSSLESS
        ).turned_upright(metadata.orientation)

    def _notes(self, file: OpenFile, frame: _Frame) -> tuple[str, ...]:
        note = expansion_note((1 << frame.bits) - 1, dtype_of_bits(frame.bits))
        return ((note,) if note else ()) + self.notes_of(file)

    def _metadata(self, file: OpenFile, frame: _Frame) -> Metadata:
        """Return what the segments say, as Pillow reads them of a file of 8 bits."""
        data = bytearray(file.rewound().read())
        data[frame.start + 1] = _EXTENDED
        data[frame.start + 4] = 8
        plain = OpenFile(io.BytesIO(data), file.head)
        try:
            with Image.open(plain.rewound()) as image:
                return self.metadata_of(image, plain)
        except (UnidentifiedImageError, SyntaxError, OSError):
            return Metadata()


def _frame(stream: BinaryIO) -> _Frame | None:
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
            return _Frame(head[1], start, bits, (rows, cols), components)
        if head[1] == _SCAN or length < 2:
            return None
        stream.seek(start + 2 + length)
    return None


def _checked_frame(file: OpenFile, max_pixels: int) -> tuple[_Frame, str]:
    """Return a file's frame and its layout.

    Raises
    ------
    FileError
        If it is of a kind that is not read, or too large.
    """
    frame = _frame(file.rewound())
    if frame is None or not 2 <= frame.bits <= 16 or not all(frame.shape):
        raise FileError("damaged: declares an image without pixels")
    layout = _LAYOUTS.get(frame.components)
    if layout is None:
        raise FileError(
            f"JPEG of {frame.components} components of {frame.bits} bits is not supported"
        )
    check_pixels(frame.shape[0] * frame.shape[1], max_pixels, "claims")
    return frame, layout


def _decoded(data: bytes, frame: _Frame) -> Pixels:
    import imagecodecs

    pixels: Pixels
    if frame.marker == _LS:
        check_jpeg_ls(data)
        pixels = imagecodecs.jpegls_decode(data)
    else:
        pixels = imagecodecs.jpeg8_decode(data)
    shape = frame.shape if frame.components == 1 else (*frame.shape, frame.components)
    dtype = dtype_of_bits(frame.bits)
    if pixels.shape != shape:
        raise FileError(f"damaged: {pixels.shape} decoded of {shape}")
    return pixels.astype(dtype, copy=False) if pixels.dtype.kind == "u" else pixels.view(dtype)
