"""Where a band of output pixels lies in the source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["SourceCoordinates"]

Positions = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SourceCoordinates:
    """Where a band of output rows of a warp lies in the source.

    Attributes
    ----------
    row, col : ndarray of float64, (rows, cols)
        Positions in source pixels, finite, folded into reach of the image by the border mode.
    filter_scales : (ndarray, ndarray) of float64, (rows, cols), or None
        What the support is stretched by along source rows and columns, at least 1; None: 1.
    visible_columns : ndarray of int64, (rows, 2)
        For each output row the first column that the image covers at all, and the one after
        the last: equal where there is none.
    uncovered : ndarray of int64, (count,)
        Flat indices of the output pixels between these that the image does not cover at all,
        in order.
    partially_covered : ndarray of int64, (count,)
        Flat indices of those that it covers in part, in order.
    coverage : ndarray of float64, (count,)
        The covered share of the latter, between 0 and 1.
    copied : ndarray of int64, (count,)
        Flat indices of the output pixels that are copies of the source pixel they lie on, in
        order; covered or not, but not in part.
    """

    row: Positions
    col: Positions
    filter_scales: tuple[Positions, Positions] | None
    visible_columns: Indices
    uncovered: Indices
    partially_covered: Indices
    coverage: Positions
    copied: Indices
