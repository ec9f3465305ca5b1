"""What is given, as a Dataset: the names of its rows and columns, and their sizes or scales."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import dask.array as da
import xarray as xr

from lerf_core.errors import InvalidArgumentError, InvalidTypeError

__all__ = ["ARRAY_NAME", "Dims", "as_dataset", "in_form_of", "is_lazy", "sides_of"]

Dims = tuple[Hashable, Hashable]

#: The one variable of a DataArray that passes for a Dataset.
ARRAY_NAME = "<values>"
_USUAL_DIMS = (
    ("y", "x"),
    ("lat", "lon"),
    ("latitude", "longitude"),
    ("row", "col"),
    ("rows", "cols"),
)


def is_lazy(data: Any) -> bool:
    """Whether an array is one of dask."""
    return isinstance(data, da.Array)


def as_dataset(
    array: Any, dims: Dims | None, named: Any, channel_dim: Hashable | None
) -> tuple[Any, Dims, tuple[int, int]]:
    """Return an array as a Dataset, the names of its rows and columns, and their lengths.

    A DataArray becomes a Dataset of a single variable. `named` are the sizes or scales that may
    name dimensions.
    """
    dataset = array
    if isinstance(array, xr.DataArray):
        dataset = array.to_dataset(name=ARRAY_NAME)
    elif not isinstance(array, xr.Dataset):
        raise InvalidTypeError(
            f"array must be an xarray DataArray or Dataset, got {type(array).__name__}"
        )
    rows, cols = _dims_of(array, dims, named, channel_dim)
    return dataset, (rows, cols), (dataset.sizes[rows], dataset.sizes[cols])


def in_form_of(array: Any, result: Any) -> Any:
    """Return a result as what it was given as."""
    if isinstance(array, xr.Dataset):
        result.encoding = array.encoding
        return result
    return result[ARRAY_NAME].rename(array.name)


def _dims_of(array: Any, dims: Any, named: Any, channel_dim: Hashable | None) -> Dims:
    """Return the names of rows and columns; see the notes of `lerf_plugins.filters.xarray`."""
    present = list(array.dims)
    if channel_dim is not None and channel_dim not in present:
        raise InvalidArgumentError(f"channel_dim must be one of {present}, got {channel_dim!r}")
    if dims is None:
        names = list(named) if isinstance(named, Mapping) else []
        dims = _guessed(array, present, names, channel_dim)
    if isinstance(dims, str) or len(set(dims)) != 2 or not set(dims) <= set(present):
        raise InvalidArgumentError(f"dims must be two of {present}, got {dims!r}")
    first, second = dims
    if channel_dim in (first, second):
        raise InvalidArgumentError(f"channel_dim {channel_dim!r} is one of dims {dims!r}")
    return first, second


def _guessed(array: Any, present: list[Any], names: list[Any], channel_dim: Any) -> Any:
    """Return the rows and columns of an array whose sizes or scales name some dimensions."""
    for pair in _USUAL_DIMS:
        if set(pair) <= set(present) and set(names) <= set(pair):
            return pair
    if len(names) == 2:
        return [dim for dim in present if dim in names] + [name for name in names
                if name not in present]  # fmt: skip
    if isinstance(array, xr.Dataset):
        raise InvalidArgumentError(f"dims of a Dataset with {present} cannot be told: name them")
    return [dim for dim in present if dim != channel_dim][-2:]


def sides_of(name: str, value: Any, dims: Dims, default: Sequence[Any]) -> tuple[Any, ...]:
    """Return the values of rows and columns; `default` is for those that are not named."""
    if isinstance(value, Mapping):
        if not value or not set(value) <= set(dims):
            raise InvalidArgumentError(f"{name} must name some of {dims}, got {dict(value)!r}")
        return tuple(value.get(dim, old) for dim, old in zip(dims, default, strict=True))
    try:
        rows, cols = value
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{name} must be {{dimension: value}} or (rows, cols), got {value!r}"
        ) from error
    return rows, cols
