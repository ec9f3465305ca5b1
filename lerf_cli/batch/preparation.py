"""What is done to the values of an image before and after they are resampled.

Whole images and tiled files are prepared alike: for a tiled file, a template of one pixel stands
for the image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lerf_cli.options.values import ResamplingOptions
from lerf_core.errors import FileError
from lerf_core.io.formats import GREY, GREY_ALPHA, LAB, PALETTE, RGB, RGBA
from lerf_core.io.image import DecodedImage
from lerf_core.io.pixels.conversions import converted, depth_name, finite_range, with_alpha
from lerf_core.io.pixels.opacity import opaque_value
from lerf_core.io.writing import Encoding
from lerf_core.pixels.format import holds_intensities
from lerf_core.pixels.likely_range import likely_range

__all__ = ["Preparation", "ValueChange", "as_resampled"]

_COLOURS = frozenset({GREY, GREY_ALPHA, RGB, RGBA})
# Bytes per value of the depths that are deeper than 8 bits.
_DEEPER = {"16": 2, "float": 4}


class Preparation:
    """An image as it is resampled, and the resampler's keywords for it.

    Parameters
    ----------
    options : ResamplingOptions
    encoding : Encoding
        How the result is written.
    image : DecodedImage
        The image as it was read, or a template of it.
    measure_range : callable, optional
        Returns the least and the greatest finite colour value, but for the missing one that it is
        given, for ``--range auto``; None: those of `image`.

    Attributes
    ----------
    image : DecodedImage
        At the depth and with the channels to resample.
    encoding : Encoding
        With the range of values that a depth converts by.

    Raises
    ------
    FileError
        If an option does not go with the image.
    """

    def __init__(
        self,
        options: ResamplingOptions,
        encoding: Encoding,
        image: DecodedImage,
        measure_range: Callable[[float | None], tuple[float, float]] | None = None,
    ) -> None:
        self._options = options
        written = depth_name(image.dtype, encoding.depth)
        # A mask's 0 and 1 are black and white in any depth.
        if options.labels and written != image.dtype.name and image.dtype != np.bool_:
            raise FileError("--depth does not go with --labels: it would change them")
        self.image = as_resampled(options, image)
        self.image = self.image.noted(*self.range_notes(lambda: self.image.frames[0]))
        value_range = options.value_range
        if isinstance(value_range, str):
            nodata = self.image.metadata.nodata
            value_range = (
                finite_range(self.image) if measure_range is None else measure_range(nodata)
            )
        self.encoding = replace(encoding, value_range=value_range)

    def range_notes(self, sample: Callable[[], np.ndarray[Any, Any]]) -> tuple[str, ...]:
        """Return a note on float values that are plainly not 0..1, and taken for it.

        Parameters
        ----------
        sample : callable
            Returns some of the pixels; called where they matter.
        """
        options = self._options
        if self.image.dtype.kind != "f" or options.value_range is not None or options.labels:
            return ()
        is_unscaled = not (options.linear or options.depth or self.image.has_alpha)
        if options.kernel is not None and options.front is None and is_unscaled:
            return ()  # a kernel averages values as they are
        found = likely_range(sample(), self.image.metadata.nodata)
        if found is None:
            return ()
        low, high, least, greatest = found
        taken = f"float values of {least:g}..{greatest:g} are taken for a scale of 0..1"
        return (f"{taken}: give --range {low:g},{high:g}, or auto",)

    def keywords(self) -> dict[str, Any]:
        """Return the resampler's keywords for frames of the image.

        Raises
        ------
        FileError
            If an option does not go with the image's channels.
        """
        image, options = self.image, self._options
        if options.linear and image.layout not in _COLOURS:
            raise FileError(f"--linear needs grey or RGB, and this is {image.layout}")
        cval = _border_values(options.cval, image)
        weighted = image.has_alpha and not image.premultiplied and options.alpha == "premultiply"
        method = options.labels or ("nearest" if image.layout == PALETTE else "auto")
        if options.front is not None and method != "auto":
            what = "palette indices" if image.layout == PALETTE else "labels"
            raise FileError(f"--front makes new values, and these are {what}")
        nodata = image.metadata.nodata
        if image.details.get("mask") and options.nodata is None:
            nodata = None  # the mask says it all
        keywords: dict[str, Any] = {
            "bank": options.bank,
            "kernel": options.kernel if method == "auto" else None,
            "channel_axis": None if image.frames[0].ndim == 2 else 2,
            "mode": "constant" if options.border == "transparent" else options.border,
            "cval": cval[0] if len(cval) == 1 else cval,
            "anti_aliasing": options.anti_aliasing,
            "alpha": "premultiply" if weighted else "separate",
            "method": method,
            "value_range": self.encoding.value_range,
            "nodata": nodata,
            "linear_light": options.linear,
            "threads": options.threads,
        }
        if options.device is not None:
            keywords |= {"engine": "torch", "device": options.device}
        is_fast = options.fast and nodata is None
        if options.front is not None:
            keywords["front"] = options.front
        if options.is_padded:
            from lerf_core.io.pixels.padding import padding_of

            keywords["fill"] = padding_of(image, options.padding, self.encoding.value_range)
        return keywords | ({"fast": True} if is_fast else {})


def as_resampled(options: ResamplingOptions, image: DecodedImage) -> DecodedImage:
    """Return an image with the channels, the missing value and at the depth to resample.

    Alpha is added where a transparent border needs it. A deeper depth that is wanted is taken on
    before resampling, so that results gain levels.
    """
    if options.nodata is not None:
        nodata = None if isinstance(options.nodata, str) else options.nodata
        image = replace(image, metadata=replace(image.metadata, nodata=nodata))
    if options.border == "transparent":
        image = with_alpha(image)
    if options.is_padded:
        from lerf_core.io.pixels.padding import needs_alpha

        if needs_alpha(image, options.padding, is_labels=bool(options.labels)):
            image = with_alpha(image, "--background")
    image = _deepened(options, image)
    if options.fast and image.layout != RGB:
        image = image.noted(f"--fast is for RGB: {image.layout} is resized in full")
    elif options.fast and image.metadata.nodata is not None:
        image = image.noted("--fast is for images without missing values: resized in full")
    return image


def _deepened(options: ResamplingOptions, image: DecodedImage) -> DecodedImage:
    is_told = options.labels or options.value_range
    if image.dtype.kind in "iu" and not (holds_intensities(image.dtype) or is_told):
        image = image.noted(
            f"{image.dtype} pixels are taken for labels (nearest neighbour); with --range "
            "they are interpolated"
        )
    if image.metadata.nodata is not None or any(options.cval):
        # These are values of the input's own depth: it is converted afterwards.
        return image
    deeper = image.dtype.kind == "u" and image.dtype.itemsize < _DEEPER.get(options.depth or "", 0)
    if options.depth is None or not deeper or options.labels:
        return image
    if options.value_range is None:
        return converted(image, options.depth)
    if image.dtype.itemsize == 1:
        raise FileError("--range with a deeper --depth needs more than 8 bits to begin")
    return image


def _border_values(cval: tuple[float, ...], image: DecodedImage) -> tuple[float, ...]:
    """Return the value beyond the border: one, or one per channel."""
    channels = 1 if image.frames[0].ndim == 2 else image.frames[0].shape[2]
    opaque = opaque_value(image.dtype)
    if image.layout == LAB and len(cval) == 1 and image.dtype.kind == "u":
        middle = (opaque + 1) // 2
        cval = (*cval, middle, middle)
    if image.has_alpha and len(cval) == channels - 1 > 1:
        cval = (*cval, opaque)
    if len(cval) not in {1, channels}:
        raise FileError(f"--cval has {len(cval)} values for {channels} channels")
    for value in cval:
        if image.dtype.kind in "ub" and not 0 <= value <= opaque:
            raise FileError(f"--cval {value:g} does not fit {image.dtype} pixels")
    return cval


@dataclass(frozen=True)
class ValueChange:
    """A change of an image's values, for arrays with any number of axes.

    Attributes
    ----------
    function : callable
        Takes and returns an image (`DecodedImage`).
    template : DecodedImage
        An image of one pixel, before the change.
    channel_axis : int or None
        Of the arrays; None: they have none.
    """

    function: Callable[[DecodedImage], DecodedImage]
    template: DecodedImage
    channel_axis: int | None

    def __call__(self, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the array with the change made to each plane or colour image in it."""
        axis = self.channel_axis
        if axis is not None:
            pixels = np.moveaxis(pixels, axis, -1)
        leading = pixels.shape[: pixels.ndim - (2 if axis is None else 3)]
        frames = [self._changed(pixels[index]) for index in np.ndindex(*leading)]
        result = np.stack(frames).reshape(*leading, *frames[0].shape)
        if axis is not None and frames[0].ndim == 3:
            result = np.moveaxis(result, -1, axis)
        return result

    def _changed(self, frame: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return self.function(replace(self.template, frames=[frame])).frames[0]
