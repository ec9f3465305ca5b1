"""How a shrinking function is called, and the sizes at which its geometry is exact.

Convention
----------
Shapes are (rows, cols). A factor is source pixels per result pixel, above 1; a frequency is in
units of the result's Nyquist frequency, along the axis on which it is higher, so that 1 is what
the result can just hold, and the factor what the source can.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError

__all__ = ["Levels", "Shrink", "check_factor", "exact_crop", "exact_size", "shrunk_levels"]

Levels = npt.NDArray[np.float64]
#: ``shrink(image, (rows, cols))``: an image of uint8, or of float32 on 0..255, (rows, cols), and
#: the shape of the result, which fills the same area.
Shrink = Callable[[npt.NDArray[Any], tuple[int, int]], npt.NDArray[Any]]

# Result pixels that are given up for a ratio closer to the factor.
_SEARCH = 32


def check_factor(factor: float) -> None:
    """Refuse what does not shrink.

    Raises
    ------
    InvalidArgumentError
        If `factor` is not a finite number above 1.
    """
    if not 1 < factor < np.inf:
        raise InvalidArgumentError(f"a factor to shrink by is above 1 and finite, got {factor:g}")


def exact_size(size: int, factor: float) -> tuple[int, int]:
    """Largest part of an axis that a whole number of result pixels fills.

    Parameters
    ----------
    size : int
        Source pixels.
    factor : float
        Above 1.

    Returns
    -------
    source, result : int
        Pixels of the part and of the result. Their ratio is the factor where that is a fraction
        of small numbers, and as close to it as the last 32 result pixels allow elsewhere.

    Raises
    ------
    InvalidArgumentError
        If the factor is not above 1, or the axis is shorter than a result pixel.

    Examples
    --------
    >>> exact_size(100, 3), exact_size(100, 1.7)
    ((99, 33), (85, 50))
    """
    check_factor(factor)
    longest = int(size / factor + 1e-9)
    if longest < 1:
        raise InvalidArgumentError(f"{size} pixels are too few to shrink by {factor:g}")
    candidates = range(longest, max(longest // 2, longest - _SEARCH), -1)
    # min keeps the first of equals: the largest.
    result = min(candidates, key=lambda count: abs(round(count * factor) / count - factor))
    return round(result * factor), result


def exact_crop(image: npt.NDArray[Any], factor: float) -> tuple[npt.NDArray[Any], tuple[int, int]]:
    """Crop an image so that it shrinks by the factor, and to what shape.

    Parameters
    ----------
    image : ndarray, (rows, cols) or (rows, cols, channels)
    factor : float

    Returns
    -------
    source : ndarray
        A view from the top left.
    shape : (rows, cols)
        Of the result.

    Raises
    ------
    InvalidArgumentError
        As `exact_size`.
    """
    (rows, small_rows), (cols, small_cols) = (exact_size(n, factor) for n in image.shape[:2])
    return image[:rows, :cols], (small_rows, small_cols)


def shrunk_levels(
    shrink: Shrink, levels: Levels, shape: tuple[int, int], *, quantise: bool
) -> Levels:
    """Shrink a scene.

    Parameters
    ----------
    shrink : callable
    levels : ndarray of float64, (rows, cols)
        Grey levels on 0..255.
    shape : (rows, cols)
        Of the result.
    quantise : bool
        Give the scene in 8 bits; else in float32.

    Returns
    -------
    ndarray of float64, `shape`

    Raises
    ------
    InvalidArgumentError
        If the result has another shape.
    """
    if quantise:
        image: npt.NDArray[Any] = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    else:
        image = levels.astype(np.float32)
    result = np.asarray(shrink(image, shape))
    if result.shape != shape:
        raise InvalidArgumentError(f"shrinking to {shape} gave shape {result.shape}")
    return result.astype(np.float64)
