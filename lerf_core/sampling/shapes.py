"""Axes of images, and shapes of results."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lerf_core.errors import InvalidArgumentError
from lerf_core.validation import check_output_shape, check_scale

__all__ = ["requested_shape", "rescaled_shape", "spatial_axes"]


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


def spatial_axes(ndim: int, channel_axis: int | None) -> tuple[int, int]:
    """Return the axes of rows and columns: the last two that are not the channels'."""
    axes = [axis for axis in range(ndim) if channel_axis is None or axis != channel_axis % ndim]
    return axes[-2], axes[-1]


def requested_shape(
    shape: tuple[int, ...], axes: tuple[int, int], output_shape: Sequence[int]
) -> tuple[int, int]:
    """Return the rows and columns of a result that is asked for by its shape.

    Parameters
    ----------
    shape : tuple of int
        Of the image.
    axes : (int, int)
        Its axes of rows and columns.
    output_shape : sequence of int
        (rows, cols); or the shape of the whole result, as scikit-image takes it.

    Raises
    ------
    InvalidArgumentError
        If it is neither, or a side is not positive or 2**31 pixels or more.
    """
    try:
        length = len(output_shape)
    except TypeError as error:
        raise InvalidArgumentError(
            f"output_shape must be (rows, cols), got {output_shape!r}"
        ) from error
    if length == len(shape) and length > 2:
        others = [axis for axis in range(len(shape)) if axis not in axes]
        if any(output_shape[axis] != shape[axis] for axis in others):
            raise InvalidArgumentError(
                f"output_shape {tuple(output_shape)} may differ from {shape} in rows and "
                "columns only"
            )
        output_shape = [output_shape[axis] for axis in axes]
    return check_output_shape(output_shape)
