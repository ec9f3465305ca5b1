"""The grid of a raster that is resampled: its coordinates, and the attributes that locate it."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from lerf_core.geometry.placement import Placement
from lerf_core.io.metadata.georeference import Georeference
from lerf_core.sampling.taps import axis_positions
from lerf_plugins.filters.xarray.dimensions import Dims, is_lazy
from lerf_plugins.filters.xarray.grid_coordinates import Floats, interpolated

__all__ = ["LOCATIONS", "Grid", "is_stale", "numbers_of"]

# What an interpolated coordinate keeps of its encoding: packed integers hold no halves.
_OF_COORDINATE = ("_FillValue", "calendar")
#: Attributes that say where pixels lie.
LOCATIONS = ("GeoTransform", "transform", "res", "gcps")
# Those that speak of the values of the old pixels: GDAL's statistics, and CF's.
_STATISTICS, _RANGE = "STATISTICS_", "actual_range"


def is_stale(key: object) -> bool:
    """Whether an attribute speaks of the old pixels, so that there is no new value for it."""
    return str(key).startswith(_STATISTICS) or key == _RANGE


@dataclass(frozen=True)
class Grid:
    """What a resize or a warp does to rows and columns.

    Attributes
    ----------
    dims : (str, str)
        Names of rows and columns.
    placement : Placement
    positions : dict
        Of each dimension that changes, the old pixels' positions that the new ones lie at; None
        where these lie along no old row or column.
    """

    dims: Dims
    placement: Placement
    positions: Mapping[Hashable, Floats | None]

    @classmethod
    def of_resize(
        cls,
        dims: Dims,
        shape: tuple[int, int],
        out_shape: tuple[int, int],
        scale: tuple[float, float],
    ) -> Grid:
        """Return what a resize does; a side that keeps its length by a factor of 1 is the same."""
        sides = zip(dims, shape, out_shape, scale, strict=True)
        positions = {
            dim: axis_positions(old, new, factor)
            for dim, old, new, factor in sides
            if (new, factor) != (old, 1)
        }
        return cls(dims, Placement.of_resize(scale, shape, out_shape), positions)

    @classmethod
    def of_warp(cls, dims: Dims, placement: Placement) -> Grid:
        """Return what a warp does: known where rows and columns stay such."""
        positions: dict[Hashable, Floats | None] = dict.fromkeys(dims)
        if placement.matrix is not None and placement.source_axes == (0, 1):
            for axis, dim in enumerate(dims):
                step, start = placement.matrix[axis, axis], placement.matrix[axis, 2]
                if (step, start, placement.after[axis]) == (1, 0, placement.before[axis]):
                    del positions[dim]
                else:
                    positions[dim] = start + step * np.arange(placement.after[axis])
        return cls(dims, placement, positions)

    def coordinate(self, variable: Any) -> Any | None:
        """Return a coordinate of the new pixels; None: there is no rule for it."""
        changes = {
            variable.dims.index(dim): positions
            for dim, positions in self.positions.items()
            if dim in variable.dims
        }
        if not changes:
            return variable
        known = {axis: values for axis, values in changes.items() if values is not None}
        if len(known) < len(changes):
            return None
        data = interpolated(variable.data if is_lazy(variable.data) else variable.values, known)
        if data is None:
            return None
        attrs = {name: value for name, value in variable.attrs.items() if name != "bounds"}
        encoding = {k: v for k, v in variable.encoding.items() if k in _OF_COORDINATE}
        return xr.Variable(variable.dims, data, attrs, encoding)

    def attributes(self, attrs: Mapping[Any, Any], *, is_on_grid: bool) -> dict[Any, Any]:
        """Return attributes with the raster's new transform and resolution, where it has them.

        Parameters
        ----------
        attrs : mapping
        is_on_grid : bool
            Whether what has them has other values than before.
        """
        is_changed = is_on_grid and bool(self.positions)
        kept = {key: value for key, value in attrs.items() if not (is_changed and is_stale(key))}
        result = {key: value for key, value in kept.items() if key not in LOCATIONS}
        for key in (key for key in LOCATIONS if key in attrs):
            value = self._located(key, attrs[key])
            if value is not None:
                result[key] = value
        # In the order in which they stood.
        return {key: result[key] for key in attrs if key in result}

    def _located(self, key: str, value: Any) -> Any:
        """Return the new value of an attribute that locates pixels; None: it has none."""
        if key == "res":
            numbers, axes = numbers_of(value, 2), self.placement.source_axes
            if numbers is None or axes is None or self.placement.steps is None:
                return value if numbers is None else None
            down, across = self.placement.steps
            # Of x first; the columns of a quarter turn run along old rows.
            along_cols, along_rows = numbers if axes == (0, 1) else numbers[::-1]
            return (along_cols * across, along_rows * down)
        if key == "gcps":
            return self._moved_points(value)
        is_text = key == "GeoTransform"
        numbers = numbers_of(str(value).split() if is_text else value)
        if numbers is None:
            return value
        # GDAL's text has x of the corner first.
        order = (1, 2, 0, 4, 5, 3) if is_text else range(6)
        a, b, c, d, e, f = (numbers[place] for place in order)
        moved = Georeference((a, b, c, d, e, f)).moved(self.placement)
        if moved is None or moved.transform is None:
            return None
        a, b, c, d, e, f = moved.transform
        if is_text:
            return " ".join(str(number) for number in (c, a, b, f, d, e))
        return moved.transform

    def _moved_points(self, value: Any) -> str | None:
        """Return rioxarray's GeoJSON of ground control points with new rows and columns."""
        try:
            document = json.loads(value)
            places = [feature["properties"] for feature in document["features"]]
            points = tuple((float(at["col"]), float(at["row"]), 0.0, 0.0, 0.0) for at in places)
            moved = Georeference(points=points).moved(self.placement)
        except (TypeError, ValueError, KeyError):
            return None
        if moved is None:
            return None
        for at, (col, row, *_) in zip(places, moved.points, strict=True):
            at |= {"row": row, "col": col}
        return json.dumps(document)


def numbers_of(value: Any, count: int = 6) -> tuple[float, ...] | None:
    """Return the numbers of an attribute; rasterio's transforms may have a third row. Else None."""
    try:
        numbers = tuple(float(number) for number in value)
    except (TypeError, ValueError):
        return None
    return numbers[:count] if len(numbers) in (count, 9) else None
