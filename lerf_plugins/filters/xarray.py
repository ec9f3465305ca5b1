"""resize, rescale and warp of xarray's DataArrays and Datasets, by names of dimensions.

They take the place of `DataArray.interp` and ``coarsen`` on a regular grid, and of rioxarray's
``reproject`` to another resolution of the same projection. Arrays of dask stay lazy
(`lerf_core.chunked`).

Convention
----------
Sizes and scales are {dimension: value}, or (rows, cols) in the order of ``dims``. Pixel centres lie
at integers, and a resize keeps the centres of source and result together, so that the outline of
the grid stays where it is. Matrices act on (x, y) = (cols, rows).

Notes
-----
*Dimensions.* ``dims`` are rows and columns. None: the two that sizes or scales name, else ("y", "x"),
("lat", "lon"), ("latitude", "longitude"), ("row", "col") or ("rows", "cols"), else the last two
(of a DataArray).

*Coordinates* of a resize, along the resampled dimensions: floats, dates and time differences, and
integers of one dimension are interpolated linearly between the old pixels' (and go on beyond the
outermost); integers and booleans of two dimensions, which are labels, come from the nearest pixel.
All others (names, objects), CF's bounds, and coordinates of a dimension of one pixel that
becomes more are dropped. Longitudes are not unwrapped. An axis that keeps its length keeps its
coordinates. The ``GeoTransform`` of rioxarray's ``spatial_ref`` and the attributes ``transform`` and
``res`` are updated. After a warp the coordinates of its dimensions are those that you give, and
there is none of these.

*Missing values.* NaN are, and what an integer or float array's attribute ``_FillValue``,
``missing_value`` or ``nodata`` names. Beyond the border of a warp lies such a value too, where
there is one: NaN for floats.

*Values.* Floats are taken for 0..1 unless ``value_range`` says otherwise: for measured values give
the range, or "auto" for the least and the greatest (which goes through an array of dask once).
Integers other than uint8 and uint16 are labels unless there is a ``value_range``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar, Unpack

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

import lerf_core
from lerf_core import chunked
from lerf_core.chunked import Keywords
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry import Displacement
from lerf_core.taps import axis_positions, rescaled_shape

__all__ = ["rescale", "resize", "warp"]

Dims = tuple[Hashable, Hashable]
Pair = Sequence[Any] | Mapping[Any, Any]
#: A DataArray or a Dataset: out comes what went in.
Holder = TypeVar("Holder")
Floats = npt.NDArray[np.float64]

_KNOWN = (("y", "x"), ("lat", "lon"), ("latitude", "longitude"), ("row", "col"), ("rows", "cols"))
_NODATA = ("_FillValue", "missing_value", "nodata")
# What a variable's encoding says of its old shape.
_OF_SHAPE = ("chunksizes", "preferred_chunks", "chunks", "original_shape", "contiguous", "shards")
# Coordinates this close to a straight line (relative to their extent) are one.
_STRAIGHT = {"f": 1e-6, "i": 0.0, "u": 0.0, "M": 0.0, "m": 0.0}


def resize(
    array: Holder,
    sizes: Pair,
    *,
    dims: Dims | None = None,
    channel_dim: Hashable | None = None,
    value_range: tuple[float, float] | str | None = None,
    nodata: float | None = None,
    **keywords: Any,
) -> Holder:
    """Resize a DataArray, or what of a Dataset has both dimensions, to numbers of pixels.

    Parameters
    ----------
    array : xarray.DataArray or xarray.Dataset
        Of a Dataset, variables with none of the dimensions stay as they are; those with one are
        treated as coordinates are.
    sizes : {dimension: int}, or (rows, cols)
        A dimension that is not named keeps its length.
    dims : (rows, columns), optional
        Names; see the module's notes.
    channel_dim : str, optional
        Dimension of colours. All other dimensions are gone through plane by plane.
    value_range : (float, float), "auto" or None
        See the module's notes.
    nodata : float, optional
        Missing value; None: that of the attributes.
    **keywords
        As for `lerf_core.resize`; ``chunks`` and ``window_limit``, as for
        `lerf_core.chunked.resize`, for arrays of dask.

    Returns
    -------
    DataArray or Dataset
        With dtypes, names, attributes and the order of dimensions.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> grid = xr.DataArray(np.zeros((3, 4)), {"y": [2.0, 1, 0], "x": [0.0, 1, 2, 3]})
    >>> finer = resize(grid, {"y": 6, "x": 8})
    >>> finer.y.values.tolist()
    [2.25, 1.75, 1.25, 0.75, 0.25, -0.25]
    """
    grid = _Grid.of(array, dims, sizes)
    wanted = _pair("sizes", sizes, grid)
    shape = tuple(old if new is None else new for old, new in zip(grid.shape, wanted, strict=True))
    factors = tuple(new / old if _is_size(new) else new for new, old in zip(shape, grid.shape))  # noqa: B905
    change = _Change(grid, lambda run: run("resize", shape), channel_dim, value_range, nodata, keywords)
    return change.resized(array, shape, factors)
