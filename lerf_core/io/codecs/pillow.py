"""The formats that Pillow decodes and encodes: JPEG, WebP, GIF, BMP and many more."""

from __future__ import annotations

import contextlib
import importlib
import struct
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from lerf_core.errors import FileError
from lerf_core.io.codec import DecodingCodec, Encoding, Header, OpenFile
from lerf_core.io.codecs.animations import (
    frame_count,
    left_out,
    read_frames,
    save_keywords,
    written_notes,
)
from lerf_core.io.formats import (
    CMYK,
    GREY,
    GREY_ALPHA,
    LOSSLESS,
    PALETTE,
    RESOLUTION_IN_EXIF,
    RGB,
    RGBA,
    Format,
)
from lerf_core.io.guards import check_pixels
from lerf_core.io.image import DecodedImage, Pixels, channels_of
from lerf_core.io.metadata import exif
from lerf_core.io.metadata.model import Metadata

__all__ = ["DEFAULT_QUALITY", "PillowCodec"]

DEFAULT_QUALITY = 95

# Formats of 16 bits at most that Pillow hands out as 32.
_DEEP_AS_INT32 = frozenset({"PPM", "PNG", "JPEG2000"})
_LAYOUTS = {"L": GREY, "LA": GREY_ALPHA, "RGB": RGB, "RGBA": RGBA, "CMYK": CMYK, "F": GREY}
# Modes that are converted to another one.
_CONVERTED = {"RGBX": "RGB", "RGBa": "RGBA", "La": "LA", "YCbCr": "RGB", "HSV": "RGB"}
_MODE_WORDS = {"L": "8-bit grey", "RGB": "RGB", "RGBA": "RGBA"}
# Modules of Pillow for formats that are not among the few that it imports first.
_PLUGINS = {
    "WEBP": "WebPImagePlugin", "AVIF": "AvifImagePlugin", "JPEG2000": "Jpeg2KImagePlugin",
    "TGA": "TgaImagePlugin",
}  # fmt: skip
# How files of them are told: where a mark stands, the mark, and the format.
_MARKS = ((8, b"WEBP", "WEBP"), (4, b"ftypavi", "AVIF"), (4, b"jP  \r\n", "JPEG2000"))
# Pillow's own bytes per pixel, where they are not 4.
_PILLOW_BYTES = {"1": 1, "L": 1, "P": 1}


class _Expansion(NamedTuple):
    """How the pixels of one of Pillow's modes are read: the mode they are converted to first."""

    mode: str
    layout: str
    dtype: np.dtype[Any]
    notes: tuple[str, ...] = ()


class PillowCodec(DecodingCodec):
    """Everything that Pillow decodes, TIFF and deep PNG apart."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        try:
            with _opened(file):
                return True
        except UnidentifiedImageError:
            return False

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        with _opened(file) as image:
            frames = frame_count(image)
            check_pixels(image.width * image.height * frames, max_pixels, "claims")
            expansion, notes = _expansion(image), left_out(image)
            layout, notes = expansion.layout, expansion.notes + notes
            is_decoded = _is_gif_animation(image)
            if is_decoded:
                # What its first frame does not cover is clear.
                first = read_frames(image, file.stream, 1)
                layout, notes = first.layout, first.notes
            return self.header_of(
                image, file, frames, layout, expansion.dtype,
                notes=notes + self.notes_of(file),
                decoding_bytes=_decoding_bytes(image, expansion), is_decoded=is_decoded,
            )  # fmt: skip

    def header_of(
        self,
        image: Image.Image,
        file: OpenFile,
        frames: int,
        layout: str,
        dtype: np.dtype[Any],
        **further: Any,
    ) -> Header:
        """Return the upright header of an image, with what its pixels will be decoded to."""
        shape, metadata = (image.height, image.width), self.metadata_of(image, file)
        header = Header(format_of(image), shape, frames, layout, dtype, metadata, **further)
        return header.turned_upright(metadata.orientation)

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`."""
        image = _opened(file)
        frames = 1 if first_only else frame_count(image)
        check_pixels(image.width * image.height * frames, max_pixels, "claims")
        form = format_of(image)
        if frames > 1 or (_is_gif_animation(image) and not labels):
            decoded = read_frames(image, file.stream, frames)
        else:
            decoded = _read_still(image, labels=labels)
        metadata = replace(self.metadata_of(image, file), durations=decoded.metadata.durations)
        details = {
            "progressive": bool(image.info.get("progressive")),
            "transparency": image.info.get("transparency"),
        }
        lossless = form in LOSSLESS or (form == "WEBP" and _lossless_webp(file.rewound()))
        return (
            replace(decoded, format=form, metadata=metadata, lossless=lossless, details=details)
            .noted(*self.notes_of(file))
            .turned_upright(metadata.orientation)
        )

    def notes_of(self, file: OpenFile) -> tuple[str, ...]:  # noqa: ARG002
        """Return notes on what a file says and `Metadata` has no place for."""
        return ()

    def exif_of(self, image: Image.Image, file: OpenFile) -> bytes | None:  # noqa: ARG002
        """Return an image's EXIF block without JPEG's prefix."""
        block = image.info.get("exif")
        return exif.strip_prefix(block) or None if isinstance(block, bytes) else None

    def metadata_of(self, image: Image.Image, file: OpenFile) -> Metadata:
        """Return what a file says about its pixels, in the orientation in which they lie."""
        info = image.info
        xmp, comment, loop = (info.get(key) for key in ("xmp", "comment", "loop"))
        if isinstance(comment, str):
            comment = comment.encode()
        block = self.exif_of(image, file)
        return Metadata(
            icc=info.get("icc_profile") or None,
            exif=block,
            xmp=xmp.encode() if isinstance(xmp, str) else xmp,
            dpi=_resolution(image) or exif.resolution(block or b""),
            aspect=_aspect(image),
            bits=1 if image.mode == "1" else None,
            comments=(comment,) if comment else (),
            loop=int(loop) if loop is not None and frame_count(image) > 1 else None,
        )

    def write(
        self, stream: BinaryIO, image: DecodedImage, target: Format, encoding: Encoding
    ) -> tuple[str, ...]:
        """See `Codec`."""
        images = [_to_pillow(frame, image, target) for frame in image.frames]
        keywords = self.metadata_keywords(image.metadata, target)
        keywords |= _quality_keywords(image, target, encoding)
        clear = image.details.get("transparency")
        if image.layout == PALETTE and clear is not None and target.name in {"PNG", "GIF"}:
            keywords["transparency"] = clear
        if len(images) > 1:
            keywords |= save_keywords(image, target) | {"append_images": images[1:]}
        _load_plugin(target.name)
        images[0].save(stream, target.name, **keywords)
        return written_notes(stream, image, target) if len(images) > 1 else ()

    def metadata_keywords(self, metadata: Metadata, target: Format) -> dict[str, Any]:
        """Return what Pillow's encoder of a format takes of the metadata."""
        keywords: dict[str, Any] = {}
        # What the format does not hold is not there any more.
        if metadata.icc:
            keywords["icc_profile"] = metadata.icc
        block = metadata.exif
        if metadata.dpi and target.name in RESOLUTION_IN_EXIF:
            block = exif.with_resolution(block, metadata.dpi)
        if block and target.name == "AVIF":
            # Pillow would take it out itself, and move all else.
            block = exif.without_orientation(block)
        if block:
            keywords["exif"] = exif.PREFIX + block
        if metadata.xmp and target.name != "PNG":  # PNG has a text chunk for it
            keywords["xmp"] = metadata.xmp
        if metadata.dpi:
            keywords["dpi"] = metadata.dpi
        if metadata.comments and target.name != "PNG":
            keywords["comment"] = b"\n".join(metadata.comments)
        return keywords


# -- reading ------------------------------------------------------------------------------


class _LeftOpen:
    """A stream that stays open when a decoder closes it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        """Leave it open: whoever opened it closes it."""


def _opened(file: OpenFile) -> Image.Image:
    """Return a file as Pillow opens it, undecoded; the stream stays open."""
    stream: Any = _LeftOpen(file.rewound())
    for place, mark, name in _MARKS:
        if file.head.startswith(mark, place):
            _load_plugin(name)
    return Image.open(stream)


def _load_plugin(name: str) -> None:
    """Import the module of Pillow's that knows a format; else Pillow imports all to find it."""
    # Older versions do not have all of them.
    with contextlib.suppress(ImportError):
        if name in _PLUGINS:
            importlib.import_module(f"PIL.{_PLUGINS[name]}")


def format_of(image: Image.Image) -> str:
    """Return the name of an image's format."""
    # Phones write MPO: a JPEG with further images behind it.
    return "JPEG" if image.format == "MPO" else image.format or "unknown"


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    """Return the pixels per inch that a file states outside of EXIF."""
    dpi = image.info.get("dpi")
    if format_of(image) == "JPEG":
        # Pillow makes up a resolution where there is EXIF, and none in it.
        factor = {1: 1.0, 2: 2.54}.get(image.info.get("jfif_unit", 0))
        density = image.info.get("jfif_density", (0, 0))
        dpi = [value * factor for value in density] if factor else None
    return (float(dpi[0]), float(dpi[1])) if dpi and dpi[0] > 0 and dpi[1] > 0 else None


def _aspect(image: Image.Image) -> tuple[float, float] | None:
    """Return resolutions without a unit, where they differ."""
    pair = image.info.get("aspect")
    if format_of(image) == "JPEG" and image.info.get("jfif_unit") == 0:
        pair = image.info.get("jfif_density")
    if not pair or pair[0] == pair[1] or not all(pair):
        return None
    return float(pair[0]), float(pair[1])


def _is_gif_animation(image: Image.Image) -> bool:
    return image.format == "GIF" and frame_count(image) > 1


def _decoding_bytes(image: Image.Image, expansion: _Expansion) -> int:
    """Return the bytes at the worst moment of decoding."""
    pixels = image.width * image.height
    held = _bytes_of(image.mode)
    if expansion.mode != image.mode:
        held += _bytes_of(expansion.mode)
    # Pillow hands the pixels over as a list of pieces, then joined.
    array = channels_of(expansion.layout) * expansion.dtype.itemsize
    return pixels * (held + 2 * array)


def _bytes_of(mode: str) -> int:
    return 2 if mode.startswith("I;16") else _PILLOW_BYTES.get(mode, 4)


def _expansion(image: Image.Image) -> _Expansion:
    """Return how an image's pixels are read."""
    mode, has_clear = image.mode, "transparency" in image.info
    eight = np.dtype(np.uint8)
    if mode in {"1", "P", "PA"}:
        has_clear = has_clear or mode == "PA"
        goal = "RGBA" if has_clear else "L" if mode == "1" else "RGB"
        kind = "1-bit" if mode == "1" else "palette"
        note = f"{kind} expanded to {_MODE_WORDS[goal]}"
        return _Expansion(goal, _LAYOUTS[goal], eight, (note,))
    if mode in {"L", "RGB"} and has_clear:
        # One colour stands for full transparency.
        goal = "LA" if mode == "L" else "RGBA"
        return _Expansion(goal, _LAYOUTS[goal], eight)
    goal = _CONVERTED.get(mode, mode)
    if goal in _LAYOUTS:
        return _Expansion(goal, _LAYOUTS[goal], np.dtype(np.float32) if goal == "F" else eight)
    if mode == "I" or mode.startswith("I;16"):
        is_deep = mode == "I" and image.format not in _DEEP_AS_INT32
        return _Expansion(mode, GREY, np.dtype(np.int32 if is_deep else np.uint16))
    raise FileError(f"pixels of kind {mode} are not supported")


def _read_still(image: Image.Image, *, labels: bool) -> DecodedImage:
    """Decode a still image, or the first frame of an animation."""
    image.load()
    notes = left_out(image)
    if labels and image.mode == "1":
        return DecodedImage([np.array(image)], GREY, "", notes=notes)
    if labels and image.mode == "P":
        colours = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return DecodedImage([np.array(image)], PALETTE, "", notes=notes, palette=colours)
    expansion = _expansion(image)
    pixels = np.array(
        image if expansion.mode == image.mode else image.convert(expansion.mode)
    ).astype(expansion.dtype, copy=False)
    return DecodedImage([pixels], expansion.layout, "", notes=expansion.notes + notes)


def _lossless_webp(stream: BinaryIO) -> bool:
    """Tell whether a WebP's image data is all lossless, from its chunk names."""
    stream.seek(12)
    kinds = set()
    while len(header := stream.read(8)) == 8:
        name, length = header[:4], struct.unpack("<I", header[4:])[0]
        if name == b"ANMF":
            # A frame's header of 16 bytes, then its own chunks.
            stream.seek(16, 1)
            continue
        kinds.add(name)
        stream.seek(length + length % 2, 1)
    return b"VP8L" in kinds and b"VP8 " not in kinds


# -- writing ------------------------------------------------------------------------------


def _quality_keywords(image: DecodedImage, target: Format, encoding: Encoding) -> dict[str, Any]:
    quality = encoding.quality or DEFAULT_QUALITY
    if target.name == "JPEG":
        progressive = bool(image.details.get("progressive"))
        return {"quality": quality, "subsampling": 0, "progressive": progressive}
    if target.name == "WEBP" and image.lossless and encoding.quality is None:
        # exact keeps the colours of clear pixels.
        return {"lossless": True, "exact": True}
    return {"quality": quality} if target.name in {"WEBP", "AVIF"} else {}


def _to_pillow(frame: Pixels, image: DecodedImage, target: Format) -> Image.Image:
    if target.name == "GIF" and image.has_alpha:
        from lerf_core.io.codecs.gif_frames import with_clear_index

        return with_clear_index(frame if image.layout == RGBA else frame[..., [0, 0, 0, 1]])
    if image.layout == PALETTE and image.palette is not None:
        indices = Image.fromarray(frame.astype(np.uint8)).convert("L")
        indexed = Image.frombytes("P", indices.size, indices.tobytes())
        indexed.putpalette(image.palette.tobytes())
        return indexed
    if image.layout == CMYK:
        size = frame.shape[1::-1]
        return Image.frombytes("CMYK", size, np.ascontiguousarray(frame).tobytes())
    return Image.fromarray(frame)
