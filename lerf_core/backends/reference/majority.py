"""The label that covers the largest part of each output pixel.

Pixels of the source vote for their labels with the part of them that is covered, in whole numbers.
Missing pixels win where they have more than half of all votes; elsewhere they have none. Of several
labels with most votes that of the pixel nearest to the centre wins, or else the one of the least key.
What is returned is a pixel of the winning label: the nearest one, or the first that is covered, row by
row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lerf_core.constants import COVERAGE_BITS
from lerf_core.sampling.coverage import AxisCoverage
from lerf_core.sampling.taps import PointTaps, nearest_index

__all__ = ["majority_at_points", "majority_on_grid", "point_votes"]

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
        row = np.arange(rows.first[y], rows.last[y] + 1)
        col = np.arange(cols.first[x], cols.last[x] + 1)
        votes = np.multiply.outer(rows.weights(y), cols.weights(x))
        index = row[:, None] * width + col
        out[y, x] = _elected(
            keys, missing, index.ravel(), votes.ravel(), rows.nearest[y] * width + cols.nearest[x]
        )
    return out


def majority_at_points(
    keys: Keys, missing: Mask | None, rows: PointTaps, cols: PointTaps, *, is_cut: bool
) -> Indices:
    """Return a pixel of the winning label, for each of scattered positions.

    Parameters
    ----------
    keys, missing
        As `majority_on_grid` has them.
    rows, cols : PointTaps
        Taps along source rows and columns, arrays of one shape.
    is_cut : bool
        Whether taps beyond the border have no vote; else they vote for the border's pixel.

    Returns
    -------
    ndarray of int64, of the positions' shape
        Flat indices of source pixels.
    """
    height, width = keys.shape
    out = np.empty(rows.position.shape, np.int64)
    for point in np.ndindex(*out.shape):
        row, row_votes = point_votes(rows, point, height, is_cut=is_cut)
        col, col_votes = point_votes(cols, point, width, is_cut=is_cut)
        nearest_row, nearest_col = (
            int(np.clip(nearest_index(taps.position[point]), 0, size - 1))
            for taps, size in ((rows, height), (cols, width))
        )
        out[point] = _elected(
            keys, missing, (row[:, None] * width + col).ravel(),
            np.multiply.outer(row_votes, col_votes).ravel(), nearest_row * width + nearest_col,
        )  # fmt: skip
    return out


def point_votes(
    taps: PointTaps, point: tuple[int, ...], size: int, *, is_cut: bool
) -> tuple[Indices, Indices]:
    """Return the pixels along an axis that a position's footprint covers, and their votes.

    Footprints are as wide as the filter scale. A pixel at a distance d of the centre of a
    footprint of width w is covered by clip((w + 1) / 2 - d, 0, 1).
    """
    index = taps.first[point] + taps.step[point] * np.arange(taps.count[point])
    reach = (1.0 / taps.inverse_scale[point] + 1.0) * 0.5
    part = np.clip(reach - np.abs(taps.position[point] - index), 0.0, 1.0)
    votes = np.rint(part * _UNIT).astype(np.int64)
    inside = np.clip(index, 0, size - 1)
    if is_cut:
        votes[inside != index] = 0
    return inside, votes


def _elected(
    keys: Keys, missing: Mask | None, index: Indices, votes: Indices, nearest: int
) -> int:
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
