"""The values of variables, resampled by functions of `lerf_core`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

import lerf_core
from lerf_core import chunked
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.pixels.format import holds_intensities
from lerf_plugins.filters.xarray.dimensions import ARRAY_NAME, Dims, is_lazy

__all__ = ["VariableResampling"]

_NODATA = ("_FillValue", "missing_value", "nodata")
# What a variable's encoding says of its old shape.
_OF_SHAPE = ("chunksizes", "preferred_chunks", "chunks", "original_shape", "contiguous", "shards")
# Options that speak of dask arrays alone.
_LAZY = ("chunks", "window_limit", "max_displacement")


@dataclass(frozen=True)
class VariableResampling:
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
        values = self
        if name != ARRAY_NAME and self._copies(data.dtype):
            # Beside others they are copied, front or not; alone, a front is asked for in vain.
            values = replace(self, keywords={**self.keywords, "front": None})
        try:
            result = values._called(data[None] if has_new_axis else data, axis, variable.attrs)
        except InvalidTypeError as error:
            subject = "" if name == ARRAY_NAME else f"variable {name!r}: "
            raise InvalidTypeError(f"{subject}{error}") from error
        encoding = {k: v for k, v in variable.encoding.items() if k not in _OF_SHAPE}
        result = result[0] if has_new_axis else result
        return xr.Variable(order, result, variable.attrs, encoding).transpose(*variable.dims)

    def _copies(self, dtype: np.dtype[Any]) -> bool:
        """Whether values of a dtype are labels, since nothing says otherwise."""
        is_told = self.value_range is not None or self.keywords.get("method", "auto") != "auto"
        return not (is_told or holds_intensities(dtype))

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
        if is_lazy(data):
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
        select: Any = da.where if is_lazy(data) else np.where
        ends = select(is_valid, data, np.inf).min(), select(is_valid, data, -np.inf).max()
        compute: Any = da.compute  # which has no types
        low, high = (float(end) for end in (compute(*ends) if is_lazy(data) else ends))
        # Nothing valid, or all the same: any range will do.
        return (low, high) if low < high else (low, low + 1) if low == high else None


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
