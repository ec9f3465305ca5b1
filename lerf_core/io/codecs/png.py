"""PNG: Pillow's up to 8 bits per channel, imagecodecs' for 16, and the chunks of both."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from lerf_core.errors import FileError, one_line
from lerf_core.io.codec import Encoding, Header, OpenFile
from lerf_core.io.codecs.pillow import PillowCodec
from lerf_core.io.formats import GREY, GREY_ALPHA, RGB, RGBA, Format
from lerf_core.io.guards import check_pixels
from lerf_core.io.image import DecodedImage, channels_of
from lerf_core.io.metadata import exif
from lerf_core.io.metadata.model import Metadata, Text
from lerf_core.io.metadata.units import METRES_PER_INCH
from lerf_core.io.pixels.depth import expansion_note, stored_bits

__all__ = ["PngCodec"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_CHUNKS = frozenset({b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI"})
# What others say of the image; those that are not here are about pixels, or about the file.
_LOST_CHUNKS = frozenset({b"oFFs", b"pCAL", b"sCAL", b"sTER", b"caBX", b"npTc", b"fRAc"})
# Layout by the header's colour type: as it is stored, and with one colour that is clear.
_LAYOUTS = {0: (GREY, GREY_ALPHA), 2: (RGB, RGBA), 4: (GREY_ALPHA,) * 2, 6: (RGBA,) * 2}
# Half the time of zlib's default 6, for files 4% longer.
_COMPRESSION_LEVEL = 4
_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
# Bytes of a text that was compressed, as Pillow limits it: a chunk of a kilobyte can be a bomb.
_LONGEST_TEXT = 1 << 20
_EXIF_PROFILES = ("Raw profile type exif", "Raw profile type APP1")
_XMP_KEY = "XML:com.adobe.xmp"
_XMP_PROFILES = ("Raw profile type xmp",)
_IPTC_PROFILES = ("Raw profile type iptc", "Raw profile type 8bim")
_TEXT_NOT_COPIED = re.compile(r"XML:com\.adobe\.xmp|Raw profile type .*")
# Numbers in colour chunks are integers of 1/100,000.
_FIXED_POINT = 100_000
# Key of the text that is a comment, and nothing else.
_COMMENT = "Comment"
_MOST_UNITS = 2**31
# Where the header states bits per sample, and the colour type behind them.
_DEPTH_AT = 24
# End of the header chunk: 8 bytes of signature, then 25.
_HEADER_END = 33


class PngCodec(PillowCodec):
    """PNG of any depth."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return file.head[:8] == SIGNATURE

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        if not _is_deep(file):
            header = super().read_header(file, max_pixels)
            return replace(header, notes=header.notes + _depth_notes(file))
        image = Image.open(file.rewound())
        check_pixels(image.width * image.height, max_pixels, "claims")
        layout = _deep_layout(image, file)
        # The file's bytes, and the pixels twice.
        decoding_bytes = 2 * image.width * image.height * channels_of(layout) * 2
        return self.header_of(
            image, file, 1, layout, np.dtype(np.uint16),
            notes=_left_out(image) + self.notes_of(file),
            decoding_bytes=decoding_bytes,
        )  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`."""
        if not _is_deep(file):
            image = super().read(file, max_pixels, labels=labels, first_only=first_only)
            notes = _depth_notes(file)
            if notes and labels and image.layout == GREY:
                # Pillow has spread them: labels are as they are stored.
                step = 255 // ((1 << file.head[_DEPTH_AT]) - 1)
                return image.mapped(lambda frame: frame // np.uint8(step))
            return image.noted(*notes)
        opened = Image.open(file.rewound())
        check_pixels(opened.width * opened.height, max_pixels, "claims")
        layout = _deep_layout(opened, file)
        notes = _left_out(opened) + self.notes_of(file)
        pixels = _decoded(file.rewound().read())
        metadata = self.metadata_of(opened, file)
        return DecodedImage([pixels], layout, "PNG", metadata, notes).turned_upright(
            metadata.orientation
        )

    def exif_of(self, image: Image.Image, file: OpenFile) -> bytes | None:
        """See `PillowCodec`; the block may lie behind the pixels."""
        del image
        block = next((data for _, data in _chunks(file.rewound(), {b"eXIf"})), None)
        if block is None:
            texts = _texts(_chunks(file.rewound(), _TEXT_CHUNKS))
            block = _profile({text.key: text.value for text in texts}, _EXIF_PROFILES)
        return exif.strip_prefix(block) or None if block else None

    def metadata_of(self, image: Image.Image, file: OpenFile) -> Metadata:
        """See `PillowCodec`; texts may lie behind the pixels."""
        chunks = list(_chunks(file.rewound(), _COLOUR_CHUNKS | _TEXT_CHUNKS))
        colour = _colour_fields(chunk for chunk in chunks if chunk[0] in _COLOUR_CHUNKS)
        texts = list(_texts(chunk for chunk in chunks if chunk[0] in _TEXT_CHUNKS))
        profiles = {text.key: text.value for text in texts}
        own = [text for text in texts if not _TEXT_NOT_COPIED.fullmatch(text.key)]
        metadata = super().metadata_of(image, file)
        return replace(
            metadata,
            xmp=_xmp_of(profiles) or metadata.xmp,
            text=tuple(text for text in own if text.key != _COMMENT),
            comments=tuple(text.value.encode() for text in own if text.key == _COMMENT),
            iptc=_iptc_of(profiles),
            bits=stored_bits(min(file.head[_DEPTH_AT], 8), np.dtype(np.uint8)),
            **colour,
        )

    def notes_of(self, file: OpenFile) -> tuple[str, ...]:
        """See `PillowCodec`."""
        lost = dict.fromkeys(name for name, _ in _chunks(file.rewound(), _LOST_CHUNKS))
        names = ", ".join(name.decode() for name in lost)
        return (f"chunks dropped: {names}",) if lost else ()

    def write(
        self, stream: BinaryIO, image: DecodedImage, target: Format, encoding: Encoding
    ) -> tuple[str, ...]:
        """See `Codec`."""
        if image.dtype != np.uint16:
            begin = stream.tell()
            notes = super().write(stream, image, target, encoding)
            if chunks := b"".join(_chunk(*chunk) for chunk in _further_chunks(image.metadata)):
                stream.seek(begin + _HEADER_END)
                rest = stream.read()
                stream.seek(begin + _HEADER_END)
                stream.write(chunks)
                stream.write(rest)
            return notes
        from imagecodecs import png_encode

        data = png_encode(np.ascontiguousarray(image.frames[0]), level=_COMPRESSION_LEVEL)
        stream.write(data[:_HEADER_END])
        stream.writelines(_chunk(*chunk) for chunk in _metadata_chunks(image.metadata))
        stream.write(memoryview(data)[_HEADER_END:])
        return ()

    def metadata_keywords(self, metadata: Metadata, target: Format) -> dict[str, Any]:
        """See `PillowCodec`."""
        return super().metadata_keywords(metadata, target) | {
            "pnginfo": _png_info(metadata),
            "compress_level": _COMPRESSION_LEVEL,
        }


def _depth_notes(file: OpenFile) -> tuple[str, ...]:
    """Return a note on grey of 2 or 4 bits, which Pillow spreads over 8."""
    bits, colours = file.head[_DEPTH_AT], file.head[_DEPTH_AT + 1]
    return (
        (expansion_note((1 << bits) - 1, np.dtype(np.uint8)),)
        if (colours == 0 and bits in {2, 4})
        else ()
    )


def _is_deep(file: OpenFile) -> bool:
    return file.head[24:25] == b"\x10"


def _deep_layout(image: Image.Image, file: OpenFile) -> str:
    return _LAYOUTS[file.head[25]]["transparency" in image.info]


def _left_out(image: Image.Image) -> tuple[str, ...]:
    frames = getattr(image, "n_frames", 1)
    if frames == 1:
        return ()
    return (f"only the first of {frames} frames of a 16-bit animation is used",)


def _decoded(data: bytes) -> Any:
    import imagecodecs

    try:
        return imagecodecs.png_decode(data)
    except imagecodecs.PngError as error:
        raise FileError(f"damaged: {one_line(error)}") from error


def _chunks(stream: BinaryIO, names: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and data of a PNG's chunks of these names, as they stand."""
    stream.seek(len(SIGNATURE))
    while len(header := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", header)
        if name in names:
            yield name, stream.read(length)
            length = 0
        # A checksum of 4 bytes comes after the data.
        stream.seek(length + 4, 1)


def _texts(chunks: Iterable[tuple[bytes, bytes]]) -> Iterator[Text]:
    """Yield the texts of the text chunks; damaged ones are skipped."""
    for name, data in chunks:
        raw_key, _, value = data.partition(b"\0")
        key, encoding = raw_key.decode("latin-1"), "latin-1"
        language = translated = b""
        try:
            if name == b"zTXt":
                value = _inflated(value[1:])
            elif name == b"iTXt":
                is_compressed, encoding = value[:1] == b"\1", "utf-8"
                language, translated, value = value[2:].split(b"\0", 2)
                value = _inflated(value) if is_compressed else value
        except (ValueError, zlib.error):
            continue
        yield Text(
            key, value.decode(encoding, "replace"), language.decode("latin-1"),
            translated.decode("utf-8", "replace"),
        )  # fmt: skip


def _iptc_of(texts: dict[str, str]) -> bytes | None:
    """Return the IPTC records of a "raw profile": bare, or among Photoshop's resources."""
    if not texts:
        return None
    from lerf_core.io.metadata import iptc

    data = _profile(texts, _IPTC_PROFILES)
    return iptc.of_words(data) or iptc.of_resources(iptc.resources(data))[0]


def _xmp_of(texts: dict[str, str]) -> bytes | None:
    """Return the XMP packet, from a text or a "raw profile"."""
    plain = texts.get(_XMP_KEY, "").encode()
    return plain or _profile(texts, _XMP_PROFILES) or None


def _profile(texts: dict[str, str], names: Iterable[str]) -> bytes:
    """Return the data of the first "raw profile" of these names; none where there is none."""
    if not texts:
        return b""
    from lerf_core.io.metadata import iptc

    profiles = (texts.get(name, "").encode("latin-1", "replace") for name in names)
    return next(filter(None, map(iptc.of_profile, profiles)), b"")


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(data, _LONGEST_TEXT)
    if inflater.unconsumed_tail:
        raise ValueError("a text that is too long")
    return text


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _colour_fields(chunks: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Return the fields of `Metadata` that a PNG's colour chunks fill; damaged ones fill none."""
    values: dict[str, Any] = {}
    for name, data in chunks:
        if name == b"gAMA" and len(data) == 4:
            values["gamma"] = int.from_bytes(data, "big") / _FIXED_POINT
        elif name == b"cHRM" and len(data) == 32:
            numbers = struct.unpack(">8I", data)
            values["chromaticities"] = tuple(number / _FIXED_POINT for number in numbers)
        elif name == b"sRGB" and len(data) == 1:
            values["rendering_intent"] = data[0]
        elif name == b"cICP" and len(data) == 4:
            values["cicp"] = tuple(data)
        elif name == b"mDCV" and len(data) == 24:
            values["mastering"] = struct.unpack(">8H2I", data)
        elif name == b"cLLI" and len(data) == 8:
            values["content_light"] = struct.unpack(">2I", data)
    return values


def _colour_chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    if metadata.chromaticities is not None:
        numbers = (round(value * _FIXED_POINT) for value in metadata.chromaticities)
        yield b"cHRM", struct.pack(">8I", *numbers)
    if metadata.gamma is not None:
        yield b"gAMA", struct.pack(">I", round(metadata.gamma * _FIXED_POINT))
    # The mark of sRGB and a profile exclude each other.
    if metadata.rendering_intent is not None and not metadata.icc:
        yield b"sRGB", bytes([metadata.rendering_intent])
    if metadata.cicp is not None:
        yield b"cICP", bytes(metadata.cicp)


def _png_info(metadata: Metadata) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for name, data in _colour_chunks(metadata):
        info.add(name, data)
    for text in metadata.text:
        if text.language or text.translated:
            info.add_itxt(text.key, text.value, text.language, text.translated)
        else:
            info.add_text(text.key, text.value)
    if metadata.xmp:
        from lerf_core.io.metadata.xmp_packet import in_utf8

        info.add_itxt(_XMP_KEY, in_utf8(metadata.xmp).decode())
    if metadata.iptc:
        from lerf_core.io.metadata import iptc

        profile = iptc.as_profile("iptc", iptc.as_resources(metadata.iptc))
        info.add_text(_IPTC_PROFILES[0], profile, zip=True)
    for comment in metadata.comments:
        info.add_text(_COMMENT, comment.decode("utf-8", "replace"))
    return info


def _further_chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks that Pillow does not write."""
    if metadata.aspect and not metadata.dpi:
        yield b"pHYs", struct.pack(">IIB", *_whole_ratio(metadata.aspect), 0)
    if metadata.mastering is not None:
        yield b"mDCV", struct.pack(">8H2I", *metadata.mastering)
    if metadata.content_light is not None:
        yield b"cLLI", struct.pack(">2I", *metadata.content_light)


def _whole_ratio(pair: tuple[float, float]) -> tuple[int, int]:
    """Return whole numbers that are to each other as two others are."""
    if all(value == round(value) and value < _MOST_UNITS for value in pair):
        return round(pair[0]), round(pair[1])
    from fractions import Fraction

    ratio = Fraction(pair[0] / pair[1]).limit_denominator(_FIXED_POINT)
    return max(1, ratio.numerator), ratio.denominator


def _metadata_chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks of a 16-bit PNG that stand before its pixels."""
    if metadata.icc:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)
    for name, data, *_ in _png_info(metadata).chunks:
        yield name, data
    yield from _further_chunks(metadata)
    if metadata.dpi:
        yield (
            b"pHYs",
            struct.pack(">IIB", *(round(value / METRES_PER_INCH) for value in metadata.dpi), 1),
        )
    if metadata.exif:
        yield b"eXIf", metadata.exif
