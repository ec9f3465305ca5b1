"""Images that lie by ground control points: polynomials near them, or splines through them.

Convention
----------
Points are (col, row, x, y, ...): pixels are counted from the first one's corner, as in
`lerf_core.geometry.reprojection`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry.registration.thin_plate import ThinPlateSpline

__all__ = ["PolynomialPlacing", "ThinPlatePlacing"]

Floats = npt.NDArray[np.float64]

# Points that a polynomial of each order needs; unless told otherwise, order 2 is the highest that
# is taken: GDAL's rule, since the third runs wild between points.
_NEEDED = {1: 3, 2: 6, 3: 10}
_HIGHEST = 2
# Points lie on a line where the smallest direction is less than this part of the largest.
_FLAT = 1e-9
# Pixels by which a spline's inverse may be off, and steps in which it is to be found.
_NEAR, _MOST_STEPS = 1e-9, 50


@dataclass(frozen=True)
class PolynomialPlacing:
    """Where pixels lie by points; see `lerf_core.geometry.reprojection.Placing`.

    There and back are polynomials of their own, so one is not exactly the other's inverse.

    Attributes
    ----------
    points : tuple of (col, row, x, y)
    order : int
        1, 2 or 3.

    Raises
    ------
    InvalidArgumentError
        If there are too few points, or they lie on a line.
    """

    points: tuple[tuple[float, float, float, float], ...]
    order: int

    @classmethod
    def of_points(
        cls, points: Sequence[Sequence[float]], order: int | None = None
    ) -> PolynomialPlacing:
        """Make it of points; order None: 2 where there are enough for it, else 1."""
        if order is None:
            order = max((k for k in (1, _HIGHEST) if len(points) >= _NEEDED[k]), default=1)
        return cls(tuple((p[0], p[1], p[2], p[3]) for p in points), order)

    def __post_init__(self) -> None:
        needed = _NEEDED[self.order]
        if len(self.points) < needed:
            raise InvalidArgumentError(
                f"a polynomial of order {self.order} wants {needed} ground control points, and "
                f"there are {len(self.points)}"
            )
        pixels, world = self._sides
        for side in (pixels, world):
            spread = np.linalg.svd(side - side.mean(axis=0), compute_uv=False)
            if not spread[-1] > _FLAT * spread[0]:
                raise InvalidArgumentError("ground control points lie on a line")
        _ = self._forward, self._backward  # raise, where points do not determine them

    @property
    def _sides(self) -> tuple[Floats, Floats]:
        points = np.array(self.points)
        return points[:, :2], points[:, 2:]

    @cached_property
    def _forward(self) -> _Polynomial:
        pixels, world = self._sides
        return _Polynomial(pixels, world, self.order)

    @cached_property
    def _backward(self) -> _Polynomial:
        pixels, world = self._sides
        return _Polynomial(world, pixels, self.order)

    def to_world(self, col: Floats, row: Floats) -> tuple[Floats, Floats]:
        """See `Placing.to_world`."""
        return self._forward(col, row)

    def to_pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """See `Placing.to_pixels`."""
        return self._backward(x, y)

    @property
    def residual(self) -> float:
        """How far off the points are, in pixels: the root mean square."""
        pixels, world = self._sides
        found = np.stack(self.to_pixels(*world.T), axis=1)
        return float(np.sqrt(((found - pixels) ** 2).sum(axis=1).mean()))


@dataclass(frozen=True)
class ThinPlatePlacing:
    """Where pixels lie by points, which are met; see `lerf_core.geometry.reprojection.Placing`.

    A spline takes places to pixels; pixels are taken to places by its inverse, as GDAL does.

    Attributes
    ----------
    points : tuple of (col, row, x, y)

    Raises
    ------
    InvalidArgumentError
        If there are too few points, two lie at one place, or all on a line.
    """

    points: tuple[tuple[float, float, float, float], ...]

    @classmethod
    def of_points(cls, points: Sequence[Sequence[float]]) -> ThinPlatePlacing:
        """Make it of points."""
        return cls(tuple((p[0], p[1], p[2], p[3]) for p in points))

    def __post_init__(self) -> None:
        _ = self._forward, self._backward  # raise, where points do not determine them

    @cached_property
    def _forward(self) -> ThinPlateSpline:
        points = np.reshape(self.points, (-1, 4))
        return ThinPlateSpline.through(points[:, :2], points[:, 2:])

    @cached_property
    def _backward(self) -> ThinPlateSpline:
        points = np.reshape(self.points, (-1, 4))
        return ThinPlateSpline.through(points[:, 2:], points[:, :2])

    def to_world(self, col: Floats, row: Floats) -> tuple[Floats, Floats]:
        """See `Placing.to_world`."""
        col, row = np.asarray(col, np.float64), np.asarray(row, np.float64)
        x, y = self._forward(col, row)
        (a, b, _), (c, d, _) = (self._forward.linear / self._forward.size).tolist()
        # The spline of the other direction is near; its slope brings it nearer.
        for _ in range(_MOST_STEPS):
            found_col, found_row = self.to_pixels(x, y)
            off_col, off_row = col - found_col, row - found_row
            x, y = x + a * off_col + b * off_row, y + c * off_col + d * off_row
            if not max(np.abs(off_col).max(initial=0), np.abs(off_row).max(initial=0)) > _NEAR:
                break
        return x, y

    def to_pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """See `Placing.to_pixels`."""
        return self._backward(np.asarray(x, np.float64), np.asarray(y, np.float64))


class _Polynomial:
    """Two polynomials of two variables, by least squares over points, which are brought to -1..1.

    Parameters
    ----------
    source, target : ndarray of float64, (count, 2)
    order : int
    """

    def __init__(self, source: Floats, target: Floats, order: int) -> None:
        self._order = order
        self._middle = (source.max(axis=0) + source.min(axis=0)) / 2
        self._half = np.ptp(source, axis=0) / 2
        terms = self._terms(*source.T)
        mean = target.mean(axis=0)
        self._coefficients, _, rank, _ = np.linalg.lstsq(terms.T, target - mean, rcond=_FLAT)
        if rank < len(terms):
            raise InvalidArgumentError(
                f"ground control points leave a polynomial of order {order} undetermined: "
                "they lie on too few lines"
            )
        self._mean = mean

    def _terms(self, u: Floats, v: Floats) -> Floats:
        """Return all products of powers, (terms, ...)."""
        u, v = ((value - middle) / half for value, middle, half in
                zip((u, v), self._middle, self._half, strict=True))  # fmt: skip
        order = self._order
        return np.stack([u**i * v**j for i in range(order + 1) for j in range(order + 1 - i)])

    def __call__(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Return both values at points of any shape."""
        terms = self._terms(np.asarray(u, np.float64), np.asarray(v, np.float64))
        results = []
        for coefficients, mean in zip(self._coefficients.T, self._mean, strict=True):
            value = np.zeros_like(terms[0])
            # Term by term, so that a point has one value among whatever others.
            for coefficient, term in zip(coefficients, terms, strict=True):
                value += coefficient * term
            results.append(value + mean)
        return results[0], results[1]
