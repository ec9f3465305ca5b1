"""What tables cannot say of deep images: enlarged linearly, and added to what they give."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["add_remainder"]

Plane = npt.NDArray[Any]


def add_remainder(block: Plane, remainder: Plane, first: int, last: int, scale: int) -> None:
    """Add a remainder's rows to their enlargement, by linear interpolation along both axes.

    Parameters
    ----------
    block : ndarray of float32, (scale * (last - first), scale * cols)
        The enlargement of rows first..last-1; is added to.
    remainder : ndarray of float32, (rows, cols)
        Edges are repeated beyond it.
    first, last : int
    scale : int
    """
    if not remainder.any():
        return
    endless = ~np.isfinite(remainder)
    if endless.any():
        # These stay where they are, and spoil none of their neighbours.
        own = np.where(endless, remainder, np.float32(0))[first:last]
        block += own.repeat(scale, axis=0).repeat(scale, axis=1)
        remainder = np.where(endless, np.float32(0), remainder)
    padded = np.pad(remainder, 1, mode="edge")
    rows, cols = last - first, remainder.shape[1]
    for row in range(scale):
        step, weight = _neighbour(row, scale)
        near = padded[first + 1 : first + 1 + rows]
        beside = padded[first + 1 + step : first + 1 + step + rows]
        line = near + weight * (beside - near)
        for col in range(scale):
            step, weight = _neighbour(col, scale)
            near, beside = line[:, 1 : cols + 1], line[:, 1 + step : 1 + step + cols]
            block[row::scale, col::scale] += near + weight * (beside - near)


def _neighbour(place: int, scale: int) -> tuple[int, np.float32]:
    """Return on which side of its pixel a place of a block lies, and how far in pixels."""
    offset = (place + 0.5) / scale - 0.5
    return int(np.sign(offset)), np.float32(abs(offset))
