"""Axes and places of Zarr arrays: names of dimensions, and OME-Zarr's multiscales 0.1 to 0.5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lerf_core.errors import FileError
from lerf_core.io.metadata import Metadata, PixelSize
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
    scales, translations : tuple of (list of float or None)
        Of each level, for all axes.
    omero : dict or None
    notes : tuple of str
    """

    axes: str
    units: list[str]
    paths: tuple[str, ...]
    scales: tuple[list[float] | None, ...]
    translations: tuple[list[float] | None, ...]
    omero: dict[str, Any] | None
    notes: tuple[str, ...]

    def metadata(self, level: int) -> Metadata:
        """Return a level's pixel size and position, where both axes have one unit; channels."""
        metadata = Metadata(display=self.omero)
        scale, translation = self.scales[level], self.translations[level]
        rows, cols = self.axes.index("Y"), self.axes.index("X")
        if scale is None or self.units[rows] != self.units[cols]:
            return metadata
        return replace(
            metadata,
            pixel_size=PixelSize(scale[rows], scale[cols], self.units[rows]),
            translation=None if translation is None else (translation[rows], translation[cols]),
        )


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
    outer = _transforms(entry.get("coordinateTransformations"), len(axes))
    notes: tuple[str, ...] = ()
    scales: list[list[float] | None] = []
    translations: list[list[float] | None] = []
    for dataset in entry["datasets"]:
        inner = _transforms(dataset.get("coordinateTransformations"), len(axes))
        if inner is None or outer is None:
            notes = ("coordinate transformations of an unknown kind left out",)
            scales.append(None)
            translations.append(None)
            continue
        scale, translation = _composed(inner, outer)
        scales.append(scale)
        translations.append(translation)
    paths = tuple(str(dataset["path"]) for dataset in entry["datasets"])
    if not paths:
        raise FileError(f"{path}: damaged OME-Zarr description: it names no array")
    omero = block.get("omero")
    return Multiscale(
        axes=axes,
        units=[str(word.get("unit") or "") for word in words],
        paths=paths,
        scales=tuple(scales),
        translations=tuple(translations),
        omero=omero if isinstance(omero, dict) else None,
        notes=notes,
    )


_Pair = tuple[list[float] | None, list[float] | None]


def _transforms(entries: Any, ndim: int) -> _Pair | None:
    """Return (scale, translation); None where there is another kind among them."""
    scale, translation = None, None
    for item in entries or ():
        kind = item.get("type")
        if kind == "identity":
            continue
        if kind not in {"scale", "translation"} or kind not in item:
            return None
        values = [float(value) for value in item[kind]]
        if len(values) != ndim:
            raise ValueError(f"{kind} {values} for {ndim} axes")
        if kind == "scale":
            scale = values
        else:
            translation = values
    return scale, translation


def _composed(inner: _Pair, outer: _Pair) -> _Pair:
    """Apply the pyramid's transformation after the level's own."""
    scale, translation = inner
    after, shift = outer
    if after is not None:
        scale = after if scale is None else [a * b for a, b in zip(scale, after, strict=True)]
        if translation is not None:
            translation = [a * b for a, b in zip(translation, after, strict=True)]
    if shift is not None:
        translation = (
            shift
            if translation is None
            else [a + b for a, b in zip(translation, shift, strict=True)]
        )
    return scale, translation
