"""Low-resolution images, made from high-resolution ones by anti-aliased bicubic.

The kernel is Keys' cubic convolution [1]_ with a = -0.5, stretched by the scale. `degrade_image`
makes a benchmark's inputs, as MATLAB's ``imresize`` shrinks 8-bit images: beyond the border lies
the border's pixel, the axis that shrinks more goes first, rows before columns, and each axis is
rounded to 8 bits, halves up; the low-resolution files of the SRF benchmarks come out bit for bit.
`degrade_patch` makes training samples, of any part of a plane, rounded once.

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

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

import lerf_core
from lerf_core.constants import KEYS_SLOPE
from lerf_core.errors import InvalidArgumentError
from lerf_training.data.benchmark_sets import ScaleFactor, format_scale
from lerf_training.data.image_files import Image

__all__ = ["crop_to_scale", "degrade_image", "degrade_patch", "low_shape"]

Plane = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

# Of the kernel, to both sides.
_SUPPORT = 2.0


def low_shape(shape: tuple[int, int], scale: ScaleFactor) -> tuple[int, int]:
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


def crop_to_scale(high: Image, scale: ScaleFactor) -> Image:
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


def degrade_image(high: Image, scale: ScaleFactor) -> Image:
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
    >>> degrade_image(np.full((9, 12, 3), 7, np.uint8), (3.0, 1.5)).shape
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


def _taps(high: int, low: int, factor: float) -> tuple[npt.NDArray[np.int64], Floats]:
    """Index and weight of the pixels that each low-resolution pixel is made of."""
    # Where `lerf_core.sampling.axis_positions` puts the low-resolution pixels, the other way.
    position = (np.arange(low) - (low - 1) / 2) * factor + (high - 1) / 2
    reach = _SUPPORT * factor
    first = np.floor(position - reach).astype(np.int64)
    index = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)
    weight = _cubic((position[:, None] - index) / factor)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.clip(index, 0, high - 1), weight


def _cubic(distance: Floats) -> Floats:
    """Keys' kernel at distances in low-resolution pixels.

    In MATLAB's order of operations, which decides how ties are rounded: another, as that of
    `lerf_core.sampling.kernels`, gives other pixels than the benchmarks' files have.
    """
    x, a = np.abs(distance), KEYS_SLOPE
    inner = (a + 2) * x**3 - (a + 3) * x**2 + 1
    outer = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, inner, np.where(x < _SUPPORT, outer, 0.0))


# -- training samples -----------------------------------------------------------------


def degrade_patch(
    plane: npt.NDArray[np.generic],
    box: Sequence[float],
    shape: tuple[int, int],
    *,
    coverage: bool = False,
) -> Plane:
    """Anti-aliased bicubic (a = -0.5) of a part of a plane, rounded once.

    Parameters
    ----------
    plane : ndarray, (rows, cols)
        Grey levels in 0..255.
    box : (left, top, right, bottom)
        The part, in pixels from the top left corner; fractions allowed.
    shape : (rows, cols)
        Of the result.
    coverage : bool, optional
        Take plain means over each pixel's area instead, as graphics are rendered.

    Returns
    -------
    ndarray of uint8, `shape`
    """
    from PIL import Image

    left, top, right, bottom = map(float, box)
    if coverage:
        small = _area_means(plane.astype(np.float64), top, bottom, shape[0])
        small = _area_means(small.T, left, right, shape[1]).T
    else:
        image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
        size = (shape[1], shape[0])
        small = np.asarray(
            image.resize(size, Image.Resampling.BICUBIC, box=(left, top, right, bottom))
        )
    levels: Plane = np.clip(np.rint(small), 0, 255).astype(np.uint8)
    return levels


def _area_means(plane: Floats, start: float, stop: float, count: int) -> Floats:
    """Means over `count` equal parts of the rows start..stop, fractions of pixels counted."""
    sums = np.pad(np.cumsum(plane, axis=0), ((1, 0), (0, 0)))
    edges = np.linspace(start, stop, count + 1)
    whole = np.minimum(edges.astype(int), len(plane) - 1)
    up_to = sums[whole] + (edges - whole)[:, None] * plane[whole]
    means: Floats = np.diff(up_to, axis=0) * (count / (stop - start))
    return means
