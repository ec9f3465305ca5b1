"""Missing values: which pixels hold none, and what the table reads find in their place."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.pixels.values import ValueScale

__all__ = ["FILL_STEPS", "VALID_SHARE_NEEDED", "fill_missing", "find_missing"]

Plane = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

#: Output pixels of which a smaller share of the weight is valid are missing.
VALID_SHARE_NEEDED = np.float32(0.5)
#: How many times valid values grow into missing ones, for each pixel that the tables reach.
FILL_STEPS = 2
# Floats this many value ranges away from 0 count as infinite.
_LARGEST = 1e30


def find_missing(
    plane: Plane, scale: ValueScale, nodata: float | None
) -> tuple[Mask | None, float | None]:
    """Find the missing values of a plane: floats that are not finite, and `nodata`.

    Returns
    -------
    mask : ndarray of bool, (rows, cols), or None
        Where values are missing; None: nowhere.
    marker : float or None
        What stands for a missing value in the result: `nodata`, else NaN for floats.
    """
    mask: Mask | None = None
    marker: float | None = None
    if plane.dtype.kind == "f":
        # Beyond this float32 arithmetic overflows: as good as infinite.
        largest = min(_LARGEST * (scale.high - scale.low), float(np.finfo(plane.dtype).max))
        mask, marker = ~(np.abs(plane) <= plane.dtype.type(largest)), float("nan")
    if nodata is not None and not np.isnan(nodata):
        equal = plane == nodata
        mask = equal if mask is None else mask | equal
        marker = nodata
    if mask is None or not mask.any():
        return None, marker
    return mask, marker


def fill_missing(plane: Plane, valid: Mask, passes: int, scale: ValueScale) -> Plane:
    """Grow valid values into the others, by means of valid neighbours, `passes` times.

    Table reads that reach into missing pixels then see their surroundings go on. Pixels farther
    away are never read for a valid one, and are left at the low end of the value range.

    Parameters
    ----------
    plane : ndarray, (rows, cols)
        In the image's own values; those that are not valid may be anything.
    valid : ndarray of bool, (rows, cols)
    passes : int
        Pixels, along rows, columns and diagonals, by which valid values grow.

    Returns
    -------
    ndarray of the plane's dtype, (rows, cols)
    """
    value = np.pad(np.where(valid, plane, scale.low).astype(np.float64), 1)
    valid = np.pad(valid, 1)
    for _ in range(passes):
        touched = valid[:-2] | valid[1:-1] | valid[2:]
        touched = touched[:, :-2] | touched[:, 1:-1] | touched[:, 2:]
        rows, cols = np.nonzero(touched & ~valid[1:-1, 1:-1])
        if rows.size == 0:
            break
        total, count = np.zeros(rows.size), np.zeros(rows.size)
        for dy in range(3):
            for dx in range(3):
                counts = valid[rows + dy, cols + dx]
                total += np.where(counts, value[rows + dy, cols + dx], 0.0)
                count += counts
        value[rows + 1, cols + 1] = total / count
        valid[rows + 1, cols + 1] = True
    inner = value[1:-1, 1:-1]
    return (np.rint(inner) if plane.dtype.kind in "iu" else inner).astype(plane.dtype)
