"""Where a band of output pixels lies in the source, and how much of them the image covers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lerf_core.constants import LEAST_FOOTPRINT
from lerf_core.sampling.borders import fold_coordinates
from lerf_core.sampling.taps import effective_filter_scale

if TYPE_CHECKING:
    from lerf_core.geometry.maps import InverseMap
    from lerf_core.sampling.coordinates import SourceCoordinates

__all__ = ["source_coordinates"]

Positions = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def source_coordinates(
    mapping: InverseMap,
    top: int,
    bottom: int,
    shape: tuple[int, int],
    out_shape: tuple[int, int],
    mode: str,
    *,
    anti_aliasing: bool,
    reach: float = 1.0,
) -> SourceCoordinates:
    """Find where output rows top..bottom-1 lie in the source.

    Parameters
    ----------
    mapping : InverseMap
        From output pixels to source positions.
    top, bottom : int
        First output row, and one past the last.
    shape, out_shape : (int, int)
        Rows and columns of source and output.
    mode : str
        What lies beyond the border; "constant" alone covers pixels in part.
    anti_aliasing : bool
        Whether the support is stretched where the map shrinks.
    reach : float
        How far taps lie from a position, as a part of the filter scale.
    """
    (row, col), footprints, copied = mapping.locate(top, bottom, out_shape)
    footprints = np.where(np.isfinite(footprints), footprints, 1.0)  # unknown is 1
    nowhere = ~(np.isfinite(row) & np.isfinite(col))
    row, col = np.where(nowhere, 0.0, row), np.where(nowhere, 0.0, col)
    coverage = np.where(nowhere, 0.0, 1.0)
    if mode == "constant":
        for position, size, footprint in zip((row, col), shape, footprints, strict=True):
            coverage = coverage * _coverage(position, size, footprint)
    filter_scales = _filter_scales(footprints, shape) if anti_aliasing else None
    row_scale, col_scale = filter_scales or (1.0, 1.0)
    partially_covered = np.flatnonzero((coverage > 0) & (coverage < 1))
    visible_columns = _visible_columns(coverage > 0)
    column = np.arange(coverage.shape[1])
    visible = (column >= visible_columns[:, :1]) & (column < visible_columns[:, 1:])
    from lerf_core.sampling.coordinates import SourceCoordinates

    return SourceCoordinates(
        fold_coordinates(row, shape[0], mode, reach * row_scale),
        fold_coordinates(col, shape[1], mode, reach * col_scale),
        filter_scales,
        visible_columns,
        np.flatnonzero(visible & (coverage == 0)),
        partially_covered,
        coverage.ravel()[partially_covered],
        np.flatnonzero(copied) if copied is not None else np.empty(0, np.int64),
    )


def _visible_columns(covered: npt.NDArray[np.bool_]) -> Indices:
    first = covered.argmax(axis=1)
    stop = covered.shape[1] - covered[:, ::-1].argmax(axis=1)
    return np.stack([first, np.where(covered.any(axis=1), stop, first)], axis=1)


def _filter_scales(
    footprints: Positions, shape: tuple[int, int]
) -> tuple[Positions, Positions] | None:
    """Return the filter scales along rows and columns; None where they are 1."""
    row, col = (
        # A support wider than the image is as wide as it.
        effective_filter_scale(np.minimum(footprint, size + 1.0))
        for footprint, size in zip(footprints, shape, strict=True)
    )
    return None if row.max() == 1 == col.max() else (row, col)


def _coverage(position: Positions, size: int, footprint: Positions) -> Positions:
    """Return the share of output pixels that lies on the image along an axis, 0..1.

    Parameters
    ----------
    position : ndarray of float64
        Centres of the output pixels, in source pixels.
    size : int
        Source pixels of the axis.
    footprint : ndarray of float64
        Source pixels that each output pixel spans.
    """
    width = np.maximum(footprint, LEAST_FOOTPRINT)
    low = (position + 0.5) / width + 0.5
    high = (size - 0.5 - position) / width + 0.5
    return np.clip(low, 0, 1) * np.clip(high, 0, 1)
