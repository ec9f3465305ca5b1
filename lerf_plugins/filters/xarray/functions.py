"""resize, rescale and warp of DataArrays and Datasets."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from lerf_core.geometry import Displacement
from lerf_core.geometry.maps import as_inverse_map
from lerf_core.geometry.placement import Placement
from lerf_core.sampling.shapes import rescaled_shape
from lerf_core.validation import check_output_shape, check_scale
from lerf_plugins.filters.xarray.datasets import resampled
from lerf_plugins.filters.xarray.dimensions import (
    Dims,
    as_dataset,
    in_form_of,
    is_lazy,
    sides_of,
)
from lerf_plugins.filters.xarray.grid import Grid
from lerf_plugins.filters.xarray.variables import VariableResampling

__all__ = ["rescale", "resize", "warp"]

#: A DataArray or a Dataset: out comes what went in.
Holder = TypeVar("Holder")


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
        Their names; see the notes of `lerf_plugins.filters.xarray`.
    channel_dim : str, optional
        Dimension of colours. All other dimensions are gone through plane by plane.
    value_range : (float, float), "auto" or None
        See the notes of `lerf_plugins.filters.xarray`.
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
    dataset, dims, shape = as_dataset(array, dims, sizes, channel_dim)
    out_shape = check_output_shape(sides_of("sizes", sizes, dims, shape))
    scale = (out_shape[0] / shape[0], out_shape[1] / shape[1])
    values = VariableResampling(
        "resize", out_shape, dims, channel_dim, value_range, nodata, keywords
    )
    result: Holder = in_form_of(
        array, resampled(dataset, values, Grid.of_resize(dims, shape, out_shape, scale))
    )
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
    dataset, dims, shape = as_dataset(array, dims, scale, channel_dim)
    given: Any = scale
    if not isinstance(scale, Mapping) and np.ndim(scale) == 0:
        given = (scale, scale)
    factors = check_scale(sides_of("scale", given, dims, (1.0, 1.0)))
    grid = Grid.of_resize(dims, shape, rescaled_shape(shape, factors), factors)
    values = VariableResampling(
        "rescale", factors, dims, channel_dim, value_range, nodata, keywords
    )
    result: Holder = in_form_of(array, resampled(dataset, values, grid))
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
        As for `resize`, and so are the parameters not described here.
    inverse_map : array_like, DataArray, Displacement or callable
        Where each output pixel lies in the source, in pixels: see `lerf_core.warp`.
    sizes : {dimension: int} or (rows, cols), optional
        Of the result; None: that of the map's positions, or else those of the array.
    coords : dict, optional
        Coordinates of the result, as for `DataArray.assign_coords`. None: those of the array, where
        its rows and columns stay such (shifts, scales, mirrors); else they are dropped, as they
        say nothing of the result's pixels, with a warning.
    **keywords
        As for `lerf_core.warp`; for arrays of dask also ``chunks``, ``window_limit`` and
        ``max_displacement``, see `lerf_core.chunked.warp`. ``cval`` is the missing value unless
        given, see the notes of `lerf_plugins.filters.xarray`.

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
    dataset, dims, shape = as_dataset(array, dims, sizes, channel_dim)
    if sizes is not None:
        keywords["output_shape"] = check_output_shape(sides_of("sizes", sizes, dims, shape))
    if isinstance(inverse_map, xr.DataArray):
        inverse_map = inverse_map.data
    values = VariableResampling(
        "warp", inverse_map, dims, channel_dim, value_range, nodata, keywords
    )
    placement = _placement(inverse_map, shape, keywords.get("output_shape"))
    dataset = resampled(dataset, values, Grid.of_warp(dims, placement), coords or {})
    result: Holder = in_form_of(array, dataset)
    return result


def _placement(inverse_map: Any, shape: tuple[int, int], out_shape: Any) -> Placement:
    """Return where the pixels of a warp's result lie; of dask's positions that is not asked."""
    field = inverse_map.field if isinstance(inverse_map, Displacement) else inverse_map
    if is_lazy(field):
        return Placement(None, shape, shape)
    mapping, after = as_inverse_map(inverse_map, shape, out_shape)
    return Placement(mapping.affine(), shape, after)
