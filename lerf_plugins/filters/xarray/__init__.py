"""resize, rescale, warp and reproject of xarray's DataArrays and Datasets, by names of dimensions.

They take the place of `DataArray.interp` and ``coarsen`` on regular grids, and of rioxarray's
``reproject``, whatever the projection. Arrays of dask stay lazy
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

*Coordinates* along the resampled dimensions, where rows and columns stay such (a resize, and warps
that shift, scale and mirror): floats, dates, time differences, and integers of one dimension are
interpolated linearly between the old pixels' (and go on beyond the outermost); integers and
booleans of more, which are labels, come from the nearest pixel. All others (names, objects), the
bounds of CF, and coordinates of a single pixel that becomes several are dropped with a warning;
so is, by other warps, all that you give no ``coords`` for. Longitudes are not unwrapped. An axis
that keeps its pixels keeps its coordinates. The ``GeoTransform`` of rioxarray's ``spatial_ref``
and the attribute ``transform`` are recomputed wherever the map is affine, and so are ``gcps``;
``res`` where rows and columns stay such or exchange. GDAL's ``STATISTICS_...`` and CF's
``actual_range`` are dropped with a warning.

*Missing values.* NaN, and what the attribute ``_FillValue``, ``missing_value`` or ``nodata`` of an
array names. Beyond the border of a warp lies that value, or else NaN in floats and 0 in integers.

*Values.* Floats are taken for 0..1 unless ``value_range`` says otherwise: for measured values give
their range, or "auto" for the least and greatest, which goes through an array of dask once.
Integers of more than 16 bits are labels unless there is a ``value_range``.
"""

from typing import TYPE_CHECKING

from lerf_core.lazy import loaded_when_used

if TYPE_CHECKING:
    from lerf_plugins.filters.xarray.functions import rescale, resize, warp
    from lerf_plugins.filters.xarray.reprojecting import reproject

__all__ = ["reproject", "rescale", "resize", "warp"]

_HOMES = {
    "reproject": "reprojecting", "rescale": "functions", "resize": "functions",
    "warp": "functions",
}  # fmt: skip
__getattr__, __dir__ = loaded_when_used(__name__, _HOMES)
