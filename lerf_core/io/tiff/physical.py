"""Physical sizes and channels that TIFF files state: OME-XML, ImageJ's unit, a slide's MPP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from lerf_core.io.metadata import AxisScale, Channel
from lerf_core.io.tiff.tags import resolution_ratios

if TYPE_CHECKING:
    import tifffile

__all__ = ["channels_of", "ome_unit", "plane_axes_of"]

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
_OME_UNITS = {
    "micrometer": "µm", "nanometer": "nm", "picometer": "pm", "millimeter": "mm",
    "centimeter": "cm", "meter": "m", "kilometer": "km", "angstrom": "Å", "inch": "in",
    "foot": "ft",
}  # fmt: skip


def ome_unit(unit: str) -> str:
    """Return OME-XML's name of a unit; one that says that there is none, for a unit it lacks."""
    # Without a unit OME-XML would mean micrometres.
    return _OME_UNITS.get(unit, "reference frame")


def plane_axes_of(
    handle: tifffile.TiffFile, base: tifffile.TiffPageSeries, number: int
) -> tuple[AxisScale, ...]:
    """Return the sizes along rows and columns of a series' full image, as the pixels are stored.

    Parameters
    ----------
    handle : tifffile.TiffFile
    base : tifffile.TiffPageSeries
        At its full size.
    number : int
        Of the series in the file.
    """
    if base.kind == "ome":
        return _ome_size(_ome_pixels(handle.ome_metadata, base, number))
    if base.kind == "imagej":
        ratios = resolution_ratios(base.keyframe)
        unit = _UNITS.get(str((handle.imagej_metadata or {}).get("unit", "")))
        return _plane(1 / ratios[1], 1 / ratios[0], unit) if ratios and unit else ()
    if base.kind == "svs":
        match = re.search(r"\bMPP\s*=\s*(\d*\.?\d+)", base.keyframe.description)
        if match and float(match[1]) > 0:
            return _plane(float(match[1]), float(match[1]), "micrometer")
    return ()


def _plane(row: float, col: float, unit: str) -> tuple[AxisScale, ...]:
    return AxisScale("Y", row, unit), AxisScale("X", col, unit)


def channels_of(
    handle: tifffile.TiffFile, base: tifffile.TiffPageSeries, number: int
) -> tuple[Channel, ...]:
    """Return names and colours of the channels that OME-XML describes."""
    pixels = _ome_pixels(handle.ome_metadata, base, number) if base.kind == "ome" else None
    channels = []
    for element in pixels if pixels is not None else ():
        if _name(element) != "Channel":
            continue
        colour = element.get("Color", "")
        if colour.lstrip("-").isdigit():
            # A signed integer of red, green, blue, alpha.
            colour = f"{int(colour) & 0xFFFFFFFF:08X}"[:6]
        channels.append(Channel(element.get("Name", ""), colour))
    return tuple(channels)


def _ome_pixels(text: str | None, base: tifffile.TiffPageSeries, number: int) -> ET.Element | None:
    """Return the Pixels element of a series: by its number, or the first of its size."""
    if not text:
        return None
    try:
        root = ET.fromstring(text)
    except ET.ParseError:
        return None
    every = [element for element in root.iter() if _name(element) == "Pixels"]
    rows, cols = (base.shape[base.axes.index(letter)] for letter in "YX")
    for pixels in every[number : number + 1] + every:
        if (pixels.get("SizeY"), pixels.get("SizeX")) == (str(rows), str(cols)):
            return pixels
    return None


def _ome_size(pixels: ET.Element | None) -> tuple[AxisScale, ...]:
    if pixels is None:
        return ()
    sizes, units = [], []
    for letter in "YX":
        try:
            size = float(pixels.get(f"PhysicalSize{letter}", "0"))
        except ValueError:
            return ()
        unit = pixels.get(f"PhysicalSize{letter}Unit", "µm")
        if not 0 < size < float("inf") or unit in _NO_UNITS:
            return ()
        sizes.append(size)
        units.append(_UNITS.get(unit, unit))
    return _plane(sizes[0], sizes[1], units[0]) if units[0] == units[1] else ()


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
