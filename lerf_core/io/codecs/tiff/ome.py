"""OME-XML: what it says of an image."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import replace
from xml.etree import ElementTree as ET

from lerf_core.io.codecs.tiff.documents import local_name, named, number_of, parsed
from lerf_core.io.metadata.model import AxisScale, Channel, Metadata
from lerf_core.io.metadata.units import converted, unit_of

__all__ = [
    "AXIS_KEYS", "POSITION_KEYS", "apparent_objective", "image_of", "read_image", "strip_space",
    "year_of",
]  # fmt: skip

#: What states the distance of samples along an axis, and the unit where none is named.
AXIS_KEYS = {
    "T": ("TimeIncrement", "second"), "Z": ("PhysicalSizeZ", "micrometer"),
    "Y": ("PhysicalSizeY", "micrometer"), "X": ("PhysicalSizeX", "micrometer"),
}  # fmt: skip
#: What states where planes lie, and the unit where none is named ("": in none that is known).
POSITION_KEYS = {
    "T": ("DeltaT", "second"), "Z": ("PositionZ", ""), "Y": ("PositionY", ""),
    "X": ("PositionX", ""),
}  # fmt: skip
# What `Metadata` has fields for: elements, and attributes of some of them.
_TOLD = frozenset({
    "OME", "Image", "Description", "Pixels", "Channel", "TiffData", "UUID", "Plane",
})  # fmt: skip
_TOLD_OF = {
    "Channel": {"ID", "Name", "Color", "SamplesPerPixel"},
    "Plane": {"TheZ", "TheT", "TheC"},
}
# What describes how pixels are stored.
_STORED = frozenset({"TiffData", "BinData", "MetadataOnly"})
# Since this year channels lie where they do now.
_PIXELS_SINCE = 2010
# Frames that come this evenly, as a share of their interval, have one interval.
_EVEN = 0.01


def image_of(
    root: ET.Element, shape: tuple[int, int], number: int
) -> tuple[ET.Element, ET.Element] | None:
    """Return the Image element of a series and its Pixels: by number, or the first of its size."""
    every = [(image, pixels) for image in named(root, "Image") for pixels in named(image, "Pixels")]
    rows, cols = shape
    for image, pixels in every[number : number + 1] + every:
        if (pixels.get("SizeY"), pixels.get("SizeX")) == (str(rows), str(cols)):
            return image, pixels
    return None


def read_image(
    text: str | None, shape: tuple[int, int], number: int
) -> tuple[Metadata, str | None, tuple[str, ...]]:
    """Return what OME-XML says of a series, its description in words, and notes.

    Parameters
    ----------
    text : str or None
        The document.
    shape : (rows, columns)
        Of the series at its full size.
    number : int
        Of the series in the file.
    """
    root = parsed(text)
    found = None if root is None else image_of(root, shape, number)
    if root is None or found is None:
        return Metadata(), None, ()
    image, pixels = found
    planes = list(named(pixels, "Plane"))
    axes = [axis for letter in "TZYX" if (axis := _axis(letter, pixels, planes)) is not None]
    objective = apparent_objective(root, image)
    power = None if objective is None else number_of(objective.get("NominalMagnification"))
    metadata = Metadata(
        axes=tuple(axes),
        channels=tuple(_channel(element) for element in named(pixels, "Channel")),
        magnification=power,
        name=image.get("Name", ""),
    )
    words = next((element.text for element in named(image, "Description")), None)
    notes: tuple[str, ...] = ()
    if _says_more(root, image, axes, has_power=power is not None):
        if year_of(root.tag.partition("}")[0]) < _PIXELS_SINCE:
            notes = ("what else its old OME-XML says dropped",)
        else:
            document, notes = _pruned(root, image, pixels)
            metadata = replace(metadata, ome=document)
    return metadata, words, notes


def _pruned(root: ET.Element, image: ET.Element, pixels: ET.Element) -> tuple[str, tuple[str, ...]]:
    """Return a document of one of its images alone, without what describes its storage; and notes.

    Parameters
    ----------
    root, image, pixels : Element
        Changed.
    """
    notes: tuple[str, ...] = ()
    for other in [child for child in root if local_name(child) == "Image" and child is not image]:
        root.remove(other)
    wanted = image.get("ID")
    for parent in list(root.iter()):
        for child in list(parent):
            name = local_name(child)
            if name in {"ROI", "ROIRef"}:
                notes = ("OME-XML's regions of interest dropped: drawn on the image as it was",)
                parent.remove(child)
            elif name == "ImageRef" and child.get("ID") != wanted:
                parent.remove(child)
    for child in [child for child in pixels if local_name(child) in _STORED]:
        pixels.remove(child)
    root.attrib.pop("UUID", None)
    strip_space(root)
    return ET.tostring(root, "unicode"), notes


def strip_space(root: ET.Element) -> str:
    """Take the root's namespace from all names that are in it; it becomes an attribute."""
    space = root.tag.partition("}")[0].lstrip("{")
    for element in root.iter():
        if element.tag.startswith("{" + space + "}"):
            element.tag = local_name(element)
    root.set("xmlns", space)
    return space


def year_of(space: str) -> int:
    """Return the year of the schema that a namespace names."""
    match = re.search(r"/(\d{4})-\d\d$", space)
    return int(match[1]) if match else 2016


def _channel(element: ET.Element) -> Channel:
    colour = element.get("Color", "")
    # A signed integer of red, green, blue, alpha.
    digits = f"{int(colour) & 0xFFFFFFFF:08X}"[:6] if colour.lstrip("-").isdigit() else ""
    return Channel(element.get("Name", ""), digits)


def _axis(letter: str, pixels: ET.Element, planes: list[ET.Element]) -> AxisScale | None:
    """Return step and origin along an axis; None where no step is stated, or known otherwise."""
    key, usual = AXIS_KEYS[letter]
    step = number_of(pixels.get(key))
    unit = pixels.get(f"{key}Unit")
    name = usual if unit is None else unit_of(unit)
    values, unit_of_values = _positions(letter, planes)
    if step is None or step <= 0:
        step = _even_step(values)
        if letter not in "TZ" or step is None or not unit_of_values:
            return None
        name = unit_of_values
    origin = None
    if values and unit_of_values and (len(values) == 1 or _even_step(values) is not None):
        origin = converted(values[0], unit_of_values, name)
    return AxisScale(letter, step, name, origin or 0.0, is_placed=origin is not None)


def _positions(letter: str, planes: list[ET.Element]) -> tuple[list[float], str]:
    """Return the position at each index along an axis, and their unit; none where they differ.

    Along rows and columns there is one for all planes. Of frames it is that of their first plane.
    """
    key, usual = POSITION_KEYS[letter]
    index = f"The{letter}" if letter in "TZ" else None
    found: dict[int, float] = {}
    units = set()
    for plane in planes:
        value = number_of(plane.get(key))
        if value is None:
            return [], ""
        place = int(number_of(plane.get(index)) or 0) if index else 0
        unit = plane.get(f"{key}Unit")
        units.add(usual if unit is None else unit_of(unit))
        if letter == "T":
            found[place] = min(value, found.get(place, value))
        elif found.setdefault(place, value) != value:
            return [], ""
    if len(units) != 1 or sorted(found) != list(range(len(found))):
        return [], ""
    return [found[place] for place in sorted(found)], units.pop()


def _even_step(values: list[float]) -> float | None:
    """Return the distance of values that increase evenly, or None."""
    if len(values) < 2:
        return None
    steps = [after - before for before, after in itertools.pairwise(values)]
    mean = (values[-1] - values[0]) / len(steps)
    if mean <= 0 or max(abs(step - mean) for step in steps) > _EVEN * mean:
        return None
    return mean


def apparent_objective(root: ET.Element, image: ET.Element) -> ET.Element | None:
    """Return the objective of an image of which nothing but a power is said, as slides have it.

    What describes an instrument stays true of a resized image; the power of a slide is that of
    its pixels.
    """
    wanted = next((element.get("ID") for element in named(image, "ObjectiveSettings")), None)
    for instrument in named(root, "Instrument"):
        for objective in named(instrument, "Objective"):
            power = number_of(objective.get("NominalMagnification"))
            is_bare = set(objective.attrib) == {"ID", "NominalMagnification"} and not len(objective)
            if objective.get("ID") == wanted and is_bare and power and power > 0:
                return objective
    return None


def _is_empty(element: ET.Element) -> bool:
    """Whether an element says nothing."""
    return not (element.attrib or len(element) or (element.text or "").strip())


def _says_more(
    root: ET.Element,
    image: ET.Element,
    axes: Iterable[AxisScale],
    *,
    has_power: bool,
) -> bool:
    """Whether a document says more of an image than `Metadata` has fields for."""
    told = set(_TOLD)
    if has_power:
        told |= {"Instrument", "InstrumentRef", "Objective", "ObjectiveSettings"}
    elements = [root, *(child for child in root if local_name(child) != "Image")]
    inner = [*image.iter(), *itertools.chain(*(child.iter() for child in elements[1:]))]
    if any(local_name(element) not in told and not _is_empty(element) for element in inner):
        return True
    known = dict(_TOLD_OF)
    for axis in axes:
        key = POSITION_KEYS[axis.letter][0]
        if axis.is_placed:
            known["Plane"] = known["Plane"] | {key, f"{key}Unit"}
    return any(
        set(element.attrib) - known[name]
        for element in image.iter()
        if (name := local_name(element)) in known
    )
