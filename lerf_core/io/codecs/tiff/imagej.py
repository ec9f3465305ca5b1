"""ImageJ's hyperstacks: what they hold, and what they say of their pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lerf_core.io.codecs.tiff import codes
from lerf_core.io.codecs.tiff.tags import resolution_ratios
from lerf_core.io.metadata.model import AxisScale, Channel, Metadata, Page
from lerf_core.io.metadata.units import unit_of

if TYPE_CHECKING:
    import tifffile

__all__ = ["CORNER", "holds", "is_display_ramp", "read_stack"]

# Entries that stay true of a resized stack, and are told in ImageJ's words alone.
_KEPT = ("mode", "loop", "min", "max", "fps", "Info", "Properties", "LUTs", "Ranges")
# Marks in pixels of the image as it was.
_STALE = {"ROI": "selection", "Overlays": "overlays", "Plot": "plot"}
#: Where the first sample's centre lies, in samples.
CORNER = {"Z": 0.0, "Y": 0.5, "X": 0.5}
# What red, green and blue add to how bright a colour looks; how far a ramp may fall back.
_LIGHT = (0.299, 0.587, 0.114)
_MOST_FALL = 0.05
_NO_UNIT = frozenset({"", "pixel", "pixels"})


def read_stack(
    facts: dict[str, Any] | None, base: tifffile.TiffPageSeries
) -> tuple[Metadata, tuple[str, ...]]:
    """Return what ImageJ's description says of a stack, and notes on what is left out.

    Parameters
    ----------
    facts : dict or None
        By tifffile's names.
    base : tifffile.TiffPageSeries
    """
    facts = facts or {}
    name = str(facts.get("unit", ""))
    unit = unit_of(name)
    lengths = dict(zip(base.axes, base.shape, strict=True))
    planes = int(np.prod([lengths[letter] for letter in base.axes if letter not in "YXS"]))
    kept = {key: facts[key] for key in _KEPT if key in facts}
    if not unit and name not in _NO_UNIT:
        kept["unit"] = name
    channels = _channels(facts, lengths.get("C", 1))
    if is_display_ramp(base.keyframe):
        table = np.asarray(base.keyframe.colormap, np.uint16)
        kept["colormap"] = table.tolist()
        ends = table[:, 0], table[:, -1]
        bright = max(ends, key=lambda colour: float(np.dot(_LIGHT, colour)))
        channels = (Channel("", "".join(f"{int(value) >> 8:02X}" for value in bright)),)
    notes = tuple(
        f"ImageJ's {word} dropped: drawn on the image as it was"
        for key, word in _STALE.items()
        if key in facts
    )
    metadata = Metadata(
        axes=_axes(facts, base, unit),
        channels=channels,
        pages=_labels(facts, planes),
        imagej=tuple(kept.items()),
    )
    return metadata, notes


def is_display_ramp(page: tifffile.TiffPage) -> bool:
    """Whether ImageJ shows a page by a colour table that runs from dark to bright, or back.

    Its pixels are measured values then, and no indices of colours.
    """
    if not page.is_imagej or page.colormap is None or page.bitspersample != 8:
        return False
    light = np.array(_LIGHT) @ np.asarray(page.colormap, np.float64)
    if light[0] > light[-1]:
        light = light[::-1]
    falls = np.maximum.accumulate(light) - light
    return bool(np.ptp(light) > 0 and falls.max() <= _MOST_FALL * np.ptp(light))


def _number(facts: dict[str, Any], key: str) -> float:
    value = facts.get(key, 0)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and np.isfinite(value) else 0.0


def _axes(facts: dict[str, Any], base: tifffile.TiffPageSeries, unit: str) -> tuple[AxisScale, ...]:
    axes = []
    interval = _number(facts, "finterval")
    if interval <= 0 and _number(facts, "fps") > 0:
        interval = 1 / _number(facts, "fps")
    if interval > 0:
        axes.append(AxisScale("T", interval, "second", is_placed=False))
    ratios = resolution_ratios(base.keyframe)
    spacing = _number(facts, "spacing")
    is_named = "unit" in facts and str(facts["unit"]) not in _NO_UNIT
    sizes = {}
    if spacing > 0:
        sizes["Z"] = spacing
    # Without a unit, tags that have one say how a print is resolved.
    unit_tag = base.keyframe.tags.get(codes.RESOLUTION_UNIT)
    is_print = not is_named and unit_tag is not None and int(unit_tag.value) > 1
    is_sized = is_named or sizes or (not is_print and ratios != (1.0, 1.0))
    if ratios is not None and is_sized and facts.get("unit") not in {"pixel", "pixels"}:
        sizes |= {"Y": 1.0, "X": 1.0} if is_print else {"Y": 1 / ratios[1], "X": 1 / ratios[0]}
    for letter, size in sizes.items():
        # What lies at position 0, in pixels from the image's corner, or in planes.
        key = f"{letter.lower()}origin"
        origin = (CORNER[letter] - _number(facts, key)) * size if key in facts else 0.0
        axes.append(AxisScale(letter, size, unit, origin, is_placed=key in facts))
    return tuple(axes)


def _channels(facts: dict[str, Any], count: int) -> tuple[Channel, ...]:
    """Return colours and ranges of channels; none where nothing is said of them."""
    luts, ranges = facts.get("LUTs"), facts.get("Ranges")
    tables = [luts] if isinstance(luts, np.ndarray) else list(luts or ())
    bounds = list(ranges or ())
    if len(tables) != count and len(bounds) != 2 * count:
        return ()
    channels = []
    for index in range(count):
        colour, entries = "", []
        if len(tables) == count:
            # The brightest colour: most tables run from black to it.
            colour = "".join(f"{int(value):02X}" for value in np.asarray(tables[index])[:, -1])
        if len(bounds) == 2 * count:
            low, high = bounds[2 * index : 2 * index + 2]
            window = {"start": float(low), "end": float(high)}
            entries = [("window", window | {"min": float(low), "max": float(high)})]
        channels.append(Channel("", colour, tuple(entries)))
    return tuple(channels)


def _labels(facts: dict[str, Any], planes: int) -> tuple[Page, ...]:
    labels = facts.get("Labels")
    every = [labels] if isinstance(labels, str) else list(labels or ())
    return tuple(Page(str(label)) for label in every) if len(every) == planes else ()


def holds(axes: str, dtype: np.dtype[Any], samples: int) -> bool:
    """Whether an image goes into ImageJ's format.

    Parameters
    ----------
    axes : str
        Of the image, samples as S.
    dtype : numpy.dtype
    samples : int
        Per pixel.
    """
    order = [letter for letter in "TZCYXS" if letter in axes]
    is_colour = samples > 1
    return (
        list(axes) == order
        and dtype.name in {"uint8", "uint16", "float32"}
        and (not is_colour or (samples == 3 and dtype == np.uint8))
    )
