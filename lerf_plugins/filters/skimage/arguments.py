"""scikit-image's arguments, checked, and its rules for dtypes, value ranges and clipping."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.util import img_as_float

from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_plugins.filters.arguments import (
    FixedKernel,
    FrontSource,
    as_index,
    check_copies,
    extremes,
    measured_range,
    refuse_masked,
)

Image = npt.NDArray[Any]

_HIGHEST_ORDER = 5


def as_array(image: npt.ArrayLike) -> Image:
    """Return an image as an array of native byte order with at least one axis and value.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If it is empty, masked, or holds no real numbers.
    """
    refuse_masked("image", image)
    array = np.asarray(image)
    if array.dtype.kind not in "buif":
        raise InvalidTypeError(f"image must hold booleans, integers or floats, got {array.dtype}")
    if array.ndim == 0 or 0 in array.shape:
        raise InvalidArgumentError(f"image is empty: shape {array.shape}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def checked_order(order: object, dtype: np.dtype[Any]) -> int:
    """Return the order of an interpolation, 0 to 5; None is 0 for bool, and else 1.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If there is no such order, or none for this dtype.
    """
    if order is None:
        return 0 if dtype == np.bool_ else 1
    number = as_index("order", order, "an integer or None")
    if not 0 <= number <= _HIGHEST_ORDER:
        raise InvalidArgumentError(f"order must lie in 0..{_HIGHEST_ORDER}, got {order!r}")
    if dtype == np.bool_ and number > 0:
        raise InvalidArgumentError(f"order must be 0 or None for a bool image, got {order!r}")
    return number


def check_copied(
    dtype: np.dtype[Any], order: int | None, kernel: FixedKernel, front: FrontSource | None
) -> None:
    """Raise if there is a kernel or a front for an image whose pixels are copied.

    Parameters
    ----------
    dtype : numpy.dtype
        Of the image.
    order : int or None
        As it is given; None is 0 for bool, and excludes no kernel then.
    kernel, front
        As they are given.
    """
    wanted = "order 0" if order is not None else f"order 0 of {dtype} images"
    check_copies(wanted, None if order is None else kernel, front)


def whole_sizes(shape: Any) -> tuple[int, ...]:
    """Round the lengths of a shape as scikit-image does.

    Raises
    ------
    InvalidArgumentError
        If they are no numbers, or one is rounded to less than 1.
    """
    try:
        sizes = tuple(round(float(size)) for size in shape)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgumentError(
            f"output_shape must be a sequence of lengths, got {shape!r}"
        ) from error
    if not sizes or min(sizes) < 1:
        raise InvalidArgumentError(f"output_shape must be positive, got {shape!r}")
    return sizes


def as_float(array: Image, *, preserve_range: bool) -> Image:
    """Return float32 or float64 by scikit-image's rules; the image itself where it is that."""
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.char in "fd":
        return array
    if preserve_range or array.dtype.kind == "f":
        return array.astype(np.float64)
    return np.asarray(img_as_float(array))


def value_range_of(
    dtype: np.dtype[Any], source: Image, *, preserve_range: bool
) -> tuple[float, float]:
    """Return the values at the tables' darkest and brightest level.

    Parameters
    ----------
    dtype : numpy.dtype
        Of the image.
    source : ndarray
        The floats that it became.
    preserve_range : bool
        Whether these have the image's own values.
    """
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return 0.0, float(np.iinfo(dtype).max) if preserve_range else 1.0
    return measured_range(source, is_unit_scaled=dtype.kind == "f") or (0.0, 1.0)


def clip_to_source(out: Image, source: Image, mode: str, cval: float) -> Image:
    """Clip a result, in place, to the image's range; to `cval` as well where that shows."""
    source_ends = extremes(source, ~np.isnan(source))
    if source_ends is None:
        return out
    low, high = source_ends
    if mode == "constant" and not low <= cval <= high:
        out_ends = extremes(out, ~np.isnan(out))
        if out_ends is not None and out_ends[0] <= cval <= out_ends[1]:
            low, high = min(low, cval), max(high, cval)
    np.clip(out, low, high, out=out)
    return out
