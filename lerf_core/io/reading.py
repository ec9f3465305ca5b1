"""Reading image files with their metadata, and turning every failure into one line."""

from __future__ import annotations

import io
import logging
import operator
import os
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from lerf_core.errors import FileError, InvalidArgumentError, InvalidTypeError, one_line
from lerf_core.io import exif, png
from lerf_core.io.formats import (
    CMYK,
    DEFAULT_MAX_PIXELS,
    GREY,
    GREY_ALPHA,
    LOSSLESS,
    PALETTE,
    RGB,
    RGBA,
)
from lerf_core.io.image import TURNED, DecodedImage, Metadata, Pixels, upright
from lerf_core.io.locations import local_path
from lerf_core.io.tiff import pages
from lerf_core.io.tiled_reader import TiledReader

_FILE_SUFFIXES = frozenset({".tif", ".tiff", ".npy", ".png", ".jpg", ".jpeg", ".webp"})
_ZARR_DOCUMENTS = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
FileOrBytes = Path | bytes
_ANIMATED = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
_TEXT_NOT_COPIED = re.compile(r"XML:com\.adobe\.xmp|Raw profile type .*")


@dataclass(frozen=True)
class Header:
    """What a file claims before anything is decoded; the shape is that of the upright image."""

    format: str
    shape: tuple[int, int]
    frames: int


@contextmanager
def quiet_decoders(max_pixels: int) -> Iterator[None]:
    """Hold the decoders' warnings and logs back, and set their limit, within a ``with``."""
    before = Image.MAX_IMAGE_PIXELS
    loggers = [logging.getLogger(name) for name in ("tifffile", "PIL", "imageio")]
    levels = [logger.level for logger in loggers]
    Image.MAX_IMAGE_PIXELS = (max_pixels + 1) // 2
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def check_pixels(pixels: int, max_pixels: int, what: str) -> None:
    """Refuse a number of pixels above the limit.

    Raises
    ------
    FileError
        Naming both numbers and the option that raises the limit.
    """
    if pixels > max_pixels:
        raise FileError(
            f"{what} {pixels:,} pixels, above the limit of {max_pixels:,}: "
            "raise it with --max-pixels if this is meant"
        )


@contextmanager
def _told_in_one_line(max_pixels: int) -> Iterator[None]:
    try:
        with quiet_decoders(max_pixels):
            yield
    except FileError:
        raise
    except Image.DecompressionBombError as error:
        found = re.search(r"\((\d+) pixels\)", str(error))
        pixels = f"{int(found[1]):,} pixels" if found else "too many pixels"
        raise FileError(
            f"claims {pixels}, above the limit of {max_pixels:,}: "
            "raise it with --max-pixels if this is meant"
        ) from error
    except UnidentifiedImageError as error:
        raise FileError("not an image of a known format, or damaged at its start") from error
    except MemoryError as error:
        raise FileError("not enough memory to read it") from error
    except OSError as error:
        text = one_line(error)
        raise FileError(text if error.errno else f"damaged: {text}") from error
    # Decoders raise whatever a damaged byte leads them to: none of it is a fault of the program.
    except Exception as error:
        raise FileError(f"damaged or unsupported: {one_line(error)}") from error


def _opened(source: FileOrBytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def read_header(source: FileOrBytes, max_pixels: int = DEFAULT_MAX_PIXELS) -> Header:
    """Read format, size and number of frames, without decoding pixels.

    Parameters
    ----------
    source : Path or bytes
    max_pixels : int, optional
        Greatest number of pixels accepted, over all frames.

    Raises
    ------
    FileError
    """
    with _told_in_one_line(max_pixels), _opened(source) as file:
        head = _head(file)
        if pages.is_tiff(head):
            shape, frames = pages.read_header(file)
            header = Header("TIFF", shape, frames)
        else:
            try:
                header = _pillow_header(file)
            except UnidentifiedImageError:
                other = _read_by_imageio(source, max_pixels)
                header = Header(other.format, other.shape, 1)
        rows, cols = header.shape
        check_pixels(rows * cols * header.frames, max_pixels, "claims")
        return header


def read_image(
    source: FileOrBytes, max_pixels: int = DEFAULT_MAX_PIXELS, *, labels: bool = False
) -> DecodedImage:
    """Read a file's frames, upright, and its metadata.

    Parameters
    ----------
    source : Path or bytes
    max_pixels : int, optional
        Greatest number of pixels accepted, over all frames; checked before decoding.
    labels : bool, optional
        Keep palette indices and 1-bit pixels as they are, instead of expanding them.

    Returns
    -------
    DecodedImage

    Raises
    ------
    FileError
        Whatever is wrong with the file, in one line.
    """
    with _told_in_one_line(max_pixels), _opened(source) as file:
        head = _head(file)
        if pages.is_tiff(head):
            picture, turn = pages.read(
                file, lambda pixels: check_pixels(pixels, max_pixels, "claims"), labels=labels
            )
        elif png.bit_depth(head) == 16:
            picture, turn = _read_png16(file, max_pixels)
        else:
            try:
                picture, turn = _read_pillow(file, max_pixels, labels=labels)
            except UnidentifiedImageError:
                picture, turn = _read_by_imageio(source, max_pixels), 1
        return _upright(picture, turn)


def _head(file: BinaryIO) -> bytes:
    head = file.read(32)
    file.seek(0)
    if not head:
        raise FileError("is empty")
    return head


def _upright(picture: DecodedImage, turn: int) -> DecodedImage:
    if turn == 1:
        return picture
    metadata = picture.metadata
    if metadata.dpi is not None and turn in TURNED:
        metadata = replace(metadata, dpi=metadata.dpi[::-1])
    return picture.mapped(lambda frame: upright(frame, turn), metadata=metadata)


def _check_header(image: Image.Image, max_pixels: int) -> int:
    """Return the number of frames to read, once their pixels are known to be few enough."""
    frames = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
    check_pixels(image.width * image.height * frames, max_pixels, "claims")
    return frames


def _pillow_header(file: BinaryIO) -> Header:
    with Image.open(file) as image:
        frames = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
        shape = (image.height, image.width)
        if _orientation(image) in TURNED:
            shape = shape[::-1]
        return Header(_format_of(image), shape, frames)


def _format_of(image: Image.Image) -> str:
    # Phones write MPO: a JPEG with further pictures behind it.
    return "JPEG" if image.format == "MPO" else image.format or "unknown"


def _orientation(image: Image.Image) -> int:
    return exif.orientation(_exif_of(image) or b"")


def _exif_of(image: Image.Image) -> bytes | None:
    block = image.info.get("exif")
    if block is None and "Raw profile type exif" in image.info:
        block = image.getexif().tobytes()
    return exif.strip_prefix(block) or None if isinstance(block, bytes) else None


def _metadata_of(image: Image.Image, file: BinaryIO) -> Metadata:
    info = image.info
    dpi = info.get("dpi")
    xmp = info.get("xmp")
    text = getattr(image, "text", {}) if image.format == "PNG" else {}
    chunks: list[tuple[bytes, bytes]] = []
    if image.format == "PNG":
        file.seek(0)
        chunks = png.colour_chunks(file)
    comment = info.get("comment")
    loop = info.get("loop")
    return Metadata(
        icc=info.get("icc_profile") or None,
        exif=_exif_of(image),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and dpi[0] > 0 and dpi[1] > 0 else None,
        text=tuple(
            (key, value) for key, value in text.items() if not _TEXT_NOT_COPIED.fullmatch(key)
        ),
        comment=comment.encode() if isinstance(comment, str) else comment,
        chunks=tuple(chunks),
        loop=int(loop) if loop is not None else None,
    )


def _read_png16(file: BinaryIO, max_pixels: int) -> tuple[DecodedImage, int]:
    with Image.open(file) as header:
        check_pixels(header.width * header.height, max_pixels, "claims")
        frames = getattr(header, "n_frames", 1)
        key = header.info.get("transparency")
    file.seek(0)
    pixels, image = png.decode(file)
    notes: tuple[str, ...] = ()
    if frames > 1:
        notes = (f"only the first of {frames} frames of a 16-bit animation is used",)
    if key is not None:
        # One colour stands for full transparency.
        colours = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
        seen = (colours != np.asarray(key, np.uint16)).any(axis=2, keepdims=True)
        pixels = np.concatenate([colours, seen.astype(np.uint16) * 0xFFFF], axis=2)
    layout = {2: GREY_ALPHA, 3: RGB, 4: RGBA}[pixels.shape[2]] if pixels.ndim == 3 else GREY
    picture = DecodedImage([pixels], layout, "PNG", _metadata_of(image, file), notes)
    return picture, _orientation(image)


def _read_pillow(file: BinaryIO, max_pixels: int, *, labels: bool) -> tuple[DecodedImage, int]:
    image = Image.open(file)
    count = _check_header(image, max_pixels)
    turn, form = _orientation(image), _format_of(image)
    if count > 1:
        picture = _read_frames(image, count)
    else:
        pixels, layout, notes, palette = _expanded(image, labels=labels)
        extra = getattr(image, "n_frames", 1)
        if extra > 1:
            notes += (f"only the first of {extra} images in the file is used",)
        picture = DecodedImage([pixels], layout, form, notes=notes, palette=palette)
    metadata = replace(_metadata_of(image, file), durations=picture.metadata.durations)
    lossless = form in LOSSLESS or (form == "WEBP" and _lossless_webp(file))
    details = {
        "progressive": bool(image.info.get("progressive")),
        "transparency": image.info.get("transparency"),
    }
    done = replace(picture, format=form, metadata=metadata, lossless=lossless, details=details)
    return done, turn


def _read_frames(image: Image.Image, count: int) -> DecodedImage:
    """Read an animation as whole RGB or RGBA frames, whatever each one stores."""
    frames: list[Pixels] = []
    durations: list[float] = []
    notes: tuple[str, ...] = ()
    first = 0
    if image.format == "PNG" and image.info.get("default_image"):
        # The still picture that viewers without animation show is not one of the frames.
        first = 1
    for index in range(first, count):
        image.seek(index)
        image.load()
        frames.append(np.asarray(image.convert("RGBA")))
        durations.append(float(image.info.get("duration", 0)))
    if image.format == "GIF":
        notes = ("palette expanded to RGB",)
    layout = RGBA
    if all((frame[..., 3] == 255).all() for frame in frames):
        frames = [np.ascontiguousarray(frame[..., :3]) for frame in frames]
        layout = RGB
    return DecodedImage(frames, layout, "", Metadata(durations=tuple(durations)), notes)


_DIRECT = {"L": GREY, "LA": GREY_ALPHA, "RGB": RGB, "RGBA": RGBA, "CMYK": CMYK, "F": GREY}
_VIA = {"RGBX": "RGB", "RGBa": "RGBA", "La": "LA", "YCbCr": "RGB", "HSV": "RGB", "PA": "RGBA"}


def _expanded(
    image: Image.Image, *, labels: bool
) -> tuple[Pixels, str, tuple[str, ...], Pixels | None]:
    """Return pixels, layout, notes and palette of a still image."""
    image.load()
    mode, notes = image.mode, ()
    if mode in {"1", "P"} and labels:
        pixels = np.array(image)
        if mode == "1":
            return pixels, GREY, notes, None
        colours = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return pixels, PALETTE, notes, colours
    if mode in {"1", "P", "PA"}:
        kind = "1-bit" if mode == "1" else "palette"
        clear = "transparency" in image.info or mode == "PA"
        goal = "L" if mode == "1" and not clear else "RGBA" if clear else "RGB"
        words = {"L": "8-bit grey", "RGB": "RGB", "RGBA": "RGBA"}[goal]
        return np.array(image.convert(goal)), _DIRECT[goal], (f"{kind} expanded to {words}",), None
    if mode in {"L", "RGB"} and "transparency" in image.info:
        # One colour stands for full transparency.
        goal = "LA" if mode == "L" else "RGBA"
        return np.array(image.convert(goal)), _DIRECT[goal], notes, None
    if mode in _VIA:
        return np.array(image.convert(_VIA[mode])), _DIRECT[_VIA[mode]], notes, None
    if mode in _DIRECT:
        return np.array(image), _DIRECT[mode], notes, None
    if mode == "I" or mode.startswith("I;16"):
        pixels = np.array(image)
        # Formats of 16 bits at most that Pillow hands out as 32.
        deep = mode == "I" and image.format not in {"PPM", "PNG", "JPEG2000"}
        return pixels.astype(np.int32 if deep else np.uint16), GREY, notes, None
    raise FileError(f"pixels of kind {mode} are not supported")


def _lossless_webp(file: BinaryIO) -> bool:
    """Tell whether a WebP's image data is all lossless, from its chunk names."""
    file.seek(12)
    kinds = set()
    while len(header := file.read(8)) == 8:
        name, length = header[:4], struct.unpack("<I", header[4:])[0]
        if name == b"ANMF":
            # A frame's header of 16 bytes, then its own chunks.
            file.seek(16, 1)
            continue
        kinds.add(name)
        file.seek(length + length % 2, 1)
    return b"VP8L" in kinds and b"VP8 " not in kinds


def _read_by_imageio(source: FileOrBytes, max_pixels: int) -> DecodedImage:
    """Read what Pillow does not know and imageio may (DICOM, for one), by the file's suffix."""
    from imageio.config import known_extensions

    suffix = "" if isinstance(source, bytes) else source.suffix.lower()
    if suffix not in known_extensions or suffix in Image.registered_extensions():
        raise UnidentifiedImageError
    import imageio.v3 as iio

    try:
        # As bytes: a reader that fails would leave the file itself open.
        data = source if isinstance(source, bytes) else source.read_bytes()
        pixels = np.asarray(iio.imread(data, extension=suffix))
    # Any plugin may be asked, and each has errors of its own.
    except Exception as error:
        raise FileError(f"no installed reader can read this {suffix} file") from error
    layouts = {2: GREY} if pixels.ndim == 2 else {3: RGB, 4: RGBA}
    layout = layouts.get(2 if pixels.ndim == 2 else pixels.shape[-1])
    if layout is None or pixels.ndim not in {2, 3}:
        raise FileError(f"holds an array of shape {pixels.shape}, which is not one image")
    check_pixels(pixels.shape[0] * pixels.shape[1], max_pixels, "holds")
    return DecodedImage([pixels], layout, suffix[1:].upper())


def open_reader(
    path: str | os.PathLike[str],
    *,
    level: int = 0,
    series: int = 0,
    cache_bytes: int = 64 << 20,
    missing: str = "fill",
    max_decoded_bytes: int | None = None,
) -> TiledReader:
    """Open an image for reading by regions.

    TIFF and BigTIFF (with OME-TIFF and ImageJ's stacks) are read by tiles or strips, Zarr and
    OME-Zarr by chunks, uncompressed TIFF and .npy by the rows asked for. PNG, JPEG, WebP and the
    other formats of Pillow are decoded as a whole, at the first read.

    Parameters
    ----------
    path : str or path
        A file, a folder of Zarr, or the address of a Zarr such as "s3://bucket/image.zarr" (an
        fsspec URL, whose own package must be installed).
    level : int, optional
        Of a pyramid: 0 is the full image.
    series : int, optional
        Which image of a file with several.
    cache_bytes : int, optional
        Bound of the decoded chunks that are kept, shared by all threads.
    missing : {"fill", "error"}, optional
        What to do where a tile or chunk was never written: give the file's fill value, or raise.
    max_decoded_bytes : int or None, optional
        Most memory that one decoding may take: of a whole image where the format has no tiles,
        else of one chunk. None for no bound.

    Returns
    -------
    TiledReader

    Raises
    ------
    FileError
        If the file is missing, damaged, of an unknown kind, without that level or series, or too
        large to be decoded.
    InvalidArgumentError, InvalidTypeError
        If an option cannot be used.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "ramp.npy"
    >>> np.save(path, np.arange(12).reshape(3, 4))
    >>> with open_reader(path) as source:
    ...     source[1:, ::1].tolist()
    [[4, 5, 6, 7], [8, 9, 10, 11]]
    """
    if missing not in {"fill", "error"}:
        raise InvalidArgumentError(f'missing must be "fill" or "error", got {missing!r}')
    options = {
        "level": _count(level, "level"),
        "series": _count(series, "series"),
        "cache_bytes": _count(cache_bytes, "cache_bytes"),
        "missing": missing,
        "max_decoded_bytes": (
            None if max_decoded_bytes is None else _count(max_decoded_bytes, "max_decoded_bytes")
        ),
    }
    name = _as_text(path)
    kind = _kind(name)
    if kind == "zarr":
        from lerf_core.io.zarr.reader import ZarrReader

        return ZarrReader(name, options)
    if kind == "tiff":
        from lerf_core.io.tiff.reader import TiffReader

        return TiffReader(name, options)
    if options["level"] or options["series"]:
        raise FileError(
            f"{name}: level {level}, series {series} asked, and the format has one image"
        )
    if kind == "npy":
        from lerf_core.io.npy import NpyReader

        return NpyReader(name, options)
    from lerf_core.io.decoded_reader import DecodedReader

    return DecodedReader(name, options)


def _as_text(path: str | os.PathLike[str]) -> str:
    try:
        name = os.fspath(path)
    except TypeError:
        name = None
    if not isinstance(name, str):
        raise InvalidTypeError(f"a path is text or a path object, got {type(path).__name__}")
    return local_path(name)  # a folder of this machine needs no fsspec


def _count(value: int, name: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if isinstance(value, bool) or number < 0:
        raise InvalidArgumentError(f"{name} must be an integer of at least 0, got {value!r}")
    return number


def _kind(name: str) -> str:
    """Return how a path is read: "zarr", "tiff", "npy" or "raster"."""
    if "://" in name:
        if PurePosixPath(name.partition("?")[0]).suffix.lower() in _FILE_SUFFIXES:
            raise FileError(f"{name}: addresses are read for Zarr alone: download it first")
        return "zarr"
    path = Path(name)
    if path.is_dir():
        if any((path / document).is_file() for document in _ZARR_DOCUMENTS):
            return "zarr"
        raise FileError(f"{name}: a folder that is no Zarr: zarr.json, .zarray and .zgroup miss")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise FileError(f"{name}: {one_line(error.strerror or error)}") from error
    if not head:
        raise FileError(f"{name}: an empty file")
    if pages.is_tiff(head):
        return "tiff"
    return "npy" if head[:6] == np.lib.format.MAGIC_PREFIX else "raster"


# A damaged file must fail, never come out half grey.
ImageFile.LOAD_TRUNCATED_IMAGES = False
