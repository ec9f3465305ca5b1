"""From a sampler and the image's pixels to the result: plane by plane, band by band."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lerf_core.backends import Backend, get_backend
from lerf_core.constants import LEVELS
from lerf_core.execution.samplers import Channels, GridSampler, Image, Pixel, Sampler, Writer
from lerf_core.execution.threads import bands, run_all, thread_count
from lerf_core.options import Options
from lerf_core.pixels.channels import (
    Border,
    Channel,
    Cover,
    alpha_span,
    find_missing,
    prepare_alpha,
    prepare_channel,
)
from lerf_core.pixels.values import ValueScale
from lerf_core.validation import check_value_range

__all__ = ["apply", "as_result", "check_for", "pixel_of", "prepare_channels", "result_dtype"]


def pixel_of(array: Image, options: Options) -> Pixel:
    """Return what a pixel of an image, or of anything with its shape and dtype, holds."""
    axis = options.channel_axis
    return Pixel(array.dtype.newbyteorder("="), 1 if axis is None else array.shape[axis])


def result_dtype(dtype: np.dtype[Any], options: Options) -> np.dtype[Any]:
    """Return the dtype that the result has for an image's."""
    if options.preserve_range:
        return dtype
    return np.dtype(np.float32 if dtype in (np.float16, np.float32) else np.float64)


def check_for(pixel: Pixel, options: Options) -> tuple[float, float]:
    """Raise if options do not go with such pixels; return their value range."""
    options.is_nearest(pixel.dtype)
    options.cvals(pixel.channels, pixel.dtype)
    options.alpha_channel(pixel.channels)
    return check_value_range(options.value_range, pixel.dtype)


def as_result(array: Image, options: Options) -> Image:
    """Return a copy of an image that is not resampled, with the result's dtype and range."""
    value_range = check_for(pixel_of(array, options), options)
    out = array.astype(result_dtype(array.dtype, options))
    return _to_unit_range(out, value_range, options)


def apply(array: Image, options: Options, sampler: Sampler, *, is_cut: bool = False) -> Image:
    """Resample every plane and put the image together again.

    Parameters
    ----------
    array : ndarray
        The image; if `is_cut`, its rows and columns are the sampler's windows already.
    options : Options
    sampler : Sampler
        It has windows.

    Returns
    -------
    ndarray
        The sampler's block.
    """
    pixel = pixel_of(array, options)
    value_range = check_for(pixel, options)
    stacked = _channels_first(array, options.channel_axis)
    leading = stacked.shape[1:-2]
    out = np.empty(
        _with_axis((*leading, *sampler.block.shape), pixel.channels, options.channel_axis),
        dtype=result_dtype(array.dtype, options),
    )
    target = _channels_first(out, options.channel_axis)
    threads = thread_count(options.threads)
    work = _Work(options, sampler, pixel, value_range, threads)
    for index in np.ndindex(*leading):
        write = work.writer(stacked[(slice(None), *index)], is_cut=is_cut)

        def task(top: int, bottom: int, write: Writer = write, index: Any = index) -> None:
            write(top, bottom, target[(slice(None), *index, slice(top, bottom))])

        run_all(task, bands(sampler.block.shape[0], sampler.band(threads)), threads)
    return _to_unit_range(out, value_range, options)


class _Work:
    """What all planes of an image share."""

    def __init__(
        self,
        options: Options,
        sampler: Sampler,
        pixel: Pixel,
        value_range: tuple[float, float],
        threads: int,
    ) -> None:
        self.options, self.sampler, self.threads = options, sampler, threads
        native = pixel.dtype
        if not options.preserve_range:
            native = result_dtype(native, options)
        self.native = native
        self.cvals = options.cvals(pixel.channels, pixel.dtype)
        self.alpha = options.alpha_channel(pixel.channels)
        self.scale = ValueScale(native, *value_range, linear_light=options.linear_light)
        self.cover = Cover(self.scale, self.cvals, self.alpha, options.nodata)
        # A warp's border is blended over the image (`Cover`): its taps find the edge's pixels.
        self.border = Border(
            "edge" if sampler.blends and options.mode == "constant" else options.mode
        )
        self.engine = get_backend(options.engine)

    def writer(self, planes: Image, *, is_cut: bool) -> Writer:
        """Prepare a plane's channels, (channels, rows, cols); return what computes its bands."""
        sampler, options = self.sampler, self.options
        span = None
        if self.alpha is not None:
            span = alpha_span(self._finite(planes[self.alpha]), self.scale)
        windows = sampler.windows
        if windows is not None and not is_cut:
            planes = windows.cut(planes, options.mode)
        # Views where they can be: bands copy what they read.
        channels = [plane.astype(self.native, copy=False) for plane in planes]
        if sampler.is_nearest:
            return sampler.nearest(channels, self.cvals)
        if isinstance(sampler, GridSampler) and self._goes_fast(channels):
            return self._fast(sampler, channels)
        prepared = prepare_channels(
            channels, self.scale, options, self.cvals, self.alpha, self.border, self.engine, span
        )
        return sampler.lerf(prepared, self.engine, self.cover, self.threads)

    def _finite(self, plane: Image) -> Image:
        """Return alpha with nothing where it is missing."""
        unknown, _ = find_missing(plane, self.scale, None)
        return plane if unknown is None else np.where(unknown, self.scale.low, plane)

    def _goes_fast(self, planes: Channels) -> bool:
        """Whether colours are to be resized as differences to their luma, and can be."""
        options = self.options
        if not options.fast or len(planes) != 3 or self.alpha is not None:
            return False
        if options.linear_light or options.mode == "constant":
            return False
        return all(find_missing(plane, self.scale, options.nodata)[0] is None for plane in planes)

    def _fast(self, sampler: GridSampler, planes: Channels) -> Writer:
        """Prepare the luma."""
        scale, engine = self.scale, self.engine
        grey = planes if scale.is_bytes else [engine.to_grey(scale, plane) for plane in planes]
        source = engine.luma(grey)
        levels = ValueScale(source.dtype, 0, LEVELS)
        luma = prepare_channel(source, levels, self.options.bank, self.border, engine)
        return sampler.fast(planes, luma, scale, engine)


def prepare_channels(
    planes: Channels,
    scale: ValueScale,
    options: Options,
    cvals: list[float],
    alpha: int | None,
    border: Border,
    engine: Backend,
    span: tuple[float, float] | None = None,
) -> list[Channel]:
    """Prepare every channel of a plane; `span` is `alpha_span`'s, if alpha is to be kept to it."""
    bank = options.bank
    opacity = None
    if alpha is not None:
        planes, opacity = _without_missing(planes, alpha, scale, options.nodata)
        cval_alpha = float(np.clip(scale.to_grey(cvals[alpha]) / LEVELS, 0, 1))
        border = replace(border, cval_alpha=cval_alpha)
    prepared = []
    for number, plane in enumerate(planes):
        side = replace(border, cval=cvals[number])
        if number == alpha:
            prepared.append(prepare_alpha(plane, scale, bank, side, engine, span))
        else:
            prepared.append(
                prepare_channel(plane, scale, bank, side, engine, opacity, options.nodata)
            )
    return prepared


def _channels_first(array: Image, channel_axis: int | None) -> Image:
    """View an image with its channels, or its only one, in front."""
    return array[None] if channel_axis is None else np.moveaxis(array, channel_axis, 0)


def _with_axis(shape: tuple[int, ...], channels: int, axis: int | None) -> tuple[int, ...]:
    if axis is None:
        return shape
    place = axis % (len(shape) + 1)
    return (*shape[:place], channels, *shape[place:])


def _to_unit_range(out: Image, value_range: tuple[float, float], options: Options) -> Image:
    """Map floats to 0..1 where the range is not to be preserved."""
    low, high = value_range
    if options.preserve_range or (low, high) == (0.0, 1.0):
        return out
    out -= low
    out /= high - low
    return out


def _without_missing(
    planes: Channels, alpha: int, scale: ValueScale, nodata: float | None
) -> tuple[Channels, Image]:
    """Make pixels with a missing colour or alpha transparent; return alpha in 0..1 too."""
    opaque = planes[alpha]
    for number, plane in enumerate(planes):
        unknown, _ = find_missing(plane, scale, None if number == alpha else nodata)
        if unknown is not None:
            opaque = np.where(unknown, scale.low, opaque).astype(opaque.dtype)
    planes = [opaque if number == alpha else plane for number, plane in enumerate(planes)]
    return planes, np.clip(scale.to_grey(opaque) / LEVELS, 0, 1).astype(np.float32)
