"""Coordinates of a grid whose pixels are resampled: values at the new pixels' centres.

Convention
----------
Positions are in old pixels, centres at integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.sampling.taps import nearest_index

__all__ = ["Floats", "at_positions", "interpolated"]

Array = Any  # of NumPy or of dask
Floats = npt.NDArray[np.float64]


def interpolated(values: Array, changes: dict[int, Floats]) -> Array | None:
    """Return coordinates of resampled axes.

    Floats, dates and time differences, and integers of one dimension, are interpolated linearly;
    integers and booleans of more are taken from the nearest pixel.

    Parameters
    ----------
    values : ndarray or dask.array.Array
    changes : dict
        Positions of the new pixels along each axis that changes.

    Returns
    -------
    array or None
        None: there is no rule for them.
    """
    kind = values.dtype.kind
    is_label = kind in "biu" and values.ndim > 1
    if not is_label and kind not in "iufMm":
        return None
    for axis, positions in changes.items():
        size = values.shape[axis]
        if is_label:
            values = _take(values, np.clip(nearest_index(positions), 0, size - 1), axis)
        elif size == 1:
            # One position has no step; less than half of it off is the pixel itself.
            if len(positions) > 1 or abs(positions[0]) > 0.5:
                return None
        else:
            values = at_positions(values, positions, axis)
    return values


def at_positions(values: Array, positions: Floats, axis: int) -> Array:
    """Interpolate linearly along an axis, and go on beyond its ends; integers become floats.

    Examples
    --------
    >>> at_positions(np.array([10.0, 20.0, 40.0]), np.array([-0.5, 0.5, 2.5]), 0).tolist()
    [5.0, 15.0, 50.0]
    """
    size = values.shape[axis]
    if values.dtype.kind in "Mm":
        values = _in_nanoseconds(values)
    index = np.clip(np.floor(positions), 0, size - 2).astype(np.int64)
    shape = [1] * values.ndim
    shape[axis] = len(positions)
    fraction = (positions - index).reshape(shape)
    if values.dtype.kind in "Mm":
        left, right = _take(values, index, axis), _take(values, index + 1, axis)
        return _between_dates(left, right, fraction)
    dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
    values = values.astype(np.float64)
    if isinstance(values, np.ndarray) and values.ndim == 1 and _is_straight(values, dtype):
        step = (values[-1] - values[0]) / (size - 1)
        return (values[0] + positions * step).astype(dtype)
    left, right = _take(values, index, axis), _take(values, index + 1, axis)
    return (left + fraction * (right - left)).astype(dtype)


def _take(values: Array, index: npt.NDArray[np.int64], axis: int) -> Array:
    """Return the values at indices along an axis."""
    selection: list[Any] = [slice(None)] * values.ndim
    selection[axis] = index
    return values[tuple(selection)]


def _is_straight(values: Floats, dtype: np.dtype[Any]) -> bool:
    """Whether coordinates are evenly spaced, but for the rounding of their dtype."""
    line = np.linspace(values[0], values[-1], len(values))
    rounding = 4 * float(np.finfo(dtype).eps) * np.abs(values).max()
    return bool(np.abs(values - line).max() <= rounding)


def _in_nanoseconds(values: Array) -> Array:
    """Return dates in nanoseconds, which hold half a second, where these hold the dates."""
    if not isinstance(values, np.ndarray):
        return values
    fine = values.astype(f"{values.dtype.kind}8[ns]")
    return fine if np.array_equal(fine.astype(values.dtype), values, equal_nan=True) else values


def _between_dates(left: Array, right: Array, fraction: Floats) -> Array:
    """Return the dates at a fraction of the way from left to right, rounded; NaT stays NaT."""
    step = right - left
    with np.errstate(invalid="ignore"):  # of NaT, which the last term brings back
        moved = np.rint(fraction * step.astype(np.int64)).astype(np.int64)
    return left + moved.astype(step.dtype) + (step - step)
