"""One image of a comparison: as it is measured, and as it is shown, with 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lerf_core import metrics
from lerf_core.io.codec import Encoding
from lerf_core.io.formats import (
    CMYK,
    GREY,
    GREY_ALPHA,
    LAB,
    MULTI,
    MULTI_ALPHA,
    RGB,
    RGBA,
    WITHOUT_ALPHA,
    by_name,
)
from lerf_core.io.image import DecodedImage, Pixels
from lerf_core.io.pixels.conversions import converted
from lerf_core.io.pixels.opacity import opaque_value
from lerf_core.io.writing import encode_to_bytes

__all__ = ["Measured", "as_shown", "kind_of"]

# Below, there is no window for SSIM.
_LEAST_SIDE = 11
_LEVELS = 255.0


def kind_of(image: DecodedImage) -> str:
    """Return what the colours of an image are, in words; CIELAB is measured as sRGB."""
    layout = WITHOUT_ALPHA.get(image.layout, image.layout)
    words = {GREY: "grey", LAB: "RGB", MULTI: f"of {_colours(image)} channels"}
    return words.get(layout, layout)


def _colours(image: DecodedImage) -> int:
    frame = image.frames[0]
    return 1 if frame.ndim == 2 else frame.shape[2] - image.has_alpha


# -- figures ------------------------------------------------------------------------------


class Measured:
    """An image in levels of 0..255, colours multiplied by opacity.

    Parameters
    ----------
    image : DecodedImage
    lo, hi : float
        Values of black and white.
    """

    def __init__(self, image: DecodedImage, lo: float, hi: float) -> None:
        self._valid = ~_missing(image)
        if image.layout == LAB:
            image, lo, hi = _without_lab(image)
        self._has_luma = WITHOUT_ALPHA.get(image.layout, image.layout) in {GREY, RGB}
        frame = image.frames[0].astype(np.float64)
        frame = frame[..., np.newaxis] if frame.ndim == 2 else frame
        colours = frame[..., :-1] if image.has_alpha else frame
        self._levels = (colours - lo) * (_LEVELS / (hi - lo))
        if image.has_alpha and not image.premultiplied:
            self._levels = self._levels * (frame[..., -1:] / float(opaque_value(image.dtype)))

    def figures(self, result: Measured) -> dict[str, float | None]:
        """Return what a result has against this one.

        Returns
        -------
        dict
            ``psnr`` of all values and ``psnr_y`` of the luma, in dB, and ``ssim_y``; None where
            there is none. Missing pixels are left out, or there is no SSIM.
        """
        valid = self._valid & result._valid
        names = ("psnr", "psnr_y", "ssim_y")
        if not valid.any():
            return dict.fromkeys(names)
        psnr = metrics.masked_psnr(self._levels, result._levels, valid)
        if not self._has_luma:
            return {"psnr": psnr, "psnr_y": None, "ssim_y": None}
        ours, theirs = self._luma(), result._luma()
        is_measured = valid.all() and min(valid.shape) >= _LEAST_SIDE
        return {
            "psnr": psnr,
            "psnr_y": metrics.masked_psnr(ours, theirs, valid),
            "ssim_y": metrics.ssim(ours, theirs) if is_measured else None,
        }

    def _luma(self) -> Pixels:
        if self._levels.shape[2] == 1:
            return self._levels[..., 0]
        return metrics.luma(self._levels)


def _missing(image: DecodedImage) -> Pixels:
    """Return where an image has a value that is missing, (rows, cols)."""
    frame, nodata = image.frames[0], image.metadata.nodata
    colours = frame[..., :-1] if image.has_alpha else frame
    missing: Pixels = ~np.isfinite(colours)
    if nodata is not None and not np.isnan(nodata):
        missing |= colours == nodata
    return missing if missing.ndim == 2 else np.any(missing, axis=2)


# -- pictures -----------------------------------------------------------------------------


def as_shown(
    image: DecodedImage, part: tuple[int, int, int, int], value_range: tuple[float, float]
) -> tuple[bytes, list[str]]:
    """Return a part of an image as PNG of 8 bits, and notes on how it is shown.

    Parameters
    ----------
    image : DecodedImage
        Of one frame.
    part : (left, top, width, height)
    value_range : (lo, hi)
        Values that are shown black and white.

    Returns
    -------
    png : bytes
        Grey or RGB, with alpha where the image has it, or misses pixels; with its colour profile.
    notes : list of str
    """
    left, top, width, height = part
    image = image.mapped(lambda frame: frame[top : top + height, left : left + width])
    missing, notes = _missing(image), list(_notes_on(image, value_range))
    image = replace(image, metadata=replace(image.metadata, nodata=None))
    if image.layout == LAB:
        image, *ends = _without_lab(image)
        value_range = (ends[0], ends[1])
    image = converted(image, "8", value_range)
    image = _in_colours(image)
    if missing.any():
        image = _with_gaps(image, missing)
    png, _ = encode_to_bytes(replace(image, notes=()), by_name("png"), Encoding(strip=True))
    return png, notes


def _without_lab(image: DecodedImage) -> tuple[DecodedImage, float, float]:
    """Return a CIELAB image as sRGB, and its values of black and white."""
    from lerf_core.io.pixels.cielab import as_srgb

    image = as_srgb(image)
    return image, 0.0, float(opaque_value(image.dtype))


def _notes_on(image: DecodedImage, value_range: tuple[float, float]) -> Iterator[str]:
    """Yield how an image is shown, where that is not as it is."""
    lo, hi = value_range
    if image.dtype != np.uint8:
        yield f"{image.dtype} is shown with 8 bits: {lo:g} is black, {hi:g} white"
    if image.has_alpha:
        yield "transparent pixels are shown over a checkerboard"
    if _missing(image).any():
        yield "missing pixels are shown clear"
    if image.layout == CMYK:
        yield "CMYK is shown as RGB without its profile"
    if image.layout == LAB:
        yield "CIELAB is shown as sRGB"
    if image.layout in {MULTI, MULTI_ALPHA}:
        count = _colours(image)
        words = "the first three as red, green and blue" if count >= 3 else "the first as grey"
        yield f"of {count} channels {words} are shown"
    if image.metadata.icc:
        yield "the colour profile is in the pictures: browsers show colours by it"


def _in_colours(image: DecodedImage) -> DecodedImage:
    """Return an image of 8 bits as grey or RGB, perhaps with alpha."""
    if image.layout == CMYK:
        from PIL import Image

        def as_rgb(frame: Pixels) -> Pixels:
            size = frame.shape[1::-1]
            data = np.ascontiguousarray(frame).tobytes()
            return np.asarray(Image.frombytes("CMYK", size, data).convert("RGB"))

        metadata = replace(image.metadata, icc=None)
        return image.mapped(as_rgb, layout=RGB, metadata=metadata)
    if image.layout not in {MULTI, MULTI_ALPHA}:
        return image
    count = 3 if _colours(image) >= 3 else 1
    kept = [*range(count), *([-1] if image.has_alpha else [])]
    layout = {(1, False): GREY, (1, True): GREY_ALPHA, (3, False): RGB, (3, True): RGBA}[
        count, image.has_alpha
    ]
    return image.mapped(
        lambda frame: frame[..., 0] if kept == [0] else frame[..., kept], layout=layout
    )


def _with_gaps(image: DecodedImage, missing: Pixels) -> DecodedImage:
    """Return an image of 8 bits that is clear where pixels are missing."""

    def clear(frame: Pixels) -> Pixels:
        colours = frame[..., np.newaxis] if frame.ndim == 2 else frame
        alpha = np.where(missing, 0, 255).astype(np.uint8)
        if image.has_alpha:
            colours, alpha = colours[..., :-1], np.minimum(colours[..., -1], alpha)
        return np.dstack([colours, alpha])

    layout = {GREY: GREY_ALPHA, RGB: RGBA}.get(image.layout, image.layout)
    return image.mapped(clear, layout=layout)
