"""Blending a warped image into the constant around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.pixels.format import PixelFormat
from lerf_core.pixels.missing import VALID_SHARE_NEEDED
from lerf_core.pixels.nodata import keep_off
from lerf_core.pixels.values import ValueScale

__all__ = ["BorderBlend"]

Plane = npt.NDArray[Any]
Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BorderBlend:
    """Blends output pixels that the image covers in part, or not at all, with a constant.

    Attributes
    ----------
    value_scale : ValueScale
        Of the image.
    cvals : sequence of float
        The constant, one value per channel, in the image's own values.
    alpha : int or None
        Which channel is alpha; colours blend by it.
    nodata : float or None
        A constant or a result of this value, or one that is not finite, cannot be blended:
        results change to the constant where the coverage falls below a half.
    masks : int
        How many of the channels, the last ones, are masks of the others.
    """

    value_scale: ValueScale
    cvals: Sequence[float]
    alpha: int | None
    nodata: float | None
    masks: int = 0

    @classmethod
    def of(cls, pixels: PixelFormat) -> BorderBlend:
        """Blend pixels of a format with its border's values."""
        return cls(
            pixels.value_scale, pixels.cvals, pixels.alpha, pixels.nodata, pixels.masks
        )  # fmt: skip

    def apply(self, values: Sequence[Plane], coverage: Shares) -> list[Plane]:
        """Return the channels' values, (count,) each, blended where the coverage is below 1."""
        if self._is_plain:
            cvals = np.array(self.cvals, np.float64)[:, None]
            return list(self.value_scale.fit(np.stack(values) * coverage + cvals * (1 - coverage)))
        colour_share = self._colour_share(values, coverage)
        is_outside = coverage < VALID_SHARE_NEEDED
        count = len(values) - self.masks
        blended = []
        for channel, (value, cval) in enumerate(zip(values, self.cvals, strict=True)):
            switched = np.where(is_outside, cval, value).astype(value.dtype)
            if channel >= count or self._is_missing(cval):
                blended.append(switched)
                continue
            share = coverage if channel == self.alpha else colour_share
            inner = np.where(share > 0, value.astype(np.float64) * share, 0.0)
            result = self.value_scale.fit(inner + cval * (1 - share))
            if channel != self.alpha:
                keep_off(result, self.value_scale.middle, self.nodata)
                missing = self._is_missing(value)
                if self.masks and self.alpha is None:
                    missing |= values[count + channel] != 0
                result[missing] = switched[missing]
            blended.append(result)
        return blended

    @property
    def _is_plain(self) -> bool:
        """Whether nothing can be missing or transparent: all channels blend alike."""
        plain = self.alpha is None and self.masks == 0 and self.nodata is None
        return plain and self.value_scale.dtype.kind in "iu" and bool(np.isfinite(self.cvals).all())

    def _is_missing(self, value: Any) -> Any:
        """Tell missing values: those that are not finite, and nodata."""
        return ~np.isfinite(value) | (value == self.nodata)

    def border_values(self) -> list[Any]:
        """Return each channel's value where nothing of the image is seen, in the scale's dtype."""
        zero = np.zeros(1, self.value_scale.dtype)
        return [value[0] for value in self.apply([zero] * len(self.cvals), np.zeros(1))]

    def _colour_share(self, values: Sequence[Plane], coverage: Shares) -> Shares:
        """Return the image's share in the blended colours, the constant having the rest.

        With alpha both count by what is visible of them (associated alpha): coverage times
        opacity. Where neither is, the image has all, if it covers the pixel at all.
        """
        weight, total = coverage, np.ones_like(coverage)
        if self.alpha is not None:
            inner = self.value_scale.to_opacity(values[self.alpha])
            outer = self.value_scale.to_opacity(self.cvals[self.alpha])
            weight = coverage * inner
            total = weight + (1 - coverage) * outer
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > 0, weight / total, coverage > 0)
