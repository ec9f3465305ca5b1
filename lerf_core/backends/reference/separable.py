"""Means by fixed kernels on a grid: the rows are combined first, then the columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.sampling.kernel_taps import KernelTaps

__all__ = ["inside_and_outside", "separable_mean"]

Image = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]


def separable_mean(
    source: Image,
    rows: KernelTaps,
    cols: KernelTaps,
    *,
    cval: Sequence[float] | None,
    out: Image,
) -> None:
    """Write the mean that the taps of both axes weigh, for each channel.

    The arithmetic is float32, each sum in the order of the taps and nothing rounded in between:
    source rows are combined first, then columns. Of taps outside the source the weights are
    summed up, also in order, and what they weigh (`cval`) is added last.

    Parameters
    ----------
    source : ndarray of uint8, uint16 or float32, (rows, cols, channels)
    rows, cols : KernelTaps
    cval : sequence of float, or None
        Value of each channel outside the source; None: that of the nearest pixel.
    out : ndarray of uint8, uint16 or float32, (output rows, output cols, channels)
        Integers are rounded half to even and clipped.
    """
    values = source.astype(np.float32)
    row_weight, beyond_rows = inside_and_outside(rows, constant=cval is not None)
    col_weight, beyond_cols = inside_and_outside(cols, constant=cval is not None)
    down = _sum_of(row_weight[:, k, None, None] * values[i] for k, i in enumerate(rows.index.T))
    if cval is not None:
        border = np.array(cval, np.float32)
        down = down + beyond_rows[:, None, None] * border
    mean = _sum_of(col_weight[:, k, None] * down[:, i] for k, i in enumerate(cols.index.T))
    if cval is not None:
        mean = mean + beyond_cols[:, None] * border
    if out.dtype.kind == "u":
        mean = np.clip(np.rint(mean), 0, np.iinfo(out.dtype).max)
    out[...] = mean


def inside_and_outside(taps: KernelTaps, *, constant: bool) -> tuple[FloatArray, FloatArray]:
    """Return the weight of each tap, and the summed weight of those that see the border's value.

    Parameters
    ----------
    constant : bool
        Whether taps outside the source have a value of their own: then their weight is 0.

    Returns
    -------
    weight : ndarray of float32, (size, count)
    outside : ndarray of float32, (size,)
    """
    if not constant:
        return taps.weight, np.zeros(taps.size, np.float32)
    outside = taps.outside
    zero = np.float32(0)
    beyond = _sum_of(column for column in np.where(outside, taps.weight, zero).T)
    return np.where(outside, zero, taps.weight), beyond


def _sum_of(terms: Iterable[FloatArray]) -> FloatArray:
    """Add arrays up in their order."""
    return reduce(np.add, terms)
