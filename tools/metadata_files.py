"""Files that state what their formats can hold, made without lerf: for metadata_table.py."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

__all__ = ["SOURCES", "Source"]

Pixels = np.ndarray[Any, np.dtype[Any]]

_MAKER = "Maker of cameras"
_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="a lens"/></rdf:RDF></x:xmpmeta>'
)
_CAPTION = "Grüße".encode()
_IPTC = b"\x1c\x01\x5a\x00\x03\x1b%G\x1c\x02\x78" + struct.pack(">H", len(_CAPTION)) + _CAPTION
_ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
_DPI = (300, 150)
_PNG_HEADER = 33
_GDAL = '<GDALMetadata><Item name="SENSOR">a sensor</Item></GDALMetadata>'


@dataclass(frozen=True)
class Source:
    """A file of a format that states all it can.

    Attributes
    ----------
    suffix : str
        Of its name.
    states : frozenset of str
        Fields of `lerf_core.io.metadata.model.Metadata` that the file states.
    write : callable
        Writes it to a path.
    """

    suffix: str
    states: frozenset[str]
    write: Callable[[Path], Any]


def _source(suffix: str, states: str, write: Callable[[Path], Any]) -> Source:
    return Source(suffix, frozenset(states.split()), write)


def _rgb() -> Pixels:
    down, across = np.mgrid[:40, :56]
    return np.stack([down * 5, across * 4, (down + across) * 2], axis=2).astype(np.uint8)


def _grey() -> Pixels:
    return _rgb()[..., 0]


def _exif() -> Image.Exif:
    block = Image.Exif()
    block[0x010F] = _MAKER
    block.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    block.get_ifd(0x8825)[1] = "N"
    return block


def _frames() -> list[Image.Image]:
    return [Image.fromarray(np.roll(_rgb(), 7 * number, axis=1)) for number in range(3)]


# -- photographs ----------------------------------------------------------------------------


def _jpeg(path: Path) -> None:
    Image.fromarray(_rgb()).save(
        path, icc_profile=_ICC, exif=_exif(), dpi=_DPI, xmp=_XMP, comment=b"a comment"
    )
    record = (
        b"8BIM" + struct.pack(">HBxI", 0x0404, 0, len(_IPTC)) + _IPTC + b"\0" * (len(_IPTC) % 2)
    )
    block = b"Photoshop 3.0\0" + record
    data = path.read_bytes()
    marker = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
    path.write_bytes(data[:2] + marker + data[2:])


def _png(path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", 45455))
    info.add(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
    info.add_itxt("XML:com.adobe.xmp", _XMP.decode())
    info.add_text("Title", "Grüße")
    info.add_text("Comment", "a comment")
    Image.fromarray(_rgb()).save(path, icc_profile=_ICC, exif=_exif(), dpi=_DPI, pnginfo=info)


def _coloured_png(path: Path, *chunks: tuple[bytes, bytes]) -> None:
    """Write a PNG with chunks right behind its header, some of which Pillow does not write."""
    Image.fromarray(_rgb()).save(path)
    data = path.read_bytes()
    added = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    path.write_bytes(data[:_PNG_HEADER] + added + data[_PNG_HEADER:])


def _gamma_png(path: Path) -> None:
    corners = (31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600)
    _coloured_png(
        path, (b"gAMA", struct.pack(">I", 100_000)), (b"cHRM", struct.pack(">8I", *corners)),
        (b"pHYs", struct.pack(">IIB", 2, 1, 0)),
    )  # fmt: skip


def _hdr_png(path: Path) -> None:
    corners = (35400, 14600, 8500, 39850, 6550, 2300, 15635, 16450)
    _coloured_png(
        path, (b"cICP", bytes([9, 16, 0, 1])),
        (b"mDCV", struct.pack(">8H2I", *corners, 10_000_000, 1)),
        (b"cLLI", struct.pack(">2I", 10_000_000, 4_000_000)),
    )  # fmt: skip


def _tiff(path: Path) -> None:
    tags = [
        (271, 2, 0, _MAKER.encode() + b"\0", True),
        (33723, 7, len(_IPTC), _IPTC, True),
        (700, 1, len(_XMP), _XMP, True),
    ]
    tifffile.imwrite(
        path, _rgb(), photometric="rgb", resolution=_DPI, iccprofile=_ICC, metadata=None,
        software="a scanner", extratags=tags,
    )  # fmt: skip


def _document(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for number in range(2):
            file.write(
                _grey(), photometric="minisblack", resolution=(100 * (number + 1), 100),
                metadata=None, extratags=[(285, 2, 0, f"page {number}", True)],
            )  # fmt: skip


def _twelve_bits(path: Path) -> None:
    deep = _grey().astype(np.uint16) * 16
    tifffile.imwrite(path, deep, photometric="minisblack", bitspersample=12,
                     metadata=None)  # fmt: skip


# -- places, slides, microscopes --------------------------------------------------------------


def _geotiff(path: Path) -> None:
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)
    tags = [
        (33550, 12, 3, (10.0, 10.0, 0.0), True),
        (33922, 12, 6, (0.0, 0.0, 0.0, 500_000.0, 5_000_000.0, 0.0), True),
        (34735, 3, len(keys), keys, True),
        (42112, 2, 0, _GDAL, True),
        (42113, 2, 0, "0", True),
    ]
    tifffile.imwrite(path, _grey().astype(np.int16) + 1, photometric="minisblack", metadata=None,
                     extratags=tags)  # fmt: skip


def _slide(path: Path) -> None:
    words = "Aperio Image Library v12\n56x40 [0,0 56x40] (16x16) |AppMag = 20|MPP = 0.5"
    tifffile.imwrite(path, _rgb(), photometric="rgb", tile=(16, 16), description=words,
                     metadata=None, compression="zlib")  # fmt: skip


def _stack() -> Pixels:
    planes = [np.roll(_grey(), 5 * number, axis=1) for number in range(12)]
    return np.stack(planes).reshape(2, 3, 2, 40, 56).astype(np.uint16) * 200


def _ome_tiff(path: Path) -> None:
    metadata = {
        "axes": "TZCYX", "Name": "cells", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm", "PhysicalSizeZ": 2.0,
        "PhysicalSizeZUnit": "µm", "TimeIncrement": 5.0, "TimeIncrementUnit": "s",
        "AcquisitionDate": "2020-05-04T03:02:01",
        "Channel": {"Name": ["DAPI", "GFP"], "Color": [65535, 16711935]},
    }  # fmt: skip
    tifffile.imwrite(path, _stack(), ome=True, photometric="minisblack", metadata=metadata)


def _imagej(path: Path) -> None:
    tifffile.imwrite(
        path, _stack(), imagej=True, resolution=(4.0, 2.0),
        metadata={"axes": "TZCYX", "unit": "um", "spacing": 2.0, "finterval": 5.0, "Info": "dish 7",
                  "Labels": [f"{name} {number}" for number in range(6)
                             for name in ("DAPI", "GFP")]},
    )  # fmt: skip


def _ome_zarr(path: Path) -> None:
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=3)
    pixels = _stack().swapaxes(1, 2)
    array = group.create_array("0", shape=pixels.shape, chunks=(1, 1, 1, 32, 32), dtype="u2")
    array[...] = pixels
    names = [("t", "time", "second"), ("c", "channel", None)]
    names += [(name, "space", "micrometer") for name in ("z", "row", "col")]
    axes = [
        {"name": name, "type": kind} | ({"unit": unit} if unit else {})
        for name, kind, unit in names
    ]
    placed = [
        {"type": "scale", "scale": [5, 1, 2, 0.5, 0.25]},
        {"type": "translation", "translation": [0, 0, 10, 20, 30]},
    ]
    datasets = [{"path": "0", "coordinateTransformations": placed}]
    window = {"min": 0, "max": 65535, "start": 100, "end": 40000}
    channels = [
        {"label": name, "color": colour, "window": window, "active": True}
        for name, colour in (("DAPI", "0000FF"), ("GFP", "00FF00"))
    ]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"name": "cells", "axes": axes, "datasets": datasets}],
        "omero": {"channels": channels, "rdefs": {"model": "color"}},
        "image-label": {"colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}]},
    }
    group.attrs["project"] = "mitosis"


def _zarr(path: Path) -> None:
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=3)
    array = group.create_array("field", shape=(40, 56), chunks=(32, 32), dtype="f4",
                               dimension_names=("lat", "lon"), fill_value=0)  # fmt: skip
    array[...] = _grey() / np.float32(255)
    array.attrs.update({"long_name": "a field", "_FillValue": "AAAAAAA4j8A="})
    for name, start, step, count in (("lat", 50.0, -0.25, 40), ("lon", 7.0, 0.5, 56)):
        values = group.create_array(name, shape=count, dtype="f8", dimension_names=(name,))
        values[...] = start + step * np.arange(count)
        values.attrs["units"] = "degree"


#: From a name to a file that states what it can.
SOURCES: dict[str, Source] = {
    "JPEG": _source(".jpg", "icc exif xmp iptc dpi comments", _jpeg),
    "PNG": _source(
        ".png", "icc exif xmp gamma chromaticities dpi text comments", _png,
    ),
    "PNG, sRGB": _source(".png", "rendering_intent", lambda path: _coloured_png(
        path, (b"sRGB", b"\1"))),
    "PNG, gamma": _source(".png", "gamma chromaticities aspect", _gamma_png),
    "PNG, HDR": _source(".png", "cicp mastering content_light", _hdr_png),
    "WebP": _source(".webp", "icc exif xmp durations loop", lambda path: _frames()[0].save(
        path, icc_profile=_ICC, exif=_exif(), xmp=_XMP, lossless=True, save_all=True,
        append_images=_frames()[1:], duration=[40, 60, 80], loop=0)),
    "AVIF": _source(".avif", "icc exif xmp", lambda path: _frames()[0].save(
        path, icc_profile=_ICC, exif=_exif(), xmp=_XMP)),
    "GIF": _source(".gif", "durations loop comments", lambda path: _frames()[0].save(
        path, save_all=True, append_images=_frames()[1:], duration=[40, 60, 80], loop=0,
        comment=b"a comment")),
    "BMP": _source(".bmp", "dpi", lambda path: _frames()[0].save(path, dpi=_DPI)),
    "TIFF": _source(".tif", "icc exif xmp iptc dpi", _tiff),
    "TIFF, pages": _source(".tif", "pages", _document),
    "TIFF, 12 bits": _source(".tif", "bits", _twelve_bits),
    "GeoTIFF": _source(".tif", "georeference nodata gdal", _geotiff),
    "slide": _source(".svs", "axes magnification", _slide),
    "OME-TIFF": _source(".ome.tif", "axes channels name ome", _ome_tiff),
    "ImageJ": _source(".tif", "axes pages imagej", _imagej),
    "OME-Zarr": _source(
        ".zarr", "axes axis_names channels display name attributes label_facts", _ome_zarr,
    ),
    "Zarr": _source(".zarr", "axes axis_names nodata attributes", _zarr),
}  # fmt: skip
