"""Where a band of output pixels lies in the source: the specification of `Engine.place`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.geometry.maps import InverseMap
from lerf_core.sampling.taps import effective_stretch

__all__ = ["LEAST_SPAN", "Place", "fold", "fold_period", "place"]

Plane = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

#: Output pixels are at least this wide, in source pixels, when their coverage is found.
LEAST_SPAN = 1e-6


@dataclass(frozen=True)
class Place:
    """Where a band of output rows lies in the source.

    Attributes
    ----------
    row, col : ndarray of float64, (rows, cols)
        Positions, folded into reach of the image by the border mode.
    stretches : (ndarray, ndarray) or None
        Of the support along rows and columns; None: 1.
    shown : ndarray of int64, (rows, 2)
        For each output row the first column that the image covers at all, and the one after
        the last: equal where there is none.
    outside : ndarray of int64, (count,)
        Flat indices of the output pixels between these that it does not cover at all, in order.
    partly : ndarray of int64, (count,)
        Flat indices of those that it covers in part, in order.
    share : ndarray of float64, (count,)
        How much of those, between 0 and 1.
    """

    row: Plane
    col: Plane
    stretches: tuple[Plane, Plane] | None
    shown: Indices
    outside: Indices
    partly: Indices
    share: Plane


def place(
    mapping: InverseMap,
    top: int,
    bottom: int,
    shape: tuple[int, int],
    out_shape: tuple[int, int],
    mode: str,
    *,
    smooth: bool,
) -> Place:
    """Find where output rows top..bottom-1 lie in the source.

    Parameters
    ----------
    mapping : InverseMap
        From output pixels to source positions.
    shape, out_shape : (int, int)
        Rows and columns of source and output.
    mode : str
        What lies beyond the border; "constant" alone covers pixels in part.
    smooth : bool
        Whether supports stretch where the map shrinks.
    """
    (row, col), spans = mapping.locate(top, bottom, out_shape)
    spans = np.where(np.isfinite(spans), spans, 1.0)  # unknown is 1
    nowhere = ~(np.isfinite(row) & np.isfinite(col))
    row, col = np.where(nowhere, 0.0, row), np.where(nowhere, 0.0, col)
    coverage = np.where(nowhere, 0.0, 1.0)
    if mode == "constant":
        for position, size, span in zip((row, col), shape, spans, strict=True):
            coverage = coverage * _coverage(position, size, span)
    stretches = _stretches(spans, shape) if smooth else None
    reach_row, reach_col = stretches or (1.0, 1.0)
    partly = np.flatnonzero((coverage > 0) & (coverage < 1))
    shown = _shown(coverage > 0)
    column = np.arange(coverage.shape[1])
    between = (column >= shown[:, :1]) & (column < shown[:, 1:])
    return Place(
        fold(row, shape[0], mode, reach_row),
        fold(col, shape[1], mode, reach_col),
        stretches,
        shown,
        np.flatnonzero(between & (coverage == 0)),
        partly,
        coverage.ravel()[partly],
    )


def _shown(covered: npt.NDArray[np.bool_]) -> Indices:
    first = covered.argmax(axis=1)
    stop = covered.shape[1] - covered[:, ::-1].argmax(axis=1)
    return np.stack([first, np.where(covered.any(axis=1), stop, first)], axis=1)


def fold_period(size: int, mode: str) -> tuple[float, int]:
    """How far before pixel 0 a mode's period begins, and how many pixels it has."""
    if mode == "reflect":
        return 0.0, 2 * (size - 1)
    return 0.5, size if mode == "wrap" else 2 * size


def _stretches(spans: Plane, shape: tuple[int, int]) -> tuple[Plane, Plane] | None:
    """Return the stretch of the support along rows and columns; None where it is 1."""
    row, col = (
        # Wider than the image is as wide as it.
        effective_stretch(np.minimum(span, size + 1.0))
        for span, size in zip(spans, shape, strict=True)
    )
    return None if row.max() == 1 == col.max() else (row, col)


def _coverage(position: Plane, size: int, span: Plane) -> Plane:
    """Share of an output pixel, `span` source pixels wide, that lies on the image."""
    width = np.maximum(span, LEAST_SPAN)
    low = (position + 0.5) / width + 0.5
    high = (size - 0.5 - position) / width + 0.5
    return np.clip(low, 0, 1) * np.clip(high, 0, 1)


def fold(position: Plane, size: int, mode: str, stretch: Plane | float) -> Plane:
    """Bring positions of an axis to where the border mode takes them from."""
    if mode in ("edge", "constant"):  # no farther than where the last pixel is out of reach
        return np.clip(position, -stretch, size - 1 + stretch)
    centre, period = fold_period(size, mode)
    if period == 0:
        return np.zeros_like(position)
    turned: npt.NDArray[Any] = np.mod(position + centre, period)
    if mode != "wrap":
        turned = np.minimum(turned, period - turned)
    inside = (position >= 0) & (position <= size - 1)
    return np.where(inside, position, turned - centre)  # not a bit of what needs no folding
