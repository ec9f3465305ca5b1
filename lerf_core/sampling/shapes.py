"""Shapes of results."""

from __future__ import annotations

import math

from lerf_core.errors import InvalidArgumentError
from lerf_core.validation import check_output_shape, check_scale

__all__ = ["rescaled_shape"]


def rescaled_shape(shape: tuple[int, int], scale: float | tuple[float, float]) -> tuple[int, int]:
    """Return the rows and columns that `rescale` gives: ``ceil(size * scale)`` for each axis.

    Rounding errors of the product do not count: 10 pixels by 1.1 are 11.

    Raises
    ------
    InvalidArgumentError
        If the shape is not two numbers, the scale is not positive and finite, or a side of the
        result is 2**31 pixels or more.

    Examples
    --------
    >>> rescaled_shape((10, 7), 1.1)
    (11, 8)
    """
    factors = check_scale(scale)
    try:
        sizes = [float(size) * factor for size, factor in zip(shape, factors, strict=True)]
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"shape must be (rows, cols), got {shape!r}") from error
    if not max(sizes) < 2**31:
        raise InvalidArgumentError(f"{shape} by {scale} gives sides of 2**31 pixels or more")
    rows, cols = (max(1, math.ceil(size - 1e-9 * max(1.0, size))) for size in sizes)
    return check_output_shape((rows, cols))
