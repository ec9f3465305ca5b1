"""Means by fixed kernels on a grid: the rows are combined first, then the columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from lerf_core.sampling.kernel_taps import KernelTaps

__all__ = ["separable_mean"]

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
    source rows are combined first, then columns. Taps outside the source weigh the nearest pixel,
    or `cval`.

    Parameters
    ----------
    source : ndarray of uint8, uint16 or float32, (rows, cols, channels)
    rows, cols : KernelTaps
    cval : sequence of float, or None
        Value of each channel outside the source; None: that of the nearest pixel.
    out : ndarray of uint8, uint16 or float32, (output rows, output cols, channels)
        Integers are rounded half to even and clipped.
    """
    down = _weigh(source.astype(np.float32), rows, cval)
    mean = np.swapaxes(_weigh(np.swapaxes(down, 0, 1), cols, cval), 0, 1)
    if out.dtype.kind == "u":
        mean = np.clip(np.rint(mean), 0, np.iinfo(out.dtype).max)
    out[...] = mean


def _weigh(values: FloatArray, taps: KernelTaps, cval: Sequence[float] | None) -> FloatArray:
    """Combine neighbours along the first axis, (pixels, across, channels)."""
    outside = taps.outside
    terms = []
    for k, index in enumerate(taps.index.T):
        neighbour = values[index]
        if cval is not None:
            neighbour[outside[:, k]] = np.array(cval, np.float32)
        terms.append(taps.weight[:, k, None, None] * neighbour)
    total: FloatArray = reduce(np.add, terms)
    return total
