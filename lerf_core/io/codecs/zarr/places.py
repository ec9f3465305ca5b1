"""Where images of Zarr lie on earth: by the conventions ``spatial`` and ``proj``, or by CF.

Written are the conventions of https://github.com/zarr-conventions (spatial and geo-proj, version
1), in the group and in the array of each level. Read are these, and what rioxarray and odc-geo
write: a variable of CF's grid mapping with ``crs_wkt`` or ``spatial_ref`` and ``GeoTransform``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lerf_core.errors import LerfError, one_line
from lerf_core.io.metadata.georeference import Georeference
from lerf_core.io.metadata.model import AxisScale

__all__ = [
    "fitting_place", "georeference_of", "georeference_of_mapping", "place_attributes",
    "without_places",
]  # fmt: skip

_SPATIAL = {
    "schema_url": (
        "https://raw.githubusercontent.com/zarr-conventions/spatial/refs/tags/v1/schema.json"
    ),
    "spec_url": "https://github.com/zarr-conventions/spatial/blob/v1/README.md",
    "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
    "name": "spatial",
    "description": "Spatial coordinate information",
}
_PROJ = {
    "schema_url": (
        "https://raw.githubusercontent.com/zarr-conventions/geo-proj/refs/tags/v1/schema.json"
    ),
    "spec_url": "https://github.com/zarr-conventions/geo-proj/blob/v1/README.md",
    "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
    "name": "proj",
    "description": "Coordinate reference system information for geospatial data",
}
_CONVENTIONS = "zarr_conventions"
_OURS = frozenset({_SPATIAL["uuid"], _PROJ["uuid"]})
_PREFIXES = ("spatial:", "proj:")
# In the order in which they are believed.
_SYSTEMS = ("proj:code", "proj:wkt2", "proj:projjson")
_CODE = re.compile(r"[A-Z]+:[0-9]+")
#: Variables that hold the system where none is named, and their attributes.
_MAPPING = "spatial_ref"
_MAPPING_TEXTS = ("crs_wkt", "spatial_ref")
_Transform = tuple[float, float, float, float, float, float]


# -- writing ------------------------------------------------------------------------------


def fitting_place(
    georeference: Georeference,
) -> tuple[Georeference | None, tuple[str, ...]]:
    """Return what Zarr can hold of where an image lies, and notes on what it cannot."""
    notes: tuple[str, ...] = ()
    if georeference.points:
        notes += ("OME-Zarr cannot hold ground control points: dropped",)
        georeference = replace(georeference, points=())
    if georeference.keys:
        try:
            _system_attributes(georeference)
        except LerfError as error:
            notes += (f"the system of coordinates is dropped: {one_line(error)}",)
            georeference = replace(georeference, keys=())
    is_empty = georeference.transform is None and not georeference.keys
    return None if is_empty else georeference, notes


def place_attributes(
    georeference: Georeference | None, names: tuple[str, str], shape: tuple[int, int], level: int
) -> dict[str, Any]:
    """Return the attributes of a level, or of its group.

    Parameters
    ----------
    georeference : Georeference or None
        Of the first level; see `fitting_place`.
    names : (str, str)
        Of the dimensions of rows and columns.
    shape : (rows, columns)
        Of the level.
    level : int
        Whose pixels are ``2**level`` of the first one's along each side.
    """
    if georeference is None:
        return {}
    conventions, attributes = [], _system_attributes(georeference)
    if attributes:
        conventions.append(_PROJ)
    placed = georeference.at_level((2.0**level, 2.0**level))
    bounds = placed.bounds(shape)
    if placed.transform is not None and bounds is not None:
        conventions.append(_SPATIAL)
        attributes |= {
            "spatial:dimensions": list(names),
            "spatial:shape": list(shape),
            "spatial:transform": list(placed.transform),
            "spatial:bbox": list(bounds),
        }
    return {_CONVENTIONS: conventions, **attributes}


def _system_attributes(georeference: Georeference) -> dict[str, Any]:
    """Return the code of a system where it has one, else its text, for which pyproj is needed."""
    from lerf_core.io.codecs.tiff.geo_keys import stated_system, system_of_keys

    if not georeference.keys:
        return {}
    system, _ = stated_system(georeference.keys)
    system = system or system_of_keys(georeference.keys)
    if _CODE.fullmatch(system):
        return {"proj:code": system}
    from lerf_core.geometry.coordinate_systems import wkt_of

    return {"proj:wkt2": wkt_of(system)}


# -- reading ------------------------------------------------------------------------------


def without_places(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes without those of the two conventions, which are read as georeference."""
    kept = {key: value for key, value in attributes.items() if not key.startswith(_PREFIXES)}
    listed = kept.get(_CONVENTIONS)
    if isinstance(listed, list):
        others = [item for item in listed if not _is_ours(item)]
        kept[_CONVENTIONS] = others
        if not others:
            del kept[_CONVENTIONS]
    return kept


def _is_ours(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("uuid") in _OURS


def georeference_of(
    group: Mapping[str, Any],
    array: Mapping[str, Any],
    names: Sequence[str],
    shape: tuple[int, int],
    steps: tuple[float, float],
) -> tuple[Georeference | None, tuple[str, ...]]:
    """Return where a level lies by the two conventions, and notes on what is not understood.

    Parameters
    ----------
    group, array : mapping
        Attributes; those of the level's array count more.
    names : (str, str)
        Of the dimensions of rows and columns.
    shape : (rows, columns)
        Of the level.
    steps : (float, float)
        Rows and columns of the first level, which the group's attributes speak of, per one of this.
    """
    notes: tuple[str, ...] = ()
    transform = None
    for attributes, at in ((array, (1.0, 1.0)), (group, steps)):
        if transform is None and "spatial:dimensions" in attributes:
            size = round(shape[0] * at[0]), round(shape[1] * at[1])
            transform, note = _transform_of(attributes, names, size)
            notes += note
            if transform is not None:
                transform = Georeference(transform).at_level(at).transform
    given = next((at[key] for at in (array, group) for key in _SYSTEMS if at.get(key)), None)
    georeference, further = _joined(transform, given)
    return georeference, (*dict.fromkeys(notes), *further)


def _joined(
    transform: _Transform | None, system: Any
) -> tuple[Georeference | None, tuple[str, ...]]:
    """Return the georeference of a transform and a system, as far as each is known."""
    if system is None:
        return None if transform is None else Georeference(transform), ()
    from lerf_core.geometry.coordinate_systems import named_system
    from lerf_core.io.codecs.tiff.geo_keys import keys_of_system

    try:
        return Georeference(transform, keys_of_system(named_system(system))), ()
    except LerfError as error:
        note = f"its system of coordinates is left out: {one_line(error)}"
        return None if transform is None else Georeference(transform), (note,)


def _transform_of(
    attributes: Mapping[str, Any], names: Sequence[str], shape: tuple[int, int]
) -> tuple[_Transform | None, tuple[str, ...]]:
    """Return the transform of corners that attributes state."""
    left_out = "where it lies is left out:"
    kind = attributes.get("spatial:transform_type", "affine")
    if kind != "affine":
        return None, (f"{left_out} by {kind!r}, which is not known here",)
    dimensions = attributes["spatial:dimensions"]
    if not isinstance(dimensions, list) or [str(name) for name in dimensions] != list(names):
        return None, (f"{left_out} it is that of dimensions {dimensions}",)
    is_node = attributes.get("spatial:registration", "pixel") == "node"
    numbers = _numbers(attributes.get("spatial:transform"), 6)
    if numbers is None:
        box = _numbers(attributes.get("spatial:bbox"), 4)
        if box is None:
            return None, (f"{left_out} neither transform nor bounds are numbers",)
        # Beside the outermost centres, or beside the outermost pixels.
        rows, cols = (max(1, size - is_node) for size in shape)
        west, south, east, north = box
        numbers = ((east - west) / cols, 0.0, west, 0.0, (south - north) / rows, north)
    a, b, c, d, e, f = numbers
    if is_node:
        c, f = c - (a + b) / 2, f - (d + e) / 2
    if not a * e - b * d:
        return None, (f"{left_out} its pixels have no size",)
    return (a, b, c, d, e, f), ()


def _numbers(given: Any, count: int) -> tuple[float, ...] | None:
    """Return so many finite numbers; None: there are none."""
    try:
        numbers = tuple(float(value) for value in given)
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def georeference_of_mapping(
    attributes: Mapping[str, Any], others: Mapping[str, Any], scales: Sequence[AxisScale]
) -> tuple[Georeference | None, str, tuple[str, ...]]:
    """Return where an array lies by CF's grid mapping, that variable's name, and notes.

    Parameters
    ----------
    attributes : mapping
        Of the array.
    others : mapping of str to zarr.Array
        Beside it.
    scales : sequence of AxisScale
        Of its evenly spaced coordinates, of pixels' centres.
    """
    name = str(attributes.get("grid_mapping") or _MAPPING)
    if name not in others:
        return None, "", ()
    words = dict(others[name].attrs)
    numbers = _numbers(str(words.get("GeoTransform", "")).split(), 6)
    transform: _Transform | None = None
    if numbers is not None:
        c, a, b, f, d, e = numbers
        transform = (a, b, c, d, e, f)
    else:
        axes = {scale.letter: scale for scale in scales}
        if {"X", "Y"} <= axes.keys():
            x, y = axes["X"], axes["Y"]
            transform = (x.step, 0.0, x.origin - x.step / 2, 0.0, y.step, y.origin - y.step / 2)
    system = next((words[key] for key in _MAPPING_TEXTS if words.get(key)), None)
    georeference, notes = _joined(transform, system)
    return georeference, name, notes
