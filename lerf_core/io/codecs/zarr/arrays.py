"""Arrays of Zarr that are no OME-Zarr: alone, or in a group as xarray writes it."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.codecs.zarr.axes import array_axes, axis_names
from lerf_core.io.codecs.zarr.places import (
    georeference_of,
    georeference_of_mapping,
    without_places,
)
from lerf_core.io.metadata.model import AxisScale, Metadata

if TYPE_CHECKING:
    import zarr

__all__ = ["ImageArray", "image_array"]

# Attributes that say of an array what its reader takes in.
_READ = frozenset({
    "_ARRAY_DIMENSIONS", "_FillValue", "missing_value", "coordinates", "grid_mapping",
})  # fmt: skip
# Coordinates that differ by less, of a step, are evenly spaced.
_EVEN = 1e-4


@dataclass(frozen=True)
class ImageArray:
    """An array that is an image.

    Attributes
    ----------
    array : zarr.Array
    axes : str
        Letters, as in :class:`lerf_core.io.tiles.tiled_reader.TiledReader`.
    metadata : Metadata
    notes : tuple of str
    """

    array: Any
    axes: str
    metadata: Metadata
    notes: tuple[str, ...]


def image_array(path: str, node: Any) -> ImageArray:
    """Return an array, or the only one of a group that is an image.

    Parameters
    ----------
    path : str
    node : zarr.Array or zarr.Group

    Raises
    ------
    FileError
        If a group has no image, or several.
    """
    import zarr

    if not isinstance(node, zarr.Group):
        return _described(node, {}, {})
    arrays = _members(node)
    images = {name: array for name, array in arrays.items() if array.ndim > 1}
    chosen = images or arrays
    if len(chosen) != 1:
        names = f" ({', '.join(sorted(chosen)[:5])})" if chosen else ""
        raise FileError(
            f"{path}: a group of {len(chosen)} arrays{names} that says nothing of an image: "
            "name one of its arrays"
        )
    ((name, array),) = chosen.items()
    others = {other: arrays[other] for other in arrays if other != name}
    return _described(array, others, dict(node.attrs))


def _members(group: zarr.Group) -> dict[str, Any]:
    """Return the arrays of a group, by name.

    One after the other: where Zarr opens them side by side, errors of those that nobody waits
    for come up on the terminal later.
    """
    import zarr
    from zarr.core.sync import sync

    names = sync(_listed(group.store.list_dir(group.path)))
    nodes = {name: _member(group, name) for name in sorted(names)}
    return {name: node for name, node in nodes.items() if isinstance(node, zarr.Array)}


async def _listed(names: AsyncIterator[str]) -> list[str]:
    return [name async for name in names]


def _member(group: zarr.Group, name: str) -> Any:
    try:
        return group.get(name)
    except (KeyError, FileNotFoundError, NotADirectoryError):
        return None  # a file beside the arrays


def _described(array: Any, others: dict[str, Any], shared: dict[str, Any]) -> ImageArray:
    """Return what an array's names of dimensions, coordinates and attributes say."""
    attributes = dict(array.attrs)
    names = getattr(array.metadata, "dimension_names", None)
    names = names or attributes.get("_ARRAY_DIMENSIONS")
    axes, notes = array_axes(tuple(array.shape), names)
    if names is None or len(names) != len(axes):
        names = [None] * len(axes)
    used: set[str] = set()
    scales = []
    for letter, name in zip(axes, names, strict=True):
        coordinate = others.get(str(name))
        if coordinate is None or coordinate.ndim != 1:
            continue
        used.add(str(name))
        if letter == "S" or (scale := _scale(letter, coordinate)) is None:
            notes += (f"coordinates {name}, which are not evenly spaced numbers, left out",)
        else:
            scales.append(scale)
    georeference, mapping, further = georeference_of_mapping(attributes, others, scales)
    used.add(mapping)
    kept = without_places({**shared, **attributes})
    if georeference is None:
        names_of = dict(zip(axes, map(str, names), strict=False))
        georeference, told = georeference_of(
            shared, attributes, (names_of.get("Y", ""), names_of.get("X", "")),
            _sides_of(array, axes), (1.0, 1.0),
        )  # fmt: skip
        further += told
    notes += further
    left = sorted(set(others) - used)
    if left:
        notes += (f"arrays beside it left out: {', '.join(left[:8])}",)
    metadata = Metadata(
        axes=tuple(scales),
        georeference=georeference,
        axis_names=axis_names(axes, names),
        nodata=_missing_value(array, attributes),
        attributes=tuple((key, value) for key, value in kept.items() if key not in _READ),
    )
    return ImageArray(array, axes, metadata, notes)


def _sides_of(array: Any, axes: str) -> tuple[int, int]:
    """Return rows and columns of an array."""
    sides = dict(zip(axes, array.shape, strict=False))
    return sides.get("Y", 1), sides.get("X", 1)


def _scale(letter: str, coordinate: Any) -> AxisScale | None:
    """Return step and origin of evenly spaced coordinates; None: they are not."""
    if coordinate.dtype.kind not in "iuf" or coordinate.shape[0] < 2:
        return None
    values = np.asarray(coordinate[...], np.float64)
    step = float(values[-1] - values[0]) / (len(values) - 1)
    if not step or not np.abs(np.diff(values) - step).max() <= _EVEN * abs(step):
        return None
    unit = str(dict(coordinate.attrs).get("units") or "")
    return AxisScale(letter, step, unit, float(values[0]))


def _missing_value(array: Any, attributes: dict[str, Any]) -> float | None:
    """Return the value of missing pixels that an array states as xarray does."""
    given: Any = attributes.get("_FillValue", attributes.get("missing_value"))
    if given is None and array.metadata.zarr_format == 2 and "_ARRAY_DIMENSIONS" in attributes:
        # In version 2 xarray's is the array's own; 0 is what Zarr has where nobody chose one.
        given = array.metadata.fill_value or None
    if isinstance(given, str):
        try:
            # So xarray writes numbers that JSON does not hold.
            (given,) = struct.unpack("<d", base64.b64decode(given, validate=True))
        except (binascii.Error, struct.error):
            return None
    is_number = isinstance(given, (int, float, np.integer, np.floating))
    return float(given) if is_number else None
