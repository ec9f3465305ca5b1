"""resize, rescale and warp of xarray's DataArrays and Datasets, by names of dimensions.

They take the place of `DataArray.interp` and ``coarsen`` on regular grids, and of rioxarray's
``reproject`` to another resolution of the same projection. Arrays of dask stay lazy
(`lerf_core.chunked`).

Convention
----------
Sizes and scales are {dimension: value}, or (rows, cols) in the order of ``dims``. Pixel centres lie
at integers, and a resize keeps the centres of source and result together, so that the outline of
the grid stays where it is. Matrices act on (x, y) = (col, row).

Notes
-----
*Dimensions.* ``dims`` are rows and columns. None: the two that sizes or scales name, else ("y",
"x"), ("lat", "lon"), ("latitude", "longitude"), ("row", "col") or ("rows", "cols"), else, of a
DataArray, the last two that are not ``channel_dim``.

*Coordinates* of a resize, along the resampled dimensions: floats, dates, time differences, and
integers of one dimension are interpolated linearly between the old pixels' (and go on beyond the
outermost); integers and booleans of more, which are labels, come from the nearest pixel. All
others (names, objects), the bounds of CF, and coordinates of a single pixel that becomes several
are dropped. Longitudes are not unwrapped. An axis that keeps its length keeps its coordinates. The
``GeoTransform`` of rioxarray's ``spatial_ref`` and the attributes ``transform`` and ``res`` are
updated. After a warp the dimensions have the coordinates that you give, and no others.

*Missing values.* NaN, and what the attribute ``_FillValue``, ``missing_value`` or ``nodata`` of an
array names. Beyond the border of a warp lies that value, or else NaN in floats and 0 in integers.

*Values.* Floats are taken for 0..1 unless ``value_range`` says otherwise: for measured values give
their range, or "auto" for the least and greatest, which goes through an array of dask once.
Integers other than uint8 and uint16 are labels unless there is a ``value_range``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

import lerf_core
from lerf_core import chunked
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry import Displacement
from lerf_core.sampling.shapes import rescaled_shape
from lerf_core.validation import check_output_shape, check_scale
from lerf_plugins.filters.coordinates import interpolated, moved_transform

__all__ = ["rescale", "resize", "warp"]

Dims = tuple[Hashable, Hashable]
#: A DataArray or a Dataset: out comes what went in.
Holder = TypeVar("Holder")

_USUAL_DIMS = (
    ("y", "x"),
    ("lat", "lon"),
    ("latitude", "longitude"),
    ("row", "col"),
    ("rows", "cols"),
)
_NODATA = ("_FillValue", "missing_value", "nodata")
# What a variable's encoding says of its old shape.
_OF_SHAPE = ("chunksizes", "preferred_chunks", "chunks", "original_shape", "contiguous", "shards")
# What an interpolated coordinate keeps of its encoding: packed integers hold no halves.
_OF_COORDINATE = ("_FillValue", "calendar")
# The one variable of a DataArray that passes for a Dataset.
_LONE = "<values>"
# Options that speak of dask arrays alone.
_LAZY = ("chunks", "window_limit", "max_displacement")


def resize(
    array: Holder,
    sizes: Mapping[Any, int] | Sequence[int],
    *,
    dims: Dims | None = None,
    channel_dim: Hashable | None = None,
    value_range: tuple[float, float] | str | None = None,
    nodata: float | None = None,
    **keywords: Any,
) -> Holder:
    """Resize a DataArray, or what of a Dataset has both dimensions, to a number of pixels.

    Parameters
    ----------
    array : xarray.DataArray or xarray.Dataset
        Of a Dataset, variables with none of the dimensions stay as they are; those with one of
        them are treated as coordinates are.
    sizes : {dimension: int} or (rows, cols)
        A dimension that is not named keeps its length.
    dims : (rows, columns), optional
        Their names; see the module's notes.
    channel_dim : str, optional
        Dimension of colours. All other dimensions are gone through plane by plane.
    value_range : (float, float), "auto" or None
        See the module's notes.
    nodata : float, optional
        Missing value; None: that of the attributes.
    **keywords
        As for `lerf_core.resize`; for arrays of dask also ``chunks`` (rows, cols) and
        ``window_limit``, see `lerf_core.chunked.resize`.

    Returns
    -------
    DataArray or Dataset
        With the dtypes, names, attributes and order of dimensions of the input.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> grid = xr.DataArray(np.zeros((3, 4)), {"y": [2.0, 1, 0], "x": [0.0, 1, 2, 3]}, ("y", "x"))
    >>> resize(grid, {"y": 6, "x": 8}).y.values.tolist()
    [2.25, 1.75, 1.25, 0.75, 0.25, -0.25]
    """
    dataset, dims, shape = _opened(array, dims, sizes, channel_dim)
    out_shape = check_output_shape(_pair("sizes", sizes, dims, shape))
    scale = (out_shape[0] / shape[0], out_shape[1] / shape[1])
    values = _Values("resize", out_shape, dims, channel_dim, value_range, nodata, keywords)
    result: Holder = _like(array, _resized(dataset, values, _Grid(dims, shape, out_shape, scale)))
    return result


def rescale(
    array: Holder,
    scale: float | Mapping[Any, float] | Sequence[float],
    *,
    dims: Dims | None = None,
    channel_dim: Hashable | None = None,
    value_range: tuple[float, float] | str | None = None,
    nodata: float | None = None,
    **keywords: Any,
) -> Holder:
    """Resize a DataArray or a Dataset by a factor.

    Parameters
    ----------
    array : xarray.DataArray or xarray.Dataset
        As for `resize`, and so are all other parameters.
    scale : float, {dimension: float} or (rows, cols)
        Factor of the number of pixels: ``ceil(size * scale)`` per axis. A dimension that is not
        named keeps its length.

    Returns
    -------
    DataArray or Dataset

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> rescale(xr.DataArray(np.zeros((2, 3, 4)), dims=("time", "y", "x")), {"x": 2}).sizes["x"]
    8
    """
    dataset, dims, shape = _opened(array, dims, scale, channel_dim)
    given: Any = scale
    if not isinstance(scale, Mapping) and np.ndim(scale) == 0:
        given = (scale, scale)
    factors = check_scale(_pair("scale", given, dims, (1.0, 1.0)))
    grid = _Grid(dims, shape, rescaled_shape(shape, factors), factors)
    values = _Values("rescale", factors, dims, channel_dim, value_range, nodata, keywords)
    result: Holder = _like(array, _resized(dataset, values, grid))
    return result


def warp(
    array: Holder,
    inverse_map: npt.ArrayLike | Displacement | Callable[..., Any],
    sizes: Mapping[Any, int] | Sequence[int] | None = None,
    *,
    coords: Mapping[Any, Any] | None = None,
    dims: Dims | None = None,
    channel_dim: Hashable | None = None,
    value_range: tuple[float, float] | str | None = None,
    nodata: float | None = None,
    **keywords: Any,
) -> Holder:
    """Warp a DataArray, or what of a Dataset has both dimensions, by a map to source pixels.

    Parameters
    ----------
    array : xarray.DataArray or xarray.Dataset
        As for `resize`, and so are the parameters not described here. Variables of a Dataset
        with one of the dimensions are dropped.
    inverse_map : array_like, DataArray, Displacement or callable
        Where each output pixel lies in the source, in pixels: see `lerf_core.warp`.
    sizes : {dimension: int} or (rows, cols), optional
        Of the result; None: that of the map's positions, or else those of the array.
    coords : dict, optional
        Coordinates of the result, as for `DataArray.assign_coords`. Those of the array along
        its dimensions are dropped, as they say nothing of the result's pixels; so is what
        ``GeoTransform``, ``transform`` and ``res`` say.
    **keywords
        As for `lerf_core.warp`; for arrays of dask also ``chunks``, ``window_limit`` and
        ``max_displacement``, see `lerf_core.chunked.warp`. ``cval`` is the missing value unless
        given, see the module's notes.

    Returns
    -------
    DataArray or Dataset

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> grid = xr.DataArray(np.arange(12.0).reshape(3, 4), dims=("y", "x"))
    >>> warp(grid, [[1, 0, 2], [0, 1, 0]], method="nearest").values[0].tolist()
    [2.0, 3.0, nan, nan]
    """
    dataset, dims, shape = _opened(array, dims, sizes, channel_dim)
    if sizes is not None:
        keywords["output_shape"] = check_output_shape(_pair("sizes", sizes, dims, shape))
    if isinstance(inverse_map, xr.DataArray):
        inverse_map = inverse_map.data
    values = _Values("warp", inverse_map, dims, channel_dim, value_range, nodata, keywords)
    new = {
        name: values.resampled(name, variable)
        for name, variable in dataset.data_vars.items()
        if set(dims) <= set(variable.dims)
    }
    dataset = _assembled(dataset, dims, new, coords or {}, _without_location)
    result: Holder = _like(array, dataset)
    return result


# -- the grid -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
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
        data = interpolated(variable.data if _is_lazy(variable.data) else variable.values, axes)
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


def _resized(dataset: Any, values: _Values, grid: _Grid) -> Any:
    """Return a Dataset with all that lies on the grid resized."""
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
        elif name not in bounds or not set(grid.changes) & set(variable.dims):
            new[name] = grid.coordinate(variable)
    data = {name: variable for name, variable in new.items() if variable is not None}
    coords = {name: data.pop(name) for name in list(data) if name in dataset.coords}
    return _assembled(dataset, grid.dims, data, coords, grid.attributes)


def _assembled(
    dataset: Any,
    dims: Dims,
    data: Mapping[Hashable, Any],
    coords: Mapping[Any, Any],
    attributes: Callable[[Mapping[Any, Any]], dict[Any, Any]],
) -> Any:
    """Return a Dataset with new data and coordinates for all that had one of the dimensions."""
    touched = [
        name for name, variable in dataset.variables.items() if set(dims) & set(variable.dims)
    ]
    result = dataset.drop_vars(touched).assign(data).assign_coords(coords)
    # New variables: those that nothing else changes are the input's own.
    for name, variable in list(result.variables.items()):
        attrs = attributes(variable.attrs)
        if set(attrs) != set(variable.attrs) or any(
            attrs[key] is not value for key, value in variable.attrs.items()
        ):
            new = {name: xr.Variable(variable.dims, variable.data, attrs, variable.encoding)}
            result = result.assign_coords(new) if name in result.coords else result.assign(new)
    order = [name for name in dataset.data_vars if name in result.data_vars]
    variables = {name: result.variables[name] for name in order}
    return xr.Dataset(variables, coords=result.coords, attrs=attributes(dataset.attrs))


def _without_location(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return attributes without those that say where pixels lie."""
    return {k: v for k, v in attrs.items() if k not in ("GeoTransform", "transform", "res")}


# -- values -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Values:
    """How the values of variables are resampled: a function of lerf_core and its arguments."""

    function: str
    argument: Any
    dims: Dims
    channel_dim: Hashable | None
    value_range: tuple[float, float] | str | None
    nodata: float | None
    keywords: Mapping[str, Any]

    def resampled(self, name: Hashable, variable: Any) -> Any:
        """Return the resampled variable, its dimensions in order."""
        channels = [self.channel_dim] if self.channel_dim in variable.dims else []
        order = [dim for dim in variable.dims if dim not in (*self.dims, *channels)]
        order += [*self.dims, *channels]
        data = variable.transpose(*order).data
        axis = -1 if channels else None
        # An axis in front keeps three columns from being taken for colours.
        has_new_axis = axis is None and data.ndim == 3
        try:
            result = self._called(data[None] if has_new_axis else data, axis, variable.attrs)
        except InvalidTypeError as error:
            subject = "" if name == _LONE else f"variable {name!r}: "
            raise InvalidTypeError(f"{subject}{error}") from error
        encoding = {k: v for k, v in variable.encoding.items() if k not in _OF_SHAPE}
        result = result[0] if has_new_axis else result
        return xr.Variable(order, result, variable.attrs, encoding).transpose(*variable.dims)

    def _called(self, data: Any, channel_axis: int | None, attrs: Mapping[Any, Any]) -> Any:
        """Call the function for an array whose rows and columns are the last axes but channels."""
        nodata = _missing(attrs, data.dtype) if self.nodata is None else self.nodata
        options: dict[str, Any] = {**self.keywords, "channel_axis": channel_axis, "nodata": nodata}
        options["value_range"] = self._range(data, nodata)
        if self.function == "warp" and "cval" not in options:
            channels = 1 if channel_axis is None else data.shape[channel_axis]
            options["cval"] = _border_value(
                data.dtype, channels, nodata, options.get("alpha", "auto")
            )
        if _is_lazy(data):
            return getattr(chunked, self.function)(data, self.argument, **options)
        options = {name: value for name, value in options.items() if name not in _LAZY}
        return getattr(lerf_core, self.function)(np.asarray(data), self.argument, **options)

    def _range(self, data: Any, nodata: float | None) -> tuple[float, float] | None:
        """Return the value range of an array; "auto" computes one of dask."""
        if not isinstance(self.value_range, str):
            return self.value_range
        if self.value_range != "auto":
            raise InvalidArgumentError(
                f"value_range must be (low, high), 'auto' or None, got {self.value_range!r}"
            )
        is_valid = np.isfinite(data) if nodata is None else np.isfinite(data) & (data != nodata)
        select: Any = da.where if _is_lazy(data) else np.where
        ends = select(is_valid, data, np.inf).min(), select(is_valid, data, -np.inf).max()
        compute: Any = da.compute  # which has no types
        low, high = (float(end) for end in (compute(*ends) if _is_lazy(data) else ends))
        # Nothing valid, or all the same: any range will do.
        return (low, high) if low < high else (low, low + 1) if low == high else None


def _is_lazy(data: Any) -> bool:
    return isinstance(data, da.Array)


def _missing(attrs: Mapping[Any, Any], dtype: np.dtype[Any]) -> float | None:
    """Return the missing value of attributes if the dtype can hold it; NaN is missing anyway."""
    for name in _NODATA:
        value = np.asarray(attrs.get(name))
        if value.size == 1 and value.dtype.kind in "iuf":
            number = value.item()
            if np.isfinite(number) and (dtype.kind == "f" or _holds(dtype, number)):
                return float(number)
    return None


def _holds(dtype: np.dtype[Any], number: float) -> bool:
    info = np.iinfo(dtype) if dtype.kind in "iu" else None
    return info is not None and info.min <= number <= info.max and float(number).is_integer()


def _border_value(dtype: np.dtype[Any], channels: int, nodata: float | None, alpha: str) -> float:
    """Return what lies beyond a warp's border: transparency, the missing value, NaN, or else 0."""
    transparent = channels in (2, 4) and alpha != "separate"
    if transparent or alpha == "premultiply":
        return 0.0
    if nodata is not None:
        return nodata
    return float("nan") if dtype.kind == "f" else 0.0


# -- what is given ------------------------------------------------------------------------


def _opened(
    array: Any, dims: Dims | None, named: Any, channel_dim: Hashable | None
) -> tuple[Any, Dims, tuple[int, int]]:
    """Return an array as a Dataset, the names of its rows and columns, and their lengths.

    A DataArray becomes a Dataset of a single variable. `named` are the sizes or scales that may
    name dimensions.
    """
    dataset = array
    if isinstance(array, xr.DataArray):
        dataset = array.to_dataset(name=_LONE)
    elif not isinstance(array, xr.Dataset):
        raise InvalidTypeError(
            f"array must be an xarray DataArray or Dataset, got {type(array).__name__}"
        )
    rows, cols = _dims_of(array, dims, named, channel_dim)
    return dataset, (rows, cols), (dataset.sizes[rows], dataset.sizes[cols])


def _like(array: Any, result: Any) -> Any:
    """Return a result as what it was given as."""
    if isinstance(array, xr.Dataset):
        result.encoding = array.encoding
        return result
    return result[_LONE].rename(array.name)


def _dims_of(array: Any, dims: Any, named: Any, channel_dim: Hashable | None) -> Dims:
    """Return the names of rows and columns; see the module's notes."""
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


def _pair(name: str, value: Any, dims: Dims, default: Sequence[Any]) -> tuple[Any, ...]:
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
