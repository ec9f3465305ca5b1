"""How an image's pixels are understood: options, resolved for its dtype and channels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.pixels.values import ValueScale

__all__ = ["PixelFormat", "holds_intensities", "unit_range_dtype"]


def holds_intensities(dtype: np.dtype[Any]) -> bool:
    """Whether values of a dtype are averaged unless told otherwise.

    Floats are, and integers of at most 16 bits, with a sign or without; longer ones are labels.
    """
    return dtype.kind == "f" or (dtype.kind in "iu" and dtype.itemsize <= np.dtype("i2").itemsize)


def unit_range_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of results whose value range is mapped to 0..1, for an image's dtype."""
    return np.dtype(np.float32 if dtype in (np.float16, np.float32) else np.float64)


@dataclass(frozen=True)
class PixelFormat:
    """How an image's pixels are understood.

    Attributes
    ----------
    dtype : numpy dtype
        Of the image.
    channels : int
        Length of the channel axis; 1 without one.
    is_nearest : bool
        Whether pixels are copied instead of averaged.
    value_scale : ValueScale
        From values to grey levels. Its dtype, in native byte order, is what is computed with:
        the image's or, where the value range becomes 0..1, a float's.
    result_dtype : numpy dtype
        Of the result.
    cvals : tuple of float
        The border's value for each channel.
    alpha : int or None
        Which channel is alpha.
    nodata : float or None
        Value of missing pixels.
    masks : int
        How many of the channels, the last ones, are masks of the others: not 0 where a value is
        missing.
    is_majority : bool
        Whether pixels that are copied are of the label that covers most of an output pixel,
        instead of the nearest.
    """

    dtype: np.dtype[Any]
    channels: int
    is_nearest: bool
    value_scale: ValueScale
    result_dtype: np.dtype[Any]
    cvals: tuple[float, ...]
    alpha: int | None
    nodata: float | None
    masks: int = 0
    is_majority: bool = False

    @property
    def colours(self) -> int:
        """How many channels are neither alpha nor masks."""
        return self.channels - self.masks - (self.alpha is not None)

    @property
    def can_miss(self) -> bool:
        """Whether pixels can be missing or transparent, to be filled from around for the reads."""
        says_so = self.nodata is not None or self.alpha is not None or self.masks > 0
        return self.dtype.kind == "f" or says_so

    def with_masks(self) -> PixelFormat:
        """Return the format of pixels with a mask behind the channels, one for each."""
        clear = False
        if self.alpha is not None:
            clear = bool(self.value_scale.to_opacity(self.cvals[self.alpha]) == 0)
        flags = (
            float(clear or not np.isfinite(cval) or cval == self.nodata) for cval in self.cvals
        )
        count = self.channels
        return replace(self, channels=2 * count, masks=count, cvals=(*self.cvals, *flags))

    def to_unit_range(self, values: npt.NDArray[Any]) -> None:
        """Map values to 0..1, in place."""
        low, high = self.value_scale.low, self.value_scale.high
        if (low, high) != (0.0, 1.0):
            values -= low
            values /= high - low
