"""Opacity of pixels by their type: what is opaque, and what masks become of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["opacity_of", "opaque_value", "valid_pixels"]


def opaque_value(dtype: np.dtype[Any]) -> float:
    """Return the value of full opacity: the integers' top, or 1."""
    if dtype == np.bool_:
        return 1
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def opacity_of(mask: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the opacity of pixels of a dtype: full, and none where a mask is 0."""
    opacity: NDArray[Any] = np.where(mask != 0, dtype.type(opaque_value(dtype)), dtype.type(0))
    return opacity


def valid_pixels(opacity: NDArray[Any]) -> NDArray[np.bool_]:
    """Return a mask: where at least half is opaque."""
    return np.asarray(opacity >= opaque_value(opacity.dtype) / 2)
