"""Maps that move whole pixels: output pixels that are copies of source pixels.

An output pixel is a copy where it lies on a source pixel and the map goes from pixel to pixel
around it, leaving none out: the identity, whole shifts, quarter turns, mirrors and transposes, and
whatever is put together of these.

Convention
----------
That of `lerf_core.geometry.homography`; arrays of positions are in (row, col) order.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.constants import WHOLE_PIXEL_TOLERANCE

__all__ = ["copied_pixels", "pixel_tolerance", "whole_pixel_matrix"]

Matrix = npt.NDArray[np.float64]
Positions = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Shape = tuple[int, int]


def pixel_tolerance(shape: Shape) -> float:
    """Return how far from a pixel's centre a position still counts as on it, in source pixels.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the source.
    """
    return WHOLE_PIXEL_TOLERANCE * max(shape)


def whole_pixel_matrix(matrix: Matrix, shape: Shape, out_shape: Shape) -> Matrix | None:
    """Return the matrix of integers that a homography stands for; None: for none.

    Parameters
    ----------
    matrix : ndarray of float64, (3, 3)
        From output (x, y, 1) to source (x, y, depth).
    shape, out_shape : (int, int)
        Rows and columns of source and output.

    Returns
    -------
    ndarray of float64, (3, 3), or None
        Affine, of determinant 1 or -1: it maps the pixels of a plane one to one.
    """
    if not matrix[2, 2]:
        return None
    with np.errstate(over="ignore"):
        affine = matrix / matrix[2, 2]
        whole = np.rint(affine)
        whole[2] = (0, 0, 1)
        (a, b), (c, d) = whole[:2, :2]
        if abs(a * d - b * c) != 1 or not np.isfinite(whole).all():
            return None
        # Corners, and points between them: a slight perspective bends what lies in between.
        ends = [np.array([0.0, (size - 1) / 2, size - 1]) for size in out_shape]
        y, x = (end.ravel() for end in np.meshgrid(*ends, indexing="ij"))
        points = np.stack([x, y, np.ones_like(x)])
        mapped = affine @ points
        if not (mapped[2] > 0).all():
            return None
        distance = np.abs(mapped[:2] / mapped[2] - (whole @ points)[:2])
    return whole if distance.max() <= pixel_tolerance(shape) else None


class _Side(NamedTuple):
    """Steps from output pixels to what lies beside them on one side.

    Attributes
    ----------
    step : ndarray of float64, (2, rows, cols)
        In whole source pixels, (row, col).
    leads_on : ndarray of bool, (rows, cols)
        Whether it leads to a pixel that lies on a source pixel.
    """

    step: Positions
    leads_on: Mask


def copied_pixels(
    field: Positions, first: tuple[int, int], size: Shape, tolerance: float
) -> Mask | None:
    """Tell which output pixels of a band are copies of source pixels; None: none of them.

    Parameters
    ----------
    field : ndarray of float64, (2, rows, cols)
        Source positions of the band, and of the output pixels that touch it.
    first : (int, int)
        Row and column of the band's first pixel in the field.
    size : (int, int)
        Rows and columns of the band.
    tolerance : float
        See `pixel_tolerance`.

    Returns
    -------
    ndarray of bool, (rows, cols), or None

    Notes
    -----
    A pixel is a copy if it lies on a source pixel and, of the output pixels before and after it
    along its row, and of those along its column, one each lies on a source pixel too, so that the
    two steps span one source pixel, or repeat the same ones: ``abs(det) == 1``, or ``det == 0``
    and no step is longer than a pixel. Where there are none along an axis, the step is 0.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        whole = np.rint(field)
        is_whole: Mask = np.all(np.abs(field - whole) <= tolerance, axis=0)
        rows, cols = (slice(start, start + count) for start, count in zip(first, size, strict=True))
        band = is_whole[rows, cols]
        if not band.any():
            return None
        somewhere: Mask = np.all(np.isfinite(field), axis=0)
        along_y, along_x = (
            _sides(whole, is_whole, somewhere, (rows, cols), axis) for axis in range(2)
        )
        spans_one = np.zeros(size, np.bool_)
        for down, across in itertools.product(along_y, along_x):
            area = np.abs(down.step[0] * across.step[1] - down.step[1] * across.step[0])
            repeats = (np.abs(down.step) <= 1).all(axis=0) & (np.abs(across.step) <= 1).all(axis=0)
            fits = (area == 1) | ((area == 0) & repeats)
            spans_one |= down.leads_on & across.leads_on & fits
    return band & spans_one


def _sides(
    whole: Positions, is_whole: Mask, somewhere: Mask, band: tuple[slice, slice], axis: int
) -> list[_Side]:
    """Return the steps of a band's pixels to those before and after them along an axis.

    A third side has steps of 0 for pixels that have no neighbours along the axis.
    """
    own, size = whole[(slice(None), *band)], whole.shape[axis + 1]
    index = np.arange(size)[band[axis]]
    sides, is_alone = [], np.ones(own.shape[1:], np.bool_)
    for direction in (-1, 1):
        exists = (index + direction >= 0) & (index + direction < size)
        beside: list[Any] = list(band)
        beside[axis] = np.clip(index + direction, 0, size - 1)
        along = exists[:, None] if axis == 0 else exists
        place = tuple(beside)
        leads_on = is_whole[place] & along
        is_alone &= ~(somewhere[place] & along)
        sides.append(_Side(whole[(slice(None), *place)] - own, leads_on))
    return [*sides, _Side(np.zeros_like(own), is_alone)]
