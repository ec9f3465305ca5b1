"""The grid of a raster that is resized: its coordinates, and the attributes that locate it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from lerf_plugins.filters.xarray.dimensions import Dims, is_lazy
from lerf_plugins.filters.xarray.grid_coordinates import interpolated, moved_transform

__all__ = ["Grid"]

# What an interpolated coordinate keeps of its encoding: packed integers hold no halves.
_OF_COORDINATE = ("_FillValue", "calendar")


@dataclass(frozen=True)
class Grid:
    """What a resize does to rows and columns."""

    dims: Dims
    shape: tuple[int, int]
    out_shape: tuple[int, int]
    scale: tuple[float, float]

    @property
    def changes(self) -> dict[Hashable, tuple[int, float]]:
        """New length and factor of each dimension that is resampled."""
        sides = zip(self.dims, self.shape, self.out_shape, self.scale, strict=True)
        return {dim: (new, factor) for dim, old, new, factor in sides if (new, factor) != (old, 1)}

    def coordinate(self, variable: Any) -> Any | None:
        """Return a coordinate of the new pixels; None: there is no rule for it."""
        axes = {
            variable.dims.index(dim): change
            for dim, change in self.changes.items()
            if dim in variable.dims
        }
        if not axes:
            return variable
        data = interpolated(variable.data if is_lazy(variable.data) else variable.values, axes)
        if data is None:
            return None
        attrs = {name: value for name, value in variable.attrs.items() if name != "bounds"}
        encoding = {k: v for k, v in variable.encoding.items() if k in _OF_COORDINATE}
        return xr.Variable(variable.dims, data, attrs, encoding)

    def attributes(self, attrs: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return attributes with the raster's new transform and resolution."""
        result = dict(attrs)
        numbers = _numbers(str(attrs.get("GeoTransform")).split())
        if numbers is not None:
            c, a, b, f, d, e = numbers
            a, b, c, d, e, f = self._moved((a, b, c, d, e, f))
            result["GeoTransform"] = " ".join(str(number) for number in (c, a, b, f, d, e))
        numbers = _numbers(attrs.get("transform"))
        if numbers is not None:
            result["transform"] = self._moved(numbers)
        numbers = _numbers(attrs.get("res"), 2)
        if numbers is not None:
            result["res"] = (numbers[0] / self.scale[1], numbers[1] / self.scale[0])
        return result

    def _moved(self, numbers: tuple[float, ...]) -> tuple[float, ...]:
        return moved_transform(numbers, self.shape, self.out_shape, self.scale)


def _numbers(value: Any, count: int = 6) -> tuple[float, ...] | None:
    """Return the numbers of an attribute; rasterio's transforms may have a third row. Else None."""
    try:
        numbers = tuple(float(number) for number in value)
    except (TypeError, ValueError):
        return None
    return numbers[:count] if len(numbers) in (count, 9) else None
