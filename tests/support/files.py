"""Image files of many formats, and what they say about their pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

from lerf_core.io.metadata.model import AxisScale

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# End of a PNG's header chunk, and length of the chunk that ends it.
_HEADER_END, _LAST_CHUNK = 33, 12
_TOP = 65_535


def smooth_rgb(rows: int = 10, cols: int = 14) -> np.ndarray:
    """Return a smooth, colourful image."""
    down, across = np.mgrid[:rows, :cols]
    planes = [down * 20 + 30, across * 15 + 20, (down + across) * 9 + 10]
    noise = np.random.default_rng(7).integers(0, 9, (rows, cols, 3))
    return (np.stack(planes, axis=2) + noise).astype(np.uint8)


@cache
def icc_profile() -> bytes:
    """Return an sRGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif_block(orientation: int = 6) -> Image.Exif:
    """Return EXIF with an orientation, sub-directories and pixel dimensions."""
    block = Image.Exif()
    block[0x010F] = "Maker of cameras"
    block[0x0112] = orientation
    directory = block.get_ifd(0x8769)
    directory[0x9003] = "2024:05:06 07:08:09"
    directory[0x829A] = TiffImagePlugin.IFDRational(1, 250)
    directory[0xA002] = 14
    directory[0xA003] = 10
    block.get_ifd(0x8825)[1] = "N"
    return block


def image_in(mode: str, rgb: np.ndarray) -> Image.Image:
    """Return an image in one of Pillow's modes."""
    if mode == "I;16":
        return Image.fromarray(rgb[..., 0].astype(np.uint16) * 200 + 77)
    if mode == "F":
        return Image.fromarray(rgb[..., 0].astype(np.float32) / 100 - 0.5)
    image = Image.fromarray(rgb).convert(mode)
    if mode in {"LA", "RGBA"}:
        image.putalpha(Image.fromarray(rgb[..., 1]))
    return image


def save_with_metadata(path: Path, rgb: np.ndarray) -> Path:
    """Write an image with all the metadata that Pillow writes into its format."""
    image, icc, exif = Image.fromarray(rgb), icc_profile(), exif_block()
    if path.suffix == ".tif":
        # Pillow forgets sub-directories in TIFF.
        image.save(path, icc_profile=icc, dpi=(300, 150), exif=exif)
    elif path.suffix == ".webp":
        image.save(path, icc_profile=icc, exif=exif, xmp=XMP, lossless=True)
    elif path.suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add(b"gAMA", (45455).to_bytes(4, "big"))
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        info.add_text("Title", "Grüße")
        image.save(path, icc_profile=icc, exif=exif, dpi=(300, 150), pnginfo=info)
    else:
        image.save(path, icc_profile=icc, exif=exif, dpi=(300, 150), xmp=XMP, comment=b"hi")
    return path


# -- PNG ----------------------------------------------------------------------------------


def png_chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png16(samples: np.ndarray, chunks: bytes = b"", *, behind: bool = False) -> bytes:
    """Return a PNG of 16 bits, with further chunks before the pixels or behind them."""
    data = imagecodecs.png_encode(np.ascontiguousarray(samples))
    position = len(data) - _LAST_CHUNK if behind else _HEADER_END
    return data[:position] + chunks + data[position:]


def orientation_chunk(orientation: int) -> bytes:
    """Return a PNG's EXIF chunk that says how an image is to be turned."""
    block = Image.Exif()
    block[0x0112] = orientation
    return png_chunk(b"eXIf", block.tobytes()[6:])


# -- every kind of file that is read both whole and by regions -------------------------------


def _deep(rgb: np.ndarray) -> np.ndarray:
    return rgb.astype(np.uint16) * 250 + 3


def _by_pillow(mode: str, **options: Any) -> Callable[[Path, np.ndarray], None]:
    def write(path: Path, rgb: np.ndarray) -> None:
        image_in(mode, rgb).save(path, **options)

    return write


def _by_tifffile(change: Callable[[np.ndarray], np.ndarray], **options: Any) -> Callable[..., None]:
    def write(path: Path, rgb: np.ndarray) -> None:
        tifffile.imwrite(path, change(rgb), **{"metadata": None} | options)

    return write


def _png16(
    channels: int, chunks: Callable[[], bytes] = bytes, *, behind: bool = False
) -> Callable[..., None]:
    def write(path: Path, rgb: np.ndarray) -> None:
        deep = np.dstack([_deep(rgb), _deep(rgb)[..., :1]])[..., :channels]
        path.write_bytes(png16(deep.squeeze(), chunks(), behind=behind))

    return write


def _late_orientation(path: Path, rgb: np.ndarray) -> None:
    Image.fromarray(rgb).save(path)
    data = path.read_bytes()
    path.write_bytes(data[:-_LAST_CHUNK] + orientation_chunk(6) + data[-_LAST_CHUNK:])


def _sixteen_bit_words() -> bytes:
    profile = png_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc_profile()))
    resolution = png_chunk(b"pHYs", struct.pack(">IIB", 11811, 5906, 1))
    return profile + resolution + png_chunk(b"eXIf", exif_block().tobytes()[6:])


def _grey(rgb: np.ndarray) -> np.ndarray:
    return rgb[..., 0]


def _words() -> list[tuple[Any, ...]]:
    texts = {269: b"a document", 271: b"Maker", 315: "Jörg".encode()}
    tags = [(code, 2, 0, text + b"\0", True) for code, text in texts.items()]
    return [*tags, (700, 1, len(XMP), XMP, True)]


_PALETTE = np.random.default_rng(3).integers(0, 65_536, (3, 256), np.uint16)
_RGB: dict[str, Any] = {"photometric": "rgb"}

#: From a file's name to what writes it: (path, (rows, cols, 3) uint8 image) -> None.
KINDS: dict[str, Callable[[Path, np.ndarray], Any]] = {
    **{f"{mode}.png": _by_pillow(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")},
    **{f"{mode}.tif": _by_pillow(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16",
                                                    "I", "F", "CMYK")},
    **{f"{mode}.webp": _by_pillow(mode, lossless=True) for mode in ("RGB", "RGBA")},
    **{f"{name}": _by_pillow("RGB") for name in ("a.jpg", "a.bmp", "a.ppm", "a.tga", "a.jp2",
                                                 "a.avif", "a.ico")},
    "CMYK.jpg": _by_pillow("CMYK"),
    "deep.ppm": _by_pillow("I;16"),
    "palette-clear.png": _by_pillow("P", transparency=3),
    "palette-clear.gif": _by_pillow("P", transparency=3),
    "grey-clear.png": _by_pillow("L", transparency=60),
    "rgb-clear.png": _by_pillow("RGB", transparency=(50, 40, 30)),
    **{f"words.{suffix}": save_with_metadata for suffix in ("png", "jpg", "webp", "tif")},
    **{f"deep{channels}.png": _png16(channels) for channels in (1, 2, 3, 4)},
    "deep-words.png": _png16(3, _sixteen_bit_words),
    "deep-clear.png": _png16(3, partial(png_chunk, b"tRNS", struct.pack(">3H", 7503, 5003, 2503))),
    "deep-late.png": _png16(3, partial(orientation_chunk, 6), behind=True),
    "late.png": _late_orientation,
    **{f"turned{number}.tif": _by_tifffile(np.asarray, resolution=(300, 150),
                                           extratags=[(274, 3, 1, number, True)], **_RGB)
       for number in range(1, 9)},
    "described.tif": _by_tifffile(np.asarray, description="a view", software="maker",
                                  iccprofile=b"profile", datetime="2020:01:02 03:04:05",
                                  extratags=_words(), **_RGB),
    "tiled.tif": _by_tifffile(np.asarray, tile=(16, 16), compression="zlib", **_RGB),
    "jpeg.tif": _by_tifffile(np.asarray, tile=(16, 16), compression="jpeg", **_RGB),
    "lzw.tif": _by_tifffile(_deep, compression="lzw", predictor=True, rowsperstrip=3, **_RGB),
    "big.tif": _by_tifffile(np.asarray, bigtiff=True, byteorder=">", **_RGB),
    "centimetres.tif": _by_tifffile(np.asarray, resolution=(100, 50), resolutionunit=3, **_RGB),
    "aspect.tif": _by_tifffile(np.asarray, resolution=(2, 1), resolutionunit=1, **_RGB),
    "miniswhite.tif": _by_tifffile(_grey, photometric="miniswhite"),
    "miniswhite16.tif": _by_tifffile(lambda rgb: _deep(_grey(rgb)), photometric="miniswhite",
                                     compression="zlib"),
    "miniswhite1.tif": _by_tifffile(lambda rgb: _grey(rgb) > 90, photometric="miniswhite"),
    "miniswhite-float.tif": _by_tifffile(lambda rgb: _grey(rgb) / np.float32(255),
                                         photometric="miniswhite"),
    "palette.tif": _by_tifffile(_grey, photometric="palette", colormap=_PALETTE),
    "palette-tiled.tif": _by_tifffile(_grey, photometric="palette", colormap=_PALETTE >> 8,
                                      tile=(16, 16), compression="zlib"),
    "premultiplied.tif": _by_tifffile(lambda rgb: np.dstack([rgb // 2, rgb[..., :1] | 128]),
                                      extrasamples=["assocalpha"], **_RGB),
    "unsaid.tif": _by_tifffile(lambda rgb: np.dstack([rgb, rgb[..., :1]]),
                               extrasamples=["unspecified"], **_RGB),
    "five.tif": _by_tifffile(lambda rgb: np.dstack([rgb, rgb[..., :2]]),
                             photometric="minisblack", planarconfig="contig"),
}  # fmt: skip


def write_kind(name: str, folder: Path, rgb: np.ndarray) -> Path:
    """Write one of `KINDS` and return its path."""
    path = folder / name.replace(";", "")
    KINDS[name](path, rgb)
    return path


def plane_axes(
    row: float,
    col: float,
    unit: str,
    origin: tuple[float, float] = (0.0, 0.0),
    *,
    is_placed: bool = True,
) -> tuple[AxisScale, AxisScale]:
    """Return what metadata say of rows and columns."""
    return (
        AxisScale("Y", row, unit, origin[0], is_placed),
        AxisScale("X", col, unit, origin[1], is_placed),
    )
