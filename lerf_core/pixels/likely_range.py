"""Float images whose values are plainly not 0..1, as floats are taken to be."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import ValueRangeWarning

__all__ = ["likely_range", "warn_of_range"]

# Looked at of an image: enough to tell, and a moment's work.
_SAMPLE = 1 << 16
# Fewer values say nothing.
_LEAST_VALUES = 64
_BYTE, _WORD = 255.0, 65_535.0
# Measured values end below this more often than 16-bit images do.
_LEAST_OF_WORDS = 16_384
# Less may well be light: scenes are brighter than white.
_LEAST_TOP = 16


def likely_range(
    values: npt.NDArray[Any], nodata: float | None = None
) -> tuple[float, float, float, float] | None:
    """Return the range that the values of a float image plainly have, where that is not 0..1.

    Parameters
    ----------
    values : ndarray
        Of any shape; every so many values along each axis are looked at.
    nodata : float, optional
        Value of missing pixels.

    Returns
    -------
    (low, high, least, greatest) or None
        The range, and the values found: 0..255 or 0..65535 where these fill it, else themselves.
        None: integers, values below 0 or above 65535, most of them up to 1, or all below 16.
    """
    if values.dtype.kind != "f" or values.size < _LEAST_VALUES:
        return None
    step = max(1, math.ceil((values.size / _SAMPLE) ** (1 / values.ndim)))
    sample = values[(slice(None, None, step),) * values.ndim]
    counted = np.isfinite(sample)
    if nodata is not None and not math.isnan(nodata):
        counted &= sample != nodata
    sample = sample[counted]
    if sample.size < _LEAST_VALUES:
        return None
    least, greatest = float(sample.min()), float(sample.max())
    is_on_a_scale = least >= 0 and _LEAST_TOP <= greatest <= _WORD
    # Highlights may well pass 1; that most values do says another scale.
    if not is_on_a_scale or 2 * np.count_nonzero(sample > 1) <= sample.size:
        return None
    if greatest <= _BYTE:
        return 0.0, _BYTE, least, greatest
    if greatest >= _LEAST_OF_WORDS:
        return 0.0, _WORD, least, greatest
    return least if least < greatest else 0.0, greatest, least, greatest


def warn_of_range(values: npt.NDArray[Any], nodata: float | None) -> None:
    """Warn of a float image that is taken for 0..1 and plainly is not.

    Of the callers, the one that called the function that calls this one is named.
    """
    found = likely_range(values, nodata)
    if found is not None:
        low, high, least, greatest = found
        warnings.warn(
            f"float values of {least:g}..{greatest:g} are taken for a scale of 0..1: pass "
            f"value_range=({low:g}, {high:g}), or the range that they have",
            ValueRangeWarning,
            stacklevel=4,
        )
