"""OpenCV's flags, sizes, matrices and maps, checked and in the terms of `lerf_core`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_plugins.filters.arguments import (
    OPENCV_BORDERS,
    as_index,
    channel_keywords,
    check_sides,
    measured_range,
    refuse_masked,
)

Image = npt.NDArray[Any]

INTER_NEAREST = 0
INTER_LINEAR = 1
INTER_CUBIC = 2
INTER_AREA = 3
INTER_LANCZOS4 = 4
INTER_LINEAR_EXACT = 5
INTER_NEAREST_EXACT = 6
WARP_INVERSE_MAP = 16
WARP_RELATIVE_MAP = 32

BORDER_CONSTANT = 0
BORDER_REPLICATE = 1
BORDER_REFLECT = 2
BORDER_WRAP = 3
BORDER_REFLECT_101 = 4
BORDER_TRANSPARENT = 5

#: Interpolations that copy pixels.
NEAREST_KINDS = (INTER_NEAREST, INTER_NEAREST_EXACT)
_INTERPOLATIONS = range(INTER_NEAREST_EXACT + 1)
_INTERPOLATION_BITS = 7
#: WARP_FILL_OUTLIERS: they are always filled.
WITHOUT_EFFECT = 8
#: Without effect: no image is a part of a larger one here.
BORDER_ISOLATED = 16
# What BORDER_TRANSPARENT shows beyond the image is not kept.
_BORDERS = OPENCV_BORDERS | {BORDER_TRANSPARENT: "edge"}
_DTYPES = tuple(np.dtype(name) for name in ("u1", "u2", "i2", "f4", "f8"))
# Values of a border: OpenCV's Scalar.
_SCALAR = 4
# Fixed-point maps: 5 bits of fraction per axis.
_FRACTION_BITS = 5


def as_image(src: npt.ArrayLike) -> Image:
    """Return the image; a single channel has no axis of its own."""
    refuse_masked("src", src)
    image = np.asarray(src)
    if image.ndim not in {2, 3}:
        raise InvalidArgumentError(
            f"src must be (rows, cols) or (rows, cols, channels), got shape {image.shape}"
        )
    if image.dtype.kind not in "buif":
        raise InvalidTypeError(f"src must hold numbers, got {image.dtype}")
    if 0 in image.shape:
        raise InvalidArgumentError(f"src is empty: shape {image.shape}")
    return image[..., 0] if image.shape[2:] == (1,) else image


def as_matrix(M: npt.ArrayLike, rows: int) -> Image:  # noqa: N803
    """Return a matrix of so many rows and three columns."""
    matrix = np.asarray(M)
    if matrix.shape != (rows, 3):
        raise InvalidArgumentError(f"M must have shape ({rows}, 3), got {matrix.shape}")
    return matrix


def interpolation_kind(flags: object, name: str, other_bits: int = 0) -> int:
    """Return the interpolation among flags, of which `other_bits` may be set as well."""
    bits = as_index(name, flags)
    kind = bits & _INTERPOLATION_BITS
    if bits < 0 or bits & ~(_INTERPOLATION_BITS | other_bits) or kind not in _INTERPOLATIONS:
        raise InvalidArgumentError(f"{name} has a value that is not known: {flags!r}")
    return kind


def output_shape(dsize: Any) -> tuple[int, int] | None:
    """Return (rows, cols) of a (width, height); None for None and (0, 0), which leave it open."""
    if dsize is None or check_sides("dsize", dsize, least=0) == (0, 0):
        return None
    width, height = check_sides("dsize", dsize)
    return height, width


def scaled_shape(image: Image, fx: float, fy: float) -> tuple[int, int]:
    """Return (rows, cols) of an image times the factors of its height and width, rounded."""
    if not (0 < fx < np.inf and 0 < fy < np.inf):
        raise InvalidArgumentError(
            f"without dsize, fx and fy must be positive and finite, got {fx!r} and {fy!r}"
        )
    rows, cols = round(image.shape[0] * fy), round(image.shape[1] * fx)
    if min(rows, cols) < 1:
        raise InvalidArgumentError(f"fx {fx!r} and fy {fy!r} leave nothing of {image.shape}")
    return rows, cols


def intensity_keywords(image: Image, value_range: tuple[float, float] | None) -> dict[str, Any]:
    """Return lerf_core's keywords for the values and channels of an image that is averaged."""
    if image.dtype.newbyteorder("=") not in _DTYPES:
        raise InvalidTypeError(
            "src must be uint8, uint16, int16, float32 or float64 unless interpolation is "
            f"INTER_NEAREST, got {image.dtype}"
        )
    if value_range is None and image.dtype.kind in "if":
        value_range = measured_range(image, is_unit_scaled=image.dtype.kind == "f")
    return {"value_range": value_range, **channel_keywords(image)}


def border_keywords(mode: object, value: Any, channels: int) -> dict[str, Any]:
    """Return lerf_core's keywords for a border flag and the values of a constant border."""
    flag = as_index("borderMode", mode) & ~BORDER_ISOLATED
    if flag not in _BORDERS:
        raise InvalidArgumentError(f"borderMode has a value that is not known: {mode!r}")
    try:
        values = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"borderValue must be numbers, got {value!r}") from error
    if values.ndim != 1 or len(values) > _SCALAR:
        raise InvalidArgumentError(f"borderValue must be up to {_SCALAR} numbers, got {value!r}")
    scalar = np.zeros(_SCALAR)
    scalar[: len(values)] = values
    return {"mode": _BORDERS[flag], "cval": np.resize(scalar, channels).tolist()}


def as_positions(map1: npt.ArrayLike, map2: npt.ArrayLike | None) -> npt.NDArray[np.float64]:
    """Return the source (row, col) positions, (2, rows, cols), of any of OpenCV's maps."""
    first = np.asarray(map1)
    second = None if map2 is None or np.size(map2) == 0 else np.asarray(map2)
    is_split = second is not None and second.shape == first.shape[:2]
    if first.ndim == 2 and is_split and first.size:
        x, y = first, np.asarray(second)
    elif first.ndim == 3 and first.shape[2] == 2 and first.size:
        x, y = first[..., 0], first[..., 1]
        if second is not None:
            x, y = _with_fractions(x, y, second)
    else:
        shapes = f"{first.shape} and {None if second is None else second.shape}"
        raise InvalidArgumentError(
            "maps must be x and y of one shape (rows, cols), or (rows, cols, 2) and None, got "
            f"shapes {shapes}"
        )
    if x.dtype.kind not in "iuf" or y.dtype.kind not in "iuf":
        raise InvalidTypeError(f"maps must hold real numbers, got {x.dtype} and {y.dtype}")
    return np.stack([y, x]).astype(np.float64)


def _with_fractions(x: Image, y: Image, fractions: Image) -> tuple[Image, Image]:
    """Add the fractions of a fixed-point map: x's in the lower bits, y's in the upper ones."""
    if fractions.shape != x.shape or fractions.dtype.kind not in "iu" or x.dtype.kind not in "iu":
        raise InvalidArgumentError(
            f"with map1 (rows, cols, 2), map2 must be None or the integers of cv2.convertMaps, "
            f"got {fractions.dtype} of shape {fractions.shape}"
        )
    unit = 1 << _FRACTION_BITS
    bits = fractions.astype(np.int64)
    return x + (bits & (unit - 1)) / unit, y + (bits >> _FRACTION_BITS & (unit - 1)) / unit
