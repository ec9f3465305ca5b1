"""Maps between grids in systems of coordinates of the earth: from one map projection to another.

Convention
----------
A transform is (a, b, c, d, e, f) of x = a*col + b*row + c and y = d*col + e*row + f, where the top
left CORNER of the first pixel is (row, col) = (0, 0): rasterio's and GDAL's convention. Systems of
coordinates are texts, see `lerf_core.geometry.coordinate_systems`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry.coordinate_systems import named_system, period_of, transformed
from lerf_core.geometry.homography import Matrix
from lerf_core.geometry.interpolated import InterpolatedMap
from lerf_core.geometry.maps import Positions

__all__ = ["AffinePlacing", "Grid", "Placing", "Reprojection", "Transform", "affine_between"]

Floats = npt.NDArray[np.float64]
Shape = tuple[int, int]
Transform = tuple[float, float, float, float, float, float]

# Output pixels by which the way there and back may miss: more, and there is no such place.
_ROUND_TRIP = 0.5
# Part of the world that an image all around it may lack.
_ROUNDING = 1e-6


class Placing(Protocol):
    """Where the pixels of an image lie in its system of coordinates."""

    def to_world(self, col: Floats, row: Floats) -> tuple[Floats, Floats]:
        """Return x and y of places in an image, counted from its first corner."""

    def to_pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return col and row of places in the system."""


@dataclass(frozen=True)
class AffinePlacing:
    """Pixels lie by a transform.

    Raises
    ------
    InvalidArgumentError
        If it is none that can be inverted.
    """

    transform: Transform

    def __post_init__(self) -> None:
        a, b, _, d, e, _ = self.transform
        if not np.isfinite(self.transform).all() or not abs(a * e - b * d) > 0:
            raise InvalidArgumentError(f"no transform from pixels to places: {self.transform}")

    def to_world(self, col: Floats, row: Floats) -> tuple[Floats, Floats]:
        """See `Placing.to_world`."""
        a, b, c, d, e, f = self.transform
        return a * col + b * row + c, d * col + e * row + f

    def to_pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """See `Placing.to_pixels`."""
        a, b, c, d, e, f = self.transform
        area = a * e - b * d
        x, y = x - c, y - f
        return (e * x - b * y) / area, (a * y - d * x) / area

    @property
    def pixel_size(self) -> float:
        """Side of a square of a pixel's area."""
        a, b, _, d, e, _ = self.transform
        return math.sqrt(abs(a * e - b * d))

    @property
    def matrix(self) -> Matrix:
        """From (col, row, 1) of corners to (x, y, 1)."""
        return np.array([self.transform[:3], self.transform[3:], (0.0, 0.0, 1.0)])


@dataclass(frozen=True)
class Grid:
    """Pixels that lie by a transform in a system of coordinates.

    Attributes
    ----------
    system : str
        See `lerf_core.geometry.coordinate_systems.named_system`; whatever that takes, it becomes.
    transform : tuple of 6 floats
    shape : (int, int)
        Rows and columns.

    Examples
    --------
    >>> Grid("epsg:4326", (0.5, 0, -180, 0, -0.5, 90), (360, 720)).bounds
    (-180.0, -90.0, 180.0, 90.0)
    """

    system: str
    transform: Transform
    shape: Shape

    def __post_init__(self) -> None:
        object.__setattr__(self, "system", named_system(self.system))
        a, b, c, d, e, f = (float(number) for number in self.transform)
        object.__setattr__(self, "transform", AffinePlacing((a, b, c, d, e, f)).transform)
        rows, cols = (int(size) for size in self.shape)
        if min(rows, cols) < 1:
            raise InvalidArgumentError(f"a grid has pixels, got {self.shape}")
        object.__setattr__(self, "shape", (rows, cols))

    @property
    def placing(self) -> AffinePlacing:
        """Where its pixels lie."""
        return AffinePlacing(self.transform)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north of its corners."""
        rows, cols = self.shape
        x, y = self.placing.to_world(
            np.array([0.0, cols, 0.0, cols]), np.array([0.0, 0.0, rows, rows])
        )
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())


@dataclass(frozen=True, eq=False)
class Reprojection(InterpolatedMap):
    """Where the pixels of a grid lie in an image of another system; `lerf_core.warp` takes it.

    Output pixels that have no place in the image's system, or more than one, come from nowhere.
    Where the image's x repeats itself (longitudes) places are taken within half the world of its
    middle: images may cross the antimeridian, or count from 0 to 360 degrees.

    Attributes
    ----------
    source : str
        The image's system.
    placing : Placing
        Where its pixels lie in it.
    source_shape : (int, int)
        Its rows and columns.
    target : Grid
        The output's.
    """

    source: str
    placing: Placing
    source_shape: Shape
    target: Grid

    @property
    def output_shape(self) -> Shape:
        """See `ReadyMap.output_shape`."""
        return self.target.shape

    @property
    def inverse(self) -> Reprojection | None:
        """The map from the image's pixels to the grid's; None: the image lies by no transform."""
        if not isinstance(self.placing, AffinePlacing):
            return None
        image = Grid(self.source, self.placing.transform, self.source_shape)
        return Reprojection(self.target.system, self.target.placing, self.target.shape, image)

    @cached_property
    def goes_around(self) -> bool:
        """Whether the image's rows go around the world: its sides are one line, and no border.

        Then only what lies on the image has a place. Warped with mode "edge" it has no seam.
        """
        if self._period is None or not isinstance(self.placing, AffinePlacing):
            return False
        a, b, _, d, _, _ = self.placing.transform
        width = abs(a) * self.source_shape[1]
        return not b and not d and width >= self._period * (1 - _ROUNDING)

    @cached_property
    def _period(self) -> float | None:
        return period_of(self.source)

    @cached_property
    def _middle(self) -> float:
        """The x of the image's middle."""
        rows, cols = self.source_shape
        x, _ = self.placing.to_world(np.array([cols / 2]), np.array([rows / 2]))
        return float(x[0])

    def exact(self, rows: Floats, cols: Floats) -> Positions:
        """See `InterpolatedMap.exact`."""
        x, y = self.target.placing.to_world(cols + 0.5, rows + 0.5)
        source_x, source_y = transformed(self.target.system, self.source, x, y)
        back_x, back_y = transformed(self.source, self.target.system, source_x, source_y)
        off = back_x - x
        repeats = period_of(self.target.system)
        if repeats is not None:
            off -= repeats * np.rint(off / repeats)
        with np.errstate(invalid="ignore"):
            is_there = np.hypot(off, back_y - y) <= _ROUND_TRIP * self.target.placing.pixel_size
        source_x = np.where(is_there, source_x, np.nan)
        if self._period is not None:
            source_x -= self._period * np.rint((source_x - self._middle) / self._period)
        col, row = self.placing.to_pixels(source_x, source_y)
        if self.goes_around:
            rows_there = self.source_shape[0]
            with np.errstate(invalid="ignore"):
                row = np.where((row >= 0) & (row <= rows_there), row, np.nan)
        positions = np.stack([row - 0.5, col - 0.5])
        positions[:, ~np.isfinite(positions).all(axis=0)] = np.nan
        return positions

    def steps(self, steps: Floats) -> Floats:
        """See `InterpolatedMap.steps`: a step over the seam of a world is one around it."""
        if self._period is None or not isinstance(self.placing, AffinePlacing):
            return steps
        a, _, _, d, _, _ = np.linalg.inv(self.placing.matrix)[:2].ravel()
        around = self._period * np.array([d, a]).reshape(2, *[1] * (steps.ndim - 1))
        turns = np.rint((steps * around).sum(axis=0) / (around * around).sum(axis=0))
        unjumped: Floats = steps - turns * around
        return unjumped


def affine_between(source: Grid, target: Grid) -> Matrix | None:
    """Return the matrix from pixels (x, y, 1) of a grid to another's, where systems are the same.

    Convention
    ----------
    That of `lerf_core.geometry.homography`: pixel centres at integers.

    Returns
    -------
    ndarray of float64, (3, 3), or None
        None: the systems differ.
    """
    if source.system != target.system:
        return None
    half = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    corners = np.linalg.solve(source.placing.matrix, target.placing.matrix)
    matrix: Matrix = np.linalg.solve(half, corners @ half)
    return matrix
