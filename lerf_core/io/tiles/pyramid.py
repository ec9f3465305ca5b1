"""Pyramids: each level half as large as the one before.

A level's pixel is the mean of two by two of the level before, so its centre lies half a
pixel of that level away from their first. Where a side is odd the last pixel is the mean of
what is there. Labels are copied instead: the first of two by two pixels, or one of the label that
most of them have.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.backends import get_backend
from lerf_core.pixels.label_keys import label_keys
from lerf_core.pixels.nodata import can_hold, keep_off
from lerf_core.sampling.coverage import halving_coverage

__all__ = ["SMALLEST", "halve", "level_shapes"]

#: Levels are added until both sides are no longer than this.
SMALLEST = 1024


def level_shapes(
    shape: tuple[int, ...], axes: tuple[int, int], levels: int | None, smallest: int | None = None
) -> list[tuple[int, ...]]:
    """Return the shape of each level.

    Parameters
    ----------
    shape : tuple of int
        Of the image.
    axes : (int, int)
        Those of rows and columns.
    levels : int or None
        How many; None: until both sides are no longer than `smallest`.
    smallest : int, optional
        By default `SMALLEST`.
    """
    smallest = SMALLEST if smallest is None else smallest
    shapes = [tuple(shape)]
    while levels is None or len(shapes) < levels:
        last = shapes[-1]
        longest = max(last[axis] for axis in axes)
        if longest == 1 or (levels is None and longest <= smallest):
            break
        shapes.append(
            tuple(-(-size // 2) if axis in axes else size for axis, size in enumerate(last))
        )
    return shapes


def halve(
    pixels: NDArray[Any],
    axes: tuple[int, int],
    *,
    channel_axis: int | None = None,
    has_alpha: bool = False,
    is_labels: bool = False,
    is_majority: bool = False,
    nodata: float | None = None,
) -> NDArray[Any]:
    """Return pixels at half the size.

    Parameters
    ----------
    pixels : ndarray
    axes : (int, int)
        Those of rows and columns.
    channel_axis : int or None
    has_alpha : bool
        The last channel is an opacity that the colours are not multiplied by: they weigh in by it.
    is_labels : bool
        Take the first of two by two pixels. So are booleans.
    is_majority : bool
        Take the label of most of the two by two pixels instead, of several the first pixel's.
    nodata : float or None
        Value of pixels that are missing: means and majorities are of the others, two at least.

    Returns
    -------
    ndarray
        Of the same dtype; integers rounded, halves up.
    """
    if is_majority:
        return _halve_labels(pixels, axes, channel_axis, has_alpha=has_alpha, nodata=nodata)
    if is_labels or pixels.dtype == np.bool_:
        every_second = [slice(None)] * pixels.ndim
        for axis in axes:
            every_second[axis] = slice(None, None, 2)
        return np.ascontiguousarray(pixels[tuple(every_second)])
    order = [axis for axis in range(pixels.ndim) if axis not in (*axes, channel_axis)]
    order += [*axes] if channel_axis is None else [*axes, channel_axis]
    source = pixels.transpose(order)
    if channel_axis is None:
        source = source[..., None]
    # To a dtype of the kernels, which have neither float16 nor foreign byte orders.
    native = pixels.dtype.newbyteorder("=")
    is_known = native.kind in "iu" or native.itemsize == 4
    source = np.ascontiguousarray(source, native if is_known else np.float64)
    *leading, rows, cols, channels = source.shape
    out = np.empty((*leading, -(-rows // 2), -(-cols // 2), channels), source.dtype)
    for index in np.ndindex(*leading):
        if nodata is not None and not has_alpha:
            out[index] = _halve_valid(source[index], nodata)
            continue
        get_backend("numba").halve(source[index], has_alpha=has_alpha, out=out[index])
        if nodata is not None:
            colours = out[index][..., :-1]
            keep_off(colours, _middle_of(colours.dtype), nodata)
    if channel_axis is None:
        out = out[..., 0]
    return out.transpose(np.argsort(order)).astype(pixels.dtype, copy=False)


def _halve_labels(
    pixels: NDArray[Any],
    axes: tuple[int, int],
    channel_axis: int | None,
    *,
    has_alpha: bool,
    nodata: float | None,
) -> NDArray[Any]:
    """Halve labels, each of all channels of a pixel; see `halve`."""
    order = [axis for axis in range(pixels.ndim) if axis not in (*axes, channel_axis)] + [*axes]
    order = order if channel_axis is None else [channel_axis, *order]
    source = pixels.transpose(order).astype(pixels.dtype.newbyteorder("="), copy=False)
    source = source[None] if channel_axis is None else source
    rows, cols = (halving_coverage(size) for size in source.shape[-2:])
    alpha = len(source) - 1 if has_alpha else None
    out = np.empty((*source.shape[:-2], len(rows.first), len(cols.first)), source.dtype)
    for index in np.ndindex(*source.shape[1:-2]):
        planes = list(source[(slice(None), *index)])
        clear = None if alpha is None else planes[alpha] == 0
        labels = label_keys(planes, alpha=alpha, clear=clear, nodata=nodata)
        copied = get_backend("numba").majority_on_grid(*labels, rows, cols)
        for plane, target in zip(planes, out[(slice(None), *index)], strict=True):
            target[...] = np.ascontiguousarray(plane).reshape(-1)[copied]
    out = out[0] if channel_axis is None else out
    return np.ascontiguousarray(out.transpose(np.argsort(order)), pixels.dtype)


def _halve_valid(pixels: NDArray[Any], nodata: float) -> NDArray[Any]:
    """Halve (rows, cols, channels) of which some are missing: not finite, or `nodata`."""
    rows, cols, _ = pixels.shape
    whole = np.pad(pixels, [(0, rows % 2), (0, cols % 2), (0, 0)], mode="edge")
    corners = [whole[y::2, x::2] for y in (0, 1) for x in (0, 1)]
    is_integer = pixels.dtype.kind in "iu"
    if is_integer and can_hold(pixels.dtype, nodata):
        nodata = int(nodata)  # as floats, other integers would equal it
        valid = [corner != nodata for corner in corners]
    elif is_integer:
        valid = [np.ones(corner.shape, np.bool_) for corner in corners]
    else:
        valid = [np.isfinite(corner) & (corner != nodata) for corner in corners]
    count = np.sum(valid, axis=0)
    values = [np.where(there, corner, 0) for there, corner in zip(valid, corners, strict=True)]
    if is_integer and pixels.itemsize == 8:
        out = _mean_of_long(values, np.maximum(count, 1))
    else:
        mean = np.sum(values, axis=0, dtype=np.float64) / np.maximum(count, 1)
        out = (np.floor(mean + 0.5) if is_integer else mean).astype(pixels.dtype)
    keep_off(out, _middle_of(out.dtype), nodata)
    gaps = count < len(corners) / 2
    if gaps.any():
        # Of integers that cannot be `nodata` none is missing.
        out[gaps] = nodata
    return out


def _mean_of_long(values: list[NDArray[Any]], count: NDArray[np.integer]) -> NDArray[Any]:
    """Return sums over counts, of integers whose sums might overflow: quotients and rest apart."""
    count = count.astype(values[0].dtype)
    quotients = np.sum([value // count for value in values], axis=0, dtype=count.dtype)
    rest = np.sum([value % count for value in values], axis=0, dtype=count.dtype)
    mean: NDArray[Any] = quotients + (2 * rest + count) // (2 * count)
    return mean


def _middle_of(dtype: np.dtype[Any]) -> float:
    """Return the middle of the values that integers can have, or of 0..1."""
    if dtype.kind == "f":
        return 0.5
    info = np.iinfo(dtype)
    return (int(info.min) + int(info.max)) / 2
