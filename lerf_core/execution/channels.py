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
from lerf_core.bank.base import Bank
from lerf_core.constants import COLOUR_PLANES, LEVELS
from lerf_core.pixels.alpha import clear_missing
from lerf_core.pixels.format import PixelFormat
from lerf_core.pixels.missing import (
    FILL_STEPS,
    VALID_SHARE_NEEDED,
    fill_missing,
    find_missing,
)
from lerf_core.pixels.nodata import keep_off
from lerf_core.pixels.values import ValueScale, decode_srgb

__all__ = [
    "Channel",
    "Colours",
    "channels_first",
    "prepare_channel",
    "prepare_channels",
]

Image = npt.NDArray[Any]
Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]


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


@dataclass(frozen=True, eq=False)
class Colours:
    """Red, green and blue of an image, whose parameters a bank reads together.

    Attributes
    ----------
    planes : tuple of ndarray, (rows, cols)
        As `Channel.plane` has them.
    """

    planes: tuple[Plane, ...]


@dataclass(frozen=True)
class Channel:
    """One channel; its bank is read (`lerf_core.execution.samples`) when its rows are wanted.

    Attributes
    ----------
    plane : ndarray, (rows, cols)
        In the image's own values, with missing ones filled.
    validity : ndarray of float32, (rows, cols), or None
        Factor of each pixel's weight; None: 1.
    bank : Bank
        What says the parameters of its pixels.
    backend : Backend
        The implementation that reads it.
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
    colours : Colours or None
        Red, green and blue, where this is one of them and the bank reads them together.
    """

    plane: Plane
    validity: FloatPlane | None
    bank: Bank
    backend: Backend
    value_scale: ValueScale
    border: BeyondBorder
    missing: float | None = None
    is_alpha: bool = False
    alpha_levels: tuple[float, float] | None = None
    nodata: float | None = None
    colours: Colours | None = None

    @property
    def to_uint8(self) -> bool:
        """Whether the mean, rounded to bytes, is the result."""
        return self.value_scale.is_bytes and not self.value_scale.linear_light

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
    bank: Bank,
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
    return _with_colours(channels) if bank.reads_colours else channels


def _with_colours(channels: list[Channel]) -> list[Channel]:
    """Have red, green and blue know of each other: an image's three channels besides alpha."""
    found = [channel for channel in channels if not channel.is_alpha]
    if len(found) != COLOUR_PLANES:
        return channels
    colours = Colours(tuple(channel.plane for channel in found))
    return [
        channel if channel.is_alpha else replace(channel, colours=colours) for channel in channels
    ]


def prepare_channel(
    plane: Plane,
    scale: ValueScale,
    bank: Bank,
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


def channels_first(image: Image, channel_axis: int | None) -> Image:
    """View an image, (..., rows, cols) without its channels, as (channels, ..., rows, cols)."""
    if channel_axis is None:
        return image[None]
    axis = channel_axis % image.ndim
    return image.transpose(axis, *range(axis), *range(axis + 1, image.ndim))
