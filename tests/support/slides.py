"""Small slides as several makers' scanners write them: two levels of (rows, cols, 3) uint8 pixels.

The pixels are 0.5 micrometres wide, by a lens of 20x.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

__all__ = ["SLIDES"]

_TILED: dict[str, Any] = {
    "photometric": "rgb", "metadata": None, "tile": (32, 32), "compression": "deflate",
}  # fmt: skip


def _hamamatsu(path: Path, pixels: np.ndarray) -> None:
    images = [(pixels, 1, 20.0, 0), (pixels[::2, ::2], 2, 10.0, 1), (pixels[:30, :40], 8, -1.0, 0)]
    with tifffile.TiffWriter(path, byteorder="<") as writer:
        for image, step, power, kind in images:
            writer.write(
                image, resolution=(20_000 / step,) * 2, resolutionunit="CENTIMETER",
                subfiletype=kind, **_TILED, extratags=[
                    (65420, 4, 1, 1, True), (65421, 11, 1, power, True),
                    (271, 2, 0, "Hamamatsu", True),
                ],
            )  # fmt: skip


def _leica(path: Path, pixels: np.ndarray) -> None:
    rows, cols = pixels.shape[:2]
    words = (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection><image name="main"><pixels sizeX="{cols}" sizeY="{rows}">'
        f'<dimension sizeX="{cols}" sizeY="{rows}" r="0" ifd="0"/>'
        f'<dimension sizeX="{cols // 2}" sizeY="{rows // 2}" r="1" ifd="1"/></pixels>'
        f'<view sizeX="{500 * cols}" sizeY="{500 * rows}" offsetX="0" offsetY="0"/>'
        "<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings>"
        '</scanSettings></image><image name="macro"><pixels sizeX="40" sizeY="30">'
        '<dimension sizeX="40" sizeY="30" r="0" ifd="2"/></pixels>'
        '<view sizeX="400000" sizeY="300000"/></image></collection></scn>'
    )
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        writer.write(pixels, description=words, **_TILED)
        writer.write(pixels[::2, ::2], **_TILED)
        writer.write(pixels[:30, :40], **_TILED)


def _ventana(path: Path, pixels: np.ndarray) -> None:
    scan = b'<iScan Magnification="20" ScanRes="0.5"><AOI0 Left="7"/></iScan>'
    tiles = b"<EncodeInfo/>"
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        writer.write(
            pixels[:30, :40], description="Label Image", software="ScanOutputManager 1.1",
            extratags=[(700, 1, len(scan), scan, True)], **_TILED,
        )  # fmt: skip
        tags = [(700, 1, len(tiles), tiles, True)]
        writer.write(pixels, description="level=0 mag=20 quality=90", extratags=tags, **_TILED)
        writer.write(pixels[::2, ::2], description="level=1 mag=10 quality=90", **_TILED)


def _philips(path: Path, pixels: np.ndarray) -> None:
    spacings = "".join(
        '<DataObject ObjectType="PixelDataRepresentation"><Attribute Name="DICOM_PIXEL_SPACING">'
        f'"{size}" "{size}"</Attribute></DataObject>'
        for size in (0.0005, 0.001)
    )
    words = (
        '<?xml version="1.0"?><DataObject ObjectType="DPUfsImport"><Attribute><Array>'
        f'<DataObject ObjectType="DPScannedImage"><Attribute><Array>{spacings}</Array></Attribute>'
        "</DataObject></Array></Attribute></DataObject>"
    )
    with tifffile.TiffWriter(path) as writer:
        writer.write(pixels, description=words, software="Philips DP v1.0", **_TILED)
        writer.write(pixels[::2, ::2], **_TILED)
        writer.write(pixels[:30, :40], description="Macro", photometric="rgb", metadata=None)


def _akoya(path: Path, pixels: np.ndarray) -> None:
    words = (
        "<PerkinElmer-QPI-ImageDescription><Name>{}</Name><Color>{}</Color>"
        "<Objective>20x</Objective></PerkinElmer-QPI-ImageDescription>"
    )
    options: dict[str, Any] = {
        "metadata": None, "resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER",
        "software": "PerkinElmer-QPI",
    }  # fmt: skip
    channels = (("DAPI", "0,0,255"), ("Opal 520", "0,255,0"), ("Sample AF", "0,0,0"))
    with tifffile.TiffWriter(path) as writer:
        for step in (1, 2):
            for at, (name, colour) in enumerate(channels):
                writer.write(
                    pixels[::step, ::step, at], photometric="minisblack", tile=(32, 32),
                    description=words.format(name, colour), **options,
                )  # fmt: skip
            writer.write(pixels[: 60 - 20 * step, :40], photometric="rgb", **options)


#: By the name of the maker: how a slide is written, and the axes that it is read with.
SLIDES: dict[str, tuple[Callable[[Path, np.ndarray], None], str]] = {
    "Hamamatsu": (_hamamatsu, "YXS"), "Leica": (_leica, "YXS"), "Ventana": (_ventana, "YXS"),
    "Philips": (_philips, "YXS"), "Akoya": (_akoya, "CYX"),
}  # fmt: skip
