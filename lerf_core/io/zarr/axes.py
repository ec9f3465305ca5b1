"""Axes and placement of Zarr arrays: names of dimensions, and OME-Zarr's multiscales 0.1 to 0.5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError
from lerf_core.io.metadata import AxisScale, Channel, Metadata
from lerf_core.io.tiled_reader import guessed_axes

__all__ = ["Multiscale", "array_axes", "read_multiscale"]

# Before version 0.3 an image had all five.
_OLD_AXES = ("t", "c", "z", "y", "x")
_LETTERS = {
    "t": "T", "time": "T", "c": "C", "channel": "C", "channels": "C", "band": "C", "z": "Z",
    "depth": "Z", "y": "Y", "row": "Y", "rows": "Y", "height": "Y", "lat": "Y", "latitude": "Y",
    "x": "X", "col": "X", "cols": "X", "column": "X", "columns": "X", "width": "X", "lon": "X",
    "longitude": "X", "s": "S", "sample": "S", "samples": "S", "rgb": "S",
}  # fmt: skip

# Axes along which samples have a position.
_PLACED = frozenset("TZYX")

Float64Array = NDArray[np.float64]
#: Scale and translation along all axes; None for what is not said.
Placement = tuple[Float64Array | None, Float64Array | None]


@dataclass(frozen=True)
class Multiscale:
    """A pyramid of OME-Zarr.

    Attributes
    ----------
    axes : str
        Letters, as in :class:`lerf_core.io.tiled_reader.TiledReader`.
    units : list of str
        Of each axis, "" for none.
    paths : tuple of str
        Of the levels' arrays.
    placements : tuple of (scale, translation)
        Of each level, along all axes; None for what is not said.
    omero : dict or None
    notes : tuple of str
    """

    axes: str
    units: list[str]
    paths: tuple[str, ...]
    placements: tuple[Placement, ...]
    omero: dict[str, Any] | None
    notes: tuple[str, ...]

    def metadata(self, level: int) -> Metadata:
        """Return a level's sizes and positions along its axes, and its channels."""
        channels, display = _channels(self.omero)
        metadata = Metadata(channels=channels, display=display)
        scale, translation = self.placements[level]
        if scale is None:
            return metadata
        origins = np.zeros(len(scale)) if translation is None else translation
        axes = zip(self.axes, scale.tolist(), self.units, origins.tolist(), strict=True)
        return replace(
            metadata, axes=tuple(AxisScale(*axis) for axis in axes if axis[0] in _PLACED)
        )


def _channels(
    omero: dict[str, Any] | None,
) -> tuple[tuple[Channel, ...], tuple[tuple[str, Any], ...]]:
    """Return what an "omero" block says of each channel, and what else it says."""
    if omero is None:
        return (), ()
    every = omero.get("channels")
    channels = tuple(
        Channel(
            name=str(item.get("label", "")),
            colour=str(item.get("color", "")),
            facts=tuple((key, item[key]) for key in item if key not in {"label", "color"}),
        )
        for item in (every if isinstance(every, list) else [])
        if isinstance(item, dict)
    )
    return channels, tuple((key, value) for key, value in omero.items() if key != "channels")


def array_axes(
    shape: tuple[int, ...], names: Sequence[str | None] | None
) -> tuple[str, tuple[str, ...]]:
    """Return axes of an array by the names of its dimensions, else guessed; and notes."""
    if names is not None and len(names) == len(shape):
        letters = _letters(names)
        if letters.count("Y") == 1 and letters.count("X") == 1:
            return letters, ()
    axes = guessed_axes(shape)
    notes = (f"last axis of length {shape[-1]} taken for colours",) if "S" in axes else ()
    return axes, notes


def _letters(names: Sequence[str | None]) -> str:
    return "".join(_LETTERS.get(str(name).lower(), "Q") for name in names)


def read_multiscale(path: str, attributes: dict[str, Any], number: int) -> Multiscale | None:
    """Return the pyramid that a group's attributes describe, or None where they do not.

    Raises
    ------
    FileError
        If the description is damaged, or has fewer images.
    """
    # Version 0.5 moved all under one name.
    block = attributes.get("ome", attributes)
    every = block.get("multiscales") if isinstance(block, dict) else None
    if every is None:
        return None
    try:
        if not 0 <= number < len(every):
            raise FileError(f"{path}: series {number} asked, {len(every)} there")
        return _parsed(path, block, every[number])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise FileError(f"{path}: damaged OME-Zarr description: {error!r:.120}") from error


def _parsed(path: str, block: dict[str, Any], entry: dict[str, Any]) -> Multiscale:
    words = [
        {"name": axis} if isinstance(axis, str) else dict(axis)
        for axis in entry.get("axes", _OLD_AXES)
    ]
    axes = _letters([str(word["name"]) for word in words])
    if axes.count("Y") != 1 or axes.count("X") != 1:
        names = [word["name"] for word in words]
        raise FileError(f"{path}: axes {names} are not supported: one y and one x are")
    last = entry.get("coordinateTransformations") or ()
    placements = [
        _composed([*(dataset.get("coordinateTransformations") or ()), *last], len(axes))
        for dataset in entry["datasets"]
    ]
    is_known = None not in placements
    notes = () if is_known else ("coordinate transformations of an unknown kind left out",)
    paths = tuple(str(dataset["path"]) for dataset in entry["datasets"])
    if not paths:
        raise FileError(f"{path}: damaged OME-Zarr description: it names no array")
    omero = block.get("omero")
    return Multiscale(
        axes=axes,
        units=[str(word.get("unit") or "") for word in words],
        paths=paths,
        placements=tuple(placement or (None, None) for placement in placements),
        omero=omero if isinstance(omero, dict) else None,
        notes=notes,
    )


def _composed(transformations: list[dict[str, Any]], ndim: int) -> Placement | None:
    """Apply transformations one after the other; None where there is one of an unknown kind."""
    scale: Float64Array | None = None
    translation: Float64Array | None = None
    for transformation in transformations:
        kind = transformation.get("type")
        if kind == "identity":
            continue
        if kind not in {"scale", "translation"} or kind not in transformation:
            return None
        values = np.array([float(value) for value in transformation[kind]])
        if len(values) != ndim:
            raise ValueError(f"{kind} {values.tolist()} for {ndim} axes")
        if kind == "scale":
            scale = values if scale is None else scale * values
            translation = None if translation is None else translation * values
        else:
            translation = values if translation is None else translation + values
    return scale, translation
