"""Rasters of xarray in another map projection, as rioxarray and odc-geo say where they lie."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry.coordinate_systems import described_axes, described_system, named_system
from lerf_core.geometry.interpolated import DEFAULT_MAX_ERROR
from lerf_core.geometry.output_grids import Bounds, GridRequest, PlacedImage, suggested_grid
from lerf_core.geometry.placement import Placement
from lerf_core.geometry.reprojection import Grid as EarthGrid
from lerf_core.geometry.reprojection import Reprojection, Transform, affine_between
from lerf_core.validation import check_output_shape
from lerf_plugins.filters.xarray.datasets import resampled
from lerf_plugins.filters.xarray.dimensions import Dims, as_dataset, in_form_of, sides_of
from lerf_plugins.filters.xarray.grid import Grid, numbers_of
from lerf_plugins.filters.xarray.variables import VariableResampling

__all__ = ["reproject"]

#: A DataArray or a Dataset: out comes what went in.
Holder = TypeVar("Holder")

# What holds the system where no variable names another: of rioxarray and odc-geo.
_SYSTEM = "spatial_ref"
_SYSTEM_TEXTS = ("crs_wkt", "spatial_ref")
# Parts of a pixel that coordinates may be off an even step.
_UNEVEN = 1e-3


def reproject(
    array: Holder,
    crs: Any = None,
    *,
    resolution: float | tuple[float, float] | None = None,
    bounds: Bounds | None = None,
    sizes: Mapping[Any, int] | Sequence[int] | None = None,
    like: Any = None,
    from_crs: Any = None,
    max_error: float = DEFAULT_MAX_ERROR,
    dims: Dims | None = None,
    channel_dim: Hashable | None = None,
    value_range: tuple[float, float] | str | None = None,
    nodata: float | None = None,
    **keywords: Any,
) -> Holder:
    """Bring a DataArray, or what of a Dataset has both dimensions, to another map projection.

    Needs pyproj (``lerf[geo]``).

    Parameters
    ----------
    array : xarray.DataArray or xarray.Dataset
        As for `warp`. Its system stands in the variable that ``grid_mapping`` names, else in
        ``spatial_ref``, as ``crs_wkt`` or ``spatial_ref``, or in its attribute ``crs``. Where it
        lies say evenly spaced coordinates of pixels' centres, or else ``GeoTransform``.
    crs : str, int or object, optional
        Whatever pyproj takes: "EPSG:3857", 3857, a CRS. May be left out where `like` has one.
    resolution : float or (x, y), optional
        Sides of a pixel, in the units of `crs`. None: as many pixels along the diagonal as `array`
        has.
    bounds : (west, south, east, north), optional
        Of the result, in the units of `crs`. None: those that hold all of it.
    sizes : {dimension: int} or (rows, cols), optional
    like : DataArray, Dataset, lerf_core.geometry.Grid or odc.geo's GeoBox, optional
        What has the grid that the result shall have.
    from_crs : str, int or object, optional
        System of `array`, in place of what it says of itself.
    max_error : float, optional
        See `lerf_core.geometry.Reprojection`: in pixels of `array`.
    **keywords
        As for `warp`. Beyond the array's outline lies the missing value, or else NaN in floats
        and 0 in integers.

    Returns
    -------
    DataArray or Dataset
        With the same names of dimensions; coordinates of pixels' centres, and a variable
        ``spatial_ref`` (or of the name that was there) with the system and ``GeoTransform``. Arrays
        of dask stay lazy.

    Raises
    ------
    InvalidArgumentError
        If it is not known where the array lies, there is no such system, or nothing of the array
        has a place in it.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> height = xr.DataArray(
    ...     np.ones((40, 60)),
    ...     {"lat": 47 - 0.01 * np.arange(40), "lon": 6 + 0.01 * np.arange(60)},
    ...     ("lat", "lon"),
    ... )
    >>> reproject(height, "EPSG:32632", resolution=1000, from_crs="EPSG:4326").shape
    (46, 47)
    """
    dataset, dims, shape = as_dataset(array, dims, sizes, channel_dim)
    name = _system_name(dataset, dims)
    source = _grid_of(dataset, dims, name, from_crs)
    if like is not None:
        if not (resolution is None and bounds is None and sizes is None):
            raise InvalidArgumentError("like has a grid: resolution, bounds and sizes do not go")
        target = _grid_like(like)
        if crs is not None and named_system(crs) != target.system:
            raise InvalidArgumentError(f"like is not in {crs}")
    elif crs is None:
        raise InvalidArgumentError("reproject wants a crs, or something to be like")
    else:
        size = None
        if sizes is not None:
            rows, cols = check_output_shape(sides_of("sizes", sizes, dims, shape))
            size = (cols, rows)
        pair = (resolution, resolution) if isinstance(resolution, (int, float)) else resolution
        request = GridRequest(named_system(crs), pair, bounds, size)
        image = PlacedImage(source.system, source.placing, source.shape)
        target, _ = suggested_grid(image, request)
    inverse: Any = affine_between(source, target)
    if inverse is None:
        inverse = Reprojection(
            source.system, source.placing, source.shape, target, max_error=max_error
        )
        if inverse.goes_around:
            keywords.setdefault("mode", "edge")
    values = VariableResampling(
        "warp", inverse, dims, channel_dim, value_range, nodata,
        {**keywords, "output_shape": target.shape},
    )  # fmt: skip
    grid = _NewGrid(dims, Placement(None, shape, target.shape), dict.fromkeys(dims), target)
    result = resampled(dataset, values, grid, grid.coords(name), stacklevel=3)
    for key, variable in result.data_vars.items():
        if set(dims) <= set(variable.dims) and "grid_mapping" not in variable.attrs:
            result[key].encoding["grid_mapping"] = str(name)
    final: Holder = in_form_of(array, result)
    return final


@dataclass(frozen=True)
class _NewGrid(Grid):
    """The grid of a reprojected raster; see `lerf_plugins.filters.xarray.grid.Grid`.

    Attributes
    ----------
    target : lerf_core.geometry.Grid
    """

    target: EarthGrid

    def _located(self, key: str, value: Any) -> Any:  # noqa: ARG002 - another grid has another
        """Return the new value of an attribute that locates pixels; None: it has none."""
        a, b, c, d, e, f = self.target.transform
        if key == "GeoTransform":
            return " ".join(map(repr, (c, a, b, f, d, e)))
        new: dict[str, Any] = {"transform": self.target.transform, "res": (abs(a), abs(e))}
        return new.get(key)

    def coords(self, name: Hashable) -> dict[Hashable, Any]:
        """Return the coordinates of the result: its pixels' centres, and its system."""
        a, b, c, d, e, f = self.target.transform
        system = described_system(self.target.system)
        system["spatial_ref"] = system["crs_wkt"]
        coords: dict[Hashable, Any] = {
            name: xr.Variable((), 0, system | {"GeoTransform": self._located("GeoTransform", None)})
        }
        if not b and not d:
            rows, cols = self.target.shape
            x, y = c + a * (np.arange(cols) + 0.5), f + e * (np.arange(rows) + 0.5)
            axes = described_axes(self.target.system)
            for dim, values, attrs in zip(self.dims, (y, x), axes, strict=True):
                coords[dim] = xr.Variable((dim,), values, attrs)
        return coords


# -- where rasters lie --------------------------------------------------------------------


def _system_name(dataset: Any, dims: Dims) -> Hashable:
    """Return the name of the variable that has the system; what it is to be, where none has."""
    names = []
    for variable in dataset.data_vars.values():
        named = variable.attrs.get("grid_mapping", variable.encoding.get("grid_mapping"))
        if set(dims) <= set(variable.dims) and named is not None:
            # CF may name coordinates behind a colon.
            names.append(str(named).split(":")[0].strip())
    there = [name for name in names if name in dataset.variables]
    return (there or names or [_SYSTEM])[0]


def _grid_of(dataset: Any, dims: Dims, name: Hashable, from_crs: Any) -> EarthGrid:
    """Return the grid that a raster lies on."""
    attrs = dataset.variables[name].attrs if name in dataset.variables else {}
    rows, cols = dims
    shape = (dataset.sizes[rows], dataset.sizes[cols])
    holders = [dataset.attrs, *(variable.attrs for variable in dataset.data_vars.values())]
    texts = [attrs.get(key) for key in _SYSTEM_TEXTS] + [holder.get("crs") for holder in holders]
    system = next((text for text in (from_crs, *texts) if text is not None), None)
    if system is None:
        raise InvalidArgumentError(
            f"the array says in no {name!r} and no attribute 'crs' which system it is in: give "
            "from_crs"
        )
    return EarthGrid(system, _transform_of(dataset, dims, attrs), shape)


def _transform_of(dataset: Any, dims: Dims, attrs: Mapping[Any, Any]) -> Transform:
    """Return the transform of coordinates, or else the stated one."""
    ends = [_even_step(dataset, dim) for dim in dims]
    (f, e), (c, a) = ((None, None) if end is None else end for end in ends)
    if a is not None and e is not None and c is not None and f is not None:
        return (a, 0.0, c, 0.0, e, f)
    numbers = numbers_of(str(attrs.get("GeoTransform", "")).split())
    if numbers is None:
        raise InvalidArgumentError(
            f"dimensions {dims} have no evenly spaced coordinates, and there is no GeoTransform"
        )
    c, a, b, f, d, e = numbers
    return (a, b, c, d, e, f)


def _even_step(dataset: Any, dim: Hashable) -> tuple[float, float] | None:
    """Return where the pixels of a dimension begin, and their step; None: nothing says so."""
    if dim not in dataset.variables or dataset.sizes[dim] < 2:
        return None
    values = np.asarray(dataset.variables[dim].values)
    if values.dtype.kind not in "iuf":
        return None
    values = values.astype(np.float64)
    step = float(values[-1] - values[0]) / (len(values) - 1)
    line = values[0] + step * np.arange(len(values))
    if not step or np.abs(values - line).max() > _UNEVEN * abs(step):
        raise InvalidArgumentError(f"coordinates of {dim!r} are not evenly spaced")
    return float(values[0]) - step / 2, step


def _grid_like(like: Any) -> EarthGrid:
    """Return the grid of what a result shall be like."""
    if isinstance(like, EarthGrid):
        return like
    if isinstance(like, (xr.DataArray, xr.Dataset)):
        dataset, dims, _ = as_dataset(like, None, None, None)
        return _grid_of(dataset, dims, _system_name(dataset, dims), None)
    try:
        a, b, c, d, e, f = tuple(like.affine)[:6]
        return EarthGrid(str(like.crs), (a, b, c, d, e, f), tuple(like.shape))
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidArgumentError(f"like has no grid: {type(like).__name__}") from error
