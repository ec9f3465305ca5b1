"""Sizes, positions and channels that microscopes' own kinds of TIFF state, by tifffile's names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lerf_core.io.metadata.model import AxisScale, Channel, Metadata
from lerf_core.io.metadata.units import in_unit, is_length, unit_of

if TYPE_CHECKING:
    import tifffile

__all__ = ["FILE_KINDS", "SERIES_KINDS"]

_NIH_UNITS = (
    "nanometer", "micrometer", "millimeter", "centimeter", "meter", "kilometer", "inch", "foot",
    "mile",
)  # fmt: skip


def _axis(
    letter: str, step: Any, unit: str, origin: Any = None, *, stated: str | None = None
) -> tuple[AxisScale, ...]:
    """Return an axis, in a unit; none where its step is no positive number.

    ``stated`` is the unit of the numbers, where it is another.
    """
    try:
        size, start = float(step), float(origin or 0.0)
    except (TypeError, ValueError):
        return ()
    if not (math.isfinite(size) and size > 0):
        return ()
    start = start if math.isfinite(start) else 0.0
    if stated is not None:
        size, start = in_unit(size, stated, unit), in_unit(start, stated, unit)
    return (AxisScale(letter, size, unit, start, is_placed=bool(start)),)


def _lsm(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Metadata:
    facts = handle.lsm_metadata or {}
    axes: tuple[AxisScale, ...] = ()
    if "T" in base.axes:
        axes += _axis("T", facts.get("TimeIntervall"), "second")
    for letter in "ZYX":
        axes += _axis(
            letter, facts.get(f"VoxelSize{letter}"), "micrometer",
            facts.get(f"Origin{letter}"), stated="meter",
        )  # fmt: skip
    colours = facts.get("ChannelColors") or {}
    names, values = list(colours.get("ColorNames") or ()), list(colours.get("Colors") or ())
    values += [()] * (len(names) - len(values))
    channels = [
        Channel(str(name), "".join(f"{int(value) & 255:02X}" for value in list(colour)[:3]))
        for name, colour in zip(names, values, strict=False)
    ]
    return Metadata(axes=axes, channels=tuple(channels), name=base.name)


def _stk(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Metadata:
    facts = handle.stk_metadata or {}
    unit = unit_of(str(facts.get("CalibrationUnits", "")))
    axes: tuple[AxisScale, ...] = ()
    distances = np.asarray(facts.get("ZDistance", ()), np.float64).ravel()
    times = np.asarray(facts.get("TimeCreated", ()), np.float64).ravel()
    if "T" in base.axes and len(times) > 1:
        axes += _axis("T", (times[-1] - times[0]) / (len(times) - 1), "millisecond")
    if facts.get("SpatialCalibration", 1) and unit:
        # Of each plane from the one before; of the first it may be 0.
        steps = distances[1:]
        if {"Z", "I"} & set(base.axes) and len(steps) and np.ptp(steps) == 0:
            axes += _axis("Z", abs(steps[0]), unit)
        axes += _axis("Y", facts.get("YCalibration"), unit)
        axes += _axis("X", facts.get("XCalibration"), unit)
    return Metadata(axes=axes, name=base.name)


def _fluoview(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Metadata:
    axes: tuple[AxisScale, ...] = ()
    letters = {"X": "X", "Y": "Y", "Z": "Z", "T": "T", "TIME": "T"}
    for name, size, origin, step, unit in (handle.fluoview_metadata or {}).get("Dimensions", ()):
        letter = letters.get(str(name).upper())
        if letter is not None and size > 0 and letter in base.axes:
            axes += _axis(letter, step, unit_of(str(unit)), origin)
    return Metadata(axes=_ordered(axes), name=base.name)


def _nih(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Metadata:
    facts = handle.nih_metadata or {}
    # Units are counted from 5 on.
    number, scale = int(facts.get("UnitsID", 0)) - 5, float(facts.get("XScale", 0.0) or 0.0)
    if not 0 <= number < len(_NIH_UNITS) or scale <= 0:
        return Metadata()
    unit, aspect = _NIH_UNITS[number], float(facts.get("PixelAspectRatio", 1.0) or 1.0)
    axes: tuple[AxisScale, ...] = ()
    if "I" in base.axes or "Z" in base.axes:
        axes += _axis("Z", facts.get("SliceSpacing"), unit)
    return Metadata(axes=axes + _axis("Y", aspect / scale, unit) + _axis("X", 1 / scale, unit))


def _sis(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Metadata:
    facts = handle.sis_metadata or {}
    axes: tuple[AxisScale, ...] = ()
    for letter in "YX":
        size = facts.get(f"pixelsize{letter.lower()}")
        axes += _axis(letter, size, "micrometer", stated="meter")
    return Metadata(axes=axes, name=str(facts.get("name", "")) or base.name)


def _scanimage(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Metadata:
    facts = (handle.scanimage_metadata or {}).get("FrameData") or {}
    axes: tuple[AxisScale, ...] = ()
    if "T" in base.axes:
        axes += _axis("T", facts.get("SI.hRoiManager.scanFramePeriod"), "second")
    if "Z" in base.axes:
        axes += _axis("Z", facts.get("SI.hStackManager.stackZStepSize"), "micrometer")
    corners = np.asarray(facts.get("SI.hRoiManager.imagingFovUm", ()), np.float64).reshape(-1)
    if corners.size == 8:
        width, height = np.ptp(corners[0::2]), np.ptp(corners[1::2])
        rows, cols = (base.shape[base.axes.index(letter)] for letter in "YX")
        axes += _axis("Y", height / rows, "micrometer") + _axis("X", width / cols, "micrometer")
    return Metadata(axes=axes)


def _micromanager(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Metadata:
    facts = (handle.micromanager_metadata or {}).get("Summary") or {}
    axes = _axis("T", facts.get("Interval_ms"), "millisecond")
    axes += _axis("Z", facts.get("z-step_um"), "micrometer")
    size = facts.get("PixelSize_um")
    axes += _axis("Y", size, "micrometer") + _axis("X", size, "micrometer")
    names, colours = facts.get("ChNames") or (), facts.get("ChColors") or ()
    is_coloured = isinstance(colours, list) and len(colours) == len(names)
    channels = [
        Channel(str(name), f"{int(colours[at]) & 0xFFFFFF:06X}" if is_coloured else "")
        for at, name in enumerate(names if isinstance(names, list) else ())
    ]
    kept = tuple(axis for axis in axes if axis.letter in base.axes)
    return Metadata(axes=kept, channels=tuple(channels), name=str(facts.get("Prefix", "")))


def _fei(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Metadata:
    del base
    facts = handle.fei_metadata or {}
    for name in ("Scan", "EScan", "IScan"):
        block = facts.get(name) or {}
        axes: tuple[AxisScale, ...] = ()
        for letter, key in (("Y", "PixelHeight"), ("X", "PixelWidth")):
            axes += _axis(letter, block.get(key), "nanometer", stated="meter")
        if len(axes) == 2:
            return Metadata(axes=axes)
    return Metadata()


def _sem(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Metadata:
    del base
    facts = handle.sem_metadata or {}
    for key in ("ap_image_pixel_size", "ap_pixel_size"):
        entry = facts.get(key)
        if isinstance(entry, tuple) and len(entry) == 3 and is_length(unit_of(str(entry[2]))):
            unit = unit_of(str(entry[2]))
            return Metadata(axes=_axis("Y", entry[1], unit) + _axis("X", entry[1], unit))
    return Metadata()


def _tvips(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Metadata:
    del base
    facts = handle.tvips_metadata or {}
    axes = _axis("Y", facts.get("PixelSizeY"), "nanometer")
    return Metadata(axes=axes + _axis("X", facts.get("PixelSizeX"), "nanometer"))


def _metaseries(handle: tifffile.TiffFile, base: tifffile.TiffPageSeries) -> Metadata:
    del base
    facts = (handle.metaseries_metadata or {}).get("PlaneInfo") or {}
    unit = unit_of(str(facts.get("spatial-calibration-units", "")))
    if not facts.get("spatial-calibration-state", True) or not is_length(unit):
        return Metadata()
    axes = _axis("Y", facts.get("spatial-calibration-y"), unit)
    return Metadata(axes=axes + _axis("X", facts.get("spatial-calibration-x"), unit))


def _ordered(axes: tuple[AxisScale, ...]) -> tuple[AxisScale, ...]:
    return tuple(sorted(axes, key=lambda axis: "TZYX".index(axis.letter)))


_Reading = Callable[["tifffile.TiffFile", "tifffile.TiffPageSeries"], Metadata]
#: By tifffile's kind of series.
SERIES_KINDS: dict[str, _Reading] = {
    "lsm": _lsm, "stk": _stk, "fluoview": _fluoview, "nih": _nih, "sis": _sis,
    "scanimage": _scanimage, "mmstack": _micromanager, "ndtiff": _micromanager,
}  # fmt: skip
#: By tifffile's marks of files, of whatever kind their series are.
FILE_KINDS: dict[str, _Reading] = {
    "fei": _fei, "sem": _sem, "tvips": _tvips, "metaseries": _metaseries,
}  # fmt: skip
