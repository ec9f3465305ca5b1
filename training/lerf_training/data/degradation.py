"""Low-resolution inputs, made from high-resolution images as benchmarks make theirs.

The kernel is Keys' cubic convolution [1]_ with a = -0.5, stretched by the scale: what MATLAB's
``imresize`` shrinks 8-bit images by. Beyond the border lies the border's pixel. The axis that
shrinks more goes first, rows before columns, and each axis is rounded to 8 bits, halves up: the
low-resolution files of the SRF benchmarks come out bit for bit.

Convention
----------
Images are uint8, (rows, cols) or (rows, cols, channels), scales (row, column). The high-resolution
image is what `lerf_core.rescale` makes of the low-resolution one: of ``ceil(size * scale)``
pixels, centres of both images together, pixels exactly ``scale`` apart.

References
----------
.. [1] Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6),
   1981.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import lerf_core
from lerf_core.errors import InvalidArgumentError
from lerf_training.data.benchmarks import Image, Scale, format_scale

__all__ = ["crop_to_scale", "degrade", "low_shape"]

Weights = npt.NDArray[np.float64]

_CUBIC = -0.5
_SUPPORT = 2.0


def low_shape(shape: tuple[int, int], scale: Scale) -> tuple[int, int]:
    """Largest low-resolution image whose enlargement fits into an image.

    Parameters
    ----------
    shape : (rows, cols)
        Of the high-resolution image.
    scale : (row, column)
        At least 1.

    Returns
    -------
    rows, cols : int

    Raises
    ------
    InvalidArgumentError
        If a scale is below 1, or the image is smaller than one enlarged pixel.

    Examples
    --------
    >>> low_shape((10, 10), (3.0, 1.5))
    (3, 6)
    """
    if not min(scale) >= 1:
        raise InvalidArgumentError(
            f"inputs can be made for scales of 1 and more, not for {format_scale(scale)}"
        )
    rows, cols = (_low_size(size, factor) for size, factor in zip(shape, scale, strict=True))
    if not min(rows, cols):
        raise InvalidArgumentError(
            f"an image of {shape[1]}x{shape[0]} pixels is too small for {format_scale(scale)}"
        )
    return rows, cols


def _low_size(size: int, factor: float) -> int:
    low = int(size / factor) + 1
    while low and lerf_core.rescaled_shape((low, low), factor)[0] > size:
        low -= 1
    return low


def crop_to_scale(high: Image, scale: Scale) -> Image:
    """The part of an image, from the top left, that an enlargement can have the size of.

    Parameters
    ----------
    high : ndarray of uint8, shape (rows, cols) or (rows, cols, channels)
    scale : (row, column)
        At least 1.

    Returns
    -------
    ndarray of uint8
        A view. For whole scales its sides are their multiples.

    Raises
    ------
    InvalidArgumentError
        As `low_shape`.

    Examples
    --------
    >>> import numpy as np
    >>> crop_to_scale(np.zeros((10, 10), np.uint8), (3.0, 1.5)).shape
    (9, 9)
    """
    rows, cols = lerf_core.rescaled_shape(low_shape(_shape(high), scale), scale)
    return high[:rows, :cols]


def degrade(high: Image, scale: Scale) -> Image:
    """Shrink an image to the input of an enlargement by `scale`.

    Parameters
    ----------
    high : ndarray of uint8, shape (rows, cols) or (rows, cols, channels)
        Of a size that `crop_to_scale` leaves as it is.
    scale : (row, column)
        At least 1.

    Returns
    -------
    ndarray of uint8
        Of `low_shape` rows and columns.

    Raises
    ------
    InvalidArgumentError
        As `low_shape`; or if the image is not cropped to the scale.

    Examples
    --------
    >>> import numpy as np
    >>> degrade(np.full((9, 12, 3), 7, np.uint8), (3.0, 1.5)).shape
    (3, 8, 3)
    """
    shape = low_shape(_shape(high), scale)
    if lerf_core.rescaled_shape(shape, scale) != _shape(high):
        raise InvalidArgumentError(
            f"an image of {high.shape[1]}x{high.shape[0]} pixels is no enlargement by "
            f"{format_scale(scale)}: crop it first"
        )
    image = high
    for axis in (0, 1) if scale[0] >= scale[1] else (1, 0):
        image = _shrink(image, axis, shape[axis], scale[axis])
    return image


def _shape(image: Image) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def _shrink(image: Image, axis: int, size: int, factor: float) -> Image:
    """Shrink one axis to `size` pixels, rounded to 8 bits, halves up."""
    index, weight = _taps(image.shape[axis], size, factor)
    lines = np.moveaxis(image, axis, 0)
    total = np.zeros((size, *lines.shape[1:]))
    column = (size, *[1] * (lines.ndim - 1))
    for tap in range(index.shape[1]):
        total += weight[:, tap].reshape(column) * lines[index[:, tap]]
    rounded = np.clip(np.floor(total + 0.5), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(rounded, 0, axis))


def _taps(high: int, low: int, factor: float) -> tuple[npt.NDArray[np.int64], Weights]:
    """Index and weight of the pixels that each low-resolution pixel is made of."""
    # Where `lerf_core.sampling.taps.axis_positions` says that the low-resolution pixels lie, the other way.
    position = (np.arange(low) - (low - 1) / 2) * factor + (high - 1) / 2
    reach = _SUPPORT * factor
    first = np.floor(position - reach).astype(np.int64)
    index = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)
    weight = _cubic((position[:, None] - index) / factor)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.clip(index, 0, high - 1), weight


def _cubic(distance: Weights) -> Weights:
    x = np.abs(distance)
    near = (_CUBIC + 2) * x**3 - (_CUBIC + 3) * x**2 + 1
    far = _CUBIC * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < _SUPPORT, far, 0.0))
