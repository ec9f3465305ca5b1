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

__all__ = ["alpha_levels", "clear_missing"]

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
