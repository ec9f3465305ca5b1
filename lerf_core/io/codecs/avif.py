"""AVIF: Pillow's of 8 bits per sample, imagecodecs' of 10 and 12; Pillow's metadata for both."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from lerf_core.errors import FileError
from lerf_core.io.codec import Encoding, Header, OpenFile
from lerf_core.io.codecs.boxes import Box, boxes_in, boxes_of, brands_of, cicp_of, content_of
from lerf_core.io.codecs.pillow import PillowCodec
from lerf_core.io.formats import GREY, GREY_ALPHA, RGB, RGBA, WITH_ALPHA, Format
from lerf_core.io.guards import check_pixels
from lerf_core.io.image import DecodedImage, Pixels, channels_of
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.pixels.depth import dtype_of_bits, expanded, expansion_note, stored_bits

__all__ = ["AvifCodec"]

_BRANDS = frozenset({b"avif", b"avis"})


class AvifCodec(PillowCodec):
    """AVIF of any depth, still or animated."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return bool(_BRANDS & set(brands_of(file)))

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        coding = _coding(file)
        header = super().read_header(file, max_pixels)
        layout = _layout(header.layout, coding)
        dtype = dtype_of_bits(coding.bits)
        note = expansion_note(2**coding.bits - 1, dtype)
        return replace(
            header,
            layout=layout,
            dtype=dtype,
            metadata=_with_codes(header.metadata, coding),
            notes=header.notes + ((note,) if note else ()),
            # Planes of the decoder, then the pixels before and after scaling.
            decoding_bytes=3 * header.decoding_bytes * dtype.itemsize,
        )

    def write(
        self, stream: BinaryIO, image: DecodedImage, target: Format, encoding: Encoding
    ) -> tuple[str, ...]:
        """See `Codec`."""
        begin = stream.tell()
        notes = super().write(stream, image, target, encoding)
        if image.metadata.cicp is not None:
            _set_codes(stream, begin, image.metadata.cicp)
        return notes

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`."""
        coding = _coding(file)
        if coding.bits == 8:
            image = super().read(file, max_pixels, labels=labels, first_only=first_only)
            layout = _layout(image.layout, coding)
            return image.mapped(
                lambda frame: _with_layout(frame, layout),
                layout=layout,
                metadata=_with_codes(image.metadata, coding),
            )
        with Image.open(file.rewound()) as opened:
            count = getattr(opened, "n_frames", 1)
            check_pixels(opened.width * opened.height * count, max_pixels, "claims")
            layout = _layout(RGBA if opened.mode == RGBA else RGB, coding)
            metadata = _with_codes(self.metadata_of(opened, file), coding)
            durations = () if first_only else _durations(opened, count)
            pixels = _deep_pixels(file.rewound().read(), coding.bits)
        stored = pixels if count > 1 else [pixels]
        frames = [
            _with_layout(expanded(frame, 2**coding.bits - 1), layout)
            for frame in stored[: 1 if first_only else count]
        ]
        note = expansion_note(2**coding.bits - 1, frames[0].dtype)
        return DecodedImage(
            frames, layout, "AVIF", replace(metadata, durations=durations), (note,), lossless=False
        ).turned_upright(metadata.orientation)


def _set_codes(stream: BinaryIO, begin: int, cicp: tuple[int, ...]) -> None:
    """Set primaries and transfer in an AVIF that begins there; the matrix is the encoder's."""
    stream.seek(begin)
    data = stream.read()
    # Behind the boxes that describe images are their data.
    pixels = data.find(b"mdat")
    for match in re.finditer(rb"colrnclx", data[: max(0, pixels)]):
        stream.seek(begin + match.end())
        stream.write(struct.pack(">2H", *cicp[:2]))
    stream.seek(0, 2)


class _Coding(NamedTuple):
    """Depth of the samples, whether the file stores grey alone, and its colour codes."""

    bits: int
    is_grey: bool
    cicp: tuple[int, ...] | None = None


def _coding(file: OpenFile) -> _Coding:
    """Return how the primary image is coded, or else the first track."""
    stream = file.rewound()
    kinds: dict[bytes, bytes] = {}
    for found in boxes_of(stream):
        if found.kind in {b"meta", b"moov"}:
            kinds.setdefault(found.kind, content_of(stream, found))
    is_sequence = file.head[8:12] == b"avis"
    properties = _primary_properties(kinds.get(b"meta", b""))
    coding = _coding_of(properties)
    if (is_sequence or coding is None) and b"moov" in kinds:
        # Of a track's description, deep within other boxes.
        place = kinds[b"moov"].find(b"av1C")
        if place >= 0:
            coding = _coding_of([(b"av1C", kinds[b"moov"][place + 4 : place + 8])]) or coding
    return coding or _Coding(8, is_grey=False)


def _coding_of(properties: list[tuple[bytes, bytes]]) -> _Coding | None:
    bits: list[int] = []
    is_grey, cicp = False, None
    for kind, content in properties:
        if kind == b"av1C" and len(content) >= 3:
            flags = content[2]
            bits.append(12 if flags & 0x20 else 10 if flags & 0x40 else 8)
            is_grey = bool(flags & 0x10)
        elif kind == b"pixi" and len(content) > 5:
            bits += content[5 : 5 + content[4]]
        elif kind == b"colr" and content[:4] == b"nclx" and len(content) >= 8:
            cicp = cicp_of(*struct.unpack_from(">2H", content, 4))
    return _Coding(max(8, *bits), is_grey, cicp) if bits else None


def _primary_properties(meta: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and content of the properties of the image that is shown."""
    inner = {found.kind: found for found in boxes_in(meta, 4)}
    if not {b"pitm", b"iprp"} <= set(inner):
        return []

    def content(found: Box) -> bytes:
        return meta[found.start : found.end]

    primary_box = content(inner[b"pitm"])
    primary = struct.unpack_from(">I" if primary_box[0] else ">H", primary_box, 4)[0]
    products = content(inner[b"iprp"])
    parts = {found.kind: products[found.start : found.end] for found in boxes_in(products)}
    listed = parts.get(b"ipco", b"")
    properties = [(kind, listed[start:end]) for kind, start, end in boxes_in(listed)]
    numbers = _associated(parts.get(b"ipma", b""), primary)
    return [properties[number - 1] for number in numbers if 1 <= number <= len(properties)]


def _associated(table: bytes, item: int) -> list[int]:
    """Return the numbers, from 1, of the properties of an item."""
    try:
        version, flags, count = struct.unpack_from(">B2xBI", table)
        place = 8
        for _ in range(count):
            number = struct.unpack_from(">I" if version else ">H", table, place)[0]
            place += 4 if version else 2
            entries = table[place]
            size = 2 if flags & 1 else 1
            words = table[place + 1 : place + 1 + entries * size]
            place += 1 + entries * size
            if number == item:
                if size == 1:
                    return [word & 0x7F for word in words]
                return [word & 0x7FFF for word in struct.unpack(f">{entries}H", words)]
    except (struct.error, IndexError):
        pass
    return []


def _with_codes(metadata: Metadata, coding: _Coding) -> Metadata:
    """Return the metadata with the file's depth and colour codes, which a profile overrides."""
    bits = stored_bits(coding.bits, dtype_of_bits(coding.bits))
    return replace(metadata, bits=bits, cicp=None if metadata.icc else coding.cicp)


def _layout(layout: str, coding: _Coding) -> str:
    if not coding.is_grey:
        return layout
    return GREY_ALPHA if layout in WITH_ALPHA else GREY


def _with_layout(frame: Pixels, layout: str) -> Pixels:
    """Return a frame with the channels of a layout: grey taken from RGB, or alpha or RGB added."""
    channels = frame[..., np.newaxis] if frame.ndim == 2 else frame
    count = channels.shape[2]
    has_alpha = layout in WITH_ALPHA
    colours = channels[..., : count - (count in {2, 4})]
    if layout in {GREY, GREY_ALPHA}:
        colours = colours[..., :1]
    elif colours.shape[2] == 1:
        colours = np.repeat(colours, 3, axis=2)
    if has_alpha:
        top = np.iinfo(frame.dtype).max
        alpha = channels[..., -1:] if count in {2, 4} else np.full_like(channels[..., :1], top)
        colours = np.concatenate([colours, alpha], axis=2)
    return np.ascontiguousarray(colours[..., 0] if channels_of(layout) == 1 else colours)


def _durations(image: Image.Image, count: int) -> tuple[float, ...]:
    if count == 1:
        return ()
    durations = []
    for index in range(count):
        image.seek(index)
        image.load()
        durations.append(float(image.info.get("duration", 0)))
    return tuple(durations)


def _deep_pixels(data: bytes, bits: int) -> Pixels:
    """Return the samples as they are stored, of an animation all frames' behind each other."""
    from imagecodecs import avif_decode

    # Asked for a single frame of an animation, its decoder dies.
    pixels: Pixels = avif_decode(data)
    if pixels.dtype != np.uint16:
        raise FileError(f"damaged: {bits}-bit samples declared, and its pixels have 8")
    return pixels
