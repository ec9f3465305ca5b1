"""Where the pixels of a result lie among those of its source.

Convention
----------
As in napari, pixel centres lie at integers, and an image spans -0.5 to size - 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Matrix", "PixelGrid", "swap_xy"]

Matrix = npt.NDArray[np.float64]


def swap_xy(matrix: Matrix) -> Matrix:
    """Return a 3x3 matrix of (x, y) as one of (row, col), or the other way round."""
    return np.asarray(matrix[[1, 0, 2]][:, [1, 0, 2]])


@dataclass(frozen=True)
class PixelGrid:
    """A grid whose pixel (row, col) lies at ``origin + step * (row, col)`` of the source's pixels.

    Attributes
    ----------
    origin, step : (float, float)
        Along rows and columns, in source pixels.
    """

    origin: tuple[float, float] = (0.0, 0.0)
    step: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def of_resize(cls, shape: tuple[int, int], out_shape: tuple[int, int]) -> PixelGrid:
        """Return the grid of other (rows, cols) within the same outline."""
        rows, cols = (size / out for size, out in zip(shape, out_shape, strict=True))
        return cls((rows / 2 - 0.5, cols / 2 - 0.5), (rows, cols))

    def compose(self, inner: PixelGrid) -> PixelGrid:
        """Return the grid of a result that lies on an inner grid of this one's pixels."""
        (top, left), (down, across) = self.origin, self.step
        (row, col), (inner_down, inner_across) = inner.origin, inner.step
        origin = (top + down * row, left + across * col)
        return PixelGrid(origin, (down * inner_down, across * inner_across))

    def shifted(self, top: int, left: int) -> PixelGrid:
        """Return the grid of a block that begins at pixel (top, left) of this one."""
        return self.compose(PixelGrid((float(top), float(left))))

    @property
    def matrix(self) -> Matrix:
        """The 3x3 matrix from the result's (x, y) to the source's."""
        (top, left), (down, across) = self.origin, self.step
        return np.array([[across, 0, left], [0, down, top], [0, 0, 1.0]])

    def clipping_plane(self, plane: Mapping[str, Any]) -> dict[str, Any]:
        """Return a plane of the source's data coordinates in those of the result.

        Parameters
        ----------
        plane : mapping
            ``position`` and ``normal``, numbers per axis of the layer; rows and columns come last.
        """
        moved = dict(plane)
        position, normal = (np.array(plane[key], np.float64) for key in ("position", "normal"))
        if position.size >= 2 and np.any(normal):
            position[-2:] = (position[-2:] - self.origin) / self.step
            normal[-2:] *= self.step
            normal /= np.linalg.norm(normal)
            moved |= {"position": tuple(position), "normal": tuple(normal)}
        return moved
