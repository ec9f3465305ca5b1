"""What a fixed kernel averages of an image's channels, and how values are made of the means.

A kernel weighs all channels alike, so that alpha and missing values need no weights of their own.
Let u be how invisible a source pixel is (1 where a value is missing, 1 - alpha of a colour) and f
its value, filled in where u is 1. The kernel averages f, u and u f to N, Q and R. With 1 - Q, the
valid share, the mean of what is visible is

    N + (N Q - R) / (1 - Q),

which is ``mean of (1 - u) f / mean of (1 - u)``, but exactly N where all is visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.constants import LEAST_VALID_SHARE, LEVELS
from lerf_core.pixels.alpha import clear_missing, fill_clear
from lerf_core.pixels.format import PixelFormat
from lerf_core.pixels.missing import VALID_SHARE_NEEDED, find_missing
from lerf_core.pixels.nodata import keep_off
from lerf_core.pixels.values import ValueScale, decode_srgb

__all__ = [
    "AVERAGED_DTYPES",
    "CLEAR_FILL_STEPS",
    "KernelChannel",
    "KernelChannels",
    "prepare_kernel_channels",
]

Image = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]

#: How many times opaque colours grow into clear ones: what shows where next to nothing is opaque.
CLEAR_FILL_STEPS = 4
# Alpha of floats this close to clear or opaque, as a part of the range, is it: what is averaged
# of equal values is equal to rounding alone.
_ALPHA_ROUNDING = 2.0**-18
_ONE = np.float32(1)
#: Dtypes that backends average as they are.
AVERAGED_DTYPES = frozenset(np.dtype(name) for name in ("u1", "u2", "f4"))
_SHORT_INTEGERS = frozenset(np.dtype(name) for name in ("u1", "i1", "u2", "i2"))
# Values that float32 holds exactly are averaged as they are.
_HELD_BY_FLOAT32 = _SHORT_INTEGERS | {np.dtype("f2"), np.dtype("f4")}


@dataclass(frozen=True)
class KernelChannel:
    """One channel.

    Attributes
    ----------
    value_scale : ValueScale
    hidden : int or None
        Which of the image's planes of invisibility is the channel's; None: all is visible.
    cval : float
        Value beyond the border, in the image's own values.
    missing : float or None
        What stands in the result where too little is valid.
    limits : (float, float) or None
        Least and greatest value of results.
    nodata : float or None
        Value of missing pixels, which no valid result takes.
    """

    value_scale: ValueScale
    hidden: int | None
    cval: float
    missing: float | None = None
    limits: tuple[float, float] | None = None
    nodata: float | None = None

    @property
    def is_averaged_as_stored(self) -> bool:
        """Whether means are of the image's own values, and not of a range of 0..1."""
        scale = self.value_scale
        return scale.dtype in _HELD_BY_FLOAT32 and not scale.linear_light

    def to_averaged(self, values: Image | float) -> FloatPlane:
        """Return what is averaged of values: themselves, or 0..1 for the value range."""
        scale = self.value_scale
        if self.is_averaged_as_stored:
            return np.asarray(values, np.float32)
        array = np.asarray(values)
        if scale.linear_light and array.dtype == scale.dtype and array.dtype in _SHORT_INTEGERS:
            return _looked_up(_linear_table(scale), array)
        return _to_unit_range(scale, array)

    def finish(self, mean: FloatPlane, valid_share: FloatPlane | None) -> Image:
        """Return the image's values of means, missing where too little is valid."""
        scale = self.value_scale
        if not self.is_averaged_as_stored:
            value = scale.from_grey(mean * np.float32(LEVELS))
        elif mean.dtype == scale.dtype:
            value = mean.copy()
        elif scale.dtype in _SHORT_INTEGERS:
            info = np.iinfo(scale.dtype)
            rounded = np.rint(mean)
            value = np.clip(rounded, info.min, info.max, out=rounded).astype(scale.dtype)
        else:
            value = scale.fit(mean.astype(np.float64))
        if self.limits is not None:
            value = self._limited(value)
        keep_off(value, scale.middle, self.nodata)
        if self.missing is not None and valid_share is not None:
            value[valid_share < VALID_SHARE_NEEDED] = self.missing
        return value

    def _limited(self, value: Image) -> Image:
        """Return alpha within its limits; floats that are clear or opaque to rounding are so."""
        scale = self.value_scale
        limits = np.array(self.limits)
        if value.dtype.kind in "ui":  # a range may be wider than the dtype
            info = np.iinfo(value.dtype)
            limits = np.clip(limits, info.min, info.max)
        low, high = limits.astype(value.dtype)
        value = np.clip(value, low, high)
        if value.dtype.kind == "f":
            for end in (scale.low, scale.high):
                is_near = np.abs(value - end) <= _ALPHA_ROUNDING * (scale.high - scale.low)
                value[is_near] = end
        return value


def _to_unit_range(scale: ValueScale, values: Image) -> FloatPlane:
    unit = scale.to_grey(values) / LEVELS
    return (decode_srgb(unit) if scale.linear_light else unit).astype(np.float32)


@lru_cache(maxsize=8)
def _linear_table(scale: ValueScale) -> FloatPlane:
    """Return the linear light of all values of up to 16 bits; negative ones count from the end."""
    info = np.iinfo(scale.dtype)
    values = np.arange(info.min, info.max + 1)
    return _to_unit_range(scale, np.roll(values, info.min))


@lru_cache(maxsize=8)
def _opacity_table(scale: ValueScale) -> FloatPlane:
    """Return the opacity of all values of up to 16 bits; negative ones count from the end."""
    info = np.iinfo(scale.dtype)
    values = np.arange(info.min, info.max + 1)
    return scale.to_opacity(np.roll(values, info.min)).astype(np.float32)


def _looked_up(table: FloatPlane, values: Image) -> FloatPlane:
    """Return what a table of all values of a dtype says of some."""
    found: FloatPlane = table[values]
    return found


def _opacity(scale: ValueScale, alpha: Image) -> FloatPlane:
    """Return alpha as 0..1."""
    if alpha.dtype == scale.dtype and alpha.dtype in _SHORT_INTEGERS:
        return _looked_up(_opacity_table(scale), alpha)
    return scale.to_opacity(alpha).astype(np.float32)


@dataclass(frozen=True)
class KernelChannels:
    """The channels of an image, or of a window of one.

    Attributes
    ----------
    planes : ndarray, (channels, rows, cols)
        In the image's own values, with missing ones filled.
    hidden : sequence of ndarray of float32, (rows, cols)
        Planes of invisibility, 0..1.
    hidden_beyond : sequence of float
        Of each, what lies beyond the border.
    channels : sequence of KernelChannel
    has_constant : bool
        Whether beyond the border lie values of their own, and not the nearest pixel's.
    """

    planes: Image
    hidden: Sequence[FloatPlane]
    hidden_beyond: Sequence[float]
    channels: Sequence[KernelChannel]
    has_constant: bool

    @property
    def is_averaged_as_stored(self) -> bool:
        """Whether the planes themselves are what is averaged, and nothing else."""
        as_stored = all(channel.is_averaged_as_stored for channel in self.channels)
        return as_stored and not self.hidden and all(c.limits is None for c in self.channels)

    def layers(self, rows: slice) -> Image:
        """Return what is averaged of some rows: values, invisibility, and their products.

        Returns
        -------
        ndarray, (rows, cols, layers)
            The planes as they are where these are averaged as stored, else float32.
        """
        planes = self.planes[:, rows]
        if self.is_averaged_as_stored:
            return np.moveaxis(planes, 0, -1)
        concealed = [channel for channel in self.channels if channel.hidden is not None]
        count = len(self.channels) + len(self.hidden) + len(concealed)
        stack = np.empty((count, *planes.shape[1:]), np.float32)
        hidden = [plane[rows] for plane in self.hidden]
        product = len(self.channels) + len(hidden)
        for number, plane in enumerate(hidden, len(self.channels)):
            stack[number] = plane
        for number, (channel, plane) in enumerate(zip(self.channels, planes, strict=True)):
            # Values averaged as stored are converted as they are copied.
            stack[number] = plane if channel.is_averaged_as_stored else channel.to_averaged(plane)
            if channel.hidden is not None:
                np.multiply(stack[number], hidden[channel.hidden], out=stack[product])
                product += 1
        return np.moveaxis(stack, 0, -1)

    def beyond(self) -> list[float] | None:
        """Return each layer's value beyond the border; None: that of the nearest pixel."""
        if not self.has_constant:
            return None
        values = [float(channel.to_averaged(channel.cval)) for channel in self.channels]
        products = [
            value * self.hidden_beyond[channel.hidden]
            for channel, value in zip(self.channels, values, strict=True)
            if channel.hidden is not None
        ]
        return [*values, *self.hidden_beyond, *products]

    def visible(self, means: FloatPlane) -> tuple[list[FloatPlane], list[FloatPlane | None]]:
        """Return each channel's mean of what is visible, and valid share, of the layers' means."""
        visible: list[FloatPlane] = []
        shares: list[FloatPlane | None] = []
        first = len(self.channels)
        lost = [means[..., first + number] for number in range(len(self.hidden))]
        share_of = [_ONE - plane for plane in lost]
        divisor_of = [np.maximum(share, LEAST_VALID_SHARE) for share in share_of]
        product = first + len(lost)
        for number, channel in enumerate(self.channels):
            mean, share = means[..., number], None
            if channel.hidden is not None:
                share = share_of[channel.hidden]
                correction = mean * lost[channel.hidden]
                correction -= means[..., product]
                correction /= divisor_of[channel.hidden]
                mean = np.add(mean, correction, out=correction)
                product += 1
            visible.append(mean)
            shares.append(share)
        return visible, shares

    def finish(
        self, means: Sequence[FloatPlane], shares: Sequence[FloatPlane | None]
    ) -> tuple[list[Image], list[FloatPlane | None]]:
        """Return each channel's values and valid share, given its visible means."""
        values = [
            channel.finish(mean, share)
            for channel, mean, share in zip(self.channels, means, shares, strict=True)
        ]
        return values, list(shares)


def prepare_kernel_channels(
    planes: Image, pixels: PixelFormat, mode: str, alpha_levels: tuple[float, float] | None
) -> KernelChannels:
    """Prepare every channel of an image, or of a window of one.

    Parameters
    ----------
    planes : ndarray, (channels, rows, cols)
        The channels, in the image's own values, and their masks where they have any.
    pixels : PixelFormat
    mode : str
        The border mode; of those that repeat the image, the planes are extended already.
    alpha_levels : (float, float) or None
        Grey levels that alpha is clipped to; see `lerf_core.pixels.alpha.alpha_levels`.
    """
    count = len(planes) - pixels.masks
    colours, masks = planes[:count], planes[count:]
    if pixels.alpha is None:
        return _with_missing(colours, masks, pixels, mode)
    return _with_alpha(colours, masks, pixels, pixels.alpha, mode, alpha_levels)


def _with_alpha(
    planes: Image,
    masks: Image,
    pixels: PixelFormat,
    alpha: int,
    mode: str,
    alpha_levels: tuple[float, float] | None,
) -> KernelChannels:
    """Prepare colours and alpha: what is transparent, or misses a value, is invisible."""
    scale, count = pixels.value_scale, len(planes)
    cleared = clear_missing(list(planes), alpha, scale, pixels.nodata, list(masks))
    hidden = _ONE - _opacity(scale, cleared)
    beyond = 1 - float(scale.to_opacity(pixels.cvals[alpha]))
    is_hidden = bool(hidden.any()) or (mode == "constant" and beyond > 0)
    if not np.may_share_memory(cleared, planes) or bool((hidden == 1).any()):
        # The colours under clear alpha may be anything, not a number included.
        planes = np.array(planes, order="C")
        planes[alpha] = cleared
        colours = [number for number in range(count) if number != alpha]
        fill_clear([planes[number] for number in colours], hidden == 1, CLEAR_FILL_STEPS)
    limits = None
    if alpha_levels is not None:
        span = (scale.high - scale.low) / LEVELS
        limits = (scale.low + alpha_levels[0] * span, scale.low + alpha_levels[1] * span)
    encoded = ValueScale(scale.dtype, scale.low, scale.high)
    channels = [
        KernelChannel(encoded, None, cval, limits=limits)
        if number == alpha
        else KernelChannel(scale, 0 if is_hidden else None, cval, nodata=pixels.nodata)
        for number, cval in enumerate(pixels.cvals[:count])
    ]
    planes_of_hidden, beyond_hidden = ([hidden], [beyond]) if is_hidden else ([], [])
    return KernelChannels(planes, planes_of_hidden, beyond_hidden, channels, mode == "constant")


def _with_missing(planes: Image, masks: Image, pixels: PixelFormat, mode: str) -> KernelChannels:
    """Prepare channels without alpha: missing values are invisible, each channel's its own."""
    scale, nodata = pixels.value_scale, pixels.nodata
    hidden: list[FloatPlane] = []
    beyond: list[float] = []
    channels: list[KernelChannel] = []
    may_miss = len(masks) > 0 or _may_miss(planes, scale, nodata)
    filled: list[Image] = []
    for number, plane in enumerate(planes):
        cval = pixels.cvals[number]
        missing, marker = find_missing(plane, scale, nodata) if may_miss else (None, None)
        if len(masks):
            masked = masks[number] != 0
            missing = masked if missing is None else missing | masked
            missing = missing if missing.any() else None
            marker = scale.low if marker is None else marker
        is_lost = mode == "constant" and (not np.isfinite(cval) or cval == nodata)
        if missing is not None:
            plane = np.where(missing, plane.dtype.type(scale.low), plane)
        elif is_lost:
            missing, marker = np.zeros(plane.shape, np.bool_), cval
        own = None
        if missing is not None:
            own = len(hidden)
            hidden.append(missing.astype(np.float32))
            beyond.append(float(is_lost))
        channels.append(
            KernelChannel(scale, own, scale.low if is_lost else cval, marker, nodata=nodata)
        )
        filled.append(plane)
    if hidden:
        planes = np.stack(filled)
    return KernelChannels(planes, hidden, beyond, channels, mode == "constant")


def _may_miss(planes: Image, scale: ValueScale, nodata: float | None) -> bool:
    """Tell, by two quick passes, whether some value may be missing."""
    if nodata is not None:
        return True
    if planes.dtype.kind != "f":
        return False
    extremes = np.array([[planes.min(), planes.max()]])
    return find_missing(extremes, scale, None)[0] is not None
