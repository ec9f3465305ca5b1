"""The window of an image that is enlarged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Crop", "busiest_crop"]

_SIDE = 48  # pixels


@dataclass(frozen=True)
class Crop:
    """A window of an image: its left column, top row, width and height in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def index(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def __str__(self) -> str:
        return f"{self.width}x{self.height} pixels at ({self.x}, {self.y})"


def busiest_crop(grey: NDArray[np.float32], side: int = _SIDE) -> Crop:
    """Return the window with the greatest sum of differences between neighbours.

    Parameters
    ----------
    grey : (rows, cols) float array
        What is not finite counts as 0.
    side : int, optional
        Of the window; a smaller image limits it.
    """
    level = np.where(np.isfinite(grey), grey, 0).astype(np.float64)
    change = np.pad(np.abs(np.diff(level, axis=0)), [(0, 1), (0, 0)])
    change += np.pad(np.abs(np.diff(level, axis=1)), [(0, 0), (0, 1)])
    rows, cols = (min(side, size) for size in level.shape)
    total = np.pad(change.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    window = (
        total[rows:, cols:] - total[:-rows, cols:] - total[rows:, :-cols] + total[:-rows, :-cols]
    )
    y, x = np.unravel_index(int(window.argmax()), window.shape)
    return Crop(int(x), int(y), cols, rows)
