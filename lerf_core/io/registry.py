"""Which codec reads a file, and which one writes a format."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from PIL import UnidentifiedImageError

from lerf_core.errors import FileError, one_line
from lerf_core.io.codec import Codec, OpenFile, opened
from lerf_core.io.codecs.avif import AvifCodec
from lerf_core.io.codecs.bmp import BmpCodec
from lerf_core.io.codecs.camera_raw import CameraRawCodec
from lerf_core.io.codecs.dicom import DicomCodec
from lerf_core.io.codecs.gif import GifCodec
from lerf_core.io.codecs.heif import HeifCodec
from lerf_core.io.codecs.imageio import ImageioCodec
from lerf_core.io.codecs.jpeg import JpegCodec
from lerf_core.io.codecs.jpeg2000 import Jpeg2000Codec
from lerf_core.io.codecs.jpeg_xl import JpegXlCodec
from lerf_core.io.codecs.netpbm import NetpbmCodec
from lerf_core.io.codecs.npy.codec import NpyCodec
from lerf_core.io.codecs.pillow import PillowCodec
from lerf_core.io.codecs.png import PngCodec
from lerf_core.io.codecs.psd import DeepPsdCodec, PsdCodec
from lerf_core.io.codecs.radiance import RadianceCodec
from lerf_core.io.codecs.sgi import SgiCodec
from lerf_core.io.codecs.tiff.codec import TiffCodec
from lerf_core.io.codecs.zarr.codec import ZarrCodec
from lerf_core.io.locations import is_zarr_folder

__all__ = ["codec_of_file", "codec_of_path", "writing_codec"]

_TIFF, _NPY, _ZARR, _PNG, _PILLOW = TiffCodec(), NpyCodec(), ZarrCodec(), PngCodec(), PillowCodec()
_NETPBM, _JPEG, _JPEG2000, _BMP = NetpbmCodec(), JpegCodec(), Jpeg2000Codec(), BmpCodec()
_AVIF = AvifCodec()
# In the order in which they are asked; whole, and by regions.
_WHOLE: tuple[Codec, ...] = (
    # Those of which files begin like others' come first, and Pillow, who knows many, behind.
    DicomCodec(), CameraRawCodec(),
    _TIFF, _PNG, _JPEG, _BMP, _NETPBM, _JPEG2000, _AVIF, HeifCodec(), GifCodec(),
    JpegXlCodec(), SgiCodec(), DeepPsdCodec(), PsdCodec(), RadianceCodec(), _PILLOW,
    ImageioCodec(),
)  # fmt: skip
_BY_REGIONS: tuple[Codec, ...] = (_NPY, *_WHOLE)
# What is not here is Pillow's.
_WRITERS: dict[str, Codec] = {
    "TIFF": _TIFF, "OME-TIFF": _TIFF, "ImageJ": _TIFF,
    "PNG": _PNG, "JPEG": _JPEG, "JPEG2000": _JPEG2000, "BMP": _BMP, "AVIF": _AVIF,
    "PPM": _NETPBM, "PAM": _NETPBM, "PFM": _NETPBM,
    "NPY": _NPY, "Zarr": _ZARR, "OME-Zarr": _ZARR,
}  # fmt: skip

_FILE_SUFFIXES = frozenset({".tif", ".tiff", ".npy", ".png", ".jpg", ".jpeg", ".webp"})


def writing_codec(name: str) -> Codec:
    """Return the codec that writes a format, by the format's name."""
    return _WRITERS.get(name, _PILLOW)


def codec_of_file(file: OpenFile, codecs: Iterable[Codec] = _WHOLE) -> Codec:
    """Return the codec that recognizes a file; by default one that reads it whole.

    Raises
    ------
    PIL.UnidentifiedImageError
        If none does.
    """
    for codec in codecs:
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
        if PurePosixPath(name.partition("?")[0]).suffix.lower() in _FILE_SUFFIXES:
            raise FileError(f"{name}: addresses are read for Zarr alone: download it first")
        return _ZARR
    path = Path(name)
    if path.is_dir():
        if is_zarr_folder(path):
            return _ZARR
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
