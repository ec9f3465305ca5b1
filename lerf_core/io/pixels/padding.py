"""What surrounds images that are padded: a colour in their own values, or nothing to be seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.formats import CMYK, GREY, LAB, PALETTE, RGB
from lerf_core.io.image import DecodedImage
from lerf_core.io.pixels.opacity import opaque_value

__all__ = ["needs_alpha", "padding_of"]

#: A colour, 8-bit red, green and blue; "transparent"; or None, for what goes with the image.
Padding = Sequence[int] | str | None


def needs_alpha(image: DecodedImage, padding: Padding, *, is_labels: bool) -> bool:
    """Tell whether an image wants alpha before it is padded.

    Transparent surroundings do; a colour around a grey image as well, which then is laid over that
    colour, and becomes RGB.
    """
    if image.has_alpha or padding is None:
        return False
    if isinstance(padding, str):
        return True
    return image.layout == GREY and len(set(padding)) > 1 and not is_labels


def padding_of(
    image: DecodedImage, padding: Padding, value_range: tuple[float, float] | None = None
) -> float | tuple[float, ...] | None:
    """Return what surrounds a padded image, as `lerf_core.resize` takes it.

    Parameters
    ----------
    image : DecodedImage
        With alpha, where `needs_alpha` says so.
    padding : (red, green, blue), "transparent" or None
        None: clear where there is alpha, missing where a value means that, else black.
    value_range : (lo, hi), optional
        Values of black and white, where they are not those of the dtype.

    Returns
    -------
    float or tuple of float, or None
        One value, or one for each channel; None: clear, missing or 0. With alpha always clear:
        a colour is laid under it afterwards.

    Raises
    ------
    FileError
        If the image's channels are no colours, or cannot have this one.
    """
    if image.has_alpha or (padding is None and image.metadata.nodata is not None):
        return None
    colour = (0, 0, 0) if padding is None or isinstance(padding, str) else tuple(padding)
    if image.layout == PALETTE:
        return _index_of(image, colour) if padding is not None else None
    low, high = value_range or (0.0, float(opaque_value(image.dtype)))
    top = float(opaque_value(image.dtype))
    if image.layout == LAB:
        return _of_lab(image, colour, top)
    if image.layout == CMYK:
        black = 1 - max(colour) / 255
        inks = [0.0 if black == 1 else 1 - value / 255 / (1 - black) for value in colour]
        return tuple(_rounded(image, low, high, ink) for ink in (*inks, black))
    if image.layout in {GREY, RGB}:
        if image.layout == GREY and len(set(colour)) > 1:
            raise FileError("--background must be grey: labels take no colours")
        channels = colour[:1] if image.layout == GREY else colour
        return tuple(_rounded(image, low, high, value / 255) for value in channels)
    if padding is not None:
        raise FileError(f"--background needs grey or RGB, and this is {image.layout}")
    return None


def _rounded(image: DecodedImage, low: float, high: float, share: float) -> float:
    """Return the value that lies so far between black and white."""
    value = low + share * (high - low)
    return value if image.dtype.kind == "f" else float(np.rint(value))


def _of_lab(image: DecodedImage, colour: Sequence[int], top: float) -> tuple[float, ...]:
    """Return a grey in CIELAB, whose a and b of 0 lie in the middle of integers."""
    if len(set(colour)) > 1:
        raise FileError("--background must be grey for CIELAB")
    encoded = colour[0] / 255
    light = encoded / 12.92 if encoded <= 0.04045 else ((encoded + 0.055) / 1.055) ** 2.4
    lightness = 116 * light ** (1 / 3) - 16 if light > 216 / 24389 else light * 24389 / 27
    if image.dtype.kind == "f":
        return lightness, 0.0, 0.0
    middle = (top + 1) // 2
    return float(np.rint(lightness / 100 * top)), middle, middle


def _index_of(image: DecodedImage, colour: Sequence[int]) -> float:
    """Return the index of a colour in a palette."""
    table = np.zeros((0, 3)) if image.palette is None else image.palette
    (found,) = np.nonzero((table == np.asarray(colour)).all(axis=1))
    if not found.size:
        raise FileError(f"--background {tuple(colour)} is not in the palette")
    return float(found[0])
