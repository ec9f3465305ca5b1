"""JPEG 2000 of 1 to 26 bits per sample, signed or not; metadata in boxes around the pixels."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from lerf_core.errors import FileError
from lerf_core.io.codec import Encoding, Header, OpenFile
from lerf_core.io.codecs.boxes import box, boxes_in, boxes_of, content_of
from lerf_core.io.codecs.pillow import PillowCodec
from lerf_core.io.formats import (
    CMYK,
    GREY,
    GREY_ALPHA,
    MULTI,
    RGBA,
    Format,
    layout_of_samples,
)
from lerf_core.io.guards import check_samples
from lerf_core.io.image import DecodedImage, Pixels
from lerf_core.io.metadata import exif
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.metadata.units import METRES_PER_INCH
from lerf_core.io.pixels.depth import dtype_of_bits, expanded, expansion_note, stored_bits

__all__ = ["Jpeg2000Codec"]

_SIGNATURES = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_CODESTREAM = _SIGNATURES[1]
_UUIDS = {
    "exif": b"JpgTiffExif->JP2",
    "xmp": bytes.fromhex("be7acfcb97a942e89c71999491e3afac"),
    "iptc": bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"),
}
# What stands for a box of XML that is no XMP, and what tells one that is.
_XML, _RDF = b"xml ", b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_GEOTIFF_UUID = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")
# Enumerated colour spaces.
_CMYK, _SRGB, _GREY, _SYCC = 12, 16, 17, 18
_SPACES = {_CMYK: "CMYK", _SRGB: "RGB", _GREY: "grey", _SYCC: "YCC"}
_SPACES_OF_ICC = {b"GRAY": _GREY, b"RGB ": _SRGB, b"CMYK": _CMYK}
# Subsampling per component that imagecodecs undoes: of chroma.
_CHROMA = {((1, 1), (2, 1), (2, 1)), ((1, 1), (2, 2), (2, 2))}
_MOST_BITS = 26


@dataclass
class _Claims:
    """What the boxes and the first marker of a file say.

    Attributes
    ----------
    shape : (rows, columns)
    depths : list of (bits, whether signed)
        Per channel, after a palette.
    steps : list of (int, int)
        Subsampling of each component, across and down.
    opacity : int or None
        The channel of opacity, None where the file names none.
    premultiplied : bool
    names_channels : bool
        Whether the file says what its channels mean.
    space : int or None
        Enumerated colour space.
    has_palette : bool
    metadata : Metadata
    notes : list of str
    """

    shape: tuple[int, int]
    depths: list[tuple[int, bool]]
    steps: list[tuple[int, int]]
    opacity: int | None = None
    premultiplied: bool = False
    names_channels: bool = False
    space: int | None = None
    has_palette: bool = False
    metadata: Metadata = field(default_factory=Metadata)
    notes: list[str] = field(default_factory=list)

    @property
    def layout(self) -> str:
        count = len(self.depths)
        if self.space == _CMYK and count == 4:
            return CMYK
        if self.opacity == count - 1 and count in {2, 4}:
            return GREY_ALPHA if count == 2 else RGBA
        if not self.names_channels and count in {2, 4}:
            return GREY_ALPHA if count == 2 else RGBA
        return layout_of_samples(count)

    @property
    def is_even(self) -> bool:
        """Whether all components are alike, but for subsampled chroma: imagecodecs reads these."""
        return len(set(self.depths)) == 1 and (
            set(self.steps) == {(1, 1)} or tuple(self.steps) in _CHROMA
        )

    @property
    def bits(self) -> int:
        return max(bits for bits, _ in self.depths)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples as they are read."""
        return dtype_of_bits(self.bits if self.is_even else 8)

    @property
    def all_notes(self) -> tuple[str, ...]:
        notes = list(self.notes)
        if not self.is_even:
            if self.bits > 8:
                notes.append(
                    f"{self.bits}-bit samples cut to 8 bits: components of different sizes or "
                    "depths are decoded with no more"
                )
        else:
            bits, is_signed = self.depths[0]
            if is_signed:
                notes.append(f"signed {bits}-bit samples moved to 0..{2**bits - 1}")
            notes.append(expansion_note(2**bits - 1, self.dtype))
        if self.has_palette:
            words = {GREY: "grey", GREY_ALPHA: "grey with alpha"}.get(self.layout, self.layout)
            notes.append(f"palette expanded to {words}")
        return tuple(note for note in notes if note)


class Jpeg2000Codec(PillowCodec):
    """JP2 files and bare codestreams."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head.startswith(_SIGNATURES)

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        claims = _claims(file.rewound())
        rows, cols = claims.shape
        samples = len(claims.depths)
        check_samples(rows * cols, samples, max_pixels, "claims")
        # OpenJPEG's 32 bits per sample, and the samples before and after scaling.
        decoding_bytes = rows * cols * samples * (4 + 2 * claims.dtype.itemsize)
        return Header(
            "JPEG2000", claims.shape, 1, claims.layout, claims.dtype, claims.metadata,
            claims.all_notes, decoding_bytes, samples,
        ).turned_upright(claims.metadata.orientation)  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`; labels are as they are stored."""
        claims = _claims(file.rewound())
        check_samples(
            claims.shape[0] * claims.shape[1], len(claims.depths), max_pixels, "claims"
        )  # fmt: skip
        orientation = claims.metadata.orientation
        if labels and claims.has_palette:
            image = super().read(file, max_pixels, labels=True, first_only=first_only)
            return replace(image, metadata=claims.metadata).turned_upright(orientation)
        notes = claims.all_notes
        if claims.is_even:
            pixels = _decoded(file.rewound().read())
            if labels:
                notes = tuple(claims.notes)
            else:
                pixels = _spanning(pixels, *claims.depths[0])
        else:
            pixels = _decoded_to_8_bits(file, claims)
        layout = claims.layout
        if layout in {GREY_ALPHA, RGBA} and claims.opacity not in {None, pixels.shape[-1] - 1}:
            layout = MULTI
        image = DecodedImage(
            [pixels], layout, "JPEG2000", claims.metadata, notes, claims.premultiplied
        )
        return image.turned_upright(orientation)

    def write(
        self, stream: BinaryIO, image: DecodedImage, target: Format, encoding: Encoding
    ) -> tuple[str, ...]:
        """See `Codec`; without loss."""
        del target, encoding
        from imagecodecs import jpeg2k_encode

        pixels = np.ascontiguousarray(image.frames[0])
        codestream = jpeg2k_encode(pixels, level=0, reversible=True, codecformat="J2K")
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        stream.write(box(b"jP  ", b"\r\n\x87\n"))
        stream.write(box(b"ftyp", b"jp2 \0\0\0\0jp2 "))
        stream.write(_header_box(image, channels))
        for name in ("exif", "xmp", "iptc"):
            block = getattr(image.metadata, name)
            if block:
                stream.write(box(b"uuid", _UUIDS[name], block))
        stream.write(struct.pack(">I4s", 0, b"jp2c"))
        stream.write(codestream)
        return ()


# -- what a file claims ---------------------------------------------------------------------


def _claims(stream: BinaryIO) -> _Claims:
    """Return what a file says before its pixels.

    Raises
    ------
    FileError
        If it is damaged, or its colours are of a kind that is not read.
    """
    if stream.read(4) == _CODESTREAM:
        claims = _codestream_claims(stream, 0)
        claims.metadata = Metadata(bits=stored_bits(claims.bits, claims.dtype))
        return claims
    header = start = None
    blocks: dict[bytes, bytes] = {}
    for found in boxes_of(stream):
        if found.kind == b"jp2h" and header is None:
            header = content_of(stream, found)
        elif found.kind == b"jp2c" and start is None:
            start = found.start
        elif found.kind == b"uuid":
            content = content_of(stream, found)
            blocks.setdefault(content[:16], content[16:])
        elif found.kind == b"xml ":
            text = content_of(stream, found)
            # Some writers put XMP there.
            key = _UUIDS["xmp"] if _RDF in text else _XML
            blocks.setdefault(key, text.rstrip(b"\0"))
    if header is None or start is None:
        raise FileError("damaged: no header or no pixels in the file")
    claims = _codestream_claims(stream, start)
    fields = _read_header_box(header, claims)
    block = exif.strip_prefix(blocks.get(_UUIDS["exif"], b"")) or None
    fields.setdefault("dpi", exif.resolution(block or b""))
    claims.metadata = Metadata(
        bits=stored_bits(claims.bits, claims.dtype),
        exif=block,
        xmp=blocks.get(_UUIDS["xmp"]) or None,
        iptc=blocks.get(_UUIDS["iptc"]) or None,
        **fields,
    )
    if _XML in blocks:
        claims.notes.append("XML beside the image dropped")
    if _GEOTIFF_UUID in blocks:
        claims.notes.append("georeferencing of JPEG 2000 (GeoJP2) is not read")
    return claims


def _codestream_claims(stream: BinaryIO, start: int) -> _Claims:
    """Return what the marker at the beginning of the codestream says."""
    stream.seek(start)
    head = stream.read(42)
    if len(head) < 42 or head[:4] != _CODESTREAM:
        raise FileError("damaged: its codestream has no beginning")
    right, bottom, left, top = struct.unpack_from(">4I", head, 8)
    count = struct.unpack_from(">H", head, 40)[0]
    components = stream.read(3 * count)
    if not (count and len(components) == 3 * count and right > left and bottom > top):
        raise FileError("declares an image without pixels")
    depths = [((depth & 127) + 1, depth > 127) for depth in components[::3]]
    steps = list(zip(components[1::3], components[2::3], strict=True))
    if not all(across and down for across, down in steps):
        raise FileError("damaged: a component without pixels")
    if max(bits for bits, _ in depths) > _MOST_BITS:
        raise FileError(f"more than {_MOST_BITS} bits per sample are not supported")
    if len(set(steps)) == 1:
        # All components alike: the image is as large as each of them.
        across, down = steps[0]
        right, left, bottom, top = (
            -(-edge // step)
            for edge, step in ((right, across), (left, across), (bottom, down), (top, down))
        )
    return _Claims((bottom - top, right - left), depths, steps)


def _read_header_box(header: bytes, claims: _Claims) -> dict[str, Any]:
    """Complete the claims from a header box; return the colour profile and the resolution."""
    fields: dict[str, Any] = {}
    spaces: list[int] = []
    for kind, start, end in boxes_in(header):
        content = header[start:end]
        if kind == b"colr" and len(content) > 3:
            if content[0] == 1 and len(content) >= 7:
                spaces.append(struct.unpack_from(">I", content, 3)[0])
            elif content[0] in {2, 3}:
                fields.setdefault("icc", content[3:])
                spaces.append(_SPACES_OF_ICC.get(content[3 + 16 : 3 + 20], -1))
        elif kind == b"pclr" and len(content) > 3:
            columns = content[2]
            claims.has_palette = True
            claims.depths = [((depth & 127) + 1, depth > 127) for depth in content[3 : 3 + columns]]
        elif kind == b"cdef":
            _read_channel_definitions(content, claims)
        elif kind == b"res ":
            fields["dpi"] = _resolution(content)
    # A file may state its colours in several ways.
    known = [space for space in spaces if space in _SPACES]
    claims.space = known[0] if known else None
    if spaces and not known:
        kind_of_space = "its profile's" if spaces[0] == -1 else f"number {spaces[0]}"
        raise FileError(
            f"JPEG 2000 in the colour space {kind_of_space} is not supported: convert it to RGB"
        )
    return fields


def _read_channel_definitions(content: bytes, claims: _Claims) -> None:
    count = struct.unpack_from(">H", content.ljust(2, b"\0"))[0]
    claims.names_channels = True
    for index in range(min(count, (len(content) - 2) // 6)):
        channel, kind, _ = struct.unpack_from(">3H", content, 2 + 6 * index)
        if kind in {1, 2}:
            claims.opacity, claims.premultiplied = channel, kind == 2


def _resolution(content: bytes) -> tuple[float, float] | None:
    """Return dots per inch, from the box of the capture's or else of the display's resolution."""
    for wanted in (b"resc", b"resd"):
        for kind, start, end in boxes_in(content):
            if kind == wanted and end - start >= 10:
                rows, below, cols, left, row_power, col_power = struct.unpack_from(
                    ">4H2b", content, start
                )
                if rows and below and cols and left:
                    across = cols / left * 10.0**col_power * METRES_PER_INCH
                    return across, rows / below * 10.0**row_power * METRES_PER_INCH
    return None


# -- pixels ---------------------------------------------------------------------------------


def _decoded(data: bytes) -> Pixels:
    """Return the samples of all channels, palettes applied, as the file's profile has them."""
    from imagecodecs import jpeg2k_decode

    pixels: Pixels = jpeg2k_decode(_without_profile(data))
    return pixels


def _without_profile(data: bytes) -> bytes:
    """Return a file whose profile became a colour space: decoders convert by profiles."""
    if data[:4] == _CODESTREAM:
        return data
    changed = bytearray(data)
    for kind, start, end in boxes_in(data):
        if kind != b"jp2h":
            continue
        header = data[start:end]
        for inner, first, last in boxes_in(header):
            if inner == b"colr" and header[first] == 2 and last - first >= 7 + 8:
                space = _SPACES_OF_ICC.get(header[first + 3 + 16 : first + 3 + 20], _SRGB)
                colours = box(b"colr", b"\1\0\0", struct.pack(">I", space))
                filler = last - first + 8 - len(colours)
                begin = start + first - 8
                changed[begin : begin + len(colours) + 8] = colours + struct.pack(
                    ">I4s", filler, b"free"
                )
        break
    return bytes(changed)


def _spanning(pixels: Pixels, bits: int, is_signed: bool) -> Pixels:
    """Return samples as unsigned integers over the whole range of their type."""
    dtype = dtype_of_bits(bits)
    if is_signed:
        pixels = pixels.astype(np.int64) + (1 << (bits - 1))
    return expanded(pixels.astype(dtype, copy=False), (1 << bits) - 1)


def _decoded_to_8_bits(file: OpenFile, claims: _Claims) -> Pixels:
    """Decode what differs from component to component."""
    with Image.open(file.rewound()) as image:
        image.load()
        pixels = np.array(image.convert("RGB") if image.mode == "P" else image)
    across, down = claims.steps[0]
    if len(set(claims.steps)) == 1 and (across, down) != (1, 1):
        # Pillow repeats the samples of components that are all smaller than their grid.
        pixels = np.ascontiguousarray(
            pixels[::down, ::across][: claims.shape[0], : claims.shape[1]]
        )
    channels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    if channels.shape != (*claims.shape, len(claims.depths)) or pixels.dtype != np.uint8:
        raise FileError("JPEG 2000 of components that differ in this way is not supported")
    for channel, (bits, _) in enumerate(claims.depths):
        if bits < 8:
            # Pillow shifts them to the top.
            channels[..., channel] = expanded(channels[..., channel] >> (8 - bits), 2**bits - 1)
    return pixels


# -- writing --------------------------------------------------------------------------------


def _header_box(image: DecodedImage, channels: int) -> bytes:
    rows, cols = image.shape
    metadata = image.metadata
    bits = 8 * image.dtype.itemsize
    content = [box(b"ihdr", struct.pack(">2IH4B", rows, cols, channels, bits - 1, 7, 0, 0))]
    if metadata.icc:
        content.append(box(b"colr", b"\2\0\0", metadata.icc))
    else:
        space = _GREY if image.layout in {GREY, GREY_ALPHA} else _SRGB
        content.append(box(b"colr", b"\1\0\0", struct.pack(">I", space)))
    if image.has_alpha:
        colours = [struct.pack(">3H", channel, 0, channel + 1) for channel in range(channels - 1)]
        opacity = struct.pack(">3H", channels - 1, 1, 0)
        content.append(box(b"cdef", struct.pack(">H", channels), *colours, opacity))
    if metadata.dpi:
        across, down = (_fraction(value / METRES_PER_INCH) for value in metadata.dpi)
        resolution = struct.pack(">4H2b", *down[:2], *across[:2], down[2], across[2])
        content.append(box(b"res ", box(b"resc", resolution)))
    return box(b"jp2h", *content)


def _fraction(value: float) -> tuple[int, int, int]:
    """Return a number as numerator, denominator and power of ten, each of 16 or 8 bits."""
    power = 0
    while value > 0xFFFF:
        value, power = value / 10, power + 1
    denominator = max(1, int(0xFFFF // max(value, 1.0)))
    return round(value * denominator), denominator, power
