"""Conversions of decoded images: depth, alpha, background."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.formats import GREY, GREY_ALPHA, MULTI_ALPHA, PALETTE, RGB, RGBA
from lerf_core.io.image import DecodedImage, Pixels
from lerf_core.io.pixels.opacity import opaque_value
from lerf_core.pixels.nodata import can_hold, keep_off

__all__ = [
    "DEPTHS", "converted", "depth_name", "finite_range", "flattened", "range_of",
    "unmultiplied", "with_alpha",
]  # fmt: skip


def with_alpha(image: DecodedImage, option: str = "--border transparent") -> DecodedImage:
    """Return the image with an opaque alpha channel, added where there is none.

    Parameters
    ----------
    image : DecodedImage
    option : str, optional
        What asks for it, for the error.

    Raises
    ------
    FileError
        If the channels leave alpha no place (CMYK, many channels).
    """
    if image.has_alpha:
        return image
    if image.layout not in {GREY, RGB}:
        raise FileError(f"{option} needs grey or RGB, and this is {image.layout}")

    def add(frame: Pixels) -> Pixels:
        colours = frame[..., np.newaxis] if frame.ndim == 2 else frame
        alpha = np.full((*colours.shape[:2], 1), opaque_value(frame.dtype), frame.dtype)
        return np.concatenate([colours, alpha], axis=2)

    return image.mapped(add, layout=GREY_ALPHA if image.layout == GREY else RGBA)


DEPTHS: dict[str, np.dtype[Any]] = {
    "8": np.dtype(np.uint8),
    "16": np.dtype(np.uint16),
    "float": np.dtype(np.float32),
}


def depth_name(dtype: np.dtype[Any], depth: str | None) -> str:
    """Return the name of the dtype that pixels have after a conversion; None keeps theirs."""
    return (DEPTHS[depth] if depth else dtype).name


def converted(
    image: DecodedImage, depth: str, value_range: tuple[float, float] | None = None
) -> DecodedImage:
    """Return the image at another depth, values mapped linearly.

    Parameters
    ----------
    image : DecodedImage
    depth : str
        ``8``, ``16`` or ``float`` (float32, 0 to 1).
    value_range : (lo, hi), optional
        Values of a float image that become black and white; 0 and 1 by default. Where given for
        integers, the same.

    Raises
    ------
    FileError
        If a palette's indices would be converted.
    """
    target = DEPTHS[depth]
    if image.dtype == target or (depth == "float" and image.dtype.kind == "f"):
        return image
    if image.layout == PALETTE:
        raise FileError("--depth does not go with palette indices (--labels)")
    opaque = float(opaque_value(image.dtype))
    lo, hi = value_range or (0.0, opaque)
    nodata = image.metadata.nodata
    if nodata is not None and not can_hold(image.dtype, nodata):
        nodata = None
    marker = None if nodata is None else _marker(nodata, lo, hi, target)
    frames, clipped = [], 0
    for frame in image.frames:
        black, white = np.full(frame.shape[2:], lo), np.full(frame.shape[2:], hi)
        if image.has_alpha:
            # The range is one of colours: opacity has its own.
            black[-1], white[-1] = 0.0, opaque
        missing = _missing(frame, nodata, has_alpha=image.has_alpha)
        converted_frame, count = _rescaled(frame, black, white, target, missing)
        if marker is not None and missing is not None:
            colours = converted_frame[..., :-1] if image.has_alpha else converted_frame
            keep_off(colours, opaque_value(target) / 2, marker)
            converted_frame[missing] = marker
        frames.append(converted_frame)
        clipped += count
    result = replace(image, frames=frames, metadata=replace(image.metadata, nodata=marker))
    if not clipped:
        return result
    share = 100 * clipped / sum(frame.size for frame in image.frames)
    return result.noted(f"{share:.2g}% of the values lie outside {lo:g}..{hi:g}: clipped (--range)")


def _marker(nodata: float, lo: float, hi: float, target: np.dtype[Any]) -> float:
    """Return the value that means missing after a conversion."""
    value = (nodata - lo) / (hi - lo) * float(opaque_value(target))
    if target.kind == "f":
        return value
    return int(np.rint(np.clip(np.nan_to_num(value, nan=0.0), 0, opaque_value(target))))


def _missing(frame: Pixels, nodata: float | None, *, has_alpha: bool) -> Pixels | None:
    """Return where a frame's colours are missing; None where no value means that."""
    if nodata is None:
        return None
    missing: Pixels = np.isnan(frame) if np.isnan(nodata) else frame == nodata
    if has_alpha:
        missing[..., -1] = False
    return missing


def _rescaled(
    frame: Pixels, black: Pixels, white: Pixels, target: np.dtype[Any], missing: Pixels | None
) -> tuple[Pixels, int]:
    """Map values from black..white to a dtype's own range; count the valid that are clipped."""
    top, clipped = float(opaque_value(target)), 0
    out = np.empty(frame.shape, target)
    # Row by row blocks: a whole float64 copy would be eight times an 8-bit image.
    step = max(1, (1 << 20) // max(1, frame[0].size))
    for first in range(0, len(frame), step):
        values = (frame[first : first + step].astype(np.float64) - black) / (white - black)
        values *= top
        if target.kind != "f":
            # By half a level or more: less is rounding.
            beyond = (values < -0.5) | (values >= top + 0.5)
            if missing is not None:
                beyond &= ~missing[first : first + step]
            clipped += int(np.count_nonzero(beyond))
            values = np.rint(np.clip(np.nan_to_num(values, nan=0.0), 0, top))
        out[first : first + step] = values
    return out, clipped


def flattened(image: DecodedImage, colour: Sequence[int]) -> DecodedImage:
    """Return the image without alpha, laid over a colour.

    Parameters
    ----------
    image : DecodedImage
        Returned as it is where it has no alpha.
    colour : (red, green, blue)
        8-bit values. A colour that is not grey turns a grey image into RGB.
    """
    if not image.has_alpha:
        return image
    if image.layout == MULTI_ALPHA:
        raise FileError("--background needs grey or RGB, and this has other channels")
    top = float(opaque_value(image.dtype))
    grey = image.layout == GREY_ALPHA and len(set(colour)) == 1
    back = np.asarray(colour[:1] if grey else colour, np.float64) * (top / 255)

    def flatten(frame: Pixels) -> Pixels:
        out = np.empty((*frame.shape[:2], len(back)), frame.dtype)
        for row, line in zip(out, frame, strict=True):
            alpha = line[..., -1:].astype(np.float64) / top
            colours = line[..., :-1].astype(np.float64)
            if not image.premultiplied:
                colours *= alpha
            mixed = colours + (1 - alpha) * back
            row[:] = mixed if frame.dtype.kind == "f" else np.rint(np.clip(mixed, 0, top))
        return out[..., 0] if grey else out

    metadata = image.metadata
    notes: tuple[str, ...] = ()
    if image.layout == GREY_ALPHA and not grey and metadata.icc is not None:
        metadata = replace(metadata, icc=None)
        notes = ("grey ICC profile dropped: the background makes the image RGB",)
    return image.mapped(
        flatten, layout=GREY if grey else RGB, metadata=metadata, premultiplied=False
    ).noted(*notes)


def unmultiplied(image: DecodedImage) -> DecodedImage:
    """Return the image with colours that are not multiplied by alpha."""
    if not image.premultiplied:
        return image
    top = float(opaque_value(image.dtype))

    def divide(frame: Pixels) -> Pixels:
        alpha = frame[..., -1:].astype(np.float64) / top
        colours = np.divide(
            frame[..., :-1], alpha, out=np.zeros(frame[..., :-1].shape), where=alpha > 0
        )
        if frame.dtype.kind != "f":
            colours = np.rint(np.clip(colours, 0, top))
        return np.concatenate([colours.astype(frame.dtype), frame[..., -1:]], axis=2)

    return image.mapped(divide, premultiplied=False)


def finite_range(image: DecodedImage) -> tuple[float, float]:
    """Return the least and greatest finite colour value over all frames, see `range_of`."""
    colours = (frame[..., :-1] if image.has_alpha else frame for frame in image.frames)
    return range_of(colours, image.metadata.nodata)


def range_of(arrays: Iterable[Pixels], nodata: float | None = None) -> tuple[float, float]:
    """Return the least and greatest finite value of all arrays, but for the one that means missing.

    Raises
    ------
    FileError
        If there is no finite value, or only one value.
    """
    lo, hi = np.inf, -np.inf
    for values in arrays:
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if nodata is not None:
            finite = finite[finite != nodata]
        if finite.size:
            lo, hi = min(lo, float(finite.min())), max(hi, float(finite.max()))
    if not lo < hi:
        raise FileError("--range auto needs two different finite values in the image")
    return lo, hi
