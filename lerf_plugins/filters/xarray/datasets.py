"""Datasets of which what lies on a grid is resampled."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import xarray as xr

from lerf_plugins.filters.xarray.dimensions import Dims
from lerf_plugins.filters.xarray.grid import LOCATIONS, Grid, is_stale
from lerf_plugins.filters.xarray.variables import VariableResampling

__all__ = ["resampled"]


def resampled(
    dataset: Any,
    values: VariableResampling,
    grid: Grid,
    given: Mapping[Any, Any] | None = None,
    *,
    stacklevel: int = 3,
) -> Any:
    """Return a Dataset with all that lies on the grid resampled, and coordinates that are given.

    `stacklevel` is that of the caller's caller, whom a warning names what is dropped.
    """
    coordinates = [dataset.variables[name] for name in dataset.coords]
    bounds = {
        variable.attrs.get("bounds", variable.encoding.get("bounds")) for variable in coordinates
    }
    new: dict[Hashable, Any] = {}
    for name, variable in dataset.variables.items():
        if not set(grid.dims) & set(variable.dims):
            continue
        if name in dataset.data_vars and set(grid.dims) <= set(variable.dims):
            new[name] = values.resampled(name, variable)
        elif name not in bounds or not set(grid.positions) & set(variable.dims):
            new[name] = grid.coordinate(variable)
    data = {name: variable for name, variable in new.items() if variable is not None}
    coords = {name: data.pop(name) for name in list(data) if name in dataset.coords}
    result = _assembled(dataset, grid.dims, data, coords | dict(given or {}), grid.attributes)
    _warn_of_dropped(dataset, result, stacklevel + 1)
    return result


def _warn_of_dropped(dataset: Any, result: Any, stacklevel: int) -> None:
    """Name the variables and attributes that say nothing of the new pixels."""
    lost = [str(name) for name in dataset.variables if name not in result.variables]
    holders = [(dataset.attrs, result.attrs)] + [
        (variable.attrs, result.variables[name].attrs)
        for name, variable in dataset.variables.items()
        if name in result.variables
    ]
    lost += sorted({
        str(key) for before, after in holders for key in before
        if key not in after and (key in LOCATIONS or is_stale(key))
    })  # fmt: skip
    if lost:
        warnings.warn(
            f"dropped, since they say nothing of the new pixels: {', '.join(lost)}",
            stacklevel=stacklevel,
        )


def _assembled(
    dataset: Any,
    dims: Dims,
    data: Mapping[Hashable, Any],
    coords: Mapping[Any, Any],
    attributes: Callable[..., dict[Any, Any]],
) -> Any:
    """Return a Dataset with new data and coordinates for all that had one of the dimensions."""
    touched = [
        name for name, variable in dataset.variables.items() if set(dims) & set(variable.dims)
    ]
    result = dataset.drop_vars(touched).assign(data).assign_coords(coords)
    # New variables: those that nothing else changes are the input's own.
    for name, variable in list(result.variables.items()):
        attrs = attributes(variable.attrs, is_on_grid=name in touched)
        if set(attrs) != set(variable.attrs) or any(
            attrs[key] is not value for key, value in variable.attrs.items()
        ):
            new = {name: xr.Variable(variable.dims, variable.data, attrs, variable.encoding)}
            result = result.assign_coords(new) if name in result.coords else result.assign(new)
    order = [name for name in dataset.data_vars if name in result.data_vars]
    variables = {name: result.variables[name] for name in order}
    return xr.Dataset(
        variables, coords=result.coords, attrs=attributes(dataset.attrs, is_on_grid=False)
    )
