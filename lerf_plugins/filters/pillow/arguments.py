"""Pillow's modes, boxes and maps, checked; maps in the terms of `lerf_core`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry import as_homography
from lerf_plugins.filters.arguments import FixedKernel, FrontSource, check_copies

Box = Sequence[float]

COPIED_MODES = ("1", "P", "PA")
SEPARATE_MODES = ("L", "RGB", "RGBX", "CMYK", "YCbCr", "LAB", "La", "RGBa")
ALPHA_MODES = ("LA", "RGBA")
DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
#: Premultiplied: no colour exceeds its alpha.
PREMULTIPLIED_MODES = ("La", "RGBa")
#: Whose values are sRGB's.
ENCODED_MODES = ("L", "LA", "RGB", "RGBA", "RGBX")


def check_image(image: object, *, linear_light: bool = False) -> None:
    """Raise unless an image can be resampled, in linear light if that is asked for."""
    if not isinstance(image, Image.Image):
        raise InvalidTypeError(f"image must be a PIL image, got {type(image).__name__}")
    if image.mode not in (*COPIED_MODES, *SEPARATE_MODES, *ALPHA_MODES, *DEEP_MODES, "HSV"):
        raise InvalidArgumentError(f"image has a mode that is not known: {image.mode!r}")
    if linear_light and image.mode not in (*ENCODED_MODES, "HSV"):
        raise InvalidArgumentError(
            f"linear_light is for the modes {', '.join(ENCODED_MODES)} and HSV, got {image.mode!r}"
        )
    if 0 in image.size:
        raise InvalidArgumentError(f"image is empty: size {image.size}")


def check_numbers(name: str, values: Any, count: int) -> list[float]:
    """Return finite numbers as floats: `count` of them, or more."""
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"{name} must be {count} numbers, got {values!r}") from error
    if len(numbers) < count or not np.isfinite(numbers).all():
        raise InvalidArgumentError(f"{name} must be {count} finite numbers, got {values!r}")
    return numbers


def checked_box(box: Box | None, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return (left, upper, right, lower) within an image of (width, height); None: all of it."""
    if box is None:
        return 0.0, 0.0, float(size[0]), float(size[1])
    numbers = check_numbers("box", box, 4)
    if len(numbers) != 4:
        raise InvalidArgumentError(f"box must be 4 numbers, got {box!r}")
    left, upper, right, lower = numbers
    if not (0 <= left < right <= size[0] and 0 <= upper < lower <= size[1]):
        raise InvalidArgumentError(
            f"box must be (left, upper, right, lower) within an image of {size}, got {box!r}"
        )
    return left, upper, right, lower


def copies_pixels(image: Image.Image, resample: int | None) -> bool:
    """Whether pixels are copied."""
    if resample is not None:
        try:
            resample = Image.Resampling(resample)
        except ValueError as error:
            raise InvalidArgumentError(
                f"resample must be one of Image.Resampling, got {resample!r}"
            ) from error
    return image.mode in COPIED_MODES or resample == Image.Resampling.NEAREST


def check_copied(
    image: Image.Image, resample: int | None, kernel: FixedKernel, front: FrontSource | None
) -> None:
    """Raise if there is a kernel or a front for an image whose pixels are copied."""
    is_asked_for = resample == Image.Resampling.NEAREST
    wanted = "resample NEAREST" if is_asked_for else f"mode {image.mode}"
    check_copies(wanted, None if resample is None else kernel, front)


# -- maps ---------------------------------------------------------------------------


def from_centres(matrix: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    """Turn a 3x3 matrix of Pillow's coordinates into one of coordinates from pixel centres."""
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    back = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    return as_homography(back @ np.asarray(matrix, dtype=np.float64) @ shift)


def as_inverse_map(method: Any, data: Any, width: int, height: int) -> npt.NDArray[np.float64]:
    """Return a matrix, or source (row, col) positions (2, rows, cols)."""
    if method == Image.Transform.AFFINE:
        a, b, c, d, e, f = check_numbers("data", data, 6)[:6]
        return from_centres([[a, b, c], [d, e, f], [0, 0, 1]])
    if method == Image.Transform.PERSPECTIVE:
        a, b, c, d, e, f, g, h = check_numbers("data", data, 8)[:8]
        return from_centres([[a, b, c], [d, e, f], [g, h, 1]])
    if method == Image.Transform.EXTENT:
        x0, y0, x1, y1 = check_numbers("data", data, 4)[:4]
        return from_centres([[(x1 - x0) / width, 0, x0], [0, (y1 - y0) / height, y0], [0, 0, 1]])
    if method == Image.Transform.QUAD:
        corners = np.array(check_numbers("data", data, 8)[:8]).reshape(4, 2)
        return _between(corners, width, height)
    raise InvalidArgumentError(
        "method must be AFFINE, EXTENT, PERSPECTIVE, QUAD or MESH of Image.Transform, or have "
        f"getdata, got {method!r}"
    )


def parallelogram_matrix(data: Any, width: int, height: int) -> npt.NDArray[np.float64] | None:
    """Return the matrix of a ``QUAD`` that is a parallelogram; None: it is none, or small."""
    upper_left, lower_left, lower_right, upper_right = np.array(
        check_numbers("data", data, 8)[:8]
    ).reshape(4, 2)
    right, down = (upper_right - upper_left) / width, (lower_left - upper_left) / height
    is_parallel = np.array_equal(lower_right - lower_left, upper_right - upper_left)
    area = abs(right[0] * down[1] - right[1] * down[0])  # source pixels of an output pixel
    if not (is_parallel and area > 0.5):
        return None
    rows = np.column_stack([right, down, upper_left]).tolist()
    return from_centres([*rows, [0, 0, 1]])


def _between(corners: npt.NDArray[np.float64], width: int, height: int) -> npt.NDArray[np.float64]:
    """Interpolate source positions between a quadrilateral's corners.

    Parameters
    ----------
    corners : ndarray, (4, 2)
        (x, y) of the upper left, lower left, lower right and upper right one, in Pillow's
        coordinates.
    width, height : int
        Of the output.

    Returns
    -------
    ndarray, (2, height, width)
        (row, col), from pixel centres.
    """
    right = ((np.arange(width) + 0.5) / width)[None, :, None]
    down = ((np.arange(height) + 0.5) / height)[:, None, None]
    upper = corners[0] * (1 - right) + corners[3] * right
    lower = corners[1] * (1 - right) + corners[2] * right
    points = upper * (1 - down) + lower * down - 0.5
    return np.ascontiguousarray(np.moveaxis(points[..., ::-1], -1, 0))
