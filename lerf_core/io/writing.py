"""Writing pictures: checks, conversions, metadata, and files that appear whole or not at all."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from lerf_core.errors import FileError, one_line
from lerf_core.io import exif, png
from lerf_core.io.formats import PALETTE, RGBA, Format, check_holds
from lerf_core.io.image import DecodedImage, Metadata, Pixels, converted, flattened, unmultiplied
from lerf_core.io.locations import is_url, local_path
from lerf_core.io.reading import quiet_decoders
from lerf_core.io.tiff import pages
from lerf_core.io.tiled_writer import TiledWriter, WriterSpec, unwritable

DEFAULT_QUALITY = 95
# Half the time of zlib's default 6, for files 4% longer.
_PNG_EFFORT = 4
# One marker of a JPEG holds no more, its prefixes included.
_JPEG_BLOCK = 65_533
_JPEG_XMP = _JPEG_BLOCK - 29
# Formats in which no profile, EXIF or XMP is written.
_PIXELS_ONLY = frozenset({"BMP", "GIF", "PPM", "TGA", "JPEG2000"})


@dataclass(frozen=True)
class Encoding:
    """How files are to be written.

    Attributes
    ----------
    depth : str or None
        ``8``, ``16`` or ``float``; None keeps the depth.
    background : (red, green, blue) or None
        Colour to lay under transparent pixels; None keeps alpha.
    quality : int or None
        1 to 100 for lossy formats; None is 95, and lossless WebP where the input was lossless.
    strip : bool
        Leave EXIF, XMP, texts and comments out.
    value_range : (lo, hi) or None
        Values of float pixels that ``depth`` maps to black and white.
    """

    depth: str | None = None
    background: tuple[int, int, int] | None = None
    quality: int | None = None
    strip: bool = False
    value_range: tuple[float, float] | None = None


def check_writable(picture: DecodedImage, target: Format, encoding: Encoding) -> None:
    """Refuse, before any work, what the target format could not hold in the end.

    Raises
    ------
    FileError
    """
    layout = picture.layout
    if encoding.background is not None and picture.has_alpha:
        layout = layout[:-1]
    depth = {"8": "uint8", "16": "uint16", "float": "float32"}.get(
        encoding.depth or "", picture.dtype.name
    )
    check_holds(target, layout, depth, len(picture.frames), uneven=picture.uneven)


def as_written(picture: DecodedImage, encoding: Encoding) -> DecodedImage:
    """Return an image on its background and at the depth that it is written with."""
    if encoding.background is not None:
        picture = flattened(picture, encoding.background)
    if encoding.depth is not None:
        picture = converted(picture, encoding.depth, encoding.value_range)
    return picture


def encode(
    file: BinaryIO, picture: DecodedImage, target: Format, encoding: Encoding
) -> DecodedImage:
    """Write a picture to an open file.

    Parameters
    ----------
    file : binary file
        Readable and seekable.
    picture : DecodedImage
    target : Format
    encoding : Encoding

    Returns
    -------
    DecodedImage
        What was written, with notes on whatever the format could not keep.

    Raises
    ------
    FileError
        If the format cannot hold the picture, or the encoder fails.
    """
    picture = as_written(picture, encoding)
    if target.name != "TIFF":
        picture = unmultiplied(picture)
    check_holds(
        target, picture.layout, picture.dtype.name, len(picture.frames), uneven=picture.uneven
    )
    metadata, notes = _fitting_metadata(picture, target, encoding)
    picture = picture.noted(*notes)
    try:
        with quiet_decoders(2**62):
            if target.name == "TIFF":
                pages.write(file, picture, metadata)
            elif target.name == "PNG" and picture.dtype == np.uint16:
                chunks = _png_chunks(metadata)
                png.encode(file, picture.frames[0], chunks, _PNG_EFFORT)
            else:
                _save_by_pillow(file, picture, target, metadata, encoding)
    # The last two are what Pillow's AVIF and older encoders raise.
    except (OSError, ValueError, MemoryError, OverflowError, RuntimeError, SystemError) as error:
        if isinstance(error, FileError) or (isinstance(error, OSError) and error.errno):
            raise
        raise FileError(f"cannot be written as {target.name}: {one_line(error)}") from error
    return picture


def _fitting_metadata(
    picture: DecodedImage, target: Format, encoding: Encoding
) -> tuple[Metadata, list[str]]:
    """Return the metadata in the state in which it goes into the file, and what was left out."""
    metadata = picture.metadata.stripped() if encoding.strip else picture.metadata
    rows, cols = picture.shape
    notes = []
    if metadata.exif is not None:
        try:
            metadata = replace(metadata, exif=exif.updated(metadata.exif, cols, rows))
        except ValueError:
            notes.append("damaged EXIF dropped")
            metadata = replace(metadata, exif=None)
    if metadata.xmp is not None:
        metadata = replace(metadata, xmp=exif.updated_xmp(metadata.xmp, cols, rows))
    if target.name == "WEBP" and (metadata.icc or b"")[16:20] == b"GRAY":
        notes.append("grey ICC profile dropped: WebP stores grey as RGB")
        metadata = replace(metadata, icc=None)
    if target.name == "JPEG":
        if metadata.exif is not None and len(metadata.exif) + 6 > _JPEG_BLOCK:
            notes.append("EXIF too long for JPEG, dropped")
            metadata = replace(metadata, exif=None)
        if metadata.xmp is not None and len(metadata.xmp) > _JPEG_XMP:
            notes.append("XMP too long for JPEG, dropped")
            metadata = replace(metadata, xmp=None)
    if target.name in _PIXELS_ONLY:
        blocks = {"ICC": metadata.icc, "EXIF": metadata.exif, "XMP": metadata.xmp}
        lost = [name for name, value in blocks.items() if value is not None]
        if lost:
            notes.append(f"{target.name} cannot hold {', '.join(lost)}: dropped")
    return metadata, notes


def _png_info(metadata: Metadata) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for name, data in metadata.chunks:
        # sRGB and a profile exclude each other.
        if not (name == b"sRGB" and metadata.icc):
            info.add(name, data)
    for key, value in metadata.text:
        info.add_text(key, value)
    if metadata.xmp:
        info.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
    if metadata.comment:
        info.add_text("Comment", metadata.comment.decode("utf-8", "replace"))
    return info


def _png_chunks(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Return the chunks of a 16-bit PNG, which Pillow does not write."""
    chunks = []
    if metadata.icc:
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)))
    chunks += [(chunk[0], chunk[1]) for chunk in _png_info(metadata).chunks]
    if metadata.dpi:
        per_metre = [round(value / 0.0254) for value in metadata.dpi]
        chunks.append((b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif))
    return chunks


def _save_by_pillow(
    file: BinaryIO, picture: DecodedImage, target: Format, metadata: Metadata, encoding: Encoding
) -> None:
    images = [_to_pillow(frame, picture, target) for frame in picture.frames]
    keywords = _metadata_keywords(metadata, target) | _quality_keywords(picture, target, encoding)
    clear = picture.details.get("transparency")
    if picture.layout == PALETTE and clear is not None and target.name in {"PNG", "GIF"}:
        keywords["transparency"] = clear
    if len(images) > 1:
        durations = metadata.durations or (100.0,) * len(images)
        keywords |= {
            "save_all": True,
            "append_images": images[1:],
            "duration": [round(value) for value in durations],
        }
        if metadata.loop is not None or target.name != "GIF":
            keywords["loop"] = metadata.loop if metadata.loop is not None else 1
        if target.name == "GIF":
            keywords["disposal"] = 2 if picture.has_alpha else 1
    images[0].save(file, target.name, **keywords)


def _metadata_keywords(metadata: Metadata, target: Format) -> dict[str, Any]:
    """Return what Pillow's encoder of this format takes of the metadata."""
    keywords: dict[str, Any] = {}
    if metadata.icc and target.name not in _PIXELS_ONLY:
        keywords["icc_profile"] = metadata.icc
    if metadata.exif and target.name in {"PNG", "JPEG", "WEBP", "AVIF"}:
        keywords["exif"] = exif.PREFIX + metadata.exif
    if metadata.xmp and target.name in {"JPEG", "WEBP", "AVIF"}:
        keywords["xmp"] = metadata.xmp
    if metadata.dpi and target.name in {"PNG", "JPEG", "BMP"}:
        keywords["dpi"] = metadata.dpi
    if metadata.comment and target.name in {"JPEG", "GIF"}:
        keywords["comment"] = metadata.comment
    if target.name == "PNG":
        keywords |= {"pnginfo": _png_info(metadata), "compress_level": _PNG_EFFORT}
    return keywords


def _quality_keywords(picture: DecodedImage, target: Format, encoding: Encoding) -> dict[str, Any]:
    quality = encoding.quality or DEFAULT_QUALITY
    if target.name == "JPEG":
        progressive = bool(picture.details.get("progressive"))
        return {"quality": quality, "subsampling": 0, "progressive": progressive}
    if target.name == "WEBP" and picture.lossless and encoding.quality is None:
        # exact keeps the colours of clear pixels.
        return {"lossless": True, "exact": True}
    return {"quality": quality} if target.name in {"WEBP", "AVIF"} else {}


def _to_pillow(frame: Pixels, picture: DecodedImage, target: Format) -> Image.Image:
    if target.name == "GIF" and picture.has_alpha:
        # GIF knows clear and opaque only.
        frame = frame.copy()
        frame[..., -1] = np.where(frame[..., -1] >= 128, 255, 0)
    if picture.layout == PALETTE and picture.palette is not None:
        image = Image.fromarray(frame.astype(np.uint8)).convert("L")
        indexed = Image.frombytes("P", image.size, image.tobytes())
        indexed.putpalette(picture.palette.tobytes())
        return indexed
    image = Image.fromarray(frame)
    if picture.layout == "CMYK":
        image = Image.frombytes("CMYK", image.size, np.ascontiguousarray(frame).tobytes())
    if target.name == "GIF" and picture.layout == "LA":
        return image.convert(RGBA)
    return image


def encode_to_bytes(
    picture: DecodedImage, target: Format, encoding: Encoding
) -> tuple[bytes, DecodedImage]:
    """Return a whole encoded file, for a pipe, and the picture as written."""
    buffer = io.BytesIO()
    written = encode(buffer, picture, target, encoding)
    return buffer.getvalue(), written


def open_writer(
    path: str, spec: WriterSpec, *, resume: bool = False, overwrite: bool = False
) -> TiledWriter:
    """Begin to write an image, or go on with it.

    Parameters
    ----------
    path : str
        A file, or for Zarr a folder or an fsspec URL.
    spec : WriterSpec
    resume : bool, optional
        Keep what an interrupted run of the same work has finished.
    overwrite : bool, optional
        Replace a result that exists; a local one stays until the new one is complete.

    Raises
    ------
    FileError
        If the result exists, cannot be written, or another work was interrupted.
    """
    from lerf_core.io.npy import NpyWriter
    from lerf_core.io.tiff.writer import TiffWriter
    from lerf_core.io.zarr.writer import ZarrWriter

    path = local_path(path)
    remote = is_url(path)
    if remote and "Zarr" not in spec.format:
        raise FileError(f"{path}: only Zarr is written to remote storage")
    if not remote:
        _check_free(Path(path), overwrite=overwrite)
    try:
        if "Zarr" in spec.format:
            return ZarrWriter(path, spec, resume=resume, overwrite=overwrite, remote=remote)
        kind = NpyWriter if spec.format == "NPY" else TiffWriter
        return kind(Path(path), spec, resume=resume)
    except FileError:
        raise
    except OSError as error:
        raise unwritable(path, error) from error


def _check_free(path: Path, *, overwrite: bool) -> None:
    if os.path.lexists(path) and not overwrite:
        raise FileError(f"{path} exists: give overwrite to replace it")
    if not path.parent.is_dir():
        raise FileError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"cannot write {path}: no permission to write in {path.parent}")
