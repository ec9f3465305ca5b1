"""Axes and places of Zarr arrays: names of dimensions, and OME-Zarr's multiscales 0.1 to 0.5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lerf_core.errors import FileError
from lerf_core.io.locations import PixelSize
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
_Place = tuple[PixelSize | None, tuple[float, float] | None]


@dataclass(frozen=True)
class Multiscale:
    """A pyramid of OME-Zarr.

    Attributes
    ----------
    axes : str
        Letters, as in :class:`lerf_core.io.tiled_reader.TiledReader`.
    axis_words : list of dict
        As the file has them: name, type, unit.
    paths : tuple of str
        Of the levels' arrays.
    scales, translations : tuple of (list of float or None)
        Of each level, for all axes.
    name, version : str
    omero : dict or None
    notes : tuple of str
    """

    axes: str
    axis_words: list[dict[str, Any]]
    paths: tuple[str, ...]
    scales: tuple[list[float] | None, ...]
    translations: tuple[list[float] | None, ...]
    name: str
    version: str
    omero: dict[str, Any] | None
    notes: tuple[str, ...]

    def placed(self, level: int) -> _Place:
        """Return a level's pixel size and translation, where both axes have one unit."""
        scale, translation = self.scales[level], self.translations[level]
        rows, cols = self.axes.index("Y"), self.axes.index("X")
        units = [str(self.axis_words[axis].get("unit") or "") for axis in (rows, cols)]
        if scale is None or units[0] != units[1]:
            return None, None
        size = PixelSize(scale[rows], scale[cols], units[0])
        return size, None if translation is None else (translation[rows], translation[cols])

    def info(self, level: int) -> dict[str, Any]:
        """Return what a writer of OME-Zarr may want to keep."""
        found: dict[str, Any] = {
            "axes": self.axis_words,
            "name": self.name,
            "ome_version": self.version,
            "scale": self.scales[level],
            "translation": self.translations[level],
        }
        if self.omero is not None:
            found["omero"] = self.omero
        return found


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
    return Multiscale(
        axes=axes,
        axis_words=words,
        paths=paths,
        scales=tuple(scales),
        translations=tuple(translations),
        name=str(entry.get("name") or ""),
        version=str(block.get("version") or entry.get("version") or ""),
        omero=block.get("omero"),
        notes=notes,
    )


_Pair = tuple[list[float] | None, list[float] | None]


def _transforms(found: Any, ndim: int) -> _Pair | None:
    """Return (scale, translation); None where one of another kind is among them."""
    scale, translation = None, None
    for item in found or ():
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
