"""The value that means missing: which one pixels can have, and that no valid result takes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["can_hold", "keep_off"]

# Floats whose relative difference is smaller are one value to GDAL, whatever their precision.
_SAME = 2.0**-21


def can_hold(dtype: np.dtype[Any], nodata: float) -> bool:
    """Tell whether pixels of a dtype can have a value."""
    if dtype.kind == "f":
        return not np.isfinite(nodata) or abs(nodata) <= float(np.finfo(dtype).max)
    if dtype == np.bool_:
        return nodata in (0, 1)
    info = np.iinfo(dtype)
    return bool(np.isfinite(nodata)) and nodata == int(nodata) and info.min <= nodata <= info.max


def keep_off(values: npt.NDArray[Any], middle: float, nodata: float | None) -> None:
    """Move valid results that are equal to `nodata` by one step, in place.

    The step is 1 for integers, and for floats just more than what GDAL takes for equal.

    Parameters
    ----------
    values : ndarray of integers or floats
        Valid ones alone, in the image's own values.
    middle : float
        Of the value range: steps go towards it, so that no result leaves the range.
    nodata : float or None
        None, or not finite: nothing is moved.
    """
    dtype = values.dtype
    if nodata is None or not np.isfinite(nodata) or not can_hold(dtype, nodata):
        return
    inwards = 1 if nodata <= np.ceil(middle) else -1
    if dtype.kind != "f":
        moved = int(nodata) + inwards
        values[values == int(nodata)] = moved if can_hold(dtype, moved) else int(nodata) - inwards
        return
    value = dtype.type(nodata)
    with np.errstate(over="ignore"):
        spacing = float(np.spacing(np.abs(value)))
        same = np.abs(values - value) <= _SAME * abs(nodata)
    # Next to 0 a number that has all of its digits; beside the largest there is no spacing.
    least = spacing if np.isfinite(spacing) else 0.0
    step = max(least, 2 * _SAME * abs(nodata), float(np.finfo(dtype).tiny))
    values[same] = dtype.type(float(value) + inwards * step)
