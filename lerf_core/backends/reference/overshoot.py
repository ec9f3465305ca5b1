"""Overshoot bounds: how low and how high results of local planes may be.

Local planes can overshoot, and must in order to restore what a reduction has blurred: peaks and
pits of texture. Hard edges, lines and checkerboards were never blurred. There every bright pixel
touches another as bright, and every dark one another as dark. So results may leave the range of
the surroundings by `OVERSHOOT_RANGE` of it, and beyond that only by what one of the four pixels
stands out from all pairs of touching pixels around.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lerf_core.constants import OVERSHOOT_RANGE
from lerf_core.sampling.taps import AxisTaps

__all__ = ["axis_cells", "bounds_along_kept_axes", "overshoot_bounds"]

F32 = np.float32
Bounds = npt.NDArray[np.generic]


def overshoot_bounds(plane: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Return the least and the largest result for every cell of four source pixels.

    Parameters
    ----------
    plane : ndarray, (rows, cols)
        The source image in grey levels.

    Returns
    -------
    ndarray of float32, (2, rows + 1, cols + 1)
        The least and the largest result in grey levels. Cell [r, c] lies between the
        pixels (r - 1, c - 1) and (r, c); its surroundings are the 4x4 pixels around,
        edges replicated.
    """
    padded = np.pad(plane.astype(F32), 2, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, (4, 4))
    top, bottom = around.max((-2, -1)), around.min((-2, -1))
    four = around[..., 1:3, 1:3]
    low_pair, high_pair = np.full_like(top, np.inf), np.full_like(top, -np.inf)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):  # pixels that touch, also by a corner
        left = max(-dx, 0)
        pixel = around[..., : 4 - dy, left : 4 - max(dx, 0)]
        neighbour = around[..., dy:, left + dx : 4 - max(dx, 0) + dx]
        low_pair = np.minimum(low_pair, np.maximum(pixel, neighbour).min((-2, -1)))
        high_pair = np.maximum(high_pair, np.minimum(pixel, neighbour).max((-2, -1)))
    margin = OVERSHOOT_RANGE * (top - bottom)
    low = bottom - (margin + np.maximum(low_pair - four.min((-2, -1)), 0))
    high = top + (margin + np.maximum(four.max((-2, -1)) - high_pair, 0))
    return np.stack([low, high])


def bounds_along_kept_axes(bounds: Bounds, rows: AxisTaps, cols: AxisTaps) -> Bounds:
    """Return the bounds of a grid whose axes of one tap are not resampled.

    Along such an axis a pixel has the wider of the bounds of the cells on both sides of it.

    Parameters
    ----------
    bounds : ndarray, (2, rows + 1, cols + 1)
        Of cells; `overshoot_bounds`.
    rows, cols : AxisTaps
        Of the grid.

    Returns
    -------
    ndarray of the same dtype
        A row (column) less for an axis that is kept.
    """
    if rows.count == 1:
        low, high = bounds
        bounds = np.stack([np.minimum(low[1:], low[:-1]), np.maximum(high[1:], high[:-1])])
    if cols.count == 1:
        low, high = bounds
        bounds = np.stack(
            [np.minimum(low[:, 1:], low[:, :-1]), np.maximum(high[:, 1:], high[:, :-1])]
        )
    return bounds


def axis_cells(taps: AxisTaps, size: int, *, constant: bool) -> npt.NDArray[np.int64]:
    """Return which of the bounds of `bounds_along_kept_axes` hold for each output pixel of an axis.

    Parameters
    ----------
    taps : AxisTaps
        Of the axis: one or two taps for each output pixel.
    size : int
        Source pixels of the axis.
    constant : bool
        Whether a constant stands beyond the border: no bounds hold where it takes part.

    Returns
    -------
    ndarray of int64, (output pixels,)
        Indices along the bounds' axis; -1 where none hold.
    """
    cells = taps.index[:, 0]
    if taps.count == 2:
        cells = np.minimum(np.maximum(cells, -1), size - 1) + 1
    if not constant:
        return cells
    beyond = (taps.index < 0) | (taps.index >= size)
    return np.where(beyond.any(1), -1, cells)
