"""Scanned slides in TIFF: the size of their pixels, and the power of the objective."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lerf_core.io.codecs.tiff import codes
from lerf_core.io.codecs.tiff.documents import local_name, number_of, parsed
from lerf_core.io.codecs.tiff.tags import resolution_ratios
from lerf_core.io.metadata.model import AxisScale, Channel, Metadata

if TYPE_CHECKING:
    import tifffile

__all__ = ["SLIDES"]

# What Aperio's description says of the pixels as they were, and of files that are not the result.
_APERIO_SIZES = frozenset({
    "AppMag", "MPP", "Left", "Top", "OriginalWidth", "Originalheight", "OriginalHeight",
    "StripeWidth", "LineAreaXOffset", "LineAreaYOffset", "LineCameraSkew", "Filtered",
    "DisplayColor",
})  # fmt: skip
_NDPI_POWER = 65421

#: What a slide says, and its description in words, without sizes.
Told = tuple[Metadata, str | None]


def _told(
    size: tuple[float | None, float | None], power: float | None, words: str | None = None
) -> Told:
    """Return metadata by the micrometres of a (row, column), and the power."""
    axes = [
        AxisScale(letter, step, "micrometer", is_placed=False)
        for letter, step in zip("YX", size, strict=True)
        if step and step > 0
    ]
    magnification = power if power and power > 0 else None
    return Metadata(axes=tuple(axes) if len(axes) == 2 else (), magnification=magnification), words


def _aperio(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Told:
    del handle
    facts = {}
    for item in base.keyframe.description.split("|")[1:]:
        key, equals, value = (text.strip() for text in item.partition("="))
        if equals:
            facts[key] = value
    mpp = number_of(facts.get("MPP"))
    words = "|".join(f"{key} = {value}" for key, value in facts.items() if key not in _APERIO_SIZES)
    return _told((mpp, mpp), number_of(facts.get("AppMag")), words or None)


def _from_resolution(base: tifffile.TiffPageSeries) -> tuple[float | None, float | None]:
    """Return micrometres of a (row, column) by the page's resolution, where it has a unit."""
    ratios = resolution_ratios(base.keyframe)
    unit = base.keyframe.tags.get(codes.RESOLUTION_UNIT)
    length = {2: 25_400.0, 3: 10_000.0}.get(int(unit.value) if unit is not None else 0)
    if ratios is None or length is None:
        return None, None
    return length / ratios[1], length / ratios[0]


def _hamamatsu(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Told:
    del handle
    tag = base.keyframe.tags.get(_NDPI_POWER)
    return _told(_from_resolution(base), float(tag.value) if tag is not None else None)


def _akoya(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Told:
    del handle
    power, channels = None, []
    for page in base.pages:
        root = parsed(page.aspage().description if page is not None else None)
        words: dict[str, str] = {}
        for element in root.iter() if root is not None else ():
            words.setdefault(local_name(element), (element.text or "").strip())
        lens = re.search(r"\d+(?:\.\d+)?", words.get("Objective", ""))
        if lens and power is None:
            power = float(lens[0])
        parts = words.get("Color", "").split(",")
        is_colour = len(parts) == 3 and all(part.strip().isdigit() for part in parts)
        colour = "".join(f"{int(part) & 255:02X}" for part in parts) if is_colour else ""
        channels.append(Channel(words.get("Biomarker") or words.get("Name", ""), colour))
    told, _ = _told(_from_resolution(base), power)
    if len(channels) > 1 and any(channel.name for channel in channels):
        told = replace(told, channels=tuple(channels))
    return told, None


def _leica(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Told:
    root = parsed(handle.scn_metadata)
    rows, cols = (base.shape[base.axes.index(letter)] for letter in "YX")
    for image in root.iter() if root is not None else ():
        if local_name(image) != "image":
            continue
        inner = {local_name(element): element for element in image.iter()}
        pixels, view = inner.get("pixels"), inner.get("view")
        if pixels is None or view is None:
            continue
        wide, high = (number_of(pixels.get(key)) for key in ("sizeX", "sizeY"))
        if (wide, high) != (cols, rows):
            continue
        width, height = (number_of(view.get(key)) for key in ("sizeX", "sizeY"))
        size = (height and height / 1000 / rows, width and width / 1000 / cols)  # nanometres
        objective = inner.get("objective")
        return _told(size, number_of(objective.text) if objective is not None else None)
    return _told((None, None), None)


def _ventana(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Told:
    for page in (base.keyframe, *handle.pages):
        tag = page.aspage().tags.get(codes.XMP)
        if tag is None:
            continue
        text = tag.value.decode(errors="replace") if isinstance(tag.value, bytes) else tag.value
        mpp, power = (
            re.search(rf'\b{key}\s*=\s*"([\d.]+)"', str(text))
            for key in ("ScanRes", "Magnification")
        )
        if mpp:
            step = number_of(mpp[1])
            return _told((step, step), number_of(power[1]) if power else None)
    return _told((None, None), None)


def _philips(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Told:
    del base
    root = parsed(handle.philips_metadata)
    for element in root.iter() if root is not None else ():
        if element.get("Name") == "DICOM_PIXEL_SPACING" and element.text:
            values = [number_of(word) for word in element.text.replace('"', "").split()]
            if len(values) == 2 and all(values):
                # Millimetres between rows, and between columns.
                return _told((1000 * (values[0] or 0), 1000 * (values[1] or 0)), None)
    return _told((None, None), None)


def _argos(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Told:
    del handle
    return _told(_from_resolution(base), None)


#: By tifffile's kind of series.
SLIDES: dict[str, Callable[[tifffile.TiffFile, tifffile.TiffPageSeries], Told]] = {
    "svs": _aperio, "ndpi": _hamamatsu, "qpi": _akoya, "scn": _leica, "bif": _ventana,
    "philips": _philips, "avs": _argos,
}  # fmt: skip
