"""Transforms of places in a plane: matrices, fields, splines, and what is put together of them.

Each has ``matrix``, the 3x3 matrix that it is, or None; ``is_smooth``, whether it has no kinks;
and is called with x and y of places, arrays of any shape, for x and y of where they go. A place
goes to the same numbers among whatever others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from lerf_core.geometry.homography import Matrix
from lerf_core.geometry.registration.grids import PhysicalGrid

__all__ = [
    "BSplineTransform",
    "Composition",
    "DisplacementTransform",
    "MatrixTransform",
    "PlaneTransform",
    "Sum",
]

Floats = npt.NDArray[np.float64]


class PlaneTransform(Protocol):
    """Says where places go."""

    @property
    def matrix(self) -> Matrix | None:
        """The 3x3 matrix that it is; None: it is none."""

    @property
    def is_smooth(self) -> bool:
        """Whether it is well described by parabolas, piece by piece."""

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return x and y of where places go."""


@dataclass(frozen=True, eq=False)
class MatrixTransform:
    """A matrix; places beyond its horizon go nowhere (NaN).

    Attributes
    ----------
    matrix : ndarray of float64, (3, 3)
        Acts on (x, y, 1), with a depth that is positive in front.
    """

    matrix: Matrix
    is_smooth: ClassVar[bool] = True

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """See `PlaneTransform`."""
        (a, b, c), (d, e, f), (g, h, i) = self.matrix.tolist()
        if (g, h, i) == (0.0, 0.0, 1.0):
            return a * x + b * y + c, d * x + e * y + f
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = g * x + h * y + i
            depth = np.where(depth > 0, depth, np.nan)
            return (a * x + b * y + c) / depth, (d * x + e * y + f) / depth


@dataclass(frozen=True, eq=False)
class Composition:
    """Transforms one after the other.

    Attributes
    ----------
    steps : tuple of PlaneTransform
        The first to be applied first.
    """

    steps: tuple[PlaneTransform, ...]

    @property
    def matrix(self) -> Matrix | None:
        """See `PlaneTransform`."""
        product = np.eye(3)
        for step in self.steps:
            if step.matrix is None:
                return None
            product = step.matrix @ product
        return product

    @property
    def is_smooth(self) -> bool:
        """See `PlaneTransform`."""
        return all(step.is_smooth for step in self.steps)

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """See `PlaneTransform`."""
        for step in self.steps:
            x, y = step(x, y)
        return x, y


@dataclass(frozen=True, eq=False)
class Sum:
    """Two transforms whose displacements are added: elastix's "Add".

    Attributes
    ----------
    first, second : PlaneTransform
    """

    first: PlaneTransform
    second: PlaneTransform

    @property
    def matrix(self) -> Matrix | None:
        """See `PlaneTransform`; those of elastix are affine."""
        first, second = self.first.matrix, self.second.matrix
        return None if first is None or second is None else first + second - np.eye(3)

    @property
    def is_smooth(self) -> bool:
        """See `PlaneTransform`."""
        return self.first.is_smooth and self.second.is_smooth

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """See `PlaneTransform`."""
        (first_x, first_y), (second_x, second_y) = self.first(x, y), self.second(x, y)
        return first_x + (second_x - x), first_y + (second_y - y)


@dataclass(frozen=True, eq=False)
class DisplacementTransform:
    """A field of steps, bilinear between the centres of its pixels; beyond it nothing moves.

    Where the field ends, half a pixel beyond the centres of its outermost pixels, is ITK's rule.

    Attributes
    ----------
    field : ndarray of float, (rows, cols, 2)
        Steps along x and y, in units of physical space.
    grid : PhysicalGrid
        Where its pixels lie.
    """

    field: npt.NDArray[np.floating]
    grid: PhysicalGrid
    matrix: ClassVar[None] = None
    is_smooth: ClassVar[bool] = False

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """See `PlaneTransform`."""
        rows, cols = self.field.shape[:2]
        col, row = self.grid.to_pixels(x, y)
        inside = (col >= -0.5) & (col < cols - 0.5) & (row >= -0.5) & (row < rows - 0.5)
        col, row = (np.where(inside, way, 0.0) for way in (col, row))
        col, row = np.clip(col, 0, cols - 1), np.clip(row, 0, rows - 1)
        left, top = np.floor(col).astype(np.intp), np.floor(row).astype(np.intp)
        right, bottom = np.minimum(left + 1, cols - 1), np.minimum(top + 1, rows - 1)
        across, down = (col - left)[..., None], (row - top)[..., None]
        field = self.field
        above = field[top, left] * (1 - across) + field[top, right] * across
        below = field[bottom, left] * (1 - across) + field[bottom, right] * across
        steps = np.where(inside[..., None], above * (1 - down) + below * down, 0.0)
        return x + steps[..., 0], y + steps[..., 1]


@dataclass(frozen=True, eq=False)
class BSplineTransform:
    """Steps that are cubic B-splines; beyond the splines' grid nothing moves.

    Attributes
    ----------
    coefficients : ndarray of float64, (2, rows, cols)
        Of the steps along x and along y, in units of physical space.
    grid : PhysicalGrid
        Where the coefficients lie.
    """

    coefficients: Floats
    grid: PhysicalGrid
    matrix: ClassVar[None] = None
    is_smooth: ClassVar[bool] = True

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """See `PlaneTransform`."""
        rows, cols = self.coefficients.shape[1:]
        col, row = self.grid.to_pixels(x, y)
        # A place is told by four coefficients along each axis.
        inside = (col >= 1) & (col <= cols - 2) & (row >= 1) & (row <= rows - 2)
        col, row = (np.where(inside, way, 1.0) for way in (col, row))
        left = np.minimum(np.floor(col).astype(np.intp) - 1, cols - 4)
        top = np.minimum(np.floor(row).astype(np.intp) - 1, rows - 4)
        across, down = _cubic_weights(col - left - 1), _cubic_weights(row - top - 1)
        steps = np.zeros((2, *np.shape(col)))
        for below, by_row in enumerate(down):
            for beside, by_col in enumerate(across):
                values = self.coefficients[:, top + below, left + beside]
                steps += by_row * by_col * values
        steps[:, ~inside] = 0.0
        return x + steps[0], y + steps[1]


def _cubic_weights(part: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the weights of four coefficients for places 0..1 between the middle two."""
    rest = 1 - part
    return (
        rest**3 / 6,
        2 / 3 - part**2 * (2 - part) / 2,
        2 / 3 - rest**2 * (2 - rest) / 2,
        part**3 / 6,
    )
