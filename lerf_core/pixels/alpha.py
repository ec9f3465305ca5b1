"""Alpha: colours weigh by it, so that transparent pixels colour nothing.

With alpha a as the validity of a colour c, the weighted mean is ``sum(w*a*c) / sum(w*a)``: what
premultiplying and dividing again gives for a fixed kernel, without its loss of depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.constants import LEVELS
from lerf_core.pixels.missing import find_missing
from lerf_core.pixels.values import ValueScale

__all__ = ["alpha_levels", "clear_missing", "fill_clear"]

Plane = npt.NDArray[Any]


def alpha_levels(plane: Plane, scale: ValueScale) -> tuple[float, float] | None:
    """Return the grey levels that results of an alpha channel are clipped to: clear to opaque.

    Floats beyond these levels widen the range to their own extremes; missing ones do not count.
    None: bytes, which cannot leave it.
    """
    if scale.is_bytes:
        return None
    missing, _ = find_missing(plane, scale, None)
    finite = plane if missing is None else np.where(missing, scale.low, plane)
    low, high = float(scale.to_grey(finite.min())), float(scale.to_grey(finite.max()))
    return min(0.0, low), max(float(LEVELS), high)


def clear_missing(
    planes: Sequence[Plane],
    alpha: int,
    scale: ValueScale,
    nodata: float | None,
    masks: Sequence[Plane] = (),
) -> Plane:
    """Return an image's alpha channel, transparent wherever a colour or alpha itself is missing.

    Parameters
    ----------
    planes : sequence of ndarray, (rows, cols)
        The image's channels, in its own values.
    alpha : int
        Which of them is alpha.
    nodata : float or None
        Colours of this value are missing.
    masks : sequence of ndarray, (rows, cols), optional
        Of each channel: not 0 where it is missing.
    """
    cleared = planes[alpha]
    for number, plane in enumerate(planes):
        missing, _ = find_missing(plane, scale, None if number == alpha else nodata)
        if missing is not None:
            cleared = np.where(missing, scale.low, cleared).astype(cleared.dtype)
    for mask in masks:
        cleared = np.where(mask != 0, scale.low, cleared).astype(cleared.dtype)
    return cleared


def fill_clear(planes: Sequence[Plane], clear: npt.NDArray[np.bool_], steps: int) -> None:
    """Grow the colours of opaque pixels into clear ones, by means of their neighbours, in place.

    Parameters
    ----------
    planes : sequence of ndarray, (rows, cols)
        The colours. Those of clear pixels may be anything; farther away they become 0.
    clear : ndarray of bool, (rows, cols)
    steps : int
        Pixels, along rows, columns and diagonals, by which colours grow.
    """
    for plane in planes:
        np.copyto(plane, 0, where=clear)
    is_open = np.pad(clear, 1)
    width = is_open.shape[1]
    around = np.array([dy * width + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx])
    inner = np.pad(~clear, 1)
    touched = inner[:-2] | inner[1:-1] | inner[2:]
    touched = touched[:, :-2] | touched[:, 1:-1] | touched[:, 2:]
    # Flat indices in the padded image.
    filled = np.flatnonzero(np.pad(touched & clear, 1))
    is_known, is_open = inner.reshape(-1), is_open.reshape(-1)
    for step in range(steps):
        if not filled.size:
            return
        neighbours = filled[:, None] + around
        counts = is_known[neighbours]
        row, col = np.divmod(neighbours[counts], width)
        owner = np.nonzero(counts)[0]
        for plane in planes:
            total = np.bincount(owner, plane[row - 1, col - 1], len(filled))
            mean = total / counts.sum(axis=1)
            to_row, to_col = np.divmod(filled, width)
            plane[to_row - 1, to_col - 1] = np.rint(mean) if plane.dtype.kind in "iu" else mean
        is_known[filled], is_open[filled] = True, False
        if step + 1 < steps:
            candidates = neighbours[is_open[neighbours]]
            filled = np.unique(candidates)
