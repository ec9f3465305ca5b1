"""From one channel of an image to what the weighted mean needs of it, and back.

Alpha, missing values and the border become, for every source pixel, its validity: a factor of its
weight in 0..1. With it, a mean also has a valid share: the part of the weight that is valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.backends.contract import Backend
from lerf_core.backends.packed import unpack
from lerf_core.bank.model import LutBank
from lerf_core.constants import (
    DEEP_CELL_BITS,
    LEVELS,
    LOCAL_PLANE_BIAS,
    OVERSHOOT_REACH,
    RESIDUAL_UNIT,
    WEIGHT_VALUES,
)
from lerf_core.pixels.alpha import clear_missing
from lerf_core.pixels.format import PixelFormat
from lerf_core.pixels.missing import (
    FILL_STEPS,
    VALID_SHARE_NEEDED,
    fill_missing,
    find_missing,
)
from lerf_core.pixels.nodata import keep_off
from lerf_core.pixels.values import ValueScale, decode_srgb, srgb_slope

__all__ = [
    "Channel",
    "Samples",
    "channels_first",
    "prepare_channel",
    "prepare_channels",
]

Image = npt.NDArray[Any]
Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]


class Samples(NamedTuple):
    """What the weighted mean needs of some rows of a channel.

    Attributes
    ----------
    packed : ndarray of uint8 or float32, (rows, cols, slots)
        Features and parameters, in grey levels; see `lerf_core.backends.packed`.
    weighting : str
        Of the bank's kind.
    validity : ndarray of float32, (rows, cols), or None
        Factor of each pixel's weight; None: 1.
    overshoot_bounds : ndarray of uint8 or float32, (2, rows + 1, cols + 1), or None
        Overshoot bounds of local planes, in grey levels.
    """

    packed: Plane
    weighting: str
    validity: FloatPlane | None
    overshoot_bounds: Plane | None


class BeyondBorder(NamedTuple):
    """What taps beyond the image stand for.

    Attributes
    ----------
    cval : float or None
        Their feature in grey levels, with mode "constant"; None: the nearest pixel's. Border modes
        that repeat the image have extended it before.
    validity : float
        Validity (0..1) of taps beyond the border; used with mode "constant".
    """

    cval: float | None
    validity: float


@dataclass(frozen=True)
class Channel:
    """One channel, whose tables are read when its rows are wanted.

    Attributes
    ----------
    plane : ndarray, (rows, cols)
        In the image's own values, with missing ones filled.
    validity : ndarray of float32, (rows, cols), or None
        Factor of each pixel's weight; None: 1.
    bank : LutBank
        Its tables are read.
    backend : Backend
        The implementation that reads them.
    value_scale : ValueScale
        From the image's values to grey levels, and back.
    border : BeyondBorder
    missing : float or None
        What stands in the result where too little of the weight is valid.
    is_alpha : bool
        Whether fully opaque and fully transparent pixels stay as they are.
    alpha_levels : (float, float) or None
        Grey levels that results are clipped to.
    nodata : float or None
        Value of missing pixels, which no valid result takes.
    """

    plane: Plane
    validity: FloatPlane | None
    bank: LutBank
    backend: Backend
    value_scale: ValueScale
    border: BeyondBorder
    missing: float | None = None
    is_alpha: bool = False
    alpha_levels: tuple[float, float] | None = None
    nodata: float | None = None

    @property
    def to_uint8(self) -> bool:
        """Whether the mean, rounded to bytes, is the result."""
        return self.value_scale.is_bytes and not self.value_scale.linear_light

    def read(self, first: int, last: int, threads: int) -> Samples:
        """Read the tables for rows first..last-1: bit for bit what the whole plane's would be."""
        packed, overshoot_bounds = self._read_tables(first, last, threads)
        weighting = self.bank.kind.weighting
        if self.is_alpha:
            # So opaque images stay opaque, and no rim of transparency appears or vanishes.
            grey = self.value_scale.to_grey(self.plane[first:last])
            extreme = (grey <= 0) | (grey >= LEVELS)
            feature, parameters = unpack(packed)
            feature[extreme] = grey[extreme].astype(feature.dtype)
            parameters[WEIGHT_VALUES[weighting] :, extreme] = LOCAL_PLANE_BIAS
        validity = None if self.validity is None else self.validity[first:last]
        return Samples(packed, weighting, validity, overshoot_bounds)

    def _read_tables(self, first: int, last: int, threads: int) -> tuple[Plane, Plane | None]:
        """Read all stages; return packed parameters and overshoot bounds, as `Samples` has them."""
        bank, backend, scale = self.bank, self.backend, self.value_scale
        interval_bits = bank.interval.bit_length() - 1
        halo = max(bank.full_reach, OVERSHOOT_REACH)
        # Edges are repeated at the plane's own, which the halo keeps away from all others.
        top, bottom = self._widened(first, last, halo)
        plane = self.plane[top:bottom]
        units: Plane = plane
        remainder: FloatPlane | None = None
        cell_bits = interval_bits
        if not scale.is_bytes:
            cell_bits = DEEP_CELL_BITS
            units, remainder = backend.to_units(scale, plane, DEEP_CELL_BITS - interval_bits)
            remainder = remainder[first - top : last - top]
        overshoot_bounds: Plane | None = None
        if bank.kind.has_local_planes:
            above, below = self._widened(first, last, OVERSHOOT_REACH)
            rows = slice(above - top, below - top)
            grey = units[rows] if scale.is_bytes else backend.to_grey(scale, plane[rows])
            overshoot_bounds = backend.overshoot_bounds(grey, threads)
            overshoot_bounds = overshoot_bounds[:, first - above : last - above + 1]
        for number in range(len(bank.stages) - 1):
            above, below = self._widened(first, last, bank.reach * (len(bank.stages) - 1 - number))
            wanted = (above - top, below - top)
            units = backend.read_stage(units, bank, number, cell_bits, threads, wanted)[0]
            top = above
        dtype = np.uint8 if self.to_uint8 else np.float32
        wanted = (first - top, last - top)
        packed = backend.read_packed(units, bank, cell_bits, threads, wanted, remainder, dtype)
        if scale.linear_light:
            _decode_to_linear(*unpack(packed), bank)
            if overshoot_bounds is not None:
                linear = decode_srgb(overshoot_bounds.astype(np.float64) / LEVELS) * LEVELS
                overshoot_bounds = linear.astype(np.float32)
        return packed, overshoot_bounds

    def _widened(self, first: int, last: int, rows: int) -> tuple[int, int]:
        """Return rows first..last-1 with as many around as the plane has of `rows`."""
        return max(0, first - rows), min(len(self.plane), last + rows)

    def finish(self, mean: Plane, valid_share: FloatPlane | None) -> Plane:
        """Return the image's values of means in grey levels, missing where too little is valid."""
        if self.alpha_levels is not None and not self.to_uint8:
            mean = np.clip(mean, *self.alpha_levels)
        value = mean if self.to_uint8 else self.backend.from_grey(self.value_scale, mean)
        keep_off(value, self.value_scale.middle, self.nodata)
        if self.missing is not None and valid_share is not None:
            value[valid_share < VALID_SHARE_NEEDED] = self.missing
        return value


def prepare_channels(
    planes: Sequence[Plane],
    pixels: PixelFormat,
    bank: LutBank,
    backend: Backend,
    mode: str,
    alpha_levels: tuple[float, float] | None = None,
) -> list[Channel]:
    """Prepare every channel of an image, or of a window of one.

    Parameters
    ----------
    planes : sequence of ndarray, (rows, cols)
        The channels, in the image's own values, and their masks where they have any.
    pixels : PixelFormat
    mode : str
        The border mode; of those that repeat the image, the planes are extended already.
    alpha_levels : (float, float), optional
        Grey levels that alpha is clipped to; see `lerf_core.pixels.alpha.alpha_levels`.
    """
    scale, alpha = pixels.value_scale, pixels.alpha
    count = len(planes) - pixels.masks
    planes, masks = planes[:count], planes[count:]
    validity, cval_validity = None, 1.0
    if alpha is not None:
        cleared = clear_missing(planes, alpha, scale, pixels.nodata, masks)
        planes = [cleared if number == alpha else plane for number, plane in enumerate(planes)]
        validity = scale.to_opacity(cleared).astype(np.float32)
        cval_validity = float(scale.to_opacity(pixels.cvals[alpha]))
    channels = []
    for number, (plane, cval) in enumerate(zip(planes, pixels.cvals[:count], strict=True)):
        if number == alpha:
            encoded = replace(scale, linear_light=False)
            border = _beyond_border(encoded, mode, cval, cval_validity)
            channel = Channel(
                plane,
                None,
                bank,
                backend,
                encoded,
                border,
                is_alpha=True,
                alpha_levels=alpha_levels,
            )
        else:
            channel = prepare_channel(
                plane, scale, bank, backend, mode,
                cval=cval, alpha=validity, cval_validity=cval_validity, nodata=pixels.nodata,
                mask=masks[number] if masks else None,
            )  # fmt: skip
        channels.append(channel)
    return channels


def prepare_channel(
    plane: Plane,
    scale: ValueScale,
    bank: LutBank,
    backend: Backend,
    mode: str,
    *,
    cval: float = 0.0,
    alpha: FloatPlane | None = None,
    cval_validity: float = 1.0,
    nodata: float | None = None,
    mask: Plane | None = None,
) -> Channel:
    """Find the valid pixels of a channel that is not alpha, and fill the others for the reads.

    Parameters
    ----------
    plane : ndarray, (rows, cols)
        In the image's own values.
    mode : str
        The border mode.
    cval, cval_validity : float
        Value and validity beyond the border, with mode "constant".
    alpha : ndarray of float32, (rows, cols), optional
        The image's alpha in 0..1, transparent wherever a value is missing.
    nodata : float, optional
        Value of missing pixels. Floats that are not finite are missing always.
    mask : ndarray, (rows, cols), optional
        Not 0 where a pixel is missing, whatever its value.
    """
    validity, marker = alpha, None
    if alpha is None:
        missing, marker = find_missing(plane, scale, nodata)
        if mask is not None:
            masked = mask != 0
            missing = masked if missing is None else missing | masked
            missing = missing if missing.any() else None
            marker = scale.low if marker is None else marker
        validity = None if missing is None else (~missing).astype(np.float32)
    if validity is not None and not (validity > 0).all():
        plane = fill_missing(plane, validity > 0, FILL_STEPS * bank.full_reach, scale)
    elif validity is not None and mode != "constant" and (validity == 1).all():
        validity = None  # the same result by the faster kernel
    if mode == "constant" and (not np.isfinite(cval) or cval == nodata):
        border = BeyondBorder(0.0, 0.0)
        if validity is None:
            validity = np.ones(plane.shape, np.float32)
            marker = cval
    else:
        border = _beyond_border(scale, mode, cval, cval_validity)
    return Channel(plane, validity, bank, backend, scale, border, marker, nodata=nodata)


def _beyond_border(scale: ValueScale, mode: str, cval: float, cval_validity: float) -> BeyondBorder:
    if mode != "constant":
        return BeyondBorder(None, cval_validity)
    grey = scale.to_grey(cval)
    if scale.linear_light:
        grey = decode_srgb(grey / LEVELS) * LEVELS
    return BeyondBorder(float(grey), cval_validity)


def _decode_to_linear(feature: Plane, parameters: Plane, bank: LutBank) -> None:
    """Turn sRGB-encoded levels into linear light, in place.

    Residuals are decoded with the level; slopes follow by the chain rule.
    """
    encoded = feature.astype(np.float64) / LEVELS
    if bank.kind.has_local_planes:
        first = WEIGHT_VALUES[bank.kind.weighting]
        local_plane = parameters[first:] - np.float32(LOCAL_PLANE_BIAS)
        encoded += local_plane[2] * (RESIDUAL_UNIT / LEVELS)
        local_plane[:2] *= srgb_slope(encoded)
        local_plane[2] = 0
        parameters[first:] = local_plane + np.float32(LOCAL_PLANE_BIAS)
    feature[:] = decode_srgb(encoded) * LEVELS


def channels_first(image: Image, channel_axis: int | None) -> Image:
    """View an image, (..., rows, cols) without its channels, as (channels, ..., rows, cols)."""
    if channel_axis is None:
        return image[None]
    axis = channel_axis % image.ndim
    return image.transpose(axis, *range(axis), *range(axis + 1, image.ndim))
