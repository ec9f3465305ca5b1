"""Border modes: what stands where the image has ended, as `numpy.pad` has it.

Convention
----------
Positions and indices are in source pixels; the centre of the first pixel is 0. "edge" and
"constant" clip to the image. "symmetric", "reflect" and "wrap" repeat it with a period, in
which "symmetric" shows the outermost pixels twice in a row and "reflect" once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["fold_coordinates", "fold_indices", "fold_period", "is_periodic"]

Indices = npt.NDArray[np.int64]
Positions = npt.NDArray[np.float64]


def is_periodic(mode: str) -> bool:
    """Whether a border mode repeats the image: symmetric, reflect or wrap."""
    return mode not in ("edge", "constant")


def fold_period(size: int, mode: str) -> tuple[float, int]:
    """Return where the period of a mode that repeats the image begins, and its length.

    Returns
    -------
    start : float
        How far before pixel 0 the period begins, in pixels.
    period : int
        In pixels; 0 for "reflect" of a single pixel.
    """
    if mode == "reflect":
        return 0.0, 2 * (size - 1)
    return 0.5, size if mode == "wrap" else 2 * size


def fold_coordinates(
    position: Positions, size: int, mode: str, reach: Positions | float
) -> Positions:
    """Return positions of an axis where the border mode takes them from.

    Parameters
    ----------
    position : ndarray of float64
        In source pixels, finite.
    size : int
        Source pixels of the axis.
    mode : str
        The border mode.
    reach : ndarray of float64, or float
        By modes that clip, positions are moved no farther than where the outermost pixel is out
        of reach: to this many pixels beyond it.
    """
    if not is_periodic(mode):
        return np.clip(position, -reach, size - 1 + reach)
    start, period = fold_period(size, mode)
    if period == 0:
        return np.zeros_like(position)
    folded = np.mod(position + start, period)
    if mode != "wrap":
        folded = np.minimum(folded, period - folded)
    inside = (position >= 0) & (position <= size - 1)
    return np.where(inside, position, folded - start)  # not a bit of what needs no folding


def fold_indices(index: Indices, size: int, mode: str) -> Indices:
    """Return which of `size` pixels stand at indices that may lie outside, int64."""
    if not is_periodic(mode) or size == 1:
        return np.clip(index, 0, size - 1).astype(np.int64)
    start, period = fold_period(size, mode)
    folded = np.mod(index, period)
    if mode != "wrap":
        # Pixel i and its mirror image: period - 1 - i where the period begins half a pixel
        # before pixel 0, else period - i.
        folded = np.minimum(folded, period - int(2 * start) - folded)
    return folded.astype(np.int64)
