"""Value ranges: between an image's own values and the tables' grey levels, 0..255.

uint8 images are the tables' own coordinates. Deeper ones become integers of
``2**-grey_bits`` levels for the reads, and the remainder (what that grid cannot say:
rounding, and values outside the range) is carried around the tables and added to the
feature, so that no precision is lost and nothing is clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.constants import LEVELS

__all__ = ["ValueScale", "decode_srgb", "encode_srgb", "srgb_slope"]

Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ValueScale:
    """How values of a dtype map to grey levels and back.

    Attributes
    ----------
    dtype : numpy dtype
        Of the image and of the result.
    low, high : float
        The values at grey levels 0 and 255.
    linear_light : bool
        Means are taken of linear light: values are sRGB-encoded.
    """

    dtype: np.dtype[Any]
    low: float
    high: float
    linear_light: bool = False

    @property
    def is_bytes(self) -> bool:
        """Whether values are the tables' coordinates as they stand."""
        return self.dtype == np.uint8 and (self.low, self.high) == (0, LEVELS)

    @property
    def middle(self) -> float:
        """The value half-way between grey levels 0 and 255."""
        return (self.low + self.high) / 2

    def to_grey(self, value: Plane | float) -> npt.NDArray[np.float64]:
        """Grey levels of values, unclipped."""
        return (np.asarray(value, dtype=np.float64) - self.low) * (LEVELS / (self.high - self.low))

    def to_opacity(self, alpha: Plane | float) -> npt.NDArray[np.float64]:
        """Alpha in 0..1, from the image's own values."""
        return np.clip(self.to_grey(alpha) / LEVELS, 0, 1)

    def to_units(self, plane: Plane, grey_bits: int) -> tuple[npt.NDArray[np.int32], FloatPlane]:
        """Coordinates in units of ``2**-grey_bits`` levels, and the remainder in levels."""
        grey = self.to_grey(plane)
        unit = float(1 << grey_bits)
        # NaN must never become an index: the kernels trust their coordinates.
        units = np.rint(np.nan_to_num(np.clip(grey, 0, LEVELS), nan=0.0) * unit)
        return units.astype(np.int32), (grey - units / unit).astype(np.float32)

    def from_grey(self, grey: FloatPlane) -> Plane:
        """Values of the dtype from float32 grey levels; integers rounded and clipped."""
        value = grey.astype(np.float64)
        if self.linear_light:
            value = encode_srgb(value / LEVELS) * LEVELS
        return self.fit(value * ((self.high - self.low) / LEVELS) + self.low)

    def fit(self, value: npt.NDArray[np.float64]) -> Plane:
        """Values of the dtype from float64; integers rounded and clipped."""
        if self.dtype.kind in "iu":
            info = np.iinfo(self.dtype)
            # float64 cannot say the largest 64-bit integers: clip below what rounds up.
            top = np.nextafter(float(info.max), 0) if info.bits == 64 else info.max
            value = np.clip(np.rint(value), info.min, top)
        with np.errstate(over="ignore"):  # float16: beyond its range is infinite
            return value.astype(self.dtype)


def decode_srgb(encoded: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Linear light of sRGB values (IEC 61966-2-1), 0..1; mirrored below 0."""
    size = np.abs(encoded)
    linear = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.copysign(linear, encoded)


def srgb_slope(encoded: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the derivative of `decode_srgb`."""
    size = np.abs(encoded)
    return np.where(size <= 0.04045, 1 / 12.92, 2.4 / 1.055 * ((size + 0.055) / 1.055) ** 1.4)


def encode_srgb(linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the sRGB values (IEC 61966-2-1) of linear light, 0..1; mirrored below 0."""
    size = np.abs(linear)
    encoded = np.where(
        size <= 0.0031308, size * 12.92, 1.055 * np.maximum(size, 0.0031308) ** (1 / 2.4) - 0.055
    )
    return np.copysign(encoded, linear)
