"""From an image of Pillow's to an array and back, by its mode."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from lerf_plugins.filters.arguments import (
    Pixels,
    channel_keywords,
    measured_range,
    reads_colours,
)
from lerf_plugins.filters.pillow.arguments import ALPHA_MODES, PREMULTIPLIED_MODES

# Signs of L*, a* and b*: NumPy sees the latter as signed bytes, lerf needs them in one piece.
_LAB_SIGNS = np.array([0, 128, 128], np.uint8)
# Of three channels, which are not red, green and blue.
_NO_COLOURS = ("LAB", "YCbCr")


def resampled(
    image: Image.Image, resample: partial[Pixels], averaging: Mapping[str, Any]
) -> Image.Image:
    """Resample an image's pixels; return an image of its mode and info.

    Parameters
    ----------
    image : PIL.Image.Image
    resample : partial
        `lerf_core.resize` or ``warp``, but for the image and what its mode says of values and
        channels.
    averaging : mapping
        Its keywords for what pixels are averaged by.
    """
    source = without_hues(image)
    pixels = as_pixels(source)
    if source.mode in _NO_COLOURS and reads_colours(averaging):
        result = _by_channel(pixels, resample, averaging)
    else:
        result = resample(pixels, **averaging, **_value_keywords(source.mode, pixels))
    out = _as_image(result, source.mode)
    if image.mode != source.mode:
        out = out.convert(image.mode)
    out.info = dict(image.info)
    return out


def _by_channel(pixels: Pixels, resample: partial[Pixels], averaging: Mapping[str, Any]) -> Pixels:
    """Resample each channel on its own."""
    planes = pixels.transpose(2, 0, 1)
    cvals = np.broadcast_to(resample.keywords.get("cval", 0.0), len(planes)).tolist()
    return np.stack(
        [
            resample(plane, cval=cval, **averaging)
            for plane, cval in zip(planes, cvals, strict=True)
        ],
        axis=-1,
    )


def without_hues(image: Image.Image) -> Image.Image:
    """Return an HSV image as RGB, any other as it is."""
    return image.convert("RGB") if image.mode == "HSV" else image


def as_pixels(image: Image.Image) -> Pixels:
    """Return an image's samples, (rows, cols) or (rows, cols, channels); a* and b* from 0 on."""
    pixels = np.asarray(image)
    return pixels ^ _LAB_SIGNS if image.mode == "LAB" else pixels


def _as_image(pixels: Pixels, mode: str) -> Image.Image:
    """Return samples as `as_pixels` has them as an image of a mode."""
    if mode == "LAB":
        pixels = pixels ^ _LAB_SIGNS
    if mode in PREMULTIPLIED_MODES:
        pixels = np.minimum(pixels, pixels[..., -1:])
    height, width = pixels.shape[:2]
    return Image.frombytes(mode, (width, height), pixels.tobytes())


def _value_keywords(mode: str, pixels: Pixels) -> dict[str, Any]:
    """Return lerf_core's keywords for the values and channels of a mode."""
    alpha = "premultiply" if mode in ALPHA_MODES else "separate"
    value_range = None
    if mode in {"I", "F"}:
        value_range = measured_range(pixels, is_unit_scaled=mode == "F")
    return {"value_range": value_range, **channel_keywords(pixels, alpha)}
