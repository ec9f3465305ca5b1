"""What a TIFF says of its pixels: alpha, resolution, physical size and the words around them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from lerf_core.io.locations import PixelSize

if TYPE_CHECKING:
    import tifffile

__all__ = ["JPEG", "PALETTE", "alpha", "describe", "physical_size", "resolution"]

# Codes of compressions that yield RGB from YCbCr, and of palettes among photometric kinds.
JPEG = frozenset({6, 7, 34892, 33007})
PALETTE = 3
_ASSOCIATED, _UNASSOCIATED = 1, 2
_WORDS = {
    269: "document_name",
    271: "make",
    272: "model",
    285: "page_name",
    305: "software",
    306: "datetime",
    315: "artist",
    316: "host_computer",
    33432: "copyright",
}
_UNITS = {
    "µm": "micrometer", "μm": "micrometer", "um": "micrometer", "micron": "micrometer",
    "microns": "micrometer", "micrometer": "micrometer", "\\u00B5m": "micrometer",
    "nm": "nanometer", "nanometer": "nanometer", "pm": "picometer", "mm": "millimeter",
    "millimeter": "millimeter", "cm": "centimeter", "centimeter": "centimeter", "m": "meter",
    "meter": "meter", "km": "kilometer", "Å": "angstrom", "in": "inch", "inch": "inch",
    "inches": "inch", "ft": "foot",
}  # fmt: skip
# Lengths of no known size.
_NO_UNITS = frozenset({"", "pixel", "pixels", "reference frame"})


def alpha(page: tifffile.TiffPage) -> tuple[bool, bool]:
    """Tell whether a page's last sample is an opacity, and whether colours are multiplied by it."""
    extras = [int(value) for value in page.extrasamples]
    colours = {0: 1, 1: 1, 2: 3, 6: 3}.get(int(page.photometric))
    if colours is None or page.samplesperpixel != colours + 1:
        return extras in ([_ASSOCIATED], [_UNASSOCIATED]), extras == [_ASSOCIATED]
    # Some writers add a sample and say nothing of it: that is alpha in practice.
    return extras in ([], [_ASSOCIATED], [_UNASSOCIATED]), extras == [_ASSOCIATED]


def resolution(
    page: tifffile.TiffPage, steps: tuple[float, float] = (1.0, 1.0)
) -> tuple[float, float] | None:
    """Return pixels an inch as (x, y) of a level whose pixels are `steps` (row, col) apart."""
    found = _resolution_tags(page)
    # Unit 1 means an aspect ratio, not a resolution.
    unit = page.tags.get(296)
    per_inch = {2: 1.0, 3: 2.54}.get(int(unit.value) if unit is not None else 2)
    if found is None or per_inch is None:
        return None
    return found[0] * per_inch / steps[1], found[1] * per_inch / steps[0]


def _resolution_tags(page: tifffile.TiffPage) -> tuple[float, float] | None:
    found = []
    for code in (282, 283):
        tag = page.tags.get(code)
        if tag is None or not isinstance(tag.value, tuple) or len(tag.value) != 2:
            return None
        above, below = tag.value
        if not above or not below:
            return None
        found.append(above / below)
    return found[0], found[1]


def physical_size(
    handle: tifffile.TiffFile,
    base: tifffile.TiffPageSeries,
    number: int,
    steps: tuple[float, float],
) -> PixelSize | None:
    """Return the size of a pixel of a level, from OME-XML, ImageJ's unit or a slide's MPP."""
    found = None
    if base.kind == "ome":
        found = _ome_size(_ome_pixels(handle.ome_metadata, base, number))
    elif base.kind == "imagej":
        tags = _resolution_tags(base.keyframe)
        unit = _UNITS.get(str((handle.imagej_metadata or {}).get("unit", "")))
        if tags is not None and unit is not None:
            found = PixelSize(1 / tags[1], 1 / tags[0], unit)
    elif base.kind == "svs":
        match = re.search(r"\bMPP\s*=\s*(\d*\.?\d+)", base.keyframe.description)
        if match and float(match[1]) > 0:
            found = PixelSize(float(match[1]), float(match[1]), "micrometer")
    if found is None:
        return None
    return PixelSize(found.row * steps[0], found.col * steps[1], found.unit)


def _ome_pixels(text: str | None, base: tifffile.TiffPageSeries, number: int) -> ET.Element | None:
    """Return the Pixels element of a series: by its number, or the first of its size."""
    if not text:
        return None
    try:
        root = ET.fromstring(text)
    except ET.ParseError:
        return None
    every = [element for element in root.iter() if _name(element) == "Pixels"]
    ordered = every[number : number + 1] + every
    rows, cols = (base.shape[base.axes.index(letter)] for letter in "YX")
    for pixels in ordered:
        if (pixels.get("SizeY"), pixels.get("SizeX")) == (str(rows), str(cols)):
            return pixels
    return None


def _ome_size(pixels: ET.Element | None) -> PixelSize | None:
    if pixels is None:
        return None
    sizes, units = [], []
    for letter in "YX":
        try:
            size = float(pixels.get(f"PhysicalSize{letter}", "0"))
        except ValueError:
            return None
        unit = pixels.get(f"PhysicalSize{letter}Unit", "µm")
        if not 0 < size < float("inf") or unit in _NO_UNITS:
            return None
        sizes.append(size)
        units.append(_UNITS.get(unit, unit))
    if units[0] != units[1]:
        return None
    return PixelSize(sizes[0], sizes[1], units[0])


def _ome_channels(pixels: ET.Element | None) -> list[dict[str, Any]]:
    channels = []
    for element in pixels if pixels is not None else ():
        if _name(element) != "Channel":
            continue
        channel: dict[str, Any] = {"label": element.get("Name", "")}
        colour = element.get("Color")
        if colour is not None and colour.lstrip("-").isdigit():
            # A signed integer of red, green, blue, alpha.
            channel["color"] = f"{int(colour) & 0xFFFFFFFF:08X}"[:6]
        channels.append(channel)
    return channels


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def describe(
    handle: tifffile.TiffFile,
    base: tifffile.TiffPageSeries,
    chosen: tifffile.TiffPageSeries,
    number: int,
) -> dict[str, Any]:
    """Return what a writer of TIFF may want to keep: layout of the level, words of the image."""
    page, first = chosen.keyframe, base.keyframe
    jpeg = int(page.compression) in JPEG
    info: dict[str, Any] = {
        "kind": base.kind,
        "name": base.name,
        "bigtiff": bool(handle.is_bigtiff),
        "byteorder": handle.byteorder,
        # Decoded JPEG is RGB already.
        "photometric": "RGB" if jpeg and int(page.photometric) == 6 else _enum(page.photometric),
        "compression": _enum(page.compression),
        "predictor": _enum(page.predictor),
        "planarconfig": _enum(page.planarconfig) if page.samplesperpixel > 1 else None,
        "bits_per_sample": page.bitspersample,
        "extrasamples": tuple(int(value) for value in page.extrasamples),
        "tile": (page.tilelength, page.tilewidth) if page.is_tiled else None,
        "rows_per_strip": None if page.is_tiled else page.rowsperstrip,
        "nodata": page.nodata if 42113 in page.tags else None,
    }
    for code, name in _WORDS.items():
        tag = first.tags.get(code)
        if tag is not None and isinstance(tag.value, str) and tag.value:
            info[name] = tag.value
    packet = first.tags.get(700)
    if packet is not None and isinstance(packet.value, bytes):
        info["xmp"] = packet.value
    if base.kind == "ome":
        info["ome_xml"] = handle.ome_metadata
        channels = _ome_channels(_ome_pixels(handle.ome_metadata, base, number))
        if channels:
            info["omero"] = {"channels": channels}
    elif base.kind == "imagej":
        info["imagej"] = dict(handle.imagej_metadata or {})
    elif first.description and not first.description.startswith('{"shape"'):
        info["description"] = first.description
    return info


def _enum(value: Any) -> str:
    return str(getattr(value, "name", value))
