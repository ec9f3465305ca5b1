"""EXIF orientations 1 to 8: from pixels as they are stored to pixels as they are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lerf_core.geometry.placement import Placement

__all__ = ["TRANSPOSED", "placement_of", "stored_region", "upright"]

#: Orientations that exchange rows and columns.
TRANSPOSED = frozenset({5, 6, 7, 8})
_ROWS_REVERSED = frozenset({3, 4, 7, 8})
_COLUMNS_REVERSED = frozenset({2, 3, 6, 7})


def upright(pixels: NDArray[Any], orientation: int, axes: tuple[int, int] = (0, 1)) -> NDArray[Any]:
    """Return pixels as they are meant to be seen, contiguous.

    Parameters
    ----------
    pixels : array
        As they are stored.
    orientation : int
        EXIF's 1 to 8; anything else counts as 1.
    axes : (int, int), optional
        Those of rows and columns.
    """
    rows, cols = axes
    if orientation in TRANSPOSED:
        pixels = pixels.swapaxes(rows, cols)
    if orientation in _ROWS_REVERSED:
        pixels = np.flip(pixels, rows)
    if orientation in _COLUMNS_REVERSED:
        pixels = np.flip(pixels, cols)
    return np.ascontiguousarray(pixels)


def stored_region(
    region: tuple[slice, ...], orientation: int, axes: tuple[int, int], shape: tuple[int, ...]
) -> tuple[slice, ...]:
    """Return where the pixels of a region of the upright image are stored.

    Parameters
    ----------
    region : tuple of slice
        Of the upright image.
    orientation : int
    axes : (int, int)
        Those of rows and columns.
    shape : tuple of int
        Of the upright image.
    """
    stored = list(region)
    for axis, reversals in zip(axes, (_ROWS_REVERSED, _COLUMNS_REVERSED), strict=True):
        if orientation in reversals:
            length, extent = shape[axis], region[axis]
            stored[axis] = slice(length - extent.stop, length - extent.start)
    if orientation in TRANSPOSED:
        rows, cols = axes
        stored[rows], stored[cols] = stored[cols], stored[rows]
    return tuple(stored)


def placement_of(orientation: int, shape: tuple[int, int]) -> Placement:
    """Return where the pixels of an upright image are stored.

    Parameters
    ----------
    orientation : int
    shape : (rows, columns)
        Of the image as it is stored.
    """
    from lerf_core.geometry.placement import Placement

    after = shape[::-1] if orientation in TRANSPOSED else shape
    matrix = np.zeros((2, 3))
    for axis, reversals in enumerate((_ROWS_REVERSED, _COLUMNS_REVERSED)):
        stored = 1 - axis if orientation in TRANSPOSED else axis
        is_reversed = orientation in reversals
        matrix[stored, axis] = -1 if is_reversed else 1
        matrix[stored, 2] = after[axis] - 1 if is_reversed else 0
    return Placement(matrix, shape, after)
