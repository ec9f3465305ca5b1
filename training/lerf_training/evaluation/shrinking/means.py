"""Whether shrinking keeps the means of areas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from lerf_core.errors import InvalidArgumentError
from lerf_training.evaluation.shrinking.geometry import Levels
from lerf_training.evaluation.shrinking.scenes import block_means

__all__ = ["MeanShift", "mean_shift"]

_BLOCK = 32


@dataclass(frozen=True)
class MeanShift:
    """By how many levels means differ between source and result.

    Attributes
    ----------
    largest, rms : float
        Over blocks. Of sharp filters they hold what crosses the outline of a block.
    smooth : float
        Root mean square over windows of twice a block's side that fade out (Hann), which leave
        shifts of the level alone: rounding, clipping, and what a method does to the mean.
    whole : float
        Of the whole image, result minus source, the channels' with the largest shift.
    """

    largest: float
    rms: float
    smooth: float
    whole: float


def mean_shift(
    source: npt.NDArray[Any], result: npt.NDArray[Any], *, block: int = _BLOCK
) -> MeanShift:
    """Differences of the means over blocks of the source and of the same area of the result.

    Blocks are whole result pixels, so that no pixel of the result lies in two of them: of `block`
    source pixels a side, or as near to that as whole result pixels come. What lies beyond the
    last whole block does not count.

    Parameters
    ----------
    source : ndarray, (rows, cols) or (rows, cols, channels)
    result : ndarray
        The same area with fewer pixels.
    block : int, optional
        Source pixels of a block's side.

    Returns
    -------
    MeanShift

    Raises
    ------
    InvalidArgumentError
        If the images have different channels, or are smaller than a block.

    Examples
    --------
    >>> source = np.full((64, 64), 10.0)
    >>> mean_shift(source, source[::2, ::2] + 0.5)
    MeanShift(largest=0.5, rms=0.5, smooth=0.5, whole=0.5)
    """
    large, small = np.atleast_3d(source), np.atleast_3d(result)
    if large.shape[2:] != small.shape[2:]:
        raise InvalidArgumentError(f"channels differ: {large.shape} and {small.shape}")
    shape = (small.shape[0], small.shape[1])
    # Beside means over what each result pixel covers.
    shift = np.stack(
        [
            small[..., channel].astype(np.float64)
            - block_means(large[..., channel].astype(np.float64), shape)
            for channel in range(large.shape[2])
        ]
    )
    sides = [_sides(*sizes, block) for sizes in zip(shape, large.shape[:2], strict=True)]
    blocks, windows = _blocks(shift, sides), _windows(shift, [side for side, _ in sides])
    whole = shift.mean(axis=(1, 2))
    return MeanShift(
        float(np.abs(blocks).max()),
        float(np.sqrt(np.square(blocks).mean())),
        float(np.sqrt(np.square(windows).mean())),
        float(whole[np.abs(whole).argmax()]),
    )


def _sides(small: int, large: int, block: int) -> tuple[int, int]:
    """Result pixels of a block's side, and how many blocks there are."""
    side = max(1, round(block * small / large))
    count = small // side
    if not count:
        raise InvalidArgumentError(f"{large} pixels are fewer than a block of {block}")
    return side, count


def _blocks(shift: Levels, sides: Sequence[tuple[int, int]]) -> Levels:
    """Means over blocks of planes (channels, rows, cols)."""
    (side_rows, rows), (side_cols, cols) = sides
    used = shift[:, : rows * side_rows, : cols * side_cols]
    means: Levels = used.reshape(-1, rows, side_rows, cols, side_cols).mean(axis=(2, 4))
    return means


def _windows(shift: Levels, sides: Sequence[int]) -> Levels:
    """Means over Hann windows of two blocks' side, half a block apart."""
    for axis, side in enumerate(sides, start=1):
        length = min(2 * side, shift.shape[axis])
        weights = np.square(np.sin(np.pi * (np.arange(length) + 0.5) / length))
        weights /= weights.sum()
        parts = sliding_window_view(shift, length, axis)
        starts = range(0, parts.shape[axis], max(1, side // 2))
        shift = np.take(parts, starts, axis) @ weights
    return shift
