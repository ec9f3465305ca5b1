"""OME-XML of a result: made anew, around whatever else the source's own says."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from lerf_core.io.codecs.tiff.documents import local_name, named, number_of, parsed
from lerf_core.io.codecs.tiff.ome import (
    AXIS_KEYS,
    POSITION_KEYS,
    apparent_objective,
    strip_space,
    year_of,
)
from lerf_core.io.metadata.axes import OME_UNITS
from lerf_core.io.metadata.model import AxisScale, Channel
from lerf_core.io.metadata.units import converted

if TYPE_CHECKING:
    from lerf_core.io.tiles.tiled_writer import WriterSpec

__all__ = ["OME_TYPES", "ome_document"]

#: Types of pixels that OME-TIFF has.
OME_TYPES = frozenset({
    "bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64",
})  # fmt: skip
# Attributes of Pixels that say how they are stored.
_STORED_KEYS = (
    "BigEndian", "Interleaved", "DimensionOrder", "Type",
    *(f"Size{letter}" for letter in "XYZCT"),
    *(key + end for key, _ in AXIS_KEYS.values() for end in ("", "Unit")),
)  # fmt: skip
# Elements that lie in an Image before its objective.
_BEFORE_OBJECTIVE = frozenset({
    "AcquisitionDate", "AcquiredDate", "ExperimenterRef", "Description", "ExperimentRef",
    "ExperimenterGroupRef",
})  # fmt: skip
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OBJECTIVE = "Objective:apparent"
# Units came into OME-XML with the schema of this year.
_UNITS_SINCE = 2015


def ome_document(spec: WriterSpec, words: str | None) -> bytes:
    """Return the OME-XML of what is written, as it stands in a file.

    Parameters
    ----------
    spec : WriterSpec
    words : str or None
        Description of the image.
    """
    fresh, root = parsed(_fresh(spec, words)), parsed(spec.metadata.ome)
    if fresh is None:
        raise ValueError("OME-XML that cannot be read")
    strip_space(fresh)
    fresh.attrib.pop("UUID", None)  # by the clock: the same work is to make the same file
    if root is None:
        root = fresh
    else:
        _graft(root, fresh, spec, strip_space(root))
    _set_power(root, spec.metadata.magnification)
    text = '<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(root, "unicode")
    return text.encode()


def _fresh(spec: WriterSpec, words: str | None) -> str:
    """Return a document with all that `Metadata` has fields for."""
    import tifffile

    metadata, axes = spec.metadata, spec.axes
    facts: dict[str, Any] = {}
    if metadata.name:
        facts["Name"] = _printable(metadata.name)
    if words:
        facts["Description"] = _printable(words)
    for axis in metadata.axes:
        key, _ = AXIS_KEYS[axis.letter]
        facts |= {key: axis.step, f"{key}Unit": _symbol(axis)}
    count = spec.shape[axes.index("C")] if "C" in axes else 1
    if len(metadata.channels) == count:
        facts |= _channels(metadata.channels)
    if positions := _positions(spec):
        facts["Plane"] = positions
    rows, cols = spec.plane_axes
    sample = spec.channel_axis
    separate = spec.samples if sample is not None and sample < rows else 1
    contig = spec.samples if sample is not None and sample > cols else 1
    planes = math.prod(spec.shape) // (spec.shape[rows] * spec.shape[cols] * spec.samples)
    document = tifffile.OmeXml(Creator="lerf")
    document.addimage(
        spec.dtype, spec.shape, (planes, separate, 1, spec.shape[rows], spec.shape[cols], contig),
        axes=axes, **facts,
    )  # fmt: skip
    text: str = document.tostring()
    return text


def _printable(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return _UNPRINTABLE.sub("", text)


def _symbol(axis: AxisScale) -> str:
    """Return OME-XML's name of an axis' unit: without one it would mean its usual unit."""
    if axis.letter == "T":
        return OME_UNITS.get(axis.unit, "s")
    return OME_UNITS.get(axis.unit, "reference frame")


def _channels(channels: tuple[Channel, ...]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    if any(channel.name for channel in channels):
        entries["Name"] = [_printable(channel.name) for channel in channels]
    if all(len(channel.colour) == 6 for channel in channels) and channels:
        entries["Color"] = [_signed(channel.colour) for channel in channels]
    return {"Channel": entries} if entries else {}


def _signed(colour: str) -> int:
    """Return six digits and full opacity as the signed integer that OME-XML has."""
    value = int(colour + "FF", 16)
    return value - (1 << 32) if value >= 1 << 31 else value


def _positions(spec: WriterSpec) -> dict[str, list[Any]]:
    """Return the position of each plane along the axes that are placed."""
    leading = [
        at for at in range(len(spec.shape)) if at not in (*spec.plane_axes, spec.channel_axis)
    ]
    counts = [spec.shape[at] for at in leading]
    total = math.prod(counts)
    positions: dict[str, list[Any]] = {}
    for axis in spec.metadata.axes:
        if not axis.is_placed:
            continue
        key, _ = POSITION_KEYS[axis.letter]
        number = [0] * total
        if axis.letter in spec.axes and axis.letter in "TZ":
            place = leading.index(spec.axes.index(axis.letter))
            behind = math.prod(counts[place + 1 :])
            number = [plane // behind % counts[place] for plane in range(total)]
        positions[key] = [axis.origin + index * axis.step for index in number]
        positions[f"{key}Unit"] = [_symbol(axis)] * total
    return positions


# -- the source's own ---------------------------------------------------------------------


def _graft(root: ET.Element, fresh: ET.Element, spec: WriterSpec, space: str) -> None:
    """Give a source's document what describes the result."""
    image, new_image = next(named(root, "Image")), next(named(fresh, "Image"))
    pixels, new = next(named(image, "Pixels")), next(named(new_image, "Pixels"))
    same_type = pixels.get("Type") == new.get("Type")
    for key in _STORED_KEYS:
        pixels.attrib.pop(key, None)
    if not same_type:
        pixels.attrib.pop("SignificantBits", None)
    pixels.attrib.update({key: value for key, value in new.attrib.items() if key != "ID"})
    has_units = year_of(space) >= _UNITS_SINCE
    if not has_units:
        _in_usual_units(pixels, spec)
    channels, planes = list(named(pixels, "Channel")), list(named(pixels, "Plane"))
    new_channels, new_planes = list(named(new, "Channel")), list(named(new, "Plane"))
    samples = [channel.get("SamplesPerPixel", "1") for channel in channels]
    if samples != [channel.get("SamplesPerPixel", "1") for channel in new_channels]:
        channels = new_channels
    if planes:
        _place(planes, spec)
    elif has_units:
        planes = new_planes
    others = [child for child in pixels if local_name(child) not in {"Channel", "Plane"}]
    for child in list(pixels):
        pixels.remove(child)
    pixels.extend([*channels, *named(new, "TiffData"), *planes, *others])
    if spec.metadata.name:
        image.set("Name", _printable(spec.metadata.name))


def _in_usual_units(pixels: ET.Element, spec: WriterSpec) -> None:
    """State sizes in the only unit of old schemas."""
    for axis in spec.metadata.axes:
        key, usual = AXIS_KEYS[axis.letter]
        pixels.attrib.pop(f"{key}Unit", None)
        step = converted(axis.step, axis.unit, usual)
        if step is None:
            pixels.attrib.pop(key, None)
        else:
            pixels.set(key, str(step))


def _place(planes: list[ET.Element], spec: WriterSpec) -> None:
    """Bring positions along rows and columns up to date, where planes have one for all.

    Those that differ, or are in no known unit, say where a stage stood: they stay.
    """
    for letter in "YX":
        key, _ = POSITION_KEYS[letter]
        values = {plane.get(key) for plane in planes}
        axis = spec.metadata.axis(letter)
        if len(values) != 1 or number_of(next(iter(values))) is None:
            continue
        units = {plane.get(f"{key}Unit", "reference frame") for plane in planes}
        if units == {"reference frame"}:
            continue
        for plane in planes:
            if axis is None or not axis.is_placed:
                plane.attrib.pop(key)
                plane.attrib.pop(f"{key}Unit", None)
            else:
                plane.set(key, str(axis.origin))
                plane.set(f"{key}Unit", _symbol(axis))


def _set_power(root: ET.Element, power: float | None) -> None:
    """State the power that pixels appear with, in an objective of which nothing else is said."""
    image = next(named(root, "Image"))
    objective = apparent_objective(root, image)
    if power is None:
        if objective is not None:
            objective.attrib.pop("NominalMagnification")
        return
    if objective is not None:
        objective.set("NominalMagnification", f"{power:.12g}")
        return
    for child in [
        child for child in image if local_name(child) in {"InstrumentRef", "ObjectiveSettings"}
    ]:
        image.remove(child)
    instrument = ET.Element("Instrument", {"ID": "Instrument:apparent"})
    attributes = {"ID": _OBJECTIVE, "NominalMagnification": f"{power:.12g}"}
    ET.SubElement(instrument, "Objective", attributes)
    root.insert(list(root).index(image), instrument)
    place = sum(local_name(child) in _BEFORE_OBJECTIVE for child in image)
    image.insert(place, ET.Element("InstrumentRef", {"ID": "Instrument:apparent"}))
    image.insert(place + 1, ET.Element("ObjectiveSettings", {"ID": _OBJECTIVE}))
