"""Means by fixed kernels at scattered positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from lerf_core.sampling.kernel_points import KernelTable

__all__ = ["kernel_mean_at_points"]

Image = npt.NDArray[Any]
Positions = npt.NDArray[np.float64]


def kernel_mean_at_points(
    source: Image,
    table: KernelTable,
    row: Positions,
    col: Positions,
    filter_scales: tuple[Positions, Positions] | None,
    *,
    visible_columns: npt.NDArray[np.int64],
    out: Image,
) -> None:
    """Write the mean that a kernel weighs around each position, for each channel.

    The arithmetic is float32: the taps of each source row are summed in their order, then the
    rows in theirs. The sum is divided by the product of the sums of both axes' weights. Taps
    beyond the source are the nearest pixel's.

    Parameters
    ----------
    source : ndarray of uint8, uint16 or float32, (rows, cols, channels)
    table : KernelTable
    row, col : ndarray of float64, (output rows, output cols)
        Finite positions in source pixels.
    filter_scales : (ndarray, ndarray) of float64, (output rows, output cols), or None
        Along source rows and columns, at least 1; None: 1.
    visible_columns : ndarray of int64, (output rows, 2)
        First and one past the last column of each row that are wanted; others become 0.
    out : ndarray of the source's dtype, (channels, output rows, output cols)
        Integers are rounded half to even and clipped.
    """
    row_scale, col_scale = filter_scales or (None, None)
    from lerf_core.sampling.kernel_points import kernel_point_taps

    rows = kernel_point_taps(table, row, row_scale)
    cols = kernel_point_taps(table, col, col_scale)
    values = np.moveaxis(source, -1, 0).astype(np.float32)
    height, width = source.shape[:2]
    across = [
        (np.clip(cols.index(tap), 0, width - 1), cols.weight(tap))
        for tap in range(int(cols.count.max(initial=1)))
    ]
    col_sum = _sum_of([weight for _, weight in across])
    total = np.zeros(out.shape, np.float32)
    row_sum = np.zeros(row.shape, np.float32)
    for tap in range(int(rows.count.max(initial=1))):
        index = np.clip(rows.index(tap), 0, height - 1)
        weight = rows.weight(tap)
        line = _sum_of([col_weight * values[:, index, at] for at, col_weight in across])
        total = total + weight * line
        row_sum = row_sum + weight
    mean = total / (row_sum * col_sum)
    if out.dtype.kind == "u":
        mean = np.clip(np.rint(mean), 0, np.iinfo(out.dtype).max)
    column = np.arange(row.shape[1])
    is_wanted = (column >= visible_columns[:, :1]) & (column < visible_columns[:, 1:])
    out[...] = np.where(is_wanted, mean, 0)


def _sum_of(terms: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    total = np.zeros(terms[0].shape, np.float32)
    for term in terms:
        total = total + term
    return total
