"""The label that covers the largest part of each output pixel.

Pixels of the source vote for their labels with the part of them that is covered, in whole numbers.
Missing pixels win where they have more than half of all votes; elsewhere they have none. Of several
labels with most votes that of the pixel nearest to the centre wins, or else the one of the least
key. What is returned is a pixel of the winning label: the nearest one, or the first that is
covered, row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lerf_core.constants import COVERAGE_BITS, MAX_POINT_TAPS
from lerf_core.sampling.taps import nearest_index

if TYPE_CHECKING:
    from lerf_core.sampling.coverage import AxisCoverage

__all__ = ["majority_at_points", "majority_on_grid"]

Indices = npt.NDArray[np.int64]
Keys = npt.NDArray[np.unsignedinteger]
Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.float64]

_UNIT = float(1 << COVERAGE_BITS)


def majority_on_grid(
    keys: Keys, missing: Mask | None, rows: AxisCoverage, cols: AxisCoverage
) -> Indices:
    """Return a pixel of the winning label, for each output pixel of a grid.

    Parameters
    ----------
    keys : ndarray of unsigned integers, (rows, cols)
        Labels of the source's pixels.
    missing : ndarray of bool, (rows, cols), or None
        Which pixels are missing.
    rows, cols : AxisCoverage
        What output rows and columns cover.

    Returns
    -------
    ndarray of int64, (output rows, output cols)
        Flat indices of source pixels.
    """
    out = np.empty((len(rows.first), len(cols.first)), np.int64)
    width = keys.shape[1]
    for y, x in np.ndindex(*out.shape):
        row = np.arange(int(rows.first[y]), int(rows.last[y]) + 1)
        col = np.arange(int(cols.first[x]), int(cols.last[x]) + 1)
        votes = np.multiply.outer(rows.weights(y), cols.weights(x))
        index = row[:, None] * width + col
        out[y, x] = _elected(
            keys, missing, index.ravel(), votes.ravel(), rows.nearest[y] * width + cols.nearest[x]
        )
    return out


def majority_at_points(
    keys: Keys,
    missing: Mask | None,
    row: Positions,
    col: Positions,
    filter_scales: tuple[Positions, Positions] | None,
    *,
    is_cut: bool,
) -> Indices:
    """Return a pixel of the winning label, for each of scattered positions.

    Parameters
    ----------
    keys, missing
        As `majority_on_grid` has them.
    row, col : ndarray of float64, of one shape
        Finite positions in source pixels.
    filter_scales : (ndarray, ndarray) of float64, of the same shape, or None
        Along source rows and columns, at least 1; None: 1.
    is_cut : bool
        Whether pixels beyond the border have no vote; else they vote for the border's pixel.

    Returns
    -------
    ndarray of int64, of the positions' shape
        Flat indices of source pixels.
    """
    height, width = keys.shape
    down, across = filter_scales or (np.ones(row.shape), np.ones(row.shape))
    out = np.empty(row.shape, np.int64)
    for point in np.ndindex(*row.shape):
        (rows, row_votes), (cols, col_votes) = (
            _covered(float(position[point]), float(scale[point]), size, is_cut=is_cut)
            for position, scale, size in ((row, down, height), (col, across, width))
        )
        nearest_row, nearest_col = (
            int(np.clip(nearest_index(position[point]), 0, size - 1))
            for position, size in ((row, height), (col, width))
        )
        out[point] = _elected(
            keys, missing, (rows[:, None] * width + cols).ravel(),
            np.multiply.outer(row_votes, col_votes).ravel(), nearest_row * width + nearest_col,
        )  # fmt: skip
    return out


def _covered(position: float, width: float, size: int, *, is_cut: bool) -> tuple[Indices, Indices]:
    """Return the pixels of an axis that a footprint of a width covers, and their votes.

    A pixel at a distance d of the footprint's centre is covered by clip((width + 1) / 2 - d, 0, 1);
    of more than `MAX_POINT_TAPS` pixels some have a vote, evenly spaced.
    """
    reach = (width + 1.0) * 0.5
    first, last = int(np.ceil(position - reach)), int(np.floor(position + reach))
    index = np.arange(first, last + 1, (last - first + MAX_POINT_TAPS) // MAX_POINT_TAPS)
    part = np.clip(reach - np.abs(position - index), 0.0, 1.0)
    votes = np.rint(part * _UNIT).astype(np.int64)
    inside = np.clip(index, 0, size - 1)
    if is_cut:
        votes[inside != index] = 0
    return inside, votes


def _elected(keys: Keys, missing: Mask | None, index: Indices, votes: Indices, nearest: int) -> int:
    """Return the flat index of a pixel of the winning label.

    Parameters
    ----------
    index, votes : ndarray of int64, (count,)
        Flat indices of the pixels that vote, row by row, and their votes.
    nearest : int
        Flat index of the pixel nearest to the centre.
    """
    index, votes = index[votes > 0], votes[votes > 0]
    if missing is not None:
        is_missing = missing.flat[index]
        if 2 * votes[is_missing].sum() > votes.sum():
            return nearest if missing.flat[nearest] else int(index[is_missing][0])
        index, votes = index[~is_missing], votes[~is_missing]
    if index.size == 0:
        return nearest
    labels, first, group = np.unique(keys.flat[index], return_index=True, return_inverse=True)
    totals = np.zeros(len(labels), np.int64)
    np.add.at(totals, group, votes)
    nearest_is_valid = missing is None or not missing.flat[nearest]
    if nearest_is_valid and keys.flat[nearest] in labels[totals == totals.max()]:
        return nearest
    return int(index[first[totals.argmax()]])
