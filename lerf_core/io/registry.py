"""Which codec reads a file, and which one writes a format; codecs are imported when needed."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import cast

from PIL import UnidentifiedImageError

from lerf_core.errors import FileError, one_line
from lerf_core.io.codec import Codec, OpenFile, opened
from lerf_core.io.locations import is_zarr_folder

__all__ = ["codec_of_file", "codec_of_path", "writing_codec"]

# Classes within `lerf_core.io.codecs`, in the order in which they are asked: those of which files
# begin like others' come first, and Pillow, who knows many, behind.
_WHOLE = (
    "dicom.DicomCodec", "camera_raw.CameraRawCodec", "tiff.codec.TiffCodec", "png.PngCodec",
    "jpeg.JpegCodec", "bmp.BmpCodec", "netpbm.NetpbmCodec", "jpeg2000.Jpeg2000Codec",
    "avif.AvifCodec", "heif.HeifCodec", "gif.GifCodec", "jpeg_xl.JpegXlCodec", "sgi.SgiCodec",
    "psd.DeepPsdCodec", "psd.PsdCodec", "radiance.RadianceCodec", "pillow.PillowCodec",
    "imageio.ImageioCodec",
)  # fmt: skip
_BY_REGIONS = ("npy.codec.NpyCodec", *_WHOLE)
# Asked first, by how their files begin: the others need not be imported for them.
_FREQUENT = {
    b"\x89PNG\r\n\x1a\n": "png.PngCodec", b"\xff\xd8\xff": "jpeg.JpegCodec",
    b"BM": "bmp.BmpCodec", b"GIF8": "gif.GifCodec", b"RIFF": "pillow.PillowCodec",
}  # fmt: skip
_ZARR = "zarr.codec.ZarrCodec"
_TIFF = "tiff.codec.TiffCodec"
# What is not here is Pillow's.
_WRITERS = {
    "TIFF": _TIFF, "OME-TIFF": _TIFF, "ImageJ": _TIFF,
    "PNG": "png.PngCodec", "JPEG": "jpeg.JpegCodec",
    "JPEG2000": "jpeg2000.Jpeg2000Codec", "BMP": "bmp.BmpCodec", "AVIF": "avif.AvifCodec",
    "PPM": "netpbm.NetpbmCodec", "PAM": "netpbm.NetpbmCodec", "PFM": "netpbm.NetpbmCodec",
    "NPY": "npy.codec.NpyCodec", "Zarr": _ZARR, "OME-Zarr": _ZARR,
}  # fmt: skip

# Of files in remote storage: what is no such file is a Zarr.
_TIFF_SUFFIXES = frozenset({".tif", ".tiff", ".btf", ".tf8"})
_FILE_SUFFIXES = frozenset({".npy", ".png", ".jpg", ".jpeg", ".webp"})


@cache
def _codec(name: str) -> Codec:
    """Return the only codec of a class, named as in `_WHOLE`."""
    module, _, kind = name.rpartition(".")
    return cast(Codec, getattr(importlib.import_module(f"lerf_core.io.codecs.{module}"), kind)())


def writing_codec(name: str) -> Codec:
    """Return the codec that writes a format, by the format's name."""
    return _codec(_WRITERS.get(name, "pillow.PillowCodec"))


def codec_of_file(file: OpenFile, names: Iterable[str] = _WHOLE) -> Codec:
    """Return the codec that recognizes a file.

    Parameters
    ----------
    file : OpenFile
    names : iterable of str, optional
        Of the codecs to ask, in order; by default those that read files whole.

    Raises
    ------
    PIL.UnidentifiedImageError
        If none does.
    """
    first = [name for head, name in _FREQUENT.items() if file.head.startswith(head)]
    for codec in map(_codec, (*first, *names)):
        if codec.recognizes(file):
            return codec
    raise UnidentifiedImageError


def codec_of_path(name: str) -> Codec:
    """Return the codec of a file, a folder or an address.

    Raises
    ------
    FileError
        If nothing is there that could be read.
    """
    if "://" in name:
        suffix = PurePosixPath(name.partition("?")[0].partition("#")[0]).suffix.lower()
        if suffix in _TIFF_SUFFIXES:
            return _codec(_TIFF)
        if suffix in _FILE_SUFFIXES:
            raise FileError(f"{name}: addresses are read for TIFF and Zarr: download it first")
        return _codec(_ZARR)
    path = Path(name)
    if path.is_dir():
        if is_zarr_folder(path):
            return _codec(_ZARR)
        raise FileError(f"{name}: a folder that is no Zarr: zarr.json, .zarray and .zgroup miss")
    try:
        with opened(path) as file:
            return codec_of_file(file, _BY_REGIONS)
    except UnidentifiedImageError as error:
        raise FileError(f"{name}: no image of a known format") from error
    except FileError as error:
        raise FileError(f"{name}: {error}") from error
    except OSError as error:
        raise FileError(f"{name}: {one_line(error)}") from error
