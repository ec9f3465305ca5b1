"""Masks of results: where too little was valid, or nothing is visible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.pixels.format import PixelFormat
from lerf_core.pixels.missing import VALID_SHARE_NEEDED

__all__ = ["mask_planes"]

Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]


def mask_planes(
    values: Sequence[Plane], valid_shares: Sequence[FloatPlane | None], pixels: PixelFormat
) -> list[Plane]:
    """Return the masks of results: where too little was valid, or where they are transparent.

    Parameters
    ----------
    values : sequence of ndarray, (rows, cols)
        Results of the channels that are no masks.
    valid_shares : sequence of ndarray of float32, (rows, cols), or None
        Of each of them; None: all is valid.

    Returns
    -------
    list of ndarray, (rows, cols)
        Of the results' dtype; none where the pixels have no masks.
    """
    if not pixels.masks:
        return []
    if pixels.alpha is not None:
        clear = pixels.value_scale.to_opacity(values[pixels.alpha]) == 0
        return [clear.astype(value.dtype) for value in values]
    return [
        np.zeros_like(value) if share is None else (share < VALID_SHARE_NEEDED).astype(value.dtype)
        for value, share in zip(values, valid_shares, strict=True)
    ]
