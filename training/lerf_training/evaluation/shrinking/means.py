"""Whether shrinking keeps the means of areas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
        Over blocks.
    whole : float
        Of the whole image, result minus source, the channels' with the largest shift.
    """

    largest: float
    rms: float
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
    MeanShift(largest=0.5, rms=0.5, whole=0.5)
    """
    large, small = np.atleast_3d(source), np.atleast_3d(result)
    if large.shape[2:] != small.shape[2:]:
        raise InvalidArgumentError(f"channels differ: {large.shape} and {small.shape}")
    shift = np.stack(
        [
            _blocks(small[..., channel].astype(np.float64), large.shape[:2], block)
            - _blocks_of_source(large[..., channel].astype(np.float64), small.shape[:2], block)
            for channel in range(large.shape[2])
        ]
    )
    whole = small.mean(axis=(0, 1), dtype=np.float64) - large.mean(axis=(0, 1), dtype=np.float64)
    return MeanShift(
        float(np.abs(shift).max()),
        float(np.sqrt(np.square(shift).mean())),
        float(whole[np.abs(whole).argmax()]),
    )


def _sides(small: int, large: int, block: int) -> tuple[int, int]:
    """Result pixels of a block's side, and how many blocks there are."""
    side = max(1, round(block * small / large))
    count = small // side
    if not count:
        raise InvalidArgumentError(f"{large} pixels are fewer than a block of {block}")
    return side, count


def _blocks(small: Levels, source_shape: tuple[int, ...], block: int) -> Levels:
    sides = [_sides(*sizes, block) for sizes in zip(small.shape, source_shape, strict=True)]
    (side_rows, rows), (side_cols, cols) = sides
    used = small[: rows * side_rows, : cols * side_cols]
    means: Levels = used.reshape(rows, side_rows, cols, side_cols).mean(axis=(1, 3))
    return means


def _blocks_of_source(large: Levels, result_shape: tuple[int, ...], block: int) -> Levels:
    # Means over what each result pixel covers, then over the pixels of a block.
    covered = block_means(large, (result_shape[0], result_shape[1]))
    return _blocks(covered, large.shape, block)
