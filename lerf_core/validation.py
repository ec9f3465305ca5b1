"""Checks of what users pass in; everything behind the boundary trusts its arguments.

Each function returns its argument in one form, or raises an `InvalidArgumentError`, for a wrong
type an `InvalidTypeError`, that names the argument and the value received.
"""

from __future__ import annotations

import math
import operator
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError, InvalidTypeError

__all__ = [
    "check_axes",
    "check_choice",
    "check_count",
    "check_device_name",
    "check_image",
    "check_number",
    "check_output_shape",
    "check_scale",
    "check_value_range",
    "is_masked",
]

# Longer sides than this are a mistake, not an image.
_MAX_SIDE = 2**31 - 1

# Kinds of devices whose memory the processor reads, as DLPack counts them: CPU and pinned.
_MAIN_MEMORY = {1, 3, 11}


def is_masked(image: object) -> TypeGuard[np.ma.MaskedArray[Any, Any]]:
    """Tell a masked array. Where nobody has imported `numpy.ma` there is none: nor does this."""
    masked = sys.modules.get("numpy.ma.core")
    return masked is not None and isinstance(image, masked.MaskedArray)


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise unless `value` is one of the choices."""
    if value not in choices:
        raise InvalidArgumentError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_device_name(name: str) -> None:
    """Raise unless it is the name of a device, whether this computer has it or not."""
    if re.fullmatch(r"cpu|cuda(:\d{1,3})?|mps", name) is None:
        raise InvalidArgumentError(f"{name!r} is no device such as cpu, cuda, cuda:1 or mps")


def check_image(image: object, channel_axis: int | None) -> npt.NDArray[Any]:
    """Return an image as an array with at least two spatial axes, none of them empty.

    Masked arrays stay such.

    A warning for what may be a forgotten `channel_axis` points to the caller of the caller.
    """
    if not isinstance(image, np.ndarray) and hasattr(image, "dask"):
        raise InvalidTypeError(
            "image is a dask array; lerf_core.chunked takes those, or compute it first"
        )
    if not isinstance(image, np.ndarray) and _lies_on_a_device(image):
        raise InvalidTypeError(
            f"image is a {type(image).__name__} on a device; lerf_plugins.filters.arrays takes "
            "those, or bring it to main memory first"
        )
    array = image if is_masked(image) else np.asarray(image)
    check_axes(array.shape, array.dtype, channel_axis, stacklevel=4)
    return array


def _lies_on_a_device(image: object) -> bool:
    """Whether an array of another library is not in main memory, by the protocol of DLPack."""
    device = getattr(image, "__dlpack_device__", None)
    if device is None:
        return False
    kind, _ = device()
    return int(kind) not in _MAIN_MEMORY


def check_axes(
    shape: tuple[int, ...], dtype: np.dtype[Any], channel_axis: int | None, *, stacklevel: int = 3
) -> None:
    """Raise unless an image has pixels that can be resampled, and two spatial axes of them.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy dtype
    channel_axis : int or None
    stacklevel : int
        Of the warning for what may be a forgotten `channel_axis`.
    """
    if dtype.kind not in "buif":
        raise InvalidTypeError(f"image must hold booleans, integers or floats, got {dtype}")
    ndim = len(shape)
    if channel_axis is not None:
        channel_axis = _integer("channel_axis", channel_axis)
    axes = ndim - (channel_axis is not None)
    if axes < 2:
        raise InvalidArgumentError(
            f"image must have at least two spatial axes, got shape {shape} with "
            f"channel_axis {channel_axis}"
        )
    if channel_axis is not None and not -ndim <= channel_axis < ndim:
        raise InvalidArgumentError(
            f"channel_axis must lie in {-ndim}..{ndim - 1}, got {channel_axis}"
        )
    if 0 in shape:
        raise InvalidArgumentError(f"image is empty: shape {shape}")
    if channel_axis is None and ndim == 3 and shape[2] in (3, 4):
        warnings.warn(
            f"an image of shape {shape} is resampled plane by plane over its last two "
            "axes; if the last axis holds colours, pass channel_axis=-1",
            stacklevel=stacklevel,
        )


def _integer(name: str, value: Any) -> int:
    if isinstance(value, (bool, np.bool_)):
        raise InvalidTypeError(f"{name} must be an integer, got {value!r}")
    try:
        return operator.index(value)
    except TypeError as error:
        raise InvalidTypeError(f"{name} must be an integer, got {value!r}") from error


def check_output_shape(shape: Any) -> tuple[int, int]:
    """Return (rows, cols), both positive integers."""
    try:
        rows, cols = (operator.index(side) for side in shape)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"output_shape must be (rows, cols), got {shape!r}") from error
    if not (0 < rows <= _MAX_SIDE and 0 < cols <= _MAX_SIDE):
        raise InvalidArgumentError(
            f"output_shape must be positive and below 2**31, got {(rows, cols)}"
        )
    return rows, cols


def check_scale(scale: Any) -> tuple[float, float]:
    """Return the scales of (rows, cols), both positive and finite."""
    try:
        pair = np.broadcast_to(np.asarray(scale, dtype=np.float64), (2,))
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"scale must be a number or a (row, col) pair, got {scale!r}"
        ) from error
    row, col = (float(value) for value in pair)
    if not (math.isfinite(row) and math.isfinite(col) and row > 0 and col > 0):
        raise InvalidArgumentError(f"scale must be positive and finite, got {scale!r}")
    return row, col


def check_value_range(value_range: Any, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the (low, high) values at the tables' levels 0 and 255, the dtype's for None."""
    if value_range is None:
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            return float(info.min), float(info.max)
        return 0.0, 1.0
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"value_range must be (low, high), got {value_range!r}"
        ) from error
    length = high - low
    # Neither the length nor its inverse may overflow.
    if not (math.isfinite(length) and 1e-300 < length < 1e300):
        raise InvalidArgumentError(f"value_range must be finite and rising, got {(low, high)}")
    return low, high


def check_count(name: str, value: Any) -> int:
    """Return a positive integer."""
    count = _integer(name, value)
    if count < 1:
        raise InvalidArgumentError(f"{name} must be positive, got {value!r}")
    return count


def check_number(name: str, value: Any) -> float:
    """Return a real number as float; NaN and infinity pass."""
    try:
        if not isinstance(value, (str, bytes, complex)):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidArgumentError(f"{name} must be a number, got {value!r}")
