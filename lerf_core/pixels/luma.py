"""Luma of RGB images, as a channel of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.constants import LUMA_WEIGHTS

__all__ = ["rgb_luma"]


def rgb_luma(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the luma (ITU-R BT.601, full range) of an image, in its dtype.

    Parameters
    ----------
    image : ndarray, (..., 3 or more)
        Red, green and blue along the last axis; further channels, as alpha, are ignored.

    Returns
    -------
    ndarray, (...)
        Computed in float64; rounded to the nearest integer, halves to even, where the dtype is
        one of integers. NaN where infinities of both signs meet.

    Examples
    --------
    >>> rgb_luma(np.array([[255, 0, 0], [90, 90, 90]], np.uint8)).tolist()
    [76, 90]
    """
    with np.errstate(invalid="ignore"):  # infinities of both signs
        luma = image[..., :3].astype(np.float64) @ np.array(LUMA_WEIGHTS)
    luma = np.rint(luma) if image.dtype.kind in "iu" else luma
    return np.asarray(luma.astype(image.dtype))
