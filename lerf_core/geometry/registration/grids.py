"""Where the pixels of an image lie in physical space.

Convention
----------
ITK's: the CENTRE of the pixel (x, y) lies at origin + direction @ (spacing * (x, y)).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry.homography import Matrix

__all__ = ["PhysicalGrid", "planar_grid"]

Floats = npt.NDArray[np.float64]
Shape = tuple[int, int]
Pair = tuple[float, float]

# What directions of an image that lies in the plane may have of a third axis: rounding.
_TILTED = 1e-6


@dataclass(frozen=True)
class PhysicalGrid:
    """Pixels of an image in physical space.

    Attributes
    ----------
    spacing : (float, float)
        Distances along x and y between the centres of neighbouring pixels.
    origin : (float, float)
        The (x, y) of the first pixel's centre.
    direction : tuple of 4 floats
        The 2x2 matrix, row by row, whose columns say where the image's x and y axes point.
    shape : (int, int) or None
        Rows and columns; None: not known.

    Raises
    ------
    InvalidArgumentError
        If it is no grid: a spacing is not above 0, the directions are one.

    Examples
    --------
    >>> PhysicalGrid((0.5, 2.0), (10.0, 0.0)).matrix.tolist()
    [[0.5, 0.0, 10.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
    """

    spacing: Pair = (1.0, 1.0)
    origin: Pair = (0.0, 0.0)
    direction: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)
    shape: Shape | None = None

    def __post_init__(self) -> None:
        values = (*self.spacing, *self.origin, *self.direction)
        if not np.isfinite(values).all() or not min(self.spacing) > 0:
            raise InvalidArgumentError(
                f"sides of a pixel are above 0, and origins finite: spacing {self.spacing}, origin "
                f"{self.origin}"
            )
        a, b, c, d = self.direction
        if not abs(a * d - b * c) > _TILTED:
            raise InvalidArgumentError(f"directions {self.direction} are no two axes of a plane")
        if self.shape is not None and min(self.shape) < 1:
            raise InvalidArgumentError(f"a grid has pixels, got {self.shape}")

    @cached_property
    def matrix(self) -> Matrix:
        """From (x, y, 1) of pixels to (x, y) in physical space, 3x3."""
        (right, down), (x, y), (a, b, c, d) = self.spacing, self.origin, self.direction
        return np.array([[a * right, b * down, x], [c * right, d * down, y], [0.0, 0.0, 1.0]])

    @property
    def is_of_pixels(self) -> bool:
        """Whether physical space is that of the pixels themselves."""
        return bool((self.matrix == np.eye(3)).all())

    def to_physical(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return where places among the pixels lie, of any shape."""
        (a, b, c), (d, e, f) = self.matrix[:2].tolist()
        return a * x + b * y + c, d * x + e * y + f

    def to_pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return where among the pixels places lie, of any shape."""
        (a, b, c), (d, e, f) = self.matrix[:2].tolist()
        area, x, y = a * e - b * d, x - c, y - f
        return (e * x - b * y) / area, (a * y - d * x) / area


def planar_grid(
    spacing: npt.ArrayLike, origin: npt.ArrayLike, direction: npt.ArrayLike, shape: Shape | None
) -> PhysicalGrid:
    """Return the grid of an image of two axes, or of three of which the third is at right angles.

    Parameters
    ----------
    spacing, origin : array_like, (2,) or (3,)
    direction : array_like, (2, 2) or (3, 3)
        Columns say where the axes point.
    shape : (int, int) or None

    Raises
    ------
    InvalidArgumentError
        If the image's x and y leave the plane of x and y.
    """
    steps, start, axes = (np.asarray(each, np.float64) for each in (spacing, origin, direction))
    if len(steps) == 3 and max(np.abs(axes[2, :2]).max(), np.abs(axes[:2, 2]).max()) > _TILTED:
        raise InvalidArgumentError("its pixels do not lie in the plane of x and y")
    (a, b), (c, d) = axes[:2, :2].tolist()
    return PhysicalGrid(
        (float(steps[0]), float(steps[1])), (float(start[0]), float(start[1])), (a, b, c, d), shape
    )
